"""All that the command line prints. No other file of this room prints, so nothing can act on a terminal.

A terminal gets colour (unless NO_COLOR is set), lines that break between words, and progress that is written over.
Anything else gets plain lines.
"""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import click

from opslib.verdict import Readiness, in_words
from opslib.visible import visible_json, visible_line, visible_text

NEXT = "Next: "
"""Begins the line with the command to go on with."""

# What begins a line, by its colour; the word or sign says the same without it.
_COLOURS = {
    "green": ("+", "✔", "PASS", "done", "done:", "intact:"),
    "yellow": ("~", "⚠", "?", "WARN", "UNKNOWN", "unknown", "warning:", "drifted"),
    "red": ("-", "!", "✖", "FAIL", "failed", "error", "NOT"),
    "cyan": ("i", "Next:"),
}
_COLOUR_OF = {word: colour for colour, words in _COLOURS.items() for word in words}
_BEGINNING = re.compile(r"( *)(\S+)(.*)", re.DOTALL)


def is_terminal(*, err: bool = False) -> bool:
    stream = sys.stderr if err else sys.stdout
    return stream is not None and stream.isatty()  # None: closed by whoever started us


def say(*lines: object, err: bool = False) -> None:
    """Each value as one line: a line break in it is shown, and begins no line."""
    for line in lines:
        _print(visible_line(line), err=err)


def say_text(text: str, *, err: bool = False) -> None:
    """A text that has lines of its own, from a renderer that made each of them one line."""
    for line in visible_text(text).split("\n"):
        _print(line, err=err)


def say_document(text: str, *, nl: bool = True) -> None:
    """A file to copy or to keep: exactly as it is."""
    click.echo(visible_text(text), nl=nl, color=False)


def say_json(document: Mapping[str, Any] | Sequence[Any], *, indent: int | None = None) -> None:
    """The one JSON document of `--json`."""
    click.echo(visible_json(document, ascii_only=True, indent=indent))


def say_rows(rows: Sequence[Readiness]) -> None:
    """Answers about an org, a feed or this machine."""
    say(
        *(f"{in_words(row.word):8} {row.question}: {row.found}{f'. Fix: {row.fix}' if row.fix else ''}" for row in rows)
    )


def say_progress(words: str, *, last: bool = False) -> None:
    """One line on a terminal that the next one is written over; nothing elsewhere. An empty one removes it."""
    if is_terminal(err=True) and os.environ.get("TERM") != "dumb":
        shown = visible_line(words)[: shutil.get_terminal_size().columns - 1]
        click.echo(f"\r\x1b[K{shown}", err=True, nl=last, color=True)


def ask(question: str) -> bool:
    """Whether the user answers y. Raises click.Abort for Ctrl-C or the end of input."""
    try:
        return click.confirm("\n".join(_folded(visible_line(question), beside=len(" [y/N]: y"))), err=True)
    except click.Abort:
        click.echo(err=True)  # what follows begins its own line
        raise click.Abort("Ctrl-C, or the end of input, instead of an answer; nothing was written") from None


def _print(line: str, *, err: bool) -> None:
    if not is_terminal(err=err):
        click.echo(line, err=err)
        return
    colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for number, part in enumerate(_folded(line)):
        click.echo(_coloured(part) if colour and not number else part, err=err, color=colour)


def _coloured(line: str) -> str:
    found = _BEGINNING.match(line)
    if not found or found[2] not in _COLOUR_OF:
        return line
    return found[1] + click.style(found[2], fg=_COLOUR_OF[found[2]]) + found[3]


def _folded(line: str, *, beside: int = 0) -> list[str]:
    """As wide as the terminal: it breaks between words, and a longer word, such as a field's path, at a dot. `beside`
    is room that is kept free at the end."""
    columns = shutil.get_terminal_size().columns - beside
    if len(line) < columns or line.startswith(NEXT):  # a command is copied as one line
        return [line]
    indent = " " * (len(line) - len(line.lstrip(" ")) + 4)
    room = max(columns - len(indent) - 1, 20)
    words = re.sub(rf"\S{{{room},}}", lambda word: _with_breaks(word[0], room), line)
    return textwrap.wrap(words, columns - 1, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _with_breaks(word: str, room: int) -> str:
    return re.sub(rf"(\S{{1,{room}}}[./,])(?=\S)", r"\1 ", word)
