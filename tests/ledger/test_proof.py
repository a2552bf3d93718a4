"""What a ledger says is acted on only as it was signed, also when it is changed after it was proved."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from opslib.errors import LedgerError, LedgerNotProved
from opslib.ledger.database import FILE_NAME, reading
from opslib.ledger.ledger import Ledger
from opslib.ledger.proof import NotProved, Proof
from opslib.ledger.signing import Signer

from ..audit.tampering import Tables, load
from ..world import own_key

KINDS = ("note", "other")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Two runs, entries of two kinds, a checkpoint between them."""
    ledger = Ledger(tmp_path / "home")
    for number in range(8):
        ledger.append(f"run-{number % 2}", KINDS[number % 3 == 2], {"n": number})
        if number == 4:
            ledger.checkpoint()
    yield ledger
    ledger.close()


def numbers(ledger: Ledger, *kinds: str, run_id: str | None = None) -> list[int]:
    return [entry.data["n"] for entry in ledger.proved_entries(*kinds, run_id=run_id)]


def replace_rows(ledger: Ledger, tables: Tables) -> None:
    with closing(sqlite3.connect(ledger.path)) as db, db:
        for table in ("entries", "head", "checkpoints"):
            db.execute(f"DELETE FROM {table}")
            for row in getattr(tables, table):
                db.execute(f"INSERT INTO {table}({','.join(row)}) VALUES ({','.join('?' * len(row))})", [*row.values()])


def test_just_the_entries_that_were_asked_for(ledger: Ledger) -> None:
    """By kind and run, in order, again and again, and with what was added since."""
    for _ in range(2):
        assert numbers(ledger, "note") == [0, 1, 3, 4, 6, 7]
        assert numbers(ledger, *KINDS) == list(range(8))
        assert numbers(ledger, "other") == [2, 5]
        assert numbers(ledger, "note", "other", run_id="run-1") == [1, 3, 5, 7]
        assert numbers(ledger, "none") == []
    ledger.append("run-0", "other", {"n": 8})
    assert numbers(ledger, "other", run_id="run-0") == [2, 8]
    again = Ledger(ledger.path.parent)
    again.append("run-1", "note", {"n": 9})
    assert numbers(ledger, *KINDS) == numbers(again, *KINDS) == list(range(10))
    again.close()


def body(tables: Tables) -> None:
    tables.entries[2]["body"] = '{"n":3}'


def kind(tables: Tables) -> None:
    tables.entries[1]["kind"] = "other"


def run(tables: Tables) -> None:
    tables.entries[1]["run_id"] = "run-0"


def removed(tables: Tables) -> None:
    del tables.entries[3]


def cut(tables: Tables) -> None:
    del tables.entries[-1]


def added(tables: Tables) -> None:
    tables.entries.append({**tables.entries[-1], "seq": 9})
    tables.rechain(9)


def rechained(tables: Tables) -> None:
    tables.entries[6]["body"] = '{"n":77}'
    tables.rechain(7)


def unsigned(tables: Tables) -> None:
    tables.head[0]["signature"] = "00" * 64


def headless(tables: Tables) -> None:
    tables.head.clear()


Edit = Callable[[Tables], None]
EDITS: tuple[Edit, ...] = (body, kind, run, removed, cut, added, rechained, unsigned, headless)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("proved_before", [False, True])
@pytest.mark.parametrize("asked", [("note",), ("other",), KINDS])
@pytest.mark.parametrize("first_by_another", [False, True])
def test_a_change_is_noticed(
    ledger: Ledger, edit: Edit, proved_before: bool, asked: tuple[str, ...], first_by_another: bool
) -> None:
    """By who has never read it; by who has, in what he reads and in what is new."""
    if proved_before:
        numbers(ledger, *KINDS)
    tables = load(ledger.path)
    before = load(ledger.path)
    edit(tables)
    replace_rows(ledger, tables)
    if first_by_another:
        fresh = Ledger(ledger.path.parent)
        with pytest.raises(LedgerNotProved):
            fresh.proved_entries(*asked)
        fresh.close()
    with pytest.raises(LedgerNotProved):
        ledger.proved_entries(*KINDS)
    replace_rows(ledger, before)
    assert numbers(ledger, *KINDS) == list(range(8))


def test_an_entry_that_is_not_read_is_not_looked_at_again(ledger: Ledger) -> None:
    """What was proved is kept as hashes: only what is returned is compared."""
    numbers(ledger, *KINDS)
    tables = load(ledger.path)
    body(tables)
    replace_rows(ledger, tables)
    assert numbers(ledger, "note") == [0, 1, 3, 4, 6, 7]
    with pytest.raises(LedgerNotProved, match="entry 3 does not match its hash"):
        numbers(ledger, "other")


