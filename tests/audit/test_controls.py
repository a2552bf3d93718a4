from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.audit import controls
from opslib.audit.control_result import ControlResult
from opslib.audit.controls import TITLES, checks_of
from opslib.audit.document import Table
from opslib.audit.facts import Facts, load
from opslib.audit.sections import plan as plan_section
from opslib.credentials import KeyReference
from opslib.ledger.ledger import Ledger, Run
from opslib.router.differences import Difference, FieldDifference
from opslib.router.journal import DECIDED, DIFFERS, FINISHED, Progress, started
from opslib.router.plan import Change, Plan
from opslib.validator.check import CONTROLS
from opslib.validator.checks import CHECKS

from .ledgers import STEPS, Story, bucket_report, call, finding, step, walk

# Which control a step's end decides, where no findings and no apply do.
BY_STEP = {
    "connect": "Connection",
    "plan": "Plan",
    "approve": "Approval",
    "apply": "Routing",
    "see_event": "Change feed",
}

PLAN = Plan(
    where="https://api.example.com",
    changes=(Change(action="create", kind="target", id="t-1", name="T", before=None, after={"name": "T"}),),
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Ledger(tmp_path).start_run("walk", backend="storage-targets")


def _of(facts: Facts, control: str) -> ControlResult:
    (found,) = [one for one in controls.results(facts) if one.control.startswith(control + ":")]
    return found


def _compliance(facts: Facts) -> str:
    return controls.compliance(controls.results(facts)).word


def test_pass_needs_every_control(run: Run, tmp_path: Path) -> None:
    """All steps done, all findings PASS and the record intact: PASS; what was not checked is still listed."""
    walk(run)
    found = controls.results(load(tmp_path))
    assert controls.compliance(found).word == "PASS"
    left = {"recordings", "since_then", "exceptions", "minimum", "clock", "anchor", "separation_of_duties"}
    assert {one.id for one in found if one.word == "not_checked"} == left


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("failed", "FAIL"),
        ("unknown", "UNKNOWN"),
        ("cancelled", "UNKNOWN"),
        ("crashed", "UNKNOWN"),
        ("started", "UNKNOWN"),
        (None, "UNKNOWN"),
    ],
)
def test_each_step_can_fail_or_stay_open(run: Run, tmp_path: Path, name: str, state: str | None, word: str) -> None:
    """One step that failed, is unknown, cancelled, crashed, begun without an end, or missing, and the whole is no PASS.
    An earlier good end does not count."""
    for one in STEPS:
        if one != name or state:
            step(run, one, "done")
    last = step(run, name, state) if state else 0
    facts = load(tmp_path)
    # Not every command looks for an event.
    assert _compliance(facts) == (word if state or name != "see_event" else "PASS")
    if state and name in BY_STEP:
        verdict = _of(facts, BY_STEP[name])
        assert (verdict.word, list(verdict.entries)) == (word, [last])


def _bucket_controls() -> Iterator[tuple[str, str, bool]]:
    for control in CONTROLS[:-1]:
        title = TITLES[control].split(":")[0]
        # Here the writer is a key, so the checks of a role answer nothing that is missing.
        yield from ((title, check.id, check.required and check.written_with != "role") for check in checks_of(control))


@pytest.mark.parametrize("verdict", ["FAIL", "UNKNOWN", "WARN", "not_checked", "absent"])
@pytest.mark.parametrize(("control", "check", "main"), list(_bucket_controls()))
def test_a_finding_decides_its_control(
    run: Run, tmp_path: Path, control: str, check: str, main: bool, verdict: str
) -> None:
    """FAIL, UNKNOWN and WARN of any check are the control's; without an answer to a main check there is no PASS."""
    report = bucket_report(**{check.replace("-", "_"): verdict})
    if verdict != "absent" and check not in [one["check"] for one in report["findings"] + report["not_checked"]]:
        report["findings"].append(finding(check, verdict))
    walk(run)
    seq = step(run, "validate_bucket", "done", report)  # the last look counts
    found = _of(load(tmp_path), control)
    silent = verdict in ("not_checked", "absent")
    assert found.word == (("not_checked" if main else "PASS") if silent else verdict)
    assert list(found.entries) == [seq]
    assert _compliance(load(tmp_path)) == ("PASS" if silent else verdict)


