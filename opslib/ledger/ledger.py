"""The append-only record of everything that happened: one SQLite file, written by threads and processes at once.

Every entry is chained to the one before and signed as it is written; see opslib.ledger.chain. Those that are written
in one transaction have one signature. A writer first checks that the end of the chain is as its key signed it, so that
what was changed from outside is never signed again.
"""

import os
import platform
import secrets
import sqlite3
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import rfc8785

from opslib.env_file import warn_if_open_to_others
from opslib.errors import InvalidInput, LedgerError, LedgerNotProved, OpslibError
from opslib.ledger.actor import ACTOR, machine
from opslib.ledger.chain import NO_HASH, Checkpoint, Entry, Head, chain_hash, check
from opslib.ledger.database import (
    FILE_NAME,
    as_written,
    connect,
    migrate,
    read_checkpoints,
    read_head,
    reading,
    record,
    transaction,
    use_wal,
)
from opslib.ledger.moment import utc_now
from opslib.ledger.noted import Note, Waiting, write_what_waits
from opslib.ledger.proof import NotProved, Proof
from opslib.ledger.samples import frame
from opslib.ledger.signing import Signer
from opslib.new_files import part_folder
from opslib.redact import redact_json
from opslib.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


# What to do with a ledger that must not be acted on.
INSTEAD = (
    "keep the file as evidence and run `opslib verify` on it; then set OPSLIB_HOME to a new folder, and see with "
    "`opslib plan` what the org has; nothing was written"
)

# What is proved, by device and number of the file: the ledgers of one process share it.
_PROOFS: WeakValueDictionary[tuple[int, int], Proof] = WeakValueDictionary()


