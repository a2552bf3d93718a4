"""What the cards of a fleet share: the folder, its plan, the approval, and how it ended.

A plan is for one folder, an approval for one plan, one consent and the limits: what is changed later makes it stale.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opslib.errors import ConsentMissing
from opslib.html import Html
from opslib.onboarding.models import Consent
from opslib.router.plan import Plan
from opslib.router.unsafe_changes import UNSAFE
from opslib.settings import Settings
from opslib.walk.fleet import Fleet
from opslib.walk.fleet_orgs import AT_ONCE, IN_ALL
from opslib.walk.fleet_plan import MAX_DELETIONS_PERCENT, STOP_AFTER_FAILURES, FleetPlan, FleetRow, Limits
from opslib.walk.fleet_result import FleetResult
from opslib.widgets.plan import plan_html

Name = Literal["plan", "approve", "apply"]

SHOWN = 100  # rows of a table; a notebook with thousands of them is slow
BY_USER = "it was stopped"


def _names(text: str) -> str:
    if unknown := set(text.replace(",", " ").split()) - UNSAFE.keys():
        raise ValueError(f"{', '.join(sorted(unknown))}: not the name of an unsafe change")
    return text


class _Values(BaseModel):
    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)


class FolderValues(_Values):
    """What is planned."""

    folder: Annotated[str, Field(description="Its *.yaml and *.yml files are the onboardings.")] = ""
    at_once: Annotated[
        int, Field(title="At work at once", ge=1, le=100, description=f"For each org; {IN_ALL} over all orgs.")
    ] = AT_ONCE


class ApprovalValues(_Values):
    """What is agreed to. `allow` has the names of unsafe changes, with commas or spaces."""

    allow: Annotated[
        str, AfterValidator(_names), Field(title="Unsafe changes", description="Type their names to agree.")
    ] = ""
    reason: Annotated[str, Field(description="Why; needed for every unsafe change.")] = ""
    stop_after_failures: Annotated[
        int,
        Field(title="Stop after failures", ge=1, description="Rolled back or left half-done; then no other begins."),
    ] = STOP_AFTER_FAILURES
    max_deletions_percent: Annotated[
        float,
        Field(title="Removals at most (%)", ge=0, le=100, description="Of all objects, deleted or switched off."),
    ] = MAX_DELETIONS_PERCENT

    @property
    def consent(self) -> Consent:
        return Consent(allow=tuple(self.allow.replace(",", " ").split()), reason=self.reason)

    @property
    def limits(self) -> Limits:
        return Limits(self.stop_after_failures, self.max_deletions_percent)


@dataclass(frozen=True)
class _Approved:
    checksum: str
    values: ApprovalValues


class FleetWork:
    """The work behind the cards. `on_change` callbacks are called whenever something here has changed.

    Attributes:
        plan: of the folder, as it was read; None before.
        details: for the first files with changes, their plans as HTML.
        left: files that an earlier call left half-done; they are finished before anything is planned.
        result: how the plan ended; None before.
        busy: the card that is at work; empty if none is.
    """

    def __init__(self, folder: str | Path = "") -> None:
        self.values, self.approval = FolderValues(folder=str(folder)), ApprovalValues()
        self.on_change: list[Callable[[], None]] = []
        self.fleet: Fleet | None = None
        self.plan: FleetPlan | None = None
        self.details: dict[str, Html] = {}
        self.left: list[str] = []
        self.result: FleetResult | None = None
        self.busy: Name | Literal[""] = ""
        self._planned: FolderValues | None = None
        self._approved: _Approved | None = None

    async def make_plan(self) -> FleetPlan | None:
        """Read the folder and plan every file. None where some are half-done: the next call finishes them first."""
        confirmed, self.left = bool(self.left) and self.planned_as_is, []
        await self.aclose()
        self.fleet, self._planned = self._open(), self.values
        self.changed()
        left = await self.fleet.unfinished()
        self.changed()  # now it is known which orgs these are
        if left and not confirmed:
            self.left = left
            return None
        if left:
            await self.fleet.recover()
        self.plan = await self.fleet.make_plan(self._keep)
        return self.plan

    def approve(self) -> None:
        """Agree to exactly this plan, with these limits. Raises ConsentMissing; `apply` notes it in the ledger."""
        assert self.plan  # noqa: S101 (else the card is blocked)
        if missing := self.not_agreed_to():
            raise ConsentMissing(
                "An unsafe change needs your consent",
                cause="; ".join(f"{name}: {UNSAFE[name]}" for name in missing),
                fix=f"type {', '.join(missing)} and a reason, or take the files out of the folder; nothing was written",
            )
        self._approved = _Approved(self.plan.checksum, self.approval)

    async def apply(self) -> FleetResult:
        """Carry out the approved plan; what was stopped goes on. Raises as `Fleet.apply`."""
        agreed = self._approved
        assert self.fleet and self.plan and agreed  # noqa: S101, PT018 (else the card is blocked)
        self.fleet.stopped, self.fleet.limits = "", agreed.values.limits
        self.result = await self.fleet.apply(self.plan, agreed.values.consent, checksum=agreed.checksum)
        return self.result

    def stop(self) -> None:
        """Begin no other onboarding. A second call stops those at work, too, after the change in flight."""
        if self.fleet:
            self.fleet.cancel() if self.fleet.stopped else self.fleet.stop(BY_USER)

    async def aclose(self) -> None:
        """Close the sessions, and forget the plan."""
        fleet, self.fleet = self.fleet, None
        self.plan, self.result, self._planned, self._approved, self.details = None, None, None, None, {}
        if fleet:
            await fleet.aclose()

    @property
    def run_id(self) -> str:
        """The fleet's own run in the ledger; empty before the plan."""
        return self.fleet.run.id if self.fleet and self.plan else ""

    @property
    def planned_as_is(self) -> bool:
        """Whether what was planned is what stands on the card."""
        return self._planned == self.values

    @property
    def was_approved(self) -> bool:
        return self._approved is not None

    @property
    def approved(self) -> bool:
        """Whether just this plan is agreed to, with what stands on the card."""
        plan, agreed = self.plan, self._approved
        return bool(plan and agreed and agreed == _Approved(plan.checksum, self.approval))

    @property
    def may_go_on(self) -> bool:
        """Whether the user has stopped it, and the same plan can go on: nothing is half-done."""
        return bool(self.result and self.result.stopped == BY_USER and not self.result.half_done)

    @property
    def unsafe(self) -> list[str]:
        """The unsafe changes of the plan, by name."""
        return sorted({name for row in self.plan.rows for name in row.unsafe}) if self.plan else []

    def not_agreed_to(self) -> list[str]:
        consent = self.approval.consent
        return [name for name in self.unsafe if not consent.covers(name, "")]

    def blockers(self, name: Name) -> list[str]:
        """Why this cannot be done now; empty when it can."""
        if self.busy and self.busy != name:
            return [f"the fleet is at work: {self.busy}"]
        return {"plan": self._plan_blockers, "approve": self._approve_blockers, "apply": self._apply_blockers}[name]()

    def is_local(self) -> bool:
        """Whether all orgs of the files are on this machine; before they are read, what the environment says."""
        return all(org.is_local for org in (self.fleet and self.fleet.orgs) or [Settings.load()])

    def changed(self) -> None:
        for callback in self.on_change:
            callback()

    def _open(self) -> Fleet:
        return Fleet(Path(self.values.folder).expanduser(), at_once=self.values.at_once)

    def _plan_blockers(self) -> list[str]:
        return [] if self.values.folder else ["name the folder"]

    def _approve_blockers(self) -> list[str]:
        if not self.plan:
            return ["plan first"]
        if not self.planned_as_is:
            return ["the folder has changed: plan again"]
        if self.result and not self.may_go_on:
            return ["this plan has been carried out: plan again to go on"]
        if not self.plan.changed:
            return ["there is nothing to change"]
        return self._beyond(self.plan)

    def _beyond(self, plan: FleetPlan) -> list[str]:
        most = self.approval.max_deletions_percent
        if plan.removals_percent <= most:
            return []
        share = f"{plan.removals_percent:.1f} % of the objects would be deleted or switched off"
        return [f"{share}, and at most {most:g} % may be: check the folder, or raise the limit"]

    def _apply_blockers(self) -> list[str]:
        if blocked := self._approve_blockers():
            return blocked
        if not self.approved:
            return ["the approval is out of date: approve again" if self.was_approved else "approve first"]
        return []

    def _keep(self, row: FleetRow, plan: Plan | None) -> None:
        if plan and plan.changes and len(self.details) < (2 * SHOWN if row.unsafe else SHOWN):
            self.details[row.file] = plan_html(plan.as_json())
