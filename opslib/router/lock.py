"""One apply, or one verification, at a time in a workspace. The lock is SQLite's own, so it ends with the process."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from opslib.errors import Busy, LedgerError
from opslib.ledger.actor import machine
from opslib.ledger.database import is_busy
from opslib.ledger.ledger import Run

_FILE = "apply.lock"


@contextmanager
def apply_lock(run: Run) -> Iterator[None]:
    """Hold the workspace's lock. Raises Busy, saying who holds it and since when; LedgerError for an unusable file."""
    with file_lock(run.ledger.path.with_name(_FILE), lambda: _another_apply(run)):
        run.append("lock.taken", machine())
        yield


@contextmanager
def file_lock(file: Path, busy: Callable[[], Busy]) -> Iterator[None]:
    """Hold a lock that is this file. Raises `busy()` where it is held already, LedgerError for an unusable file."""
    with closing(_opened(file)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if not is_busy(error):
                raise _unusable(file, str(error)) from None
            raise busy() from None
        if not os.access(file, os.W_OK):  # SQLite then locks nobody out, and says nothing
            raise _unusable(file, "it is readonly")
        yield


def _another_apply(run: Run) -> Busy:
    holder = list(run.ledger.entries("lock.taken"))[-1:]
    who = "somebody else"
    if holder:
        who = f"{holder[0].data['user']} on {holder[0].data['host']}, since {holder[0].at}"
    return Busy(
        "Another apply is at work in this workspace",
        cause=f"it is held by {who}",
        fix="wait until it has finished, then plan again; nothing was written to the org",
    )


def _opened(file: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(file, timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise _unusable(file, str(error)) from None


def _unusable(file: Path, why: str) -> LedgerError:
    return LedgerError(
        f"The workspace's lock {file} cannot be taken",
        cause=why,
        fix="check the folder's permissions and free space; nothing was written to the org",
    )
