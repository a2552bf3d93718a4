"""The findings about a bucket on its card, with a filter by verdict, and the documents that the bucket needs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w

from opslib.audit.charts import retention_chart
from opslib.validator.render import as_html, code
from opslib.verdict import ICONS, TO_MEND, WORST_FIRST, Verdict, in_words
from opslib.walk.steps import Walk
from opslib.widgets.documents import bucket_documents_html, copyable
from opslib.widgets.fields import show
from opslib.widgets.receipt import compact

_TO_MEND_LABEL = f"To mend ({' '.join(ICONS[verdict] for verdict in TO_MEND)})"
_SHOWN: dict[str, Sequence[Verdict]] = {
    "all": WORST_FIRST,
    "mend": TO_MEND,
    "PASS": ("PASS",),
    "not_checked": ("not_checked",),
}
_FILTERS = {
    "All": "all",
    _TO_MEND_LABEL: "mend",
    **{f"{ICONS[verdict]} {in_words(verdict)}": verdict for verdict in ("PASS", "not_checked")},
}


def findings_html(
    report: Mapping[str, Any],
    *,
    only: Sequence[Verdict] = WORST_FIRST,
    measured: bool,
    code: Callable[[str], str] = code,
) -> str:
    """The bucket's findings and its four clocks; `only` names the verdicts to show, `code` shows a command."""
    chart = retention_chart(report["clocks"]).html() if report["clocks"] else ""
    return as_html(dict(report), only=only, evidence=measured, code=code).html + chart


class FindingsView:
    """A table of findings under a choice of which to show, when there are any; below it, what the bucket needs."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._report: Mapping[str, Any] = {}
        # A screen reader hears what is chosen; of ToggleButtons it does not.
        self._filter = w.Dropdown(options=list(_FILTERS.items()), description="Show")
        self._table, self._documents = w.HTML(), w.HTML()
        self._filter.observe(lambda _: self._draw(), "value")
        self._findings = w.VBox([self._filter, self._table])
        self.widget = w.VBox([self._findings, self._documents])
        self.show({})

    def show(self, report: Mapping[str, Any]) -> None:
        """Show these findings; an empty report takes no room."""
        self._report = report
        self._findings.layout.display = None if report else "none"
        self._draw()
        show(self._documents, compact(bucket_documents_html(self._walk, report)))

    def _draw(self) -> None:
        only = _SHOWN[self._filter.value]
        findings = findings_html(self._report, only=only, measured=True, code=copyable) if self._report else ""
        show(self._table, compact(findings))
