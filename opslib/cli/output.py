"""All that the command line prints. No other file of this room prints, so nothing can act on a terminal."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from opslib.verdict import Readiness
from opslib.visible import visible_json, visible_line, visible_text


def say(*lines: object, err: bool = False) -> None:
    """Each value as one line: a line break in it is shown, and begins no line."""
    for line in lines:
        click.echo(visible_line(line), err=err)


def say_text(text: str, *, err: bool = False, nl: bool = True) -> None:
    """A text that has lines of its own, from a renderer that made each of them one line; or a document."""
    click.echo(visible_text(text), err=err, nl=nl)


def say_progress(words: str, *, done: bool) -> None:
    """On a terminal, one line that is written over until it is `done`; nothing elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r{visible_line(words):<70}", err=True, nl=done)


def say_json(document: Mapping[str, Any] | Sequence[Any], *, indent: int | None = None) -> None:
    """The one JSON document of `--json`."""
    click.echo(visible_json(document, ascii_only=True, indent=indent))


def say_rows(rows: Sequence[Readiness]) -> None:
    """Answers about an org, a feed or this machine."""
    say(*(f"{row.word:8} {row.question}: {row.found}{f'. Fix: {row.fix}' if row.fix else ''}" for row in rows))
