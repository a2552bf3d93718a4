from collections.abc import Mapping, Sequence
from typing import Any

from opslib.html import table, text
from opslib.router.render import sentence
from opslib.verdict import Readiness
from opslib.walk.environment import readiness_table
from opslib.walk.state_machine import Result
from opslib.widgets.findings import findings_html
from opslib.widgets.plan import plan_html

_LABELS: dict[str, dict[str, str]] = {
    "connect": {
        "api_url": "API",
        "backend": "Backend",
        "targets": "Storage targets in the org",
        "retention_policies": "Retention policies in the org",
    },
    "see_event": {"event.eventType": "Event", "event.entityId": "About the object"},
    "report": {
        "metrics.total_operations": "Operations",
        "metrics.success_count": "Succeeded",
        "metrics.failure_count": "Failed",
        "metrics.success_rate_percent": "Success rate (%)",
        "metrics.average_latency_ms": "Average latency (ms)",
        "metrics.p95_latency_ms": "95th percentile of latency (ms)",
        "compliance_status": "Verdict on HTTP calls only",
        "routing_state": "Routing",
    },
}
# Different in every run, so no part of a receipt; the ledger keeps them.
_MEASURED = "_ms"


def result_html(result: Result, caption: str, *, measured: bool) -> str:
    """The result as HTML, nothing when there is none; `measured` says whether what differs in every run is in it."""
    if not result.data:
        return ""
    if result.step == "validate_bucket":
        return findings_html(result.data, measured=measured)
    if result.step == "changes":
        return _changes(result.data, caption, measured=measured)
    if result.step == "compare":  # without a difference, the summary says all
        return plan_html(result.data).html if result.data["changes"] else ""
    if result.step == "plan":
        checksum = table("", (), [("Checksum", result.data["checksum"])]).html if measured else ""
        return plan_html(result.data).html + checksum
    rows = _rows(result, measured=measured)
    values = table(caption, (), rows).html if rows else ""
    return values + _doctor(result.data["doctor"]) if "doctor" in result.data else values


def _changes(found: Mapping[str, Any], caption: str, *, measured: bool) -> str:
    """What was changed in the org, and why Genesys's audit was not read to its end, if so."""
    head = ("Object", "What", "Fields", "Found by", "By", "When (UTC)")[: 6 if measured else 4]
    rows = [_change(change)[: len(head)] for change in found["changes"]]
    notes = {"Genesys's own audit was not read": found["unaudited"], "Left out of the audit": found["left_out"]}
    lines = "".join(f"<p>{text(label)}: {text(why)}</p>" for label, why in notes.items() if why)
    since = f"<p>Looked at since {text(found['since'])}</p>" if measured else ""
    return (table(caption, head, rows).html if rows else "") + since + lines


def _change(change: Mapping[str, Any]) -> tuple[str, ...]:
    fields = "; ".join(sentence(change["action"], field) for field in change["fields"])
    about = f"{change['kind']} {change['name']}", change["action"], fields, change["source"]
    return *about, change["by"], change["at"]


def _doctor(diagnosis: Mapping[str, Any]) -> str:
    """What the org says about itself and us, and the roles to copy."""
    rows = readiness_table("What the org says", [Readiness(**row) for row in diagnosis["rows"]])
    return rows.html + "".join(_role(name, names) for name, names in diagnosis["roles"].items())


def _role(name: str, permissions: Sequence[str]) -> str:
    listed = text("\n".join(permissions))
    return f"<details><summary>Permissions of the role “{text(name)}”, to copy</summary><pre>{listed}</pre></details>"


def _rows(result: Result, *, measured: bool) -> list[tuple[str, str]]:
    labels = _LABELS.get(result.step, {})
    values = {path: _at(result.data, path) for path in labels if measured or not path.endswith(_MEASURED)}
    return [(labels[path], _words(value)) for path, value in values.items() if value is not _ABSENT]


_ABSENT = object()


def _at(data: Mapping[str, Any], path: str) -> Any:
    value: Any = data
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _words(value: object) -> str:
    if value is None:
        return "no data"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
