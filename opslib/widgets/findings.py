"""The findings about a bucket on its card, with a filter by verdict."""

from collections.abc import Mapping
from typing import Any

import ipywidgets as w

from opslib.validator.render import ORDER
from opslib.widgets.receipt import close
from opslib.widgets.results import findings

_ALL = "all"
_FILTERS = {"All": _ALL, "To mend (✖ ? ⚠)": "mend", "✔ PASS": "PASS", "– not checked": "not_checked"}
_SHOWN = {_ALL: ORDER, "mend": ("FAIL", "UNKNOWN", "WARN"), "PASS": ("PASS",), "not_checked": ("not_checked",)}


class FindingsView:
    """A table of findings under a choice of which to show; nothing when there are none."""

    def __init__(self) -> None:
        self._report: Mapping[str, Any] = {}
        self._filter = w.ToggleButtons(
            options=list(_FILTERS.items()), description="Show", style={"button_width": "auto"}
        )
        self._table = w.HTML()
        self._filter.observe(lambda _: self._draw(), "value")
        self.widget = w.VBox([self._filter, self._table])
        self.show({})

    def show(self, report: Mapping[str, Any]) -> None:
        """Show these findings; an empty report takes no room."""
        self._report = report
        self.widget.layout.display = None if report else "none"
        self._draw()

    def _draw(self) -> None:
        only = _SHOWN[self._filter.value]
        self._table.value = close(findings(self._report, only=only, measured=True)) if self._report else ""
