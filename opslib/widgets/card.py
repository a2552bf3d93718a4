"""A card shows one step of the walk and runs it on a click.

1. The button's handler starts one supervised task, or does nothing while that task runs; `click` presses the same
   button and awaits the same task.
2. The task asks `Walk.run`, which holds the rules: a step that is blocked, or whose form is not valid, sends nothing.
3. However the task ends, it ends in the card's own lines: no exception leaves it, nothing is printed.
4. Every change of the walk redraws the card from the walk, so two cards for one step agree.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w

from opslib.errors import Defect, InvalidInput, OpslibError, StepBlocked
from opslib.html import Html, text
from opslib.walk.state_machine import Result
from opslib.walk.walk import Walk
from opslib.walk.what_changed import NOT_STARTED, what_changed
from opslib.widgets.fields import show
from opslib.widgets.findings import FindingsView
from opslib.widgets.form import Panel
from opslib.widgets.receipt import View, compact, error_box, heading, mimebundle, progress_bar, receipt, status_line
from opslib.widgets.results import result_html
from opslib.widgets.status import CardState

_VERBS: dict[CardState, str] = {
    "done": "Run again",
    "stale": "Run again",
    "failed": "Try again",
    "unknown": "Try again",
    "cancelled": "Try again",
}
# The step itself refuses it, too, and says who began it and where it stands.
_UNFINISHED = "an apply was left unfinished: finish it or undo it first, with one of the two cards for that"
_BORDER = "1px solid var(--jp-border-color2, #8a8a8a)"


class StepCancelled(OpslibError):
    """A step was stopped before it finished."""


class StepCard:
    """One step as a widget with a static receipt.

    `make_form` makes what stands above the buttons, and is called again when the onboarding is for another backend.
    `help` is one line: what the step does and what it needs.
    """

    def __init__(
        self, walk: Walk, step_name: str, make_form: Callable[[], Panel | None] = lambda: None, *, help: str = ""
    ) -> None:
        self._walk, self._step, self._help = walk, walk.steps[step_name], help
        self._make_form, self._form_place = make_form, w.VBox()
        self._renew_form()
        self.on_change: list[Callable[[], None]] = []  # called after a redraw that shows another state
        self._drawn: CardState | None = None
        # By whether it is measured: the result that was last written as HTML, and that.
        self._written: dict[bool, tuple[Result, str]] = {}
        self._task: asyncio.Task[Result | OpslibError] | None = None
        # How this card's last run ended where the walk keeps nothing: refused, cancelled, or a defect.
        self._notice: OpslibError | None = None
        self._noticed_in: object = None
        self.run_button = w.Button(description="Run", button_style="primary", tooltip=f"Run “{self._step.title}”")
        self.cancel_button = w.Button(description="Cancel", tooltip=f"Cancel “{self._step.title}”", disabled=True)
        self.run_button.on_click(lambda _: self._start())
        self.cancel_button.on_click(lambda _: self.cancel())
        self._progress, self._status, self._result, self._error = (w.HTML() for _ in range(4))
        self._findings = FindingsView(walk) if step_name == "validate_bucket" else None
        self.widget = w.VBox(
            [
                w.HTML(compact(heading(self._step.title, help))),
                self._form_place,
                w.HBox([self.run_button, self.cancel_button]),
                self._progress,
                self._status,
                self._findings.widget if self._findings else self._result,
                self._error,
            ],
            layout={"border": _BORDER, "padding": "8px 12px", "margin": "4px 0"},
        )
        walk.on_change.append(self._changed)
        walk.on_progress.append(self._progressed)
        self._changed()

    async def click(self) -> Result:
        """Press Run and wait for the end. A step that runs already is joined.

        Raises the step's error, StepBlocked, InvalidInput for a form that is not valid, or StepCancelled: so a
        notebook that runs on its own stops there. A result that is "unknown" is returned.
        """
        self.run_button.click()
        assert self._task  # noqa: S101 (the handler made it)
        # Shielded: interrupting the cell leaves the step to its Cancel button.
        outcome = await asyncio.shield(self._task)
        if isinstance(outcome, OpslibError):
            raise outcome.with_traceback(None) from None
        return outcome

    def cancel(self) -> None:
        """Stop the step if it is running. What it had sent stays sent."""
        self._walk.cancel(self._step.name)

    @property
    def problems(self) -> Sequence[str]:
        return self.form.problems if self.form else ()

    @property
    def state(self) -> CardState:
        """Where the step stands, as the card says it."""
        return self._view().state

    def receipt(self) -> str:
        """The card as it is now, as static HTML."""
        return receipt(self._view())

    def snapshot(self) -> Html:
        """The card as it is now, for a notebook that shows it at several moments."""
        return Html(self.receipt(), repr(self))

    def __repr__(self) -> str:
        return f"{self._step.title}: {self.state}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self.widget, self.receipt(), repr(self))

    def _start(self) -> None:
        if not self._task or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> Result | OpslibError:
        """The supervised task: every way to end is a value."""
        self._notice = None
        try:
            self._check_form()
            return await self._walk.run(self._step.name)
        except OpslibError as error:
            outcome = error
        except asyncio.CancelledError:
            if (own := asyncio.current_task()) and own.cancelling():
                raise  # the program is ending, not the step
            outcome = _cancelled(self._step.title)
        except Exception as error:  # noqa: BLE001 (supervision: a defect becomes a card, not a lost exception)
            outcome = Defect(f"“{self._step.title}”", error)
        kept = self._walk.result(self._step.name)
        if not (kept and kept.error is outcome):
            self._notice, self._noticed_in = outcome, self._situation()
        self._changed()
        return outcome

    def _check_form(self) -> None:
        if self.problems:
            raise InvalidInput(
                f"“{self._step.title}” cannot run yet",
                cause="; ".join(self.problems),
                fix="correct the fields named; nothing was sent",
            )

    def _situation(self) -> object:
        return self._walk.state(self._step.name), tuple(self._reasons())

    def _reasons(self) -> Sequence[str]:
        unfinished = [_UNFINISHED] if self._step.name in ("plan", "apply") and self._walk.unfinished else []
        return [*self.problems, *self._walk.blockers(self._step.name), *unfinished]

    def _view(self, *, measured: bool = False) -> View:
        state: CardState = self._walk.state(self._step.name)
        result = self._walk.result(self._step.name)
        notice = self._notice if state != "running" else None
        reasons = self._reasons()
        summary, error, changes = "", None, list[str]()
        progress = self._walk.progress.get(self._step.name)
        if progress:
            done, total, words = progress
            summary = f"{done} of {total} done; {words}"
        if state == "ready" and reasons:
            state = "waiting"
        if result and state in ("done", "failed", "unknown", "stale"):
            summary, error = dated_summary(result), result.error
        if state == "stale":
            summary, error = f"an input has changed since. Before: {summary}", None
        if isinstance(notice, StepCancelled):
            state, summary, error = "cancelled", "stopped before it finished; what had been sent stays sent", None
            changes = what_changed(self._walk.journal, self._step.name)
        elif notice:
            error = notice
            refused = isinstance(notice, StepBlocked | InvalidInput)
            changes = [NOT_STARTED] if refused else what_changed(self._walk.journal, self._step.name)
            state = state if refused else "failed"
            summary = summary if refused else notice.title
        elif error:
            changes = what_changed(self._walk.journal, self._step.name)
        shown = result if state in ("done", "unknown", "stale", "failed") else None
        return View(
            title=self._step.title,
            about=self._help,
            state=state,
            summary=summary,
            reasons=() if state == "running" else reasons,
            progress=progress[:2] if progress else None,
            inputs=self.form.rows() if self.form else (),
            result=self._result_html(shown, measured=measured) if shown else "",
            findings=shown.data if shown and self._findings else {},
            error=error,
            trace=error.trace if isinstance(error, Defect) else "",
            changes=changes,
        )

    def _result_html(self, result: Result, *, measured: bool) -> str:
        """Written once: it may hold a chart, and a card is redrawn at every change of the walk."""
        last, html = self._written.get(measured, (None, ""))
        if last is not result:
            html = result_html(result, f"{self._step.title}: result", measured=measured)
            self._written[measured] = result, html
        return html

    def _renew_form(self) -> None:
        self._form_for, self.form = self._walk.onboarding.backend, self._make_form()
        self._form_place.children = [self.form.widget] if self.form else []
        if self.form:
            self.form.on_change.append(self._changed)

    def _changed(self) -> None:
        before = self._drawn
        self._redraw()
        if self._drawn != before:
            for callback in self.on_change:
                callback()

    def _progressed(self, step: str) -> None:
        if step == self._step.name:
            self._redraw()

    def _redraw(self) -> None:
        """Called in the middle of the walk's work, so it never raises."""
        try:
            if self._form_for != self._walk.onboarding.backend:
                self._renew_form()
            if self.form:
                self.form.sync()
            if self._notice and self._noticed_in != self._situation():
                self._notice = None
            self._draw(self._view(measured=True))
        except Exception as error:  # noqa: BLE001 (a fault of the display must not stop the step)
            show(self._status, f'<div role="status">This card cannot be drawn ({text(type(error).__name__)})</div>')

    def _draw(self, view: View) -> None:
        self._drawn = view.state
        running = view.state == "running"
        self.run_button.description = _VERBS.get(view.state, "Run")
        self.run_button.disabled = running or bool(view.reasons)
        self.cancel_button.disabled = not running
        show(self._progress, progress_bar(view) if running else "")
        if self._findings:
            self._findings.show(view.findings)
        else:
            show(self._result, compact(view.result))
        show(self._error, compact(error_box(view)))
        # Last: a screen reader that announces the state finds the rest in place.
        show(self._status, compact(status_line(view)))


def dated_summary(result: Result) -> str:
    """A result's summary, and when it was, if not in this session."""
    when = f" (from the record of {result.recalled[:16].replace('T', ' ')} UTC)" if result.recalled else ""
    return result.summary + when


def _cancelled(title: str) -> StepCancelled:
    return StepCancelled(
        f"“{title}” was cancelled",
        cause="it was stopped before it finished; what had been sent stays sent",
        fix="run it again",
    )
