"""The append-only record of everything that happened: one SQLite file, every entry chained to the one before.

An entry's hash is SHA-256 over six lines: the hash before it, its number, run, kind, time and body. The body is
canonical JSON (RFC 8785) and is stored as it was hashed, so that a check needs no parser. Checkpoints stand in a
table of their own and name the head of the chain at a moment: without them, cutting off the end would not show.
"""

import getpass
import hashlib
import json
import platform
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rfc8785

from opslib.errors import LedgerError
from opslib.redact import redact_json
from opslib.samples import frame, utc_now
from opslib.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

FILE_NAME = "ledger.sqlite3"
SCHEMA_VERSION = 1
NO_HASH = "0" * 64

# Several processes may write at once; each waits this long for its turn.
_BUSY_TIMEOUT_S = 30.0

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS entries(
    seq INTEGER PRIMARY KEY, run_id TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
    body TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS entries_by_kind ON entries(kind, run_id);
CREATE TABLE IF NOT EXISTS checkpoints(
    id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, at TEXT NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
"""


@dataclass(frozen=True)
class Entry:
    """One row. `body` is canonical JSON; `data` reads it."""

    seq: int
    run_id: str
    kind: str
    at: str
    body: str
    hash: str

    @property
    def data(self) -> dict[str, Any]:
        """The body as Python values."""
        value: dict[str, Any] = json.loads(self.body)
        return value


@dataclass(frozen=True)
class Verification:
    """What a check of the chain found. `bad_seq` is the first entry that is wrong, if any is."""

    intact: bool
    entries: int
    head: str
    checkpoints: int
    bad_seq: int | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return dict(vars(self))


def chain_hash(before: str, seq: int, run_id: str, kind: str, at: str, body: str) -> str:
    """The hash of an entry; the body comes last because it alone could hold a line break."""
    return hashlib.sha256("\n".join((before, str(seq), run_id, kind, at, body)).encode()).hexdigest()


class Ledger:
    """The ledger in a workspace folder, made on first use. Threads and processes may share it.

    Raises LedgerError when the file cannot be opened or written. An entry is on disk when `append` returns. `close()`
    is called by itself when the ledger is no longer used.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FILE_NAME
        self._lock = threading.Lock()
        with self._explained("opened"):
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = _connect(self.path)
            self.close = weakref.finalize(self, self._db.close)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)

    def append(self, run_id: str, kind: str, data: dict[str, Any]) -> Entry:
        """Write one entry, durably. Secrets are hidden before it is hashed."""
        body = rfc8785.dumps(redact_json(data)).decode()
        with self._writing():
            seq, before = self._head()
            at = utc_now()
            entry = Entry(seq + 1, run_id, kind, at, body, chain_hash(before, seq + 1, run_id, kind, at, body))
            self._db.execute("INSERT INTO entries VALUES (?,?,?,?,?,?)", tuple(vars(entry).values()))
        return entry

    def checkpoint(self) -> None:
        """Note the head of the chain as it stands."""
        with self._writing():
            seq, head = self._head()
            self._db.execute("INSERT INTO checkpoints(seq, hash, at) VALUES (?,?,?)", (seq, head, utc_now()))

    def entries(self, kind: str | None = None, run_id: str | None = None) -> Iterator[Entry]:
        """Entries in order, all or those of one kind and one run."""
        rows = self._db.execute(
            "SELECT seq, run_id, kind, at, body, hash FROM entries"
            " WHERE kind = coalesce(?, kind) AND run_id = coalesce(?, run_id) ORDER BY seq",
            (kind, run_id),
        )
        for row in rows:  # a generator of this ledger, which so stays open until it is read
            yield Entry(*row)

    def start_run(self, command: str, **about: Any) -> "Run":
        """Begin a run: who, when, with which versions. `about` says what it is aimed at."""
        now = datetime.now(UTC)
        run = Run(self, f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}")
        run.append(
            "run.started",
            {
                "command": command,
                "user": getpass.getuser(),
                "host": platform.node(),
                "opslib": version("opslib"),
                "python": platform.python_version(),
                **about,
            },
        )
        return run

    def samples_frame(self, run_id: str | None = None) -> "pd.DataFrame":
        """One row per HTTP attempt, of one run or of all."""
        return frame({"run_id": entry.run_id, **entry.data} for entry in self.entries("sample", run_id))

    def _head(self) -> tuple[int, str]:
        row = self._db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        return (row[0], row[1]) if row else (0, NO_HASH)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, self._explained("written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"The ledger {self.path} cannot be {done}",
                cause=str(error),
                fix="check the folder's permissions and free space, or set OPSLIB_HOME to another folder",
            ) from None


@dataclass(frozen=True)
class Run:
    """One session of work in the ledger."""

    ledger: Ledger
    id: str

    def append(self, kind: str, data: dict[str, Any]) -> Entry:
        """Write one entry of this run, durably."""
        return self.ledger.append(self.id, kind, data)

    def entries(self, kind: str | None = None) -> Iterator[Entry]:
        """The entries of this run, in order."""
        return self.ledger.entries(kind, self.id)


def verify(path: Path) -> Verification:
    """Check a ledger file, or the one in a workspace folder, without changing it.

    Found: an entry edited, inserted, deleted or moved, and an end cut off behind a checkpoint. Not found: a chain
    that was made anew from the start together with its checkpoints. Raises LedgerError when there is no ledger.
    """
    with _reading(path) as db:
        return _verify_chain(db)


def read_entries(path: Path) -> Iterator[Entry]:
    """The entries of a ledger file, or of the one in a workspace folder, without changing it. Raises LedgerError."""
    with _reading(path) as db:
        for row in db.execute("SELECT seq, run_id, kind, at, body, hash FROM entries ORDER BY seq"):
            yield Entry(*row)


def select(path: Path, query: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
    """The rows of an SQL query over a ledger, one at a time, without changing it. Raises LedgerError."""
    with _reading(path) as db:
        yield from db.execute(query, parameters)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        raise LedgerError(
            f"No ledger at {path}", cause=f"{file} does not exist", fix="give a workspace folder or a ledger file"
        )
    try:
        with closing(_connect(file, read_only=True)) as db:
            yield db
    except sqlite3.Error as error:
        raise LedgerError(
            f"{file} cannot be read as a ledger", cause=str(error), fix="restore the file from a copy"
        ) from None


def _verify_chain(db: sqlite3.Connection) -> Verification:
    checkpoints = dict(db.execute("SELECT seq, hash FROM checkpoints ORDER BY id"))
    count = db.execute("SELECT count(*) FROM checkpoints").fetchone()[0]
    head, last = NO_HASH, 0

    def verdict(bad_seq: int | None, reason: str) -> Verification:
        return Verification(bad_seq is None, last, head, count, bad_seq, reason)

    for seq, run_id, kind, at, body, stored in db.execute(
        "SELECT seq, run_id, kind, at, body, hash FROM entries ORDER BY seq"
    ):
        if seq != last + 1:
            return verdict(last + 1, f"entry {last + 1} is missing: the next one is {seq}")
        if chain_hash(head, seq, run_id, kind, at, body) != stored:
            return verdict(seq, f"entry {seq} does not match its hash: it, or the order, was changed")
        if checkpoints.get(seq, stored) != stored:
            return verdict(seq, f"entry {seq} is not the one that a checkpoint named")
        head, last = stored, seq
    if checkpoints and max(checkpoints) > last:
        return verdict(last + 1, f"entry {last + 1} is missing: a checkpoint names {max(checkpoints)} as the last")
    return verdict(None, f"all {last} entries are as they were written")


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    uri = path.absolute().as_uri() + ("?mode=ro" if read_only else "")
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def samples_frame(run_id: str | None = None) -> "pd.DataFrame":
    """Every HTTP attempt in the workspace's ledger (OPSLIB_HOME), or those of one run: one row each.

    Columns: run_id, operation, step, method, endpoint, attempt, status, outcome, latency_s, started_at,
    correlation_id.
    """
    ledger = Ledger(Settings.load().home)
    try:
        return ledger.samples_frame(run_id)
    finally:
        ledger.close()
