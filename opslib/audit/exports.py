"""The audit for programs: samples.csv, operations.csv, findings.csv, findings.ocsf.jsonl and report.json."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import StringIO
from typing import Any

from opslib.audit import controls, deeds
from opslib.audit.call_statistics import INTERVAL_FROM
from opslib.audit.facts import Facts
from opslib.audit.headline import headline
from opslib.audit.ocsf import compliance_finding
from opslib.audit.open_items import open_items
from opslib.ledger.samples import COLUMNS
from opslib.ledger.statistics import success_rate_percent, wilson_interval
from opslib.validator.finding import SEVERITIES
from opslib.verdict import in_words
from opslib.visible import visible_cell, visible_json

_OPERATION_COLUMNS = (
    "run_id", "operation", "step", "attempts", "outcome", "error", "started_at", "ended_at", "duration_s", "entries",
)  # fmt: skip
_FINDING_COLUMNS = ("check", "title", "verdict", "severity", "cause", "risk", "fix", "source", "calls")


def samples_csv(facts: Facts) -> Iterator[str]:
    """A line for each HTTP attempt of the run, of any operation, one at a time."""
    yield _line(COLUMNS)
    for entry in facts.entries("sample"):
        row = {"run_id": entry.run_id, **entry.data}
        yield _line([row[name] for name in COLUMNS])


def operations_csv(facts: Facts) -> Iterator[str]:
    """A line for each operation of the run that ended. What a ledger of an earlier opslib does not hold is empty;
    `entries` are the lines of its attempts and of its end."""
    yield _line(_OPERATION_COLUMNS)
    for entry in facts.entries("operation"):
        numbers = [*entry.data.get("entries", ()), entry.seq]
        row = {**entry.data, "run_id": entry.run_id, "entries": " ".join(map(str, numbers)), "ended_at": entry.at}
        yield _line([row.get(name) for name in _OPERATION_COLUMNS])


def findings_csv(facts: Facts) -> Iterator[str]:
    """A line for each finding about the bucket."""
    yield _line(_FINDING_COLUMNS)
    for finding in facts.findings():
        calls = " ".join(f"{call['call']}:{call['status'] or 'no answer'}" for call in finding["evidence"])
        row = finding | {"calls": calls}
        yield _line([row[name] for name in _FINDING_COLUMNS])


def findings_ocsf(facts: Facts) -> Iterator[str]:
    """A line of JSON for each finding about the bucket: an OCSF Compliance Finding."""
    report = facts.bucket_report()
    for finding in facts.findings():
        event = compliance_finding(facts.run_id, facts.started.data["opslib"], report or {}, finding)
        yield visible_json(event, separators=(",", ":")) + "\n"


def report_json(facts: Facts, before: Facts | None) -> str:
    """The contract's keys (timestamp, metrics, compliance_status, routing_state); then scope, verdicts, plans and
    findings. Statistics without data are null, never zero.

    In the contract, `compliance_status` speaks of HTTP calls only. Here, where all of it is known, PASS needs the
    compliance, too.
    """
    results, http = controls.results(facts), controls.http(facts)
    compliance = controls.compliance(results)
    count, last_at = facts.extent()
    document = {
        **headline(facts).as_json(),
        "timestamp": last_at,
        "metrics": _metrics(facts),
        "compliance_status": "PASS" if {http.word, compliance.word} == {"PASS"} else "WARNING",
        "routing_state": "ACTIVE" if controls.routing(facts).word == "PASS" else "UNKNOWN",
        "run": {"id": facts.run_id, "at": facts.started.at, "entries": count, **facts.started.data},
        "compared_with": before.run_id if before else None,
        "ledger": facts.ledger.as_json(),
        "verdicts": {"compliance": _control(compliance), "http": _control(http)},
        "controls": [_control(result) for result in results],
        "open_items": [item.as_json() for item in open_items(facts)],
        "who": [deed.as_json() for deed in deeds.of_run(facts)],
        "plans": [
            {
                "entries": [int(apply.id), apply.last_seq],
                "outcome": controls.outcome(apply),
                "decisions": [difference.model_dump(mode="json", exclude={"found"}) for difference in apply.decisions],
                **apply.plan.as_json(),
                "checksum": apply.checksum,
            }
            for apply in facts.applies
        ],
        "bucket": facts.bucket_report(),
        "findings": _counted(facts.findings()),
        "problems": facts.problem_count(),
    }
    return visible_json(document, indent=2, sort_keys=True) + "\n"


def _control(result: controls.ControlResult) -> dict[str, Any]:
    return {**asdict(result), "id": result.id, "word": in_words(result.word)}


def _counted(findings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many findings have each verdict, in all and of each severity."""
    severities = sorted({finding["severity"] for finding in findings}, key=SEVERITIES.index)
    return {
        "by_verdict": Counter(finding["verdict"] for finding in findings),
        "by_severity": {
            severity: Counter(finding["verdict"] for finding in findings if finding["severity"] == severity)
            for severity in severities
        },
    }


def _metrics(facts: Facts) -> dict[str, Any]:
    """The contract's figures whenever there are data; of the others, those that are too few for their figure are null.

    See opslib.audit.call_statistics.
    """
    statistics = facts.call_statistics
    good, bad = statistics.operations()
    total, attempts = good + bad, statistics.attempts()
    telling, extremes = statistics.telling_percentiles_ms(), statistics.extremes_ms() or (None, None)
    interval = [_rounded(100 * bound) for bound in wilson_interval(good, total)] if total >= INTERVAL_FROM else None
    return {
        "total_operations": total,
        "success_count": good,
        "failure_count": bad,
        "success_rate_percent": _rounded(success_rate_percent(good, bad)),
        "success_rate_interval_95_percent": interval,
        "attempts": attempts,
        "attempts_of_operations": statistics.attempts_of_operations(),
        "attempts_not_there": statistics.attempts_not_there(),
        "attempts_by_operation": {
            name: {"succeeded": succeeded, "attempts": count} for name, succeeded, count in statistics.by_operation()
        },
        "average_latency_ms": _rounded(statistics.average_ms()),
        "fastest_latency_ms": _rounded(extremes[0]),
        "slowest_latency_ms": _rounded(extremes[1]),
        "p50_latency_ms": _rounded(telling.get(50)),
        "p95_latency_ms": _rounded(statistics.percentiles_ms()[95]),
        "p99_latency_ms": _rounded(telling.get(99)),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _line(values: Sequence[object]) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerow([visible_cell(value) for value in values])
    return out.getvalue()
