"""The ledger's SQLite file: its tables, its schema versions, and reading it without changing it.

Version 1 had entries and unsigned checkpoints; 2 signs checkpoints and keeps a signed head. A change of the schema only
adds tables and columns: entries stay as they were hashed. Reading changes neither the file nor its folder: one of an
older version is copied, and the copy is brought up to date.
"""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from opslib.errors import LedgerError
from opslib.ledger.chain import Checkpoint, Entry, Head, Record, Row
from opslib.ledger.noted import write_what_waits

FILE_NAME = "ledger.sqlite3"

_ENTRIES = "SELECT seq, run_id, kind, at, body, hash FROM entries"
# No number of an entry is smaller; ours begin with 1.
_LEAST = -(2**63)

# Several processes may write at once; each waits this long for its turn.
_BUSY_TIMEOUT_S = 30.0
_ASK_AGAIN_S = 0.01

# What brings a file from each version to the next; the first makes a new one.
_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE entries(
    seq INTEGER PRIMARY KEY, run_id TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
    body TEXT NOT NULL, hash TEXT NOT NULL)""",
        "CREATE INDEX entries_by_kind ON entries(kind, run_id)",
        """CREATE TABLE checkpoints(
    id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, at TEXT NOT NULL)""",
    ),
    (
        "ALTER TABLE checkpoints ADD COLUMN before TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE checkpoints ADD COLUMN key TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE checkpoints ADD COLUMN signature TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE head(
    id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL, checkpoint TEXT NOT NULL,
    key TEXT NOT NULL, signature TEXT NOT NULL)""",
    ),
)
SCHEMA_VERSION = len(_MIGRATIONS)


class _Connection(sqlite3.Connection):
    """One that raises nothing but sqlite3.Error: what SQLite says of a damaged schema quotes what may not be text."""

    def execute(self, *statement: Any) -> sqlite3.Cursor:
        try:
            return super().execute(*statement)
        except UnicodeDecodeError as error:
            raise sqlite3.DatabaseError(f"malformed database schema: {error}") from None


def connect(path: Path, options: str = "") -> sqlite3.Connection:
    """A connection in which each transaction is begun by hand. Any thread may use it, one at a time.

    `options` are SQLite's, such as `mode=ro`.
    """
    uri = f"{path.absolute().as_uri()}?{options}"
    return sqlite3.connect(
        uri,
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
    )


def use_wal(db: sqlite3.Connection) -> None:
    """Switch to WAL mode, in which readers do not wait for a writer. When several processes open a new file at once,
    SQLite refuses all but one without the wait that it grants elsewhere, so the others ask again."""
    until = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > until:
                raise
            time.sleep(_ASK_AGAIN_S)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection has the file, so that it helps to wait."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring a file, perhaps a new one, to the present version. Raises LedgerError when it is from a newer opslib."""
    if _version(db, path) == SCHEMA_VERSION:
        return
    with transaction(db):
        # Read once more: another process may have done it meanwhile.
        for statements in _MIGRATIONS[_version(db, path) :]:
            for statement in statements:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; one writer at a time."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite ends it by itself on a full disk
            db.execute("ROLLBACK")
        raise


_HELD: ContextVar[tuple[Path, sqlite3.Connection] | None] = ContextVar("_HELD", default=None)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Within it, this ledger is read as it is now, however long that takes and whoever writes to it: from a copy, which
    is opened once instead of for each query. Raises LedgerError without a ledger."""
    with tempfile.TemporaryDirectory() as folder, closing(connect(Path(folder) / FILE_NAME)) as copy:
        with reading(path) as db:
            db.backup(copy)
        token = _HELD.set((path, copy))
        try:
            yield
        finally:
            _HELD.reset(token)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger file, or the one in a workspace folder, as it is at one moment, with what this process has noted. Raises
    LedgerError without one."""
    write_what_waits(path / FILE_NAME if path.is_dir() else path)
    with as_written(path) as db:
        yield db


@contextmanager
def as_written(path: Path) -> Iterator[sqlite3.Connection]:
    """The same, without what waits to be written."""
    file = path / FILE_NAME if path.is_dir() else path
    if (held_now := _HELD.get()) and held_now[0] == file:
        yield held_now[1]
        return
    if not file.is_file():
        raise LedgerError(
            f"No ledger at {path}",
            cause=f"there is no regular file {file}",
            fix="give a workspace folder or a ledger file",
        )
    try:
        with _untouched(file.resolve()) as db:
            version = _version(db, file)
            if version == SCHEMA_VERSION:
                db.execute("BEGIN")
                _refuse_other_schema(db)
                yield db
            elif version == 0:
                raise sqlite3.DatabaseError("it has no schema version, so opslib did not make it")
            else:
                with _copy(db, file) as copy:
                    _refuse_other_schema(copy)
                    yield copy
    except sqlite3.Error as error:
        raise LedgerError(
            f"{file} cannot be read as a ledger", cause=str(error), fix="restore the file from a copy"
        ) from None


