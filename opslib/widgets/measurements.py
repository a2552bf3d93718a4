"""What was measured on the walk so far: latency, success and time, redrawn after each step."""

import asyncio
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from opslib.audit import charts
from opslib.html import text
from opslib.walk.steps import STEPS
from opslib.walk.walk import Walk
from opslib.widgets.frame import Frame, plain, styled
from opslib.widgets.receipt import compact, framed, heading, lead, mimebundle, ribbon

if TYPE_CHECKING:
    import pandas as pd

_TITLE = "Measurements"
_ABOUT = (
    "The HTTP attempts of this walk to Genesys, from the ledger. In Python: walk.samples(), one row for each attempt."
)
_NOTHING = "<p>Nothing was sent yet.</p>"
_NO_MATCH = "<p>No attempt of this step had this outcome.</p>"
_ALL = "all"
_CHARTS = (charts.latency_chart, charts.success_chart, charts.timeline_chart, charts.steps_chart)


class Measurements:
    """The card that follows the walk: charts of its attempts, of one step or of one outcome if that is chosen."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        steps = [("All steps", _ALL), *((step.title, name) for name, step in STEPS.items())]
        self.step = plain(w.Dropdown, options=steps, description="Step")
        self.outcome = plain(w.Dropdown, options=[("All outcomes", _ALL)], description="Outcome")
        self._figures = plain(w.HTML, _NOTHING)
        for one in (self.step, self.outcome):
            one.observe(lambda _: self._draw(), "value")
        fields = [styled(plain(w.VBox, [one]), "ops-field") for one in (self.step, self.outcome)]
        about = styled(plain(w.HTML, _ABOUT), "ops-lead")
        children = [about, styled(plain(w.VBox, fields), "ops-form"), self._figures]
        self.widget = Frame(_TITLE, children, line=heading(_TITLE)).widget
        self._drawn_for: object = None
        self._drawing: asyncio.Task[None] | None = None
        self._outdated = False
        walk.on_change.append(self._follow)
        self._follow()

    def receipt(self) -> str:
        """The charts of all attempts, as static HTML."""
        return framed(heading(_TITLE) + lead(_ABOUT) + (_figures(self._walk.samples()) or _NOTHING))

    def __repr__(self) -> str:
        return f"{_TITLE}: {len(self._walk.samples())} HTTP attempts"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self.widget, ribbon(local=self._walk.settings.is_local) + self.receipt(), repr(self))

    def _follow(self) -> None:
        """Draw again once a step has ended; while one runs, its attempts are still coming."""
        results = tuple(self._walk.result(name) for name in STEPS)
        if results != self._drawn_for:
            self._drawn_for = results
            self._draw()

    def _draw(self) -> None:
        """In a thread, since a chart takes longer than a click may; one drawing at a time, and the last one counts."""
        self._outdated = True
        if not self._drawing or self._drawing.done():
            self._drawing = asyncio.create_task(self._redraw())

    async def _redraw(self) -> None:
        while self._outdated:
            self._outdated = False
            try:
                figures = compact(await asyncio.to_thread(_figures, self._chosen()) or self._none())
            except Exception as error:  # noqa: BLE001 (supervision: the card says it; the walk goes on)
                figures = f'<p role="status">The charts cannot be drawn ({text(type(error).__name__)})</p>'
            self._figures.value = figures

    def _chosen(self) -> "pd.DataFrame":
        """The attempts of the step and the outcome that were chosen."""
        samples = self._walk.samples()
        kinds = [("All outcomes", _ALL), *((str(kind), str(kind)) for kind in sorted(samples["outcome"].unique()))]
        if kinds != list(self.outcome.options):
            self.outcome.options = kinds
        for column, chosen in (("step", self.step.value), ("outcome", self.outcome.value)):
            samples = samples if chosen == _ALL else samples[samples[column] == chosen]
        return samples

    def _none(self) -> str:
        return _NOTHING if (self.step.value, self.outcome.value) == (_ALL, _ALL) else _NO_MATCH


def _figures(samples: "pd.DataFrame") -> str:
    """The charts as HTML; empty without samples."""
    if samples.empty:
        return ""
    return "".join(f'<div style="margin:8px 0">{chart(samples).html()}</div>' for chart in _CHARTS)
