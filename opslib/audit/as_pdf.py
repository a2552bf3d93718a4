"""The report as PDF/UA-1: tagged, with alternative texts, and the same bytes for the same report.

Typst lays it out. It gets every text as a JSON value, so nothing in it can be markup. Fonts are DejaVu, which come with
matplotlib; what they cannot show is written as its code point.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from opslib.audit.contents import number
from opslib.audit.document import (
    Band,
    Block,
    Card,
    Cell,
    Code,
    Command,
    Cover,
    Group,
    Heading,
    Mark,
    Panel,
    Prose,
    Section,
    Table,
    Terms,
)
from opslib.audit.drawing import Chart
from opslib.verdict import ICONS, in_words
from opslib.visible import visible

_FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")


Paper = Literal["a4", "letter"]
PAPERS: tuple[Paper, ...] = get_args(Paper)


def pdf(title: str, run_id: str, at: str, sections: Sequence[Section], paper: Paper = "a4") -> bytes:
    """The whole report. `at` (ISO 8601, UTC) is the document's date."""
    import typst

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        report = {
            "title": _shown(title),
            "run": _shown(run_id),
            "paper": "us-letter" if paper == "letter" else paper,
            "at": list(datetime.fromisoformat(at).timetuple()[:6]),
            "sections": [_section(section, root, place) for place, section in enumerate(sections)],
        }
        (root / "report.json").write_text(json.dumps(report), encoding="utf-8")
        (root / "audit.typ").write_bytes(files("opslib.audit").joinpath("templates", "audit.typ").read_bytes())
        return typst.compile(
            root / "audit.typ",
            root=root,
            font_paths=[_font_folder()],
            ignore_system_fonts=True,
            pdf_standards=["ua-1"],
        )


def _section(section: Section, root: Path, at: int) -> Mapping[str, Any]:
    blocks = [_block(block, root, f"{at}-{place}.svg") for place, block in enumerate(section.blocks)]
    heading = f"{section.number} {section.title}".strip()
    return {"title": _shown(heading), "blocks": blocks, "paper": section.on_paper}


def _block(block: Block, root: Path, file: str) -> Mapping[str, Any]:
    """The block's kind, and all its texts as they are to be shown."""
    if isinstance(block, Chart):
        return _chart(block, root, file)
    return {"kind": type(block).__name__.lower(), **_BLOCKS[type(block)](block)}


def _table(block: Table) -> Mapping[str, Any]:
    rows = [_shown(row.title) if isinstance(row, Group) else [_cell(cell) for cell in row] for row in block.rows]
    return {
        "caption": _shown(block.caption),
        "head": [_shown(name) for name in block.head],
        "rows": rows,
        "widths": block.widths,
    }


def _panel(block: Panel) -> Mapping[str, Any]:
    return {
        "word": _shown(block.word),
        "verdict": in_words(block.verdict),
        "sentences": [_shown(sentence) for sentence in block.sentences],
        "caption": _shown(block.caption),
        "counts": [[_cell(Mark(word)), str(count)] for word, count in block.counts.items()],
        "exceptions": str(block.exceptions),
        "answers": [
            [_shown(answer.question), *map(_shown, answer.lines), f"Section\u00a0{number(answer.section)}"]
            for answer in block.answers
        ],
    }


def _card(block: Card) -> Mapping[str, Any]:
    mark = _cell(Mark(block.verdict)) if block.verdict else {"style": "tag", "text": "EXCEPTION"}
    sides = {"found": _pairs(block.found), "ask": _pairs(block.ask)}
    return {"title": _shown(block.title), "mark": mark, "note": _shown(block.note), **sides}


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    return [[_shown(label), _shown(said)] for label, said in pairs]


_BLOCKS: Mapping[type, Callable[[Any], Mapping[str, Any]]] = {
    Prose: lambda block: {"text": _shown(block.text), "loud": block.loud},
    Heading: lambda block: {"text": _shown(block.text)},
    Band: lambda block: {"word": _shown(block.word), "text": _shown(block.text)},
    Terms: lambda block: {"terms": _pairs(block.terms)},
    Cover: lambda block: {"facts": [[_shown(name), [_cell(line) for line in lines]] for name, lines in block.facts]},
    Panel: _panel,
    Card: _card,
    Table: _table,
    Command: lambda block: {"text": _shown(block.text), "command": _shown(block.command)},
}


def _chart(chart: Chart, root: Path, file: str) -> Mapping[str, Any]:
    if chart.svg:
        (root / file).write_text(_shown(chart.svg), encoding="utf-8")
    shown = {"kind": "chart", "title": _shown(chart.title), "alt": _shown(chart.alt)}
    return {**shown, "file": file if chart.svg else None}


def _cell(cell: Cell) -> Mapping[str, Any]:
    if isinstance(cell, Mark):
        shown = {"style": "verdict", "text": in_words(cell.word), "icon": ICONS[cell.word]}
        return {**shown, "tags": [_shown(tag) for tag in cell.exceptions]}
    if isinstance(cell, Code):
        return {"style": "code", "text": _shown(cell.value)}
    return {"style": "text", "text": _shown(cell)}


def _shown(value: object) -> str:
    """As `visible`, and without characters that a font lacks: PDF/UA allows none."""
    return "".join(char if ord(char) in _characters() else f"U+{ord(char):04X}" for char in visible(value))


@cache
def _characters() -> frozenset[int]:
    """What all fonts of the report can show."""
    from matplotlib.ft2font import FT2Font

    known = [frozenset(FT2Font(str(_font_folder() / name)).get_charmap()) for name in _FONTS]
    return known[0].intersection(*known[1:])


def _font_folder() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"
