"""The last page: where readers of a print tick, decide and sign."""

from collections.abc import Iterator, Sequence

from opslib.audit.document import Block, Prose, Table
from opslib.audit.exceptions import register
from opslib.audit.facts import Facts
from opslib.audit.headline import headline
from opslib.audit.open_items import open_items
from opslib.audit.words import key_words
from opslib.ledger.signing import key_id

_BOX = "☐"
_LINE = "_" * 20
_ROLES = ("Prepared by", "Reviewed by", "Approved by")


def blocks(facts: Facts) -> Sequence[Block]:
    """What to do before a signature, the decision, and the signatures."""
    top = headline(facts)
    lead = (
        f"Run {facts.run_id}, prepared {facts.moment():%d %b %Y}. Verdict: {top.word}. Environment: {top.environment}."
    )
    decision = f"Decision:  {_BOX} accepted   {_BOX} accepted with conditions   {_BOX} not accepted"
    signatures = Table(
        "Signatures", ("Role", "Name", "Date", "Signature"), [[role, "", "", ""] for role in _ROLES], (20, 30, 18, 32)
    )
    return [Prose(lead), *(Prose(f"{_BOX} {text}") for text in _to_tick(facts)), Prose(decision), signatures]


def _to_tick(facts: Facts) -> Iterator[str]:
    if facts.ledger.key:
        key = key_words(key_id(facts.ledger.key))
        yield f"I compared the key {key} with the one that its owner gave me."
    yield "I ran the verification, and it said “intact”."
    for number, item in enumerate(open_items(facts), 1):
        yield f"Open item {number} ({item.title}) was answered. Reference: {_LINE}"
    for one in register(facts):
        if one.state in ("in force", "expired"):
            yield f"Exception {one.tag} ({one.name}) is accepted."
