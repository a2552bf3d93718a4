"""The chain of the ledger, and the check that it holds.

An **entry**'s hash is SHA-256 over six lines: the hash before it, its number, run, kind, time and body. The body is
canonical JSON (RFC 8785) and is stored as it was hashed, so that a check needs no parser.
A **checkpoint** names the last entry at a moment and the checkpoint before it, and is signed; checkpoints stay.
The **head** names the last entry and the last checkpoint, and is signed again with each of them, in one transaction.

So one signature, the head's, covers everything, and no entry is ever without one. What is not detectable here: a record
that the key's holder made and signed again, and an older copy in place of a newer one. Anchors show both.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from opslib.ledger.signing import verify_signature

NO_HASH = "0" * 64

# An entry as it is stored: seq, run_id, kind, at, body, hash.
Row = tuple[int, str, str, str, str, str]


class Entry(NamedTuple):
    """One row. `body` is canonical JSON; `data` reads it."""

    seq: int
    run_id: str
    kind: str
    at: str
    body: str
    hash: str

    @property
    def data(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


class Checkpoint(NamedTuple):
    """The last entry at a moment. Those of schema version 1 have no key and signature; what follows covers them."""

    id: int
    seq: int
    hash: str
    at: str
    before: str
    key: str
    signature: str

    def text(self) -> bytes:
        """What is signed."""
        return _text("checkpoint", self[:-1])

    def digest(self) -> str:
        """What the next one names as `before`: it covers the signature, too."""
        return hashlib.sha256(_text("checkpoint", self)).hexdigest()


class Head(NamedTuple):
    """Where the chain stands: its last entry, the digest of its last checkpoint."""

    seq: int
    hash: str
    checkpoint: str
    key: str
    signature: str

    def text(self) -> bytes:
        """What is signed."""
        return _text("head", self[:-1])

    def signed(self) -> bool:
        """Whether the signature is that of the key."""
        return verify_signature(self.key, self.text(), self.signature)


@dataclass(frozen=True)
class Record:
    """A ledger or an export as it was read, unchecked.

    `entries` may be read once; reading raises ValueError at an entry that cannot be read.
    """

    head: Head | None
    checkpoints: Sequence[Checkpoint]
    entries: Iterable[Row]


@dataclass(frozen=True)
class Verification:
    """The outcome of checking a record.

    Attributes:
        state: "intact", "unsigned" (the chain holds, but is not signed) or "broken".
        entries: how many follow from each other.
        head: the hash of the last of them.
        bad_seq: the first entry that is wrong or not proved; None in a broken record of which only the checkpoints were
            changed.
        key: the public key, or empty.
        first: the hash of entry 1, by which anchors know the ledger.
        not_proved: what this check leaves open.
    """

    state: Literal["intact", "unsigned", "broken"]
    entries: int
    head: str
    checkpoints: int
    bad_seq: int | None
    reason: str
    key: str = ""
    first: str = ""
    not_proved: tuple[str, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether every entry is as it was signed."""
        return self.state == "intact"

    def as_json(self) -> dict[str, Any]:
        """The fields by name, and `intact`."""
        return {"intact": self.intact, **vars(self)}


class _Broken(Exception):
    """The record is not as it was written; `seq` as Verification.bad_seq."""

    def __init__(self, seq: int | None, reason: str) -> None:
        super().__init__(reason)
        self.seq = seq


def chain_hash(before: str, seq: int, run_id: str, kind: str, at: str, body: str) -> str:
    """The hash of an entry; the body comes last because it alone could hold a line break."""
    return hashlib.sha256("\n".join((before, str(seq), run_id, kind, at, body)).encode()).hexdigest()


def check(record: Record, pinned: str | None = None, anchors: Sequence[Checkpoint] | None = None) -> Verification:
    """Check a record, in one pass over its entries.

    `pinned` is the public key that it must be signed with. `anchors` are its checkpoints that were kept elsewhere, each
    with a signature that was checked.
    """
    head, checkpoints = record.head, record.checkpoints
    named = [*checkpoints, *(anchors or ())]
    walked = _Walked({1, *(point.seq for point in named), *([head.seq] if head else [])})
    key = str(head.key) if head else ""  # a file can hold bytes there

    def verification(state: Literal["intact", "unsigned", "broken"], bad_seq: int | None, reason: str) -> Verification:
        first, open_points = walked.hashes.get(1, ""), _open_points(state, pinned, anchors, walked.last)
        return Verification(state, walked.last, walked.link, len(checkpoints), bad_seq, reason, key, first, open_points)

    try:
        if pinned and key != pinned:
            raise _Broken(1, f"it is signed with {key or 'no key'}, not with the key that was given, {pinned}")
        walked.follow(record.entries)
        if head is None:
            _check_unsigned(checkpoints, walked)
            empty = "the ledger is empty: there is nothing to prove"
            return verification("unsigned", None, "the chain holds, but nobody signed it" if walked.last else empty)
        _check_signed(head, checkpoints, walked)
        _check_anchors(anchors or (), checkpoints, walked)
    except _Broken as broken:
        return verification("broken", broken.seq, str(broken))
    return verification("intact", None, f"all {walked.last} entries are as they were signed")


def is_continued(last: int, link: str, newer: Record, key: str) -> bool:
    """Whether the entries of `newer` follow from entry `last`, which has the hash `link`, up to a head that this key
    signed."""
    walked, head = _Walked((), last, link), newer.head
    try:
        walked.follow(newer.entries)
    except _Broken:
        return False
    return bool(head and head.key == key and (head.seq, head.hash) == (walked.last, walked.link) and head.signed())


