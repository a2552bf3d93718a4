"""The report as HTML: one page without script and without network. A notebook shows the same sections unstyled."""

import re
from collections.abc import Sequence
from functools import singledispatch
from importlib.resources import files
from string import Template

from opslib.audit.contents import number
from opslib.audit.document import (
    Answer,
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
from opslib.html import Html, code, table, text, verdict
from opslib.verdict import in_words
from opslib.visible import visible


def page(title: str, sections: Sequence[Section], *, dense: bool = False) -> str:
    """The whole page, with a list of its sections. `dense`: it is to fit on one sheet of paper."""
    template = _template("audit.html")
    links = "".join(
        f'<li><a href="#{_text(section.id)}"><span>{_text(section.number)}</span>{_text(section.title)}</a></li>\n'
        for section in sections
        if section.title and not section.on_paper
    )
    first = [block for section in sections if not section.title for block in section.blocks]
    start = next(section for section in sections if section.title)
    return Template(template).substitute(
        title=_text(title),
        kind=' class="dense"' if dense else "",
        first=_text(start.id),
        first_title=_text(start.title),
        style=_template("audit.css"),
        links=links,
        bands="".join(block_html(block).html for block in first if isinstance(block, Band)),
        cover="".join(block_html(block).html for block in first if not isinstance(block, Band)),
        sections="".join(_section(section) for section in sections if section.title),
    )


def converted_style() -> str:
    """The page's style for a notebook that `jupyter nbconvert` has made a page of; JupyterLab itself keeps its own."""
    # There the notebook is the <body>, and its variables are that page's colours.
    scoped = _template("audit.css").replace(":root {", "& {").replace("\nbody {", "\n& {")
    return f"<style>\nbody.jp-Notebook {{\n{scoped}\n{_CONVERTED}}}\n</style>"


def narrow_style() -> str:
    """In JupyterLab, with `CONTENTS` on the page: a narrow column stacks the cells of a row, as the page does."""
    _, _, rules = _template("audit.css").partition("@media screen and (max-width: 56rem) {\n")
    stacked, _, _ = rules.partition("\n}\n")
    where = f".jp-NotebookPanel .jp-Notebook:has(.{CONTENTS}) .jp-RenderedHTML"
    rows = f"@container audit (max-width: 44rem) {{ {where} {{\n{stacked}\n}} }}"
    return f"<style>\n{where} {{ {_NARROW} }}\n{rows}\n</style>"


CONTENTS = "audit-contents"
_NARROW = "container: audit / inline-size; --edge: var(--jp-border-color1); --quiet: var(--jp-ui-font-color1);"

_CONVERTED = """\
& { max-width: 62rem; margin: 0 auto; padding: 1.5rem 2rem 4rem; --jp-content-font-color0: var(--text);
  --jp-content-font-color1: var(--text); --jp-ui-font-color0: var(--text); --jp-ui-font-color1: var(--text);
  --jp-content-heading-font-weight: 700; --jp-content-link-color: var(--link); --jp-layout-color0: var(--page);
  --jp-layout-color1: var(--page); --jp-layout-color2: var(--raised); --jp-border-color1: var(--line);
  --jp-rendermime-table-row-background: var(--page); --jp-rendermime-table-row-hover-background: var(--raised);
  --jp-mirror-editor-header-color: var(--text); }
.jp-OutputPrompt, .jp-InputPrompt, .jp-Collapser, .jp-mod-noOutputs { display: none; }
.jp-RenderedHTMLCommon { padding: 0; font: inherit; }
.jp-RenderedHTMLCommon table { table-layout: auto; margin: 0 0 .5rem; font-size: .92rem; line-height: 1.42; }
.jp-Cell { padding: 0; }
"""


def _template(name: str) -> str:
    return files("opslib.audit").joinpath("templates", name).read_text(encoding="utf-8")


def section_html(section: Section) -> Html:
    """A heading and what stands below it."""
    body = _body(section)
    if not section.title:
        return body
    return Html(f"{_heading(section)}\n{body.html}\n", f"{section.title}\n{body.plain}")


def block_html(block: Block) -> Html:
    """One block, with its plain text."""
    return _html(block)


def _section(section: Section) -> str:
    paper = ' class="paper"' if section.on_paper else ""
    return f"<section{paper}>\n{_heading(section)}\n{_body(section).html}\n</section>\n"


def _heading(section: Section) -> str:
    counted = f'<span class="number">{_text(section.number)}</span> ' if section.number else ""
    return f'<h2 id="{_text(section.id)}">{counted}{_text(section.title)}</h2>'


def _body(section: Section) -> Html:
    blocks = [block_html(block) for block in section.blocks]
    return Html("\n".join(block.html for block in blocks), "\n".join(block.plain for block in blocks))


@singledispatch
def _html(block: Block) -> Html:
    raise TypeError(f"no HTML for {type(block).__name__}")


@_html.register
def _(block: Prose) -> Html:
    prose = _text(block.text)
    return Html(f'<p class="loud"><strong>{prose}</strong></p>' if block.loud else f"<p>{prose}</p>", block.text)


@_html.register
def _(block: Heading) -> Html:
    return Html(f"<h3>{_text(block.text)}</h3>", block.text)


@_html.register
def _(block: Band) -> Html:
    said = f'<p class="band"><strong>{_text(block.word)}</strong> <span>{_text(block.text)}</span></p>'
    return Html(said, f"{block.word}: {block.text}")


@_html.register
def _(block: Terms) -> Html:
    return _pairs(block.terms, "terms")


@_html.register
def _(block: Cover) -> Html:
    facts = "".join(_labelled(name, "<br>".join(map(_shown, lines))) for name, lines in block.facts)
    plain = (f"{name}: {'; '.join(_plain(line) for line in lines)}" for name, lines in block.facts)
    return Html(f'<div class="facts">\n{facts}</div>', "\n".join(plain))


@_html.register
def _(block: Panel) -> Html:
    sentences = "".join(f"<p>{_text(sentence)}</p>\n" for sentence in block.sentences)
    counts = "".join(f"<li>{verdict(word).html} {count}</li>" for word, count in block.counts.items())
    tally = f"<li><strong>{_text(block.caption)}:</strong></li>{counts}<li>exceptions {block.exceptions}</li>"
    answers = "".join(_answer(answer) for answer in block.answers)
    style = f"panel panel-{block.verdict.replace('_', '-')}"
    html = (
        f'<div class="{style}"><div class="said">'
        f'<p class="word"><strong>{_text(block.word)}</strong></p><div>{sentences}</div></div>\n'
        f'<ul class="tally">{tally}</ul>\n<div class="answers">\n{answers}</div></div>'
    )
    told = ", ".join(f"{in_words(word)} {count}" for word, count in block.counts.items())
    lines = [block.word, *block.sentences, f"{block.caption}: {told}, exceptions {block.exceptions}"]
    return Html(html, "\n".join([*lines, *(f"{answer.question} {' '.join(answer.lines)}" for answer in block.answers)]))


def _answer(answer: Answer) -> str:
    underlined = 'style="text-decoration:underline"'  # which JupyterLab leaves out
    link = f'<a href="#{_text(answer.section)}" {underlined}>Section {_text(number(answer.section))}</a>'
    return _labelled(answer.question, f"{'<br>'.join(map(_text, answer.lines))} {link}")


@_html.register
def _(block: Card) -> Html:
    mark = verdict(block.verdict) if block.verdict else Html('<span class="tag">EXCEPTION</span>', "EXCEPTION")
    style = f"card card-{block.verdict.replace('_', '-') if block.verdict else 'exception'}"
    note = f' <span class="note">{_text(block.note)}</span>' if block.note else ""
    html = (
        f'<article class="{style}"><h3>{_text(block.title)} {mark.html}{note}</h3>\n'
        f'<div class="sides">{_pairs(block.found, "found").html}{_pairs(block.ask, "ask").html}</div></article>'
    )
    told = "\n".join(f"{label}: {said}" for label, said in [*block.found, *block.ask])
    return Html(html, f"{block.title} | {mark.plain} | {block.note}\n{told}")


@_html.register
def _(block: Table) -> Html:
    rows = [visible(row.title) if isinstance(row, Group) else [_cell(cell) for cell in row] for row in block.rows]
    made = table(visible(block.caption), block.head, rows)
    if not block.folded:
        return made
    return Html(f"<details><summary>{_text(block.caption)}</summary>\n{made.html}</details>", made.plain)


@_html.register
def _(block: Command) -> Html:
    command = f'<pre style="white-space:pre-wrap">{_text(block.command)}</pre>'
    return Html(f"<p>{_text(block.text)}</p>{command}", f"{block.text}\n{block.command}")


@_html.register
def _(block: Chart) -> Html:
    title, alt = visible(block.title), visible(block.alt)
    return Html(Chart(title, alt, block.svg).html(), f"{title}. {alt}")


def _pairs(pairs: Sequence[tuple[str, str]], style: str) -> Html:
    html = "".join(_labelled(label, _text(said)) for label, said in pairs)
    return Html(f'<div class="{style}">\n{html}</div>', "\n".join(f"{label}: {said}" for label, said in pairs))


def _labelled(label: str, html: str) -> str:
    """A label and what it says, below it. A list of terms would float in JupyterLab."""
    return f'<p class="labelled"><strong>{_text(label)}</strong><br>{html}</p>\n'


def _cell(cell: Cell) -> Html | str:
    if isinstance(cell, Code):
        return code(visible(cell.value))
    if isinstance(cell, Mark):
        tags = "".join(f' <span class="tag">{_text(tag)}</span>' for tag in cell.exceptions)
        shown = verdict(cell.word)
        return Html(shown.html + tags, " ".join([shown.plain, *cell.exceptions]))
    said = visible(cell)
    if not isinstance(cell, str) or not _LONG.search(said):
        return said
    return Html(_LONG.sub(lambda word: _BREAKS.sub("<wbr>", word[0]), _text(cell)), said)


# A long word of a program breaks after / : . - _ and before a capital, as people would break it.
_LONG = re.compile(r"[\w/:.-]{16,}")
_BREAKS = re.compile(r"(?<=[a-z0-9][/:._-])(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])")


def _shown(cell: Cell) -> str:
    shown = _cell(cell)
    return shown.html if isinstance(shown, Html) else _text(shown)


def _plain(cell: Cell) -> str:
    shown = _cell(cell)
    return shown.plain if isinstance(shown, Html) else shown


def _text(value: object) -> str:
    return text(visible(value))
