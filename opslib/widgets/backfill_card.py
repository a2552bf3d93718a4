"""The card that exports what never was: `opslib archive backfill`. Its button plans, then does just what it showed."""

import asyncio
from dataclasses import replace
from typing import Self

import ipywidgets as w

from opslib.archive.backfill_plan import BackfillPlan
from opslib.archive.backfill_render import summary, when
from opslib.archive.backfill_result import AFTERWARDS, NOT_FOUND, Backfilled
from opslib.archive.times import time_text, time_words
from opslib.errors import Defect, OpslibError
from opslib.html import identifier, table, text
from opslib.onboarding.models import Onboarding
from opslib.settings import Settings
from opslib.walk.archive_folder import Asking
from opslib.walk.backfill import Review, backfill, review_backfill
from opslib.walk.walk import Walk
from opslib.widgets.base_card import Card, StepCancelled
from opslib.widgets.frame import plain
from opslib.widgets.header import place_line
from opslib.widgets.receipt import View
from opslib.widgets.status import CardState

_TITLE = "Export what never was"
_HELP = (
    "Makes export jobs for the missing recordings that were never exported. The first press plans and sends nothing; "
    "the second approves just the plan that is shown, and carries it out. Nothing is deleted. Recordings with "
    "sensitive data are left out; `opslib archive backfill --include-sensitive` asks for them."
)
_SHOWN = 10


class BackfillCard(Card[Review | Backfilled]):
    """A plan, then what came of it. `plan` is what the next press approves; None while it would make a plan."""

    _CANCELLED = "it was stopped; a job that was made goes on at Genesys, and the next run goes on with it"

    @classmethod
    def of(cls, walk: Walk) -> Self:
        """A card for the org and the target of the walk's onboarding."""
        return cls(walk.settings, walk.onboarding)

    def __init__(self, settings: Settings | None = None, onboarding: Onboarding | None = None) -> None:
        self._settings, self._onboarding = settings or Settings.load(), onboarding
        self._review: Review | None = None
        self.done: Backfilled | None = None
        self._running = self._stopping = False
        self._so_far: Asking | None = None
        self._notice: OpslibError | None = None
        super().__init__(_TITLE, _HELP, self._verb, plain(w.VBox, []))
        self.frame.above(place_line(live=not self._is_local()))
        self._changed()

    def cancel(self) -> None:
        """Stop it if it is running. The next run goes on there."""
        if self._running and not self._stopping and self._task:
            self._stopping = True
            self._task.cancel()
            self._changed()

    @property
    def plan(self) -> BackfillPlan | None:
        return self._review.plan if self._review and self._review.left and not self.done else None

    def _is_local(self) -> bool:
        return self._settings.is_local

    def _verb(self) -> str:
        if self.plan is None:
            return "Plan the export"
        recordings, places = len(self.plan.wanted), self.plan.where.bucket
        return f"Export {recordings:,} recording{'' if recordings == 1 else 's'} to {places}"

    async def _work(self) -> Review | Backfilled:
        approved, self._notice, self._so_far = self.plan, None, None
        self._running, self.done = True, None
        self._changed()
        try:
            if approved is None:
                self._review = None
                return await review_backfill(self._settings, onboarding=self._onboarding, progress=self._tell)
            done = await backfill(
                self._settings, onboarding=self._onboarding, checksum=approved.checksum, progress=self._tell
            )
            assert done  # noqa: S101 (a plan with this checksum has jobs)
            return done
        except asyncio.CancelledError:
            if self._stopping and (own := asyncio.current_task()):
                own.uncancel()
            raise

    def _ended(self, outcome: Review | Backfilled | OpslibError) -> None:
        self._running = self._stopping = False
        if isinstance(outcome, OpslibError):
            self._notice, self._review = outcome, None
        elif isinstance(outcome, Backfilled):
            self.done = outcome
        else:
            self._review = outcome
        self._changed()

    def _tell(self, so_far: Asking) -> None:
        self._so_far = so_far
        self._redraw()

    def _view(self, *, measured: bool = False) -> View:
        view = View(title=_TITLE, about=_HELP, state="ready")
        if self._running:
            so_far = self._so_far
            words = "stopping" if self._stopping else so_far.words if so_far else "reading what was never exported"
            return replace(
                view, state="running", summary=words, progress=(so_far.done, so_far.known) if so_far else None
            )
        if self._notice:
            return self._noticed(view, self._notice)
        if self.done:
            return self._carried_out(view, self.done)
        return self._planned(view, self._review, measured=measured) if self._review else view

    def _noticed(self, view: View, notice: OpslibError) -> View:
        if isinstance(notice, StepCancelled):
            return replace(view, state="cancelled", summary=self._CANCELLED)
        trace = notice.trace if isinstance(notice, Defect) else ""
        return replace(view, error=notice, trace=trace, state="failed", summary=notice.title)

    def _planned(self, view: View, review: Review, *, measured: bool) -> View:
        if not review.left:
            words = "nothing to do: of what is missing, nothing can be exported"
            return replace(view, state="done", summary=words, result=_left_out(review.plan))
        begun = f"unfinished, {review.left} jobs are left: " if review.unfinished else ""
        words = f"{begun}{summary(review.plan)}, {when(review.plan)}; nothing was sent yet"
        return replace(view, summary=words, result=_plan_html(review, measured=measured))

    def _carried_out(self, view: View, done: Backfilled) -> View:
        words = f"export dates are set for {done.processed:,} of {done.planned:,} recordings"
        state: CardState = "done" if done.fulfilled else "failed"
        return replace(view, state=state, summary=words, result=_result_html(done))


