"""The sections: each is made from the ledger alone, and stays readable whatever is in it."""

import hashlib
import os
import platform
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import ANY

import pytest

from opslib.audit.as_html import page
from opslib.audit.as_pdf import pdf
from opslib.audit.contents import TITLES
from opslib.audit.document import Prose, Table
from opslib.audit.facts import PROBLEMS_SHOWN, load
from opslib.audit.report import AuditReport, notebook_hash
from opslib.credentials import KeyReference
from opslib.errors import LedgerError
from opslib.ledger.actor import machine
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger, Run
from opslib.ledger.samples import DATA_LAKE_OPERATION, TOKEN_OPERATION
from opslib.router.journal import FINISHED, started
from opslib.router.org_changes import CHECKED
from opslib.router.plan import Change, Plan

from .ledgers import bucket_report, call, step, walk

PLAN = Plan(
    where="https://api.example.com",
    changes=(Change(action="create", kind="target", id="t-1", name="T", before=None, after={"name": "T"}),),
)
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / ".source" / "02_audit_report.py"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Ledger(tmp_path).start_run("walk", backend="storage-targets")


def _shown(home: Path, name: str) -> str:
    return AuditReport.open(home=home).show(name).plain


def test_the_notebook_shows_every_section_in_order() -> None:
    """The notebook, the page and the PDF are three views of one report."""
    cells = [line for line in NOTEBOOK.read_text().splitlines() if line.startswith("report.show(")]
    assert cells == [f'report.show("{name}")' for name in TITLES if name != "sign_off"]  # which is for paper


@pytest.mark.parametrize(
    ("looks", "gaps"),
    [
        ([(-60, 10, ""), (10, 20, "")], []),
        ([(-60, 10, "down"), (10, 20, "")], [(-60, 10, "down")]),
        ([(-60, 10, ""), (10, 20, "down"), (20, 30, "403"), (30, 40, "")], [(10, 30, "down; 403")]),
        ([(-60, 10, "down"), (10, 20, ""), (20, 30, "down")], [(-60, 10, "down"), (20, 30, "down")]),
        ([(-60, 10, "down"), (-60, 20, "")], []),
        ([(5, 10, ""), (15, 20, "")], [(0, 5, "no look"), (10, 15, "no look")]),
    ],
)
def test_each_time_that_was_not_audited_is_named(
    run: Run, tmp_path: Path, looks: list[tuple[int, int, str]], gaps: list[tuple[int, int, str]]
) -> None:
    """A good look goes on where the one before ended, so what that one could not read stays open; unless it goes back
    far enough. Minutes after the start."""
    walk(run)
    begun = datetime.fromisoformat(load(tmp_path).started.at)

    def at(minutes: int) -> str:
        return (begun + timedelta(minutes=minutes)).isoformat()

    for since, until, unaudited in looks:
        run.append(CHECKED, {"since": at(since), "until": at(until), "unaudited": unaudited})
    section = AuditReport.open(home=tmp_path).section("still_so")
    caption = "Not read in the org's audit"
    tables = [block for block in section.blocks if isinstance(block, Table) and block.caption == caption]
    assert [row for table in tables for row in table.rows] == [
        [f"{at(since)[:19]}Z", f"{at(until)[:19]}Z", ANY if why == "no look" else why] for since, until, why in gaps
    ]
    said = [block for block in section.blocks if isinstance(block, Prose) and "for all of this time" in block.text]
    assert bool(said) == bool(gaps)


