"""The report as data: sections of prose, tables, cards and charts. as_html and as_pdf say how they look.

All text is plain text: no renderer reads markup in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opslib.audit.drawing import Chart
from opslib.verdict import Verdict


@dataclass(frozen=True)
class Code:
    """A long value without spaces, such as a hash."""

    value: str


@dataclass(frozen=True)
class Mark:
    """A verdict, and the tags of the exceptions that stand beside it."""

    word: Verdict
    exceptions: Sequence[str] = ()


Cell = str | int | Code | Mark


@dataclass(frozen=True)
class Prose:
    """A paragraph. With `loud` it must not be overlooked."""

    text: str
    loud: bool = False


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Band:
    """What a reader must know before anything else: a word, and a sentence."""

    word: str
    text: str


@dataclass(frozen=True)
class Terms:
    """Words and what they mean."""

    terms: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Cover:
    """What the report is about, fact by fact; a fact may have several lines."""

    facts: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True)
class Answer:
    """A reviewer's question with a short answer, line by line, and the section that says more."""

    question: str
    lines: Sequence[str]
    section: str


@dataclass(frozen=True)
class Panel:
    """The verdict: its word in capitals, the sentences beside it, counts by verdict, and short answers."""

    word: str
    verdict: Verdict
    sentences: Sequence[str]
    caption: str
    counts: Mapping[Verdict, int]
    exceptions: int
    answers: Sequence[Answer]


@dataclass(frozen=True)
class Card:
    """Something that a reader has to do: what was found, and whom to ask for what, each as label and text.

    `verdict` is None for an exception. `note` stands beside the title.
    """

    title: str
    verdict: Verdict | None
    note: str
    found: Sequence[tuple[str, str]]
    ask: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Group:
    """A row that heads those below it."""

    title: str


@dataclass(frozen=True)
class Table:
    """Rows under column headings. The first cell heads its row. `widths` are shares of the page's width. On a screen, a
    `folded` table is closed until a reader opens it."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell] | Group]
    widths: Sequence[int]
    folded: bool = False


@dataclass(frozen=True)
class Command:
    """Something to do at a terminal: what and why, then the command."""

    text: str
    command: str


Block = Prose | Heading | Band | Terms | Cover | Panel | Card | Table | Command | Chart


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it. `id` is its address in the page, `number` how others refer to it; without
    `title` it has no heading. `on_paper`: it is for print only."""

    id: str
    number: str
    title: str
    blocks: Sequence[Block]
    on_paper: bool = False
