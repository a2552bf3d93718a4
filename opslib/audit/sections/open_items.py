"""Open items and exceptions, as a section of the report: the reader's list of work."""

from collections.abc import Iterator, Sequence

from opslib.audit import deeds
from opslib.audit.document import Block, Card, Prose
from opslib.audit.exceptions import Exempted, register
from opslib.audit.facts import Facts
from opslib.audit.headline import moment_words
from opslib.audit.open_items import OpenItem, open_items
from opslib.audit.since_then import since_then
from opslib.audit.words import counted, key_words, sentence
from opslib.verdict import TO_MEND


def blocks(facts: Facts) -> Sequence[Block]:
    """A card for each open item, worst first, then one for each exception."""
    items, exceptions = open_items(facts), register(facts)
    lead = f"{_lead(items)} {_exceptions(exceptions)}"
    cards = [_card(number, item) for number, item in enumerate(items, 1)]
    return [Prose(lead), *cards, *(_exception(facts, one) for one in exceptions)]


def _lead(items: Sequence[OpenItem]) -> str:
    if not items:
        return "There are no open items."
    counts = [f"{number} {word}" for word in TO_MEND if (number := sum(item.verdict == word for item in items))]
    return f"{counted(len(items), 'open item')}: {', '.join(counts)}. One control may have several."


def _exceptions(exceptions: Sequence[Exempted]) -> str:
    if not exceptions:
        return "There are no exceptions: no unsafe change was approved."
    states = {
        state: sum(one.state == state for one in exceptions) for state in dict.fromkeys(e.state for e in exceptions)
    }
    said = ", ".join(f"{number} {state}" for state, number in states.items())
    return f"{counted(len(exceptions), 'exception')}: {said}. An exception never changes a verdict."


def _card(number: int, item: OpenItem) -> Card:
    found = [("Requirement", sentence(item.claim)), ("Found", item.found), ("Why it matters", item.question.matters)]
    if item.also:
        found.append(("Also not shown, for the same reason", f"{'; '.join(item.also)}."))
    if item.entries:
        found.append(
            ("Evidence", f"ledger entr{'y' if len(item.entries) == 1 else 'ies'} {', '.join(map(str, item.entries))}")
        )
    asked = [("Ask", item.question.ask), ("For", item.question.what), ("Closed when", item.question.closed_when)]
    return Card(
        f"Open item {number}: {item.title}",
        item.verdict,
        f"severity {item.severity}" if item.severity else "",
        found,
        asked,
    )


def _exception(facts: Facts, one: Exempted) -> Card:
    changed = f" {sentence(one.changed)}" if one.changed else ""
    left = f", in {one.days_left} days" if one.state == "in force" else ""
    found = [
        ("What", f"{sentence(one.what)}{changed}"),
        ("Reason given", f"“{one.reason}”" if one.reason.strip() else "None."),
        ("Approved by", f"{one.by}, {moment_words(one.at)}, entry {one.entry}.{_same_user(facts, one)}"),
        ("Expires", f"{one.until:%d %b %Y}{left}."),
    ]
    asked = [("Ask", one.by), ("For", "Evidence that supports the reason. This report cannot check it.")]
    notes = list(_notes(facts, one))
    return Card(
        f"Exception {one.tag}: {one.name.replace('-', ' ')}",
        None,
        one.state,
        found,
        asked + ([("Note", " ".join(notes))] if notes else []),
    )


def _notes(facts: Facts, one: Exempted) -> Iterator[str]:
    if one.state == "expired":
        yield f"It expired on {one.until:%d %b %Y}, and no longer covers the change."
    if not one.reason.strip():
        yield "No reason was given."
    exceeded = [value for value in since_then(facts).values if value.breaks and value.path.endswith("ays")]
    if one.name == "shorter-retention" and one.state == "in force" and exceeded:
        yield f"It does not cover what was found later: {'; '.join(value.words for value in exceeded)}."


def _same_user(facts: Facts, one: Exempted) -> str:
    applied = [deed.actor for deed in deeds.of_run(facts) if deed.began]
    if any(actor.key_id and key_words(actor.key_id) in one.by for actor in applied):
        return " The same key took part in the apply."
    return " The same user took part in the apply." if one.by in map(str, applied) else ""
