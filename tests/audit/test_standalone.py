"""docs/verify_audit.py, docs/verify_ledger.py and `opslib verify` on what somebody else made: one sentence, never a
traceback, and never "intact" without the owner's key."""

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opslib.audit.manifest import NAME
from opslib.audit.verify import verify
from opslib.errors import LedgerError
from opslib.ledger.database import FILE_NAME
from opslib.ledger.export import write_export
from opslib.ledger.ledger import Ledger
from opslib.ledger.signing import Signer

from ..forks import opslib
from ..test_files import NOT_FILES
from ..world import SIGNING_KEY, own_key, without_settings
from .scripts import run_script, script
from .tampering import load, write_ledger

SCRIPTS = {name: script(name) for name in ("verify_audit", "verify_ledger")}
SENTENCE = re.compile(r"(NOT INTACT|CANNOT BE CHECKED|SIGNED BY AN UNCONFIRMED KEY): [ -~]+")
STRANGER = "their_key.pem"

Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger, its export, a stranger's key, and room to try things."""
    folder = tmp_path_factory.mktemp("given")
    ledger = Ledger(folder)
    for number in range(6):
        ledger.append("run-1", "note", {"number": number})
    ledger.checkpoint()
    ledger.close()
    write_export(folder, folder / "export.jsonl")
    Signer.load(folder / STRANGER)
    (folder / "audit").mkdir()
    return folder


def _refusal(name: str, *words: object) -> str:
    """What a script says of something that it must not call intact; a second line would be an error of its own."""
    with pytest.raises(SystemExit) as ended:
        SCRIPTS[name].main(*map(str, words))
    said = str(ended.value.code)
    assert SENTENCE.fullmatch(said), said
    return said


def _opslib_refuses(path: Path) -> None:
    with suppress(LedgerError):
        assert not verify(path).intact


def _signed(manifest: dict[str, Any], signer: Signer) -> bytes:
    """The manifest in its spelling, signed as it is."""

    def spelled(values: dict[str, Any]) -> bytes:
        return json.dumps(values, indent=2, sort_keys=True).encode() + b"\n"

    bare = {**manifest, "key": signer.public_key, "signature": ""}
    return spelled({**bare, "signature": signer.sign(spelled(bare))})


@pytest.mark.parametrize("kind", NOT_FILES)
def test_what_is_not_a_file_or_a_folder(kind: str, tmp_path: Path) -> None:
    """A FIFO or a device is not waited for, a loop of links not followed; as the record, and as the key."""
    given_path = NOT_FILES[kind](tmp_path / "given")
    for name in SCRIPTS:
        assert "CANNOT BE CHECKED" in _refusal(name, given_path)
        assert "CANNOT BE CHECKED" in _refusal(name, tmp_path, given_path)
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / NAME).symlink_to(given_path) if "\0" not in str(given_path) else None
    _refusal("verify_audit", tmp_path / "audit")


@pytest.mark.parametrize("beside", ["-wal", "-shm"])
def test_a_log_that_is_a_fifo_is_not_waited_for(folder: Path, tmp_path: Path, beside: str) -> None:
    """SQLite would open it."""
    shutil.copy(folder / FILE_NAME, tmp_path)
    os.mkfifo(tmp_path / f"{FILE_NAME}{beside}")
    assert "CANNOT BE CHECKED" in _refusal("verify_ledger", tmp_path / FILE_NAME)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_wrong_call_says_how_it_is_called(name: str) -> None:
    """As a process: without a word, and with one too many."""
    for words in ([], ["a", "b", "c"]):
        run = run_script(name, *words)
        assert (run.returncode, run.stdout) == (1, "")
        assert f"python {name}.py" in run.stderr
        assert "Traceback" not in run.stderr


@pytest.mark.parametrize("start", [b"", b'{"', b"SQLite format 3\0", b"PK\3\4"])
def test_a_huge_file_is_not_read_into_memory(tmp_path: Path, start: bytes) -> None:
    """Four gigabytes, of which the disk holds the start only."""
    (tmp_path / NAME).write_bytes(start)
    os.truncate(tmp_path / NAME, 2**32)
    _refusal("verify_ledger", tmp_path / NAME)
    _refusal("verify_audit", tmp_path)
    _opslib_refuses(tmp_path / NAME)
    _opslib_refuses(tmp_path)


