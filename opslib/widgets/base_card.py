"""What every card is made of: what to fill in, Run and Cancel, and the lines that say what came of it.

1. The button's handler starts one supervised task, or does nothing while that task runs; `click` presses the same
   button and awaits the same task.
2. However the task ends, it ends in the card's own lines: no exception leaves it, nothing is printed.
3. A card has one `View` at each moment, from which its widget and its static receipt are drawn.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import ipywidgets as w

from opslib.errors import Defect, OpslibError
from opslib.html import Html, text
from opslib.widgets.fields import show
from opslib.widgets.frame import Frame, mark, plain, styled
from opslib.widgets.receipt import (
    View,
    compact,
    error_box,
    heading,
    mimebundle,
    progress_bar,
    receipt,
    ribbon,
    status_line,
    trouble_first,
)
from opslib.widgets.shown import Shown
from opslib.widgets.status import CardState

R = TypeVar("R")

_AGAIN: dict[CardState, str] = {
    "done": "{} again",
    "stale": "{} again",
    "failed": "Try again",
    "unknown": "Try again",
    "cancelled": "Try again",
}


class StepCancelled(OpslibError):
    """A step was stopped before it finished."""


class Card(ABC, Generic[R]):
    """A title, the button, and what its work ended with. A subclass says what the work is, and what there is to see."""

    _CANCELLED = "it was stopped before it finished"

    def __init__(
        self,
        title: str,
        help: str,
        verb: Callable[[], str],
        form: w.Widget,
        result: w.Widget | None = None,
    ) -> None:
        """`verb` is what the button does, in words; `form` stands above the buttons; `result` shows the result, where
        HTML is not enough."""
        self._title, self._verb = title, verb
        self.on_change: list[Callable[[], None]] = []  # called after a redraw that shows another state
        self._drawn: CardState | None = None
        self._task: asyncio.Task[R | OpslibError] | None = None
        self.run_button = plain(w.Button, button_style="primary", tooltip=f"Run “{title}”")
        self.cancel_button = plain(w.Button, description="Cancel", tooltip=f"Cancel “{title}”", disabled=True)
        self.run_button.on_click(lambda _: self._start())
        self.cancel_button.on_click(lambda _: self.cancel())
        self._progress, self._result, self._error = (plain(w.HTML) for _ in range(3))
        about = styled(plain(w.HTML, text(help)), "ops-lead")
        actions = styled(plain(w.HBox, [self.run_button, self.cancel_button]), "ops-actions")
        self.frame = Frame(title, [about, form, actions, self._progress, result or self._result, self._error])
        self._status, self.widget = self.frame.line, self.frame.widget

    async def click(self) -> R:
        """Press Run and wait for the end. What runs already is joined.

        Raises the work's error, StepBlocked, InvalidInput for a form that is not valid, or StepCancelled: so a
        notebook that runs on its own stops there. A result that is "unknown" is returned.
        """
        self.run_button.click()
        assert self._task  # noqa: S101 (the handler made it)
        # Shielded: interrupting the cell leaves the work to its Cancel button.
        outcome = await asyncio.shield(self._task)
        if isinstance(outcome, OpslibError):
            raise outcome.with_traceback(None) from None
        return outcome

    @abstractmethod
    def cancel(self) -> None:
        """Stop the work if it is running."""

    @property
    def state(self) -> CardState:
        """Where it stands, as the card says it."""
        return self._view().state

    def receipt(self) -> str:
        """The card as it is now, as static HTML."""
        return receipt(self._view())

    def snapshot(self) -> Shown:
        """The card as it is now, what went wrong first, for a notebook that shows it at several moments."""
        now = Html(trouble_first(self._view(), self._failing()), repr(self))
        return Shown(now, local=self._is_local())

    def _failing(self) -> str:
        """What it was that failed, as HTML, where the error does not say it."""
        return ""

    def __repr__(self) -> str:
        return f"{self._title}: {self.state}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        above = "" if self.state in ("waiting", "ready") else ribbon(local=self._is_local())
        return mimebundle(self.widget, above + self.receipt(), repr(self))

    @abstractmethod
    def _is_local(self) -> bool:
        """Whether this works on a sandbox."""

    @abstractmethod
    async def _work(self) -> R:
        """What Run does. Raises OpslibError."""

    @abstractmethod
    def _ended(self, outcome: R | OpslibError) -> None:
        """Keep how the work ended. Another exception than its own comes as Defect or StepCancelled."""

    @abstractmethod
    def _view(self, *, measured: bool = False) -> View:
        """All that the card says; `measured`: also what differs in every run."""

    def _sync(self) -> None:
        """Follow what was changed elsewhere, before the card is drawn."""

    def _start(self) -> None:
        if not self._task or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> R | OpslibError:
        """The supervised task: every way to end is a value."""
        outcome: R | OpslibError
        try:
            outcome = await self._work()
        except OpslibError as error:
            outcome = error
        except asyncio.CancelledError:
            if (own := asyncio.current_task()) and own.cancelling():
                raise  # the program is ending, not the work
            outcome = StepCancelled(f"“{self._title}” was cancelled", cause=self._CANCELLED, fix="run it again")
        except Exception as error:  # noqa: BLE001 (supervision: a defect becomes a card, not a lost exception)
            outcome = Defect(f"“{self._title}”", error)
        self._ended(outcome)
        return outcome

    def _changed(self) -> None:
        before = self._drawn
        self._redraw()
        if self._drawn != before:
            for callback in self.on_change:
                callback()

    def _redraw(self) -> None:
        """Called in the middle of the work, so it never raises."""
        try:
            self._sync()
            self._draw(self._view(measured=True))
        except Exception as error:  # noqa: BLE001 (a fault of the display must not stop the work)
            show(
                self._status,
                f'{heading(self._title)}<div role="status">It cannot be drawn ({text(type(error).__name__)})</div>',
            )

    def _draw(self, view: View) -> None:
        self._drawn = view.state
        running = view.state == "running"
        self.run_button.description = _AGAIN.get(view.state, "{}").format(self._verb())
        self.run_button.disabled = running or bool(set(view.reasons) - set(view.to_correct))
        mark(self.run_button, "ops-closed", bool(view.to_correct))
        self.cancel_button.disabled = not running
        show(self._progress, progress_bar(view) if running else "")
        self._draw_result(view)
        show(self._error, compact(error_box(view)))
        # Last: a screen reader that announces the state finds the rest in place.
        show(self._status, compact(heading(self._title) + status_line(view)))

    def _draw_result(self, view: View) -> None:
        show(self._result, compact(view.result))
