"""How a fleet ended: failures by cause, each file's outcome, and charts of what was asked of Genesys."""

import asyncio
from typing import Any

import ipywidgets as w

from opslib.html import text
from opslib.walk.fleet_result import FleetResult
from opslib.widgets.fleet_charts import charts_html, fleet_samples
from opslib.widgets.fleet_results import result_summary, result_table
from opslib.widgets.fleet_work import FleetWork
from opslib.widgets.frame import Frame, plain, styled
from opslib.widgets.receipt import compact, framed, heading, lead, mimebundle, ribbon

_TITLE = "Result of the fleet"
_ABOUT = "Failures by cause with their fix, how each onboarding ended, and the requests to Genesys, from the ledger."
_NOTHING = "Nothing was applied yet."


class FleetResultCard:
    """Follows the work; it has no button. Charts are drawn in a thread."""

    def __init__(self, work: FleetWork) -> None:
        self._work = work
        self._ended, self._figures = plain(w.HTML), plain(w.HTML)
        about = styled(plain(w.HTML, text(_ABOUT)), "ops-lead")
        self.widget = Frame(_TITLE, [about, self._ended, self._figures], line=heading(_TITLE)).widget
        self._drawn: FleetResult | None = None
        self._drawing: asyncio.Task[None] | None = None
        work.on_change.append(self._follow)
        self._ended.value = self._outcomes()

    def receipt(self) -> str:
        """All of it as static HTML."""
        return framed(heading(_TITLE) + lead(_ABOUT) + self._outcomes() + self._charts())

    def __repr__(self) -> str:
        return f"{_TITLE}: {result_summary(self._work.result) if self._work.result else _NOTHING}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self.widget, ribbon(local=self._work.is_local()) + self.receipt(), repr(self))

    def _follow(self) -> None:
        if self._work.result is not self._drawn:
            self._drawn = self._work.result
            self._ended.value = compact(self._outcomes())
            self._figures.value = ""
            if self._drawn:
                self._drawing = asyncio.create_task(self._draw())

    async def _draw(self) -> None:
        drawn = self._drawn
        try:
            figures = compact(await asyncio.to_thread(self._charts))
        except Exception as error:  # noqa: BLE001 (supervision: the card says it)
            figures = f'<p role="status">The charts cannot be drawn ({text(type(error).__name__)})</p>'
        if drawn is self._drawn:
            self._figures.value = figures

    def _outcomes(self) -> str:
        plan, result = self._work.plan, self._work.result
        if not (plan and result):
            return f"<p>{_NOTHING}</p>"
        limited = f", {result.rate_limited:,} of them answered with 429" if result.rate_limited else ""
        asked = f"{result.attempts:,} requests to Genesys since the plan{limited}."
        return f"<p>{text(result_summary(result))}. {text(asked)}</p>{result_table(plan, result)}"

    def _charts(self) -> str:
        work = self._work
        return (
            charts_html(fleet_samples(work.fleet, work.plan, work.result))
            if work.fleet and work.plan and work.result
            else ""
        )
