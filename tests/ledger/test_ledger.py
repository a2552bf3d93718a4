import getpass
import multiprocessing
import os
import platform
import sqlite3
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from opslib.audit.verify import verify
from opslib.env_file import UnsafePlace
from opslib.errors import InvalidInput, LedgerError, SigningKeyError
from opslib.ledger.actor import machine
from opslib.ledger.database import FILE_NAME, connect
from opslib.ledger.export import write_export
from opslib.ledger.ledger import Ledger, Run, _create, samples_frame
from opslib.ledger.signing import Signer
from opslib.redact import HIDDEN, remember

from ..audit.tampering import load
from ..children import started


def _filled(home: Path, entries: int = 6) -> Ledger:
    ledger = Ledger(home)
    for number in range(entries):
        ledger.append("run-1", "note", {"number": number, "text": "line\nbreak ü"})
    ledger.checkpoint()
    return ledger


def test_entries_are_canonical_and_chained(tmp_path: Path) -> None:
    """Bodies are canonical JSON as it was hashed, and the chain is intact."""
    ledger = _filled(tmp_path)
    first = next(iter(ledger.entries()))
    assert first.body == '{"number":0,"text":"line\\nbreak ü"}'
    found = verify(tmp_path)
    assert (found.intact, found.entries, found.checkpoints, found.bad_seq) == (True, 6, 1, None)
    assert verify(tmp_path / FILE_NAME) == found


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a name \udcff", r"a name \udcff"),
        (2**60, "1152921504606846976"),
        (float("nan"), "nan"),
        (["\ud800"], [r"\ud800"]),
    ],
)
def test_what_json_cannot_hold_is_kept_as_text(tmp_path: Path, value: Any, kept: Any) -> None:
    """Such as the name of a user or a file that is not UTF-8; the entry is written, and the ledger stays intact."""
    ledger = Ledger(tmp_path)
    assert ledger.append("run-1", "note", {"value": value, "other": 1}).data == {"value": kept, "other": 1}
    ledger.append("run-1", "note", {"\udfff": True})
    ledger.close()
    assert verify(tmp_path).state == "intact"


def test_secrets_stop_at_the_door(tmp_path: Path) -> None:
    """A secret that reaches `append` is hidden before it is hashed and written."""
    remember("canary-in-ledger-42")
    ledger = Ledger(tmp_path)
    ledger.append("r", "note", {"text": "x canary-in-ledger-42", "secretAccessKey": "unannounced"})
    ledger.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert HIDDEN.encode() in written
    assert b"canary-in-ledger-42" not in written
    assert b"unannounced" not in written


def _append_many(home: Path, name: str) -> None:
    ledger = Ledger(home)

    def append(thread: int) -> None:
        for number in range(15):
            ledger.append(f"{name}-{thread}", "note", {"number": number})
            if number % 5 == 4:
                ledger.checkpoint()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(append, range(3)))


