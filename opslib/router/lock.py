"""One apply at a time in a workspace. The lock is SQLite's own, so it ends with the process, however that ends."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from opslib.errors import Busy
from opslib.ledger.ledger import Run

_FILE = "apply.lock"


@contextmanager
def apply_lock(run: Run) -> Iterator[None]:
    """Hold the workspace's lock. Raises Busy, saying who holds it and since when."""
    ledger = run.ledger
    with closing(sqlite3.connect(ledger.path.with_name(_FILE), timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            holder = list(ledger.entries("lock.taken"))[-1:]
            who = (
                "somebody else"
                if not holder
                else f"{holder[0].data['user']} on {holder[0].data['host']}, since {holder[0].at}"
            )
            raise Busy(
                "Another apply is at work in this workspace",
                cause=f"it is held by {who}",
                fix="wait until it has finished, then plan again; nothing was written",
            ) from None
        about = next(iter(run.entries("run.started"))).data
        run.append("lock.taken", {"user": about["user"], "host": about["host"]})
        yield
