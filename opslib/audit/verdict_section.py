"""The verdict with its rule and age, how many controls have which word, and the register of exceptions."""

from collections.abc import Iterator, Sequence

from opslib.audit import controls
from opslib.audit.document import Block, Cell, Mark, Prose, Table
from opslib.audit.exceptions import Exempted
from opslib.audit.facts import Facts
from opslib.audit.headline import Headline, headline, moment_words
from opslib.verdict import in_words


def blocks(facts: Facts) -> Sequence[Block]:
    """The word first; then the rule, the age of each kind of evidence, the counts, and the exceptions."""
    top = headline(facts)
    both = (controls.compliance(controls.results(facts)), controls.http(facts))
    rows: list[list[Cell]] = [[result.control, Mark(result.word), result.why] for result in both]
    return [
        Prose(f"{top.word}. {top.sentence}", loud=top.verdict != "PASS"),
        *([Prose(top.rule.sentence)] if top.rule else []),
        Prose(_age(top, facts.evidence_days)),
        Prose("Whether the calls to Genesys succeeded, and whether the storage is fit, are two questions."),
        Table("Two separate verdicts", ("Question", "Verdict", "Why"), rows, (30, 15, 55)),
        _counts(top),
        *_register(top),
    ]


def _age(top: Headline, days: int) -> str:
    ages = "; ".join(f"{one.what}, read {moment_words(one.at)} (entry {one.entry})" for one in top.evidence)
    if top.age_days is None:
        return "There is no evidence: neither the bucket nor the org was read."
    return f"Evidence: {ages}. The oldest is {top.age_days} days old; it may be {days}."


def _counts(top: Headline) -> Table:
    head = ("Controls", *(in_words(word) for word in top.controls), "exceptions")
    row = [sum(top.controls.values()), *top.controls.values(), len(top.exceptions)]
    return Table("How many controls have each verdict", head, [row], (2, 1, 1, 1, 1, 2, 2))


def _register(top: Headline) -> Iterator[Block]:
    if not top.exceptions:
        yield Prose("There is no exception: nothing unsafe was agreed to.")
        return
    if top.open_items:
        yield Prose(f"Open: {'; '.join(top.open_items)}.", loud=True)
    head = ("Exception", "What", "Reason given", "Approved by, when (UTC), entry", "Until")
    yield Table("Exceptions: they change no verdict", head, [_row(one) for one in top.exceptions], (10, 34, 22, 22, 12))


def _row(one: Exempted) -> list[Cell]:
    what = f"{one.what} ({one.changed})" if one.changed else one.what
    left = f"{one.days_left} days left" if one.state == "in force" else one.state
    given = f"{one.by}, {one.at}, {one.entry}"
    return [f"{one.tag} {one.name}", what, one.reason or "none", given, f"{one.until}, {left}"]
