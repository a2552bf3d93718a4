"""Applies exactly one reviewed plan, or leaves the org as it was.

For each change, in order:

1. Write the intent to the ledger; it is on disk before anything is sent.
2. Write to Genesys.
3. Read back until the object is as wanted: the API is eventually consistent, so there is a deadline.
4. Note it as done.

A failure starts the rollback, which is noted first and then undoes what was touched, last change first, reading each
back. A server that takes a write and keeps something else ends the apply unfinished: what was sent and what was kept is
noted, and the user rolls back or accepts it. The same where an object of an unfinished apply was changed meanwhile; a
rollback does not write over that unless the user says so. A decision holds for exactly what was shown.

A crash leaves an apply without an end in the ledger: `resume` continues where it stopped, forwards or, if the
rollback had begun, backwards; `rollback` undoes it. A write may be made twice, also over one that was cut off half-way,
so an intent without an end is simply carried out again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from opslib.credentials import KeyReference, RoleReference
from opslib.errors import (
    AuthenticationFailed,
    Busy,
    ChangedMeanwhile,
    Conflict,
    HalfDone,
    InvalidInput,
    InvalidRequest,
    LedgerError,
    NotFound,
    OpslibError,
    PermissionMissing,
    RolledBack,
    ServerKeptOther,
    StalePlan,
    UnexpectedAnswer,
    foreseen,
)
from opslib.genesys.backend import JSON, SETTLES_WITHIN_S, Backend, Creation
from opslib.genesys.polling import poll_until
from opslib.genesys.together import together
from opslib.ledger.actor import machine
from opslib.ledger.ledger import Run
from opslib.router.differences import (
    Choice,
    Difference,
    FieldDifference,
    Origin,
    field_differences,
    is_older,
    origin_of,
    revision,
    same_revision,
)
from opslib.router.journal import (
    DECIDED,
    DIFFERS,
    DONE,
    FINISHED,
    INTENT,
    MADE,
    ROLLBACK,
    SENT,
    TAKEN_UP,
    UNDONE,
    Progress,
    is_in_the_way,
    refuse_unproved,
    started,
    unfinished_applies,
)
from opslib.router.lock import apply_lock
from opslib.router.plan import Change, Plan

T = TypeVar("T")

# What of an object a rollback could not restore: the server's id of it, or credentials, whose old secret is not known.
_NotRestored = Literal["", "id", "credentials"]
_NOTHING: Literal[""] = ""
_ID: Literal["id"] = "id"
_CREDENTIALS: Literal["credentials"] = "credentials"

_POLL_S, _POLL_AT_MOST_S = 0.1, 2.0

# After these answers nothing was changed: the server refused the request itself.
_REFUSALS = (InvalidRequest, AuthenticationFailed, PermissionMissing, NotFound, Conflict, InvalidInput)

_ACCEPTED_IS_DRIFT = "What is accepted shows as a change in the next plan until the onboarding file says the same"
_IN_THE_NOTEBOOK = "the notebook has a card for each"


class _NotAsSent(Exception):
    """A read shows something else than was written."""

    def __init__(self, difference: Difference) -> None:
        self.difference = difference


@dataclass
class Applier:
    """Applies, resumes and rolls back through one backend, noting each move in one run.

    `tell(done, total, words)` is called with the progress. `stop()` lets the change in flight finish and then ends the
    apply unfinished. `unfinished` is the id of the apply to resume or roll back, by default the newest. `is_of_org`
    tells an apply to the same org from one to another org at the same address. `lock` keeps other processes out.
    """

    backend: Backend
    run: Run
    settles_within_s: float = SETTLES_WITHIN_S
    tell: Callable[[int, int, str], object] = lambda done, total, words: None
    stopping: bool = False
    unfinished: str = ""
    is_of_org: Callable[[Progress], bool] = lambda progress: True
    lock: Callable[[Run], AbstractContextManager[None]] = apply_lock
    _under_way: tuple[int, int, str] | None = None

    def stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            if self._under_way:
                done, total, words = self._under_way
                self.tell(done, total, f"stopping after this: {words}; a second time cancels it")

    async def apply(self, plan: Plan, credentials: KeyReference | RoleReference, replan: Callable[[], Any]) -> int:
        """Carry out the plan; returns how many changes were made. `replan` makes it again: the org must still be as it
        was when the plan was reviewed, or already as it is wanted.

        Raises Busy, StalePlan (nothing was written), RolledBack (the state before is restored), ServerKeptOther or
        another HalfDone; and CancelledError when it was stopped before it began.
        """
        with self.lock(self.run):
            self._refuse_unfinished(plan)
            now = await replan()
            if not now.changes:
                return 0
            if now.checksum != plan.checksum:
                raise _stale(
                    "the org, or the onboarding, has changed since the plan was made",
                    fix="plan again and review it; nothing was written to the org",
                )
            if self.stopping:
                raise asyncio.CancelledError
            progress = self._begin(plan, credentials)
            self._bind(progress)
            with self._half_done_unless_noted(progress):
                await self._carry_out(progress)
            return len(plan.changes)

    async def resume(self, look: Callable[[Progress], Awaitable[object]] | None = None, *, accept: bool = False) -> str:
        """Finish what a crash or a stop left behind; says what was done. `look` is awaited before anything is sent, and
        may refuse it. With `accept`, objects that are not as they were sent stay as they were last shown to be.

        Raises ChangedMeanwhile for an object that is otherwise, without another write; else as `apply` does.
        """
        with self.lock(self.run):
            progress = self._unfinished()
            if progress is None:
                return "nothing to resume: the last apply has ended"
            places = progress.to_undo if progress.rolling_back else set(range(len(progress.plan.changes)))
            with self._half_done_unless_noted(progress):
                if look:
                    await look(progress)
                progress.note(self.run, TAKEN_UP, how="resume")
                await self._decide(
                    progress, progress.at_stake(places), "accepted" if accept else "", undoing=progress.rolling_back
                )
                await self._carry_out(progress)
            done = "the rollback that had begun is finished" if progress.rolling_back else "the apply is finished"
            return done + _accepted_words(progress)

    async def rollback(self, *, overwrite: bool = False) -> str:
        """Undo what a crash or a stop left behind; says what was done. With `overwrite`, also where an object was
        changed since, if it still is as it was last shown to be.

        Raises ChangedMeanwhile for an object that is otherwise, without another write; else HalfDone.
        """
        with self.lock(self.run):
            progress = self._unfinished()
            if progress is None:
                return "nothing to roll back: the last apply has ended"
            places = progress.at_stake(progress.to_undo)
            with self._half_done_unless_noted(progress):
                progress.note(self.run, TAKEN_UP, how="rollback")
                await self._decide(progress, places, "overwritten" if overwrite else "", undoing=True)
                if not progress.rolling_back:
                    progress.note(self.run, ROLLBACK, reason="asked for")
                await self._carry_out(progress)
            return f"rolled back: the org is as it was before the apply{progress.kept}"

    async def _decide(self, progress: Progress, places: set[int], choice: Choice, *, undoing: bool) -> None:
        """Note every object that is not as the apply left it. Raises ChangedMeanwhile, unless the user has seen and
        decided all of them; what the server made of our own write needs no decision to be written or undone again."""
        self._bind(progress)
        for known in progress.differences.values():
            change = progress.plan.changes[known.place]
            self.backend.remember(change.kind, change.id, known.server_id)
        looks = await together(*(self._look(progress, place) for place in sorted(places)))
        differences = [difference for difference in looks if difference]
        unseen = [difference for difference in differences if not self._is_known(progress, difference)]
        for difference in unseen:
            self._note_difference(progress, difference)
        if choice and not unseen:
            for difference in differences:
                progress.note(self.run, DECIDED, place=difference.place, choice=choice, **machine())
            return
        decided = ("overwritten",) if undoing else ()
        if unseen or any(one.origin != "server" and one.choice not in decided for one in differences):
            raise self._undecided(progress, differences)

    def _server_ids(self, plan: Plan) -> dict[int, str] | None:
        if self.backend.ids_are_ours:
            return None
        return {place: self.backend.server_id(one.kind, one.id) for place, one in enumerate(plan.changes)}

    def _bind(self, progress: Progress) -> None:
        """Each object of the apply is known by its server's id, also where another one has its name."""
        if progress.server_ids is None:
            return
        for place, server_id in sorted(progress.server_ids.items(), reverse=True):
            change = progress.plan.changes[place]
            if server_id or change.before is None:
                self.backend.bind(change.kind, change.id, server_id if change.before is not None else "")
        for creation in progress.creations:
            self.backend.recall(creation)

    def _refuse_unfinished(self, plan: Plan) -> None:
        """Raises Busy where an apply that was left unfinished changes what the plan changes, too."""
        objects = [(change.kind, change.id) for change in plan.changes]
        for apply in unfinished_applies(self.run.ledger, self.backend.where):
            if is_in_the_way(apply, self.backend.name, objects) and self.is_of_org(apply):
                refuse_unproved(self.run.ledger, apply)
                refuse_unfinished(apply)

    def _unfinished(self) -> Progress | None:
        left = unfinished_applies(self.run.ledger, self.backend.where)
        progress = next((apply for apply in left[::-1] if self.unfinished in ("", apply.id)), None)
        if progress:
            refuse_unproved(self.run.ledger, progress)
        return progress

    async def _carry_out(self, progress: Progress) -> None:
        """Continue in the direction that the ledger names."""
        try:
            await (self._backwards(progress) if progress.rolling_back else self._forwards(progress))
        except (HalfDone, RolledBack, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, something is left to do)
            failure = foreseen(error, "the apply")
            raise self._half_done(progress, f"{failure.title}: {failure.cause}", failure) from None

    def _begin(self, plan: Plan, credentials: KeyReference | RoleReference) -> Progress:
        try:
            return started(self.run, plan, credentials, self._server_ids(plan))
        except LedgerError as error:
            raise LedgerError(
                error.title, cause=error.cause, fix=f"{error.fix}; nothing was written to the org"
            ) from None

    @contextmanager
    def _half_done_unless_noted(self, progress: Progress) -> Iterator[None]:
        """What is not written down must not be done: a ledger that cannot be written ends the work."""
        try:
            yield
        except LedgerError as error:
            raise self._half_done(progress, f"{error.title}: {error.cause}", error) from None

    async def _forwards(self, progress: Progress) -> None:
        changes = progress.plan.changes
        for place, change in enumerate(changes):
            if place in progress.done or place in progress.accepted:
                continue
            if self.stopping:
                raise self._half_done(progress, "it was stopped")
            self._tell(place, len(changes), f"{change.action} {change.kind} {change.name}")
            progress.note(self.run, INTENT, place=place)
            try:
                await self._write(progress, place, change.after)
            except _NotAsSent as other:
                raise self._not_as_sent(progress, other.difference) from None
            except Exception as error:  # noqa: BLE001 (a defect, too, must not leave the org half-changed)
                await self._give_up(progress, place, foreseen(error, "the apply"))
            progress.note(self.run, DONE, place=place)
        progress.note(self.run, FINISHED, how="done")
        self._tell(len(changes), len(changes), "all read back")

    def _not_as_sent(self, progress: Progress, difference: Difference) -> HalfDone:
        self._note_difference(progress, difference)
        return self._undecided(progress, [difference])

    def _note_difference(self, progress: Progress, difference: Difference) -> None:
        progress.note(self.run, DIFFERS, difference=difference.model_dump(mode="json"))

    def _tell(self, done: int, total: int, words: str) -> None:
        self._under_way = (done, total, words)
        self.tell(done, total, words)

    async def _give_up(self, progress: Progress, place: int, error: OpslibError) -> None:
        change = progress.plan.changes[place]
        progress.note(self.run, ROLLBACK, reason=error.title, place=place, error=error.as_json())
        if isinstance(error, _REFUSALS):
            # The refusal may be of a second try, after a first one whose answer was lost: read more than once.
            with suppress(Exception):  # what cannot be read is written back
                if place not in progress.made and await self._stays(change, change.before):
                    progress.note(self.run, UNDONE, place=place, replaced=False)
        await self._backwards(progress)
        raise RolledBack(
            f"{change.action} {change.kind} {change.name} failed; the org is as it was before{progress.kept}",
            cause=f"{error.title}: {error.cause}",
            fix=error.fix,
            status=error.status,
            correlation_id=error.correlation_id,
        )

    async def _backwards(self, progress: Progress) -> None:
        for place in sorted(progress.to_undo, reverse=True):
            change = progress.plan.changes[place]
            self._tell(place, len(progress.plan.changes), f"undo {change.action} {change.kind} {change.name}")
            try:
                difference = await self._look(progress, place)
                if difference and not self._may_be_undone(progress, difference):
                    raise _NotAsSent(difference)
                replaced = await self._undo(progress, place)
            except _NotAsSent as other:
                raise self._not_as_sent(progress, other.difference) from None
            except Exception as error:  # noqa: BLE001 (the same)
                failure = foreseen(error, "the rollback")
                raise self._half_done(progress, f"{failure.title}: {failure.cause}", failure) from None
            progress.note(self.run, UNDONE, place=place, replaced=bool(replaced), remade=replaced == _ID)
        progress.note(self.run, FINISHED, how="rolled back", kept=progress.kept)

    async def _undo(self, progress: Progress, place: int) -> _NotRestored:
        """Restore the object; returns what of it could not be restored."""
        change = progress.plan.changes[place]
        old = self.backend.undo_body(change.before, change.after)
        may_be_gone = not self.backend.ids_are_ours and (change.after is None or place in progress.differences)
        if old and may_be_gone and await self.backend.read(change.kind, change.id) is None:
            await self._write(progress, place, old)
            return _ID
        if change.rotates and change.before == change.after:
            return _CREDENTIALS
        if old != change.before and await self._stays(change, change.before):
            return _NOTHING  # the new credentials were never taken
        try:
            await self._write(progress, place, old)
        except _NotAsSent:
            raise
        except Exception:
            # The write back failed too. If the object stays as it was before, for as long as a read may show an older
            # state, there is nothing to undo.
            if not await self._stays(change, change.before, for_s=self.settles_within_s):
                raise
            return _CREDENTIALS if change.rotates else _NOTHING
        return _CREDENTIALS if change.rotates or old != change.before else _NOTHING

    async def _write(self, progress: Progress, place: int, wanted: JSON | None) -> None:
        """Bring one object to the wanted state and read it back. Raises the server's error, _NotAsSent, or
        UnexpectedAnswer when it does not read as it was written within the deadline."""
        change, answer = progress.plan.changes[place], JSON()
        if wanted is None:
            await self.backend.delete(change.kind, change.id)
        else:
            reference, keys = progress.credentials, None
            if isinstance(reference, KeyReference) and change.kind == "target":
                keys = await asyncio.to_thread(reference.resolve)  # a profile may ask SSO or STS
            is_new = progress.server_ids is not None and change.before is None
            note = partial(self._note_creation, progress, place)
            answer = await self.backend.write(change.kind, change.id, wanted, keys, alone=is_new, note=note)
        found = await self._read_back(change, wanted, answer)
        if self._shows(found, wanted, answer):
            return
        if found is None or wanted is None or is_older(found, answer):
            raise UnexpectedAnswer(
                f"{change.kind} {change.name} does not read as it was written",
                cause=f"after {self.settles_within_s:.0f} s a read still shows something else",
                fix="look whether another program writes the same object, then plan again",
            )
        fields = field_differences(self.backend, [wanted], found)
        origin = origin_of(
            fields,
            same_revision=same_revision(answer, found),
            confirmed=self._same(answer, wanted),
            as_answered=self._same(answer, found),
        )
        raise _NotAsSent(self._difference(place, change, origin, fields, found))

    def _note_creation(self, progress: Progress, place: int, creation: Creation) -> None:
        about = {"place": place, "object": creation.kind, "name": creation.name}
        if creation.server_id:
            progress.note(self.run, MADE, **about, server_id=creation.server_id)
        else:
            progress.note(self.run, SENT, **about)

    async def _read_back(self, change: Change, wanted: JSON | None, answer: JSON) -> JSON | None:
        """What the org has: as soon as it is as wanted, or stays otherwise in exactly the revision that was written,
        else after the deadline."""

        async def read() -> JSON | None:
            return await self.backend.read(change.kind, change.id)

        def is_final(found: JSON | None) -> bool:
            return self._shows(found, wanted, answer) or same_revision(answer, found) is True

        found = await self._poll(read, is_final)
        if not self._shows(found, wanted, answer) and same_revision(answer, found):
            await asyncio.sleep(self.settles_within_s / 10)
            found = await read()
        return found

    def _shows(self, found: JSON | None, wanted: JSON | None, answer: JSON) -> bool:
        """Whether a read shows the state, and nothing older than what the write was answered with."""
        return self._same(found, wanted) and not is_older(found, answer)

    async def _poll(self, ask: Callable[[], Awaitable[T]], is_final: Callable[[T], object]) -> T:
        """The answer that is final, or the last one before the deadline; asked ever less often, since each read counts
        as a call."""
        return await poll_until(
            ask, is_final, deadline_s=self.settles_within_s, wait_s=_POLL_S, longest_wait_s=_POLL_AT_MOST_S
        )

    def _same(self, answer: JSON | None, wanted: JSON | None) -> bool:
        if answer is None or wanted is None:
            return answer is None and wanted is None
        return self.backend.comparable(answer) == self.backend.comparable(wanted)

    async def _stays(self, change: Change, wanted: JSON | None, *, for_s: float | None = None) -> bool:
        """Whether a read shows the state now, and again after a while: a write may still be on its way. By default that
        is a tenth of the time that a read may be late."""
        if not self._same(await self.backend.read(change.kind, change.id), wanted):
            return False
        await asyncio.sleep(self.settles_within_s / 10 if for_s is None else for_s)
        return self._same(await self.backend.read(change.kind, change.id), wanted)

    async def _look(self, progress: Progress, place: int) -> Difference | None:
        """How the object differs from what an apply that came so far may have left; None when it does not."""
        change, known = progress.plan.changes[place], progress.differences.get(place)
        written = place in progress.intended
        states = self._states(progress, place)

        def is_known(found: JSON | None) -> bool:
            return known is not None and self._same(found, known.found)

        def is_ours(found: JSON | None) -> bool:
            return any(self._same(found, state) for state in states) or self._may_be_cut_off(progress, place, found)

        found = await self._poll(
            lambda: self.backend.read(change.kind, change.id), lambda found: is_known(found) or is_ours(found)
        )
        if known and is_known(found):
            return None if known.choice == "accepted" and not progress.rolling_back else known
        if is_ours(found):
            return None
        fields = field_differences(self.backend, states, found)
        was_read_before = not written or place in progress.done or known
        origin: Origin = "others" if was_read_before else "unknown"
        return self._difference(place, change, origin, fields, found, written=written)

    def _states(self, progress: Progress, place: int) -> list[JSON | None]:
        """Whole states in which an apply that came so far may have left the object, the one it should have first."""
        change = progress.plan.changes[place]
        if place not in progress.intended:
            return [change.before]
        if place in progress.done and not progress.rolling_back:
            return [change.after]
        undone = self.backend.undo_body(change.before, change.after)
        return [change.before, undone, change.after] if progress.rolling_back else [change.after, change.before, undone]

    def _may_be_cut_off(self, progress: Progress, place: int, found: JSON | None) -> bool:
        """Whether a write that was cut off may have left this."""
        change, known = progress.plan.changes[place], progress.differences.get(place)
        if found is None or place not in progress.intended or (place in progress.done and not progress.rolling_back):
            return False
        undone = self.backend.undo_body(change.before, change.after)
        writes = [(change.before, change.after), (change.after, undone)]
        if known and self._may_be_undone(progress, known):
            writes += [(known.found, change.after), (known.found, undone)]
        return any(self.backend.may_be_cut_off(found, *write) for write in writes)

    def _is_known(self, progress: Progress, difference: Difference) -> bool:
        return progress.differences.get(difference.place) == difference

    def _may_be_undone(self, progress: Progress, difference: Difference) -> bool:
        """What the server made of our own write, or what the user has decided to write over."""
        known = self._is_known(progress, difference)
        return known and (difference.origin == "server" or difference.choice == "overwritten")

    def _difference(
        self,
        place: int,
        change: Change,
        origin: Origin,
        fields: tuple[FieldDifference, ...],
        found: JSON | None,
        *,
        written: bool = True,
    ) -> Difference:
        return Difference(
            place=place,
            kind=change.kind,
            name=change.name,
            origin=origin,
            fields=fields,
            found=self.backend.writable(found) if found else None,
            written=written,
            server_id=str((found or {}).get("id", "")),
            revision=revision(found),
        )

    def _undecided(self, progress: Progress, differences: Sequence[Difference]) -> HalfDone:
        """What the user has to decide, and what each way does."""
        cause = f"{'; '.join(difference.sentence for difference in differences)}. {remaining_steps(progress)}"
        accept = "`opslib resume --accept` to keep what the server has and finish"
        if all(difference.origin == "server" for difference in differences):
            fix = f"run `opslib rollback` to undo the apply, or {accept}; {_IN_THE_NOTEBOOK}. {_ACCEPTED_IS_DRIFT}"
            return ServerKeptOther("The server keeps something else than was sent", cause=cause, fix=fix)
        written_over = [one for one in differences if one.origin != "server" and one.place in progress.to_undo]
        names = " and ".join(f"{one.kind} {one.name}" for one in written_over)
        rollback = (
            f"`opslib rollback --overwrite` to undo the apply, which writes over what {names} has now"
            if written_over
            else "`opslib rollback` to undo the apply, which leaves these objects as they are"
        )
        return ChangedMeanwhile(
            "An object is not as the unfinished apply left it",
            cause=cause,
            fix=f"run {accept}, or {rollback}; {_IN_THE_NOTEBOOK}. {_ACCEPTED_IS_DRIFT}",
        )

    def _half_done(self, progress: Progress, why: str, error: OpslibError | None = None) -> HalfDone:
        return HalfDone(
            "The apply is half-done",
            cause=f"{why}. {remaining_steps(progress)}",
            fix="remove the cause, then run `opslib resume` to go on or `opslib rollback` to undo it",
            status=error.status if error else None,
            correlation_id=error.correlation_id if error else None,
        )


