"""The plan that undoes a finished apply: what the ledger recorded before it, where the org is still as it was left.

How it is made:

1. Choose the apply, from entries that are proved. One whose objects a later apply of opslib changed is refused.
2. Read every object that it wrote, by the server's id of it.
3. Refuse the whole where one is not as the apply left it: somebody else has changed it since.
4. Restore each, the last one written first: each state on the way is one that the server accepted before.
5. Name what is unsafe.

An undo is an apply itself, so it can be resumed, rolled back and undone.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import InvalidInput, OpslibError, StalePlan
from opslib.genesys.audit_log import audit_entries, change
from opslib.genesys.backend import JSON, Backend, Kind
from opslib.genesys.client import GenesysClient
from opslib.genesys.comparable import of_others
from opslib.genesys.together import together
from opslib.ledger.ledger import Ledger
from opslib.onboarding.models import Onboarding
from opslib.router.apply import refuse_unfinished
from opslib.router.differences import Difference, field_differences, revision
from opslib.router.journal import Progress, all_applies, is_in_the_way, refuse_unproved
from opslib.router.plan import Change, Plan, Undoes
from opslib.router.unsafe_changes import unsafe_changes
from opslib.suggestion import did_you_mean

LAST = "last"

Key = tuple[Kind, str]


@dataclass(frozen=True)
class Written:
    """One object of an apply: as it was before its first change, and as the apply left it; None for absent.

    `server_id` is the server's id of it now, as far as the ledger knows; empty where the ids are ours.
    """

    kind: Kind
    id: str
    name: str
    before: JSON | None
    left: JSON | None
    rotated: bool
    server_id: str

    @property
    def words(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Past:
    """A finished apply to undo. `undone_by` is the apply that did so already, else None."""

    apply: Progress
    objects: Sequence[Written]
    undone_by: Progress | None


def past(ledger: Ledger, where: str, run_id: str = LAST) -> Past:
    """The finished apply to the org at `where` to undo: the last one of a run, or of all. An undo counts only where its
    run is named; the undo of an undo is an apply like any other.

    Raises InvalidInput where there is none, Busy while an apply of its objects is unfinished, StalePlan where a later
    apply of opslib changed one of its objects, LedgerNotProved for a ledger that was changed.
    """
    every = all_applies(ledger)
    history = [apply for apply in every if apply.plan.where == where]
    if history and not any(apply.ended for apply in history):
        refuse_unfinished(history[-1])
    chosen = _last(history) if run_id == LAST else _of_run(every, where, run_id)
    objects = [(change.kind, change.id) for change in chosen.plan.changes]
    for apply in history:
        if not apply.ended and is_in_the_way(apply, chosen.plan.backend, objects):
            refuse_unfinished(apply)
    refuse_unproved(ledger, chosen)
    undone_by = _undone_by(chosen, history)
    if undone_by is None:
        _refuse_changed_later(chosen, history)
    return Past(chosen, _written(chosen, history), undone_by)


def restored(past: Past, onboarding: Onboarding, backend: Backend) -> dict[Kind, JSON]:
    """The onboarding's own objects that the undo brings back or changes, as they will be."""
    return {one.kind: one.before for one in past.objects if one.before and _is_own(one, onboarding, backend)}


def routes_again(plan: Plan, onboarding: Onboarding, backend: Backend) -> bool:
    """Whether recordings go to the onboarding's bucket after the undo: it changes something, and leaves the
    onboarding's target and policy there."""
    gone = [one for one in plan.changes if one.after is None and one.kind != "webhook"]
    return bool(plan.changes) and not any(_is_own(one, onboarding, backend) for one in gone)


async def make_undo(backend: Backend, past: Past, onboarding: Onboarding, client: GenesysClient) -> Plan:
    """What it takes to restore what was there before the apply. Call `backend.onboarding_of` before.

    Raises StalePlan, before anything is sent, where somebody else has changed one of the objects since.
    """
    apply = past.apply
    undoes = Undoes(run_id=apply.run_id, entry=int(apply.id), checksum=apply.checksum)
    empty = Plan(where=backend.where, backend=backend.name, changes=(), undoes=undoes)
    if past.undone_by:
        return empty.model_copy(update={"notes": (_already(past.undone_by, apply),)})
    for one in past.objects:
        if one.server_id and one.left is not None:
            backend.bind(one.kind, one.id, one.server_id)
    found = await together(*(backend.read(one.kind, one.id) for one in past.objects))
    now = list(zip(past.objects, found, strict=True))
    if all(_same(backend, body, one.before) for one, body in now):
        note = "the org is as it was before that apply already, and opslib did not undo it"
        kept = tuple(_kept(past.objects))
        return empty.model_copy(update={"notes": kept or (note,)})
    if differences := list(_differences(backend, now)):
        raise StalePlan(
            "The org is not as that apply left it",
            cause="; ".join([one.sentence for one in differences] + await _who(client, backend, apply, differences)),
            fix="put it back as it was, or change what you want with the onboarding and `opslib apply`; nothing was "
            "written to the org",
        )
    changes = [
        _change(backend, one, body, own=_is_own(one, onboarding, backend))
        for one, body in reversed(now)
        if not _same(backend, body, one.before)
    ]
    return empty.model_copy(update={"changes": tuple(changes), "notes": tuple(_notes(backend, past, changes))})


