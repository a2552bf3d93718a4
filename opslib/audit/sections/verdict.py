"""The verdict with its rule and age, how many controls have which word, and a reviewer's six questions."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from opslib.audit import controls, deeds
from opslib.audit.document import Answer, Block, Panel, Prose
from opslib.audit.facts import Facts
from opslib.audit.headline import Headline, headline, moment_words
from opslib.audit.open_items import open_items
from opslib.audit.sections.not_proven import not_proven
from opslib.audit.since_then import since_then
from opslib.audit.words import counted, listed, sentence, some
from opslib.router.journal import Progress
from opslib.verdict import in_words

_DONE = {"create": "created", "update": "changed", "delete": "removed"}
_MANY = 5


def blocks(facts: Facts) -> Sequence[Block]:
    """The panel, and what the words in it mean."""
    top = headline(facts)
    total = sum(top.controls.values())
    panel = Panel(
        top.word,
        top.verdict,
        [*_sentences(facts, top)],
        counted(total, "control"),
        top.controls,
        len(top.exceptions),
        [
            Answer("What was changed?", _what(facts), "changes"),
            Answer("By whom?", _by_whom(facts), "who"),
            Answer("Approved by whom?", _approved(facts), "who"),
            Answer("Is it still so?", _still_so(facts), "still_so"),
            Answer("What is not proven?", _not_proven(facts), "not_proven"),
            Answer("What must I ask for?", _ask(facts), "open_items"),
        ],
    )
    return [panel, Prose(_WORDS)]


_WORDS = (
    "PASS: shown by the ledger entries named. FAIL: shown to be wrong. WARN: not wrong, and needs a look. UNKNOWN:"
    " asked and not answered, or too old to count. Not checked: does not apply, or was not looked at. The verdict is"
    " that of the worst control that was checked."
)


def _sentences(facts: Facts, top: Headline) -> Iterator[str]:
    yield top.sentence
    if top.rule:
        yield top.rule.sentence
    yield _counted(top)
    yield _age(top, facts.evidence_days)


def _counted(top: Headline) -> str:
    if top.verdict == "PASS":
        return "Every control that was checked passed."
    worst = f"The worst of the controls checked is {in_words(top.verdict)}."
    return worst if top.verdict == "FAIL" else f"Nothing failed. {worst}"


def _age(top: Headline, days: int) -> str:
    if not top.evidence:
        return "There is no evidence: neither the bucket nor the org was read."
    ages = [f"{one.what} read {moment_words(one.at)}" for one in top.evidence]
    old = "less than a day" if not top.age_days else counted(top.age_days, "day")
    return f"Evidence: {listed(ages)}. The oldest is {old} old; more than {counted(days, 'day')} is too old."


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
    changes = [f"{change.kind} “{change.name}” {_DONE[change.action]}" for change in apply.plan.changes]
    accepted = " Not all is as planned: some differences were accepted." if apply.accepted else " Each was read back."
    return f"In the org: {some(changes, _MANY)}.{accepted}"


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
    return "; ".join(said) + "." + (" A process crashed on the way." if crashed else "")


def _moves(what: Sequence[str]) -> str:
    """What one actor did to an apply without a break; the whole of it in one word."""
    whole = len(what) == 2 and what[0].startswith("began apply") and what[1].startswith("finished apply")
    return "applied the plan" if whole else listed(what)


def _approved(facts: Facts) -> str:
    given = [facts.approval(apply) for apply in facts.applies]
    if not given:
        entries = list(facts.entries("approval"))[-1:]
        return f"{facts.actor(entries[0])} approved a plan that was not applied." if entries else "Nobody."
    if given[-1] is None:
        return "Nobody: the plan was applied without approval."
    approver, appliers = str(facts.actor(given[-1])), {str(deed.actor) for deed in deeds.of_run(facts) if deed.began}
    same = (
        " The same user applied it: no second person is shown." if approver in appliers else " Another user applied it."
    )
    unsafe = given[-1].data.get("unsafe", ())
    risky = f" Agreed to: {', '.join(unsafe)}." if unsafe else ""
    return f"{approver}, on {moment_words(given[-1].at)}.{same}{risky}"


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


def _ask(facts: Facts) -> str:
    items = open_items(facts)
    if not items:
        return "Nothing is open."
    by = {
        item.question.ask: [other.title for other in items if other.question.ask == item.question.ask] for item in items
    }
    return " ".join(f"{who}: {_titles(titles)}." for who, titles in by.items())


def _titles(titles: Sequence[str]) -> str:
    return f"“{titles[0]}”" + (f" and {len(titles) - 1} more" if len(titles) > 1 else "")
