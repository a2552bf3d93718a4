"""Which step of a walk is running, and how far it is, while somebody looks on."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from opslib.cli.output import is_terminal, say_progress
from opslib.walk.steps import STEPS
from opslib.walk.walk import Walk


@contextmanager
def progress_shown(walk: Walk) -> Iterator[None]:
    """On a terminal, one line that is written over; it is gone whenever no step runs. With --json there is none."""
    command = click.get_current_context(silent=True)
    if not is_terminal(err=True) or (command and command.params.get("as_json")):
        yield
        return

    def tell(*_: object) -> None:
        say_progress("".join(_words(walk, name) for name in STEPS if walk.state(name) == "running"))

    walk.on_change.append(tell)
    walk.on_progress.append(tell)
    try:
        yield
    finally:
        say_progress("")


def _words(walk: Walk, name: str) -> str:
    done, total, doing = walk.progress.get(name, (0, 0, ""))
    return f"{STEPS[name].title}: {done} of {total} {doing}" if total else f"{STEPS[name].title} …"
