import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from opslib.audit import exports
from opslib.audit.facts import Facts, load
from opslib.audit.ocsf import compliance_finding
from opslib.audit.report import RECORDED
from opslib.auth import GenesysAuthManager
from opslib.errors import InvalidRequest
from opslib.ledger.ledger import Ledger, Run
from opslib.router.storage_router import GenesysStorageRouter

from ..world import Sandbox, environment
from .ledgers import CHECKS, bucket_report, call, finding, rows, step, walk

SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "ocsf-1.5.0-compliance_finding.schema.json").read_text())


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Ledger(tmp_path).start_run("walk", backend="storage-targets")


def _read(lines: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO("".join(lines))))


def _schema_errors(event: object) -> list[str]:
    """What the official schema has against an event; unknown attributes are errors, too."""
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(event)]


def test_each_attempt_is_a_line(recorded: Path) -> None:
    """Every sample of the run, with the values of the ledger; the actor stands in the ledger alone."""
    facts = load(RECORDED)
    lines = _read((recorded / "samples.csv").read_text())
    bodies = rows(RECORDED.parent, "SELECT body FROM entries WHERE kind = 'sample' AND run_id = ?", facts.run_id)
    assert len(lines) == len(bodies) > 20
    for line, (body,) in zip(lines, bodies, strict=True):
        sample = json.loads(body)
        assert line.pop("run_id") == facts.run_id
        assert sample.pop("actor")
        assert {name: str(value) for name, value in sample.items()} == line


def test_a_cell_is_no_formula(run: Run, tmp_path: Path) -> None:
    """What a spreadsheet would compute gets an apostrophe before it; quotes stay inside their cell, on one line."""
    report = bucket_report()
    evil = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n-2"]
    report["findings"] = [finding("owner", cause=cause, title='a "b", c\nd') for cause in evil]
    step(run, "validate_bucket", "done", report)
    lines = _read(exports.findings_csv(load(tmp_path)))
    assert [line["cause"] for line in lines] == [f"'{cause.strip()}" for cause in evil]
    assert {line["title"] for line in lines} == {'a "b", c d'}
    assert lines[0]["calls"] == "HeadBucket:200"


def test_ocsf_events_are_what_the_official_schema_asks_for(recorded: Path) -> None:
    """Each finding of the recorded run, and its time in milliseconds."""
    facts = load(RECORDED)
    events = [json.loads(line) for line in (recorded / "findings.ocsf.jsonl").read_text().splitlines()]
    assert len(events) == len(facts.findings()) > 10
    for event, found in zip(events, facts.findings(), strict=True):
        assert _schema_errors(event) == []
        assert event["compliance"]["control"] == found["check"]
        assert len(str(event["time"])) == 13
    assert len({event["finding_info"]["uid"] for event in events}) == len(events)


@pytest.mark.parametrize(
    ("verdict", "status"), [("PASS", 1), ("WARN", 2), ("FAIL", 3), ("UNKNOWN", 0), ("not_checked", 99)]
)
@pytest.mark.parametrize(("severity", "number"), [("low", 2), ("medium", 3), ("high", 4), ("critical", 5)])
def test_ocsf_words_are_numbers(verdict: str, status: int, severity: str, number: int) -> None:
    """As the schema numbers them; a call without an answer has none."""
    silent = {"call": "GetBucketPolicy", "at": "", "status": None, "request_id": None, "answer": None}
    found = finding("tls-only", verdict, severity=severity, evidence=[silent])
    event = compliance_finding("r", "0.1.0", bucket_report(), found)
    assert _schema_errors(event) == []
    assert (event["compliance"]["status_id"], event["severity_id"]) == (status, number)
    assert event["evidences"] == [{"api": {"operation": "GetBucketPolicy"}}]
    assert event["time"] == 1795507200000  # 2026-11-24T08:00:00Z


def test_a_region_that_aws_does_not_have_gets_no_arn() -> None:
    """A ledger from elsewhere may name one; its findings are written all the same."""
    event = compliance_finding("r", "0.1.0", bucket_report() | {"region": "nowhere"}, finding("tls-only"))
    assert _schema_errors(event) == []
    assert event["resources"][0]["uid"] == "s3://b"


@pytest.mark.parametrize(
    "change", [{"time": 1.5}, {"class_uid": 2004}, {"severity_id": 7}, {"unheard_of": 1}, {"metadata": None}]
)
def test_the_schema_test_can_fail(change: dict[str, object]) -> None:
    """A wrong value, an unknown attribute and a missing one are found."""
    event = compliance_finding("r", "0.1.0", bucket_report(), finding("tls-only"))
    changed = {name: value for name, value in (event | change).items() if value is not None}
    assert _schema_errors(changed)


def _report(facts: Facts, before: Facts | None = None) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(exports.report_json(facts, before))
    return report


def test_the_contracts_keys_are_those_of_the_walk(recorded: Path) -> None:
    """timestamp, metrics, routing_state, as the walk's own report had them. Its PASS spoke of HTTP calls only; the
    audit knows of more, and does not say PASS of a walk whose compliance is none."""
    report = json.loads((recorded / "report.json").read_text())
    ((own,),) = rows(
        RECORDED.parent,
        "SELECT body FROM entries WHERE kind = 'step.done' AND json_extract(body, '$.step') = 'report'",
    )
    assert report["routing_state"] == json.loads(own)["data"]["routing_state"]
    assert (json.loads(own)["data"]["compliance_status"], report["compliance_status"]) == ("PASS", "WARNING")
    assert report["verdicts"]["compliance"]["word"] == "WARN"
    for name in ("total_operations", "success_count", "failure_count", "success_rate_percent"):
        assert report["metrics"][name] == json.loads(own)["data"]["metrics"][name]
    assert report["metrics"].keys() >= {"average_latency_ms", "p95_latency_ms"}
    assert report["timestamp"] == load(RECORDED).extent()[1]