@contextmanager
def _untouched(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that creates no file beside this one, which may be in a folder that is not writable.

    In WAL mode a reader needs the log and its index, and makes both where they are missing.
    """
    log, index = (file.with_name(file.name + ending) for ending in ("-wal", "-shm"))
    if log.exists() and index.exists():  # in use, or left by a crash
        with closing(connect(file, "mode=ro")) as db:
            yield db
    elif log.exists():
        with tempfile.TemporaryDirectory() as folder:
            for part in (file, log):
                shutil.copyfile(part, Path(folder, part.name))
            with closing(connect(Path(folder, file.name))) as db:
                yield db
    else:
        before = file.stat()
        with closing(connect(file, "immutable=1")) as db:  # SQLite takes no lock then
            yield db
        after = file.stat()
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise sqlite3.OperationalError("it was written to while it was read: do it again")


def select(path: Path, query: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
    """The rows of an SQL query over a ledger, one at a time, without changing it. Raises LedgerError."""
    with reading(path) as db:
        yield from db.execute(query, parameters)


def flaw(db: sqlite3.Connection) -> str:
    """What is wrong with the file, whatever its rows say; empty when nothing is.

    A query may be answered from an index alone, and find what the index names: it must name just the rows there are.
    """
    answer: str = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return "" if answer == "ok" else answer


def record(db: sqlite3.Connection, first: int = _LEAST) -> Record:
    """The content of a ledger, to be checked; the entries are read while they are iterated over. From entry `first` on,
    it comes without checkpoints."""
    return Record(read_head(db), read_checkpoints(db) if first == _LEAST else (), _rows(db, first))


def entries_of(db: sqlite3.Connection, kinds: Sequence[str], run_id: str | None = None, after: int = 0) -> list[Entry]:
    """The entries of these kinds behind an entry in order, all or those of one run; unchecked."""
    places = ",".join("?" * len(kinds))
    of_run = "" if run_id is None else " AND run_id = ?"
    kind = "+kind" if after else "kind"  # what is new is little, and needs no index
    query = f"{_ENTRIES} WHERE {kind} IN ({places}){of_run} AND seq > ? ORDER BY seq"
    return [Entry(*row) for row in db.execute(query, (*kinds, *([] if run_id is None else [run_id]), after))]


def _rows(db: sqlite3.Connection, first: int) -> Iterator[Row]:
    try:
        yield from db.execute(f"{_ENTRIES} WHERE seq >= ? ORDER BY seq", (first,))
    except sqlite3.Error as error:  # a damaged page, or bytes that are not text
        raise ValueError(str(error)) from None


def read_head(db: sqlite3.Connection) -> Head | None:
    """The signed head; None in a new ledger, and in one that was never signed."""
    row = db.execute("SELECT seq, hash, checkpoint, key, signature FROM head").fetchone()
    return Head(*row) if row else None


def read_checkpoints(db: sqlite3.Connection) -> list[Checkpoint]:
    """All checkpoints, in order."""
    rows = db.execute("SELECT id, seq, hash, at, before, key, signature FROM checkpoints ORDER BY id")
    return [Checkpoint(*row) for row in rows]


def _refuse_other_schema(db: sqlite3.Connection) -> None:
    """A view in a table's place, a trigger or an index of somebody else can answer what no row says."""
    if others := sorted({str(name) for _, name, *_ in _schema(db) ^ _expected_schema()}):
        raise sqlite3.DatabaseError(f"its tables and indexes are not as opslib makes them: {', '.join(others)}")


def _schema(db: sqlite3.Connection) -> frozenset[tuple[Any, ...]]:
    return frozenset(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))


@cache
def _expected_schema() -> frozenset[tuple[Any, ...]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path(FILE_NAME))
        return _schema(db)


def _version(db: sqlite3.Connection, path: Path) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"The ledger {path} is from a newer opslib",
            cause=f"its schema is version {version}, and this opslib knows up to {SCHEMA_VERSION}",
            fix="upgrade opslib; nothing was changed",
        )
    return version


@contextmanager
def _copy(db: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory() as folder, closing(connect(Path(folder) / FILE_NAME)) as copy:
        db.backup(copy)
        migrate(copy, path)
        yield copy
