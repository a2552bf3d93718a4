"""Hundreds of seeded ways to tamper with a ledger or an export; opslib and the standalone script see every one."""

import copy
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from opslib.audit.verify import verify
from opslib.errors import LedgerError
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger

from . import tampering
from .scripts import script
from .tampering import (
    FILE_WAYS,
    WAYS,
    Tables,
    Way,
    bytes_of_an_export,
    load,
    the_key_exchanged,
    write_export,
    write_ledger,
)

V1 = Path(__file__).parents[1] / "data" / "ledger_v1.sqlite3"
TIMES = 5


def _complete(home: Path) -> None:
    """Two runs, each with checkpoints, and one at the end."""
    ledger = Ledger(home)
    for command in ("walk", "resume"):
        run = ledger.start_run(command)
        for number in range(12):
            run.append("note", {"number": number, "text": "line\nbreak ü"})
            if number % 4 == 3:
                ledger.checkpoint()
    ledger.checkpoint()
    ledger.close()


def _crashed(home: Path) -> None:
    """Entries after the last checkpoint."""
    _complete(home)
    run = Ledger(home).start_run("walk")
    for number in range(5):
        run.append("note", {"number": number, "of": "the last run"})


def _from_version_1(home: Path) -> None:
    """A ledger that was begun before there were signatures, and went on with them."""
    home.mkdir()
    shutil.copy(V1, home / FILE_NAME)
    ledger = Ledger(home)
    run = ledger.start_run("walk")
    ledger.checkpoint()
    run.append("note", {"text": "the last"})
    ledger.checkpoint()


class Campaign:
    """A record in both forms, the public key of its owner, and what both programs say of a tampered one."""

    def __init__(self, folder: Path, make: Callable[[Path], None]) -> None:
        make(folder / "home")
        self.tables = load(folder / "home" / FILE_NAME)
        self.key = self.tables.head[0]["key"]
        Ledger(folder / "empty").close()
        self.empty = folder / "empty" / FILE_NAME
        self.ledger, self.export = folder / "tampered.sqlite3", folder / "tampered.jsonl"
        self.script = script("verify_ledger")

    def write(self, tables: Tables) -> None:
        write_ledger(tables, self.empty, self.ledger)
        write_export(tables, self.export)

    def judge(self, path: Path, pinned: str | None = None) -> tuple[bool, int | None]:
        """Whether it is said to be intact, and the first bad entry. Both programs must agree."""
        try:
            found = verify(path, pinned)
            intact, bad = found.intact, found.bad_seq
            assert intact or found.reason
        except LedgerError:
            intact, bad = False, None
        assert self.script_accepts(path, pinned) == intact
        return intact, bad

    def script_accepts(self, path: Path, pinned: str | None = None) -> bool:
        try:
            return bool(self.script.check(path, pinned))
        except (Exception, SystemExit):  # noqa: BLE001 (as a process, it would end with 1)
            return False


@pytest.fixture(scope="module", params=[_complete, _crashed, _from_version_1])
def campaign(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("campaign"), request.param)


def test_what_was_not_changed_is_accepted(campaign: Campaign) -> None:
    """Also as it is written here, and with its owner's key."""
    campaign.write(campaign.tables)
    for path in (campaign.ledger, campaign.export):
        assert campaign.judge(path) == campaign.judge(path, campaign.key) == (True, None)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_is_found(campaign: Campaign, way: Way) -> None:
    """In ledger and export, with the first bad entry where there is one, by opslib and by the script."""
    for seed in range(TIMES):
        tables = copy.deepcopy(campaign.tables)
        expected = way(tables, random.Random(f"{way.__name__} {seed}"))
        assert tables != campaign.tables
        campaign.write(tables)
        for path in (campaign.ledger, campaign.export):
            intact, bad = campaign.judge(path)
            assert not intact, f"{way.__name__} {seed} in {path.name}"
            assert expected in (None, bad), f"{way.__name__} {seed} in {path.name}"


@pytest.mark.parametrize("way", FILE_WAYS)
def test_a_file_that_answers_other_than_its_rows_is_found(campaign: Campaign, way: str) -> None:
    """Every row is as it was signed, so only the file tells: an audit asks SQLite, and gets its answers from there."""
    campaign.write(campaign.tables)
    with closing(sqlite3.connect(campaign.ledger)) as db:
        db.executescript(FILE_WAYS[way])
    assert campaign.judge(campaign.ledger) == campaign.judge(campaign.ledger, campaign.key) == (False, None)


def test_another_key_is_found_by_who_knows_the_right_one(campaign: Campaign) -> None:
    """A record that a stranger signed anew is well made: only the owner's public key tells it from the first."""
    for seed in range(TIMES):
        tables = copy.deepcopy(campaign.tables)
        the_key_exchanged(tables, random.Random(seed))
        campaign.write(tables)
        for path in (campaign.ledger, campaign.export):
            assert campaign.judge(path) == (True, None)
            assert campaign.judge(path, campaign.key) == (False, 1)


def test_any_byte_of_an_export_counts(campaign: Campaign) -> None:
    """Of the file itself: bytes and lines, also such as leave every value as it was."""
    write_export(campaign.tables, campaign.export)
    content = campaign.export.read_bytes()
    for seed in range(10 * TIMES):
        campaign.export.write_bytes(changed := bytes_of_an_export(content, random.Random(seed)))
        assert changed != content
        try:
            assert not verify(campaign.export).intact, f"seed {seed}"
        except LedgerError:
            continue


def test_the_campaign_is_large_enough() -> None:
    """At least 500 tampered files in all."""
    forms, records = 2, 3
    assert records * TIMES * (forms * (len(WAYS) + 1) + 10) >= 500
    assert tampering.WAYS is WAYS