@given(content=st.binary())
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"table":"head","seq":' + b"9" * 5000 + b"}")
@example(b'"\\ud800"')
@example(b'{"table":["head"]}\n')
def test_any_bytes(folder: Path, content: bytes) -> None:
    """As manifest, as ledger and as export, whatever they are."""
    for path in (file := folder / "any", folder / "audit" / NAME):
        path.write_bytes(content)
    _refusal("verify_ledger", file)
    _refusal("verify_audit", folder / "audit")
    _opslib_refuses(file)
    _opslib_refuses(folder / "audit")


@given(data=st.data())
def test_a_ledger_or_export_that_was_cut_off_or_overwritten(folder: Path, data: st.DataObject) -> None:
    """Somewhere, by anything."""
    whole = (folder / data.draw(st.sampled_from([FILE_NAME, "export.jsonl"]))).read_bytes()
    place, other = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.binary(max_size=20))
    (folder / "any").write_bytes(
        changed := whole[:place] + other + whole[place + len(other) :][: data.draw(st.integers(0))]
    )
    said = _refusal("verify_ledger", folder / "any")
    assert changed == whole or "UNCONFIRMED" not in said or changed.startswith(b"SQLite")
    if "UNCONFIRMED" not in said:
        _opslib_refuses(folder / "any")


