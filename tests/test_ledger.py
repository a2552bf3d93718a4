import multiprocessing
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from opslib.errors import LedgerError
from opslib.ledger import Ledger, samples_frame
from opslib.ledger_file import FILE_NAME
from opslib.redact import HIDDEN, remember
from opslib.verify import verify


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
    ("tamper", "bad_seq"),
    [
        ("UPDATE entries SET body = replace(body, '3', '4') WHERE seq = 4", 4),
        ("UPDATE entries SET run_id = 'run-2' WHERE seq = 2", 2),
        ("UPDATE entries SET at = '2020-01-01T00:00:00.000Z' WHERE seq = 1", 1),
        ("UPDATE entries SET kind = 'other' WHERE seq = 5", 5),
        ("DELETE FROM entries WHERE seq = 3", 3),
        ("DELETE FROM entries WHERE seq >= 5", 5),
        ("DELETE FROM entries", 1),
        ("INSERT INTO entries SELECT seq + 1, run_id, kind, at, body, hash FROM entries WHERE seq = 6", 7),
        ("UPDATE entries SET seq = -seq WHERE seq IN (2, 3); UPDATE entries SET seq = 5 + seq WHERE seq < 0", 2),
    ],
)
def test_tampering_is_found_at_the_first_bad_entry(tmp_path: Path, tamper: str, bad_seq: int) -> None:
    """Edited, deleted, cut off, inserted and moved entries are each reported."""
    _filled(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.executescript(tamper)
    db.close()
    found = verify(tmp_path)
    assert not found.intact
    assert found.bad_seq == bad_seq
    assert str(bad_seq) in found.reason


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
    for number in range(50):
        ledger.append(name, "note", {"number": number})


def test_several_processes_write_one_chain(tmp_path: Path) -> None:
    """Writers at once lose nothing and keep the chain intact."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(tmp_path, f"run-{n}")) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert verify(tmp_path).entries == 150
    assert verify(tmp_path).intact


def test_what_was_confirmed_survives_kill_9(tmp_path: Path) -> None:
    """Each number printed after `append` is in the ledger, though the writer is killed at once."""
    code = (
        "import sys, pathlib; from opslib.ledger import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1])); n = 0\n"
        "while True: ledger.append('r', 'note', {'n': n}); print(n, flush=True); n += 1"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    confirmed = [int(writer.stdout.readline()) for _ in range(40)][-1]
    writer.kill()
    confirmed = max([confirmed, *map(int, writer.stdout.read().split())])
    writer.stdout.close()
    writer.wait()
    numbers = [entry.data["n"] for entry in Ledger(tmp_path).entries("note")]
    assert numbers[: confirmed + 1] == list(range(confirmed + 1))
    assert verify(tmp_path).intact


def test_runs_say_who_when_and_with_what(tmp_path: Path) -> None:
    """A run's first entry has user, host and versions."""
    run = Ledger(tmp_path).start_run("test", api="http://127.0.0.1:1")
    (entry,) = run.entries()
    assert entry.kind == "run.started"
    assert {"command", "user", "host", "opslib", "python", "api"} <= set(entry.data)
    assert entry.run_id == run.id


def test_no_ledger_and_no_ledger_file(tmp_path: Path) -> None:
    """A missing or foreign file is a clear error, and checking makes no file."""
    with pytest.raises(LedgerError, match="No ledger"):
        verify(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / FILE_NAME).write_text("this is not a database, not even nearly")
    with pytest.raises(LedgerError, match="Fix:"):
        verify(tmp_path)
    with pytest.raises(LedgerError, match="OPSLIB_HOME"):
        Ledger(tmp_path / FILE_NAME / "below-a-file")


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
