"""Who did what, as blocks of the report: each deed, and what each actor is called by whom."""

from collections.abc import Sequence

from opslib.audit.actors import Actor, Identity
from opslib.audit.deeds import Deed, of_run
from opslib.audit.document import Block, Cell, Prose, Table
from opslib.audit.facts import Facts
from opslib.audit.headline import environment
from opslib.audit.words import key_words, sentence
from opslib.ledger.signing import key_id

_LEAD = (
    "A user name is what the machine says: anyone who controls the machine can choose it. AWS and Genesys say whose"
    " credentials were used, and the signature says which key signed. None of them says which person that was."
)
_NAMES = {"AWS": "AWS caller", "Genesys": "OAuth client"}


def table(facts: Facts, caption: str, deeds: Sequence[Deed]) -> Table:
    """A row for each deed."""
    rows: list[list[Cell]] = [[sentence(deed.what), who(deed.actor), deed.at, deed.entry] for deed in deeds]
    return Table(caption, ("What happened", "Who", "When (UTC)", "Entry"), rows, (35, 33, 25, 7))


def who(actor: Actor) -> str:
    """User, host, and the key that the process signs with."""
    if not actor.entry:
        return "UNKNOWN: the entry names no actor"
    return f"{actor}, key {key_words(actor.key_id)}" if actor.key_id else str(actor)


def blocks(facts: Facts) -> Sequence[Block]:
    """All deeds, and the names of everybody in them."""
    deeds = of_run(facts)
    actors = {(deed.actor.entry, deed.actor.of_approval): deed.actor for deed in deeds}.values()
    rows = [row for actor in actors for row in _names(facts, actor)]
    names = Table("Who they are, and who says so", ("Actor's entry", "Known as", "Vouched for by"), rows, (12, 53, 35))
    return [Prose(_LEAD), table(facts, "Who did what, in order", deeds), names]


def _machine(actor: Actor) -> str:
    if not actor.entry:
        return "nothing: the entry names no actor"
    if actor.of_approval:
        return "the approval, as the signer's machine had it"
    return "the machine, for the whole run" if actor.of_run else "the machine"


def _names(facts: Facts, actor: Actor) -> list[list[Cell]]:
    said = {(one.vouched_by, one.name): one for one in reversed(actor.identities)}
    rows: list[list[Cell]] = [[actor.entry, f"user {actor}", _machine(actor)]]
    if actor.of_approval:
        whose = "the key: it signed the approval"
        return [*rows, [actor.entry, f"approver's key {key_words(actor.key_id)}", whose]]
    rows += [_identity(facts, actor, one) for one in sorted(said.values(), key=lambda one: one.entry)]
    if actor.key_id:
        whose = (
            "the key: it signed this ledger" if _has_signed(facts, actor) else "nothing: this ledger does not prove it"
        )
        rows.append([actor.entry, f"signing key {key_words(actor.key_id)}", whose])
    return rows


def _identity(facts: Facts, actor: Actor, said: Identity) -> list[Cell]:
    what = _NAMES.get(said.vouched_by, "name")
    if said.name:
        simulated = " (simulated)" if environment(facts) == "sandbox" else ""
        return [actor.entry, f"{what} {said.name}", f"{said.vouched_by}{simulated}, entry {said.entry}"]
    return [actor.entry, f"{what} UNKNOWN: {said.why}", f"nothing: no answer, entry {said.entry}"]


def _has_signed(facts: Facts, actor: Actor) -> bool:
    """Whether the key that the actor names is the one whose signature covers the ledger."""
    return facts.ledger.intact and actor.key_id == key_id(facts.ledger.key)
