"""Entries that wait a moment for others before they are written: a commit and a signature for all of them.

What is noted is in this process's memory until then. What is appended is on disk when `append` returns, with what was
noted before it: the order in the ledger is the order of events.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakMethod, WeakSet

# The longest that an entry waits for others (s).
WITHIN_S = 0.1

_ALL: "WeakSet[Waiting]" = WeakSet()


@dataclass(slots=True, eq=False)
class Note:
    """An entry that is yet to be written; `seq` is its number once it is.

    A list in `data` may hold notes that come before this one: they are written as their numbers.
    """

    run_id: str
    kind: str
    data: dict[str, Any]
    at: str
    by_actor: bool = True
    seq: int = 0


class Waiting:
    """What one object has noted of the ledger in a file. Its method `write` takes it and writes it, and raises nothing.

    Attributes:
        failed: whether it could not be written; it waits for the next attempt then.
        file: the device and the number of the ledger's file.
        write: gives `write`; None once the object is gone.
    """

    def __init__(self, file: Path, write: Callable[[], None]) -> None:
        self.failed = False
        self.file = _identity(file)
        self.write = WeakMethod(write)  # only while something waits does it keep the object alive
        self._notes: deque[Note] = deque()
        self._timer: threading.Timer | None = None
        _ALL.add(self)

    def add(self, note: Note) -> None:
        """Have it written in another thread, WITHIN_S from now at the latest."""
        self._notes.append(note)
        if self._timer is None and (write := self.write()):  # two threads at once may start two: no harm
            self._timer = threading.Timer(WITHIN_S, write)
            self._timer.daemon = True
            self._timer.start()

    def take(self) -> list[Note]:
        """All of them, in order: to be written, or put back."""
        timer, self._timer = self._timer, None  # first of all: what is added from now on has a timer of its own
        if timer:
            timer.cancel()
        return [self._notes.popleft() for _ in range(len(self._notes))]

    def put_back(self, notes: list[Note]) -> None:
        """As if they had not been taken."""
        self._notes.extendleft(reversed(notes))

    def __len__(self) -> int:
        return len(self._notes)


def write_what_waits(file: Path) -> None:
    """Write what this process has noted of the ledger in a file, or wait until it is written: it is about to be read.
    Nothing is done where the file cannot be looked at: who reads it finds out."""
    with suppress(OSError):
        identity = _identity(file)
        for waiting in [*_ALL]:
            if waiting.file == identity and (write := waiting.write()):
                write()


def _identity(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_dev, stat.st_ino