def test_no_data_is_null_not_zero(run: Run, tmp_path: Path) -> None:
    """A walk in which nothing was called has no rate and no latency, and is no PASS."""
    report = _report(load(tmp_path))
    metrics = report["metrics"]
    assert (metrics["total_operations"], metrics["attempts"]) == (0, 0)
    counts = {
        "total_operations",
        "success_count",
        "failure_count",
        "attempts",
        "attempts_of_operations",
        "attempts_not_there",
    }
    assert {name for name, value in metrics.items() if value is None} == metrics.keys() - counts - {
        "attempts_by_operation"
    }
    assert (report["compliance_status"], report["routing_state"]) == ("WARNING", "UNKNOWN")
    assert report["verdicts"]["compliance"]["word"] == "UNKNOWN"
    assert report["bucket"] is None


def test_a_figure_of_too_few_values_is_null_unless_the_contract_asks_for_it(run: Run, tmp_path: Path) -> None:
    """The tutorial's p95 and average are there from the first attempt on; p50, p99 and the interval are ours."""
    ours = ("success_rate_interval_95_percent", "p50_latency_ms", "p99_latency_ms")
    for attempts, given in ((1, ()), (20, ours[:2]), (100, ours)):
        for number in range(_report(load(tmp_path))["metrics"]["attempts"], attempts):
            call(run, number)
        metrics = _report(load(tmp_path))["metrics"]
        assert tuple(name for name in ours if metrics[name] is not None) == given
        assert None not in (metrics["p95_latency_ms"], metrics["average_latency_ms"], metrics["success_rate_percent"])


async def test_each_operation_is_a_line(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it went over HTTP: a rate limit makes a second attempt, and the entries are those of the ledger."""
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    limit = {"method": "PUT", "path_regex": "webhooks", "status": 429, "headers": {"Retry-After": "1"}, "times": 1}
    sandbox.control("POST", "/faults", limit)
    auth = GenesysAuthManager(sandbox["client_id"], sandbox["client_secret"], "org")
    async with GenesysStorageRouter(auth) as router:
        await router.register_datalake_webhook("w-1", "https://datalake.example.com/ingest")
        with pytest.raises(InvalidRequest):
            await router.upsert_recording_policy("p-1", "P", "no-such-target", ["voice"], 30)
    ((run_id,),) = rows(tmp_path, "SELECT run_id FROM entries WHERE kind = 'run.started'")
    facts = load(tmp_path, run_id)
    webhook, policy = _read(exports.operations_csv(facts))
    attempts = [entry for entry in facts.entries("sample") if entry.data["operation"] != "get_access_token"]
    for line, own in ((webhook, attempts[:2]), (policy, attempts[2:])):
        *numbers, end = map(int, line["entries"].split())
        assert numbers == [entry.seq for entry in own]
        assert rows(tmp_path, "SELECT kind, at FROM entries WHERE seq = ?", end) == [("operation", line["ended_at"])]
        assert line["attempts"] == str(len(own))
        assert line["started_at"] <= own[0].data["started_at"]
        assert float(line["duration_s"]) >= sum(entry.data["latency_s"] for entry in own)
    assert float(webhook["duration_s"]) > 1.0  # it waited, as it was asked to
    assert (webhook["operation"], webhook["outcome"]) == ("register_datalake_webhook", "success")
    assert (policy["outcome"], policy["error"]) == ("failure", "InvalidRequest")


def test_a_ledger_of_an_earlier_opslib_has_less_to_say(run: Run, tmp_path: Path) -> None:
    """It holds neither beginning nor attempts of an operation: these cells are empty, never guessed."""
    entry = run.append(
        "operation", {"operation": "read_target", "step": "", "attempts": 2, "outcome": "success", "error": None}
    )
    (line,) = _read(exports.operations_csv(load(tmp_path)))
    assert (line["started_at"], line["duration_s"], line["entries"]) == ("", "", str(entry.seq))
    assert (line["operation"], line["attempts"], line["ended_at"]) == ("read_target", "2", entry.at)


def test_findings_are_counted_by_verdict_and_severity(run: Run, tmp_path: Path) -> None:
    """Each finding once in both."""
    step(run, "validate_bucket", "done", bucket_report(owner="FAIL", tls_only="not_checked"))
    counted = _report(load(tmp_path))["findings"]
    assert counted["by_verdict"] == {"FAIL": 1, "not_checked": 1, "PASS": len(CHECKS) - 2}
    assert counted["by_severity"] == {"high": counted["by_verdict"]}


def test_http_and_routing_have_keys_of_their_own(run: Run, tmp_path: Path) -> None:
    """Failed calls: WARNING, though the routing is ACTIVE and the compliance PASS."""
    walk(run)
    call(run, 1)
    assert _report(load(tmp_path))["compliance_status"] == "PASS"
    call(run, 2, "server_error")
    report = _report(load(tmp_path))
    assert (report["compliance_status"], report["routing_state"]) == ("WARNING", "ACTIVE")
    assert report["verdicts"]["compliance"]["word"] == "PASS"
    assert report["metrics"]["success_rate_percent"] == 50.0
