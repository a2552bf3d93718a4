"""What a reader has to do, and the six short answers: each from the same facts as the controls."""

from datetime import timedelta
from pathlib import Path

import pytest

from opslib.audit import controls
from opslib.audit.document import Panel
from opslib.audit.facts import Facts, load
from opslib.audit.open_items import open_items
from opslib.audit.report import AuditReport
from opslib.audit.sections import sign_off
from opslib.audit.words import key_words
from opslib.ledger.ledger import Ledger
from opslib.verdict import TO_MEND

from .ledgers import SECOND, Story, finding, plan_of, strict_report, update
from .test_situations import REASON, SITUATIONS, Situation, judged

SHORTER = plan_of(update("target", ["shorter-retention"], retentionPeriodDays=1826))


def _answers(home: Path) -> dict[str, str]:
    (panel,) = [block for block in AuditReport.open(home=home).section("verdict").blocks if isinstance(block, Panel)]
    return {answer.question: " ".join(answer.lines) for answer in panel.answers}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_every_control_that_did_not_pass_is_in_an_open_item(situation: Situation, tmp_path: Path) -> None:
    """By itself, by its checks, or with the control that it follows; and nothing else is."""
    story = Story(tmp_path)
    situation.tell(story)
    facts = judged(tmp_path, next(load(tmp_path).everywhere("run.started")).run_id, situation.later)
    items = open_items(facts)
    named = {item.control for item in items}
    to_mend = {result.id: result for result in controls.results(facts) if result.word in TO_MEND}
    assert named <= to_mend.keys()
    for result in to_mend.values():
        assert result.id in named or result.follows in named, result
        if result.id not in named:
            assert any(result.claim in item.also for item in items)
    assert all(all(item.question) and item.found and item.title for item in items)


def test_stale_evidence_is_one_item_with_all_that_waits_for_it(tmp_path: Path) -> None:
    """Not one for each control; a finding that did not pass stays one."""
    story = Story(tmp_path)
    story.connect()
    story.look()
    plan = story.plan()
    story.approve(plan)
    story.apply(plan, report=strict_report(object_lock="WARN"))
    facts = judged(tmp_path, story.run.id, timedelta(days=400))
    age, lock = open_items(facts)
    assert (age.control, age.verdict) == ("age", "UNKNOWN")
    assert {"Unencrypted connections are refused", "The org answers and accepts the client"} <= set(age.also)
    assert (lock.control, lock.verdict, lock.claim) == ("worm", "WARN", "title of object-lock")


def test_the_worst_and_gravest_come_first(tmp_path: Path) -> None:
    """A FAIL before a WARN; of two, the graver one."""
    story = Story(tmp_path).walk()
    report = strict_report(object_lock="WARN", tls_only="FAIL")
    report["findings"] += [finding("retention", "FAIL") | {"severity": "critical"}]
    report["findings"] = [*{one["check"]: one for one in report["findings"]}.values()]
    story.again("recheck").look(report)
    facts = load(tmp_path, next(load(tmp_path).everywhere("run.started")).run_id)
    found = [(item.verdict, item.severity) for item in open_items(facts) if item.severity]
    assert found == [("FAIL", "critical"), ("FAIL", "high"), ("WARN", "high")]


def test_the_owner_of_the_bucket_is_asked_by_its_name(tmp_path: Path) -> None:
    """And the answer on the first page names who is to be asked, exceptions included."""
    story = Story(tmp_path)
    story.connect()
    story.look()
    plan = story.plan(SHORTER)
    story.approve(plan, ["shorter-retention"], **REASON)
    story.apply(plan, report=strict_report(tls_only="WARN"))
    asked = _answers(tmp_path)["What must I ask for?"]
    assert asked.startswith("The owner of bucket b: 1 fix, first: why tls-only.")
    assert "evidence for the reason of E-1." in asked


def test_values_that_were_changed_are_on_the_first_page(tmp_path: Path) -> None:
    """The numbers before and after, and that the rule is another one than in the report before."""
    story = Story(tmp_path).walk()
    story.given["onboarding"]["target"]["retention_days"] = 1826
    story.again().walk(SHORTER, ["shorter-retention"], **REASON)
    assert "target “T” changed (retentionPeriodDays 1827 → 1826)" in _answers(tmp_path)["What was changed?"]


def test_an_approval_by_the_same_user_or_key_shows_no_second_person(tmp_path: Path) -> None:
    """The page says so beside the name, and among what is not proven."""
    Story(tmp_path).walk(second=False)
    assert "The approver took part in the apply: no second person is shown." in _answers(tmp_path)["Approved by whom?"]
    assert "A second person approved the plan | The approver took part in the apply" in _shown(tmp_path, "not_proven")


