"""How far a fleet is, while somebody looks on, and Ctrl-C: the first begins nothing more, the second stops the rest."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from opslib.cli.output import is_terminal, say, say_progress
from opslib.walk.fleet import Fleet
from opslib.walk.fleet_progress import FleetProgress

_EVERY_S, _LINE_EVERY_S = 0.5, 30.0


@asynccontextmanager
async def progress_told(fleet: Fleet, *, quiet: bool) -> AsyncIterator[None]:
    """On a terminal, one line that is written over; elsewhere a line every half minute; with `quiet` nothing."""
    if quiet:
        yield
        return
    telling = asyncio.create_task(_tell(fleet))
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        say_progress("")


async def _tell(fleet: Fleet) -> None:
    on_terminal = is_terminal(err=True)
    while True:
        await asyncio.sleep(_EVERY_S if on_terminal else _LINE_EVERY_S)
        words = in_words(fleet.progress)
        say_progress(words) if on_terminal else say(words, err=True)


def in_words(progress: FleetProgress) -> str:
    """One line: how many are done, at work and waiting, for what, and how long it will take."""
    left = [f"{progress.time_left} left"] if progress.time_left else []
    return ", ".join([progress.count, f"{len(progress.running)} at work", *left, *progress.waits])


@contextmanager
def fleet_stops(fleet: Fleet) -> Iterator[None]:
    """The first Ctrl-C begins no other onboarding, the second stops those at work after the change in flight, and the
    third cancels that."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if not fleet.stopped:
            fleet.stop()
            say("the onboardings at work go on to their end; Ctrl-C again to stop them", err=True)
        else:
            fleet.cancel()
            say("stopping after the changes in flight; Ctrl-C again to cancel them", err=True)

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