def refuse_unknown_secret(plan: Plan, keys: AwsKeys | RoleReference) -> None:
    """Raises InvalidInput where the plan writes an AWS key pair whose secret we do not hold."""
    for key, one in _keys(plan):
        if not isinstance(keys, AwsKeys) or keys.access_key_id != key:
            raise InvalidInput(
                "The secret of the AWS key to restore is not known",
                cause=f"{one.kind} {one.name} had access key {key}, and nobody can read its secret",
                fix="set the environment variables of that key pair and run this again; or change what you want with "
                "`opslib apply`. Nothing was written",
            )


def needs_keys(plan: Plan) -> bool:
    """Whether the plan writes an AWS key pair."""
    return any(_keys(plan))


def _keys(plan: Plan) -> Iterator[tuple[str, Change]]:
    for one in plan.changes:
        if key := ((one.after or {}).get("configuration") or {}).get("accessKeyId"):
            yield key, one


def _last(history: Sequence[Progress]) -> Progress:
    """The last finished apply that is not an undo; an undo of an undo applies something again."""
    for apply in reversed(history):
        if apply.ended == "done" and not _takes_back(apply, history):
            return apply
    raise InvalidInput(
        "There is nothing to undo",
        cause="this workspace's ledger has no finished apply to this org",
        fix="`opslib where` says which org and which workspace this is; nothing was sent",
    )


def _takes_back(apply: Progress, history: Sequence[Progress]) -> bool:
    return apply.plan.undoes is not None and not _takes_back(_undone(apply, history), history)


def _undone(undo: Progress, history: Sequence[Progress]) -> Progress:
    """The apply that an undo undoes."""
    return next(apply for apply in history if undo.plan.undoes and int(apply.id) == undo.plan.undoes.entry)


def _of_run(every: Sequence[Progress], where: str, run_id: str) -> Progress:
    own = [apply for apply in every if apply.run_id == run_id]
    there = [apply for apply in own if apply.plan.where == where]
    if finished := [apply for apply in there if apply.ended == "done"]:
        return finished[-1]
    known = list(dict.fromkeys(apply.run_id for apply in every if apply.ended == "done" and apply.plan.where == where))
    cause = f"it was for the org at {own[-1].plan.where}, and this is {where}" if own and not there else ""
    cause = cause or (f"its apply was rolled back: {there[-1].reason}" if there else "it applied nothing")
    raise InvalidInput(
        f"Run {run_id} has nothing to undo",
        cause=f"{cause}. Runs with a finished apply to this org: {', '.join(known[-5:]) or 'none'}."
        f"{did_you_mean(run_id, known)}",
        fix="name one of these, or leave out --run for the last one; nothing was sent",
    )


def _undone_by(apply: Progress, history: Sequence[Progress]) -> Progress | None:
    """The undo of an apply that was not undone itself."""
    undos = [one for one in history if one.ended == "done" and one.plan.undoes and _undone(one, history) is apply]
    return next((undo for undo in undos if _undone_by(undo, history) is None), None)


def _refuse_changed_later(apply: Progress, history: Sequence[Progress]) -> None:
    """Later applies that were undone, and their undos, leave the objects as they were."""
    keys = {(change.kind, change.id) for change in apply.plan.changes}
    for later in reversed(history):
        if int(later.id) <= int(apply.id) or later.ended != "done" or _undone_by(later, history):
            continue
        if later.plan.undoes and int(_undone(later, history).id) >= int(apply.id):
            continue
        if both := [one for one in later.plan.changes if (one.kind, one.id) in keys]:
            names = ", ".join(dict.fromkeys(f"{one.kind} {one.name}" for one in both))
            raise StalePlan(
                "A later apply changed the same objects",
                cause=f"run {later.run_id} changed {names} at {later.last_at}",
                fix=f"undo that first: `opslib undo --run {later.run_id}`; nothing was written to the org",
            )


