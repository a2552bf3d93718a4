"""The report as PDF/UA-1: tagged, with alternative texts, and the same bytes for the same report.

Typst lays it out. It gets every text as a JSON value, so nothing in it can be markup. Fonts are DejaVu, which come with
matplotlib; what they cannot show is written as its code point.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from opslib.audit.charts import Chart
from opslib.audit.document import Block, Cell, Code, Mark, Prose, Section, Table, Terms
from opslib.verdict import ICONS, in_words
from opslib.visible import visible

_FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")


def pdf(title: str, run_id: str, at: str, sections: Sequence[Section]) -> bytes:
    """The whole report. `at` (ISO 8601, UTC) is the document's date."""
    import typst

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        report = {
            "title": _shown(title),
            "run": _shown(run_id),
            "at": list(datetime.fromisoformat(at).timetuple()[:6]),
            "sections": [_section(section, root, number) for number, section in enumerate(sections)],
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


def _section(section: Section, root: Path, number: int) -> Mapping[str, Any]:
    blocks = [_block(block, root, f"{number}-{place}.png") for place, block in enumerate(section.blocks)]
    return {"title": _shown(section.title), "blocks": blocks}


def _block(block: Block, root: Path, file: str) -> Mapping[str, Any]:
    if isinstance(block, Prose):
        return {"kind": "prose", "text": _shown(block.text), "loud": block.loud}
    if isinstance(block, Terms):
        return {"kind": "terms", "terms": [[_shown(term), _shown(meaning)] for term, meaning in block.terms]}
    if isinstance(block, Table):
        return {
            "kind": "table",
            "caption": _shown(block.caption),
            "head": [_shown(name) for name in block.head],
            "rows": [[_cell(cell) for cell in row] for row in block.rows],
            "widths": block.widths,
        }
    return _chart(block, root, file)


def _chart(chart: Chart, root: Path, file: str) -> Mapping[str, Any]:
    (root / file).write_bytes(chart.png)
    return {"kind": "chart", "title": _shown(chart.title), "alt": _shown(chart.alt), "file": file}


def _cell(cell: Cell) -> Mapping[str, str]:
    if isinstance(cell, Mark):
        return {"style": "verdict", "text": in_words(cell.word), "icon": ICONS[cell.word]}
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
