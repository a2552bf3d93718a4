"""The jobs of a backfill, one after the other: each is made once, counted, compared with the plan, and carried out.

Each step is in the ledger before the next. A job whose answer is lost is looked for before another is made.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from opslib.archive.backfill_plan import BackfillPlan
from opslib.archive.backfill_result import Backfilled, EndedJob, FailedRecording
from opslib.archive.times import moment_of
from opslib.errors import HalfDone, OpslibError, RateLimited, foreseen
from opslib.genesys.client import GenesysClient
from opslib.genesys.creations import late
from opslib.genesys.polling import poll_until
from opslib.genesys.recording_jobs import (
    AT_ONCE,
    PENDING,
    PROCESSING,
    READY,
    Export,
    RecordingJob,
    create_job,
    execute_job,
    failed_recordings,
    find_job,
    recording_job,
    running_jobs,
    wait_while,
)
from opslib.ledger.ledger import Run
from opslib.ledger.moment import parse_moment, utc_text
from opslib.walk.archive_folder import Asking
from opslib.walk.backfill_state import Backfill, Noted

# How long a job may be counted or carried out, and how long to wait for a place (seconds).
_JOB_WITHIN_S: Final = 3600.0
_PLACE_WITHIN_S: Final = 3600.0
_POLL_S, _POLL_AT_MOST_S = 1.0, 30.0
# How far the org's clock may be behind ours.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_AGAIN: Final = "run `opslib archive backfill` again: it goes on where it stopped"
_GIVE_UP: Final = "or give it up with --abandon"


class Jobs:
    """Those of one backfill, in one org. `progress` is told what is waited for."""

    def __init__(
        self,
        client: GenesysClient,
        run: Run,
        plan: BackfillPlan,
        begun: Backfill,
        progress: Callable[[Asking], None],
    ) -> None:
        self._client, self._run, self._plan, self._begun = client, run, plan, begun
        self._progress = progress

    async def finish(self, *, accept: bool) -> Backfilled:
        """Every job that has not ended. `accept`: also those that were stopped, if they still count the same.

        Raises HalfDone where something is left to do.
        """
        for number in range(len(self._plan.jobs)):
            noted = self._begun.jobs.get(number)
            if noted and noted.ended:
                continue
            if noted and noted.more and accept:
                self._note(number, "accepted")
            try:
                await self._finish(number)
            except HalfDone:
                raise
            except Exception as error:  # noqa: BLE001 (whatever it is, something is left to do)
                raise self._half_done(number, foreseen(error, "carrying out an export job")) from None
        return self._begun.done()

    async def _finish(self, number: int) -> None:
        job = await self._settled(number, await self._made(number), PENDING)
        if job.state == READY and job.recordings:
            self._refuse_more(number, job)
            ready = job.id
            job = await self._with_place(number, lambda: execute_job(self._client, ready))
        if job.state != READY or job.recordings:
            job = await self._settled(number, job, READY, PROCESSING)
        failed = [FailedRecording(*one) async for one in failed_recordings(self._client, job.id)] if job.failed else []
        self._note(number, "ended", ended=EndedJob.of(number + 1, job, failed).as_json())
        self._tell(number + 1, "export jobs done")

    async def _made(self, number: int) -> RecordingJob:
        """The job: the one that was made before, or a new one."""
        noted = self._begun.jobs.get(number)
        if noted and noted.id:
            return await recording_job(self._client, noted.id)
        if noted and (found := await self._lost(number, noted)):
            return found
        job = await self._with_place(number, lambda: self._sent(number))
        self._note(number, "made", id=job.id)
        return job

    async def _sent(self, number: int) -> RecordingJob:
        """A new job, of which the ledger knows before it is sent. Sent again, it has the same date."""
        if number not in self._begun.jobs:
            at_ms = self._plan.export_at_ms
            at = self._client.now() if at_ms is None else moment_of(at_ms)
            self._note(number, "sent", at=utc_text(at))
        noted = self._begun.jobs[number]
        export, since = export_of(self._plan, number, noted), noted.since - _CLOCKS_DIFFER
        return await create_job(self._client, export, since=since)

    async def _lost(self, number: int, noted: Noted) -> RecordingJob | None:
        """The job of a request whose answer is not known; None once a list would show it, and does not."""
        self._tell(number, "looking for a job whose answer was lost; export jobs done")
        export, since = export_of(self._plan, number, noted), noted.since - _CLOCKS_DIFFER
        found = await late(lambda: find_job(self._client, export, since=since))
        if found:
            self._note(number, "made", id=found.id)
        return found

    async def _with_place(self, number: int, send: Callable[[], Awaitable[RecordingJob]]) -> RecordingJob:
        """What takes one of the org's places. The org refuses it, and does nothing, while there is none."""
        until = asyncio.get_running_loop().time() + _PLACE_WITHIN_S
        while True:
            await self._place(number)
            try:
                return await send()
            except RateLimited:
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(_POLL_S)

    async def _place(self, number: int) -> None:
        """Wait until the org runs fewer jobs than it may. Raises HalfDone if that takes too long."""

        async def running() -> list[RecordingJob]:
            jobs = await running_jobs(self._client)
            if len(jobs) >= AT_ONCE:
                self._tell(number, f"waiting for a free place: {_whose(jobs)}; export jobs done")
            return jobs

        jobs = await poll_until(
            running,
            lambda jobs: len(jobs) < AT_ONCE,
            deadline_s=_PLACE_WITHIN_S,
            wait_s=_POLL_S,
            longest_wait_s=_POLL_AT_MOST_S,
        )
        if len(jobs) >= AT_ONCE:
            raise HalfDone(
                "The org had no free place for another job",
                cause=f"it runs {AT_ONCE} jobs at most, and for {_PLACE_WITHIN_S:.0f} s these: {_whose(jobs)}",
                fix=f"wait until they have ended, then {_AGAIN}, {_GIVE_UP}",
            )

    async def _settled(self, number: int, job: RecordingJob, *states: str) -> RecordingJob:
        """The job once it is in none of these states. Raises HalfDone if that takes too long."""
        if job.state in states:
            job = await wait_while(
                self._client,
                job.id,
                *states,
                deadline_s=_JOB_WITHIN_S,
                tell=lambda job: self._tell(number, f"job {job.id} is {job.state}, {job.percent} %; export jobs done"),
            )
        if job.state in states:
            raise HalfDone(
                f"The job is {job.state} for a long time",
                cause=f"job {job.id} is {job.state} after {_JOB_WITHIN_S:.0f} s; it goes on at Genesys",
                fix=f"later {_AGAIN}, {_GIVE_UP}",
            )
        return job

    def _refuse_more(self, number: int, job: RecordingJob) -> None:
        """Raises HalfDone for a job that found more than was approved: it stays READY, which changes nothing."""
        planned = self._plan.jobs[number]
        most = planned.recordings, len(planned.conversations)
        if (job.recordings <= most[0] and job.conversations <= most[1]) or self._begun.may_carry_out(number, job):
            return
        self._note(number, "stopped", recordings=job.recordings, conversations=job.conversations)
        raise HalfDone(
            "The job would export more than was approved",
            cause=f"job {job.id} found {job.recordings:,} recordings of {job.conversations:,} conversations, and "
            f"{most[0]:,} of {most[1]:,} were approved; it is READY, and was not carried out",
            fix=f"carry it out with these counts: `opslib archive backfill --accept`, {_GIVE_UP}: a job that stays "
            "READY exports nothing",
        )

    def _half_done(self, number: int, error: OpslibError) -> HalfDone:
        """The same error, of a backfill of which something is left to do."""
        left = f"{self._begun.left:,} of {len(self._plan.jobs):,} jobs are left to do, the first is job {number + 1}"
        return HalfDone(
            error.title,
            cause=f"{error.cause}; {left}",
            fix=f"{error.fix}; then {_AGAIN}, {_GIVE_UP}",
            status=error.status,
            correlation_id=error.correlation_id,
        )

    def _note(self, number: int, did: str, **data: object) -> None:
        self._begun.note(self._run, number, did, **data)

    def _tell(self, done: int, words: str) -> None:
        self._progress(Asking(words, done, len(self._plan.jobs)))


def export_of(plan: BackfillPlan, number: int, noted: Noted) -> Export:
    """What one of the plan's jobs asks for."""
    job = plan.jobs[number]
    return Export(
        moment_of(job.start_ms),
        moment_of(job.end_ms),
        at=parse_moment(noted.at),
        integration_id=plan.where.integration_id,
        conversations=job.conversations,
        sensitive=plan.sensitive,
        screens=job.screens,
        snippets=job.snippets,
    )


def _whose(jobs: list[RecordingJob]) -> str:
    return ", ".join(f"{job.id} of {job.by or 'not known'}" for job in jobs)
