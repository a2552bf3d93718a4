"""The register of exceptions: every unsafe change that somebody agreed to, with why, who, and until when.

An exception changes no verdict: it stands beside it.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from opslib.audit.deeds import approved_by
from opslib.audit.facts import Facts, once
from opslib.audit.reads import where
from opslib.genesys.backend import leaves
from opslib.ledger.archive import BACKFILL, BACKFILL_ENDED
from opslib.ledger.chain import Entry
from opslib.onboarding.models import Consent
from opslib.router.approval import terms
from opslib.router.journal import APPROVAL, Progress
from opslib.router.plan import Change
from opslib.router.render import show
from opslib.router.unsafe_changes import UNSAFE

# Which control each of them stands beside.
CONTROLS = {
    "shorter-retention": ("retention", "minimum"),
    "bucket-change": ("storage",),
    "region-change": ("storage",),
    "credential-change": ("storage",),
    "failed-validation": ("storage", "encryption", "access", "transport", "retention", "minimum", "worm", "operation"),
}


@dataclass(frozen=True)
class Exempted:
    """One exception. `by` is who agreed, as the ledger names them; `changed` has the values, in words. `state`: in
    force, expired, renewed (the same was agreed to again), ended (it is so no more), undone, or not applied."""

    number: int
    name: str
    what: str
    changed: str
    reason: str
    by: str
    at: str
    until: date
    days_left: int
    state: str
    entry: int

    @property
    def tag(self) -> str:
        return f"E-{self.number}"

    @property
    def is_open(self) -> bool:
        """Whether somebody has to do something about it: it has expired, or nobody said why."""
        return self.state == "expired" or not self.reason.strip()

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "tag": self.tag, "open": self.is_open, "until": self.until.isoformat()}


@once
def register(facts: Facts) -> list[Exempted]:
    """Every exception to this run's org and target, of this run and of those before and after it, oldest first;
    those of export jobs are the last."""
    applies = [apply for apply in facts.all_applies if apply.plan.where == where(facts) and _same_target(facts, apply)]
    approvals = list(facts.everywhere(APPROVAL))
    rests_on = {apply.id: _approvals_of(facts, apply, approvals) for apply in applies}
    found: list[Exempted] = []
    for entry in approvals:
        used = [apply for apply in applies if entry.seq in rests_on[apply.id]]
        last = not any(one.seq > entry.seq and one.data["checksum"] == entry.data["checksum"] for one in approvals)
        if used or (entry.run_id == facts.run_id and last):
            found += [
                _exempted(facts, len(found) + number, entry, name, used[-1:])
                for number, name in enumerate(entry.data.get("unsafe", ()), 1)
            ]
    found += _of_backfills(facts, len(found))
    return [_unless_renewed(one, found) for one in found]


def _of_backfills(facts: Facts, before: int) -> list[Exempted]:
    """What was agreed to for export jobs: it is over when they have ended."""
    ended = {entry.data["backfill"] for entry in facts.everywhere(BACKFILL_ENDED)}
    agreed = [
        (entry, name)
        for entry in facts.everywhere(BACKFILL)
        if entry.data["where"]["api"] == where(facts)
        for name in entry.data["unsafe"]
    ]
    return [
        replace(
            _exempted(facts, before + number, entry, name, []),
            changed=f"up to {entry.data['recordings']:,} recordings to {entry.data['where']['bucket']}",
            state="ended" if entry.seq in ended else "in force",
        )
        for number, (entry, name) in enumerate(agreed, 1)
    ]


def _unless_renewed(one: Exempted, every: list[Exempted]) -> Exempted:
    again = any(two.number > one.number and two.name == one.name and two.state == "in force" for two in every)
    return replace(one, state="renewed") if one.state == "expired" and again else one


def beside(control: str, exceptions: list[Exempted]) -> tuple[str, ...]:
    """The tags of the exceptions that stand beside a control."""
    return tuple(
        one.tag
        for one in exceptions
        if one.state in ("in force", "expired") and (control == "exceptions" or control in CONTROLS.get(one.name, ()))
    )


def _exempted(facts: Facts, number: int, entry: Entry, name: str, used: list[Progress]) -> Exempted:
    reason, last = terms(entry.data, name)
    consent = Consent.model_construct(until=_day(last))
    until, today = consent.last_day(datetime.fromisoformat(entry.at).date()), facts.moment().date()
    return Exempted(
        number,
        name,
        UNSAFE.get(name, name),
        "; ".join(_values(name, used[0])) if used else "",
        reason,
        approved_by(facts, entry, name),
        entry.at,
        until,
        (until - today).days,
        _state(facts, name, entry, used, until),
        entry.seq,
    )


def _day(until: str | None) -> date | None:
    return date.fromisoformat(until) if until else None


def _state(facts: Facts, name: str, entry: Entry, used: list[Progress], until: date) -> str:
    if not used and not _had_nothing_to_do(facts, entry):
        return "not applied"
    if used and used[0].ended == "rolled back":
        return "undone"
    if _is_over(facts, name, entry, used):
        return "ended"
    return "expired" if until < facts.moment().date() else "in force"


def _had_nothing_to_do(facts: Facts, entry: Entry) -> bool:
    """Whether it was agreed that the org is to stay as it is: the run's apply ended well without a change."""
    end = facts.last_end("apply")
    return entry.run_id == facts.run_id and not facts.applies and bool(end and end.kind == "step.done")


