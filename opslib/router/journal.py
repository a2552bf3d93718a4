from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from opslib.credentials import KeyReference, RoleReference
from opslib.errors import LedgerNotProved
from opslib.genesys.backend import Creation
from opslib.ledger.actor import machine
from opslib.ledger.chain import Entry
from opslib.ledger.database import entries_of, reading
from opslib.ledger.ledger import INSTEAD, Ledger, Run
from opslib.onboarding.models import BackendName
from opslib.router.differences import Difference
from opslib.router.plan import Plan, checksum_of

# Another process may take up an apply that has no end.
STARTED, TAKEN_UP, FINISHED = "apply.started", "apply.taken_up", "apply.finished"
# An object is not as it was sent; what the user decided about it.
DIFFERS, DECIDED = "difference.found", "difference.decided"
# What the bucket was like right before an apply wrote.
BUCKET_LOOKED = "bucket.looked"
PLAN_MADE, APPROVAL = "plan.made", "approval"
# An object is about to be made under an id of the server's; the id that it has.
SENT, MADE = "object.sent", "object.made"
INTENT, DONE, UNDONE = "change.intent", "change.done", "undo.done"
ROLLBACK = "rollback.started"
_MOVES = (
    TAKEN_UP,
    INTENT,
    SENT,
    MADE,
    DONE,
    DIFFERS,
    DECIDED,
    ROLLBACK,
    UNDONE,
    FINISHED,
)
# Every kind of entry that an apply writes, the first one first.
KINDS = (STARTED, *_MOVES)


@dataclass
class Progress:
    """One apply. `intended`, `done`, `undone`, `replaced` (undone, except for new credentials or a new id), `remade`
    (of these, those with a new id) and `left` (accepted as found, so not undone) are places in the plan; `ended` is
    empty while it is unfinished. `id` is the number of its first entry, `last_seq` of its last one, which was
    written at `last_at`.

    `differences` has, by place, what was last found to be not as sent and was neither written nor undone since.
    `decisions` has every decision that the user took about one, in order.
    """

    id: str
    plan: Plan
    credentials: KeyReference | RoleReference
    user: str
    at: str
    # The plan's checksum when the apply began: a later opslib may compute another one.
    checksum: str
    run_id: str
    # Whether the plan is, as it was written down, the one with that checksum.
    is_whole: bool = True
    intended: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    undone: set[int] = field(default_factory=set)
    replaced: set[int] = field(default_factory=set)
    remade: set[int] = field(default_factory=set)
    left: set[int] = field(default_factory=set)
    differences: dict[int, Difference] = field(default_factory=dict)
    decisions: list[Difference] = field(default_factory=list)
    # The server's id of each object that was there before, by place; None where the ids are ours, and in
    # older ledgers.
    server_ids: dict[int, str] | None = None
    # Each object that got its id from the server, or was sent for one, in order; `made`: the places of the former.
    creations: list[Creation] = field(default_factory=list)
    made: set[int] = field(default_factory=set)
    rolling_back: bool = False
    reason: str = ""
    ended: str = ""
    last_seq: int = 0
    last_at: str = ""

    @property
    def kept(self) -> str:
        """What a rollback could not restore, in words that follow “as it was before”; empty when it restored all."""
        changes = [(place, self.plan.changes[place]) for place in sorted(self.replaced)]
        replaced = (
            f", but for the id of {change.kind} {change.name}: made anew, it has a new one"
            if change.action == "delete" or place in self.remade
            else f", but for the AWS credentials of {change.kind} {change.name}: the old secret is known to nobody here"
            if isinstance(self.credentials, KeyReference)
            else f", but for the credential of {change.kind} {change.name}: it was written again, and cannot be read"
            for place, change in changes
        )
        left = (self.differences[place] for place in sorted(self.left))
        return "".join([*replaced, *(f", except {item.kind} {item.name}, accepted as it was found" for item in left)])

    @property
    def accepted(self) -> dict[int, Difference]:
        """What stays as it was found, by the user's decision, by place."""
        return {place: item for place, item in self.differences.items() if item.choice == "accepted"}

    @property
    def undecided(self) -> list[Difference]:
        """What is not as it was sent, and about which the user has not decided."""
        return [item for _, item in sorted(self.differences.items()) if not item.choice]

    @property
    def to_undo(self) -> set[int]:
        """The places that a rollback still has to undo."""
        return self.intended - self.undone - self.left

    def at_stake(self, places: set[int]) -> set[int]:
        """Of these, for each object the change that says how it is now: the last one begun, or else the first."""
        chosen: dict[tuple[str, str], int] = {}
        for place in sorted(places):
            change = self.plan.changes[place]
            if place in self.intended or (change.kind, change.id) not in chosen:
                chosen[change.kind, change.id] = place
        return set(chosen.values())

    def note(self, run: Run, kind: str, **data: Any) -> None:
        """Write down, durably, what is about to happen or has happened, and take it in."""
        self.follow(run.append(kind, {"apply": self.id, **data}))

    def follow(self, entry: Entry) -> None:
        """Take in what an entry of this apply says."""
        kind, data, self.last_seq, self.last_at = entry.kind, entry.data, entry.seq, entry.at
        if kind == INTENT:
            self.intended.add(data["place"])
        elif kind in (SENT, MADE):
            self.creations.append(Creation(data["object"], data["name"], data.get("server_id", "")))
            if kind == MADE:
                self.made.add(data["place"])
        elif kind == DONE:
            self.done.add(data["place"])
            self.differences.pop(data["place"], None)
        elif kind == UNDONE:
            self.undone.add(data["place"])
            self.differences.pop(data["place"], None)
            if data["replaced"]:
                self.replaced.add(data["place"])
            if data.get("remade"):  # older ledgers do not have it
                self.remade.add(data["place"])
        elif kind == DIFFERS:
            difference = Difference.model_validate(data["difference"])
            self.differences[difference.place] = difference
        elif kind == DECIDED:
            self._decide(data["place"], {"choice": data["choice"], "by": data["user"], "at": entry.at})
        elif kind == ROLLBACK:
            self.rolling_back, self.reason = True, data["reason"]
        elif kind == FINISHED:
            self.ended = data["how"]

    def _decide(self, place: int, decision: dict[str, str]) -> None:
        difference = self.differences[place] = self.differences[place].model_copy(update=decision)
        self.decisions.append(difference)
        # What the server made of our own write is undone all the same when the apply is rolled back later.
        if difference.choice == "accepted" and (difference.origin != "server" or self.rolling_back):
            self.left.add(place)


