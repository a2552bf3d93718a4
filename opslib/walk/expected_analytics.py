"""The list of expected recordings from the org itself: the conversations that analytics says were recorded.

The asynchronous query is asked for intervals that no part has. One that is too large for a job is halved.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from opslib.archive.analytics import AnalyticsParts, Part, split
from opslib.archive.times import moment_ms, moment_of, time_text
from opslib.errors import DeadlineExceeded, InvalidInput, InvalidRequest, PermissionMissing, ServerFailure
from opslib.genesys.client import GenesysClient
from opslib.genesys.conversation_jobs import ask_for_recorded, available_until, results, wait_for
from opslib.ledger.ledger import Run
from opslib.settings import Settings
from opslib.walk.archive_folder import Asking, in_a_thread
from opslib.walk.archive_org import connected

PERMISSION: Final = "analytics:conversationDetail:view"
NAME: Final = "analytics"

_FOLDER: Final = "analytics"
_FILE: Final = "expected.parquet"
_MINUTE_MS: Final = 60_000
# The longest interval of one job: the API's limit.
_LONGEST_MS: Final = 31 * 24 * 60 * _MINUTE_MS
_JOB_WITHIN_S: Final = 1800.0
# An answer may have 8 MB, and a conversation of many transfers tens of kB.
_PAGE_SIZE: Final = 200


@dataclass(frozen=True)
class AnalyticsList:
    """`path` is an expected file with the conversations that ended from `since_ms` to before `until_ms`. That is not
    after `available_ms`, until when the org's data is complete."""

    path: Path
    since_ms: int
    until_ms: int
    available_ms: int
    cut: bool
    parts: list[Part]

    @property
    def notes(self) -> tuple[str, ...]:
        if not self.cut:
            return ()
        until = time_text(self.available_ms)
        return (f"The org's analytics is complete until {until}: no conversation that ended later was judged.",)

    def provenance(self) -> dict[str, Any]:
        """How the list came about, for the ledger."""
        return {
            "interval": {"since": time_text(self.since_ms), "until": time_text(self.until_ms)},
            "available_until": time_text(self.available_ms),
            "parts": [part.as_json() for part in self.parts],
        }


async def expected_from_analytics(
    settings: Settings,
    run: Run,
    folder: Path,
    since: datetime,
    until: datetime | None,
    progress: Callable[[Asking], None],
) -> AnalyticsList:
    """Ask for what is lacking, and write the list. Each interval that was answered is kept at once.

    Raises InvalidInput for an interval in which nothing is complete yet, WrongOrg, and the ApiError of an org that does
    not answer; ServerFailure for a job that fails however short its interval is.
    """
    kept = AnalyticsParts(folder / _FOLDER, f"{settings.api_base} {settings.client_id}")
    async with connected(settings, run) as session:
        try:
            available_ms = moment_ms(await available_until(session.client))
            since_ms, asked_ms = moment_ms(since), available_ms if until is None else moment_ms(until)
            until_ms = min(asked_ms, available_ms)
            if until_ms <= since_ms:
                raise _nothing_complete(since_ms, available_ms)
            await _Asking(session.client, kept, available_ms, progress).ask(since_ms, until_ms)
        except PermissionMissing as error:
            raise PermissionMissing(
                error.title,
                cause=f"{PERMISSION} is lacking: {error.cause}",
                fix=f"add {PERMISSION} to the role of the OAuth client, or name a file with --expected",
                status=error.status,
                correlation_id=error.correlation_id,
            ) from None
    path = folder / _FOLDER / _FILE
    parts = await in_a_thread(partial(kept.write, since_ms, until_ms, path))
    return AnalyticsList(path, since_ms, until_ms, available_ms, until_ms < asked_ms, parts)


class _Asking:
    def __init__(
        self, client: GenesysClient, kept: AnalyticsParts, available_ms: int, progress: Callable[[Asking], None]
    ) -> None:
        self._client, self._kept, self._available_ms, self._progress = client, kept, available_ms, progress

    async def ask(self, since_ms: int, until_ms: int) -> None:
        """One job after the other for each interval that no part has."""
        todo, done = deque(split(self._kept.lacking(since_ms, until_ms), _LONGEST_MS)), 0
        while todo:
            self._progress(Asking("intervals of conversations, asked of the org", done, done + len(todo)))
            start_ms, end_ms = todo.popleft()
            if failed := await self._part(start_ms, end_ms):
                if end_ms - start_ms <= _MINUTE_MS:
                    raise failed
                middle_ms = (start_ms + end_ms) // 2
                todo.extendleft([(middle_ms, end_ms), (start_ms, middle_ms)])
            else:
                done += 1

    async def _part(self, start_ms: int, end_ms: int) -> ServerFailure | InvalidRequest | None:
        """Keeps what ended in the interval; the error of a job that may be too large."""
        try:
            job = await ask_for_recorded(self._client, moment_of(start_ms), moment_of(end_ms))
        except InvalidRequest as error:
            return error
        state = await wait_for(self._client, job, deadline_s=_JOB_WITHIN_S)
        interval = f"{time_text(start_ms)} to {time_text(end_ms)}"
        if state.fulfilled:
            found = results(self._client, job, page_size=_PAGE_SIZE)
            await self._kept.add(start_ms, end_ms, found, available_ms=self._available_ms, job_id=job)
            return None
        if not state.final:
            raise DeadlineExceeded(
                "The org's analytics did not answer in time",
                cause=f"job {job} for {interval} is {state.state} after {_JOB_WITHIN_S:.0f} s",
                fix="run the same command again: what was answered is kept",
            )
        failed = ServerFailure(
            "The org's analytics did not answer",
            cause=f"job {job} for {interval} is {state.state}: {state.error or 'no reason was given'}",
            fix="try again later; if it lasts, give Genesys support the id of the job",
        )
        if state.state != "FAILED":
            raise failed
        return failed


def _nothing_complete(since_ms: int, available_ms: int) -> InvalidInput:
    return InvalidInput(
        "There is no conversation to judge yet",
        cause=f"the org's analytics is complete until {time_text(available_ms)}, and the interval begins at "
        f"{time_text(since_ms)}",
        fix="begin earlier, or try again later; nothing was compared",
    )