def test_processes_and_threads_write_one_chain(tmp_path: Path) -> None:
    """Writers at once, on one connection and on several, lose nothing, keep each one's order, and sign all of it."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(tmp_path, f"run-{n}")) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    found = verify(tmp_path)
    assert (found.state, found.entries, found.checkpoints) == ("intact", 3 * 3 * 15, 3 * 3 * 3)
    ledger = Ledger(tmp_path)
    for run_id in (f"run-{n}-{thread}" for n in range(3) for thread in range(3)):
        assert [entry.data["number"] for entry in ledger.entries("note", run_id)] == list(range(15))


def test_a_new_ledger_may_be_opened_by_several_at_once(tmp_path: Path) -> None:
    """Two commands in a new workspace, say: neither is refused. SQLite refuses some 1 in 20 unless asked again."""
    together = Barrier(4)

    def begin(home: Path) -> None:
        together.wait()
        Ledger(home).append("run", "note", {})

    with ThreadPoolExecutor(4) as threads:
        for number in range(60):
            list(threads.map(begin, [tmp_path / str(number)] * 4))
            assert verify(tmp_path / str(number)).entries == 4


def test_what_was_confirmed_survives_kill_9(tmp_path: Path) -> None:
    """Each number printed after `append` is in the ledger and signed, though two writers are killed again and again."""
    code = (
        "import sys, pathlib; from opslib.ledger.ledger import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1])); n = 0\n"
        "while True: ledger.append(sys.argv[2], 'note', {'n': n}); print(n, flush=True); n += 1"
    )
    for attempt in range(4):
        names = [f"writer-{attempt}-{number}" for number in range(2)]
        writers = [
            started([sys.executable, "-c", code, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
            for name in names
        ]
        for name, writer in zip(names, writers, strict=True):
            assert writer.stdout
            confirmed = [int(writer.stdout.readline()) for _ in range(20 + attempt)][-1]
            writer.kill()
            confirmed = max([confirmed, *map(int, writer.stdout.read().splitlines()[:-1])])
            writer.stdout.close()
            writer.wait()
            numbers = [entry.data["n"] for entry in Ledger(tmp_path).entries("note", name)]
            assert numbers[: confirmed + 1] == list(range(confirmed + 1))
        assert verify(tmp_path).intact


_WITHOUT_RIGHTS = """
import os, pathlib, sys
from opslib.errors import LedgerError
from opslib.ledger import database
from opslib.ledger.ledger import Ledger
from opslib.router.lock import apply_lock
def write(home):
    with apply_lock(Ledger(pathlib.Path(home), pathlib.Path(sys.argv[1])).start_run("test")):
        print("no error with", home)
write(sys.argv[2])  # with all that is imported on the way
if os.geteuid() == 0:  # whom no mode binds
    os.setuid(65534)
database._BUSY_TIMEOUT_S = 1e6
try:
    write(sys.argv[3])
except LedgerError as error:
    print(error)
