"""Applies exactly one reviewed plan, or leaves the org as it was.

For each change, in order:

1. Write the intent to the ledger; it is on disk before anything is sent.
2. Write to Genesys.
3. Read back until the object is as wanted: the API is eventually consistent, so there is a deadline.
4. Note it as done.

A failure starts the rollback, which is noted first and then undoes what was touched, last change first, reading each
back. A crash leaves an apply without an end in the ledger: `resume` continues where it stopped, forwards or, if the
rollback had begun, backwards; `rollback` undoes it. A write may be made twice, also over one that was cut off half-way,
so an intent without an end is simply carried out again.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from opslib.credentials import KeyReference, RoleReference
from opslib.errors import (
    AuthenticationFailed,
    Busy,
    Conflict,
    HalfDone,
    InvalidInput,
    InvalidRequest,
    LedgerError,
    NotFound,
    OpslibError,
    PermissionMissing,
    RolledBack,
    StalePlan,
    UnexpectedAnswer,
)
from opslib.genesys.backend import JSON, SETTLES_WITHIN_S, Backend
from opslib.genesys.polling import poll_until
from opslib.ledger.ledger import Run
from opslib.router.journal import FINISHED, Progress, started, unfinished_apply
from opslib.router.lock import apply_lock
from opslib.router.plan import Change, Plan

_POLL_S, _POLL_AT_MOST_S = 0.1, 2.0

# After these answers nothing was changed: the server refused the request itself.
_REFUSALS = (InvalidRequest, AuthenticationFailed, PermissionMissing, NotFound, Conflict, InvalidInput)


@dataclass
class Applier:
    """Applies, resumes and rolls back through one backend, noting each move in one run.

    `tell(done, total, words)` is called with the progress. `stop()` lets the change in flight finish and then ends the
    apply unfinished.
    """

    backend: Backend
    run: Run
    settles_within_s: float = SETTLES_WITHIN_S
    tell: Callable[[int, int, str], object] = lambda done, total, words: None
    stopping: bool = False
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

        Raises Busy, StalePlan (nothing was written), RolledBack (the state before is restored) or HalfDone; and
        CancelledError when it was stopped before it began.
        """
        with apply_lock(self.run):
            refuse_unfinished(self._unfinished())
            now = await replan()
            if not now.changes:
                return 0
            if now.checksum != plan.checksum:
                raise _stale(
                    "the org, or the onboarding, has changed since the plan was made",
                    fix="plan again and review it; nothing was written",
                )
            if self.stopping:
                raise asyncio.CancelledError
            await self._carry_out(started(self.run, plan, credentials))
            return len(plan.changes)

    async def resume(self) -> str:
        """Finish what a crash or a stop left behind; says what was done. Raises as `apply` does."""
        with apply_lock(self.run):
            progress = self._unfinished()
            if progress is None:
                return "nothing to resume: the last apply has ended"
            if not progress.rolling_back:
                await self._refuse_any_foreign(progress)
            await self._carry_out(progress)
            return "the rollback that had begun is finished" if progress.rolling_back else "the apply is finished"

    async def rollback(self) -> str:
        """Undo what a crash or a stop left behind; says what was done. Raises StalePlan or HalfDone."""
        with apply_lock(self.run):
            progress = self._unfinished()
            if progress is None:
                return "nothing to roll back: the last apply has ended"
            if not progress.rolling_back:
                await self._refuse_any_foreign(progress)
                progress.note(self.run, "rollback.started", reason="asked for")
            await self._carry_out(progress)
            return f"rolled back: the org is as it was before the apply{progress.kept}"

    def _unfinished(self) -> Progress | None:
        return unfinished_apply(self.run.ledger, self.backend.where)

    async def _carry_out(self, progress: Progress) -> None:
        """Continue in the direction that the ledger names."""
        try:
            await (self._backwards(progress) if progress.rolling_back else self._forwards(progress))
        except LedgerError as error:  # what is not written down must not be done
            raise self._half_done(progress, f"{error.title}: {error.cause}", error) from None

    async def _forwards(self, progress: Progress) -> None:
        changes = progress.plan.changes
        for place, change in enumerate(changes):
            if place in progress.done:
                continue
            if self.stopping:
                raise self._half_done(progress, "it was stopped")
            self._tell(place, len(changes), f"{change.action} {change.kind} {change.name}")
            progress.note(self.run, "change.intent", place=place)
            try:
                await self._write(progress, change, change.after)
            except OpslibError as error:
                await self._give_up(progress, place, error)
            progress.note(self.run, "change.done", place=place)
        progress.note(self.run, FINISHED, how="done")
        self._tell(len(changes), len(changes), "all read back")

    def _tell(self, done: int, total: int, words: str) -> None:
        self._under_way = (done, total, words)
        self.tell(done, total, words)

    async def _give_up(self, progress: Progress, place: int, error: OpslibError) -> None:
        change = progress.plan.changes[place]
        progress.note(self.run, "rollback.started", reason=error.title, place=place, error=error.as_json())
        if isinstance(error, _REFUSALS):
            # The refusal may be of a second try, after a first one whose answer was lost: read more than once.
            with suppress(OpslibError):  # what cannot be read is written back
                if await self._stays(change, change.before):
                    progress.note(self.run, "undo.done", place=place, replaced=False)
        await self._backwards(progress)
        raise RolledBack(
            f"{change.action} {change.kind} {change.name} failed; the org is as it was before{progress.kept}",
            cause=f"{error.title}: {error.cause}",
            fix=error.fix,
            status=error.status,
            correlation_id=error.correlation_id,
        )

    async def _backwards(self, progress: Progress) -> None:
        for place in sorted(progress.intended - progress.undone, reverse=True):
            change = progress.plan.changes[place]
            self._tell(place, len(progress.plan.changes), f"undo {change.action} {change.kind} {change.name}")
            try:
                await self._refuse_foreign(progress, place)
                replaced = await self._undo(progress, change)
            except OpslibError as error:
                raise self._half_done(progress, f"{error.title}: {error.cause}", error) from None
            progress.note(self.run, "undo.done", place=place, replaced=replaced)
        progress.note(self.run, FINISHED, how="rolled back", kept=progress.kept)

    async def _undo(self, progress: Progress, change: Change) -> bool:
        """Restore the object; returns whether something of it could not be restored: credentials, whose old secret is
        not known here, or an id."""
        old = self.backend.undo_body(change.before, change.after)
        deleted = change.after is None and not self.backend.ids_are_ours
        if deleted and await self.backend.read(change.kind, change.id) is None:
            await self._write(progress, change, old)
            return True
        if change.rotates and change.before == change.after:
            return True
        if old != change.before and await self._stays(change, change.before):
            return False  # the new credentials were never taken
        try:
            await self._write(progress, change, old)
        except OpslibError:
            # The write back failed too. If the object stays as it was before, there is nothing to undo.
            if not await self._stays(change, change.before):
                raise
            return change.rotates
        return change.rotates or old != change.before

    async def _write(self, progress: Progress, change: Change, wanted: JSON | None) -> None:
        """Bring one object to the wanted state and read it back. Raises the server's error, or UnexpectedAnswer when it
        does not read as it was written within the deadline."""
        version = None
        if wanted is None:
            await self.backend.delete(change.kind, change.id)
        else:
            reference, keys = progress.credentials, None
            if isinstance(reference, KeyReference) and change.kind == "target":
                keys = await asyncio.to_thread(reference.resolve)  # a profile may ask SSO or STS
            version = (await self.backend.write(change.kind, change.id, wanted, keys)).get("version")
        if not await self._comes_true(lambda: self._is(change, wanted, version)):
            raise UnexpectedAnswer(
                f"{change.kind} {change.name} does not read as it was written",
                cause=f"after {self.settles_within_s:.0f} s a read still shows something else",
                fix="look whether another program writes the same object, then plan again",
            )

    async def _comes_true(self, question: Callable[[], Awaitable[bool]]) -> bool:
        """Whether the answer is yes before the deadline; asked ever less often, since each read counts as a call."""
        return await poll_until(
            question, deadline_s=self.settles_within_s, wait_s=_POLL_S, longest_wait_s=_POLL_AT_MOST_S
        )

    async def _is(self, change: Change, wanted: JSON | None, version: object = None) -> bool:
        """Whether a read shows the state, and nothing older than the version that the write was answered with."""
        answer = await self.backend.read(change.kind, change.id)
        known = answer.get("version") if answer else None
        older = isinstance(version, int) and isinstance(known, int) and known < version
        return not older and self._same(answer, wanted)

    def _same(self, answer: JSON | None, wanted: JSON | None) -> bool:
        if answer is None or wanted is None:
            return answer is None and wanted is None
        return self.backend.comparable(answer) == self.backend.comparable(wanted)

    async def _stays(self, change: Change, wanted: JSON | None) -> bool:
        """Whether a read shows the state now, and again after a while: a write may still be on its way."""
        if not await self._is(change, wanted):
            return False
        await asyncio.sleep(self.settles_within_s / 10)
        return await self._is(change, wanted)

    async def _refuse_any_foreign(self, progress: Progress) -> None:
        """Before continuing after a crash: each object is as it was before, or as we wanted it. Raises StalePlan."""
        for place in range(len(progress.plan.changes)):
            await self._refuse_foreign(progress, place)

    async def _refuse_foreign(self, progress: Progress, place: int) -> None:
        change = progress.plan.changes[place]
        if not await self._comes_true(functools.partial(self._is_ours, progress, place)):
            raise _stale(
                f"{change.kind} {change.name} was changed by somebody else after the apply began",
                fix="bring it to what it was before the apply, or to what the plan says, as `opslib audit` shows both; "
                "then finish or undo the apply",
            )

    async def _is_ours(self, progress: Progress, place: int) -> bool:
        """Whether the object is as an apply that came so far may have left it."""
        change = progress.plan.changes[place]
        answer = await self.backend.read(change.kind, change.id)
        if place not in progress.intended:
            return self._same(answer, change.before)
        if place in progress.done and not progress.rolling_back:
            return self._same(answer, change.after)
        undone = self.backend.undo_body(change.before, change.after)
        if any(self._same(answer, state) for state in (change.before, change.after, undone)):
            return True
        writes = ((change.before, change.after), (change.after, undone))
        return answer is not None and any(self.backend.may_be_cut_off(answer, *write) for write in writes)

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
        left = [change for place, change in reversed(changes) if place in progress.intended - progress.undone]
        return "Left to undo: " + ("; ".join(_words("undo", change) for change in left) or "nothing")
    left = [change for place, change in changes if place not in progress.done]
    done = [change for place, change in changes if place in progress.done]
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
            fix="run `opslib resume` to finish it or `opslib rollback` to undo it; nothing was written",
        )


def _words(verb: str, change: Change) -> str:
    return f"{verb} {change.action} {change.kind} {change.name} ({change.id})".strip()


def _stale(why: str, *, fix: str) -> StalePlan:
    return StalePlan("The plan is out of date", cause=why, fix=fix)
