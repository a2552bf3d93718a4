"""What this process has proved of a ledger, for those who act on what it says.

A check reads every entry, so it is done once for each `Ledger`; then only for what is new. The hash of each proved
entry is kept (32 bytes), and whatever is read to be acted on is compared with it: an entry that is changed, added or
removed after the check is noticed, too.
"""

import sqlite3
import threading
from array import array
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

from opslib.ledger.chain import NO_HASH, Entry, Record, Row, chain_hash, check, is_continued
from opslib.ledger.database import entries_of, record

_HASH_BYTES = 32


class NotProved(Exception):
    """An entry is not as it was signed; the text says which."""


class Proof:
    """What is proved of one ledger file."""

    def __init__(self) -> None:
        # Held by who reads entries, from before `db` begins to read: else an older state could look like an older copy.
        self.lock = threading.Lock()
        self._holds = False
        self._hashes = bytearray.fromhex(NO_HASH)
        # The numbers of all entries of a kind, in order, and those of a kind in one run.
        self._seqs: dict[tuple[str, str | None], array[int]] = {}

    def entries(
        self, db: sqlite3.Connection, key: str, kinds: Sequence[str], run_id: str | None, *, anew: bool, after: int = 0
    ) -> list[Entry]:
        """The entries of these kinds, all or those of one run, and only those `after` an entry's number. `db` has begun
        to read, and `key` is the public key that the ledger must be signed with; `anew` proves it from the first entry.
        Raises NotProved."""
        if anew or not self._holds or not self._prove_newer(db, key):
            self._prove_all(db, key)
        entries = entries_of(db, kinds, run_id, after)
        if not self._has_just(entries, kinds, run_id, after):
            self._prove_all(db, key)  # which names the entry that was changed
            raise NotProved("the index of its entries does not name just the entries there are")
        return entries

    def _prove_all(self, db: sqlite3.Connection, key: str) -> None:
        (last, link), known = self._last(), self._hashes
        self._hashes, self._seqs, self._holds = bytearray.fromhex(NO_HASH), {}, False
        try:
            with self._noted(record(db)) as content:
                checked = check(content, key if content.head else None)
            same = self._hash(last) == link
            self._holds = checked.state != "broken" and same
        finally:
            if not self._holds:
                self._hashes = known  # else an older copy would be proved when it is asked for again
        if checked.state == "broken":
            raise NotProved(checked.reason)
        if not same:
            raise NotProved(f"entry {last}, which was there before, is missing or is another one: it is an older copy")

    def _prove_newer(self, db: sqlite3.Connection, key: str) -> bool:
        last, link = self._last()
        with self._noted(record(db, last + 1)) as content:
            if is_continued(last, link, content, key):
                return True
        del self._hashes[(last + 1) * _HASH_BYTES :]
        return False

    @contextmanager
    def _noted(self, content: Record) -> Iterator[Record]:
        """The same, with each entry noted as soon as the next one is asked for, and so this one is checked."""

        def noted() -> Generator[Row]:
            for row in content.entries:
                yield row
                self._hashes += bytes.fromhex(row[-1])
                for key in ((row[2], None), (row[2], row[1])):
                    self._seqs.setdefault(key, array("q")).append(row[0])

        with closing(noted()) as entries:  # it reads from the database no longer than this
            yield replace(content, entries=entries)

    def _last(self) -> tuple[int, str]:
        seq = len(self._hashes) // _HASH_BYTES - 1
        return seq, self._hash(seq)

    def _hash(self, seq: int) -> str:
        """That of a proved entry; empty for another one."""
        return self._hashes[seq * _HASH_BYTES : (seq + 1) * _HASH_BYTES].hex()

    def _has_just(self, entries: Sequence[Entry], kinds: Sequence[str], run_id: str | None, after: int) -> bool:
        proved = [self._seqs.get((kind, run_id), ()) for kind in dict.fromkeys(kinds)]
        known = sum(len(seqs) - bisect_right(seqs, after) for seqs in proved)
        return len(entries) == known and all(map(self._has, entries))

    def _has(self, entry: Entry) -> bool:
        return self._hash(entry.seq) == chain_hash(self._hash(entry.seq - 1), *entry[:-1])
