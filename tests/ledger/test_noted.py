import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opslib.audit.verify import verify
from opslib.errors import LedgerError, LedgerNotProved
from opslib.ledger.chain import Head
from opslib.ledger.database import reading, record
from opslib.ledger.ledger import Ledger, Run

from ..children import started
from .test_ledger import _run_sql


def _kinds(home: Path) -> list[str]:
    """What is on disk, as another process reads it."""
    code = (
        "import sys, pathlib; from opslib.ledger.ledger import Ledger\n"
        "print(*[entry.kind for entry in Ledger(pathlib.Path(sys.argv[1])).entries()])"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=True
    ).stdout.split()


def _until(true: object) -> None:
    deadline = time.monotonic() + 60
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_noted_is_written_soon_by_itself(tmp_path: Path) -> None:
    """Nothing else needs to happen; and it is signed."""
    run = Ledger(tmp_path).start_run("test")
    run.note("a", {})
    run.note("b", {})
    _until(lambda: verify(tmp_path).entries == 4)
    assert verify(tmp_path).intact


def test_the_order_is_that_of_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is appended is on disk at once, with what was noted before it; a checkpoint covers what was noted."""
    monkeypatch.setattr("opslib.ledger.noted.WITHIN_S", 3600.0)
    ledger = Ledger(tmp_path)
    run = Run(ledger, "run")
    run.note("a", {})
    run.note("b", {})
    run.append("c", {})
    assert _kinds(tmp_path) == ["actor", "a", "b", "c"]
    run.note("d", {})
    assert ledger.checkpoint().seq == 5
    run.note("e", {})
    assert [entry.kind for entry in ledger.proved_entries("a", "b", "c", "d", "e")] == ["a", "b", "c", "d", "e"]
    run.note("f", {})
    ledger.close()
    assert _kinds(tmp_path)[-2:] == ["e", "f"]
    assert verify(tmp_path).intact


@contextmanager
def _counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    signed, sign = [0], Ledger._sign

    def counted(self: Ledger, head: Head) -> None:
        signed[0] += 1
        sign(self, head)

    monkeypatch.setattr(Ledger, "_sign", counted)
    yield signed


def test_a_group_has_one_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And each entry its actor and its place in the chain."""
    monkeypatch.setattr("opslib.ledger.noted.WITHIN_S", 3600.0)
    ledger = Ledger(tmp_path)
    run = ledger.start_run("test")
    with _counted(monkeypatch) as signed:
        for number in range(50):
            run.note("a", {"number": number})
        ledger.flush()
    assert signed == [1]
    entries = list(run.entries("a"))
    assert [entry.data for entry in entries] == [{"number": number, "actor": 1} for number in range(50)]
    assert verify(tmp_path).intact


def test_a_note_may_name_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the numbers that they get, whether they are written before it or with it."""
    monkeypatch.setattr("opslib.ledger.noted.WITHIN_S", 3600.0)
    ledger = Ledger(tmp_path)
    run = ledger.start_run("test")
    first = run.note("a", {})
    Ledger(tmp_path).append("another", "x", {})
    ledger.flush()
    second = run.note("a", {})
    run.note("b", {"entries": [first, second]})
    ledger.flush()
    (named,) = run.entries("b")
    assert named.data["entries"] == [entry.seq for entry in run.entries("a")] == [4, 5]


def test_who_reads_in_this_process_sees_what_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through another object, too, such as `opslib.samples_frame()` after a call of the tutorial's router."""
    monkeypatch.setattr("opslib.ledger.noted.WITHIN_S", 3600.0)
    run = Ledger(tmp_path).start_run("test")
    run.note("a", {})
    assert [entry.kind for entry in Ledger(tmp_path).entries()][-1] == "a"
    run.note("b", {})
    with reading(tmp_path) as db:
        assert [kind for _, _, kind, *_ in record(db).entries][-1] == "b"


def test_what_cannot_be_written_is_said_and_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next note raises it, and so does each further one; once there is space again, everything is written."""
    ledger = Ledger(tmp_path)
    run = ledger.start_run("test")
    full = pytest.MonkeyPatch()
    full.setattr(Ledger, "_writing", lambda self: (_ for _ in ()).throw(LedgerError("full", cause="full", fix="x")))
    run.note("a", {})
    _until(lambda: ledger._waiting.failed)
    for _ in range(2):
        with pytest.raises(LedgerError, match="full"):
            run.note("b", {})
    with pytest.raises(LedgerError, match="full"):
        run.append("c", {})
    full.undo()
    run.append("d", {})
    run.note("e", {})
    ledger.close()
    assert _kinds(tmp_path) == ["actor", "run.started", "a", "d", "e"]


def test_a_ledger_that_is_changed_meanwhile_is_found_by_the_next_note(tmp_path: Path) -> None:
    """And what was noted is not signed on top of it."""
    ledger = Ledger(tmp_path)
    run = ledger.start_run("test")
    _run_sql(tmp_path, "DELETE FROM entries WHERE seq = 2")
    run.note("a", {})
    _until(lambda: ledger._waiting.failed)
    with pytest.raises(LedgerNotProved, match="changed from outside"):
        run.note("b", {})
    assert _kinds(tmp_path) == ["actor"]
    with pytest.warns(UserWarning, match="changed from outside"):
        ledger.close()


_PROGRAM = """
import pathlib, sys, time
from opslib.ledger import noted
from opslib.ledger.ledger import Ledger
noted.WITHIN_S = 3600.0
run = Ledger(pathlib.Path(sys.argv[1])).start_run("test")
run.note("a", {})
print("noted", flush=True)
if len(sys.argv) > 2: time.sleep(600)
"""


def test_a_process_that_ends_has_written_everything(tmp_path: Path) -> None:
    """One that is killed loses what it noted last, and leaves a ledger that is intact."""
    subprocess.run([sys.executable, "-c", _PROGRAM, str(tmp_path)], check=True, capture_output=True)
    assert _kinds(tmp_path) == ["actor", "run.started", "a"]
    killed = started([sys.executable, "-c", _PROGRAM, str(tmp_path), "wait"], stdout=subprocess.PIPE)
    assert killed.stdout
    killed.stdout.readline()
    killed.kill()
    killed.wait()
    killed.stdout.close()
    assert verify(tmp_path).intact
    assert _kinds(tmp_path) == ["actor", "run.started", "a", "actor", "run.started"]