def started(
    run: Run, plan: Plan, credentials: KeyReference | RoleReference, server_ids: Mapping[int, str] | None = None
) -> Progress:
    """Begin an apply: the whole plan is on disk before the first write."""
    entry = run.append(
        STARTED,
        {
            "plan": plan.model_dump(mode="json"),
            "checksum": plan.checksum,
            "credentials": credentials.model_dump(mode="json"),
            **machine(),
            **({} if server_ids is None else {"server_ids": {str(place): id for place, id in server_ids.items()}}),
        },
    )
    return _progress(entry)


def applies(entries: Iterable[Entry]) -> list[Progress]:
    """Every apply among a ledger's entries, with how far it came; a later run may have finished it."""
    by_id: dict[str, Progress] = {}
    for entry in entries:
        if entry.kind == STARTED:
            by_id[str(entry.seq)] = _progress(entry)
        elif entry.kind in _MOVES and entry.data["apply"] in by_id:
            by_id[entry.data["apply"]].follow(entry)
    return list(by_id.values())


def _progress(entry: Entry) -> Progress:
    data, plan = entry.data, Plan.model_validate(entry.data["plan"])
    reference = RoleReference if "role_arn" in data["credentials"] else KeyReference
    credentials, known = reference.model_validate(data["credentials"]), data.get("server_ids")
    server_ids = None if known is None else {int(place): id for place, id in known.items()}
    return Progress(
        str(entry.seq),
        plan,
        credentials,
        data["user"],
        entry.at,
        data["checksum"],
        entry.run_id,
        is_whole=checksum_of(data["plan"]) == data["checksum"],
        server_ids=server_ids,
    )


def made_by_opslib(ledger: Ledger) -> set[str]:
    """The server's ids of all that this workspace has made."""
    return {str(entry.data["server_id"]) for entry in ledger.entries(MADE)}