"""


@pytest.mark.parametrize("place", ["", FILE_NAME, "apply.lock"], ids=["folder", "file", "lock"])
def test_what_cannot_be_written_is_said_at_once(place: str) -> None:
    """A workspace that may only be read: with the cause and the fix, and not as if somebody else were at work."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as folder:
        home, key = Path(folder, "home"), Path(folder, "key.pem")
        Ledger(home, key).start_run("test")
        (home / "apply.lock").touch()
        if os.geteuid() == 0:
            for path in (Path(folder), home, key, *home.iterdir()):
                os.chown(path, nobody, -1)
        for path in [home / place] if place else [*home.iterdir(), home]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [sys.executable, "-c", _WITHOUT_RIGHTS, str(key), str(Path(folder, "other")), str(home)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout
        home.chmod(0o755)
    assert f"no error with {home}" not in said
    assert "Fix: check the folder's permissions" in said
    assert "readonly" in said or "unable to open" in said


def test_an_emptied_ledger_is_not_a_new_one(tmp_path: Path) -> None:
    """A file of 0 bytes held something; it stays as it is until somebody restores or deletes it."""
    ledger = _filled(tmp_path / "home")
    ledger.close()
    path = tmp_path / "home" / FILE_NAME
    for _ in range(2):
        path.write_bytes(b"")
        with pytest.raises(LedgerError, match=r"is empty\n.*0 bytes"):
            Ledger(tmp_path / "home")
        assert path.read_bytes() == b""
    path.unlink()
    assert _filled(tmp_path / "home").checkpoint()


def test_a_new_ledger_appears_whole(tmp_path: Path) -> None:
    """Made by many at once it is one ledger, never seen empty, and no other file is left."""
    homes = [tmp_path / f"home-{number}" for number in range(3)]

    def make(home: Path) -> int:
        ledger = Ledger(home)
        size = ledger.path.stat().st_size
        ledger.append("run-1", "note", {})
        ledger.close()
        return size

    with ThreadPoolExecutor(12) as threads:
        sizes = list(threads.map(make, homes * 4))
    assert min(sizes) > 0
    for home in homes:
        assert verify(home).entries == 4
        assert {file.name for file in home.iterdir()} <= {FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"}


def test_a_workspace_that_everybody_can_write_gives_a_warning(tmp_path: Path) -> None:
    """The folder or the file; a folder that a group can write gives none."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o775)
    Ledger(home).close()
    for place, mode in ((home, 0o777), (home / FILE_NAME, 0o666)):
        before = place.stat().st_mode
        place.chmod(mode)
        with pytest.warns(UnsafePlace, match=f"every user of this machine can write {place};"):
            Ledger(home).close()
        place.chmod(before)


def test_a_new_workspace_is_its_owner_s_alone(tmp_path: Path) -> None:
    """Whatever the umask allows others."""
    before = os.umask(0)
    try:
        Ledger(tmp_path / "new" / "home").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "home").stat().st_mode) == 0o700


def test_a_workspace_that_cannot_be_a_folder_is_said_so(tmp_path: Path) -> None:
    """With the place."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(LedgerError, match=r"The ledger .*/file/home/ledger\.sqlite3 cannot be opened"):
        Ledger(tmp_path / "file" / "home")


def test_a_ledger_that_disappears_while_it_is_opened_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty file in its place would look like one that never held anything."""
    path = tmp_path / FILE_NAME
    Ledger(tmp_path).close()

    def late(path: Path, options: str = "") -> sqlite3.Connection:
        path.unlink()
        return connect(path, options)

    monkeypatch.setattr("opslib.ledger.ledger.connect", late)
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger(tmp_path)
    assert not path.exists()


def test_a_ledger_of_a_newer_opslib_is_named(tmp_path: Path) -> None:
    """By its path."""
    ledger = _filled(tmp_path)
    ledger.close()
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match=f"The ledger {ledger.path} is from a newer opslib"):
        Ledger(tmp_path)


def test_a_ledger_that_begins_with_a_checkpoint_goes_on(tmp_path: Path) -> None:
    """Its head names no entry yet."""
    ledger = Ledger(tmp_path)
    ledger.checkpoint()
    ledger.append("run", "note", {})
    assert verify(tmp_path).intact
    again = Ledger(tmp_path / "other")
    again.checkpoint()
    again.close()
    again = Ledger(tmp_path / "other")
    again.checkpoint()
    assert [point.id for point in (again.checkpoint(),)] == [3]
    for one in (ledger, again):
        one.close()


def test_who_comes_second_uses_the_first_one_s_file(tmp_path: Path) -> None:
    """Two commands in a new workspace: neither writes over the other's ledger."""
    ledger = _filled(tmp_path)
    _create(ledger.path)
    assert verify(tmp_path).entries == 6
    ledger.close()


def test_an_export_follows_no_planted_link(tmp_path: Path) -> None:
    """Neither at its own name nor at the one it used to have while it was written."""
    _filled(tmp_path / "home").close()
    precious = tmp_path / "precious"
    precious.write_text("precious")
    for name in ("out.jsonl.part", ".part-aaaaaaaa", ".out.jsonl.part"):
        (tmp_path / name).symlink_to(precious)
    write_export(tmp_path / "home", tmp_path / "out.jsonl")
    assert verify(tmp_path / "out.jsonl").intact
    assert precious.read_text() == "precious"


def test_what_is_proved_is_shared(tmp_path: Path) -> None:
    """By threads and by ledgers of one process that write meanwhile: each gets just what was there when it asked."""
    ledgers = [Ledger(tmp_path) for _ in range(3)]

    def write_and_read(number: int) -> None:
        ledger = ledgers[number % 3]
        for _ in range(10):
            last = ledger.append(f"run-{number}", "note", {}).seq
            notes = ledger.proved_entries("note")
            assert [entry.seq for entry in notes] == [*range(1, len(notes) + 1)]
            assert len(notes) >= last

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write_and_read, range(6)))
    assert len(ledgers[0].proved_entries("note", run_id="run-5")) == 10
    assert ledgers[0].proved_entries("other") == []


