"""Export what never was: a plan for what the newest answer to why calls never exported, its approval, and its jobs.

The command line and notebook 03 call the same coroutines. A backfill that was stopped, or killed, is found in the
ledger and goes on; no second one begins beside it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from opslib.archive import why as why_list
from opslib.archive.backfill_plan import BackfillPlan, Candidate, Where, make_plan, read_never_exported
from opslib.archive.backfill_result import Backfilled
from opslib.archive.ids import canonical
from opslib.archive.times import moment_ms
from opslib.errors import ApprovalRefused, ConsentMissing, InvalidInput, PermissionMissing, StalePlan, WrongOrg
from opslib.genesys.permissions import BACKFILL as PERMISSIONS
from opslib.genesys.permissions import SENSITIVE, lacking
from opslib.genesys.recording_jobs import find_job
from opslib.genesys.recordings import RecordingMetadata, recordings_of
from opslib.genesys.together import together
from opslib.ledger.actor import machine
from opslib.ledger.archive import BACKFILL, BACKFILL_ENDED, EXPLAINED, VERIFIED
from opslib.ledger.chain import Entry
from opslib.ledger.ledger import Ledger, Run
from opslib.ledger.workspace import kind_of, workspace_ledger
from opslib.onboarding.example import wanted_onboarding
from opslib.onboarding.models import Consent, Onboarding
from opslib.settings import Settings
from opslib.walk.archive_folder import Asking, archive_folder, in_a_thread
from opslib.walk.archive_org import connected
from opslib.walk.backfill_jobs import Jobs, export_of
from opslib.walk.backfill_state import Backfill, failed_since, unfinished_backfill
from opslib.walk.consent import options_for
from opslib.walk.export_destination import export_destination
from opslib.walk.second_key import approvers_of
from opslib.walk.session import Session

Tell = Callable[[Asking], None]

_AT_ONCE: Final = 8
_ANSWERS_WITHIN_S: Final = 20.0
_NOTHING: Final = "nothing was exported"


@dataclass(frozen=True)
class BackfillQuestion:
    """What is asked for: also recordings with sensitive data; the date of the export, by default at once."""

    sensitive: bool = False
    export_at: datetime | None = None


@dataclass(frozen=True)
class Review:
    """A plan to look at. `unfinished`: it was approved before, and this much is done. `lacks`: permissions."""

    plan: BackfillPlan
    unfinished: Backfill | None = None
    lacks: Sequence[str] = ()

    @property
    def left(self) -> int:
        """How many jobs there are to do."""
        return self.unfinished.left if self.unfinished else len(self.plan.jobs)


async def review_backfill(
    settings: Settings | None = None,
    asked: BackfillQuestion | None = None,
    onboarding: Onboarding | None = None,
    *,
    progress: Tell = lambda _: None,
) -> Review:
    """The plan as it would be carried out now, or the one that is unfinished. Makes no job.

    Raises InvalidInput without a verification and its reasons, or a target to export to; WrongOrg, Busy, and what the
    org answers instead.
    """
    async with _at_work(settings, onboarding, progress) as work:
        return await work.review(asked or BackfillQuestion())


async def backfill(
    settings: Settings | None = None,
    asked: BackfillQuestion | None = None,
    onboarding: Onboarding | None = None,
    *,
    consent: Consent | None = None,
    checksum: str | None = None,
    accept: bool = False,
    show: Callable[[Review], None] = lambda _: None,
    progress: Tell = lambda _: None,
) -> Backfilled | None:
    """Plan, note the approval, and carry it out; or finish the one that is unfinished. None: nothing to do.

    With `checksum`, only the plan that has it. `accept`: carry out a job though it found more than was approved, with
    the counts that were shown. A cancellation leaves it to be finished by the next call.

    Raises as `review_backfill`; StalePlan, ConsentMissing and PermissionMissing before any job is made, HalfDone where
    something is left to do.
    """
    async with _at_work(settings, onboarding, progress) as work:
        review = await work.review(asked or BackfillQuestion())
        show(review)
        if not review.left and not review.unfinished:
            return None
        work.check(review, consent or Consent(), checksum)
        begun = review.unfinished or await work.approve(review.plan, consent or Consent())
        return await work.finish(review.plan, begun, accept=accept)


async def abandon_backfill(settings: Settings | None = None) -> list[str]:
    """Give up the unfinished one, and return the ids of its jobs at Genesys that did not end: those that are READY
    change nothing. Nothing is sent, except the question for a job whose answer was lost. Raises InvalidInput where none
    is unfinished."""
    async with _at_work(settings, None, lambda _: None) as work:
        return await work.abandon()


@asynccontextmanager
async def _at_work(settings: Settings | None, onboarding: Onboarding | None, progress: Tell) -> AsyncIterator["_Work"]:
    settings = settings or Settings.load()
    with archive_folder(settings) as folder:
        yield _Work(settings, onboarding or wanted_onboarding(settings), folder, workspace_ledger(settings), progress)


class _Work:
    def __init__(
        self, settings: Settings, onboarding: Onboarding, folder: Path, ledger: Ledger, progress: Tell
    ) -> None:
        self._settings, self._onboarding, self._folder = settings, onboarding, folder
        self._ledger, self._progress = ledger, progress
        self._run: Run | None = None

    async def review(self, asked: BackfillQuestion) -> Review:
        if begun := self._unfinished():
            return Review(BackfillPlan.read(self._file(begun.checksum), begun.checksum), begun)
        verified, told = _newest(self._ledger)
        candidates = await in_a_thread(partial(self._candidates, told)) if told else []
        about = {name: verified.data[name] for name in ("bucket", "prefix")}
        verification: dict[str, Any] = {"entry": verified.seq, "at": verified.at, **about}
        if not candidates or told is None:
            return Review(self._plan([], {}, self._nowhere(verification), verification, datetime.now(UTC), asked))
        async with self._session() as session:
            where = await export_destination(session, self._onboarding, verification["bucket"])
            recordings = await self._recordings(session, candidates)
            plan = self._plan(candidates, recordings, where, verification, session.client.now(), asked, told.seq)
            return Review(plan, lacks=await self._lacks(session, plan) if plan.jobs else ())

    def _candidates(self, told: Entry) -> list[Candidate]:
        return read_never_exported(self._folder / why_list.FILE, told.data["list"]["sha256"])

    def check(self, review: Review, consent: Consent, checksum: str | None) -> None:
        """Raises what speaks against it, before anything is sent."""
        plan, begun = review.plan, review.unfinished
        if checksum and checksum != plan.checksum:
            raise StalePlan(
                "The plan is not the one that was reviewed",
                cause=f"its checksum is {plan.checksum}, and {checksum} was asked for",
                fix=f"review the plan again; {_NOTHING}",
            )
        if begun and begun.approved.data["client_id"] != self._settings.client_id:
            raise WrongOrg(
                "Another OAuth client began this backfill",
                cause=f"it is {begun.approved.data['client_id']}, and only the client that made a job can carry it out",
                fix="set OPSLIB_CLIENT_ID to that client, or give the backfill up: opslib archive backfill --abandon",
            )
        if review.lacks:
            raise PermissionMissing(
                "The OAuth client may not make this backfill",
                cause=f"its roles lack {', '.join(review.lacks)}",
                fix=f"add what is lacking to the client's role; {_NOTHING}",
            )
        if approvers := approvers_of(self._settings, self._onboarding):
            raise ApprovalRefused(
                "A backfill cannot be approved by a second key",
                cause=f"{approvers.where} requires one for each plan, and it signs plans of changes to the org only",
                fix=f"agree with whoever set that list how recordings are exported again; {_NOTHING}",
            )
        given = [consent, _noted_consent(begun.approved.data)] if begun else [consent]
        today, target = datetime.now(UTC).date(), self._onboarding.target.name
        for name in plan.unsafe:
            if not any(one.covers(name, target) and one.last_day(today) >= today for one in given):
                raise ConsentMissing(
                    "The backfill is unsafe, and nobody has agreed to that",
                    cause=f"{name}: the plan exports recordings with sensitive data",
                    fix=f"add {options_for(plan.unsafe)}, or leave out --include-sensitive; {_NOTHING}",
                )

    async def approve(self, plan: BackfillPlan, consent: Consent) -> Backfill:
        """Keep the plan in the workspace, then its approval in the ledger."""
        await in_a_thread(partial(plan.write, self._file(plan.checksum)))
        approval = {
            "checksum": plan.checksum,
            "where": plan.where.model_dump(),
            "verification": plan.verification,
            "client_id": self._settings.client_id,
            "jobs": len(plan.jobs),
            "conversations": plan.conversations,
            "recordings": len(plan.wanted),
            "beside": len(plan.beside),
            "export_at": plan.as_json()["export_at"],
            "sensitive": plan.sensitive,
            "unsafe": list(plan.unsafe),
            **consent.model_dump(mode="json"),
            **machine(),
        }
        return Backfill(self._running().append(BACKFILL, approval))

    async def finish(self, plan: BackfillPlan, begun: Backfill, *, accept: bool) -> Backfilled:
        async with self._session() as session:
            jobs = Jobs(session.client, self._running(), plan, begun, self._progress)
            done = await jobs.finish(accept=accept)
        self._end(begun, "done")
        return done

    async def abandon(self) -> list[str]:
        begun = self._unfinished()
        if begun is None:
            raise InvalidInput(
                "There is no unfinished backfill",
                cause="the ledger has none that was begun in this org and has not ended",
                fix="nothing is to be done",
            )
        lost = [number for number, one in begun.jobs.items() if not one.id]
        left = [one.id for one in begun.jobs.values() if one.id and not one.ended]
        if lost:
            plan = BackfillPlan.read(self._file(begun.checksum), begun.checksum)
            async with self._session() as session:
                exports = [(export_of(plan, number, begun.jobs[number]), begun.jobs[number].since) for number in lost]
                found = [await find_job(session.client, export, since=since) for export, since in exports]
            left += [job.id for job in found if job]
        self._end(begun, "abandoned", left=left)
        return left

    def _end(self, begun: Backfill, outcome: str, **data: Any) -> None:
        done = begun.done()
        failed, processed = len(done.failed), done.processed
        told = {"outcome": outcome, "processed": processed, "failed": failed, "fulfilled": done.fulfilled, **data}
        self._running().append(BACKFILL_ENDED, {"backfill": begun.approved.seq, **told})
        self._file(begun.checksum).unlink(missing_ok=True)

    def _unfinished(self) -> Backfill | None:
        return unfinished_backfill(self._ledger, self._settings.api_base)

    def _file(self, checksum: str) -> Path:
        return self._folder / f"backfill-{checksum[:16]}.json"

    def _running(self) -> Run:
        """A run is begun when there is something to note in it."""
        self._run = self._run or self._ledger.start_run("archive", **kind_of(self._settings))
        return self._run

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        async with connected(self._settings, self._running(), onboarding=self._onboarding) as session:
            yield session

    def _nowhere(self, verification: Mapping[str, Any]) -> Where:
        bucket = verification["bucket"]
        return Where(api=self._settings.api_base, integration_id="", integration="", bucket=bucket)

    def _plan(
        self,
        candidates: Sequence[Candidate],
        recordings: Mapping[str, Sequence[RecordingMetadata] | None],
        where: Where,
        verification: dict[str, Any],
        now: datetime,
        asked: BackfillQuestion,
        since: int = 0,
    ) -> BackfillPlan:
        return make_plan(
            candidates,
            recordings,
            where,
            verification,
            now_ms=moment_ms(now),
            sensitive=asked.sensitive,
            export_at_ms=None if asked.export_at is None else moment_ms(asked.export_at),
            failed=failed_since(self._ledger, since) if candidates else {},
        )

    async def _recordings(
        self, session: Session, candidates: Sequence[Candidate]
    ) -> dict[str, list[RecordingMetadata] | None]:
        """What Genesys has of each conversation now: dates may have changed since it was asked why."""
        names = list(dict.fromkeys(canonical(one.conversation_id) for one in candidates))
        found: dict[str, list[RecordingMetadata] | None] = {}
        todo = iter(names)

        async def work() -> None:
            for name in todo:
                found[name] = await recordings_of(session.client, name)
                self._progress(Asking("conversations to export, asked of the org", len(found), len(names)))

        await together(*(work() for _ in range(_AT_ONCE)))
        return found

    async def _lacks(self, session: Session, plan: BackfillPlan) -> list[str]:
        needed = ("recording:job:view", *PERMISSIONS, *((SENSITIVE,) if plan.sensitive else ()))
        return await lacking(session.client, needed, asyncio.get_running_loop().time() + _ANSWERS_WITHIN_S)


def _newest(ledger: Ledger) -> tuple[Entry, Entry | None]:
    """The newest verification, and why its recordings are missing; None where none is. Raises InvalidInput where one of
    them is lacking."""
    verified = ledger.proved_entries(VERIFIED)[-1:]
    told = [
        entry
        for entry in ledger.proved_entries(EXPLAINED)
        if verified and entry.data["answer"]["verification"]["entry"] == verified[0].seq
    ]
    if told:
        return verified[0], told[-1]
    if verified and (answer := verified[0].data["answer"])["complete"] and not answer["counts"]["missing"]:
        return verified[0], None
    cause = "the org was not asked why its recordings are missing" if verified else "nothing was verified"
    command = "opslib archive why" if verified else "opslib archive verify"
    raise InvalidInput(
        "It is not known what was never exported",
        cause=f"of the workspace's newest verification, {cause}" if verified else f"in this workspace, {cause}",
        fix=f"run `{command}`; nothing was sent",
    )


def _noted_consent(approval: Mapping[str, Any]) -> Consent:
    return Consent(**{name: approval[name] for name in Consent.model_fields if approval.get(name) is not None})