class Ledger:
    """The ledger in a workspace folder, made on first use. Threads and processes may share it.

    Raises LedgerError when the file cannot be opened or written, and SigningKeyError when there is no key to sign with
    (`signing_key`, by default the setting's). An entry is on disk and signed when `append` returns; a noted one at most
    0.1 s later, and before this process reads the ledger. `close()` is called automatically when the ledger is no
    longer used.
    """

    def __init__(self, home: Path, signing_key: Path | None = None) -> None:
        self.path = home / FILE_NAME
        self._key_file = signing_key
        self._lock = threading.Lock()
        # The last head that this process signed or checked.
        self._known: Head | None = None
        # Whether this object has proved the ledger from its first entry.
        self._proved = False
        # By run, the entry that says who this process is.
        self._actors: dict[str, int] = {}
        with self._explained("opened"):
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            warn_if_open_to_others(home, self.path)
            if not self.path.exists():
                _create(self.path)
            if not self.path.stat().st_size:
                raise self._emptied()
            self._db = connect(self.path, "mode=rw")
            self._waiting = Waiting(self.path, self._write_waiting)
            self.close = weakref.finalize(self, _close, weakref.ref(self), self._db)
            use_wal(self._db)
            self._db.execute("PRAGMA synchronous=FULL")
            migrate(self._db, self.path)
            file = self.path.stat()
            self._proof = _PROOFS.setdefault((file.st_dev, file.st_ino), Proof())

    def append(self, run_id: str, kind: str, data: dict[str, Any]) -> Entry:
        """Write one entry, durably. Secrets are hidden before it is hashed. `Run.append` also says who writes it."""
        return self._append(run_id, kind, data, by_actor=False)

    def append_as_actor(self, run_id: str, kind: str, data: dict[str, Any]) -> Entry:
        """The same, with the number of the entry that says who this process is. The first entry of this process in a
        run has that entry before it, in the same transaction."""
        return self._append(run_id, kind, data)

    def note(self, run_id: str, kind: str, data: dict[str, Any]) -> Note:
        """Have one entry, which names its actor, written with the next ones. Raises LedgerError when an earlier one
        cannot be written, and later writes do so."""
        if self._waiting.failed:
            self.flush()
        note = Note(run_id, kind, data, utc_now())
        self._waiting.add(note)
        return note

    def flush(self) -> None:
        """Write what was noted, durably."""
        with self._lock:  # which another thread holds that writes it
            if self._waiting:
                with self._continued() as head:
                    self._sign(head)

    def checkpoint(self) -> Checkpoint:
        """Note the head of the chain as it stands, signed."""
        with self._lock, self._continued() as head:
            number = self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM checkpoints").fetchone()[0]
            bare = Checkpoint(number, head.seq, head.hash, utc_now(), head.checkpoint, self._signer.public_key, "")
            point = bare._replace(signature=self._signer.sign(bare.text()))
            columns = "id, seq, hash, at, before, key, signature"
            self._db.execute(f"INSERT INTO checkpoints({columns}) VALUES (?,?,?,?,?,?,?)", point)  # noqa: S608
            self._sign(head._replace(checkpoint=point.digest()))
        return point

    def entries(self, kind: str | None = None, run_id: str | None = None) -> Iterator[Entry]:
        """Entries in order, all or those of one kind and one run. Raises LedgerError when they cannot be read."""
        write_what_waits(self.path)
        with self._explained("read"):
            rows = self._db.execute(
                "SELECT seq, run_id, kind, at, body, hash FROM entries"
                " WHERE kind = coalesce(?, kind) AND run_id = coalesce(?, run_id) ORDER BY seq",
                (kind, run_id),
            )
            for row in rows:  # a generator of this ledger, which so stays open until it is read
                yield Entry(*row)

    def proved_entries(self, *kinds: str, run_id: str | None = None, after: int = 0) -> list[Entry]:
        """Entries of these kinds in order, all or those of one run, for who acts on them; `after` an entry's number,
        only later ones.

        Raises LedgerNotProved unless every entry is as it was signed, up to the head, with the key of this ledger. The
        first call checks all of them, later ones what is new and what they return.
        """
        with self._explained("read"), self._proof.lock, reading(self.path) as db:
            if head := read_head(db):
                self._refuse_other_key(head)
            key = self._signer.public_key
            try:
                entries = self._proof.entries(db, key, kinds, run_id, anew=not self._proved, after=after)
            except NotProved as error:
                raise self._changed(str(error)) from None
            self._proved = True
            return entries

    def start_run(self, command: str, **about: Any) -> "Run":
        """Begin a run: who, when, with which versions and key. `about` says what it is aimed at."""
        now = datetime.now(UTC)
        run = Run(self, f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}")
        run.append("run.started", {"command": command, **self._who(), **about})
        return run

    def samples_frame(self, run_id: str | None = None) -> "pd.DataFrame":
        """One row per HTTP attempt, of one run or of all."""
        return frame({"run_id": entry.run_id, **entry.data} for entry in self.entries("sample", run_id))

    @cached_property
    def _signer(self) -> Signer:
        file = self._key_file or Settings.load().signing_key
        if Path(os.path.realpath(file)).is_relative_to(os.path.realpath(self.path.parent)):
            raise InvalidInput(
                "The signing key must not be in the workspace",
                cause=f"{file} is in {self.path.parent}: whoever copies the ledger would have the key, too",
                fix="set OPSLIB_SIGNING_KEY to a file elsewhere; nothing was written",
            )
        return Signer.load(file)

    def _who(self) -> dict[str, Any]:
        versions = {"opslib": version("opslib"), "python": platform.python_version()}
        return {**machine(), **versions, "signed_by": self._signer.key_id}

    def _append(self, run_id: str, kind: str, data: dict[str, Any], *, by_actor: bool = True) -> Entry:
        with self._lock, self._continued() as head:
            entry = self._add(head, Note(run_id, kind, data, utc_now(), by_actor))
            self._sign(_after(head, entry))
        return entry

    @contextmanager
    def _continued(self) -> Iterator[Head]:
        """A transaction that begins with what was noted. The head after that is yet to be signed. Called with the lock
        held."""
        notes, actors = self._waiting.take(), self._actors.copy()
        try:
            with self._writing() as head:
                for note in notes:
                    head = _after(head, self._add(head, note))
                yield head
        except BaseException:
            self._waiting.put_back(notes)
            self._actors = actors
            raise
        self._waiting.failed = False

    def _write_waiting(self) -> None:
        """As `flush`; the error is that of the next write."""
        try:
            self.flush()
        except Exception:  # noqa: BLE001 (`note` and `append` meet it again)
            self._waiting.failed = True

    def _add(self, head: Head, note: Note) -> Entry:
        """Within a transaction: the entry that follows the head, after the one that says who this process is."""
        data = redact_json(_numbered(note.data))
        if note.by_actor:
            if note.run_id not in self._actors:
                who = self._add(head, Note(note.run_id, ACTOR, self._who(), note.at, by_actor=False))
                self._actors[note.run_id], head = who.seq, _after(head, who)
            data[ACTOR] = self._actors[note.run_id]
        note.seq, body = head.seq + 1, _canonical(data)
        link = chain_hash(head.hash, note.seq, note.run_id, note.kind, note.at, body)
        entry = Entry(note.seq, note.run_id, note.kind, note.at, body, link)
        self._db.execute("INSERT INTO entries VALUES (?,?,?,?,?,?)", entry)
        return entry

    def _sign(self, head: Head) -> None:
        self._known = signed = head._replace(signature=self._signer.sign(head.text()))
        self._db.execute("INSERT OR REPLACE INTO head VALUES (1,?,?,?,?,?)", signed)

    @contextmanager
    def _writing(self) -> Iterator[Head]:
        """A transaction, with the head that it continues. Called with the lock held."""
        _ = self._signer  # without a key, nothing is begun
        with self._explained("written"), transaction(self._db):
            yield self._checked_head()

    def _checked_head(self) -> Head:
        head = read_head(self._db)
        if head is None:
            return self._first_head()
        self._refuse_other_key(head)
        last = self._db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        if (head.seq, head.hash) != (last or (0, NO_HASH)) or not (head == self._known or head.signed()):
            raise self._changed("its end is not as it was signed")
        return head

    def _refuse_other_key(self, head: Head) -> None:
        if head.key != self._signer.public_key:
            raise LedgerError(
                f"The ledger {self.path} is signed with another key",
                cause=f"its key is {head.key}, and OPSLIB_SIGNING_KEY has {self._signer.public_key}",
                fix="set OPSLIB_SIGNING_KEY to the ledger's key, or OPSLIB_HOME to another folder; nothing was written",
            )

    def _first_head(self) -> Head:
        """Where a new ledger begins, or one that was written before there were signatures, if its chain holds."""
        with as_written(self.path) as db:
            checked = check(record(db))
        if checked.state != "unsigned":
            raise self._changed(checked.reason)
        before = NO_HASH
        for point in read_checkpoints(self._db):  # those of version 1 are chained now, so that the next one covers them
            self._db.execute("UPDATE checkpoints SET before = ? WHERE id = ?", (before, point.id))
            before = point._replace(before=before).digest()
        return Head(checked.entries, checked.head, before, self._signer.public_key, "")

    def _emptied(self) -> LedgerError:
        return LedgerError(
            f"The ledger {self.path} is empty",
            cause="the file has 0 bytes, and opslib never leaves one so: what it held is gone",
            fix="restore it from a copy; or delete it to begin another ledger. Nothing was written",
        )

    def _changed(self, why: str) -> LedgerNotProved:
        return LedgerNotProved(
            f"The ledger {self.path} was changed from outside",
            cause=why,
            fix=INSTEAD,
        )

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


