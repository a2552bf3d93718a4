import ast
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from opslib.audit.folder import write_audit
from opslib.audit.verify import verify
from opslib.errors import LedgerError
from opslib.ledger.chain import Entry
from opslib.ledger.database import FILE_NAME, SCHEMA_VERSION, reading, record
from opslib.ledger.export import write_export
from opslib.ledger.ledger import Ledger
from opslib.ledger.signing import Signer

from ..world import SIGNING_KEY, own_key
from .tampering import load, write_ledger

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_ledger.py"
V1 = Path(__file__).parents[1] / "data" / "ledger_v1.sqlite3"


def _filled(home: Path, entries: int = 6) -> Path:
    ledger = Ledger(home)
    for number in range(entries):
        ledger.append("run-1", "note", {"number": number, "text": "line\nbreak ü"})
    ledger.checkpoint()
    ledger.close()
    return home / FILE_NAME


def _entries(path: Path) -> list[Entry]:
    with reading(path) as db:
        return [Entry(*row) for row in record(db).entries]


def _run_sql(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(statements)


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        return version


@pytest.mark.parametrize(
    ("tamper", "bad_seq"),
    [
        ("UPDATE entries SET body = replace(body, '3', '4') WHERE seq = 4", 4),
        ("UPDATE entries SET run_id = 'run-2' WHERE seq = 2", 2),
        ("UPDATE entries SET at = '2020-01-01T00:00:00.000Z' WHERE seq = 1", 1),
        ("UPDATE entries SET kind = 'other' WHERE seq = 5", 5),
        ("UPDATE entries SET body = CAST(body AS BLOB) WHERE seq = 3", 3),
        ("UPDATE entries SET body = CAST(x'7bff7d' AS TEXT) WHERE seq = 3", 3),
        ("DELETE FROM entries WHERE seq = 3", 3),
        ("DELETE FROM entries WHERE seq >= 5", 5),
        ("DELETE FROM entries", 1),
        ("INSERT INTO entries SELECT seq + 1, run_id, kind, at, body, hash FROM entries WHERE seq = 6", 7),
        ("INSERT INTO entries SELECT -1, run_id, kind, at, body, hash FROM entries WHERE seq = 6", 1),
        ("UPDATE entries SET seq = -seq WHERE seq IN (2, 3); UPDATE entries SET seq = 5 + seq WHERE seq < 0", 2),
        ("DELETE FROM head", 7),
        ("DELETE FROM checkpoints", None),
        ("UPDATE head SET key = CAST(key AS BLOB)", 7),
        ("UPDATE head SET signature = CAST(signature AS BLOB)", 7),
        ("UPDATE head SET seq = CAST(seq AS BLOB)", 7),
        ("UPDATE head SET hash = CAST(hash AS BLOB)", 7),
        ("UPDATE checkpoints SET key = CAST(key AS BLOB)", None),
        ("UPDATE checkpoints SET seq = CAST(seq AS BLOB)", None),
        ("UPDATE checkpoints SET seq = CAST(seq AS BLOB); DELETE FROM entries WHERE seq >= 5", 1),
        ("UPDATE checkpoints SET at = '2020-01-01T00:00:00.000Z'", None),
    ],
)
def test_tampering_is_found_at_the_first_bad_entry(tmp_path: Path, tamper: str, bad_seq: int | None) -> None:
    """Edited, deleted, cut off, inserted and moved entries are each reported; None where every entry is proved."""
    path = _filled(tmp_path)
    _run_sql(path, tamper)
    found = verify(tmp_path)
    assert (found.state, found.bad_seq) == ("broken", bad_seq)
    assert str(bad_seq or "every entry is as it was signed") in found.reason
    assert json.loads(json.dumps(found.as_json()))["intact"] is False


def test_the_state_says_who_signed_and_what_is_open(tmp_path: Path) -> None:
    """Without a key to compare with, whose key it is stays open; that its owner did not sign anew always does."""
    path, key = _filled(tmp_path / "home"), tmp_path / "other.pem"
    found = verify(path)
    assert found.intact
    assert [point[:12] for point in found.not_proved] == ["whose key it", "that the key"]
    assert len(verify(path, found.key).not_proved) == 1
    other = verify(path, Signer.load(key).public_key)
    assert (other.state, other.bad_seq) == ("broken", 1)
    assert found.key in other.reason


def test_nothing_signed_is_not_intact(tmp_path: Path) -> None:
    """An empty ledger proves nothing, nor does one whose signatures are gone; a downgrade does not hide that."""
    Ledger(tmp_path).close()
    assert verify(tmp_path).state == "unsigned"
    ledger = Ledger(tmp_path)
    ledger.start_run("walk")
    ledger.checkpoint()
    ledger.close()
    _run_sql(
        tmp_path / FILE_NAME,
        "DROP TABLE head; DELETE FROM checkpoints; ALTER TABLE checkpoints DROP COLUMN before;"
        "ALTER TABLE checkpoints DROP COLUMN key; ALTER TABLE checkpoints DROP COLUMN signature;"
        "PRAGMA user_version = 1",
    )
    found = verify(tmp_path)
    assert (found.state, found.bad_seq) == ("broken", 1)
    with pytest.raises(LedgerError, match="changed from outside"):
        Ledger(tmp_path).start_run("walk")


def test_what_a_ledger_alone_cannot_show(tmp_path: Path) -> None:
    """An older copy, and a record that the owner of the key made anew, are both as they were signed."""
    path = _filled(tmp_path / "home")
    shutil.copy(path, older := tmp_path / "older.sqlite3")
    ledger = Ledger(tmp_path / "home")
    ledger.append("run-2", "note", {"what": "the older copy does not have it"})
    ledger.close()
    assert verify(older, verify(path).key).entries == 6
    anew, signer = load(path), Signer.load(Path(os.environ[SIGNING_KEY]))
    anew.entries[2]["body"] = '{"edited":true}'
    anew.rechain(3)
    anew.refit(signer)
    Ledger(tmp_path / "empty").close()
    write_ledger(anew, tmp_path / "empty" / FILE_NAME, path)
    assert verify(path, signer.public_key).intact


def test_verifying_makes_no_file(tmp_path: Path) -> None:
    """A missing or foreign file is a clear error."""
    with pytest.raises(LedgerError, match="No ledger"):
        verify(tmp_path)
    assert list(tmp_path.iterdir()) == []
    for content in (b"this is not a database, not even nearly", b"", b'{"table":"heads"}\n', b'{"' + b"[" * 100_000):
        (tmp_path / FILE_NAME).write_bytes(content)
        with pytest.raises(LedgerError, match="Fix:"):
            verify(tmp_path / FILE_NAME)
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]
    (tmp_path / FILE_NAME).unlink()
    _run_sql(tmp_path / FILE_NAME, "CREATE TABLE entries(seq)")
    with pytest.raises(LedgerError, match="opslib did not make it"):
        verify(tmp_path)


