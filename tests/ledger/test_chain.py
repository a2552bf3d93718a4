"""The check of a record in memory; `tests/audit/test_tamper_campaign.py` has the same with files."""

import copy
import random
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opslib.ledger.chain import NO_HASH, Checkpoint, Head, Record, chain_hash, check, is_continued
from opslib.ledger.signing import Signer

from ..audit.tampering import WAYS, Tables, Way, the_key_exchanged

SIGNER, STRANGER = (Signer(Ed25519PrivateKey.from_private_bytes(seed * 32)) for seed in (b"o", b"s"))
ENTRIES, POINTS = 12, (4, 8, 10)


def tables(entries: int = ENTRIES, signer: Signer = SIGNER) -> Tables:
    """Entries, checkpoints after some of them, and a head, as they are stored."""
    rows = [
        {"seq": seq, "run_id": "r", "kind": "note", "at": "now", "body": f'{{"n":{seq}}}', "hash": ""}
        for seq in range(1, entries + 1)
    ]
    rows[0] |= {"kind": "run.started", "body": '{"signed_by":"0123"}'}
    points = [
        {"id": number, "seq": seq, "hash": "", "at": "now", "before": "", "key": "", "signature": ""}
        for number, seq in enumerate(POINTS, 1)
        if seq <= entries
    ]
    made = Tables([{"seq": 0, "hash": "", "checkpoint": "", "key": "", "signature": ""}], points, rows)
    made.rechain(1)
    made.refit(signer)
    return made


def record_of(made: Tables, after: int = 0) -> Record:
    head = Head(**made.head[0]) if made.head else None
    return Record(head, points(made), [tuple(row.values()) for row in made.entries if row["seq"] > after])  # type: ignore[misc]


def points(made: Tables) -> list[Checkpoint]:
    return [Checkpoint(**row) for row in made.checkpoints]


def reason(made: Tables, anchors: list[Checkpoint] | None = None) -> tuple[int | None, str]:
    found = check(record_of(made), anchors=anchors)
    assert found.state == "broken"
    return found.bad_seq, found.reason


def test_what_is_as_it_was_signed_is_intact() -> None:
    """With the key that was given, and with the first hash and the last."""
    made = tables()
    found = check(record_of(made), SIGNER.public_key)
    hashes = [row["hash"] for row in made.entries]
    assert (found.state, found.entries, found.checkpoints, found.bad_seq) == ("intact", ENTRIES, 3, None)
    assert (found.first, found.head, found.key) == (hashes[0], hashes[-1], SIGNER.public_key)
    assert found.intact
    other = check(record_of(made), STRANGER.public_key)
    assert (other.state, other.bad_seq, other.entries) == ("broken", 1, 0)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_is_found(way: Way) -> None:
    """With the first entry that it spoils, where there is one."""
    for seed in range(8):
        made = copy.deepcopy(tables())
        spoiled = way(made, random.Random(f"{way.__name__} {seed}"))
        found = check(record_of(made), SIGNER.public_key if seed % 2 and made.head else None)
        assert not found.intact
        assert spoiled in (None, found.bad_seq) or found.bad_seq == 1  # the key was changed


def test_another_s_signatures_need_his_key() -> None:
    made = tables()
    the_key_exchanged(made, random.Random(0))
    assert check(record_of(made)).intact
    assert not check(record_of(made), SIGNER.public_key).intact


def test_the_reason_says_from_where_on_nothing_is_proved() -> None:
    """Entries up to the last checkpoint that holds are as they were signed, whatever became of the head."""
    made = tables()
    made.head[0]["signature"] = "00" * 64
    assert reason(made) == (11, "the signature of the head is not the key's: nothing from entry 11 on is proved")
    made = tables()
    made.entries[10]["body"] = "{}"
    made.rechain(11)
    assert reason(made) == (11, "the chain was rewritten without the key: nothing from entry 11 on is proved")
    made = tables()
    del made.entries[11]
    assert reason(made) == (12, "entry 12 is missing: 12 were signed")
    made = tables()
    made.entries.append({**made.entries[-1], "seq": 13})
    made.rechain(13)
    assert reason(made) == (13, "entry 13 was added without the key")
    made = tables()
    made.head.clear()
    assert reason(made) == (11, "the signature of the head was removed: nothing from entry 11 on is proved")


def test_a_checkpoint_counts_though_every_entry_holds() -> None:
    """Each names the one before it, and the head the last."""
    for place in range(3):
        made = tables()
        made.checkpoints[place]["at"] = "then"
        said = "checkpoint 1 is not", "checkpoint 2 is not", "checkpoint 3 is not", "changed, added or removed"
        assert reason(made)[1].endswith(said[place + 1])
        assert reason(made)[0] is None
    made = tables()
    made.checkpoints[1]["hash"] = NO_HASH
    assert reason(made) == (None, "every entry is as it was signed, but checkpoint 2 is not")