def all_applies(ledger: Ledger) -> list[Progress]:
    """Every apply in the ledger, oldest first. Raises LedgerNotProved for a ledger that was changed."""
    return applies(ledger.proved_entries(*KINDS))


class _Current:
    """The entries of the unfinished applies and of each org's newest one: those that matter to what comes next."""

    def __init__(self) -> None:
        self.last_seq = 0
        self._by_apply: dict[str, list[Entry]] = {}
        self._newest: dict[str, str] = {}
        self._ended: set[str] = set()

    def read(self, ledger: Ledger) -> list[Progress]:
        """The applies, oldest first, after what is new in the ledger was read."""
        for entry in ledger.proved_entries(*KINDS, after=self.last_seq):
            self._take_in(entry)
            self.last_seq = entry.seq
        return applies(entry for entries in self._by_apply.values() for entry in entries)

    def _take_in(self, entry: Entry) -> None:
        if entry.kind == STARTED:
            where = entry.data["plan"]["where"]
            self._forget_ended(self._newest.get(where, ""))
            self._newest[where] = str(entry.seq)
            self._by_apply[str(entry.seq)] = [entry]
        elif (id := entry.data["apply"]) in self._by_apply:
            self._by_apply[id].append(entry)
            if entry.kind == FINISHED:
                self._ended.add(id)
                if id not in self._newest.values():
                    self._forget_ended(id)

    def _forget_ended(self, id: str) -> None:
        if id in self._ended:
            self._ended.discard(id)
            del self._by_apply[id]


# What is read once is proved; a fleet of thousands asks after each of its applies.
_CURRENT: WeakKeyDictionary[Ledger, _Current] = WeakKeyDictionary()


def current_applies(ledger: Ledger) -> list[Progress]:
    """The unfinished applies and each org's newest one, oldest first. Raises LedgerNotProved."""
    return _CURRENT.setdefault(ledger, _Current()).read(ledger)


def unfinished_applies(ledger: Ledger, where: str) -> list[Progress]:
    """The applies to that org that have not ended, oldest first."""
    return [apply for apply in current_applies(ledger) if apply.plan.where == where and not apply.ended]


def unfinished_apply(ledger: Ledger, where: str) -> Progress | None:
    """The newest of them."""
    return next(iter(unfinished_applies(ledger, where)[::-1]), None)


def is_in_the_way(apply: Progress, backend: BackendName, objects: Collection[tuple[str, str]]) -> bool:
    """Whether an unfinished apply keeps these objects, as (kind, id), from being changed: it changes one of them. On
    platform an org has one active S3 integration, so there each target is in the way of the others."""
    changed = {(change.kind, change.id) for change in apply.plan.changes}
    if not changed.isdisjoint(objects):
        return True
    return backend == apply.plan.backend == "platform" and any(kind == "target" for kind, _ in changed)


def is_left_in(home: Path, where: str) -> bool:
    """Whether a ledger that perhaps cannot be written holds an unfinished apply; unproved, so only to say so.

    Raises LedgerError when it cannot be read.
    """
    with reading(home) as db:
        return any(not apply.ended and apply.plan.where == where for apply in applies(entries_of(db, KINDS)))


def refuse_unproved(ledger: Ledger, apply: Progress) -> None:
    """Raises LedgerNotProved for an apply that is not signed, or whose plan is not the one that was approved."""
    begun = ledger.proved_entries("run.started", STARTED, run_id=apply.run_id)
    approvals = [entry for entry in ledger.proved_entries(APPROVAL, run_id=apply.run_id) if entry.seq < int(apply.id)]
    if not any("signed_by" in entry.data for entry in begun if entry.kind == "run.started"):
        why = f"entry {apply.id} was written before the ledger had signatures, so it is not proved"
    elif not apply.is_whole:
        why = f"the plan in entry {apply.id} does not have the checksum that is stored with it, {apply.checksum}"
    elif approvals and approvals[-1].data["checksum"] != apply.checksum:
        why = f"the plan in entry {apply.id} is not the one that entry {approvals[-1].seq} approves"
    else:
        return
    raise LedgerNotProved("The apply is not carried out or undone", cause=why, fix=INSTEAD)
