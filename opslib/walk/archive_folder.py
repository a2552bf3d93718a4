"""The folder of the archive in a workspace: one at work in it at a time."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from opslib.errors import Busy
from opslib.router.lock import file_lock
from opslib.settings import Settings

_FOLDER = "archive"
_LOCK = "verify.lock"

T = TypeVar("T")


@dataclass(frozen=True)
class Asking:
    """How far the org has been asked: `what` in words, and how many of how many."""

    what: str
    done: int
    known: int

    @property
    def words(self) -> str:
        return f"{self.what}: {self.done:,} of {self.known:,}"


@contextmanager
def archive_folder(settings: Settings) -> Iterator[Path]:
    """The folder, private and locked. Raises Busy while another one is at work there, LedgerError, and OSError."""
    folder = settings.home / _FOLDER
    for private in (settings.home, folder):
        private.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file_lock(folder / _LOCK, _another_one):
        yield folder


async def in_a_thread(work: Callable[[], T], stop: Callable[[], None] = lambda: None) -> T:
    """The result of the work. A cancellation calls `stop`, and waits for the work to end: who asks again uses the same
    files."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([task])
        task.exception()  # of the work that was stopped
        raise


def _another_one() -> Busy:
    return Busy(
        "Another verification is at work in this workspace",
        cause="both would keep what they read in the same files",
        fix="wait until it has finished, or set OPSLIB_HOME to another folder; nothing was read",
    )
