"""The findings about a bucket on its card, with a filter by verdict, and the documents that the bucket needs."""

from collections.abc import Mapping
from typing import Any

import ipywidgets as w

from opslib.validator.render import ORDER
from opslib.walk.walk import Walk
from opslib.widgets.documents import documents, to_copy
from opslib.widgets.fields import show
from opslib.widgets.receipt import close
from opslib.widgets.results import findings

_ALL = "all"
_FILTERS = {"All": _ALL, "To mend (✖ ? ⚠)": "mend", "✔ PASS": "PASS", "– not checked": "not_checked"}
_SHOWN = {_ALL: ORDER, "mend": ("FAIL", "UNKNOWN", "WARN"), "PASS": ("PASS",), "not_checked": ("not_checked",)}


class FindingsView:
    """A table of findings under a choice of which to show, when there are any; below it, what the bucket needs."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._report: Mapping[str, Any] = {}
        # A screen reader hears what is chosen; of ToggleButtons it does not.
        self._filter = w.Dropdown(options=list(_FILTERS.items()), description="Show")
        self._table, self._documents = w.HTML(), w.HTML()
        self._filter.observe(lambda _: self._draw(), "value")
        self._found = w.VBox([self._filter, self._table])
        self.widget = w.VBox([self._found, self._documents])
        self.show({})

    def show(self, report: Mapping[str, Any]) -> None:
        """Show these findings; an empty report takes no room."""
        self._report = report
        self._found.layout.display = None if report else "none"
        self._draw()
        show(self._documents, close(documents(self._walk, report)))

    def _draw(self) -> None:
        only = _SHOWN[self._filter.value]
        shown = findings(self._report, only=only, measured=True, code=to_copy) if self._report else ""
        show(self._table, close(shown))
