"""Separation of duties: did a second key approve exactly the plan that was applied?

The signature of each approval is verified again here, from the ledger alone. A key is not a person: PASS says that the
holder of a listed key approved, and that the key is none that took part in the apply.
"""

from collections.abc import Sequence

from opslib.audit.control_result import ControlResult
from opslib.audit.deeds import of_apply
from opslib.audit.facts import Facts
from opslib.audit.words import key_words
from opslib.ledger.chain import Entry
from opslib.ledger.moment import parse_moment
from opslib.ledger.signing import key_id
from opslib.router.approval import Approval, flaw, recorded
from opslib.router.journal import Progress
from opslib.verdict import WORST_FIRST, Verdict

SEPARATION = "Separation of duties: a second key approved exactly this plan"
_ASK = "Ask for a second approval"


def separation(facts: Facts) -> ControlResult:
    """PASS where each apply has a valid approval by a key that was listed and took no other part, and nothing else was
    accepted in its place; FAIL where one was required and is missing."""
    if not facts.applies:
        return ControlResult(SEPARATION, "not_checked", "nothing was applied")
    found = [(apply, *_of_apply(facts, number, apply)) for number, apply in enumerate(facts.applies, 1)]
    worst = min((word for _, word, _ in found), key=WORST_FIRST.index)
    why = dict.fromkeys(why for _, word, why in found if word == worst)
    approvals = [entry.seq for apply in facts.applies if (entry := facts.approval(apply))]
    entries = sorted({*approvals, *(int(apply.id) for apply, word, _ in found if word == worst)})
    return ControlResult(SEPARATION, worst, "; ".join(why), entries)


def second_key(facts: Facts, apply: Progress) -> Approval | None:
    """The valid approval of an apply's plan by a key that took no part in it; whether the key was listed or not."""
    entry = facts.approval(apply)
    approval = recorded(entry.data) if entry else None
    if entry is None or approval is None or _flaw(facts, apply, approval, None):
        return None
    return None if key_id(approval.statement.key) in _part_takers(facts, apply, entry) else approval


def not_two_people(facts: Facts) -> str:
    """Why the approval of the last apply does not show a second person; empty when user and key differ, or a second key
    signed the plan."""
    last = facts.applies[-1:]
    if any(second_key(facts, apply) for apply in last):
        return ""
    given = [facts.actor(entry) for apply in last if (entry := facts.approval(apply))]
    applied = [deed.actor for deed in of_apply(facts, len(facts.applies)) if deed.began] if last else []
    if any(str(approver) == str(actor) for approver in given for actor in applied):
        return "The approver took part in the apply: no second person is shown."
    if any(not (approver.key_id and actor.key_id) for approver in given for actor in applied):
        return "Another user name applied it, and the ledger does not name both keys: no second person is shown."
    if any(approver.key_id == actor.key_id for approver in given for actor in applied):
        return "Another user name applied it with the same signing key: no second person is shown."
    return ""


def _of_apply(facts: Facts, number: int, apply: Progress) -> tuple[Verdict, str]:
    entry = facts.approval(apply)
    listed: Sequence[str] | None = entry.data.get("approvers") if entry else None
    approval = recorded(entry.data) if entry else None
    bad: Verdict = "WARN" if listed is None else "FAIL"
    if entry is None or approval is None:
        if listed is not None:
            return bad, f"the apply that entry {apply.id} begins needed the approval of a listed key, and has none"
        return bad, f"{_alone(facts, number, entry)}: no second key signed the plan. {_ASK}"
    name = f"key {key_words(key_id(approval.statement.key))}"
    if listed is not None and approval.statement.key not in listed:
        return bad, f"{name} signed the approval, and was not listed"
    if wrong := _flaw(facts, apply, approval, listed):
        return bad, f"the approval by {name} does not count: {wrong}"
    if key_id(approval.statement.key) in _part_takers(facts, apply, entry):
        return bad, f"{name} approved its own apply: one person planned, approved and applied. {_ASK}"
    if listed is None:
        why = f"{name} approved exactly this plan, and no list says whose keys count: set OPSLIB_APPROVERS"
        return "WARN", why
    if apply.accepted:
        return (
            "WARN",
            f"{name} approved exactly this plan; what was accepted instead of it later, no second key approved",
        )
    return "PASS", f"{name}, which was listed, approved exactly this plan, and took no other part"


def _flaw(facts: Facts, apply: Progress, approval: Approval, listed: Sequence[str] | None) -> str:
    """Why it does not count, as of when the apply began; empty when it does. The signature is verified again."""
    said = approval.statement
    if wrong := flaw(approval, parse_moment(apply.at), approvers=listed):
        return wrong.cause
    if (said.checksum, said.where, said.backend) != (apply.checksum, apply.plan.where, apply.plan.backend):
        return "it approves another plan"
    org = facts.connected().get("org_id")
    if said.org.id and org and said.org.id != org:
        return "it approves the plan for another org"
    entry = facts.approval(apply) if listed is not None else None
    needed = {*apply.plan.unsafe, *(entry.data.get("unsafe", ()) if entry else ())}
    missing = sorted(needed - set(said.unsafe))
    return f"it does not agree to {', '.join(missing)}" if missing else ""


def _part_takers(facts: Facts, apply: Progress, entry: Entry) -> set[str]:
    """The short names of the keys that started the run, noted the approval, and began or took up the apply."""
    number = list(facts.applies).index(apply) + 1
    actors = [facts.actor(facts.started), facts.actor(entry)]
    actors += [deed.actor for deed in of_apply(facts, number) if deed.of_apply]
    return {actor.key_id for actor in actors if actor.key_id} | {key_id(facts.ledger.key)}


def _alone(facts: Facts, number: int, approval: Entry | None) -> str:
    """Who took part, where no second key did."""
    users = {str(deed.actor) for deed in of_apply(facts, number) if deed.began}
    users |= {str(facts.actor(approval))} if approval else set()
    return "one person planned, approved and applied" if len(users) == 1 else "several users took part with one key"
