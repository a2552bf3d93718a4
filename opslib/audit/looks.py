"""Every look at one bucket that the ledger holds, and what they say together: the newest answer to each check counts.

A later look that held the bucket to the same rule replaces the earlier one; the checks that it left out keep their
earlier answer. A look under another rule adds what it found wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opslib.ledger.chain import Entry
from opslib.router.journal import BUCKET_LOOKED
from opslib.validator.checks import CHECKS

JSON = dict[str, Any]
ENDS = ("step.done", "step.failed", "step.unknown", "step.cancelled", "step.crashed")
KINDS = ("step.started", *ENDS, BUCKET_LOOKED)

# Whether the answer to these depends on how long recordings must stay.
_TIMED = frozenset(check.id for check in CHECKS.values() if check.control in ("retention", "minimum", "worm"))


@dataclass(frozen=True)
class Look:
    """One look, or a step that was to look and came to nothing: then `report` is empty."""

    seq: int
    at: str
    run_id: str
    bucket: str
    state: str
    summary: str
    error: str
    report: JSON

    @property
    def rule(self) -> tuple[Any, Any]:
        """What it held the bucket to: the profile, and how many days."""
        return self.report.get("profile"), self.report.get("retention_days")


def looks(entries: Iterable[Entry], run_id: str) -> list[Look]:
    """Those of a run, and the later ones of other runs at the same bucket, oldest first."""
    every, given, own = list[Look](), dict[str, str](), ""
    for entry in entries:
        data = entry.data
        if entry.kind == "step.started":
            target = (data.get("given") or {}).get("onboarding", {}).get("target", {})
            given[entry.run_id] = target.get("bucket", "")
            if data["step"] != "validate_bucket":
                continue
        elif entry.kind != BUCKET_LOOKED and data["step"] != "validate_bucket":
            continue
        look = _look(entry, data, given.get(entry.run_id, ""))
        if entry.run_id == run_id:
            own = look.bucket or own
            every.append(look)
        elif own and look.bucket == own and entry.kind != "step.started":
            every.append(look)
    return every


def _look(entry: Entry, data: JSON, given: str) -> Look:
    found = data.get("data") or {}
    report = found if "findings" in found else {}
    state = entry.kind.removeprefix("step.") if entry.kind != BUCKET_LOOKED else ("done" if report else "failed")
    error = data.get("error")
    name = str(error.get("error", "") if isinstance(error, dict) else error or "")  # of a crash, only the name
    bucket = report.get("bucket") or data.get("bucket") or given
    summary = str(data.get("summary", "how it ended is not recorded"))
    return Look(entry.seq, entry.at, entry.run_id, bucket, state, summary, name, report)


def together(every: Sequence[Look]) -> JSON | None:
    """The report that counts now, each finding with the `entry` it rests on; None where the last look came to nothing.
    `every` as `looks` has it."""
    if not every or not every[-1].report:
        return None
    first = every[0].run_id
    reports = [look for look in every if look.report]
    rule = [look for look in reports if look.run_id == first][-1:] or reports[-1:]
    base = [look for look in reports if look.rule == rule[0].rule][-1]
    newer = _left_out(base, [look for look in reports if look.seq < base.seq and look.rule == base.rule])
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
    """What a look under another rule found wrong. An answer about days counts only where it asks for no more days."""
    rows = []
    for row in _rows(later):
        if row["verdict"] != "FAIL":
            continue
        days, own = later.report.get("retention_days"), base.report.get("retention_days")
        decides = row["check"] not in _TIMED or (days is not None and own is not None and days <= own)
        word = "FAIL" if decides else "UNKNOWN"
        cause = f"{row['cause']} (found later, under profile {later.report.get('profile')}, {days} days)"
        rows.append({**row, "verdict": word, "cause": cause, "entry": later.seq})
    return rows