def test_a_second_key_is_named_wherever_people_look(tmp_path: Path) -> None:
    """First page, who did what, plan and exception: the key, with what its machine said."""
    Story(tmp_path).walk(SHORTER, ["shorter-retention"], **REASON)
    key = f"key {key_words(SECOND.key_id)}"
    assert key in (answer := _answers(tmp_path)["Approved by whom?"])
    assert "Another key applied it." in answer
    assert "A second person approved" not in _shown(tmp_path, "not_proven")
    assert all(key in _shown(tmp_path, section) for section in ("who", "changes", "open_items"))
    assert "the key: it signed the approval" in _shown(tmp_path, "who")


def test_another_user_name_with_the_same_key_is_no_second_person_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(tmp_path)
    monkeypatch.setenv("LOGNAME", "first")
    story.again().connect()
    story.look()
    plan = story.plan()
    story.approve(plan, second=False)
    monkeypatch.setenv("LOGNAME", "second")
    other = Story(tmp_path)
    other.given["removal"] = False
    other.connect()
    other.apply(plan)
    assert "with the same signing key" in _answers(tmp_path)["Approved by whom?"]


def test_keys_that_the_ledger_does_not_name_are_not_called_the_same(tmp_path: Path) -> None:
    """A ledger of an older release has no keys in it."""
    ledger = Ledger(tmp_path)
    about = {"user": "first", "host": "h1", "opslib": "0.1.0", "python": "3.11", "command": "walk"}
    plan = plan_of()
    ledger.append("r-1", "run.started", about)
    ledger.append("r-1", "approval", {"checksum": plan.checksum, "unsafe": [], "reason": "", "confirm": "T"})
    ledger.append("r-1", "run.resumed", {"user": "second", "host": "h2"})
    body = {"plan": plan.model_dump(mode="json"), "checksum": plan.checksum, "credentials": {}, "user": "second"}
    ledger.append("r-1", "apply.started", body)
    said = _answers(tmp_path)["Approved by whom?"]
    assert "the ledger does not name both keys: no second person is shown." in said
    assert "same signing key" not in said


def test_a_removal_that_was_not_carried_out_is_not_called_one(tmp_path: Path) -> None:
    """Neither in the word nor in the sentence beside it."""
    story = Story(tmp_path)
    story.given["removal"] = True
    story.connect()
    story.step("plan", "failed", error="OrgUnreachable")
    story.begin("apply")
    story.end("apply", "failed", error="StepBlocked")
    (panel,) = [
        block for block in AuditReport.open(home=tmp_path).section("verdict").blocks if isinstance(block, Panel)
    ]
    assert panel.word == "NOT REMOVED"
    assert not any("Routing removed" in said for said in panel.sentences)


def test_who_read_it_again_is_a_deed(tmp_path: Path) -> None:
    """With the run in which it was done."""
    story = Story(tmp_path).walk()
    first = story.run.id
    story.again("recheck").connect()
    story.look()
    story.snapshot()
    shown = AuditReport.open(first, tmp_path).show("who").plain
    assert f"Read the bucket again, in run {story.run.id}. |" in shown
    assert f"Read the org again, in run {story.run.id}. |" in shown


def test_a_step_that_crashed_has_an_audit(tmp_path: Path) -> None:
    """Of a crash, the ledger holds the error's name only."""
    story = Story(tmp_path)
    story.begin("validate_bucket")
    story.run.append("step.crashed", {"step": "validate_bucket", "error": "ZeroDivisionError"})
    assert "ZeroDivisionError" in AuditReport.open(home=tmp_path).show("who").plain


def test_what_is_ticked_before_a_signature_is_what_is_open(tmp_path: Path) -> None:
    """The key, each open item, each exception."""
    story = Story(tmp_path)
    story.connect()
    story.look()
    plan = story.plan(SHORTER)
    story.approve(plan, ["shorter-retention"], **REASON)
    story.apply(plan, report=strict_report(tls_only="WARN"))
    facts: Facts = load(tmp_path)
    shown = AuditReport.open(home=tmp_path).show("sign_off").plain
    assert key_words(story.ledger._signer.key_id) in shown
    assert "Open item 1 (Why tls-only) was answered." in shown
    assert "Exception E-1 (shorter-retention) is accepted." in shown
    assert len(sign_off.blocks(facts)) == 1 + 4 + 1 + 1


def _shown(home: Path, name: str) -> str:
    return AuditReport.open(home=home).show(name).plain
