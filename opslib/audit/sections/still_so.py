"""Is it still so? What was read again, what differs now, what others changed, and what differs from the last report."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from opslib.audit.document import Block, Cell, Heading, Prose, Table
from opslib.audit.facts import Facts
from opslib.audit.sections import comparison
from opslib.audit.since_then import since_then
from opslib.audit.words import counted, sentence, some
from opslib.router.org_changes import CHANGE, CHECKED
from opslib.router.render import show
from opslib.verdict import in_words

IN_THE_ORG = "Changes in the org"
_NOT_LOOKED = (
    "Changes in the org since this run have not been checked. Run “opslib audit --recheck” or “opslib changes”."
)
_NONE_LISTED = (
    "These readings list no change. The first one has nothing to compare with; what differs from the plan is above."
)
_SOURCES = (
    "Audit: Genesys's own record of who changed what. Comparison: what differs from the look before, whoever changed"
    " it. A change may be listed twice, once for each source."
)


def blocks(facts: Facts, before: Facts | None) -> Sequence[Block]:
    """The answer, then each value that is otherwise now, the org's own changes, and the walk before."""
    compared = comparison.blocks(facts, before)
    return [*_differences(facts), *in_the_org(facts), Heading("Compared with an earlier walk"), *compared]


def _differences(facts: Facts) -> Iterator[Block]:
    since = since_then(facts)
    yield Prose(
        f"{in_words(since.word).capitalize() if since.word == 'not_checked' else since.word}: {sentence(since.why)}",
        loud=since.word not in ("PASS", "not_checked"),
    )
    rows: list[list[Cell]] = [
        [
            f"{value.key[0]} {value.name}",
            value.path or "the object",
            show(value.then),
            show(value.now),
            sentence(value.breaks or "It does not break the rule") + (" opslib changed it." if value.ours else ""),
            value.entry,
        ]
        for value in since.values
    ]
    if rows:
        head = ("Object", "Setting", "Registered", "Found", "What it means", "Entry")
        yield Table("What differs", head, rows, (20, 22, 15, 15, 21, 7))


def in_the_org(facts: Facts) -> Iterator[Block]:
    """Who changed what in the org since this run began, by its own audit and by comparison."""
    yield Heading(IN_THE_ORG)
    looks = [entry.data for entry in facts.of_the_org(CHECKED)]
    if not looks:
        yield Prose(_NOT_LOOKED)
        return
    yield Prose(f"{counted(len(looks), 'reading')}, the last at {looks[-1]['until']}. {_SOURCES}")
    if gaps := _not_audited(facts.started.at, looks):
        yield Prose("The org's own audit was not read for all of this time:", loud=True)
        yield Table("Not read in the org's audit", ("From (UTC)", "Until (UTC)", "Why"), gaps, (2, 2, 5))
    client = (facts.connected().get("doctor") or {}).get("client") or {}
    rows: list[list[Cell]] = [
        [
            entry.data["at"],
            "this kit's OAuth client" if entry.data.get("client_id") == client.get("id", "") else entry.data["by"],
            f"{entry.data['action']} {entry.data['kind']} {entry.data['name']}",
            some([field["path"] for field in entry.data["fields"]], 5) or "–",
            entry.data["source"],
            entry.seq,
        ]
        for entry in facts.of_the_org(CHANGE)
    ]
    head = ("When (UTC)", "Who", "What", "Fields", "Known by", "Entry")
    yield Table(IN_THE_ORG, head, rows, (18, 17, 22, 26, 10, 7)) if rows else Prose(_NONE_LISTED)


def _not_audited(start: str, looks: Sequence[dict[str, Any]]) -> list[list[Cell]]:
    """From and until when no look read the org's audit, since the start or the first look's beginning, and why.

    A later look goes on where the one before ended, so it does not make up for an audit that was not read then.
    """
    spans = [
        (datetime.fromisoformat(look["since"]), datetime.fromisoformat(look["until"]), look["unaudited"])
        for look in looks
    ]
    first = min(datetime.fromisoformat(start), *(since for since, _, _ in spans))
    gaps = [(first, max(until for _, until, _ in spans))]
    for since, until, unaudited in spans:
        if not unaudited:
            pieces = [piece for a, b in gaps for piece in ((a, min(b, since)), (max(a, until), b))]
            gaps = [(a, b) for a, b in pieces if a < b]
    return [
        [
            *(f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for at in (a, b)),
            "; ".join({why: None for since, until, why in spans if why and since < b and a < until})
            or "no look at the org goes back to this time",
        ]
        for a, b in gaps
    ]
