"""A ledger as JSON lines, for readers without SQLite: the head, the checkpoints, then the entries.

A line is one row: its `table` and its columns, in canonical JSON (RFC 8785); an entry's `body` is the text that was
hashed. Only that spelling is accepted back, so that no changed byte goes unnoticed.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from opslib.errors import InvalidInput, LedgerError
from opslib.ledger.chain import Checkpoint, Entry, Head, Record, check
from opslib.ledger.database import FILE_NAME, reading, record
from opslib.new_files import replaced_file

_TABLES: dict[str, Any] = {"head": Head, "checkpoints": Checkpoint, "entries": Entry}
_NAMES = {kind: name for name, kind in _TABLES.items()}
_START = b'{"'
# What is longer is cut in two, and so is not a line of an export (bytes).
_LONGEST_LINE = 64 * 2**20


def write_export(ledger: Path, out: Path, *keep: Path) -> None:
    """Write a ledger file, or the one in a workspace folder, as JSON lines. Raises LedgerError for a broken one.

    Only an older export is replaced. Raises InvalidInput for another file, for what belongs to the ledger, and for a
    place in `keep`, also where nothing is there yet.
    """
    _refuse_to_replace(out, ledger / FILE_NAME if ledger.is_dir() else ledger, keep)
    out.parent.mkdir(parents=True, exist_ok=True)
    with reading(ledger) as db, replaced_file(out) as file:
        if (checked := check(record(db))).state == "broken":
            raise LedgerError(
                f"{ledger} was not exported", cause=checked.reason, fix="keep the file itself: it is the evidence"
            )
        content = record(db)
        file.writelines(map(to_line, [content.head] if content.head else []))
        file.writelines(map(to_line, content.checkpoints))
        file.writelines(to_line(Entry(*row)) for row in content.entries)


def _refuse_to_replace(out: Path, ledger: Path, keep: Sequence[Path]) -> None:
    places = (*(ledger.with_name(ledger.name + ending) for ending in ("", "-wal", "-shm")), *keep)
    # Not Path.resolve, which raises RuntimeError where links go round in a circle.
    if os.path.realpath(out) in [os.path.realpath(place) for place in places]:
        cause = "the ledger or its signing key has its place there"
    elif out.exists() and not _may_be_replaced(out):
        cause = "something is there that is no export"
    else:
        return
    raise InvalidInput(
        f"The ledger cannot be exported to {out}", cause=cause, fix="name another file; nothing was written"
    )


def _may_be_replaced(out: Path) -> bool:
    if not out.is_file():
        return False
    with out.open("rb") as file:
        line = file.readline(_LONGEST_LINE)
    try:
        return not line or bool(from_line(line))  # an export of an empty ledger is empty
    except ValueError:
        return False


def is_export(path: Path) -> bool:
    """Whether a path is a file of JSON lines, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_START)) == _START


@contextmanager
def open_export(path: Path) -> Iterator[Record]:
    """An export as it is, unchecked; its entries are read while they are iterated over. Raises LedgerError."""
    head, points, entries = None, list[Checkpoint](), list[Entry]()
    with path.open("rb") as file:
        rows = map(from_line, iter(partial(file.readline, _LONGEST_LINE), b""))
        try:
            for row in rows:
                if isinstance(row, Entry):
                    entries.append(row)
                    break
                if isinstance(row, Checkpoint):
                    points.append(row)
                elif head or points:
                    raise ValueError("the head does not stand in the first line")
                else:
                    head = row
        except ValueError as error:
            raise LedgerError(
                f"{path} cannot be read as an export", cause=str(error), fix="have it exported again"
            ) from None
        yield Record(head, points, map(_entry, chain(entries, rows)))


def _entry(row: Head | Checkpoint | Entry) -> Entry:
    if not isinstance(row, Entry):
        raise ValueError("a line of another table stands among the entries")
    return row


def to_line(row: Head | Checkpoint | Entry) -> bytes:
    """A row as it stands in an export."""
    values = {"table": _NAMES[type(row)], **row._asdict()}
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Head | Checkpoint | Entry:
    """The row of a line. Raises ValueError for any other spelling than that of `to_line`."""
    try:
        values = json.loads(line)
        kind = _TABLES[values.pop("table")]
        row: Head | Checkpoint | Entry = kind(**values)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{line[:60]!r} is no line of an export ({type(error).__name__})") from None
    if to_line(row) != line or [*map(type, row)] != [*kind.__annotations__.values()]:
        raise ValueError(f"{line[:60]!r} is not as it was written")
    return row