@pytest.mark.parametrize(
    "left", [[""], ["", "-wal", "-shm"], ["", "-wal"]], ids=["closed", "in use or after a crash", "without the index"]
)
def test_evidence_that_nobody_may_write_is_verified_and_left_alone(tmp_path: Path, left: list[str]) -> None:
    """By another user in a folder that is not theirs, and by root, too: nothing is made beside it, and no byte changes.
    What stands in the log alone counts, also through a link."""
    _filled(tmp_path / "home")
    ledger = Ledger(tmp_path / "home")
    ledger.append("run-1", "note", {"where": "in the log"})
    if left == [""]:
        ledger.close()
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder, link = Path(name), tmp_path / "link"
        for ending in left:
            shutil.copyfile(f"{ledger.path}{ending}", folder / (FILE_NAME + ending))
        link.symlink_to(folder / FILE_NAME)
        folder.chmod(0o555)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        found = [verify(folder), verify(link)]
        with _as_nobody():
            found.append(verify(folder))
        assert {path.name for path in folder.iterdir()} == before.keys()
        shown = _script(link)
        assert {(one.state, one.entries) for one in found} == {("intact", 7)}
        assert "UNCONFIRMED KEY: all 7 entries" in shown.stderr
        assert all((folder / one).read_bytes() == content for one, content in before.items() if one[-4:] != "-shm")
        folder.chmod(0o755)


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Without root's right to write everywhere."""
    if was_root := os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def test_a_file_that_changes_while_it_is_read_is_said_so(tmp_path: Path) -> None:
    """Without a log beside it, it is read without a lock."""
    path = _filled(tmp_path)
    with pytest.raises(LedgerError, match="while it was read"), reading(path):
        _filled(tmp_path)
    assert verify(path).entries == 12


def test_a_file_of_version_1_is_read_as_a_copy(tmp_path: Path) -> None:
    """It verifies, as unsigned, and can be audited and exported; its bytes stay, and nothing appears beside it."""
    home = tmp_path / "home"
    home.mkdir()
    path = Path(shutil.copy(V1, home / FILE_NAME))
    found = verify(home)
    assert (found.state, found.entries, found.checkpoints, found.bad_seq) == ("unsigned", 90, 9, None)
    write_audit(tmp_path / "out", home=home, signing_key=own_key())
    assert "The chain holds, but nobody signed it" in (tmp_path / "out" / "audit.html").read_text()
    write_export(home, tmp_path / "export.jsonl")
    assert verify(tmp_path / "export.jsonl").state == "unsigned"
    assert path.read_bytes() == V1.read_bytes()
    assert list(home.iterdir()) == [path]
    assert _version(path) == 1