@pytest.mark.parametrize("damaged", [b"entries_by_kind", b"CREATE TABLE entries", b"head"])
def test_a_schema_that_is_not_text(folder: Path, tmp_path: Path, damaged: bytes) -> None:
    """SQLite quotes it in its error, byte by byte; who reads and who writes gets cause and fix."""
    content = (folder / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(content.replace(damaged, b"\x80" + damaged[1:], 1))
    _refusal("verify_ledger", tmp_path / FILE_NAME)
    for use in (verify, lambda home: Ledger(home).append("run-2", "note", {})):
        with pytest.raises(LedgerError) as refused:
            use(tmp_path)
        assert refused.value.fix


Row = st.tuples(st.sampled_from(["head", "checkpoints", "entries"]), st.tuples(*[Json] * 7))


@settings(max_examples=50)
@given(rows=st.lists(Row, max_size=3))
def test_an_export_of_any_values(folder: Path, rows: list[tuple[str, tuple[Any, ...]]]) -> None:
    """In the right columns, of every type."""
    tables = SCRIPTS["verify_ledger"].TABLES
    lines = [json.dumps({"table": name} | dict(zip(tables[name], row, strict=False))) for name, row in rows]
    (folder / "any").write_text("\n".join(lines))
    _refusal("verify_ledger", folder / "any")
    _opslib_refuses(folder / "any")


SqlValue = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.binary(max_size=9) | st.text(max_size=9)


@given(data=st.data())
def test_a_ledger_of_any_values(folder: Path, data: st.DataObject) -> None:
    """SQLite keeps any type in any column but the first, and text that is not text."""
    shutil.copy(folder / FILE_NAME, file := folder / "any.sqlite3")
    table = data.draw(st.sampled_from([*SCRIPTS["verify_ledger"].TABLES]))
    column = data.draw(st.sampled_from(SCRIPTS["verify_ledger"].TABLES[table][1:]))
    value = data.draw(SqlValue.filter(lambda value: value is not None and value == value))
    with closing(sqlite3.connect(file)) as db, db:
        before = db.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()[0]
        cast = data.draw(st.sampled_from(["?", "CAST(? AS TEXT)"]))
        db.execute(f"UPDATE {table} SET {column} = {cast}", (value,))
        db.text_factory = bytes
        after = db.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()[0]
    said = _refusal("verify_ledger", file)
    assert ("UNCONFIRMED" in said) == (after == str(before).encode())
    if "UNCONFIRMED" not in said:
        _opslib_refuses(file)


@given(manifest=st.dictionaries(st.sampled_from(["files", "ledger", "run", "type", "x"]), Json, max_size=5))
@example({"files": {"../export.jsonl": {}}, "ledger": {"state": "intact", "head": ""}})
@example({"files": {"\ud800": {}, "": {}, "..": {}}, "ledger": {}})
@example({"files": {"a" * 5000: {}}, "ledger": {}})
@example({"files": {}, "ledger": {"state": "\n\x1b[2J", "head": "\ud800"}})
def test_a_manifest_of_any_values_that_its_author_signed(folder: Path, manifest: dict[str, Any]) -> None:
    """So the check goes on to what it says."""
    (folder / "audit" / NAME).write_bytes(_signed(manifest, signer := Signer.load(folder / STRANGER)))
    _refusal("verify_audit", folder / "audit")
    _refusal("verify_audit", folder / "audit", Signer.load(own_key()).public_key)
    _opslib_refuses_or_names(folder / "audit", signer.public_key)


def _opslib_refuses_or_names(path: Path, key: str) -> None:
    found = verify(path)
    assert not found.intact or found.key == key


def test_a_folder_forged_with_a_new_key_is_not_intact(recorded: Path, tmp_path: Path) -> None:
    """Well made, with every hash right: only the owner's key tells, and without it nothing says intact."""
    forged = Path(shutil.copytree(recorded, tmp_path / "forged"))
    (forged / "audit.html").write_text("PASS")
    stranger = Signer.load(tmp_path / STRANGER)
    manifest = json.loads((forged / NAME).read_text())
    manifest["files"]["audit.html"] = SCRIPTS["verify_audit"].digest(forged / "audit.html")
    (forged / NAME).write_bytes(_signed(manifest, stranger))
    _three_answers("verify_audit", forged, stranger.public_key, recorded)


def test_a_ledger_forged_with_a_new_key_is_not_intact(folder: Path, tmp_path: Path) -> None:
    """The same of a ledger and of its export."""
    tables, stranger = load(folder / FILE_NAME), Signer.load(tmp_path / STRANGER)
    tables.entries[2]["body"] = '{"number":7}'
    tables.rechain(3)
    tables.refit(stranger)
    Ledger(tmp_path / "empty").close()
    write_ledger(tables, tmp_path / "empty" / FILE_NAME, forged := tmp_path / "forged.sqlite3")
    write_export(forged, tmp_path / "forged.jsonl")
    for given_path, owned in ((forged, folder / FILE_NAME), (tmp_path / "forged.jsonl", folder / "export.jsonl")):
        _three_answers("verify_ledger", given_path, stranger.public_key, owned)


def _three_answers(name: str, forged: Path, theirs: str, owned: Path) -> None:
    """What the script and `opslib verify` say without a key, with the owner's and with the forger's, as processes."""
    own = own_key().with_suffix(".pub")
    ask: tuple[Callable[..., Any], ...] = (
        lambda path, *key: run_script(name, path, *key),
        lambda path, *key: opslib(without_settings(), "verify", path, *(("--key", *key) if key else ())),
    )
    for program in ask:
        unconfirmed, refused, theirs_said = program(forged), program(forged, own), program(forged, theirs)
        assert [one.returncode for one in (unconfirmed, refused, theirs_said)] == [1, 1, 0]
        assert (unconfirmed.stdout + unconfirmed.stderr).startswith("SIGNED BY AN UNCONFIRMED KEY: ")
        assert (refused.stdout + refused.stderr).startswith("NOT INTACT: it is signed with ")
        for key in (own, own.read_text()):
            right = program(owned, key)
            assert (right.returncode, right.stdout[:8], right.stderr) == (0, "intact: ", "")
    assert run_script(name, owned).returncode == 1


def test_this_machines_own_key_is_confirmed_unless_a_dotenv_names_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that comes with a .env and a key must not confirm itself."""
    env = without_settings()
    right = opslib(env, "verify", folder, "--json")
    assert (right.returncode, json.loads(right.stdout)["state"]) == (0, "intact")
    assert not any("whose key" in point for point in json.loads(right.stdout)["not_proved"])
    (tmp_path / ".env").write_text(f"{SIGNING_KEY}={env.pop(SIGNING_KEY)}\n")
    monkeypatch.chdir(tmp_path)
    found = opslib(env | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}, "verify", folder, "--json")
    document = json.loads(found.stdout)
    assert (found.returncode, document["state"], document["intact"]) == (1, "unconfirmed", False)
    assert any("whose key" in point for point in document["not_proved"])
