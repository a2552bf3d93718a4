"""The report as data: sections of prose, tables and charts. as_html and as_pdf say how they look.

All text is plain text: no renderer reads markup in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from opslib.audit.charts import Chart
from opslib.verdict import Verdict


@dataclass(frozen=True)
class Code:
    """A long value without spaces, such as a hash."""

    value: str


@dataclass(frozen=True)
class Mark:
    """A verdict."""

    word: Verdict


Cell = str | int | Code | Mark


@dataclass(frozen=True)
class Prose:
    """A paragraph. With `loud` it must not be overlooked."""

    text: str
    loud: bool = False


@dataclass(frozen=True)
class Terms:
    """Words and what they mean."""

    terms: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Rows under column headings. The first cell heads its row. `widths` are shares of the page's width."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    widths: Sequence[int]


Block = Prose | Terms | Table | Chart


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]