@pytest.mark.parametrize("proved_before", [False, True])
def test_an_older_copy_is_noticed_by_who_knows_the_newer(ledger: Ledger, proved_before: bool) -> None:
    """Every row of it was signed; also one that the key's owner signed anew from there."""
    older = load(ledger.path)
    ledger.append("run-0", "note", {"n": 8})
    if proved_before:
        numbers(ledger, "note")
    newer = load(ledger.path)
    other = load(ledger.path)
    other.entries[-1]["body"] = '{"n":88}'
    other.rechain(9)
    other.refit(Signer.load(own_key()))
    for tables in (older, other):
        replace_rows(ledger, tables)
        if proved_before:
            with pytest.raises(LedgerNotProved, match=r"entry 9, which was there before, .*: it is an older copy"):
                numbers(ledger, "note")
        else:
            fresh = Ledger(ledger.path.parent)
            assert numbers(fresh, "other") == [2, 5]
            fresh.close()
            break
    replace_rows(ledger, newer)
    assert numbers(ledger, "note") == [0, 1, 3, 4, 6, 7, 8]


def test_a_check_that_was_broken_off_forgets_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as by Ctrl-C: an older copy is still one."""
    older = load(ledger.path)
    ledger.append("run-0", "note", {"n": 8})
    numbers(ledger, "note")
    fresh = Ledger(ledger.path.parent)

    def broken_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("opslib.ledger.proof.check", broken_off)
        with pytest.raises(KeyboardInterrupt):
            numbers(fresh, "note")
    fresh.close()
    replace_rows(ledger, older)
    for _ in range(2):
        with pytest.raises(LedgerNotProved, match="older copy"):
            numbers(ledger, "note")


def test_a_proof_is_for_one_key_and_begins_with_everything(ledger: Ledger, tmp_path: Path) -> None:
    """What another one signed is not proved, from the first entry or further on; the checkpoints count, too."""
    proof, own = Proof(), Signer.load(own_key()).public_key
    stranger = Signer.load(tmp_path / "stranger.pem").public_key
    spoiled = load(ledger.path)
    spoiled.checkpoints[0]["at"] = "then"
    before = load(ledger.path)
    replace_rows(ledger, spoiled)
    with reading(ledger.path) as db, pytest.raises(NotProved, match="checkpoint"):
        Proof().entries(db, own, KINDS, None, anew=False)
    replace_rows(ledger, before)
    with reading(ledger.path) as db:
        with pytest.raises(NotProved, match="not with the key that was given"):
            proof.entries(db, stranger, KINDS, None, anew=True)
        assert len(proof.entries(db, own, KINDS, None, anew=False)) == 8
        with pytest.raises(NotProved, match="not with the key that was given"):
            proof.entries(db, stranger, KINDS, None, anew=False)


def test_an_index_that_hides_an_entry_is_noticed(ledger: Ledger) -> None:
    """Each row is as it was signed, and a query by kind still does not find all of them."""
    with closing(sqlite3.connect(ledger.path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'entries_by_kind'").fetchone()
        size = db.execute("PRAGMA page_size").fetchone()[0]
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    home = ledger.path.parent
    ledger.close()
    content = bytearray((home / FILE_NAME).read_bytes())
    index = slice((page - 1) * size, page * size)
    assert b"other" in content[index]
    content[index] = content[index].replace(b"other", b"othes", 1)
    (home / FILE_NAME).write_bytes(content)
    for ending in ("-wal", "-shm"):
        (home / f"{FILE_NAME}{ending}").unlink(missing_ok=True)
    fresh = Ledger(home)
    with pytest.raises(LedgerNotProved, match="index"):
        fresh.proved_entries("other")
    fresh.close()


def test_another_key_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """However well its record is made, nothing that it says is acted on, and nothing is added to it."""
    stranger = tmp_path / "stranger.pem"
    other = Ledger(ledger.path.parent, stranger)
    for use in (lambda: other.proved_entries("note"), lambda: other.append("run", "note", {})):
        with pytest.raises(LedgerError, match="signed with another key"):
            use()
    other.close()
    tables = load(ledger.path)
    tables.refit(Signer.load(stranger))
    tables.head[0]["key"] = Signer.load(own_key()).public_key
    replace_rows(ledger, tables)
    with pytest.raises(LedgerNotProved):
        ledger.proved_entries("note")


@pytest.mark.parametrize("edit", [cut, added, rechained, unsigned])
@pytest.mark.parametrize("known", [False, True])
def test_nothing_is_added_to_what_was_changed_at_its_end(ledger: Ledger, edit: Edit, known: bool) -> None:
    """Whether this process wrote the last entry itself or not."""
    writer = ledger if known else Ledger(ledger.path.parent)
    tables = load(ledger.path)
    edit(tables)
    replace_rows(ledger, tables)
    with pytest.raises(LedgerNotProved, match="changed from outside"):
        writer.append("run", "note", {})
    with pytest.raises(LedgerNotProved):
        writer.checkpoint()
    assert load(ledger.path) == tables
    if not known:
        writer.close()