def test_tampering_with_version_1_is_found(tmp_path: Path) -> None:
    """As far as its chain and checkpoints go; and such a file is not taken over with a signature."""
    path = Path(shutil.copy(V1, tmp_path / FILE_NAME))
    _run_sql(path, "UPDATE entries SET body = replace(body, 'success', 'failure') WHERE seq = 25")
    assert (verify(tmp_path).state, verify(tmp_path).bad_seq) == ("broken", 25)
    with pytest.raises(LedgerError, match="changed from outside"):
        Ledger(tmp_path).start_run("walk")


def test_writing_brings_a_file_forward_and_leaves_its_entries(tmp_path: Path) -> None:
    """The first signature covers what is there; entries stay as they are, also their bytes."""
    path = Path(shutil.copy(V1, tmp_path / FILE_NAME))
    before = _entries(V1)
    ledger = Ledger(tmp_path)
    ledger.start_run("walk")
    ledger.checkpoint()
    ledger.close()
    assert _version(path) == SCHEMA_VERSION
    assert _entries(path)[:90] == before
    assert (verify(path).state, verify(path).entries) == ("intact", 92)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    """By reader and writer, and nothing is changed."""
    path = _filled(tmp_path)
    _run_sql(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    for use in (verify, Ledger):
        with pytest.raises(LedgerError, match="newer opslib") as refused:
            use(tmp_path)
        assert "upgrade" in refused.value.fix
    assert path.read_bytes() == before


def test_an_export_has_what_was_hashed(tmp_path: Path) -> None:
    """Its bodies are the ledger's, byte by byte, and it verifies as the ledger does; two exports are the same bytes."""
    path, first, second = _filled(tmp_path / "home"), tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    write_export(path, first)
    write_export(tmp_path / "home", second)
    assert first.read_bytes() == second.read_bytes()
    rows = [json.loads(line) for line in first.read_bytes().splitlines()]
    assert [row["body"] for row in rows if row["table"] == "entries"] == [entry.body for entry in _entries(path)]
    assert verify(first) == verify(path)


def test_only_one_spelling_of_an_export_is_accepted(tmp_path: Path) -> None:
    """Also where every value stays the same: the file that was handed over is the file that was written."""
    export = tmp_path / "export.jsonl"
    write_export(_filled(tmp_path / "home"), export)
    head, *others = export.read_bytes().splitlines(keepends=True)
    for content in (
        [head.replace(b'"hash":', b'"hash": '), *others],
        [head, *reversed(others)],
        [head, others[0].replace(b'"id":1,', b'"id":1.0,'), *others[1:]],
        [head, *others[:-1], others[-1].rstrip()],
        [head, *others, b"\n"],
        [head.replace(b"{", b'{"a":1,'), *others],
        [head, head, *others],
    ):
        export.write_bytes(b"".join(content))
        assert not _accepted(export)


def _accepted(export: Path) -> bool:
    try:
        return verify(export).intact
    except LedgerError:
        return False


def test_a_broken_ledger_is_not_exported(tmp_path: Path) -> None:
    """The file itself is the evidence."""
    path = _filled(tmp_path / "home")
    _run_sql(path, "DELETE FROM entries WHERE seq = 3")
    with pytest.raises(LedgerError, match="not exported"):
        write_export(path, tmp_path / "export.jsonl")
    assert not (tmp_path / "export.jsonl").exists()


def test_the_script_stands_alone(tmp_path: Path) -> None:
    """At most 100 lines, the standard library and cryptography; as a process it agrees with opslib."""
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 100
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {(node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name for node in nodes}
    outside = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    assert outside == {"cryptography"}

    path, export = _filled(tmp_path / "home"), tmp_path / "export.jsonl"
    write_export(path, export)
    key = verify(path).key
    for words, code in (([path], 1), ([export, key], 0), ([path, key[:-1]], 1), ([V1], 1), ([tmp_path / "no"], 1)):
        assert _script(*words).returncode == code
    assert _script(path, key).stdout.startswith("intact: all 6 entries")
    assert _script(path).stderr.startswith("SIGNED BY AN UNCONFIRMED KEY: all 6 entries")
    _run_sql(path, "UPDATE entries SET kind = 'other' WHERE seq = 5")
    export.write_bytes(export.read_bytes().replace(b'"kind":"note"', b'"kind":"nota"', 1))
    assert "NOT INTACT: entry 5" in _script(path).stderr
    assert "NOT INTACT: entry 1" in _script(export).stderr


def _script(*words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-I", SCRIPT, *map(str, words)], capture_output=True, text=True)


def test_the_fixture_is_what_version_1_wrote() -> None:
    """It was recorded before there were signatures, and must never change."""
    assert (
        hashlib.sha256(V1.read_bytes()).hexdigest()
        == "a7ca6f93161dabd2ce7fab556bf8a4a8197a13ed2116d7475fbc4c66deeacb96"
    )
    assert _version(V1) == 1
