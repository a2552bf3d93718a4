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
from opslib.ledger.ledger import Ledger, Run

from .ledgers import bucket_report, call, finding, rows, step, walk

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
    for name in ("success_rate_percent", "average_latency_ms", "p95_latency_ms", "success_rate_interval_95_percent"):
        assert metrics[name] is None
    assert (report["compliance_status"], report["routing_state"]) == ("WARNING", "UNKNOWN")
    assert report["verdicts"]["compliance"]["word"] == "UNKNOWN"
    assert report["bucket"] is None


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
