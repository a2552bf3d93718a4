"""The verdict with its rule and age, how many controls have which word, and a reviewer's six questions."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from opslib.audit import controls, deeds
from opslib.audit.document import Answer, Block, Panel, Prose
from opslib.audit.exceptions import register
from opslib.audit.facts import Facts
from opslib.audit.headline import Headline, headline, moment_words
from opslib.audit.open_items import open_items
from opslib.audit.rule import rule_of
from opslib.audit.sections.not_proven import not_proven
from opslib.audit.separation import not_two_people, second_key
from opslib.audit.since_then import since_then
from opslib.audit.words import counted, listed, sentence, some
from opslib.ledger.chain import Entry
from opslib.router.journal import Progress
from opslib.router.plan import Change
from opslib.verdict import in_words

_DONE = {"create": "created", "update": "changed", "delete": "removed"}
_MANY = 5


def blocks(facts: Facts, before: Facts | None) -> Sequence[Block]:
    """The panel, and what the words in it mean."""
    top = headline(facts)
    total = sum(top.controls.values())
    panel = Panel(
        top.word,
        top.verdict,
        [*_sentences(facts, top, before)],
        counted(total, "control"),
        top.controls,
        len(top.exceptions),
        [
            Answer("What was changed?", [_what(facts)], "changes"),
            Answer("By whom?", [_by_whom(facts)], "who"),
            Answer("Approved by whom?", [_approved(facts)], "who"),
            Answer("Is it still so?", [_still_so(facts)], "still_so"),
            Answer("What is not proven?", [_not_proven(facts)], "not_proven"),
            Answer("What must I ask for?", _ask(facts), "open_items"),
        ],
    )
    return [panel, Prose(_WORDS)]


_WORDS = (
    "PASS: shown by the ledger entries named. FAIL: shown to be wrong. WARN: not a failure, but needs review. UNKNOWN:"
    " asked and not answered, or too old to count. Not checked: does not apply, or was not looked at. The overall"
    " verdict is that of the worst control that was checked."
)


def _sentences(facts: Facts, top: Headline, before: Facts | None) -> Iterator[str]:
    yield top.sentence
    if top.rule:
        yield top.rule.sentence
    earlier = rule_of(before) if before else None
    if top.rule and before and earlier and earlier.words != top.rule.words:
        yield f"The rule has changed: run {before.run_id} was held to {earlier.words}."
    yield _counted(top)
    yield _age(top, facts.evidence_days)


def _counted(top: Headline) -> str:
    if top.verdict == "PASS":
        return "Every control that was checked passed."
    if top.verdict == "FAIL":
        return f"{counted(top.controls['FAIL'], 'control')} failed."
    return f"No control failed. The worst verdict is {in_words(top.verdict)}."


def _age(top: Headline, days: int) -> str:
    if not top.evidence:
        return "There is no evidence: neither the bucket nor the org was read."
    ages = [f"{one.what} read {moment_words(one.at)}" for one in top.evidence]
    old = "less than a day" if not top.age_days else counted(top.age_days, "day")
    return f"Evidence: {listed(ages)}. The oldest is {old} old (limit: {counted(days, 'day')})."


def _what(facts: Facts) -> str:
    if not facts.applies:
        return "Nothing: no plan was applied."
    last, number = facts.applies[-1], len(facts.applies)
    earlier = f" It was the last of {number} applies." if number > 1 else ""
    return f"{_outcome(last)}{earlier}"


def _outcome(apply: Progress) -> str:
    if not apply.ended:
        return sentence(controls.outcome(apply))
    if apply.ended == "rolled back":
        return sentence(f"nothing remains: the apply was {controls.outcome(apply)}")
    changes = [
        f"{change.kind} “{change.name}” {_DONE[change.action]}{_values(change)}" for change in apply.plan.changes
    ]
    accepted = " Not all is as planned: some differences were accepted." if apply.accepted else " Each was read back."
    return f"In the org: {some(changes, _MANY)}.{accepted}"


def _values(change: Change) -> str:
    """The numbers that an update changes: what a reader asks for first."""
    numbers = [
        f"{field.path} {field.before} → {field.after}"
        for field in change.fields
        if change.action == "update" and isinstance(field.before, int) and not isinstance(field.before, bool)
    ]
    return f" ({some(numbers, 3)})" if numbers else ""


def _by_whom(facts: Facts) -> str:
    """Each actor of the last apply with what they did, in order."""
    if not facts.applies:
        end = facts.last_end("apply")
        asked = f"{facts.actor(end)} ran the apply step, which changed nothing" if end else "nobody applied a plan"
        return sentence(asked)
    moves = [deed for deed in deeds.of_apply(facts, len(facts.applies)) if deed.of_apply]
    crashed = any(deed.is_crash for deed in deeds.of_run(facts))
    said = [
        f"{actor} {_moves([deed.what for deed in own])}" for actor, own in groupby(moves, lambda deed: str(deed.actor))
    ]
    return "; ".join(said) + "." + (" A process stopped without finishing." if crashed else "")


def _moves(what: Sequence[str]) -> str:
    """What one actor did to an apply without a break; the whole of it in one word."""
    first, last = what[0], what[-1]
    if len(what) == 2 and last.startswith("finished apply"):
        if first.startswith("began apply"):
            return "applied the plan"
        if first.startswith("took up apply"):
            return "resumed the apply and finished it"
    return listed(what)


def _approved(facts: Facts) -> str:
    given = [facts.approval(apply) for apply in facts.applies]
    if not given:
        entries = list(facts.entries("approval"))[-1:]
        return f"{facts.actor(entries[0])} approved a plan that was not applied." if entries else "Nobody."
    if given[-1] is None:
        return "Nobody: the plan was applied without approval."
    approval = given[-1]
    unsafe = approval.data.get("unsafe", ())
    risky = f" Approved risks: {', '.join(unsafe)}." if unsafe else ""
    signed = second_key(facts, facts.applies[-1])
    people = not_two_people(facts) or ("Another key applied it." if signed else _OTHER_USER)
    at, soon = (signed.statement.approved_at, "") if signed else (approval.at, _soon(facts, approval))
    who = deeds.approved_by(facts, approval)
    return f"{who}, on {moment_words(at)}{soon}. {people}{risky}"


_OTHER_USER = "Another user applied it, with another key."


def _soon(facts: Facts, approval: Entry) -> str:
    """A plan that was approved at once was hardly read."""
    made = [entry for entry in facts.entries("plan.made", run_id=approval.run_id) if entry.seq < approval.seq]
    waited = [datetime.fromisoformat(approval.at) - datetime.fromisoformat(entry.at) for entry in made[-1:]]
    return ", less than a minute after the plan was made" if waited and waited[0] < timedelta(minutes=1) else ""


def _still_so(facts: Facts) -> str:
    since = since_then(facts)
    if since.word == "not_checked":
        return "Not checked: the org has not been read since."
    if since.word == "UNKNOWN":
        return sentence(f"not known: {since.why}")
    if since.word == "PASS":
        return sentence(f"yes: {since.why}")
    return sentence(f"no ({since.word}): {since.why}")


def _not_proven(facts: Facts) -> str:
    rows = not_proven(facts)
    return (
        "; ".join(
            [*(f"“{row.what}”" for row in rows[:2]), *([f"{len(rows) - 2} more points"] if len(rows) > 2 else [])]
        )
        + "."
    )


def _ask(facts: Facts) -> list[str]:
    """Whom to ask for what, a line for each."""
    asked: dict[str, list[str]] = {}
    fixes: dict[str, list[str]] = {}
    for item in open_items(facts):
        if item.severity:
            fixes.setdefault(item.question.ask, []).append(item.title)
        else:
            asked.setdefault(item.question.ask, []).append(item.question.what.rstrip("."))
    for who, titles in fixes.items():
        first = f"{titles[0][:1].lower()}{titles[0][1:]}"
        asked.setdefault(who, []).append(f"{counted(len(titles), 'fix')}, first: {first}")
    for one in register(facts):
        if one.state in ("in force", "expired"):
            asked.setdefault(one.by, []).append(f"evidence for the reason of {one.tag}")
    return [f"{who}: {'; '.join(what)}." for who, what in asked.items()] or ["Nothing is open."]
