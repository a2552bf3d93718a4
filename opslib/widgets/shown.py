"""What a cell shows that is not a card. Live it stands as it is; what is stored of it says that it is a record."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from opslib.audit.drawing import Chart
from opslib.html import Html, table, text
from opslib.ledger.moment import utc_text
from opslib.settings import Settings
from opslib.widgets.frame import plain, styled
from opslib.widgets.header import Header, place_line
from opslib.widgets.receipt import compact, mimebundle, ribbon

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 100


class Shown:
    """HTML, a chart or a DataFrame (its first 100 rows) in a card of its own. `local`: it is of a sandbox; by default,
    as the settings say."""

    def __init__(self, value: "Html | Chart | pd.DataFrame", *, local: bool | None = None) -> None:
        self._html = _as_html(value)
        self._local = Settings.load().is_local if local is None else local
        body = styled(plain(w.VBox, [plain(w.HTML, compact(self._html.html))]), "ops-body")
        self.widget = styled(plain(w.VBox, [place_line(live=not self._local), body]), "ops", "ops-card")

    def receipt(self) -> str:
        return self._html.html

    def __repr__(self) -> str:
        return self._html.plain

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self.widget, ribbon(local=self._local) + self.receipt(), repr(self))


class Place:
    """Where the notebook works, as a banner. Stored, it speaks of all outputs below it."""

    def __init__(self) -> None:
        settings = Settings.load()
        self._local = settings.is_local
        self.widget = Header()
        self.widget.show_place(live=not self._local, facts=[])

    def __repr__(self) -> str:
        return f"{'Sandbox' if self._local else 'Live'}: {self.widget.says}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        stored = f"{ribbon(local=self._local)}<p>{text(repr(self))} The outputs below are stored, too.</p>"
        return mimebundle(self.widget, stored, repr(self))


def _as_html(value: "Html | Chart | pd.DataFrame") -> Html:
    if isinstance(value, Html):
        return value
    if isinstance(value, Chart):
        return Html(value.html(), f"{value.title}. {value.alt}")
    count = len(value)
    caption = f"{count:,} rows" if count <= _MOST_ROWS else f"The first {_MOST_ROWS} of {count:,} rows"
    return table(caption, list(map(str, value.columns)), _rows(value.head(_MOST_ROWS)))


def _rows(frame: "pd.DataFrame") -> list[list[str]]:
    empty = frame.isna()
    return [
        ["–" if gone else _word(value) for value, gone in zip(values, nothing, strict=True)]
        for values, nothing in zip(frame.itertuples(index=False), empty.itertuples(index=False), strict=True)
    ]


def _word(value: object) -> str:
    return utc_text(value) if isinstance(value, datetime) else str(value)
