"""What was changed: each plan that was applied, who approved it and how it ended; without one, the last plan made."""

from collections.abc import Iterator, Sequence
from typing import Any

from opslib.audit import controls
from opslib.audit.deeds import approved_by
from opslib.audit.document import Block, Cell, Code, Prose, Table
from opslib.audit.facts import Facts
from opslib.audit.sections import plan
from opslib.ledger.chain import Entry
from opslib.router.approval import recorded
from opslib.router.journal import Progress


def blocks(facts: Facts) -> Sequence[Block]:
    return [*_applies(facts)] if facts.applies else [*_not_applied(facts)]


def _applies(facts: Facts) -> Iterator[Block]:
    yield Prose("What was to change, who agreed to it, and how it ended. A dash: the value is not set.")
    first_with: dict[str, int] = {}
    for number, apply in enumerate(facts.applies, 1):
        yield _summary(facts, number, apply)
        yield from plan.decisions(apply.decisions)
        first = first_with.setdefault(apply.checksum, number)
        if first == number:
            yield from plan.blocks(apply.plan.as_json())
        else:
            yield Prose(f"The plan is that of apply {first}.")


def _not_applied(facts: Facts) -> Iterator[Block]:
    end = facts.last_end("plan")
    made = end.data.get("data") if end and end.kind == "step.done" else None
    yield Prose("No plan was applied.")
    if not made:
        yield Prose("No plan was made.")
        return
    yield from plan.blocks(made)
    if made["changes"]:
        yield Prose("This plan was not carried out.")


def _summary(facts: Facts, number: int, apply: Progress) -> Table:
    approval = facts.approval(apply)
    consent = approval.data if approval else {}
    rows: dict[str, Cell] = {
        "Begun (UTC)": apply.at,
        "Begun by": apply.user,
        "Plan's checksum (SHA-256)": Code(apply.checksum),
        "Approved (UTC)": f"{approval.at}, entry {approval.seq}" if approval else "there is no approval",
        "Approved by": _approved_by(facts, approval) if approval else "nobody",
        "With consent to": ", ".join(consent.get("unsafe", ())) or "nothing unsafe was in it",
        "Reason given": "; ".join(_reasons(consent)) or "none",
        "Outcome": controls.outcome(apply),
        "Entries": f"{apply.id} to {apply.last_seq or apply.id}",
    }
    return Table(f"Apply {number}", ("What", "Value"), list(rows.items()), (1, 2))


def _approved_by(facts: Facts, approval: Entry) -> str:
    elsewhere = f", in run {approval.run_id}" if approval.run_id != facts.run_id else ""
    return f"{approved_by(facts, approval)}{elsewhere}"


def _reasons(consent: dict[str, Any]) -> list[str]:
    """Why it was approved, by the second key first."""
    signed = recorded(consent)
    return list(dict.fromkeys(filter(None, [signed.statement.reason if signed else "", consent.get("reason", "")])))