def test_what_was_never_signed_is_unsigned_if_its_chain_holds() -> None:
    """As schema version 1 wrote it; its checkpoints have to name what is there."""
    made = tables()
    made.head.clear()
    made.entries[0]["body"] = "{}"
    made.rechain(1)
    hashes = [NO_HASH, *(row["hash"] for row in made.entries)]
    for row in made.checkpoints:
        row |= {"before": "", "key": "", "signature": "", "hash": hashes[row["seq"]]}
    assert check(record_of(made)).state == "unsigned"
    made.checkpoints[2]["hash"] = NO_HASH
    assert reason(made) == (9, "checkpoint 3 names other entries than those from 9 on")
    made.checkpoints[0]["id"] = 7
    assert reason(made) == (1, "checkpoint 7 names other entries than those from 1 on")
    made.entries[0]["body"] = '{"signed_by":"0123"}'
    made.rechain(1)
    assert reason(made)[1].startswith("the signature of the head was removed")


def test_an_anchor_shows_what_its_owner_made_anew() -> None:
    """And what is missing since."""
    anchors, made = points(tables()), tables()
    assert check(record_of(made), anchors=anchors).intact
    assert check(record_of(made), anchors=anchors[::-1]).not_proved[-1].startswith("the same of the entries after 10")
    assert check(record_of(tables(10)), anchors=anchors).not_proved == check(record_of(made)).not_proved[:1]
    made.entries[1]["body"] = "{}"
    made.rechain(2)
    made.refit(SIGNER)
    assert reason(made, anchors) == (1, "it was rewritten: an anchor names other entries from 1 on")
    made = tables()
    made.entries[6]["body"] = "{}"
    made.rechain(7)
    made.refit(SIGNER)
    assert reason(made, anchors) == (5, "it was rewritten: an anchor names other entries from 5 on")
    made = tables()
    made.checkpoints[1]["at"] = "then"
    made.refit(SIGNER)
    assert reason(made, anchors) == (None, "every entry is as it was signed, but the checkpoint at entry 8 is another")
    assert reason(tables(7), anchors) == (8, "entry 8 is missing: an anchor names 8 entries")


@pytest.mark.parametrize("known", [0, 5, ENTRIES])
def test_what_is_newer_continues_what_is_known(known: int) -> None:
    """From the very entry that is known, up to a head that this key signed."""
    made = tables()
    link = made.entries[known - 1]["hash"] if known else NO_HASH
    newer = record_of(made, known)
    assert is_continued(known, link, newer, SIGNER.public_key)
    assert not is_continued(known, "1" * 64, newer, SIGNER.public_key)
    assert not is_continued(known, link, newer, STRANGER.public_key)
    assert not is_continued(known, link, replace(newer, head=None), SIGNER.public_key)
    assert newer.head
    unsigned = newer.head._replace(signature="00" * 64)
    assert not is_continued(known, link, replace(newer, head=unsigned), SIGNER.public_key)
    foreign = record_of(tables(signer=STRANGER), known)
    assert not is_continued(known, link, foreign, SIGNER.public_key)
    shorter = record_of(tables(ENTRIES - 1), min(known, ENTRIES - 1))
    assert not is_continued(known, link, replace(newer, head=shorter.head), SIGNER.public_key)
    if known < ENTRIES:
        rows = list(newer.entries)
        assert not is_continued(known, link, replace(newer, entries=rows[:-1]), SIGNER.public_key)
        assert not is_continued(known, link, replace(newer, entries=rows[1:]), SIGNER.public_key)


def test_each_field_counts_and_none_runs_into_the_next() -> None:
    """The hash of an entry covers where it stands, whose it is, what, when and what it says."""
    fields = (NO_HASH, 1, "r", "note", "now", "{}")
    others = [
        ("1" * 64, *fields[1:]),
        (NO_HASH, 2, *fields[2:]),
        (NO_HASH, 1, "s", *fields[3:]),
        (NO_HASH, 1, "r", "not", "enow", "{}"),
        (NO_HASH, 1, "r", "note", "then", "{}"),
        (NO_HASH, 1, "r", "note", "now", "[]"),
    ]
    assert len({chain_hash(*one) for one in [fields, *others]}) == 7
    lines = f"{NO_HASH}\n1\nr\nnote\nnow\n{{}}"
    assert chain_hash(*fields) == __import__("hashlib").sha256(lines.encode()).hexdigest()


def test_what_is_signed_is_as_the_page_says(tmp_path: Path) -> None:
    """The standalone script makes the same texts, so they cannot change."""
    made = tables()
    head, point = Head(**made.head[0]), points(made)[0]
    assert head.text() == "\n".join(["opslib head 1", *map(str, head[:4])]).encode()
    assert point.text() == "\n".join(["opslib checkpoint 1", *map(str, point[:6])]).encode()
    assert head.signed()
    assert points(made)[1].before == point.digest() != point._replace(signature="").digest()