def _is_over(facts: Facts, name: str, entry: Entry, used: list[Progress]) -> bool:
    """Whether what was agreed to is so no more: the bucket passes, or the object is as it was before, or gone."""
    if name == "failed-validation":
        report = facts.bucket_report()
        words = {row["verdict"] for row in report["findings"]} if report else set()
        return bool(report and report["entry"] > entry.seq and words and not words & {"FAIL", "UNKNOWN"})
    changes = [
        (apply, change)
        for apply in used
        for change in apply.plan.changes
        if name in change.unsafe and change.action == "update"
    ]
    return bool(changes) and all(_is_put_back(facts, name, change, apply) for apply, change in changes)


def _is_put_back(facts: Facts, name: str, change: Change, used: Progress) -> bool:
    """Whether a later apply of this tool brought every value back that was agreed to; or more days."""
    later = [
        one
        for apply in facts.all_applies
        if apply.ended == "done" and apply.plan.where == used.plan.where and int(apply.id) > int(used.id)
        for one in apply.plan.changes
        if (one.kind, one.id) == (change.kind, change.id)
    ]
    if not later or later[-1].after is None:
        return bool(later)
    now = dict(leaves(later[-1].after))
    fields = [field for field in change.fields if _belongs(name, field.path)]
    return all(_is_as_before(name, field.before, now.get(field.path)) for field in fields)


def _is_as_before(name: str, before: object, now: object) -> bool:
    if name == "shorter-retention" and isinstance(before, int) and isinstance(now, int):
        return now >= before
    return now == before


def _approvals_of(facts: Facts, apply: Progress, approvals: list[Entry]) -> list[int]:
    """The last approval of just its plan before an apply, and what was agreed to while it was unfinished."""
    given = [one.seq for one in approvals if one.data["checksum"] == apply.checksum and one.seq < int(apply.id)]
    return [*given[-1:], *(one.seq for one in facts.consents_on_the_way(apply))]


def _same_target(facts: Facts, apply: Progress) -> bool:
    if apply.run_id == facts.run_id:
        return True
    own = {(change.kind, change.id) for one in facts.applies for change in one.plan.changes}
    onboarding = facts.given.get("onboarding") or {}
    own |= {(kind, str(part.get("id") or part.get("name", ""))) for kind, part in onboarding.items() if _is_part(part)}
    return any((change.kind, change.id) in own for change in apply.plan.changes)


def _is_part(value: object) -> bool:
    return isinstance(value, dict)


def _values(name: str, apply: Progress) -> list[str]:
    """What changed by it, field by field."""
    return [
        f"{change.kind} {change.name}: {field.path} {show(field.before)} → {show(field.after)}"
        for change in apply.plan.changes
        if name in change.unsafe and change.action == "update"
        for field in change.fields
        if _belongs(name, field.path)
    ] or [f"{change.action} {change.kind} {change.name}" for change in apply.plan.changes if name in change.unsafe]


def _belongs(name: str, path: str) -> bool:
    """Whether a field is what makes the change unsafe, where that can be told by its name."""
    marks = {"shorter-retention": ("etention",), "bucket-change": ("bucket",), "region-change": ("region",)}
    return any(mark in path for mark in marks.get(name, ("",)))