def test_whoever_took_it_up_again_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart somebody else may go on with the walk."""
    monkeypatch.setenv("LOGNAME", "night shift")
    entry = Run(Ledger(tmp_path), run.id).append("run.resumed", machine())
    who = f"night shift (user id {os.getuid()}) on {platform.node()}, key"
    assert f"Took up the run again. | {who}" in (shown := _shown(tmp_path, "who"))
    assert f"| {entry.at} | {entry.seq}" in shown


def test_a_plan_shows_consent_outcome_and_fields(run: Run, tmp_path: Path) -> None:
    """Approval with its entry, what was agreed to and why, and each field before and after; the same plan once."""
    consent = {"checksum": PLAN.checksum, "unsafe": ["many"], "reason": "because", "confirm": "T", "allow": []}
    approval = run.append("approval", consent)
    for how in ("rolled back", "done"):
        progress = started(run, PLAN, KeyReference())
        if how != "done":
            progress.note(run, "rollback.started", reason="no webhook")
        progress.note(run, FINISHED, how=how, kept="")
    shown = _shown(tmp_path, "changes")
    for words in (
        f"{approval.at}, entry {approval.seq}",
        "With consent to | many",
        "Reason given | because",
        "the org is as it was before (no webhook)",
        "1 to change: all written and read back",
        PLAN.checksum,
        "name | T",
        "The plan is that of apply 1.",
    ):
        assert words in shown
    assert shown.count("+ create target T (t-1)") == 1


def test_a_plan_that_was_not_carried_out_says_so(run: Run, tmp_path: Path) -> None:
    """And a walk without a plan says that."""
    assert _shown(tmp_path, "changes").endswith("No plan was made.")
    step(run, "plan", "done", PLAN.as_json())
    shown = _shown(tmp_path, "changes")
    assert "+ create target T" in shown
    assert shown.endswith("This plan was not carried out.")


def test_what_the_api_does_otherwise_is_part_of_the_plan(run: Run, tmp_path: Path) -> None:
    """A reviewer sees what of the onboarding was not sent."""
    plan = PLAN.model_copy(update={"notes": ("target.encryption: not sent: no such property",)})
    step(run, "plan", "done", plan.as_json())
    assert "target.encryption | not sent: no such property" in _shown(tmp_path, "changes")


def test_many_problems_are_counted_not_all_listed(run: Run, tmp_path: Path) -> None:
    """The table stays readable; where the others are is said."""
    assert "No attempt failed" in _shown(tmp_path, "appendix")
    for number in range(PROBLEMS_SHOWN + 1):
        call(run, number, "server_error")
    shown = _shown(tmp_path, "appendix")
    assert f"the first {PROBLEMS_SHOWN} of {PROBLEMS_SHOWN + 1}; samples.csv" in shown
    assert shown.count("HTTP 500") == PROBLEMS_SHOWN


def test_no_calls_are_no_data(run: Run, tmp_path: Path) -> None:
    """Neither a rate, nor an interval, nor a latency; not zero."""
    shown = _shown(tmp_path, "appendix")
    assert "Operations | 0" in shown
    assert "0 operations took 0 HTTP attempts. samples.csv has 0 rows" in shown
    calls = shown.split("Requests to AWS")[0]
    assert calls.count("no data") == 9  # the verdict, rate, interval, fastest, slowest, three percentiles, the picture


def test_a_figure_of_too_few_values_is_not_given(run: Run, tmp_path: Path) -> None:
    """Percentiles from 20 attempts on, p99 from 100, an interval from 20 operations on; before, what is known."""
    for number in range(1, 20):
        call(run, number)
    shown = _shown(tmp_path, "appendix")
    for words in (
        "95 % interval of the rate | not given: fewer than 20 operations",
        "Fastest attempt | 1.0 ms\nSlowest attempt | 19.0 ms",
        "Latency p50 | not given: fewer than 20 attempts\nLatency p95 | not given: fewer than 20 attempts",
        "19 attempts, 1.0 ms to 19.0 ms",
    ):
        assert words in shown
    call(run, 20)
    shown = _shown(tmp_path, "appendix")
    for words in (
        "95 % interval of the rate | 83.9 % to 100.0 %",
        "Latency p50 | 10.5 ms\nLatency p95 | 19.1 ms\nLatency p99 | not given: fewer than 100 attempts",
        "20 attempts: p50 10.5 ms, p95 19.1 ms",
    ):
        assert words in shown
    for number in range(21, 101):
        call(run, number)
    assert "Latency p99 | 99.0 ms" in _shown(tmp_path, "appendix")


def test_operations_attempts_and_charts_add_up_in_words(run: Run, tmp_path: Path) -> None:
    """Repeated attempts, answers “no such object”, those of a crash, and what is no call to the org's API."""
    for number in range(3):
        call(run, number)
    assert (
        "3 operations took 3 HTTP attempts. The chart and the table by operation show all 3. samples.csv has 3 rows:"
        " these, and 0 for" in (_shown(tmp_path, "appendix"))
    )
    call(run, 4, "not_found")
    sample = next(load(tmp_path).entries("sample")).data
    for operation in ("read_policy", TOKEN_OPERATION, DATA_LAKE_OPERATION):
        run.append("sample", sample | {"operation": operation})
    run.append("sample", sample | {"operation": "upsert_storage_target", "outcome": "not_found", "method": "PUT"})
    ended = {"operation": "upsert_storage_target", "step": "apply", "attempts": 0, "outcome": "failure", "error": "E"}
    run.append("operation", ended)
    assert (
        "5 operations took 4 HTTP attempts, since one that fails before anything is sent takes none. Operations whose"
        " end is not recorded, as after a crash, took 2 more: 6 in all. The chart shows all 6, the table by operation"
        " 5: 1 got the answer that there is no such object, which is neither a success nor a failure. samples.csv has"
        " 8 rows: these, and 2 for tokens and to the data lake, which"
        " no figure here counts."
    ) in _shown(tmp_path, "appendix")
    run.append("operation", ended | {"attempts": 2})
    assert "6 operations took 6 HTTP attempts. The chart" in _shown(tmp_path, "appendix")


