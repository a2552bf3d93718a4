"""Prove a ledger or its export: python verify_ledger.py PATH [KEY]. Exit code 0: intact. See docs/evidence.md."""

import hashlib
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TABLES = {  # columns in the order in which they are hashed and signed
    "head": ["seq", "hash", "checkpoint", "key", "signature"],
    "checkpoints": ["id", "seq", "hash", "at", "before", "key", "signature"],
    "entries": ["seq", "run_id", "kind", "at", "body", "hash"],
}
SCHEMA = {*(("table", name) for name in TABLES), ("index", "entries_by_kind")}


def need(true, otherwise):
    true or sys.exit(f"NOT INTACT: {ascii(otherwise)[1:-1]}")  # in ascii a terminal finds nothing to obey


def text(*fields):
    return "\n".join(map(str, fields)).encode()


def read(path):
    if path.read_bytes().startswith(b"SQLite"):
        how = "?mode=ro" if Path(f"{path.resolve()}-wal").exists() else "?immutable=1"  # which makes no file beside it
        with closing(sqlite3.connect(path.resolve().as_uri() + how, uri=True)) as db:
            need({*db.execute("SELECT type, name FROM sqlite_schema")} == SCHEMA, "it has other tables or indexes")
            need([*db.execute("PRAGMA integrity_check")] == [("ok",)], "an index does not name the rows there are")
            return [list(db.execute(f"SELECT {','.join(TABLES[name])} FROM {name} ORDER BY 1")) for name in TABLES]
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [[[row[column] for column in TABLES[name]] for row in rows if row["table"] == name] for name in TABLES]


def check(path, pinned=None):
    heads, checkpoints, entries = read(path)
    hashes, before = ["0" * 64], "0" * 64
    for seq, *fields, stored in entries:
        again = hashlib.sha256(text(hashes[-1], seq, *fields)).hexdigest()
        need((seq, stored) == (len(hashes), again), f"entry {len(hashes)} is missing, or it or the order was changed")
        hashes.append(stored)
    for row in checkpoints:
        need(row[1] in range(len(hashes)), f"checkpoint {row[0]} names an entry that is not there")
        need((row[2], row[4]) == (hashes[row[1]], before), f"checkpoint {row[0]} does not follow")
        before = hashlib.sha256(text("opslib checkpoint 1", *row)).hexdigest()
    need(len(heads) == 1, "it is signed by nobody, or twice")
    *head, key, signature = heads[0]
    public, signed = bytes.fromhex(key.removeprefix("ed25519:")), bytes.fromhex(signature)
    Ed25519PublicKey.from_public_bytes(public).verify(signed, text("opslib head 1", *head, key))
    need(head == [len(hashes) - 1, hashes[-1], before], "the head that was signed names another end")
    need(pinned in (None, key) and signed.hex() == signature, f"it is signed with another key, {key}")
    return f"intact: all {len(hashes) - 1} entries are as they were signed with {key}"


if __name__ == "__main__":
    print(ascii(check(Path(sys.argv[1]), *sys.argv[2:3]))[1:-1])
