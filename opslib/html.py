"""Small pieces of static HTML: no script, no network. Every value is redacted, made visible and escaped here."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from opslib.verdict import ICONS, Verdict, in_words
from opslib.visible import visible, visible_text


@dataclass(frozen=True)
class Html:
    """A piece of HTML that a notebook shows as such; `plain` is what it shows without."""

    html: str
    plain: str = ""

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.plain


def text(value: object) -> str:
    """A value for a page: redacted and made visible, then escaped."""
    return escape(visible_text(value))


# Seen on white and on black; the text keeps the page's own colour.
_VERDICT_COLOURS: dict[Verdict, str] = {
    "PASS": "#2e9d55",
    "FAIL": "#d93025",
    "WARN": "#c77700",
    "UNKNOWN": "#8a63d2",
    "not_checked": "#8a8a8a",
}


def verdict(word: Verdict) -> Html:
    """A verdict as colour, icon and word, so that colour is not needed; a page may style the class."""
    style = f"border-left:5px solid {_VERDICT_COLOURS[word]};padding-left:6px;white-space:nowrap"
    shown = f'<span aria-hidden="true">{ICONS[word]}</span> <strong>{in_words(word)}</strong>'
    css_class = f"verdict verdict-{word.replace('_', '-')}"
    return Html(f'<span class="{css_class}" style="{style}">{shown}</span>', in_words(word))


def code(value: object) -> Html:
    """A long value without spaces, such as a hash, that may break anywhere.

    Of `overflow-wrap`, JupyterLab takes no notice in a notebook that is not trusted.
    """
    return Html(f'<code style="word-break:break-all">{text(value)}</code>', visible(value))


def identifier(value: object) -> Html:
    """An id in a cell: it may break anywhere, and its column is wide enough for it to break in few places."""
    long = code(value)
    return Html(f'<span style="display:inline-block;min-width:11em">{long.html}</span>', long.plain)


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object] | str]) -> Html:
    """A table with a caption and, unless `head` is empty, column headings; the first cell of each row heads the row.
    A row that is a text heads those below it.

    A cell that is `Html` stands as it is; anything else is escaped. Each names its column, so that a narrow page can
    stack them.
    """
    listed = [row if isinstance(row, str) else list(row) for row in rows]
    columns = "".join(f'<th scope="col" style="{_LEFT}">{text(name)}</th>' for name in head)
    labels = list(head) or [""] * max((len(row) for row in listed if not isinstance(row, str)), default=1)
    lines = "".join(_group(row, len(labels)) if isinstance(row, str) else _row(row, labels) for row in listed)
    return Html(
        '<table style="margin:6px 0;overflow-wrap:anywhere">\n'
        f'<caption style="text-align:left;font-weight:600">{text(caption)}</caption>\n'
        f"{f'<thead><tr>{columns}</tr></thead>' if head else ''}\n<tbody>\n{lines}</tbody></table>\n",
        "\n".join([visible(caption), *(_plain_row(row) for row in listed)]),
    )


def _row(row: Sequence[object], labels: Sequence[str]) -> str:
    cells = (_cell("td", cell, label) for label, cell in zip(labels[1:], row[1:], strict=True))
    return f"<tr>{_cell('th', row[0])}{''.join(cells)}</tr>\n"


def _group(title: str, columns: int) -> str:
    return f'<tr class="group"><th scope="rowgroup" colspan="{columns}" style="{_LEFT}">{text(title)}</th></tr>\n'


def _plain_row(row: Sequence[object] | str) -> str:
    return visible(row) if isinstance(row, str) else " | ".join(_plain(cell) for cell in row)


# JupyterLab right-aligns cells that do not say otherwise.
_LEFT = "text-align:left;padding-right:12px;vertical-align:top"
# A moment is read as one word.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def _plain(cell: object) -> str:
    return cell.plain if isinstance(cell, Html) else visible(cell)


def _cell(tag: str, value: object, label: str = "") -> str:
    more = ' scope="row"' if tag == "th" else f' data-label="{text(label)}"' if label else ""
    style = f"{_LEFT};white-space:nowrap" if isinstance(value, str) and _MOMENT.fullmatch(value) else _LEFT
    return f'<{tag}{more} style="{style}">{value.html if isinstance(value, Html) else text(value)}</{tag}>'