class _Walked:
    """The entries so far: how far the check went, and the hash of each entry whose number is in `marks`."""

    def __init__(self, marks: Collection[int], last: int = 0, link: str = NO_HASH) -> None:
        self.last, self.link = last, link
        self.hashes = {0: NO_HASH}
        # The first entry that says the record is signed.
        self.says_signed: int | None = None
        self._marks = marks

    def follow(self, entries: Iterable[Row]) -> None:
        """Raises _Broken at the first entry that does not follow from the one before."""
        last, link, marks = self.last, self.link, self._marks
        try:
            for seq, run_id, kind, at, body, stored in entries:
                if seq != last + 1:
                    raise _Broken(last + 1, f"entry {last + 1} is missing: the next one is {seq}")
                if chain_hash(link, seq, run_id, kind, at, body) != stored:
                    raise _Broken(seq, f"entry {seq} does not match its hash: it, or the order, was changed")
                last, link = seq, stored
                if seq in marks:
                    self.hashes[seq] = stored
                if kind == "run.started" and self.says_signed is None and '"signed_by":' in body:
                    self.says_signed = seq
        except (ValueError, TypeError) as error:  # TypeError: a column that is not text
            raise _Broken(last + 1, f"entry {last + 1} cannot be read: {error}") from None
        finally:
            self.last, self.link = last, link


def _check_unsigned(checkpoints: Sequence[Checkpoint], walked: _Walked) -> None:
    if any(point.key for point in checkpoints) or walked.says_signed:
        first = _unproved(checkpoints, walked)
        raise _Broken(first, f"the signature of the head was removed: nothing from entry {first} on is proved")
    for before, point in enumerate(checkpoints):
        if point.id != before + 1 or walked.hashes.get(point.seq) != point.hash:
            first = checkpoints[before - 1].seq + 1 if before else 1
            raise _Broken(first, f"checkpoint {point.id} names other entries than those from {first} on")


def _check_signed(head: Head, checkpoints: Sequence[Checkpoint], walked: _Walked) -> None:
    last, signed = walked.last, head.signed()
    if not signed or walked.hashes.get(head.seq) != head.hash:
        first = _unproved(checkpoints, walked)
        if signed and head.seq > last and not _contradicted(checkpoints, walked, first):
            raise _Broken(last + 1, f"entry {last + 1} is missing: {head.seq} were signed")
        why = "the chain was rewritten without the key" if signed else "the signature of the head is not the key's"
        raise _Broken(first, f"{why}: nothing from entry {first} on is proved")
    if head.seq < last:
        raise _Broken(head.seq + 1, f"entry {head.seq + 1} was added without the key")
    before = NO_HASH
    for point in checkpoints:
        if point.before != before or walked.hashes.get(point.seq) != point.hash:
            raise _Broken(None, f"every entry is as it was signed, but checkpoint {point.id} is not")
        before = point.digest()
    if head.checkpoint != before:
        raise _Broken(None, "every entry is as it was signed, but a checkpoint was changed, added or removed")


def _check_anchors(anchors: Sequence[Checkpoint], checkpoints: Sequence[Checkpoint], walked: _Walked) -> None:
    here, proved = {point.digest() for point in checkpoints}, 0
    for anchor in sorted(anchors, key=lambda point: point.seq):
        if anchor.seq > walked.last:
            raise _Broken(walked.last + 1, f"entry {walked.last + 1} is missing: an anchor names {anchor.seq} entries")
        if walked.hashes[anchor.seq] != anchor.hash:
            raise _Broken(proved + 1, f"it was rewritten: an anchor names other entries from {proved + 1} on")
        if anchor.digest() not in here:
            raise _Broken(None, f"every entry is as it was signed, but the checkpoint at entry {anchor.seq} is another")
        proved = anchor.seq


def _contradicted(checkpoints: Sequence[Checkpoint], walked: _Walked, first: int) -> bool:
    """Whether the entries differ from what a checkpoint says; `first` is the first that is not proved."""
    reached = [point for point in checkpoints if not (isinstance(point.seq, int) and point.seq > walked.last)]
    return any(walked.hashes.get(point.seq) != point.hash or (point.key and point.seq >= first) for point in reached)


def _unproved(checkpoints: Sequence[Checkpoint], walked: _Walked) -> int:
    """The first entry that no signed checkpoint covers. Slow, 0.1 ms each: only for what the head does not prove."""
    first, key = 1, next((point.key for point in checkpoints if point.key), "")
    for point in checkpoints:
        if walked.hashes.get(point.seq) != point.hash:
            break
        if point.key == key and verify_signature(key, point.text(), point.signature):
            first = max(first, point.seq + 1)
    return first


def _open_points(state: str, pinned: str | None, anchors: Sequence[Checkpoint] | None, last: int) -> tuple[str, ...]:
    if state == "broken":
        return ()
    if state == "unsigned":
        return ("that nobody rewrote it: there is no signature",)
    whose = () if pinned else ("whose key it is: compare it with the one that its owner gave you (--key)",)
    if anchors is None:
        return (*whose, "that the key's owner did not rewrite it, or hand over an older copy (--anchor)")
    anchored = max((anchor.seq for anchor in anchors), default=0)
    newer = () if anchored == last else (f"the same of the entries after {anchored}, which are not anchored",)
    return (*whose, *newer)


def _text(kind: str, fields: Iterable[object]) -> bytes:
    return "\n".join((f"opslib {kind} 1", *map(str, fields))).encode()