def _plan_html(review: Review, *, measured: bool) -> str:
    """`measured`: with the dates and the checksum, which are others in every sandbox."""
    plan = review.plan
    rows = [
        (f"{number}", f"{time_words(job.start_ms)} to {time_words(job.end_ms)}", len(job.conversations), job.recordings)
        for number, job in enumerate(plan.jobs, 1)
    ]
    shown = [table("Export jobs", ("Job", "Interval", "Conversations", "Recordings at most"), rows).html]
    facts = [f"Exported {when(plan)} to {plan.where.integration}; recordings with sensitive data are left out."]
    if plan.beside:
        facts.append(f"Exported with them, since a job takes whole conversations: {len(plan.beside):,} more.")
    if plan.skipped:
        facts.append(f"{plan.skipped:,} of the same conversations were exported before, and are skipped.")
    if plan.cut_short:
        facts.append(f"{len(plan.cut_short):,} are deleted before that: Genesys exports them when it deletes them.")
    if review.lacks:
        facts.append(f"The OAuth client's roles lack {', '.join(review.lacks)}: it would be refused.")
    facts += [*plan.notes, *([f"Checksum {plan.checksum}"] if measured else ())]
    shown += [f'<p style="margin:4px 0">{text(fact)}</p>' for fact in facts]
    if measured and (dated := plan.by_deletion[:_SHOWN]):
        deleted = [(identifier(one.recording_id), time_text(one.delete_at_ms or 0)) for one in dated]
        shown.append(table("Deleted first at Genesys", ("Recording", "Deleted (UTC)"), deleted).html)
    return "".join([*shown, _left_out(plan)])


def _left_out(plan: BackfillPlan) -> str:
    if not plan.left_out:
        return ""
    rows = [(identifier(one.id), one.why) for one in plan.left_out[:_SHOWN]]
    more = f", the first {_SHOWN} of {len(plan.left_out):,}" if len(plan.left_out) > _SHOWN else ""
    return table(f"Left out{more}", ("Recording or conversation", "Why"), rows).html


def _result_html(done: Backfilled) -> str:
    """Without the ids of the jobs, which are others in every sandbox: the ledger has them."""
    rows = [
        (f"{job.number}", job.state, job.recordings, job.processed, len(job.failed), job.skipped) for job in done.jobs
    ]
    shown = [table("Export jobs", ("Job", "State", "Recordings", "Set", "Failed", "Skipped"), rows).html]
    if failed := [(identifier(one.recording_id), identifier(one.conversation_id)) for one in done.failed[:_SHOWN]]:
        shown.append(table("Could not be exported", ("Recording", "Conversation"), failed).html)
    words = [f"{done.not_found:,} fewer than planned: {NOT_FOUND}."] if done.not_found else []
    return "".join([*shown, *(f'<p style="margin:4px 0">{text(one)}</p>' for one in [*words, AFTERWARDS])])
