from pathlib import Path
from typing import Any

import pytest

from opslib.audit.facts import NOT_CHECKED, Facts, load
from opslib.audit.report import RECORDED, AuditReport
from opslib.errors import LedgerError
from opslib.ledger import Ledger, Run, verify


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Ledger(tmp_path).start_run("walk", backend="storage-targets")


def _step(run: Run, step: str, state: str) -> None:
    error = {"title": "t", "cause": "c", "correlation_id": "id-1"} if state == "failed" else None
    run.append(f"step.{state}", {"step": step, "summary": f"{step} {state}", "error": error, "data": {}})


def _words(facts: Facts) -> dict[str, str]:
    return {verdict.control: verdict.word for verdict in facts.verdicts()}


STEPS = ["connect", "validate_bucket", "register_target", "bind_policy", "register_webhook", "see_event"]


def test_pass_needs_every_control(run: Run, tmp_path: Path) -> None:
    """All steps done and the record intact: PASS; what was not checked is still listed."""
    for step in STEPS:
        _step(run, step, "done")
    facts = load(tmp_path)
    assert facts.compliance().word == "PASS"
    assert {what for what, word in _words(facts).items() if word == "not checked"} == set(NOT_CHECKED)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("state", "word"),
    [("failed", "FAIL"), ("unknown", "UNKNOWN"), (None, "UNKNOWN"), ("cancelled", "UNKNOWN"), ("crashed", "UNKNOWN")],
)
def test_each_control_can_fail_or_stay_open(run: Run, tmp_path: Path, step: str, state: str | None, word: str) -> None:
    """One failed, unknown, cancelled or missing step, and the whole is no PASS."""
    for name in STEPS:
        if name != step:
            _step(run, name, "done")
        elif state:
            _step(run, name, "done")
            _step(run, name, state)  # the last end counts
    facts = load(tmp_path)
    assert facts.compliance().word == word
    if state:
        (verdict,) = [v for v in facts.verdicts() if v.word == word]
        assert list(verdict.entries) == [facts.last_end(step).seq]  # type: ignore[union-attr]


def test_an_edited_ledger_fails(run: Run, tmp_path: Path) -> None:
    """The first control is the record itself."""
    for step in STEPS:
        _step(run, step, "done")
    run.ledger._db.execute("UPDATE entries SET body = replace(body, 'connect done', 'connect gone')")
    facts = load(tmp_path)
    assert facts.compliance().word == "FAIL"
    assert _words(facts)["The record is intact"] == "FAIL"


def test_http_and_compliance_are_separate(run: Run, tmp_path: Path) -> None:
    """Failed calls do not make the storage unfit, and good calls do not make it fit. No calls are no rate."""
    assert load(tmp_path).http().word == "UNKNOWN"
    operation: dict[str, Any] = {"operation": "o", "step": "", "error": None, "attempts": 1}
    for _ in range(19):
        run.append("operation", operation | {"outcome": "success"})
    assert load(tmp_path).http().word == "PASS"
    for _ in range(2):
        run.append("operation", operation | {"outcome": "failure"})
    facts = load(tmp_path)
    assert (facts.http().word, facts.operations()) == ("WARN", (19, 2))
    assert facts.compliance().word == "UNKNOWN"


def test_the_last_walk_or_the_one_named(run: Run, tmp_path: Path) -> None:
    """Without a run id the newest walk is taken; an unknown one is an error."""
    second = run.ledger.start_run("walk", backend="storage-targets")
    run.ledger.start_run("GenesysStorageRouter")
    assert load(tmp_path).run_id == second.id
    assert load(tmp_path, run.id).run_id == run.id
    with pytest.raises(LedgerError, match="no such run"):
        load(tmp_path, "other")


def test_a_ledger_without_a_walk(tmp_path: Path) -> None:
    """Nothing was done yet: said with the fix."""
    Ledger(tmp_path).start_run("GenesysStorageRouter")
    with pytest.raises(LedgerError, match="notebook 01"):
        load(tmp_path)


def test_every_figure_of_the_report_is_a_query_over_the_ledger() -> None:
    """Counts and percentiles in the sections are what the recorded entries say."""
    facts = load(RECORDED)
    kinds = [entry.kind for entry in facts.entries]
    outcomes = [entry.data["outcome"] for entry in facts.entries if entry.kind == "operation"]
    frame = facts.samples()
    shown = AuditReport(facts).operations().plain
    assert f"Operations | {len(outcomes)}" in shown
    assert f"Succeeded | {outcomes.count('success')}" in shown
    assert f"HTTP attempts | {len(frame)}" in shown
    for percent in (50, 95, 99):
        assert f"Latency p{percent} | {frame['latency_s'].quantile(percent / 100) * 1000:.1f} ms" in shown
    assert verify(RECORDED).head in AuditReport(facts).scope().plain
    assert kinds.count("step.failed") == 1
    assert len(facts.problems()) == (~frame["outcome"].isin(["success", "not_found"])).sum() + 1


def test_reading_the_record_changes_nothing() -> None:
    """Neither the file nor its folder is touched."""
    before = {path.name: path.read_bytes() for path in RECORDED.parent.iterdir()}
    load(RECORDED)
    assert {path.name: path.read_bytes() for path in RECORDED.parent.iterdir()} == before


def test_values_from_outside_are_escaped(run: Run, tmp_path: Path) -> None:
    """A server's words cannot become markup on the reviewer's page."""
    evil = "<script>alert(1)</script>"
    error = {"title": evil, "cause": evil, "correlation_id": evil}
    run.append("step.failed", {"step": "connect", "summary": evil, "data": {}, "error": error})
    report = AuditReport(load(tmp_path))
    for section in (report.summary(), report.verdicts(), report.steps(), report.problems()):
        assert "<script" not in section.html
    assert "&lt;script" in report.problems().html