def _after(head: Head, entry: Entry) -> Head:
    return head._replace(seq=entry.seq, hash=entry.hash)


def _numbered(data: dict[str, Any]) -> dict[str, Any]:
    """The same, with the numbers of the notes that it names."""
    return {
        name: [item.seq if isinstance(item, Note) else item for item in value] if isinstance(value, list) else value
        for name, value in data.items()
    }


def _close(ledger: "weakref.ref[Ledger]", db: sqlite3.Connection) -> None:
    """Nothing waits in a ledger that is no longer used: its timer would use it."""
    try:
        if still_used := ledger():
            still_used.flush()
    except OpslibError as error:
        warnings.warn(f"{error.title}: {error.cause}", stacklevel=2)
    finally:
        db.close()


def _canonical(data: Any) -> str:
    """The data as RFC 8785 has it. What that cannot hold, such as a name that is not UTF-8, is kept as text."""
    try:
        return rfc8785.dumps(data).decode()
    except ValueError:
        return rfc8785.dumps(_as_text(data)).decode()


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {_as_text(key): _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    try:
        rfc8785.dumps(value)
    except ValueError:
        return str(value).encode(errors="backslashreplace").decode() if isinstance(value, str | int | float) else value
    return value


def _create(path: Path) -> None:
    """Make a new file with its tables. It appears whole, so an empty one is never a new one; of several processes at
    once one succeeds, and the others use its file."""
    with part_folder(path.parent) as folder:
        with closing(connect(folder / FILE_NAME)) as db:
            use_wal(db)
            migrate(db, path)
        with suppress(FileExistsError):
            os.link(folder / FILE_NAME, path)


@dataclass(frozen=True)
class Run:
    """One session of work in the ledger."""

    ledger: Ledger
    id: str

    def note(self, kind: str, data: dict[str, Any]) -> Note:
        """Have one entry, which names its actor, written within 0.1 s; a process that is killed before loses it."""
        return self.ledger.note(self.id, kind, data)

    def append(self, kind: str, data: dict[str, Any]) -> Entry:
        """Write one entry, durably, which names its actor."""
        return self.ledger.append_as_actor(self.id, kind, data)

    def entries(self, kind: str | None = None) -> Iterator[Entry]:
        return self.ledger.entries(kind, self.id)


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
