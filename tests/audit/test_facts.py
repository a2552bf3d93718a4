from pathlib import Path
from typing import Any

import pytest

from opslib.audit.facts import NOT_CHECKED, Facts, load
from opslib.audit.report import RECORDED, AuditReport
from opslib.errors import LedgerError
from opslib.ledger import Ledger, Run
from opslib.models import KeyReference
from opslib.router.journal import FINISHED, Progress, started
from opslib.router.plan import Change, Plan
from opslib.verify import verify


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Ledger(tmp_path).start_run("walk", backend="storage-targets")


def _step(run: Run, step: str, state: str) -> None:
    error = {"title": "t", "cause": "c", "correlation_id": "id-1"} if state == "failed" else None
    run.append(f"step.{state}", {"step": step, "summary": f"{step} {state}", "error": error, "data": {}})


def _words(facts: Facts) -> dict[str, str]:
    return {verdict.control: verdict.word for verdict in facts.verdicts()}


STEPS = ["connect", "validate_bucket", "plan", "approve", "apply", "see_event"]


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


PLAN = Plan(
    where="https://api.example.com",
    changes=(Change(action="create", kind="target", id="t-1", name="T", before=None, after={"name": "T"}),),
)


def _apply(run: Run, *moves: tuple[str, dict[str, Any]]) -> Progress:
    for step in STEPS:
        if step != "apply":
            _step(run, step, "done")
    run.append("approval", {"checksum": PLAN.checksum, "unsafe": ["many"], "reason": "", "confirm": "T", "allow": []})
    progress = started(run, PLAN, KeyReference())
    for kind, data in moves:
        progress.note(run, kind, **data)
    return progress


def test_an_apply_that_was_undone_fails(run: Run, tmp_path: Path) -> None:
    """The org is as before, so the objects are not there; the page says why."""
    _apply(run, ("rollback.started", {"reason": "no <b>webhook</b>"}), (FINISHED, {"how": "rolled back", "kept": ""}))
    _step(run, "apply", "failed")
    facts = load(tmp_path)
    (verdict,) = [v for v in facts.verdicts() if v.word == "FAIL"]
    assert "the org is as it was before (no <b>webhook</b>)" in verdict.why
    shown = AuditReport(facts).plans()
    assert "no &lt;b&gt;webhook" in shown.html
    for words in (PLAN.checksum, "+ create target T", "With consent to | many"):
        assert words in shown.plain


def test_an_apply_that_was_killed_fails_until_another_run_finishes_it(run: Run, tmp_path: Path) -> None:
    """No end is in the ledger: half-done, not unknown. The audit of the walk follows what `resume` did later."""
    progress = _apply(run, ("change.intent", {"place": 0}))
    facts = load(tmp_path)
    assert facts.compliance().word == "FAIL"
    assert "Left to do: create target T (t-1)" in AuditReport(facts).plans().plain
    later = run.ledger.start_run("resume")
    progress.note(later, "change.done", place=0)
    progress.note(later, FINISHED, how="done")
    facts = load(tmp_path)
    assert facts.run_id == run.id
    assert facts.compliance().word == "PASS"
    (verdict,) = [v for v in facts.verdicts() if "written, and read back" in v.control]
    assert list(verdict.entries) == [int(progress.id), progress.last_seq]


def test_a_plan_that_was_not_carried_out_says_so(run: Run, tmp_path: Path) -> None:
    """And a walk without a plan says that."""
    assert AuditReport(load(tmp_path)).plans().plain == "No plan was made."
    run.append("step.done", {"step": "plan", "summary": "s", "error": None, "data": PLAN.as_json()})
    shown = AuditReport(load(tmp_path)).plans().plain
    assert "+ create target T" in shown
    assert shown.endswith("This plan was not carried out.")


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
