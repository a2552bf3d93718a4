"""Who did what in a run and in the applies that it began: each deed with its own entry and actor.

A process that dies writes nothing down. Its death is read from what it left: a step without an end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from opslib.audit import looks, reads
from opslib.audit.actors import RESUMED, STARTED, Actor
from opslib.audit.facts import Facts, once
from opslib.audit.words import key_words
from opslib.ledger.chain import Entry
from opslib.ledger.signing import key_id
from opslib.router import journal
from opslib.router.approval import Approval, recorded
from opslib.router.journal import APPROVAL, PLAN_MADE, Progress
from opslib.router.org_changes import SNAPSHOT
from opslib.router.plan import checksum_of

# The steps that finish or undo an apply, perhaps of another run.
_RECOVERY = ("resume", "rollback", "accept", "overwrite")
_CHANGING = ("apply", *_RECOVERY)


@dataclass(frozen=True)
class Deed:
    """What was done, in words, with the entry that says so and its time (UTC). A crash is one too: `entry` is then the
    last one of the process that died. `of_apply`: it moved an apply on."""

    what: str
    entry: int
    at: str
    actor: Actor
    run_id: str
    of_apply: bool = False

    @property
    def began(self) -> bool:
        """Whether somebody began or took up an apply."""
        return self.of_apply and self.what.startswith(("began apply", "took up apply"))

    @property
    def is_crash(self) -> bool:
        return self.what.startswith("crash:")

    def as_json(self) -> dict[str, Any]:
        """With the actor as the ledger names it, and what AWS and Genesys call it."""
        return asdict(self)


@once
def of_run(facts: Facts) -> list[Deed]:
    """The deeds of the run, and of the processes that finished or undid its applies, in order."""
    own = [deed for entry in facts.entries(STARTED, RESUMED, PLAN_MADE, APPROVAL) for deed in _deeds(facts, entry)]
    applies = [deed for number in range(1, len(facts.applies) + 1) for deed in of_apply(facts, number)]
    return _in_order([*own, *applies, *_crashes(facts), *_looked_again(facts)])


def of_apply(facts: Facts, number: int) -> list[Deed]:
    """The deeds of one apply, counted from 1: who planned, approved, began, took up, undid and finished it."""
    apply = facts.applies[number - 1]
    agreed = [*_plans(facts, apply), *facts.approvals(apply), *facts.consents_on_the_way(apply)]
    last = apply.last_seq if apply.ended else facts.last_seq
    crashes = [deed for deed in _crashes(facts) if int(apply.id) <= deed.entry <= last]
    return _in_order([*(deed for entry in agreed for deed in _deeds(facts, entry)), *_moves(facts, number), *crashes])


def _looked_again(facts: Facts) -> Iterator[Deed]:
    """Later runs that read the org or the bucket again."""
    later = {read.seq for read in reads.later(facts, reads.registered(facts)) if not read.ours}
    looked = {look.seq for look in facts.looks}
    every = [*facts.everywhere(SNAPSHOT, PLAN_MADE), *facts.of_the_bucket(*looks.KINDS)]
    for entry in every:
        if entry.run_id != facts.run_id and entry.seq in later | looked:
            what = "the org" if entry.seq in later else "the bucket"
            yield _deed(facts, entry, f"read {what} again, in run {entry.run_id}")


def _in_order(deeds: Iterable[Deed]) -> list[Deed]:
    return sorted(dict.fromkeys(deeds), key=lambda deed: deed.entry)


def _deeds(facts: Facts, entry: Entry) -> Iterator[Deed]:
    elsewhere = "" if entry.run_id == facts.run_id else f", in run {entry.run_id}"
    words = {
        STARTED: "started the run",
        RESUMED: "took up the run again",
        PLAN_MADE: "planned",
        APPROVAL: "approved the plan",
    }
    signed = recorded(entry.data) if entry.kind == APPROVAL else None
    if signed is None:
        yield _deed(facts, entry, words[entry.kind] + elsewhere)
    else:
        yield from _signed(facts, entry, signed, elsewhere)
    for name in entry.data["unsafe"] if entry.kind == APPROVAL else ():
        deed = _deed(facts, entry, f"consented to {name}{elsewhere}")
        yield replace(deed, actor=approver(entry, signed)) if signed and name in signed.statement.unsafe else deed


def _signed(facts: Facts, entry: Entry, approval: Approval, elsewhere: str) -> Iterator[Deed]:
    """An approval by a second key, and who brought it."""
    said = approval.statement
    if approval.is_signed():
        what = f"approved the plan, by a signature of {said.approved_at} that holds until {said.expires_at}"
        yield replace(_deed(facts, entry, what + elsewhere), actor=approver(entry, approval))
        yield _deed(facts, entry, f"took over the approval of key {key_words(key_id(said.key))}{elsewhere}")
    else:
        yield _deed(facts, entry, f"took over an approval whose signature does not fit{elsewhere}")


def approver(entry: Entry, approval: Approval) -> Actor:
    """Who signed an approval, by their key; the names are those that the signer's machine gave."""
    said = approval.statement
    return Actor(entry.seq, said.user, said.uid, said.host, key_id(said.key), of_approval=True)


def approved_by(facts: Facts, entry: Entry, name: str = "") -> str:
    """Who agreed to a plan, or to something unsafe in it: a key where one signed that, else the machine's user."""
    approval = recorded(entry.data)
    if approval is None or not approval.is_signed() or (name and name not in approval.statement.unsafe):
        return str(facts.actor(entry))
    who = approver(entry, approval)
    return f"key {key_words(who.key_id)}, {who} as the approval says"


