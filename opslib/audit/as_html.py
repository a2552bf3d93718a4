"""The report as HTML: one page without script and without network."""

import re
from collections.abc import Sequence
from importlib.resources import files

from opslib.audit.charts import Chart
from opslib.audit.document import Block, Cell, Code, Mark, Prose, Section, Table, Terms, visible
from opslib.html import Html, code, table, text, verdict


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page, with a list of its sections."""
    template = files("opslib.audit").joinpath("templates", "audit.html").read_text(encoding="utf-8")
    parts = {
        "title": _text(title),
        "links": "".join(
            f'<li><a href="#s{number}">{_text(one.title)}</a></li>\n' for number, one in enumerate(sections)
        ),
        "sections": "".join(section_html(one, anchor=f"s{number}").html for number, one in enumerate(sections)),
    }
    return re.sub(r"\{(title|links|sections)\}", lambda found: parts[found[1]], template)


def section_html(section: Section, anchor: str = "") -> Html:
    """A heading and what stands below it."""
    shown = [_block(block) for block in section.blocks]
    heading = f"<h2{f' id={anchor!r}' if anchor else ''}>{_text(section.title)}</h2>\n"
    return Html(
        heading + "\n".join(one.html for one in shown) + "\n", "\n".join([section.title, *(one.plain for one in shown)])
    )


def _block(block: Block) -> Html:
    if isinstance(block, Prose):
        said = _text(block.text)
        return Html(f"<p><strong>{said}</strong></p>" if block.loud else f"<p>{said}</p>", visible(block.text))
    if isinstance(block, Terms):
        pairs = "".join(f"<dt>{_text(term)}</dt><dd>{_text(meaning)}</dd>\n" for term, meaning in block.terms)
        return Html(f"<dl>\n{pairs}</dl>", "\n".join(f"{term}: {meaning}" for term, meaning in block.terms))
    if isinstance(block, Table):
        return table(visible(block.caption), block.head, [[_cell(cell) for cell in row] for row in block.rows])
    return _figure(block)


def _cell(cell: Cell) -> Html | str:
    if isinstance(cell, Code):
        return code(visible(cell.value))
    return verdict(cell.word) if isinstance(cell, Mark) else visible(cell)


def _figure(chart: Chart) -> Html:
    shown = Chart(visible(chart.title), visible(chart.alt), chart.png)
    return Html(shown.html(), f"{shown.title}. {shown.alt}")


def _text(value: object) -> str:
    return text(visible(value))
