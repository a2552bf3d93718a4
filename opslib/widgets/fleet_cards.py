"""The cards of a fleet, `opslib fleet` with a button each: plan a folder, approve the whole, apply it, and the result.

The rules are `FleetWork`'s; a card shows what it has, and its button does one thing of it.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import ipywidgets as w

from opslib.errors import ConsentMissing, Defect, OpslibError, StepBlocked
from opslib.onboarding.models import Consent
from opslib.router.unsafe_changes import UNSAFE
from opslib.settings import Settings
from opslib.walk.fleet_plan import FleetPlan
from opslib.walk.fleet_result import FleetResult
from opslib.widgets.base_card import Card, StepCancelled
from opslib.widgets.fleet_result_card import FleetResultCard
from opslib.widgets.fleet_results import (
    count_of,
    outcomes_frame,
    plan_summary,
    plan_table,
    progress_details,
    result_summary,
    some,
)
from opslib.widgets.fleet_work import ApprovalValues, FleetWork, FolderValues, Name
from opslib.widgets.form import Form, Panel, Sections, Summary
from opslib.widgets.header import Header
from opslib.widgets.receipt import Rows, View, mimebundle, overview, ribbon
from opslib.widgets.status import ICONS

if TYPE_CHECKING:
    import pandas as pd

R = TypeVar("R")

_HELP: dict[Name, str] = {
    "plan": "Plans every file of the folder, and reads what each org has. Writes nothing to any org.",
    "approve": "Your consent to the whole plan, by its checksum. The ledger has it once the apply begins.",
    "apply": "Writes the approved changes, each onboarding as one transaction, after its bucket was checked. One that "
    "fails is rolled back and does not keep the others. Stop begins no other; pressed twice, those at work end after "
    "the change in flight.",
}
_TITLES: dict[Name, str] = {"plan": "Plan the fleet", "approve": "Approve the fleet", "apply": "Apply the fleet"}
_DRAW_EVERY_S = 0.5


class _FleetCard(Card[R]):
    """One of the three; `form` is what stands above its buttons."""

    name: Name
    _notice: OpslibError | None = None  # how the last press ended, if not well
    _noticed_in: object = None
    _stopping = False

    def __init__(self, work: FleetWork, form: Panel | None = None) -> None:
        self.work, self.form = work, form
        place = form.widget if form else w.VBox()
        super().__init__(_TITLES[self.name], _HELP[self.name], self._verb, place)
        self.widget.add_class(f"ops-step-{self.name}")
        if form:
            form.on_change.append(work.changed)
        work.on_change.append(self._changed)
        self._changed()

    @abstractmethod
    def _verb(self) -> str:
        """What the button does."""

    @abstractmethod
    async def _do(self) -> R:
        """The work; nothing blocks it."""

    @abstractmethod
    def _found(self, view: View, *, measured: bool) -> View:
        """The view while the card is not at work and nothing went wrong."""

    def cancel(self) -> None:
        """Stop what is read; nothing was written."""
        if self._running and self._task and not self._stopping:
            self._stopping = True
            self._task.cancel()

    @property
    def _running(self) -> bool:
        return self.work.busy == self.name

    def _is_local(self) -> bool:
        return self.work.is_local()

    async def _work(self) -> R:
        self._notice = None
        if reasons := self._reasons():
            if self.work.not_agreed_to() and self.name == "approve":
                self.work.approve()
            raise StepBlocked(
                f"“{self._title}” cannot run yet", cause="; ".join(reasons), fix="do that first; nothing was written"
            )
        self.work.busy = self.name
        self.work.changed()
        self._tick()
        try:
            return await self._do()
        except asyncio.CancelledError:
            if self._stopping and (own := asyncio.current_task()):
                own.uncancel()
            raise

    def _ended(self, outcome: R | OpslibError) -> None:
        self._stopping = False
        if self._running:
            self.work.busy = ""
        if isinstance(outcome, OpslibError):
            self._notice, self._noticed_in = outcome, self._situation()
        self.work.changed()

    def _tick(self) -> None:
        """Draw how far it is, while it is at work."""
        if self._running:
            self._redraw()
            asyncio.get_running_loop().call_later(_DRAW_EVERY_S, self._tick)

    def _reasons(self) -> Sequence[str]:
        return [*self._to_correct(), *self.work.blockers(self.name)]

    def _to_correct(self) -> Sequence[str]:
        return self.form.problems if self.form else ()

    def _situation(self) -> object:
        return self.work.values, self.work.approval, self.work.plan, tuple(self._reasons())

    def _sync(self) -> None:
        if self.form:
            self.form.sync()
        if self._notice and self._noticed_in != self._situation():
            self._notice = None

    def _view(self, *, measured: bool = False) -> View:
        reasons = () if self._running else self._reasons()
        view = View(
            title=self._title,
            about=_HELP[self.name],
            state="waiting" if reasons else "ready",
            reasons=reasons,
            to_correct=self._to_correct(),
            inputs=_without_path(self.form.rows()) if self.form else (),
        )
        if self._running:
            return self._while_running(view)
        if isinstance(self._notice, StepCancelled):
            return replace(view, state="cancelled", summary="stopped; nothing was written to any org")
        if isinstance(self._notice, StepBlocked | ConsentMissing):
            return replace(view, error=self._notice)
        if self._notice:
            trace = self._notice.trace if isinstance(self._notice, Defect) else ""
            return replace(view, state="failed", summary=self._notice.title, error=self._notice, trace=trace)
        return self._found(view, measured=measured)

    def _while_running(self, view: View) -> View:
        if not self.work.fleet:
            return replace(view, state="running")
        progress = self.work.fleet.progress
        stopping = self._stopping or bool(self.work.fleet.stopped)
        return replace(
            view,
            state="running",
            summary=progress.count,
            progress=(progress.finished, progress.total) if progress.total else None,
            result=progress_details(progress, stopping=stopping),
        )


class FleetPlanCard(_FleetCard[FleetPlan | None]):
    """The folder, and its plan. With onboardings that are half-done, the next press finishes them first."""

    name = "plan"

    def __init__(self, work: FleetWork) -> None:
        super().__init__(work, Form(FolderValues, lambda: work.values, self._take))

    def _take(self, values: FolderValues) -> None:
        self.work.values = values

    def _verb(self) -> str:
        return f"Finish {len(self.work.left)} half-done, then plan" if self.work.left else "Plan the fleet"

    async def _do(self) -> FleetPlan | None:
        return await self.work.make_plan()

    def _found(self, view: View, *, measured: bool) -> View:
        plan, left = self.work.plan, self.work.left
        if left:
            return replace(view, summary=f"left half-done by an earlier apply: {some(left)}; nothing was sent yet")
        if not plan:
            return view
        words = plan_summary(plan)
        view = replace(view, summary=words, result=plan_table(plan, self.work.details, measured=measured))
        if not self.work.planned_as_is:
            return replace(view, state="stale", summary=f"the folder has changed since. Before: {words}")
        return replace(view, state="done")


class FleetApproveCard(_FleetCard[None]):
    """Consent and limits."""

    name = "approve"

    def __init__(self, work: FleetWork) -> None:
        consent, limits = (
            self._form(work, *fields)
            for fields in (("allow", "reason"), ("stop_after_failures", "max_deletions_percent"))
        )
        self.work = work  # the summary reads it at once
        unsafe = Summary("", self._unsafe)
        panels: dict[str, Panel] = {"What needs your consent": unsafe, "Consent": consent, "Limits": limits}
        super().__init__(work, Sections(panels, {"Consent": lambda: bool(work.unsafe or consent.problems)}))

    def _form(self, work: FleetWork, *fields: str) -> Form[ApprovalValues]:
        def commit(values: ApprovalValues) -> None:
            work.approval = values

        def build(raw: dict[str, Any]) -> ApprovalValues:
            return ApprovalValues.model_validate({**work.approval.model_dump(), **raw})

        return Form(ApprovalValues, lambda: work.approval, commit, include=fields, build=build)

    def _unsafe(self) -> Rows:
        if not self.work.plan:
            return [("Not known yet", "plan first")]
        if not self.work.unsafe:
            return [("Nothing", "no change is unsafe")]
        risks = [(name, f"{UNSAFE[name]}: {self._files_with(name)}") for name in self.work.unsafe]
        return [*risks, ("To agree", f"type {', '.join(self.work.unsafe)}, and a reason")]

    def _files_with(self, name: str) -> str:
        return some([row.file for row in self.work.plan.rows if name in row.unsafe]) if self.work.plan else ""

    def _to_correct(self) -> Sequence[str]:
        missing = self.work.not_agreed_to()
        wanted = [f"type {', '.join(missing)}, and a reason, to agree"] if missing else []
        return [*super()._to_correct(), *wanted]

    def _verb(self) -> str:
        return f"Approve {_amount(self.work.plan)}"

    async def _do(self) -> None:
        self.work.approve()

    def _found(self, view: View, *, measured: bool) -> View:
        plan = self.work.plan
        if not plan or not self.work.was_approved:
            return view
        if not self.work.approved or not self.work.planned_as_is:
            return replace(view, state="stale", summary="the folder, the consent or the limits have changed since")
        consent = f", with consent to {', '.join(self.work.unsafe)}" if self.work.unsafe else ""
        return replace(view, state="done", summary=f"approved: {_amount(plan)}{consent}")


class FleetApplyCard(_FleetCard[FleetResult]):
    """Carries out just what was approved."""

    name = "apply"

    def __init__(self, work: FleetWork) -> None:
        super().__init__(work)
        self.cancel_button.description, self.cancel_button.tooltip = "Stop", "Stop the fleet"

    def cancel(self) -> None:
        """Begin no other onboarding; called twice, stop those at work after the change in flight."""
        if self._running:
            self.work.stop()
            self._redraw()

    def _verb(self) -> str:
        return "Go on with the apply" if self.work.may_go_on else f"Apply {_amount(self.work.plan)}"

    async def _do(self) -> FleetResult:
        return await self.work.apply()

    def _found(self, view: View, *, measured: bool) -> View:
        result = self.work.result
        if not result:
            return view
        words = result_summary(result)
        if self.work.may_go_on:
            return replace(view, summary=f"{words}. Nothing is half-done; press the button to go on")
        return replace(view, state="failed" if result.failed else "done", summary=words)


class FleetCards:
    """The three cards by name, and `result`. Shown as a whole, the banner and where the fleet stands.

    Use `step` in a notebook: with `auto_run` it presses the button, too.
    """

    def __init__(self, folder: str | Path = "", *, auto_run: bool = False) -> None:
        self.work, self._auto_run = FleetWork(folder), auto_run
        self.cards: dict[Name, _FleetCard[Any]] = {
            card.name: card for card in (make(self.work) for make in (FleetPlanCard, FleetApproveCard, FleetApplyCard))
        }
        self.result = FleetResultCard(self.work)
        self.widget = Header()
        self.work.on_change.append(self._changed)
        self._changed()

    async def step(self, name: Name, *, consent: Consent | None = None) -> "_FleetCard[Any]":
        """The card; with `auto_run` once its work has ended, with `consent` to unsafe changes. Raises as `click`."""
        card = self.cards[name]
        if consent and self._auto_run:
            agreed = {"allow": ", ".join(consent.allow), "reason": consent.reason}
            self.work.approval = self.work.approval.model_copy(update=agreed)
            self.work.changed()
        if self._auto_run:
            await card.click()
            if self.work.left:
                await card.click()
        return card

    @property
    def outcomes(self) -> "pd.DataFrame":
        """A row for each file: file, target, org, outcome, cause, fix."""
        return outcomes_frame(self.work.plan, self.work.result)

    @property
    def run_id(self) -> str:
        """The fleet's own run in the ledger; empty before the plan."""
        return self.work.run_id

    @property
    def home(self) -> Path:
        """The workspace, whose ledger has the record."""
        return Settings.load().home

    async def aclose(self) -> None:
        """Close the sessions. What the cards show stays."""
        if self.work.fleet:
            await self.work.fleet.aclose()

    def receipt(self) -> str:
        """Every card with its state, as static HTML."""
        lines = [(_TITLES[name], card.state, _HELP[name]) for name, card in self.cards.items()]
        return overview(repr(self), ("Step", "State", "What it does"), lines)

    def __repr__(self) -> str:
        return "Many onboardings at once"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self.widget, ribbon(local=self.work.is_local()) + self.receipt(), repr(self))

    def _changed(self) -> None:
        left: list[Name] = [name for name, card in self.cards.items() if card.state != "done"]
        current: Name = left[0] if left else "apply"
        with self.widget.hold_sync():
            self.widget.show_place(
                live=not self.work.is_local(), facts=[["Folder", Path(self.work.values.folder).name]]
            )
            self.widget.steps = [
                {"name": name, "title": _TITLES[name], "state": card.state, "icon": ICONS[card.state]}
                | {"current": name == current}
                for name, card in self.cards.items()
            ]
            done = self.cards[current].state in ("done", "failed")
            self.widget.next = ["", ""] if done else [current, self.cards[current]._verb()]


def _amount(plan: FleetPlan | None) -> str:
    """How much the plan changes, in words."""
    if not plan:
        return "the plan"
    changes = sum(len(row.changes) for row in plan.changed)
    return f"{changes:,} change{'s' * (changes != 1)} of {count_of(len(plan.changed))}"


def _without_path(rows: Rows) -> Rows:
    """Of the folder only its name: a receipt is the same on every machine."""
    return [(label, Path(value).name if label == "Folder" else value) for label, value in rows]
