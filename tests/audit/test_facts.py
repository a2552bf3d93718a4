from pathlib import Path

import pandas as pd
import pytest

from opslib.audit.facts import PROBLEMS_SHOWN, load
from opslib.audit.report import RECORDED
from opslib.errors import LedgerError
from opslib.ledger.ledger import Ledger, Run

from .ledgers import call, rows, step


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Ledger(tmp_path).start_run("walk", backend="storage-targets")


def test_the_last_walk_or_the_one_named(run: Run, tmp_path: Path) -> None:
    """Without a run id the newest walk is taken; an unknown one is an error."""
    second = run.ledger.start_run("walk", backend="storage-targets")
    run.ledger.start_run("GenesysStorageRouter")
    assert load(tmp_path).run_id == second.id
    assert load(tmp_path, run.id).run_id == run.id
    with pytest.raises(LedgerError, match="no such run"):
        load(tmp_path, "other")


def test_a_walk_without_a_step_is_not_the_last_one(run: Run, tmp_path: Path) -> None:
    """A notebook whose cells were run, and no button pressed, does not hide the walk before it."""
    step(run, "connect", "done")
    run.ledger.start_run("walk", backend="storage-targets")
    assert load(tmp_path).run_id == run.id


def test_a_ledger_without_a_walk(tmp_path: Path) -> None:
    """Nothing was done yet: said with the fix."""
    Ledger(tmp_path).start_run("GenesysStorageRouter")
    with pytest.raises(LedgerError, match="notebook 01"):
        load(tmp_path)


def test_what_is_written_after_the_look_is_not_in_it(run: Run, tmp_path: Path) -> None:
    """The report rests on what was verified, also while somebody writes."""
    call(run, 1)
    facts = load(tmp_path)
    call(run, 2)
    call(run, 3, "server_error")
    statistics = facts.call_statistics
    assert (statistics.operations(), statistics.attempts(), facts.problem_count()) == ((1, 0), 1, 0)
    assert facts.extent()[0] == 4


@pytest.mark.parametrize("count", [0, 1, 2, 3, 19, 20, 100, 101])
def test_percentiles_are_pandas(run: Run, tmp_path: Path, count: int) -> None:
    """Made by SQL, they are those of the DataFrame; tokens and the data lake are not counted. None without attempts."""
    for number in range(count):
        call(run, 1 + number * 37 % 101, "not_found" if number % 7 == 0 else "success")
    call(run, 9999, operation="get_access_token")
    call(run, 9999, operation="read_catalogue")
    calls = load(tmp_path).call_statistics
    expected = pd.Series([1.0 + number * 37 % 101 for number in range(count)], dtype=float)
    for percent, ms in calls.percentiles_ms().items():
        assert ms == (pytest.approx(expected.quantile(percent / 100)) if count else None)
    assert calls.average_ms() == (pytest.approx(expected.mean()) if count else None)
    assert sum(calls.latencies_ms().values()) == calls.attempts() == count


def test_problems_are_counted_and_the_first_are_shown(run: Run, tmp_path: Path) -> None:
    """Attempts that failed and errors of steps; a 404 to a question is none."""
    step(run, "connect", "failed")
    call(run, 1, "not_found")
    call(run, 1, "redirect", operation="led elsewhere")
    for number in range(PROBLEMS_SHOWN + 5):
        call(run, number, "server_error")
    facts = load(tmp_path)
    assert facts.problem_count() == PROBLEMS_SHOWN + 7
    shown = facts.problems()
    assert len(shown) == PROBLEMS_SHOWN
    assert (shown[1].where, shown[1].cause) == ("led elsewhere", "HTTP 302")
    assert (shown[0].where, shown[2].cause, shown[2].correlation_id) == ("connect", "HTTP 500", "c-0")
    failed = rows(tmp_path, "SELECT seq FROM entries WHERE body LIKE '%server_error%' ORDER BY seq")
    assert [problem.entry for problem in shown[2:]] == [seq for (seq,) in failed][: PROBLEMS_SHOWN - 2]


def test_a_404_is_an_answer_to_a_question_and_a_failure_of_a_write(run: Run, tmp_path: Path) -> None:
    """Not there, or gone already, is what GET and DELETE ask; a PUT that meets no object did not succeed."""
    for method in ("GET", "DELETE", "PUT", "POST", "PATCH"):
        call(run, 1, "not_found", operation=method.lower(), method=method)
    facts = load(tmp_path)
    assert [(one.where, one.cause) for one in facts.problems()] == [
        (name, "HTTP 404") for name in ("put", "post", "patch")
    ]
    assert facts.problem_count() == 3
    assert facts.call_statistics.by_operation() == [(name, 0, 1) for name in ("patch", "post", "put")]


def test_reading_the_record_changes_nothing() -> None:
    """Neither the file nor its folder is touched."""
    before = {path.name: path.read_bytes() for path in RECORDED.parent.iterdir()}
    load(RECORDED)
    assert {path.name: path.read_bytes() for path in RECORDED.parent.iterdir()} == before
