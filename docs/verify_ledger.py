"""Prove a ledger or its export without opslib: python verify_ledger.py FILE KEY. See docs/evidence.md.

KEY is the public key that its owner gave you: ed25519:… or the .pub file. Exit code 0 only if FILE is as it was signed
with that key; without KEY it is 1, since anybody can sign a ledger that they made.
"""

import hashlib
import json
import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TABLES = {  # columns in the order in which they are hashed and signed
    "head": ["seq", "hash", "checkpoint", "key", "signature"],
    "checkpoints": ["id", "seq", "hash", "at", "before", "key", "signature"],
    "entries": ["seq", "run_id", "kind", "at", "body", "hash"],
}
SCHEMA = {*(("table", name) for name in TABLES), ("index", "entries_by_kind")}
LONGEST = 64 * 2**20  # bytes of a row


def need(true, otherwise, word="NOT INTACT"):
    true or sys.exit(f"{word}: {ascii(otherwise)[1:-1][:500]}")  # in ascii a terminal finds nothing to obey


def text(*fields):
    return "\n".join(map(str, fields)).encode()


def rows(path):
    """Each row with the name of its table: the head, the checkpoints, then the entries."""
    need(path.is_file(), f"{path} is missing, or is not a regular file", "CANNOT BE CHECKED")
    with path.open("rb") as file:
        if file.read(6) != b"SQLite":
            file.seek(0)
            for row in map(json.loads, iter(partial(file.readline, LONGEST), b"")):
                yield row["table"], *(row[column] for column in TABLES[row["table"]])
            return
    beside = [Path(f"{path.resolve()}{ending}") for ending in ("-wal", "-shm")]
    need(all(side.is_file() or not side.exists() for side in beside), "its log is not a file", "CANNOT BE CHECKED")
    how = "?mode=ro" if beside[0].exists() else "?immutable=1"  # which makes no file beside it
    with closing(sqlite3.connect(path.resolve().as_uri() + how, uri=True)) as db:
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
        need({*db.execute("SELECT type, name FROM sqlite_schema")} == SCHEMA, "it has other tables or indexes")
        need([*db.execute("PRAGMA integrity_check")] == [("ok",)], "an index does not name the rows there are")
        for name, columns in TABLES.items():
            for row in db.execute(f"SELECT {','.join(columns)} FROM {name} ORDER BY 1"):
                yield name, *row


def check(path, pinned=None):
    """What is proved, in words; `pinned` is the key that it must be signed with."""
    named, hashes, before = {"head": [], "checkpoints": []}, ["0" * 64], "0" * 64
    for table, *row in rows(path):
        if table in named:
            need(len(hashes) == 1, f"a row of {table} stands among the entries")
            named[table].append(row)
            continue
        seq, *fields, stored = row
        again = hashlib.sha256(text(hashes[-1], seq, *fields)).hexdigest()
        need((seq, stored) == (len(hashes), again), f"entry {len(hashes)} is missing, or it or the order was changed")
        hashes.append(stored)
    for row in named["checkpoints"]:
        need(row[1] in range(len(hashes)), f"checkpoint {row[0]} names an entry that is not there")
        need((row[2], row[4]) == (hashes[row[1]], before), f"checkpoint {row[0]} does not follow")
        before = hashlib.sha256(text("opslib checkpoint 1", *row)).hexdigest()
    need(len(named["head"]) == 1, "it is signed by nobody, or twice")
    *head, key, signature = named["head"][0]
    raw, signed = bytes.fromhex(key.removeprefix("ed25519:")), bytes.fromhex(signature)
    need((key, signature) == (f"ed25519:{raw.hex()}", signed.hex()), "the key or the signature is respelled")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signed, text("opslib head 1", *head, key))
    except InvalidSignature:
        need(False, "the signature of the head is not the key's")
    need(head == [len(hashes) - 1, hashes[-1], before], "the head that was signed names another end")
    need(pinned in (None, key), f"it is signed with another key, {key}")
    return f"all {len(hashes) - 1} entries are as they were signed with {key}"


def main(path, key=None):
    try:
        if key and not key.startswith("ed25519:"):
            need(Path(key).is_file(), f"{key} is not a public key", "CANNOT BE CHECKED")
            with open(key, encoding="ascii") as file:
                key = file.read(1000)
        said = check(Path(path), key and key.strip())
    except Exception as error:  # noqa: BLE001 (a file can be wrong in any way; each ends in one sentence)
        need(False, f"{path} is not a ledger or its export ({type(error).__name__}: {error})", "CANNOT BE CHECKED")
    need(key, f"{said}. Give the public key that its owner gave you, too", "SIGNED BY AN UNCONFIRMED KEY")
    print(f"intact: {ascii(said)[1:-1]}")


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) in (2, 3) else sys.exit(__doc__)
