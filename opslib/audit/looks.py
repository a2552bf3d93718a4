"""Every look at one bucket that the ledger holds, and what they say together: the newest answer to each check counts.

A later look that held the bucket to the same rule replaces the earlier one; the checks that it left out keep their
earlier answer. A look under another rule, or at another folder, adds what it found wrong with the whole bucket. A
bucket of that name on a sandbox is another one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from opslib.ledger.chain import Entry
from opslib.router.journal import BUCKET_LOOKED
from opslib.settings import is_loopback
from opslib.validator.checks import CHECKS

JSON = dict[str, Any]
ENDS = ("step.done", "step.failed", "step.unknown", "step.cancelled", "step.crashed")
KINDS = ("step.started", *ENDS, BUCKET_LOOKED)

# Whether the answer to these depends on how long recordings must stay.
_TIMED = frozenset(check.id for check in CHECKS.values() if check.control in ("retention", "minimum", "worm"))
# These are about who writes to one folder.
_OF_A_FOLDER = frozenset(check.id for check in CHECKS.values() if check.written_with)


@dataclass(frozen=True)
class Look:
    """One look, or a step that was to look and came to nothing: then `report` is empty. `wanted` is the onboarding that
    the run was for then."""

    seq: int
    at: str
    run_id: str
    bucket: str
    state: str
    summary: str
    error: str
    report: JSON
    wanted: JSON
    on_sandbox: bool

    def holds_to_the_same(self, other: "Look") -> bool:
        """Whether both held the bucket to one rule at one folder. Older ledgers do not say the encryption."""
        names = ("profile", "retention_days", "prefix")
        mine, its = self.report.get("encryption"), other.report.get("encryption")
        return all(self.report.get(name) == other.report.get(name) for name in names) and (
            None in (mine, its) or mine == its
        )


def looks(entries: Iterable[Entry], run_id: str, bucket: str) -> list[Look]:
    """Those of a run at a bucket, and the later ones of other runs, oldest first. Without a bucket, the run's first one
    counts."""
    every, given = list[Look](), dict[str, JSON]()
    for entry in entries:
        if entry.kind == "step.started":
            given[entry.run_id] = entry.data.get("given") or {}
        if entry.kind != BUCKET_LOOKED and entry.data["step"] != "validate_bucket":
            continue
        look, own = _look(entry, given.get(entry.run_id, {})), entry.run_id == run_id
        bucket = bucket or (look.bucket if own else "")
        at_it = look.bucket == bucket or (own and not look.bucket)
        if at_it and (own or (every and _is_later(entry, look, every[0]))):
            every.append(look)
    return every


def _is_later(entry: Entry, look: Look, first: Look) -> bool:
    """Whether a look of another run says something: one that was begun or cancelled does not."""
    return entry.kind not in ("step.started", "step.cancelled") and look.on_sandbox == first.on_sandbox


def _look(entry: Entry, given: JSON) -> Look:
    data, wanted = entry.data, given.get("onboarding") or {}
    found = data.get("data") or {}
    report = found if "findings" in found else {}
    state = entry.kind.removeprefix("step.") if entry.kind != BUCKET_LOOKED else ("done" if report else "failed")
    error = data.get("error")
    name = str(error.get("error", "") if isinstance(error, dict) else error or "")  # of a crash, only the name
    bucket = report.get("bucket") or data.get("bucket") or (wanted.get("target") or {}).get("bucket", "")
    summary = str(data.get("summary", "how it ended is not recorded"))
    on_sandbox = is_loopback(urlsplit(str((given.get("org") or {}).get("api_url") or "")).hostname)
    return Look(entry.seq, entry.at, entry.run_id, bucket, state, summary, name, report, wanted, on_sandbox)


def judging(every: Sequence[Look], wanted: JSON) -> Look | None:
    """The look whose rule counts: the run's own last one that was for what it wanted, else its last, else the last.
    `every` as `looks` has it; the first is the run's own."""
    reports = [look for look in every if look.report]
    own = [look for look in reports if look.run_id == every[0].run_id]
    fitting = [look for look in own if look.wanted == wanted]
    return next(reversed(fitting or own or reports), None)


def together(every: Sequence[Look], wanted: JSON) -> JSON | None:
    """The report that counts now, each finding with the `entry` it rests on; None where the last look came to nothing.
    `every` and `wanted` as in `judging`."""
    rule = judging(every, wanted)
    if rule is None or not every[-1].report:
        return None
    reports = [look for look in every if look.report]
    base = [look for look in reports if look.holds_to_the_same(rule)][-1]
    newer = _left_out(base, [look for look in reports if look.seq < base.seq and look.holds_to_the_same(base)])
    for later in (look for look in reports if look.seq > base.seq):
        newer |= {row["check"]: row for row in _found_wrong(later, base)}
    kept = [{**row, "entry": base.seq} for row in _rows(base) if row["check"] not in newer]
    findings = [*kept, *newer.values()]
    return {
        **base.report,
        "entry": base.seq,
        "findings": [row for row in findings if row["verdict"] != "not_checked"],
        "not_checked": [row for row in findings if row["verdict"] == "not_checked"],
        "counts": {word: sum(row["verdict"] == word for row in findings) for word in {r["verdict"] for r in findings}},
    }


def _rows(look: Look) -> list[JSON]:
    return [*look.report["findings"], *look.report.get("not_checked", ())]


def _left_out(base: Look, earlier: Sequence[Look]) -> dict[str, JSON]:
    """The newest earlier answer to each check that a look left out on purpose."""
    names = set(base.report.get("left_out", ()))
    rows = [{**row, "entry": look.seq} for look in earlier for row in _rows(look)]
    return {row["check"]: row for row in rows if row["check"] in names}


def _found_wrong(later: Look, base: Look) -> list[JSON]:
    """What a look under another rule, or at another folder, found wrong. An answer about days counts only where it asks
    for no more days, of the same folder; one about who writes, or with what encryption, only where that is the same."""
    same_folder = later.report.get("prefix") == base.report.get("prefix")
    same_encryption = later.report.get("encryption") == base.report.get("encryption")
    days, own = later.report.get("retention_days"), base.report.get("retention_days")
    no_more_days = days is not None and own is not None and days <= own
    rows = []
    for row in _rows(later):
        of_another = not same_folder and row["check"] in _OF_A_FOLDER
        if row["verdict"] != "FAIL" or of_another or (row["check"] == "encryption" and not same_encryption):
            continue
        decides = row["check"] not in _TIMED or (no_more_days and same_folder)
        word = "FAIL" if decides else "UNKNOWN"
        cause = f"{row['cause']} (found later, under profile {later.report.get('profile')}, {days} days)"
        rows.append({**row, "verdict": word, "cause": cause, "entry": later.seq})
    return rows