def _deed(facts: Facts, entry: Entry, what: str) -> Deed:
    return Deed(what, entry.seq, entry.at, facts.actor(entry), entry.run_id)


def _plans(facts: Facts, apply: Progress) -> Iterator[Entry]:
    """The last time that its plan was made before it, in its run and in those that approved it."""
    for run_id in {apply.run_id: None} | {approval.run_id: None for approval in facts.approvals(apply)}:
        made = [
            entry
            for entry in facts.entries(PLAN_MADE, run_id=run_id)
            if entry.seq < int(apply.id) and checksum_of(entry.data["plan"]) == apply.checksum
        ]
        yield from made[-1:]


def _moves(facts: Facts, number: int) -> Iterator[Deed]:
    apply, last = facts.applies[number - 1], None
    for entry in _entries_of(facts, apply):
        actor = facts.actor(entry)
        if last and actor != last and entry.kind != journal.TAKEN_UP:  # which older ledgers do not have
            yield replace(_deed(facts, entry, f"took up apply {number}"), of_apply=True)
        if words := _move(apply, number, entry):
            yield replace(_deed(facts, entry, words), of_apply=True)
        last = actor


def _move(apply: Progress, number: int, entry: Entry) -> str:
    """What an entry of an apply says of who decides; empty for the work itself."""
    data = entry.data
    if entry.kind == journal.DECIDED:
        change = apply.plan.changes[data["place"]]
        verb = "kept" if data["choice"] == "accepted" else "decided to write over"
        return f"{verb} {change.kind} {change.name}, which was not as it was sent"
    if entry.kind == journal.TAKEN_UP:
        return f"took up apply {number}, to {'finish' if data['how'] == 'resume' else 'undo'} it"
    if entry.kind == journal.FINISHED:
        return f"finished {'' if data['how'] == 'done' else 'undoing '}apply {number}"
    undoes = f", which undoes run {apply.plan.undoes.run_id}" if apply.plan.undoes else ""
    return {journal.STARTED: f"began apply {number}{undoes}", journal.ROLLBACK: f"began to undo apply {number}"}.get(
        entry.kind, ""
    )


def _entries_of(facts: Facts, *applies: Progress) -> list[Entry]:
    ids = {apply.id for apply in applies}
    every = facts.everywhere(*journal.KINDS) if ids else ()
    return [entry for entry in every if str(entry.seq) in ids or entry.data.get("apply") in ids]


def _crashes(facts: Facts) -> Iterator[Deed]:
    """Each step that ended with an unforeseen error, or whose end is not in the ledger, and who took it up again."""
    moves = _entries_of(facts, *facts.applies)
    for run_id in dict.fromkeys([facts.run_id, *(entry.run_id for entry in moves)]):
        begun: dict[tuple[int, str], Entry] = {}
        for entry in facts.steps(run_id):
            step = entry.data["step"]
            key = facts.actor(entry).entry, step
            began = entry.kind == "step.started" and step in _RECOVERY and entry.seq <= moves[-1].seq
            if run_id != facts.run_id and not (began or key in begun):
                continue
            if entry.kind != "step.started":
                begun.pop(key, None)
                if entry.kind == "step.crashed":
                    yield _crash(facts, entry, moves)
            else:
                if key in begun:
                    yield _broken_off(facts, begun[key], moves)
                begun[key] = entry
        yield from (_broken_off(facts, entry, moves) for entry in begun.values())


def _crash(facts: Facts, entry: Entry, moves: list[Entry]) -> Deed:
    taker = _taker(facts, entry, moves)
    taken_up = _taken_up(facts, taker) if taker else "No other process has taken it up"
    return _deed(facts, entry, f"crash: step “{_title(entry)}” ended with {entry.data['error']}. {taken_up}")


def _broken_off(facts: Facts, begun: Entry, moves: list[Entry]) -> Deed:
    """Whoever wrote something after another process went on was not dead. Entries of older ledgers do not say whose
    they are, so there the other process's are left out."""
    actor, taker = facts.actor(begun), _taker(facts, begun, moves)
    before = taker.seq if taker and actor.of_run else facts.last_seq + 1
    seq, at = facts.last_entry(actor, begun.run_id, before)
    words = f"step “{_title(begun)}” did not complete"
    if taker and seq < taker.seq:
        crash = f"crash: {words}; this is the last entry of its process. {_taken_up(facts, taker)}"
        return Deed(crash, seq, at, actor, begun.run_id)
    return Deed(f"{words}: its process died, or still ran when this report was made", seq, at, actor, begun.run_id)


def _taker(facts: Facts, entry: Entry, moves: list[Entry]) -> Entry | None:
    """The first entry with which another process went on: with the apply, else with the run."""
    changing = entry.data["step"] in _CHANGING
    next_moves = [move for move in moves if changing and move.seq > entry.seq]
    in_run = [one for one in facts.entries(RESUMED, "step.started", run_id=entry.run_id) if one.seq > entry.seq]
    others = [one for one in [*next_moves, *in_run] if facts.actor(one) != facts.actor(entry)]
    return next(iter(others), None)


def _taken_up(facts: Facts, taker: Entry) -> str:
    return f"Taken up by {facts.actor(taker)} at {taker.at}, entry {taker.seq}"


def _title(entry: Entry) -> str:
    return str(entry.data["step"]).replace("_", " ")
