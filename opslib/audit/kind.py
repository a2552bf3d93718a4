"""What kind of run it was: each has a title and verdicts of its own."""

from typing import Literal

from opslib.audit.facts import Facts
from opslib.ledger.chain import Entry
from opslib.router.journal import Progress

Kind = Literal["onboarding", "offboarding", "undone", "unfinished", "refused", "not applied", "recheck"]


def kind_of(facts: Facts) -> Kind:
    """By what the run set out to do, and how its last apply ended."""
    if facts.started.data["command"] == "recheck":
        return "recheck"
    last = facts.applies[-1] if facts.applies else None
    if last and not last.ended:
        return "unfinished"
    if _is_removal(facts, last) and (last is None or last.ended == "done"):
        return "offboarding"
    if last and last.ended == "rolled back" and not _done_since(facts):
        return "undone"
    if was_refused(facts):
        return "refused"
    acted = last or (facts.last_end("apply") and not facts.given.get("undo"))
    return "onboarding" if acted else "not applied"


def was_refused(facts: Facts) -> Entry | None:
    """The step that refused the plan for want of consent, where nothing was applied."""
    if facts.applies:
        return None
    ends = [facts.last_end("approve"), facts.last_end("apply")]
    refused = [end for end in ends if end and (end.data.get("error") or {}).get("error") == "ConsentMissing"]
    return refused[-1] if refused else None


def removes(apply: Progress) -> bool:
    """Whether an apply is to remove something; an undo, whether it removes the routing."""
    kept = ("webhook",) if apply.plan.undoes else ()
    return any(change.action == "delete" and change.kind not in kept for change in apply.plan.changes)


def is_undo(facts: Facts) -> bool:
    """Whether the run's last apply undid an earlier one."""
    return any(apply.ended == "done" and apply.plan.undoes for apply in facts.applies[-1:])


def _is_removal(facts: Facts, last: Progress | None) -> bool:
    """Whether the run was to remove what the org has, also where the org had nothing any more."""
    begun = [entry.data.get("given") or {} for entry in facts.entries("step.started") if entry.data["step"] == "apply"]
    return bool(last and removes(last)) or any(given.get("removal") for given in begun[-1:])


def _done_since(facts: Facts) -> bool:
    end = facts.last_end("apply")
    return bool(end and end.kind == "step.done")
