"""What a card shows, as static HTML: no script, no widgets, readable without a kernel.

Text takes the page's own colours, so it reads well in light and dark. Every value is redacted and escaped. A receipt
is the same for the same outcome: it has no times, and leaves out the port of an address on this machine, which changes
with every start.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ipywidgets as w

from opslib import html
from opslib.errors import OpslibError
from opslib.html import text
from opslib.widgets.status import COLOURS, ICONS, QUIET, CardState, icon_and_word

Rows = Sequence[tuple[str, str]]

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# A widget's lines stand as far apart as its inputs; text below them belongs closer together.
_COMPACT = "line-height:1.4"
_LOCAL_PORT = re.compile(r"(//(?:127\.0\.0\.1|localhost|\[::1\])):\d+")


@dataclass(frozen=True)
class View:
    """All that one card says, as plain values.

    Attributes:
        reasons: why the step cannot run now; empty when it can.
        to_correct: those of them that are about what is typed on this card. Its button takes a click all the same: the
            correction may be under way before it. The work refuses what is still wrong.
        progress: how many parts are done, of how many; None while that is not known.
        inputs: label and text, row by row.
        result: HTML.
        findings: the report on the bucket, where the step makes one.
        trace: for a defect, where it came from; shown when it is asked for.
        changes: what was and was not changed, sentence by sentence; for an error or a cancelled step.
    """

    title: str
    about: str
    state: CardState
    summary: str = ""
    reasons: Sequence[str] = ()
    to_correct: Sequence[str] = ()
    progress: tuple[int, int] | None = None
    inputs: Rows = ()
    result: str = ""
    findings: Mapping[str, Any] = field(default_factory=dict)
    error: OpslibError | None = None
    trace: str = ""
    changes: Sequence[str] = ()


def receipt(view: View) -> str:
    parts = (
        heading(view.title),
        lead(view.about),
        status_line(view),
        table(f"{view.title}: inputs", view.inputs),
        view.result,
        error_box(view),
    )
    return framed("".join(parts), COLOURS[view.state])


def trouble_first(view: View, failing: str = "") -> str:
    """The card for a reader who asks what went wrong: `failing`, which is HTML, then the error with its fix. All else
    is folded away."""
    rest = (lead(view.about), table(f"{view.title}: inputs", view.inputs), view.result)
    details = f"<details><summary>Details of “{text(view.title)}”</summary>{''.join(rest)}</details>"
    return framed(heading(view.title) + status_line(view) + failing + error_box(view) + details, COLOURS[view.state])


def framed(body: str, edge: str = QUIET) -> str:
    """The HTML with a coloured edge, and without what is different in every start."""
    body = _LOCAL_PORT.sub(r"\1:…", body)
    return f'<div style="border-left:4px solid {edge};padding:0 0 0 12px;margin:8px 0">{body}</div>'


def mimebundle(widget: w.Widget, html: str, plain: str) -> dict[str, Any]:
    """The widget for a live notebook, and what a reader sees without a kernel."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"text/plain": plain, "text/html": html, WIDGET_VIEW: view}


def ribbon(*, local: bool) -> str:
    """Above what is stored: that it is a record; `local`: of a sandbox.

    In inline styles, as an untrusted notebook has no others, and without a hue: it must not look like a result."""
    title = "RECORDED EXAMPLE" if local else "RECORD OF AN EARLIER SESSION"
    what = "Stored with this notebook, from a sandbox: it is not your org." if local else "It may be out of date."
    return (
        '<p style="margin:8px 0;padding:8px 12px;border:2px dashed">'
        f'<strong style="font-size:20px">{title}</strong><br>{what} Choose Run &gt; Run All Cells to work on it.</p>\n'
    )


def heading(title: str) -> str:
    return f'<h3 style="margin:0 0 4px">{text(title)}</h3>\n'


def lead(about: str) -> str:
    """What the step does."""
    return f'<p style="margin:0 0 6px">{text(about)}</p>\n'


def status_line(view: View) -> str:
    """State as icon, word and summary; read out when it changes."""
    details = "; ".join(part for part in (view.summary, *view.reasons) if part)
    tail = f" — {text(details)}" if details else ""
    return f'<div role="status" aria-live="polite" style="margin:4px 0">{icon_and_word(view.state)}{tail}</div>'


def progress_bar(view: View) -> str:
    """How far a running step is; without numbers, that it runs."""
    done = f'value="{view.progress[0]}" max="{view.progress[1]}" ' if view.progress else ""
    return f'<progress {done}aria-label="{text(view.title)} is running" style="width:20em"></progress>'


def table(caption: str, rows: Rows) -> str:
    """Labels and texts, one pair a row; nothing when there are none."""
    return html.table(caption, (), rows).html if rows else ""


def overview(caption: str, header: Sequence[str], rows: Sequence[tuple[str, CardState, str]]) -> str:
    """Every step with its state and summary."""
    lines = [
        (title, html.Html(f'<span style="white-space:nowrap">{icon_and_word(state)}</span>'), summary)
        for title, state, summary in rows
    ]
    return _LOCAL_PORT.sub(r"\1:…", html.table(caption, header, lines).html)


def error_box(view: View) -> str:
    """The error with its cause and fix, and what was and was not changed; nothing when all is well."""
    if view.error is None:
        return labelled_lines({"Changes": " ".join(view.changes)}) if view.changes else ""
    error = view.error
    rows = {
        "Cause": error.cause,
        "Fix": error.fix,
        "HTTP status": "" if error.status is None else str(error.status),
        "Correlation id": error.correlation_id or "",
        "Changes": " ".join(view.changes),
    }
    return (
        f'<div role="alert" style="border:1px solid {COLOURS["failed"]};padding:6px 10px;margin:6px 0">'
        f'<p style="margin:0"><span aria-hidden="true">{ICONS["failed"]}</span> <strong>Error:</strong> '
        f"{text(error.title)}</p>{labelled_lines(rows)}{_trace(view.trace)}</div>"
    )


def _trace(lines: str) -> str:
    if not lines:
        return ""
    style = "white-space:pre-wrap;overflow-wrap:anywhere"
    return f'<details><summary>Where in the program</summary><pre style="{style}">{text(lines)}</pre></details>'


def labelled_lines(texts: Mapping[str, str]) -> str:
    """Labels and texts below each other; those without a text are left out."""
    lines = "".join(
        f'<p style="margin:2px 0;overflow-wrap:anywhere"><strong>{text(name)}:</strong> {text(value)}</p>'
        for name, value in texts.items()
        if value
    )
    return f"<div>{lines}</div>"


def compact(html: str) -> str:
    """The same HTML for a widget, with its lines close together; nothing when there is nothing."""
    return f'<div style="{_COMPACT}">{html}</div>' if html else ""


def problem(message: str) -> str:
    """What is wrong with a value, to stand beside its field; nothing when nothing is."""
    if not message:
        return ""
    icon = f'<span aria-hidden="true">{ICONS["failed"]}</span>'
    return f'<p class="ops-problem" role="alert">{icon} <strong>Error:</strong> {text(message)}</p>'


def note(message: str) -> str:
    return f"<p>{text(message)}</p>" if message else ""