def _run_sql(home: Path, statements: str) -> None:
    with closing(sqlite3.connect(home / FILE_NAME)) as db, db:
        db.executescript(statements)


# A text of the same length that is certainly another one.
_ANOTHER_FIRST = "CASE substr({0}, 1, 1) WHEN 'a' THEN 'b' ELSE 'a' END || substr({0}, 2)"


@pytest.mark.parametrize(
    "statements",
    [
        "DELETE FROM entries WHERE seq = 6",
        f"UPDATE entries SET hash = {_ANOTHER_FIRST.format('hash')} WHERE seq = 6",
        "INSERT INTO entries SELECT 7, run_id, kind, at, body, hash FROM entries WHERE seq = 6",
        "UPDATE head SET seq = 5, hash = (SELECT hash FROM entries WHERE seq = 5); DELETE FROM entries WHERE seq = 6",
        f"UPDATE head SET signature = {_ANOTHER_FIRST.format('signature')}",
        "DELETE FROM head",
        "DELETE FROM head; DELETE FROM checkpoints",
    ],
)
def test_what_was_changed_from_outside_is_never_signed_anew(tmp_path: Path, statements: str) -> None:
    """A writer that finds another end than was signed refuses, and leaves the file as it found it; also an open one."""
    ledger = Ledger(tmp_path)
    ledger.start_run("test")  # two entries
    for number in range(4):
        ledger.append("run-1", "note", {"number": number, "text": "abcdef"})
    ledger.checkpoint()
    _run_sql(tmp_path, statements)
    before = load(tmp_path / FILE_NAME)
    for writer in (ledger, Ledger(tmp_path)):
        with pytest.raises(LedgerError, match="changed from outside"):
            writer.append("run-1", "note", {})
        with pytest.raises(LedgerError, match="nothing was written"):
            writer.checkpoint()
    assert load(tmp_path / FILE_NAME) == before
    assert verify(tmp_path).state == "broken"


def test_one_ledger_has_one_key(tmp_path: Path) -> None:
    """Who has another key is refused, with both keys named; and a key in the workspace is no key."""
    home, first, second = tmp_path / "home", tmp_path / "first.pem", tmp_path / "second.pem"
    Ledger(home, first).append("run-1", "note", {})
    with pytest.raises(LedgerError, match="another key") as refused:
        Ledger(home, second).append("run-1", "note", {})
    for key in (first, second):
        assert Signer.load(key).public_key in refused.value.cause
    with pytest.raises(InvalidInput, match="must not be in the workspace"):
        Ledger(home, home / "key.pem").start_run("test")
    assert verify(home, Signer.load(first).public_key).entries == 1
    assert not (home / "key.pem").exists()


def test_without_a_key_nothing_is_written(tmp_path: Path) -> None:
    """Reading needs no key."""
    file = tmp_path / "no-folder"
    file.write_text("")
    ledger = Ledger(tmp_path / "home", file / "key.pem")
    assert list(ledger.entries()) == []
    with pytest.raises(SigningKeyError, match="cannot be used"):
        ledger.start_run("test")
    assert list(ledger.entries()) == []


def test_runs_say_who_when_and_with_what(tmp_path: Path) -> None:
    """A run begins with who the process is, and with user, host and versions."""
    run = Ledger(tmp_path).start_run("test", api="http://127.0.0.1:1")
    actor, started = run.entries()
    who = {"user": getpass.getuser(), "uid": os.getuid(), "host": platform.node()}
    assert (actor.kind, started.kind, actor.run_id, started.run_id) == ("actor", "run.started", run.id, run.id)
    assert {"opslib", "python", "signed_by"} <= set(actor.data)
    assert who.items() <= actor.data.items()
    assert {**actor.data, "command": "test", "api": "http://127.0.0.1:1", "actor": actor.seq} == started.data


