"""The report as HTML: one page without script and without network."""

from collections.abc import Sequence
from importlib.resources import files
from string import Template

from opslib.audit.charts import Chart
from opslib.audit.document import Block, Cell, Code, Mark, Prose, Section, Table, Terms
from opslib.html import Html, code, table, text, verdict
from opslib.visible import visible


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page, with a list of its sections."""
    template = files("opslib.audit").joinpath("templates", "audit.html").read_text(encoding="utf-8")
    links = (f'<li><a href="#s{number}">{_text(section.title)}</a></li>\n' for number, section in enumerate(sections))
    parts = (section_html(section, anchor=f"s{number}").html for number, section in enumerate(sections))
    return Template(template).substitute(title=_text(title), links="".join(links), sections="".join(parts))


def section_html(section: Section, anchor: str = "") -> Html:
    """A heading and what stands below it."""
    blocks = [block_html(block) for block in section.blocks]
    heading = f"<h2{f' id={anchor!r}' if anchor else ''}>{_text(section.title)}</h2>\n"
    body = "\n".join(block.html for block in blocks)
    return Html(f"{heading}{body}\n", "\n".join([section.title, *(block.plain for block in blocks)]))


def block_html(block: Block) -> Html:
    if isinstance(block, Prose):
        prose = _text(block.text)
        return Html(f"<p><strong>{prose}</strong></p>" if block.loud else f"<p>{prose}</p>", visible(block.text))
    if isinstance(block, Terms):
        pairs = "".join(f"<dt>{_text(term)}</dt><dd>{_text(meaning)}</dd>\n" for term, meaning in block.terms)
        return Html(f"<dl>\n{pairs}</dl>", "\n".join(f"{term}: {meaning}" for term, meaning in block.terms))
    if isinstance(block, Table):
        return table(visible(block.caption), block.head, [[_cell(cell) for cell in row] for row in block.rows])
    return _chart(block)


def _cell(cell: Cell) -> Html | str:
    if isinstance(cell, Code):
        return code(visible(cell.value))
    return verdict(cell.word) if isinstance(cell, Mark) else visible(cell)


def _chart(chart: Chart) -> Html:
    title, alt = visible(chart.title), visible(chart.alt)
    return Html(Chart(title, alt, chart.png).html(), f"{title}. {alt}")


def _text(value: object) -> str:
    return text(visible(value))
