"""Many onboardings at once: a folder of files, for one org or several. `opslib fleet` and `opslib drift` use it.

1. Read the files; those that cannot go together are refused, and nothing is sent for them (`fleet_files`).
2. Finish what an earlier call was killed in: each unfinished apply of one of the files (`recover`).
3. Plan every file, and note all plans under one checksum (`make_plan`).
4. Hold the whole to its limits, note its approval, and carry out each plan as a walk of its own (`apply`).

One onboarding that fails, or is left half-done, does not keep the others. What a step does is said in `steps`, once: an
onboarding of a fleet is a `Walk`, which shares the session of its org, the ledger, and answers that all ask for.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from opslib.errors import HalfDone, LedgerError, OpslibError, StalePlan, foreseen
from opslib.genesys.recorder import Recorder
from opslib.genesys.together import together
from opslib.genesys.transport import tls_context
from opslib.ledger.actor import machine
from opslib.ledger.ledger import Run
from opslib.ledger.workspace import kind_of, refuse_other_kind, workspace_ledger
from opslib.onboarding.models import Consent, Onboarding
from opslib.router.journal import Progress, current_applies
from opslib.router.lock import apply_lock
from opslib.router.plan import Plan
from opslib.settings import Settings
from opslib.walk.fleet_files import Claimed, Member, conflicts, read_members
from opslib.walk.fleet_orgs import AT_ONCE, IN_ALL, Org, Orgs
from opslib.walk.fleet_plan import FleetPlan, FleetRow, Limits, ordered, refuse_beyond
from opslib.walk.fleet_progress import FleetProgress, Phase, PhaseName
from opslib.walk.fleet_result import FAILURES, FleetResult, FleetTarget, Outcome, outcome_of
from opslib.walk.fleet_turns import Turns
from opslib.walk.resume import client_of
from opslib.walk.shared import Shared
from opslib.walk.walk import Walk

T = TypeVar("T")
R = TypeVar("R")

PLANNED, APPROVED, ENDED = "fleet.planned", "fleet.approved", "fleet.ended"


class Fleet:
    """The onboardings in a folder. Use it as `async with`; `aclose` closes the sessions.

    Args:
        folder: its *.yaml and *.yml files are the onboardings. A file's `org:` block names its org and the variables of
            its OAuth client; without one the environment does.
        at_once, in_all: how many onboardings are at work at once, in one org and over all.
        limits: when to stop, and how much may be removed.
        command: what the ledger calls the fleet's own run.
        writes: whether it is to be applied: then files that cannot go together are refused.

    `on_progress` callbacks are called with a `FleetProgress` whenever an onboarding begins or ends. Raises InvalidInput
    for a folder without files.
    """

    def __init__(
        self,
        folder: Path,
        *,
        at_once: int = AT_ONCE,
        in_all: int = IN_ALL,
        limits: Limits = Limits(),  # noqa: B008 (it is frozen)
        command: str = "fleet",
        writes: bool = True,
    ) -> None:
        self.folder, self.limits = folder, limits
        self.on_progress: list[Callable[[FleetProgress], object]] = []
        self.stopped = ""  # why no other onboarding is begun
        self._places, self._command, self._writes = (at_once, in_all), command, writes
        self._members: dict[str, Member] = {}
        self._org_ids: dict[str, str] = {}
        self._ended: dict[str, FleetTarget] = {}
        self._recovered: set[str] = set()
        self._walks: set[Walk] = set()
        self._began_at, self._phase = time.monotonic(), Phase("plan", 0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._members:
            await self._shared.answers.aclose()
            await self._orgs.aclose()
            with suppress(LedgerError):
                self.run.ledger.checkpoint()

    @property
    def progress(self) -> FleetProgress:
        """How far it is."""
        phase = self._phase
        outcomes: Counter[str] = Counter(target.outcome for target in self._ended.values())
        waiting = self._orgs.waiting if self._members else ()
        return phase.progress(outcomes, waiting)

    @property
    def orgs(self) -> list[Settings]:
        """The orgs of the files, once they are read."""
        return list({member.org: member.settings for member in self._members.values() if member.settings}.values())

    def stop(self, why: str = "it was stopped") -> None:
        """Begin no other onboarding; those at work go on to their end."""
        self.stopped = self.stopped or why

    def cancel(self) -> None:
        """Stop the onboardings at work, too, after the change in flight; they are left half-done, and the next call
        finishes them. A second call does not wait for the change in flight."""
        self.stop("it was cancelled")
        for walk in self._walks:
            for step in walk.steps:
                walk.cancel(step)

    async def unfinished(self) -> list[str]:
        """The files whose onboarding an earlier call, or another command, has left half-done."""
        await self._open()
        return [member.file for member, _ in self._left()]

    async def recover(self) -> list[FleetTarget]:
        """Finish every unfinished apply of one of the files, as `opslib resume` does; returns those that it could not
        finish, which are not planned again."""
        await self._open()
        with apply_lock(self.run):
            await self._each("recover", self._left(), lambda pair: pair[0].file, lambda pair: self._recover(*pair))
        return list(self._ended.values())

    async def make_plan(self, show: Callable[[FleetRow, Plan | None], object] = lambda row, plan: None) -> FleetPlan:
        """What would change for each file. Writes nothing to any org.

        `show` is called for each file as it is planned, with its whole plan, which is not kept; None with an error.
        """
        await self._open()

        async def planned(member: Member) -> FleetRow:
            row, plan = await self._plan(member)
            show(row, plan)
            return row

        rows = await self._each("plan", self._members.values(), lambda member: member.file, planned)
        self._refuse_conflicts()  # once more: now it is known which orgs are the same
        rows = [replace(row, error=row.error or self._members[row.file].error) for row in rows]
        plan = FleetPlan(ordered(rows))
        members = [{"file": row.file, "checksum": row.checksum, "changes": len(row.changes)} for row in rows]
        self.run.append(PLANNED, {"checksum": plan.checksum, "members": members})
        return plan

    async def apply(self, plan: FleetPlan, consent: Consent | None = None, *, checksum: str = "") -> FleetResult:
        """Carry out the plan. The consent holds for every onboarding; what is unsafe and not agreed to is refused.

        Each file is planned again first, and refused where it would write anything that the plan does not have.
        Raises StalePlan where the plan has not the checksum, ChangeRefused where it is beyond the limits, and Busy
        where another apply is at work in the workspace.
        """
        refuse_beyond(plan, self.limits, checksum)
        consent, turns = consent or Consent(), Turns(plan.changed)
        with apply_lock(self.run):
            self._note_approval(plan, consent)
            for row in plan.rows:
                if (row.error or not row.changes) and row.file not in self._ended:
                    self._end(_without_work(row, recovered=row.file in self._recovered))

            async def apply(row: FleetRow) -> None:
                self._end(await self._apply(row, consent, turns))

            await self._each("apply", plan.changed, lambda row: row.file, apply)
        return self._result()

    async def _open(self) -> None:
        """Read the files, the ledger and the certificates. In threads: each takes a while."""
        if self._members:
            return
        members = await asyncio.to_thread(read_members, self.folder)
        orgs = {member.org: member.settings for member in members if member.settings}
        settings = next(iter(orgs.values()), None) or Settings.load()
        ledger = await asyncio.to_thread(workspace_ledger, settings)
        await asyncio.to_thread(tls_context)
        for other in orgs.values():
            if kind_of(other) != kind_of(settings):
                refuse_other_kind(ledger, other)
        self.run: Run = ledger.start_run(self._command, **kind_of(settings), folder=str(self.folder))
        self._shared = Shared(ledger, {"fleet": self.run.id})
        self._orgs = Orgs(Recorder(self.run.note), *self._places)
        self._members = {member.file: member for member in members}
        self._refuse_conflicts()

    def _refuse_conflicts(self) -> None:
        problems = conflicts(self._members.values(), self._org_ids) if self._writes else {}
        for file, error in problems.items():
            self._members[file] = replace(self._members[file], error=error)

    def _left(self) -> list[tuple[Member, Progress]]:
        """Each unfinished apply that has to do with one of the files, and the file that is nearest to it."""
        left = []
        for apply in current_applies(self.run.ledger):
            if apply.ended:
                continue
            org = f"{apply.plan.where} as {client_of(self.run.ledger, apply)}"
            changed: set[Claimed] = {(change.kind, change.id) for change in apply.plan.changes}
            of_org = [member for member in self._members.values() if member.org == org and not member.error]
            common = [(len(changed & dict(member.claims).keys()), member) for member in of_org]
            most, nearest = max(common, key=lambda pair: pair[0], default=(0, None))
            if nearest and most:
                left.append((nearest, apply))
        return left

    async def _recover(self, member: Member, apply: Progress) -> None:
        org = self._org(member)
        async with self._place(org, member.file), self._walk(await member.loaded(), org, "resume") as walk:
            self._walks.add(walk)
            try:
                walk.taking_up = apply.id
                await walk.run("resume")
                self._recovered.add(member.file)
            except Exception as error:  # noqa: BLE001 (one onboarding must not keep the others)
                self._end(self._failed(member.file, walk, error))
            finally:
                self._walks.discard(walk)

    async def _plan(self, member: Member) -> tuple[FleetRow, Plan | None]:
        if ended := self._ended.get(member.file):
            return FleetRow(member.file, member.org, member.target, error=ended.error), None
        try:
            if member.error:
                raise member.error
            org = self._org(member)
            async with self._place(org, member.file), self._walk(await member.loaded(), org, "plan") as walk:
                await walk.run("connect")
                await walk.run("plan")
                plan = walk.reviewed_plan()
                if walk.org_id:
                    self._org_ids[member.org] = f"{plan.where} {walk.org_id}"
        except Exception as error:  # noqa: BLE001 (the same)
            failure = foreseen(error, f"the plan of {member.file}")
            return FleetRow(member.file, member.org, member.target, error=failure), None
        return FleetRow.of(member.file, member.org, member.target, plan), plan

    async def _apply(self, row: FleetRow, consent: Consent, turns: Turns) -> FleetTarget:
        member = self._members[row.file]
        org = self._org(member)
        async with turns.of(row):
            if self.stopped:
                return self._not_started(row.file)
            async with self._place(org, row.file):
                if self.stopped:
                    return self._not_started(row.file)
                try:
                    onboarding = await member.loaded()
                except OpslibError as error:
                    return FleetTarget(row.file, "refused", error)
                target = await self._carry_out(row, onboarding, org, consent)
            if target.outcome == "done":
                turns.written(row)
            return target

    async def _carry_out(self, row: FleetRow, onboarding: Onboarding, org: Org, consent: Consent) -> FleetTarget:
        async with self._walk(onboarding, org, "walk") as walk:
            self._walks.add(walk)
            try:
                async for result in walk.in_order(consent, until="apply"):
                    if self.stopped and result.step != "apply":
                        return self._not_started(row.file, walk.run_id)
                    if result.step == "plan" and not row.covers(walk.reviewed_plan()):
                        raise _not_as_planned(row)
                return FleetTarget(row.file, "done", run_id=walk.run_id)
            except asyncio.CancelledError as error:
                if not self.stopped:
                    raise
                return self._failed(row.file, walk, error)
            except Exception as error:  # noqa: BLE001 (the same)
                return self._failed(row.file, walk, error)
            finally:
                self._walks.discard(walk)

    def _failed(self, file: str, walk: Walk, error: BaseException) -> FleetTarget:
        """How an onboarding ended that raised. What is left in the ledger counts, whatever the error says."""
        left = walk.left_behind
        if isinstance(error, asyncio.CancelledError):
            if left is None:
                return self._not_started(file, walk.run_id)
            failure: OpslibError = HalfDone(
                "Cancelled in the middle of a change",
                cause="whether the change in flight took effect is not known",
                fix="run `opslib fleet` again to go on, or `opslib rollback` to undo it",
            )
        else:
            assert isinstance(error, Exception)  # noqa: S101 (narrows the type)
            failure = foreseen(error, f"the onboarding of {file}")
        outcome: Outcome = "half_done" if left else outcome_of(failure)
        return FleetTarget(file, outcome, failure, walk.run_id)

    def _not_started(self, file: str, run_id: str = "") -> FleetTarget:
        return FleetTarget(file, "not_started", run_id=run_id)

    def _org(self, member: Member) -> Org:
        assert member.settings  # noqa: S101 (it has no error)
        return self._orgs.of(member.settings)

    def _walk(self, onboarding: Onboarding, org: Org, command: str) -> Walk:
        return Walk(onboarding, org.settings, command=command, session=org.session, shared=self._shared)

    def _end(self, target: FleetTarget) -> None:
        self._ended[target.file] = target
        failures = sum(ended.outcome in FAILURES for ended in self._ended.values())
        if failures >= self.limits.stop_after_failures:
            self.stop(f"{failures} onboardings have failed")

    async def _each(
        self, name: PhaseName, items: Collection[T], file_of: Callable[[T], str], work: Callable[[T], Awaitable[R]]
    ) -> list[R]:
        """Do the work for all items at once, and tell how far it is. Each waits for its place by itself."""
        phase = self._phase = Phase(name, len(items))

        async def one(item: T) -> R:
            try:
                return await work(item)
            finally:
                phase.ended(file_of(item))
                self._tell()

        self._tell()
        return await together(*(one(item) for item in items))

    @asynccontextmanager
    async def _place(self, org: Org, file: str) -> AsyncIterator[None]:
        async with self._orgs.place(org):
            self._phase.began(file)
            self._tell()
            yield

    def _tell(self) -> None:
        for callback in self.on_progress:
            callback(self.progress)

    def _note_approval(self, plan: FleetPlan, consent: Consent) -> None:
        limits = {
            "stop_after_failures": self.limits.stop_after_failures,
            "max_deletions_percent": self.limits.max_deletions_percent,
        }
        agreed = {"checksum": plan.checksum, "limits": limits, **consent.model_dump(mode="json")}
        self.run.append(APPROVED, {**agreed, **machine()})

    def _result(self) -> FleetResult:
        targets = [self._ended[file] for file in sorted(self._ended)]
        elapsed_s = time.monotonic() - self._began_at
        result = FleetResult(targets, self._orgs.attempts, self._orgs.rate_limited, elapsed_s, self.stopped)
        runs = [{"file": one.file, "outcome": one.outcome, "run": one.run_id} for one in targets]
        self.run.append(ENDED, {"outcomes": result.outcomes, "members": runs, "stopped": self.stopped})
        return result


def _without_work(row: FleetRow, *, recovered: bool) -> FleetTarget:
    if row.error:
        return FleetTarget(row.file, "refused", row.error)
    return FleetTarget(row.file, "done" if recovered else "unchanged")


def _not_as_planned(row: FleetRow) -> StalePlan:
    return StalePlan(
        f"The plan of {row.file} is out of date",
        cause="the org has changed since the fleet was planned, and the plan has other changes now",
        fix="run `opslib fleet` again and review the plan; nothing was written for this file",
    )
