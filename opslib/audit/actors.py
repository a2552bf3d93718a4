"""Who wrote an entry, as the ledger says, and who vouches for each name.

Entries name the entry of their process. Those of older releases do not: their actor is the one that last started the
run or took it up again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from opslib.ledger.actor import ACTOR, IDENTITY
from opslib.ledger.chain import Entry

STARTED, RESUMED = "run.started", "run.resumed"
KINDS = (ACTOR, IDENTITY, STARTED, RESUMED)


@dataclass(frozen=True)
class Identity:
    """What AWS or Genesys calls an actor; without an answer `name` is empty, and `why` says why."""

    entry: int
    vouched_by: str
    name: str
    why: str = ""


@dataclass(frozen=True)
class Actor:
    """A process, as `entry` describes it.

    `uid` is None where the system has none, or the ledger does not say. `key_id` names the key that the process signed
    with; empty where nothing was signed. `of_run`: the entry speaks of the whole run, as the ledger is of an older
    release. `of_approval`: it signed an approval elsewhere. `identities` has what others call the process, in order.
    """

    entry: int
    user: str
    uid: int | None
    host: str
    key_id: str
    of_run: bool = False
    of_approval: bool = False
    identities: Sequence[Identity] = ()

    @property
    def name(self) -> str:
        """User and numeric id, as the machine says."""
        return self.user if self.uid is None else f"{self.user} (user id {self.uid})"

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"


# The actor of an entry that names none, such as one that opslib did not write.
NOBODY = Actor(0, "UNKNOWN", None, "UNKNOWN", "")


class Actors:
    """The actors of a ledger, from its entries of `KINDS`, in order."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._named: dict[int, Actor] = {}
        self._of_runs: dict[str, list[Actor]] = {}
        for entry in entries:
            if entry.kind == ACTOR:
                self._named[entry.seq] = _actor(entry)
            elif entry.kind == IDENTITY:
                self._add_identity(entry)
            elif ACTOR not in entry.data:
                self._of_runs.setdefault(entry.run_id, []).append(replace(_actor(entry), of_run=True))

    def of(self, entry: Entry) -> Actor:
        """Whose deed an entry is."""
        named = entry.seq if entry.kind == ACTOR else entry.data.get(ACTOR)
        if named is not None:
            return self._named.get(named, NOBODY) if isinstance(named, int) else NOBODY
        before = [actor for actor in self._of_runs.get(entry.run_id, ()) if actor.entry <= entry.seq]
        return before[-1] if before else NOBODY

    def _add_identity(self, entry: Entry) -> None:
        data, actor = entry.data, self.of(entry)
        if not actor.entry:
            return
        name = f"{data['name']} ({data['id']})" if data["name"] else data["id"]
        said = Identity(entry.seq, data["vouched_by"], name, data["why"])
        self._named[actor.entry] = replace(actor, identities=(*actor.identities, said))


def _actor(entry: Entry) -> Actor:
    data = entry.data
    return Actor(entry.seq, data["user"], data.get("uid"), data["host"], data.get("signed_by", ""))