def _written(apply: Progress, history: Sequence[Progress]) -> list[Written]:
    """Each object that the apply wrote, in the order of the last write of each."""
    ids, objects = _server_ids(history), dict[Key, Written]()
    for place in sorted(apply.intended):
        one, accepted = apply.plan.changes[place], apply.accepted.get(place)
        key = one.kind, one.id
        first = objects.pop(key, None)
        objects[key] = Written(
            one.kind,
            one.id,
            one.name,
            before=first.before if first else one.before,
            left=accepted.found if accepted else one.after,
            rotated=one.rotates,
            server_id=ids.get(key, ""),
        )
    return list(objects.values())


def _server_ids(history: Iterable[Progress]) -> dict[Key, str]:
    """The last id that the server gave each object, also where a later apply or a rollback made it again."""
    ids = dict[Key, str]()
    for apply in history:
        for place, id in (apply.server_ids or {}).items():
            if id:
                ids[apply.plan.changes[place].kind, apply.plan.changes[place].id] = id
        for made in apply.creations:
            if made.kind != "credential" and made.server_id:
                ids[made.kind, made.name] = made.server_id
    return ids


def _same(backend: Backend, found: JSON | None, body: JSON | None) -> bool:
    if found is None or body is None:
        return found is None and body is None
    return backend.comparable(found) == backend.comparable(body)


def _differences(backend: Backend, now: Sequence[tuple[Written, JSON | None]]) -> Iterator[Difference]:
    for place, (one, body) in enumerate(now):
        if not _same(backend, body, one.left):
            yield Difference(
                place=place,
                kind=one.kind,
                name=one.name,
                origin="others",
                fields=field_differences(backend, [one.left], body),
                found=backend.writable(body) if body else None,
                server_id=str((body or {}).get("id") or one.server_id),
                revision=revision(body),
            )


async def _who(
    client: GenesysClient, backend: Backend, apply: Progress, differences: Sequence[Difference]
) -> list[str]:
    """Who changed them, as far as the org's own audit says; it comes late, and not every client may read it."""
    if backend.name != "platform":
        return []
    ids = {one.server_id for one in differences}
    with suppress(OpslibError):
        since = datetime.fromisoformat(apply.last_at)
        said = [change(entry) for entry in await audit_entries(client, since, client.now())]
        return [
            f"the org's audit: {one['action']} {one['kind']} {one['name']} by {one['by']} at {one['at']}"
            for one in said
            if one["entity_id"] in ids
        ]
    return []


def _change(backend: Backend, one: Written, found: JSON | None, *, own: bool) -> Change:
    before = None if found is None else backend.writable(found)
    after = one.before
    if before and after:  # what is none of ours stays as it is now
        after = {key: value for key, value in after.items() if key not in of_others(backend.name, after)}
        after |= of_others(backend.name, before)
    old, new = (None if body is None else backend.meaning(one.kind, body) for body in (before, after))
    unsafe = tuple(unsafe_changes(old, new))
    if not own:  # another integration: switched off again, or on
        off = old is not None and old.enabled and not (new and new.enabled)
        unsafe = ("replace-active-integration",) if off else ()
    return Change(
        action="create" if before is None else "update" if after is not None else "delete",
        kind=one.kind,
        id=one.id,
        name=str((after or before or {}).get("name", one.name)),
        before=before,
        after=after,
        unsafe=unsafe,
    )


def _is_own(one: Written | Change, onboarding: Onboarding, backend: Backend) -> bool:
    part = getattr(onboarding, one.kind)
    return bool(one.id == (part.id if backend.ids_are_ours else part.name))


def _notes(backend: Backend, past: Past, changes: Sequence[Change]) -> Iterator[str]:
    yield f"this undoes what run {past.apply.run_id} applied"
    yield from _kept(past.objects)
    if not backend.ids_are_ours:
        for one in changes:
            if one.action == "create":
                yield f"{one.kind} {one.name} is made again and gets a new id: an id in the onboarding file must follow"


def _kept(objects: Iterable[Written]) -> Iterator[str]:
    """What of the apply stays: credentials that were written over under the same name."""
    for one in objects:
        if one.rotated and one.before == one.left:
            yield f"{one.words} keeps the credentials that were written again: what they were before is not known"


def _already(undo: Progress, apply: Progress) -> str:
    return (
        f"run {undo.run_id} has undone what run {apply.run_id} applied; to apply that again: "
        f"opslib undo --run {undo.run_id}"
    )