def test_each_entry_names_the_process_that_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each process and run, whatever a caller puts in the same place; the chain holds."""
    monkeypatch.setenv("LOGNAME", "first")
    first = Ledger(tmp_path)
    run = first.start_run("test")
    monkeypatch.setenv("LOGNAME", "second")
    second = Run(Ledger(tmp_path), run.id)
    entries = [
        run.append("a", {"actor": "made up"}),
        second.append("b", {}),
        run.append("c", {}),
        second.append("d", {}),
    ]
    users = {entry.seq: entry.data["user"] for entry in run.entries("actor")}
    assert [users[entry.data["actor"]] for entry in entries] == ["first", "second", "first", "second"]
    assert len(users) == 2
    other = first.start_run("test")
    assert len(list(other.entries("actor"))) == 1
    assert verify(tmp_path).intact


def test_a_run_whose_first_entry_failed_begins_with_its_actor(tmp_path: Path) -> None:
    """What was not written down names no one: the next entry says who writes."""
    run = Run(Ledger(tmp_path), "run")
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        refuse = "BEFORE INSERT ON entries WHEN NEW.kind <> 'actor' BEGIN SELECT RAISE(ABORT, 'full'); END"
        db.execute(f"CREATE TRIGGER full {refuse}")
        db.commit()
        with pytest.raises(LedgerError, match="full"):
            run.append("note", {})
        db.execute("DROP TRIGGER full")
        db.commit()
    assert list(run.entries()) == []
    run.append("note", {})
    assert [entry.kind for entry in run.entries()] == ["actor", "note"]


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: no variable and no line in passwd. The name is UNKNOWN; without numbers that is None."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_123)
    assert (machine()["user"], machine()["uid"]) == ("UNKNOWN", 4_000_123)
    monkeypatch.setenv("LOGNAME", "someone")
    monkeypatch.delattr("os.getuid")
    assert (machine()["user"], machine()["uid"]) == ("someone", None)


def test_no_folder_to_write_to(tmp_path: Path) -> None:
    """A workspace that cannot be made is a clear error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="OPSLIB_HOME"):
        Ledger(tmp_path / "file" / "below-a-file")


@pytest.mark.parametrize("trouble", ["closed", "no table", "damaged"])
def test_a_ledger_that_cannot_be_read_is_a_ledger_error(tmp_path: Path, trouble: str) -> None:
    """Also in the middle of reading."""
    ledger = _filled(tmp_path, entries=600)
    if trouble == "closed":
        ledger.close()
    elif trouble == "no table":
        _run_sql(tmp_path, "DROP TABLE entries")
    else:
        _run_sql(tmp_path, "UPDATE entries SET body = CAST(x'ff' AS TEXT) WHERE seq = 300")
    with pytest.raises(LedgerError, match="cannot be read"):
        list(ledger.entries())


def test_samples_frame_reads_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`opslib.samples_frame()` has one row per sample in the workspace's ledger."""
    monkeypatch.setenv("OPSLIB_HOME", str(tmp_path))
    assert samples_frame().empty
    sample = {
        "operation": "o", "step": "s", "method": "GET", "endpoint": "/", "attempt": 1, "status": 200,
        "outcome": "success", "latency_s": 0.5, "started_at": "2026-11-23T08:00:00.000Z", "correlation_id": "c",
    }  # fmt: skip
    ledger = Ledger(tmp_path)
    ledger.append("run-1", "sample", sample)
    ledger.append("run-2", "sample", sample)
    assert list(samples_frame()["run_id"]) == ["run-1", "run-2"]
    assert len(samples_frame("run-2")) == 1


def test_durability_settings(tmp_path: Path) -> None:
    """WAL with FULL: a confirmed entry survives a power cut, too."""
    ledger = Ledger(tmp_path)
    assert ledger._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)