def test_what_was_not_checked_is_listed_with_its_reason(run: Run, tmp_path: Path) -> None:
    """Controls with what would show them, recordings arriving always; the checks are counted, and listed with the
    bucket's."""
    walk(run)
    step(run, "validate_bucket", "done", bucket_report(owner="not_checked", tls_only="not_checked"))
    shown = _shown(tmp_path, "not_proven")
    for words in (
        "Recordings arrive in the bucket | Nobody has verified the archive; “opslib archive verify” does.",
        "What 2 checks of the bucket would show |",
        "Unencrypted connections are refused |",
    ):
        assert words in shown
    assert "title of owner | high | why owner" in _shown(tmp_path, "bucket")


def test_a_run_that_did_nothing_can_be_rendered(run: Run, tmp_path: Path) -> None:
    """Every section of it, as HTML and as PDF/UA."""
    report = AuditReport.open(home=tmp_path)
    assert all(section.title in page(report.title, report.sections()) for section in report.sections())
    assert pdf(report.title, run.id, load(tmp_path).extent()[1], report.sections()).startswith(b"%PDF")


def test_a_run_with_hostile_names_can_be_rendered(run: Run, tmp_path: Path) -> None:
    """From the ledger's values to the page: a server's words cannot become markup."""
    evil = '<script>alert(1)</script> #panic() "]\u202e'
    error = {"title": evil, "cause": evil, "correlation_id": evil}
    run.append("step.failed", {"step": "connect", "summary": evil, "data": {"api_url": evil}, "error": error})
    report = bucket_report()
    report |= {"bucket": evil, "profile": evil}
    for finding in report["findings"]:
        finding |= dict.fromkeys(("title", "cause", "risk", "fix", "source"), evil) | {"verdict": "FAIL"}
    step(run, "validate_bucket", "failed", report)
    call(run, 1, operation=evil)
    html = page(evil, AuditReport.open(home=tmp_path).sections())
    assert "<script" not in html
    assert html.count("&lt;script") > 20
    assert "\u202e" not in html
    assert pdf(evil, evil, load(tmp_path).extent()[1], AuditReport.open(home=tmp_path).sections()).startswith(b"%PDF")


def test_the_recorded_example_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Shown only where neither run nor workspace is named and no walk was begun; a damaged ledger is an error."""
    monkeypatch.setenv("OPSLIB_HOME", str(tmp_path))
    assert "recorded example" in AuditReport.open().show("cover").plain
    Ledger(tmp_path).start_run("doctor")
    assert "recorded example" in AuditReport.open().show("cover").plain
    Ledger(tmp_path).start_run("walk", backend="storage-targets")
    assert "recorded example" not in AuditReport.open().show("cover").plain
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / FILE_NAME).write_text("no database")
    monkeypatch.setenv("OPSLIB_HOME", str(tmp_path / "damaged"))
    with pytest.raises(LedgerError, match="cannot be read"):
        AuditReport.open()


def test_the_report_names_the_notebooks_source() -> None:
    """By the hash that `sha256sum notebooks/.source/02_audit_report.py` gives."""
    assert notebook_hash() == hashlib.sha256(NOTEBOOK.read_bytes()).hexdigest()
