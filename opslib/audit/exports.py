"""The audit for machines: samples and findings as CSV, findings as OCSF, and all of it as one JSON document."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import StringIO
from typing import Any

from opslib.audit import controls
from opslib.audit.document import visible
from opslib.audit.facts import Facts
from opslib.audit.ocsf import compliance_finding
from opslib.ledger.samples import COLUMNS
from opslib.ledger.statistics import success_rate_percent, wilson_interval

_FINDING_COLUMNS = ("check", "title", "verdict", "severity", "cause", "risk", "fix", "source", "calls")
# A spreadsheet takes a cell that begins so for a formula, whoever wrote it.
_FORMULA = ("=", "+", "-", "@")


def samples_csv(facts: Facts) -> Iterator[str]:
    """A line for each HTTP attempt of the run, of any operation, one at a time."""
    yield _line(COLUMNS)
    for entry in facts.entries("sample"):
        row = {"run_id": entry.run_id, **entry.data}
        yield _line([row[name] for name in COLUMNS])


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
        yield event.model_dump_json(exclude_none=True) + "\n"


def report_json(facts: Facts, before: Facts | None) -> str:
    """The contract's keys (timestamp, metrics, compliance_status, routing_state); then scope, verdicts, plans and
    findings. Figures without data are null, never zero.

    In the contract, `compliance_status` speaks of HTTP calls only. Here, where all of it is known, PASS needs the
    compliance, too.
    """
    found, http = controls.verdicts(facts), controls.http(facts)
    compliance = controls.compliance(found)
    count, last_at = facts.extent()
    document = {
        "timestamp": last_at,
        "metrics": _metrics(facts),
        "compliance_status": "PASS" if {http.word, compliance.word} == {"PASS"} else "WARNING",
        "routing_state": "ACTIVE" if controls.routing(facts).word == "PASS" else "UNKNOWN",
        "run": {"id": facts.run_id, "at": facts.started.at, "entries": count, **facts.started.data},
        "compared_with": before.run_id if before else None,
        "ledger": facts.ledger.as_json(),
        "verdicts": {"compliance": asdict(compliance), "http": asdict(http)},
        "controls": [asdict(verdict) for verdict in found],
        "plans": [
            {
                "entries": [int(one.id), one.last_seq],
                "outcome": controls.outcome(one),
                **one.plan.as_json(),
                "checksum": one.checksum,
            }
            for one in facts.applies
        ],
        "bucket": facts.bucket_report(),
        "problems": facts.problem_count(),
    }
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _metrics(facts: Facts) -> dict[str, Any]:
    good, bad = facts.calls.operations()
    rate, percentiles = success_rate_percent(good, bad), facts.calls.percentiles_ms()
    interval = [_rounded(100 * bound) for bound in wilson_interval(good, good + bad)] if good + bad else None
    return {
        "total_operations": good + bad,
        "success_count": good,
        "failure_count": bad,
        "success_rate_percent": _rounded(rate),
        "success_rate_interval_95_percent": interval,
        "attempts": facts.calls.attempts(),
        "average_latency_ms": _rounded(facts.calls.average_ms()),
        **{f"p{percent}_latency_ms": _rounded(ms) for percent, ms in percentiles.items()},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _line(values: Sequence[object]) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerow([_inert(value) for value in values])
    return out.getvalue()


def _inert(value: object) -> object:
    if not isinstance(value, str):
        return value
    shown = visible(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
