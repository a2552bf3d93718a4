"""Ways to tamper with a record, by someone who has the file and not the key. Each takes its own random numbers.

A record is tables of rows here, as lists of dictionaries; it is written out as a ledger or as an export. What a way
returns is the first entry that it spoils, where that is an entry.
"""

import hashlib
import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opslib.ledger.signing import Signer

Row = dict[str, Any]
_TABLES = {
    "head": "seq, hash, checkpoint, key, signature",
    "checkpoints": "id, seq, hash, at, before, key, signature",
    "entries": "seq, run_id, kind, at, body, hash",
}
NONE = "0" * 64


@dataclass
class Tables:
    """Everything that verification reads."""

    head: list[Row]
    checkpoints: list[Row]
    entries: list[Row]

    def rechain(self, first: int) -> None:
        """Make the hashes of the entries from a number on fit again."""
        before = self.entries[first - 2]["hash"] if first > 1 else NONE
        for row in self.entries[first - 1 :]:
            fields = (before, row["seq"], row["run_id"], row["kind"], row["at"], row["body"])
            before = row["hash"] = _sha256(*fields)

    def refit(self, signer: Signer | None = None) -> None:
        """Make checkpoints and head name what is there; signed by `signer`, or with the old signatures."""
        hashes, before = {0: NONE} | {row["seq"]: row["hash"] for row in self.entries}, NONE
        self.checkpoints = [row for row in self.checkpoints if row["seq"] in hashes]
        for number, row in enumerate(self.checkpoints, 1):
            row |= {"id": number, "hash": hashes[row["seq"]], "before": before}
            names = ("id", "seq", "hash", "at", "before", "key")
            _sign(row, "checkpoint", names, signer)
            before = _sha256("opslib checkpoint 1", *(row[name] for name in (*names, "signature")))
        last = self.entries[-1] if self.entries else {"seq": 0, "hash": NONE}
        for row in self.head:
            row |= {"seq": last["seq"], "hash": last["hash"], "checkpoint": before}
            _sign(row, "head", ("seq", "hash", "checkpoint", "key"), signer)


def _sign(row: Row, kind: str, names: tuple[str, ...], signer: Signer | None) -> None:
    if signer:
        row["key"] = signer.public_key
        text = "\n".join((f"opslib {kind} 1", *(str(row[name]) for name in names)))
        row["signature"] = signer.sign(text.encode())


def _sha256(*fields: object) -> str:
    return hashlib.sha256("\n".join(map(str, fields)).encode()).hexdigest()


