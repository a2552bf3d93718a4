from pathlib import Path

import pytest

from opslib.audit.call_statistics import PERCENTILE_FROM
from opslib.audit.document import Mark, Prose, Table
from opslib.audit.facts import Facts, load
from opslib.audit.report import RECORDED, AuditReport
from opslib.audit.sections.comparison import blocks, earlier
from opslib.audit.since_then import since_then
from opslib.errors import InvalidInput, LedgerError
from opslib.ledger.ledger import Ledger, Run

from .ledgers import WHERE, Story, bucket_report, call, onboarding, plan_of, step, update, walk


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def _walk(ledger: Ledger, **ends: str) -> Run:
    run = ledger.start_run("walk", backend="storage-targets")
    walk(run, **ends)
    return run


def _tables(facts: Facts) -> dict[str, list[list[str]]]:
    shown = blocks(facts, earlier(facts))
    return {
        block.caption: [[cell.word if isinstance(cell, Mark) else str(cell) for cell in row] for row in block.rows]
        for block in shown
        if isinstance(block, Table)
    }


def _prose(facts: Facts) -> str:
    return "\n".join(block.text for block in blocks(facts, earlier(facts)) if isinstance(block, Prose))


def test_by_default_it_is_the_walk_before_that_did_something(ledger: Ledger, tmp_path: Path) -> None:
    """Neither another command, nor a notebook that was only opened, nor a later walk; another can be named."""
    oldest = _walk(ledger)
    before = _walk(ledger)
    opened = ledger.start_run("walk", backend="storage-targets")
    opened.append("step.started", {"step": "connect", "input_hash": ""})
    ledger.start_run("resume")
    now = _walk(ledger)
    _walk(ledger)
    facts = load(tmp_path, now.id)
    assert (found := earlier(facts)) is not None
    assert found.run_id == before.id
    assert (found := earlier(facts, oldest.id)) is not None
    assert found.run_id == oldest.id
    with pytest.raises(LedgerError, match="no such run"):
        earlier(facts, "other")


def test_the_first_walk_has_nothing_to_be_compared_with(ledger: Ledger, tmp_path: Path) -> None:
    """And says so."""
    _walk(ledger)
    assert earlier(load(tmp_path)) is None
    assert _prose(load(tmp_path)) == "There is no earlier walk of this target in this ledger to compare with."


def test_what_did_not_change_is_not_listed(ledger: Ledger, tmp_path: Path) -> None:
    """Two equal walks: no verdict, no finding; outcome and rates are always there."""
    _walk(ledger)
    _walk(ledger)
    assert set(_tables(load(tmp_path))) == {"Outcome and rates"}
    assert "No verdict changed." in _prose(load(tmp_path))
    assert "No finding about the bucket changed." in _prose(load(tmp_path))


def test_what_changed_is_before_and_now(ledger: Ledger, tmp_path: Path) -> None:
    """A control, its finding, a finding that is gone, the rate and the latency."""
    first = _walk(ledger)
    for _ in range(PERCENTILE_FROM[95]):
        call(first, 10)
    second = _walk(ledger)
    step(second, "validate_bucket", "failed", bucket_report(tls_only="FAIL", owner="absent"))
    call(second, 20)
    call(second, 30, "server_error")
    tables = _tables(load(tmp_path))
    changed = {row[0]: row[1:3] for row in tables["Verdicts that changed"]}
    assert changed == {"Unencrypted connections are refused": ["PASS", "FAIL"]}
    assert tables["Findings that changed"] == [
        ["title of tls-only", "PASS", "FAIL", "why tls-only"],
        ["title of owner", "PASS", "not_checked", "not in the profile, or the bucket was not looked at"],
    ]
    rates = {row[0]: row[1:] for row in tables["Outcome and rates"]}
    assert rates["Operations that succeeded"] == ["20 of 20 (100.0 %)", "1 of 2 (50.0 %)"]
    assert rates["Latency p95"] == ["10.0 ms", "not given: fewer than 20 attempts"]


def test_the_recorded_example_shows_it() -> None:
    """The bucket's policy was missing in its first walk."""
    shown = AuditReport.open(home=RECORDED.parent).show("still_so").plain
    assert "Unencrypted connections are refused | FAIL | PASS" in shown


def test_only_walks_of_one_target_are_compared(tmp_path: Path) -> None:
    """Another org's target of the same id in between is passed over, and refused when it is named."""
    story = Story(tmp_path)
    before = story.walk().run.id
    other = _in_another_org(story.again()).run.id
    now = story.again().walk().run.id
    facts = load(tmp_path, now)
    assert (found := earlier(facts)) is not None
    assert found.run_id == before
    assert "Compared with the previous walk, run" in _prose(facts)
    with pytest.raises(InvalidInput, match="of another target"):
        earlier(facts, other)
    assert earlier(load(tmp_path, other)) is None


def test_what_another_org_has_at_the_same_address_says_nothing(tmp_path: Path) -> None:
    """A region's API serves many orgs: there the objects are gone, here they are as they were."""
    story = Story(tmp_path)
    run_id = story.walk().run.id
    _in_another_org(story.again())
    story.snapshot("target", "policy")
    assert since_then(load(tmp_path, run_id)).word == "not_checked"


def test_a_value_that_changed_is_listed_without_a_verdict_that_did(tmp_path: Path) -> None:
    """365 → 30 days, under a profile that sets no minimum: all is PASS, and the reader sees it all the same."""
    story = Story(tmp_path)
    story.given = {**story.given, "onboarding": {**onboarding(365, name="Old"), "profile": "baseline"}}
    story.walk()
    story.given = {**story.given, "onboarding": {**onboarding(30, name="New"), "profile": "baseline"}}
    story.again().walk(plan_of(update("target", retentionPeriodDays=30)))
    tables = _tables(load(tmp_path))
    assert "Verdicts that changed" not in tables
    values = tables["Values that changed, also where no verdict did"]
    assert ["the onboarding", "target.retention_days", "365", "30"] in values
    assert ["the onboarding", "target.name", "Old", "New"] in values
    assert ["target T", "retentionPeriodDays", "1827", "30"] in values


def _in_another_org(story: Story) -> Story:
    """A walk to a target of the same ids at the same address, in org o-2 and another bucket."""
    own = story.given
    story.given = {**own, "onboarding": onboarding(bucket="b2")}
    story.step("connect", data={"api_url": WHERE, "org_id": "o-2", "doctor": {}})
    story.given = own
    return story
