"""A card shows one step of the walk and runs it on a click.

The task asks `Walk.run`, which holds the rules: a step that is blocked, or whose form is not valid, sends nothing.
Every change of the walk redraws the card from the walk, so two cards for one step agree.
"""

from collections.abc import Callable, Sequence

import ipywidgets as w

from opslib.errors import Defect, InvalidInput, OpslibError, StepBlocked
from opslib.walk.context import WalkContext
from opslib.walk.state_machine import Result
from opslib.walk.steps import STEPS
from opslib.walk.what_changed import NOT_STARTED, NOTHING, what_changed
from opslib.widgets.base_card import Card, StepCancelled
from opslib.widgets.findings import FindingsView, failing_html
from opslib.widgets.form import Panel
from opslib.widgets.frame import mark, plain
from opslib.widgets.receipt import View
from opslib.widgets.results import result_html
from opslib.widgets.status import CardState

# The step itself refuses it, too, and says who began it and where it stands.
_UNFINISHED = "an apply was left unfinished: finish it or undo it first, with one of the two cards for that"


class StepCard(Card[Result]):
    """One step as a widget with a static receipt.

    `make_form` makes what stands above the buttons: when the card is first open, since each widget of a form is a
    message to the browser, and again when the onboarding is for another backend. What blocks a recovery is in its form,
    so that is made at once.
    `help` is one line: what the step does and what it needs; `verb` is what its button says.
    """

    _CANCELLED = "it was stopped before it finished; what had been sent stays sent"

    def __init__(
        self,
        walk: WalkContext,
        step_name: str,
        make_form: Callable[[], Panel | None] = lambda: None,
        *,
        help: str = "",
        verb: Callable[[], str] = lambda: "Run",
    ) -> None:
        self._walk, self._step, self._help = walk, walk.steps[step_name], help
        self._make_form, self._form_place = make_form, plain(w.VBox)
        self._findings = FindingsView(walk) if step_name == "validate_bucket" else None
        result = self._findings.widget if self._findings else None
        super().__init__(self._step.title, help, verb, self._form_place, result)
        self.widget.add_class(f"ops-step-{step_name}")
        self.frame.on_open.append(self._opened)
        self._current: bool | None = None
        self._form: Panel | None = None
        self._form_for: str | None = None  # the backend; None: not made yet
        if step_name not in STEPS:
            self._renew_form()
        # By whether it is measured: the result that was last written as HTML, and that.
        self._written: dict[bool, tuple[Result, str]] = {}
        # How this card's last run ended where the walk keeps nothing: refused, cancelled, or a defect.
        self._notice: OpslibError | None = None
        self._noticed_in: object = None
        walk.on_change.append(self._changed)
        walk.on_progress.append(self._progressed)
        if step_name in STEPS:
            walk.problems[step_name] = lambda: self.problems
        self._changed()

    def follow(self, *, current: bool) -> None:
        """Be open while this is the current step, unless somebody has folded or opened it since it became or ceased to
        be that. It stays open while there is something to correct, which can make an earlier step the current one."""
        if current != self._current and (current or not self._to_correct()):
            self._current = current
            self.frame.fold(not current)
            mark(self.widget, "ops-current", current)
        self._opened()

    def _to_correct(self) -> Sequence[str]:
        """What is typed here and is not valid; what blocks a recovery is nothing typed."""
        return self.problems if self._step.name in STEPS else ()

    def _opened(self) -> None:
        if not self.frame.folded and (form := self.form):
            form.opened()

    def cancel(self) -> None:
        """Stop the step if it is running. What it had sent stays sent."""
        self._walk.cancel(self._step.name)

    def _is_local(self) -> bool:
        return self._walk.settings.is_local

    @property
    def problems(self) -> Sequence[str]:
        return self._form.problems if self._form else ()

    @property
    def form(self) -> Panel | None:
        """What stands above the buttons; made now if it was not yet."""
        if self._form_for != self._walk.onboarding.backend:
            self._renew_form()
        return self._form

    async def _work(self) -> Result:
        self._notice = None
        self._check_form()
        return await self._walk.run(self._step.name)

    def _ended(self, outcome: Result | OpslibError) -> None:
        if not isinstance(outcome, OpslibError):
            return  # the walk has said so
        kept = self._walk.result(self._step.name)
        if not (kept and kept.error is outcome):
            self._notice, self._noticed_in = outcome, self._situation()
        self._changed()

    def _failing(self) -> str:
        findings = self._view().findings
        return failing_html(findings) if findings else ""

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
        unfinished = [_UNFINISHED] if self._step.name in ("plan", "apply") and self._walk.in_the_way else []
        return list(dict.fromkeys([*self.problems, *self._walk.blockers(self._step.name), *unfinished]))

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
            changes = what_changed(self._walk.journal, self._step.name)
            sent = "" if changes == [NOTHING] else "; what had been sent stays sent"
            state, summary, error = "cancelled", f"stopped before it finished{sent}", None
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
            to_correct=self._to_correct(),
            progress=progress[:2] if progress else None,
            inputs=self._form.rows() if self._form else (),
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
        self._form_for, self._form = self._walk.onboarding.backend, self._make_form()
        self._form_place.children = [self._form.widget] if self._form else []
        if self._form:
            self._form.on_change.append(self._walk.changed)  # what is not valid concerns the cards after it, too

    def _progressed(self, step: str) -> None:
        if step == self._step.name:
            self._redraw()

    def _sync(self) -> None:
        if self._form_for and (form := self.form):
            form.sync()
        if self._notice and self._noticed_in != self._situation():
            self._notice = None

    def _draw_result(self, view: View) -> None:
        if self._findings:
            self._findings.show(view.findings)
        else:
            super()._draw_result(view)


def dated_summary(result: Result) -> str:
    """A result's summary, and when it was, if not in this session."""
    when = f" (from the record of {result.recalled[:16].replace('T', ' ')} UTC)" if result.recalled else ""
    return result.summary + when
