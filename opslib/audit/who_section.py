"""Who did what, as blocks of the report: each deed, and what each actor is called by whom."""

from collections.abc import Sequence

from opslib.audit.actors import Actor, Identity
from opslib.audit.deeds import Deed
from opslib.audit.document import Block, Cell, Prose, Table
from opslib.audit.facts import Facts
from opslib.ledger.signing import key_id

_WHAT_IT_IS = (
    "A user's name is what the machine says: anyone who controls the machine can choose it. AWS and Genesys say whose"
    " keys were used, and the signature says which key signed. None of them says which person that was."
)
_NAMES = {"AWS": "AWS caller", "Genesys": "OAuth client"}


def table(facts: Facts, caption: str, deeds: Sequence[Deed]) -> Table:
    """A row for each deed."""
    rows: list[list[Cell]] = [
        [deed.what, deed.actor.name, deed.actor.host, deed.at, deed.entry, ", ".join(_vouchers(facts, deed.actor))]
        for deed in deeds
    ]
    return Table(
        caption, ("Deed", "User", "Host", "When (UTC)", "Entry", "Vouched for by"), rows, (22, 16, 18, 22, 7, 15)
    )


def blocks(facts: Facts, deeds: Sequence[Deed]) -> Sequence[Block]:
    """All deeds, and the names of everybody in them."""
    actors = {deed.actor.entry: deed.actor for deed in deeds}.values()
    rows = [row for actor in actors for row in _names(facts, actor)]
    names = Table("Who they are, and who says so", ("Actor's entry", "Known as", "Vouched for by"), rows, (12, 53, 35))
    return [table(facts, "Who did what", deeds), Prose(_WHAT_IT_IS), names]


def _vouchers(facts: Facts, actor: Actor) -> list[str]:
    if not actor.entry:
        return ["nothing: the entry names no actor"]
    others = dict.fromkeys(one.vouched_by for one in actor.identities if one.name)
    return [_machine(actor), *others, *(["a key"] if _has_signed(facts, actor) else [])]


def _machine(actor: Actor) -> str:
    return "the machine, for the whole run" if actor.of_run else "the machine"


def _names(facts: Facts, actor: Actor) -> list[list[Cell]]:
    said = {(one.vouched_by, one.name): one for one in reversed(actor.identities)}
    rows: list[list[Cell]] = [[actor.entry, f"user {actor}", _vouchers(facts, actor)[0]]]
    rows += [_identity(actor, one) for one in sorted(said.values(), key=lambda one: one.entry)]
    if actor.key_id:
        whose = (
            "the key: it signed this ledger" if _has_signed(facts, actor) else "nothing: this ledger does not prove it"
        )
        rows.append([actor.entry, f"signing key {actor.key_id}", whose])
    return rows


def _identity(actor: Actor, said: Identity) -> list[Cell]:
    what = _NAMES.get(said.vouched_by, "name")
    if said.name:
        return [actor.entry, f"{what} {said.name}", f"{said.vouched_by}, entry {said.entry}"]
    return [actor.entry, f"{what} UNKNOWN: {said.why}", f"nothing: no answer, entry {said.entry}"]


def _has_signed(facts: Facts, actor: Actor) -> bool:
    """Whether the key that the actor names is the one whose signature covers the ledger."""
    return facts.ledger.intact and actor.key_id == key_id(facts.ledger.key)