@pytest.mark.parametrize(
    ("writer", "trust", "permissions", "word"),
    [
        ("not_checked", "PASS", "PASS", "PASS"),
        ("PASS", "not_checked", "not_checked", "PASS"),
        ("not_checked", "not_checked", "not_checked", "not_checked"),
        ("not_checked", "PASS", "not_checked", "not_checked"),
        ("not_checked", "not_checked", "PASS", "not_checked"),
        ("not_checked", "PASS", "UNKNOWN", "UNKNOWN"),
        ("not_checked", "FAIL", "not_checked", "FAIL"),
    ],
)
def test_that_recordings_can_be_written_needs_an_answer(
    run: Run, tmp_path: Path, writer: str, trust: str, permissions: str, word: str
) -> None:
    """From the key, or from both checks of the role: that the bucket is there says nothing of who may write into it."""
    report = bucket_report(writer="absent")
    report["findings"] += [
        finding("writer", writer),
        finding("writer-role-trust", trust),
        finding("writer-role-permissions", permissions),
    ]
    step(run, "validate_bucket", "done", report)
    found = _of(load(tmp_path), "Storage")
    assert found.word == word
    assert word != "not_checked" or "title of writer: why writer" in found.why


def test_no_check_is_lost(run: Run, tmp_path: Path) -> None:
    """A check that no control names counts under the last one; one of a later release, too."""
    named = {check.id for control in CONTROLS[:-1] for check in checks_of(control)}
    assert named <= CHECKS.keys()
    for check in (*(CHECKS.keys() - named), "of-next-year"):
        report = bucket_report()
        report["findings"].append(finding(check, "FAIL"))
        step(run, "validate_bucket", "failed", report)
        assert _of(load(tmp_path), "Operation").word == "FAIL", check


def test_a_later_look_that_found_nothing_out_replaces_an_earlier_one(run: Run, tmp_path: Path) -> None:
    """The bucket was fit, and is gone now: the old findings say nothing any more."""
    walk(run)
    last = step(run, "validate_bucket", "failed")
    facts = load(tmp_path)
    assert (_of(facts, "Storage").word, _of(facts, "Encryption").word) == ("FAIL", "UNKNOWN")
    assert list(_of(facts, "Encryption").entries) == [last]
    assert facts.findings() == []


def _apply(run: Run, *moves: tuple[str, dict[str, Any]], approved: bool = True) -> Progress:
    for name in STEPS:
        if name != "apply":
            step(run, name, "done")
    if approved:
        run.append("approval", {"checksum": PLAN.checksum, "unsafe": ["many"], "reason": "", "confirm": "T"})
    progress = started(run, PLAN, KeyReference())
    for kind, data in moves:
        progress.note(run, kind, **data)
    return progress


def test_an_apply_that_was_undone_fails(run: Run, tmp_path: Path) -> None:
    """The org is as before, so the objects are not there; the report says why."""
    _apply(run, ("rollback.started", {"reason": "no <b>webhook</b>"}), (FINISHED, {"how": "rolled back", "kept": ""}))
    step(run, "apply", "failed")
    verdict = _of(load(tmp_path), "Routing")
    assert verdict.word == "FAIL"
    assert "the org is as it was before (no <b>webhook</b>)" in verdict.why


def test_an_apply_that_was_killed_fails_until_another_run_finishes_it(run: Run, tmp_path: Path) -> None:
    """No end is in the ledger: half-done, not unknown. The audit of the walk follows what `resume` did later."""
    progress = _apply(run, ("change.intent", {"place": 0}))
    facts = load(tmp_path)
    assert _of(facts, "Routing").word == "FAIL"
    assert "Left to do: create target T (t-1)" in _of(facts, "Routing").why
    later = run.ledger.start_run("resume")
    progress.note(later, "change.done", place=0)
    progress.note(later, FINISHED, how="done")
    facts = load(tmp_path)
    assert facts.run_id == run.id
    verdict = _of(facts, "Routing")
    assert (verdict.word, list(verdict.entries)) == ("PASS", [int(progress.id), progress.last_seq])