def remaining_steps(progress: Progress) -> str:
    """Exactly what is left to do, in words."""
    changes = list(enumerate(progress.plan.changes))
    if progress.rolling_back:
        left = [change for place, change in reversed(changes) if place in progress.to_undo]
        return "Left to undo: " + ("; ".join(_words("undo", change) for change in left) or "nothing")
    settled = progress.done | progress.accepted.keys()
    left = [change for place, change in changes if place not in settled]
    done = [change for place, change in changes if place in settled]
    return (
        f"Done: {'; '.join(_words('', change) for change in done) or 'nothing'}. "
        f"Left to do: {'; '.join(_words('', change) for change in left) or 'nothing'}"
    )


def refuse_unfinished(progress: Progress | None) -> None:
    """Raises Busy when an earlier apply in this workspace has no end."""
    if progress:
        raise Busy(
            "An earlier apply was left unfinished",
            cause=f"{progress.user} started it at {progress.at}. {remaining_steps(progress)}",
            fix="run `opslib resume` to finish it or `opslib rollback` to undo it; nothing more was written to the org",
        )


def _accepted_words(progress: Progress) -> str:
    kept = "; ".join(f"{one.kind} {one.name} ({one.details or 'deleted'})" for one in progress.accepted.values())
    return f"; accepted as it is: {kept}. {_ACCEPTED_IS_DRIFT}" if kept else ""


def _words(verb: str, change: Change) -> str:
    return f"{verb} {change.action} {change.kind} {change.name} ({change.id})".strip()


def _stale(why: str, *, fix: str) -> StalePlan:
    return StalePlan("The plan is out of date", cause=why, fix=fix)
