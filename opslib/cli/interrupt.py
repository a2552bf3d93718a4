"""Ctrl-C while an org is changed: the first finishes the change in flight, the second cancels it."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import click

from opslib.cli.output import say
from opslib.errors import HalfDone, LedgerError
from opslib.router.journal import is_left_in
from opslib.settings import Settings
from opslib.walk.steps import RECOVERY, STEPS
from opslib.walk.walk import Walk

Result = TypeVar("Result")


@contextmanager
def first_interrupt_stops(walk: Walk) -> Iterator[None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupted() -> None:
        if walk.applier and not walk.applier.stopping:
            walk.applier.stop()
            say("stopping after the change in flight; Ctrl-C again to cancel it", err=True)
        elif task:
            for name in (*STEPS, *RECOVERY):
                walk.cancel(name)
            task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def half_done_if_cancelled(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of the work. Raises HalfDone if it was cancelled within a change, click.Abort if before or after."""
    try:
        return await work
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
    settings = Settings.load()
    with suppress(LedgerError):  # then it is not known
        if not is_left_in(settings.home, settings.api_base):
            raise click.Abort("Ctrl-C; no change was under way")
    raise HalfDone(
        "Cancelled in the middle of a change",
        cause="whether the change in flight took effect is not known",
        fix="run `opslib resume` to go on or `opslib rollback` to undo it",
    )