def test_what_was_accepted_instead_is_a_warning(run: Run, tmp_path: Path) -> None:
    """The org does not have what was planned: the field is named, and who decided, with the entry's time."""
    field = FieldDifference(path="retentionPeriodDays", sent=365, kept=30)
    difference = Difference(place=0, kind="target", name="T", origin="server", fields=(field,), found={"name": "T"})
    _apply(
        run,
        ("change.intent", {"place": 0}),
        (DIFFERS, {"difference": difference.model_dump(mode="json")}),
        (DECIDED, {"place": 0, "choice": "accepted", "user": "night shift"}),
        (FINISHED, {"how": "done"}),
    )
    step(run, "apply", "failed")
    facts = load(tmp_path)
    assert _of(facts, "Routing").word == "WARN"
    assert "retentionPeriodDays: sent 365, the server kept 30" in _of(facts, "Routing").why
    (table,) = plan_section.decisions(facts.applies[0].decisions)
    (decided,) = run.entries(DECIDED)
    row = ["target T", "retentionPeriodDays", "365", "30", "accepted", f"night shift, {decided.at}", "server"]
    assert isinstance(table, Table)
    assert table.rows == [row]


def test_what_was_accepted_instead_has_no_second_key(tmp_path: Path) -> None:
    """The key approved the plan, and not what the server made of it."""
    story = Story(tmp_path / "home")
    story.connect()
    story.look()
    plan = story.plan()
    story.approve(plan)
    progress = story.apply(plan, "killed")
    field = FieldDifference(path="url", sent="https://a.example", kept="https://b.example")
    difference = Difference(place=2, kind="webhook", name="W", origin="server", fields=(field,), found={"name": "W"})
    progress.note(story.run, DIFFERS, difference=difference.model_dump(mode="json"))
    progress.note(story.run, DECIDED, place=2, choice="accepted", user="night shift")
    progress.note(story.run, FINISHED, how="done")
    control = _of(load(story.home), "Separation of duties")
    assert (control.word, "what was accepted instead" in control.why) == ("WARN", True)


def test_a_removal_that_was_undone_or_left_half_done_fails(run: Run, tmp_path: Path) -> None:
    """What was planned is not so. Once another run has finished it, there is no routing to judge, as the plan says."""
    delete = Change(action="delete", kind="target", id="t-1", name="T", before={"name": "T"}, after=None)
    progress = started(run, PLAN.model_copy(update={"changes": (delete,)}), KeyReference())
    assert controls.routing(load(tmp_path)).word == "FAIL"
    progress.note(run.ledger.start_run("resume"), "change.done", place=0)
    progress.note(run.ledger.start_run("resume"), FINISHED, how="done")
    verdict = controls.routing(load(tmp_path))
    assert verdict.word == "not_checked"
    assert verdict.why.endswith("1 to remove: all gone, as read back")
    assert _of(load(tmp_path), "Removal").word == "PASS"
    undone = started(run, progress.plan, KeyReference())
    undone.note(run, FINISHED, how="rolled back", kept="")
    assert _of(load(tmp_path), "Routing").word == "FAIL"


@pytest.mark.parametrize("approved", [True, False])
def test_an_apply_needs_an_approval_of_just_its_plan(run: Run, tmp_path: Path, approved: bool) -> None:
    """Also where the step `approve` ended well."""
    _apply(run, (FINISHED, {"how": "done"}), approved=approved)
    run.append("approval", {"checksum": PLAN.checksum, "unsafe": [], "reason": "", "confirm": "T"})  # too late
    assert _of(load(tmp_path), "Approval").word == ("PASS" if approved else "FAIL")


def test_an_edited_ledger_fails(run: Run, tmp_path: Path) -> None:
    """The first control is the record itself."""
    walk(run)
    run.ledger._db.execute("UPDATE entries SET body = replace(body, 'connect done', 'connect gone')")
    facts = load(tmp_path)
    assert (_of(facts, "Record").word, _compliance(facts)) == ("FAIL", "FAIL")


def test_http_and_compliance_are_separate(run: Run, tmp_path: Path) -> None:
    """Failed calls do not make the storage unfit, and good calls do not make it fit. No calls are no rate."""
    assert controls.http(load(tmp_path)).word == "UNKNOWN"
    for number in range(19):
        call(run, number)
    assert controls.http(load(tmp_path)).word == "PASS"
    for number in range(2):
        call(run, number, "server_error")
    facts = load(tmp_path)
    assert (controls.http(facts).word, facts.call_statistics.operations()) == ("WARN", (19, 2))
    assert _compliance(facts) == "UNKNOWN"