def load(path: Path) -> Tables:
    """A ledger's tables."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        rows = {
            table: [dict(row) for row in db.execute(f"SELECT {names} FROM {table} ORDER BY 1")]
            for table, names in _TABLES.items()
        }
    return Tables(**rows)


def write_ledger(tables: Tables, empty: Path, path: Path) -> None:
    """A ledger file that holds just these rows; `empty` is one without."""
    path.write_bytes(empty.read_bytes())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA synchronous = OFF")
        for table in _TABLES:
            for row in getattr(tables, table):
                marks = ",".join("?" * len(row))
                db.execute(f"INSERT INTO {table}({','.join(row)}) VALUES ({marks})", tuple(row.values()))


def write_export(tables: Tables, path: Path) -> None:
    """The lines of an export for just these rows."""
    rows = [{"table": table, **row} for table in _TABLES for row in getattr(tables, table)]
    dumped = (json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n" for row in rows)
    path.write_text("".join(dumped), encoding="utf-8", newline="")


Way = Callable[[Tables, random.Random], int | None]
WAYS: list[Way] = []


def _way(way: Way) -> Way:
    WAYS.append(way)
    return way


def _other(value: Any, rng: random.Random) -> Any:
    """A value near this one: a character replaced, added, removed or in the other case, or a number moved."""
    if isinstance(value, int):
        return value + rng.choice([-2, -1, 1, 2, 1000])
    at = rng.randrange(len(value) + 1)
    changed = [value[:at] + rng.choice('0aZ ü\n"{\x00') + value[at + rng.randrange(2) :], value[:at] + value[at + 1 :]]
    changed += [value[:at] + value[at:].swapcase(), value + rng.choice(" 0\n"), ""]
    return next(one for one in rng.sample(changed, len(changed)) if one != value)


@_way
def any_column_of_an_entry(tables: Tables, rng: random.Random) -> int | None:
    row = rng.choice(tables.entries)
    column = rng.choice(["run_id", "kind", "at", "body", "hash"])
    row[column] = _other(row[column], rng)
    return row["seq"]


@_way
def any_column_of_a_checkpoint(tables: Tables, rng: random.Random) -> int | None:
    row = rng.choice(tables.checkpoints)
    column = rng.choice([name for name in row if name != "id"])
    row[column] = _other(row[column], rng)
    return None


@_way
def any_column_of_the_head(tables: Tables, rng: random.Random) -> int | None:
    column = rng.choice(list(tables.head[0]))
    tables.head[0][column] = _other(tables.head[0][column], rng)
    return None


@_way
def a_signature(tables: Tables, rng: random.Random) -> int | None:
    row = rng.choice([*tables.checkpoints, *tables.head])
    digits = list(row["signature"]) or ["0"]
    at = rng.randrange(len(digits))
    digits[at] = rng.choice([one for one in "0123456789abcdefABCDEF" if one != digits[at]])
    row["signature"] = "".join(digits)
    return None


@_way
def signatures_exchanged(tables: Tables, rng: random.Random) -> int | None:
    one, other = rng.sample([*[row for row in tables.checkpoints if row["key"]], *tables.head], 2)
    one["signature"], other["signature"] = other["signature"], one["signature"]
    return None


@_way
def two_entries_exchanged(tables: Tables, rng: random.Random) -> int | None:
    one, other = sorted(rng.sample(tables.entries, 2), key=lambda row: row["seq"])
    columns = rng.choice([["body"], ["at"], ["run_id", "kind", "at", "body"], ["run_id", "kind", "at", "body", "hash"]])
    if all(one[name] == other[name] for name in columns):
        columns = ["hash"]
    for name in columns:
        one[name], other[name] = other[name], one[name]
    return one["seq"]


@_way
def entries_deleted(tables: Tables, rng: random.Random) -> int | None:
    """Not at the end; the numbers behind stay, or move up."""
    first = rng.randrange(1, len(tables.entries))
    last = rng.randrange(first, len(tables.entries))
    del tables.entries[first - 1 : last]
    if rng.random() < 0.5:
        for number, row in enumerate(tables.entries, 1):
            row["seq"] = number
    return first


@_way
def an_entry_inserted(tables: Tables, rng: random.Random) -> int | None:
    """A copy of any; those behind move on. Just before the one that it copies, it is the second that is too many."""
    at = rng.randrange(len(tables.entries) + 1)
    copied = rng.choice(tables.entries)
    first = at + 2 if copied["seq"] == at + 1 else at + 1
    tables.entries.insert(at, dict(copied))
    for number, row in enumerate(tables.entries, 1):
        row["seq"] = number
    return first


@_way
def an_entry_appended_in_chain(tables: Tables, rng: random.Random) -> int | None:
    for _ in range(rng.randrange(1, 4)):
        tables.entries.append({**rng.choice(tables.entries), "seq": len(tables.entries) + 1})
        tables.rechain(len(tables.entries))
    return tables.head[0]["seq"] + 1


@_way
def the_end_cut_off(tables: Tables, rng: random.Random) -> int | None:
    first = rng.randrange(1, len(tables.entries) + 1)
    del tables.entries[first - 1 :]
    return first


@_way
def the_end_cut_off_with_what_names_it(tables: Tables, rng: random.Random) -> int | None:
    """Back to a checkpoint that was honestly signed; without a head, with the last, or with one made of it."""
    point = rng.choice(tables.checkpoints)
    if point is tables.checkpoints[-1] and point["seq"] == len(tables.entries):
        point = tables.checkpoints[-2]
    del tables.entries[point["seq"] :]
    how = rng.randrange(4)
    tables.checkpoints = [row for row in tables.checkpoints if how < 3 and row["id"] <= point["id"]]
    if how == 1:
        tables.head.clear()
    elif how == 2:
        signature = point["signature"]
        tables.refit()
        tables.head[0]["signature"] = signature
    return None


@_way
def made_anew_without_the_key(tables: Tables, rng: random.Random) -> int | None:
    """An entry edited, removed or added, and every hash behind it, perhaps every name of a hash, made to fit."""
    first = rng.randrange(1, len(tables.entries))
    if (how := rng.randrange(3)) == 0:
        tables.entries[first - 1]["body"] = '{"edited":true}'
    elif how == 1:
        del tables.entries[first - 1]
    else:
        tables.entries.insert(first - 1, {**tables.entries[first - 1], "body": '{"added":true}'})
    for number, row in enumerate(tables.entries, 1):
        row["seq"] = number
    tables.rechain(first)
    if rng.random() < 0.5:
        tables.refit()
    return None


@_way
def a_checkpoint_removed(tables: Tables, rng: random.Random) -> int | None:
    tables.checkpoints.remove(rng.choice(tables.checkpoints))
    if rng.random() < 0.5:
        for number, row in enumerate(tables.checkpoints, 1):
            row["id"] = number
    return None


@_way
def a_checkpoint_added(tables: Tables, rng: random.Random) -> int | None:
    """It names an entry rightly, at the end or between, and is signed by somebody else, or not."""
    entry = rng.choice(tables.entries)
    made = {**rng.choice(tables.checkpoints), "seq": entry["seq"], "hash": entry["hash"]}
    tables.checkpoints.insert(rng.randrange(len(tables.checkpoints) + 1), made)
    for number, row in enumerate(tables.checkpoints, 1):
        row["id"] = number
    _sign(made, "checkpoint", ("id", "seq", "hash", "at", "before", "key"), rng.choice([None, _stranger()]))
    return None


@_way
def checkpoints_exchanged(tables: Tables, rng: random.Random) -> int | None:
    one, other = rng.sample(tables.checkpoints, 2)
    one["id"], other["id"] = other["id"], one["id"]
    return None


@_way
def the_head_made_by_a_stranger(tables: Tables, rng: random.Random) -> int | None:
    """After an edit; the stranger's signature under the owner's key, or with checkpoints that the owner signed."""
    first = rng.randrange(1, len(tables.entries))
    tables.entries[first - 1]["body"] = '{"edited":true}'
    tables.rechain(first)
    keys = [tables.head[0]["key"], *(row["key"] for row in tables.checkpoints)]
    tables.refit(_stranger())
    for row, key in zip([*tables.head, *tables.checkpoints], keys, strict=True):
        row["key"] = key
    return None


@_way
def signatures_stripped(tables: Tables, rng: random.Random) -> int | None:
    """All of them, with or without the checkpoints: what is left says that it was signed."""
    tables.head.clear()
    for row in tables.checkpoints:
        row |= {"before": "", "key": "", "signature": ""}
    if rng.random() < 0.5:
        tables.checkpoints.clear()
    return None


# Ways that leave every row as it is: SQLite then answers from something else than the rows, or changes those to come.
_INDEX = "CREATE INDEX entries_by_kind ON entries(kind, run_id)"
FILE_WAYS = {
    "an index that leaves entries out, under the text of the right one": f"""
        DROP INDEX entries_by_kind; {_INDEX} WHERE seq <> 3; PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = '{_INDEX}' WHERE name = 'entries_by_kind'""",
    "an index too many": "CREATE INDEX whole ON entries(seq, run_id, kind, at, body, hash)",
    "no index": "DROP INDEX entries_by_kind",
    "a view in place of the table": "ALTER TABLE entries RENAME TO old; CREATE VIEW entries AS SELECT * FROM old",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM checkpoints; END",
    "a table too many": "CREATE TABLE more(seq)",
}


def the_key_exchanged(tables: Tables, rng: random.Random) -> int | None:
    """Everything signed anew by a stranger, also after an edit: only who knows the owner's key sees it."""
    first = rng.randrange(1, len(tables.entries))
    if rng.random() < 0.5:
        tables.entries[first - 1]["body"] = '{"edited":true}'
        tables.rechain(first)
    tables.refit(_stranger())
    return None


def bytes_of_an_export(content: bytes, rng: random.Random) -> bytes:
    """A byte replaced, added or removed, lines exchanged, doubled or removed, or the end cut off."""
    at = rng.randrange(len(content))
    lines = content.splitlines(keepends=True)
    one, other = rng.sample(range(len(lines)), 2)
    exchanged = list(lines)
    exchanged[one], exchanged[other] = lines[other], lines[one]
    ways = [
        content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :],
        content[:at] + bytes([rng.randrange(256)]) + content[at:],
        content[:at] + content[at + 1 :],
        content[:at],
        b"".join(exchanged),
        b"".join([*lines[:one], lines[other], *lines[one:]]),
        b"".join([*lines[:one], *lines[one + 1 :]]),
    ]
    return next(way for way in rng.sample(ways, len(ways)) if way != content)


def _stranger() -> Signer:
    return Signer(Ed25519PrivateKey.from_private_bytes(b"stranger" * 4))
