import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from opslib.audit import controls
from opslib.audit.folder import write_audit
from opslib.audit.folder_files import FILES
from opslib.audit.manifest import check_audit
from opslib.audit.report import RECORDED, AuditReport
from opslib.errors import InvalidInput, LedgerError
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger

from ..world import own_key
from .ledgers import step
from .tampering import load, the_key_exchanged, write_ledger


@pytest.mark.slow
def test_two_builds_are_the_same_bytes(recorded: Path, tmp_path: Path) -> None:
    """In another folder, by another process, in another time zone and with another hash seed."""
    # The recorded example does not get old: a copy of it would be of another day.
    env = os.environ | {"OPSLIB_HOME": str(RECORDED.parent), "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    command = [sys.executable, "-m", "opslib.cli", "audit", "--out", str(tmp_path / "out"), "--json"]
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout)["files"] == list(FILES)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (recorded / name).read_bytes(), name


def test_a_missing_run_leaves_an_earlier_audit_alone(tmp_path: Path) -> None:
    """Said with cause and fix; nothing is written."""
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    shutil.copy(RECORDED, home)
    write_audit(out, home=home, signing_key=own_key())
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for option in ("--run", "--compare"):
        command = [sys.executable, "-m", "opslib.cli", "audit", "--out", str(out), option, "none-such"]
        run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OPSLIB_HOME": str(home)})
        assert run.returncode == 1
        assert "There is no such run" in run.stderr
        assert "Traceback" not in run.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_workspace_without_a_walk_is_an_error_not_the_example(tmp_path: Path) -> None:
    """A reviewer never gets the recorded example in place of their own run."""
    with pytest.raises(LedgerError, match="No ledger"):
        write_audit(tmp_path / "out", home=tmp_path / "nothing-here", signing_key=own_key())
    Ledger(tmp_path / "home")
    with pytest.raises(LedgerError, match="no walk yet"):
        write_audit(tmp_path / "out", home=tmp_path / "home", signing_key=own_key())
    assert not (tmp_path / "out").exists()
    assert FILE_NAME in [path.name for path in (tmp_path / "home").iterdir()]


Place = Callable[[Path, Path], Path]

NOT_FOR_READERS: dict[str, Place] = {
    "the workspace": lambda home, key: home,
    "a folder in the workspace": lambda home, key: home / "audits" / "today",
    "a folder above the workspace": lambda home, key: home.parent,
    "a link to the workspace": lambda home, key: _link(home.parent.parent / "link", home),
    "the key's folder": lambda home, key: key.parent,
    "a folder above the key's": lambda home, key: key.parent.parent,
    "one with another workspace below": lambda home, key: _copy(home / FILE_NAME, home.parents[1] / "a" / "b").parents[
        1
    ],
    "one with another key below": lambda home, key: _copy(home / FILE_NAME, home.parents[1] / "a", key.name).parent,
    "one with a link to the workspace": lambda home, key: _link(home.parents[1] / "a" / "link", home).parent,
    "one with a link to the ledger": lambda home, key: _link(home.parents[1] / "a" / "link", home / FILE_NAME).parent,
    "one with a link to the key's folder": lambda home, key: _link(home.parents[1] / "a" / "link", key.parent).parent,
}


def _link(link: Path, to: Path) -> Path:
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(to)
    return link


def _copy(file: Path, folder: Path, name: str = FILE_NAME) -> Path:
    folder.mkdir(parents=True)
    return Path(shutil.copy(file, folder / name))


@pytest.mark.parametrize("where", NOT_FOR_READERS)
def test_ledger_and_key_are_not_handed_over(tmp_path: Path, where: str) -> None:
    """Readers get the whole folder, so neither is in it, below it, or where a link in it leads; nothing is written."""
    home, key = tmp_path / "of the org" / "home", tmp_path / "of the user" / "keys" / "our_key.pem"
    home.mkdir(parents=True)
    shutil.copy(RECORDED, home)
    out = NOT_FOR_READERS[where](home, key)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_audit(out, home=home, signing_key=key)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_audit_is_written_again_over_an_older_one(recorded: Path, tmp_path: Path) -> None:
    """Also over one of other content, and over one that was tampered with."""
    for name in FILES:
        (tmp_path / name).write_text("old")
    write_audit(tmp_path, home=RECORDED.parent, signing_key=own_key())
    assert check_audit(tmp_path).intact
    assert [path.name for path in sorted(tmp_path.iterdir())] == sorted(FILES)


def test_a_ledger_that_was_tampered_with_is_audited_as_such(tmp_path: Path) -> None:
    """The reviewer gets the whole report, with FAIL on its first page, and a manifest that says "broken"."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(RECORDED, home)
    with closing(sqlite3.connect(home / FILE_NAME)) as db:
        db.execute("UPDATE entries SET body = replace(body, '\"rate_limited\"', '\"success\"')")
        db.commit()
    write_audit(tmp_path / "out", home=home, signing_key=own_key())
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["verdicts"]["compliance"]["word"], report["ledger"]["state"]) == ("FAIL", "broken")
    assert report["controls"][0]["word"] == "FAIL"
    found = check_audit(tmp_path / "out")
    assert found.intact
    assert any("its check found it broken" in point for point in found.not_proved)


@pytest.mark.parametrize("who", ["a stranger", "the owner", "a colleague without a key"])
def test_whose_the_ledger_is_must_be_known(tmp_path: Path, who: str) -> None:
    """One that was edited and signed anew is well made: only a comparison of the keys tells, and the report asks for
    it. The owner's own report needs none."""
    home = tmp_path / "home"
    step(Ledger(home).start_run("walk"), "connect", "done")
    if who == "a stranger":
        tables, empty = load(home / FILE_NAME), tmp_path / "empty"
        the_key_exchanged(tables, random.Random(1))
        Ledger(empty).close()
        shutil.rmtree(home)
        home.mkdir()
        write_ledger(tables, empty / FILE_NAME, home / FILE_NAME)
    key = tmp_path / "none.pem" if who == "a colleague without a key" else own_key()
    report = AuditReport.open(home=home, signing_key=key)
    record, *_ = controls.results(report.facts)
    assert report.facts.ledger.intact
    assert record.word == ("PASS" if who == "the owner" else "WARN")
    assert ("opslib verify --key" in record.why) == (who != "the owner")
    assert (report.facts.ledger.key in record.why) == (who != "the owner")
    write_audit(tmp_path / "out", home=home, signing_key=own_key())
    written = json.loads((tmp_path / "out" / "report.json").read_text())["controls"][0]
    assert written["word"] == ("WARN" if who == "a stranger" else "PASS")


def test_an_index_that_hides_failures_gives_no_clean_audit(tmp_path: Path) -> None:
    """Every row is as it was signed, but the index that the queries use names only what went well."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(RECORDED, home)
    index = "CREATE INDEX entries_by_kind ON entries(kind, run_id)"
    with closing(sqlite3.connect(home / FILE_NAME)) as db:
        db.executescript(
            f"DROP INDEX entries_by_kind; {index} WHERE kind <> 'sample' OR body LIKE '%\"success\"%';"
            f"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '{index}' WHERE name = 'entries_by_kind'"
        )
    write_audit(tmp_path / "out", home=home, signing_key=own_key())
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["verdicts"]["compliance"]["word"], report["ledger"]["state"]) == ("FAIL", "broken")
    assert "entries_by_kind" in report["controls"][0]["why"]
