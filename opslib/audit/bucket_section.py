"""The bucket, as a section of the report, from `opslib.validator.bucket.Report` as JSON and its findings."""

from collections.abc import Sequence
from typing import Any

from opslib.audit.charts import retention_chart
from opslib.audit.document import Block, Cell, Code, Mark, Prose, Table
from opslib.validator.render import counts
from opslib.verdict import WORST_FIRST


def blocks(report: dict[str, Any] | None, found: Sequence[dict[str, Any]]) -> Sequence[Block]:
    """Each check with its answer, worst first; what to do; the calls that the answers rest on; the four clocks."""
    if report is None:
        return [Prose("The bucket was not checked.")]
    findings = sorted(found, key=lambda finding: WORST_FIRST.index(finding["verdict"]))
    caption = f"Bucket {report['bucket']}, profile {report['profile']}: {counts(report)}"
    answers: list[list[Cell]] = [
        [one["title"], Mark(one["verdict"].replace("_", " ")), one["cause"], one["severity"], one["source"]]
        for one in findings
    ]
    to_do = [
        [one["title"], one["risk"], one["fix"]] for one in findings if one["verdict"] not in ("PASS", "not_checked")
    ]
    calls: list[list[Cell]] = [
        [one["title"], call["call"], call["at"], _status(call), Code(call["request_id"] or "unknown")]
        for one in findings
        for call in one["evidence"]
    ]
    shown: list[Block] = [Prose("Each check with its answer, worst first.")]
    if note := report.get("note"):
        shown.append(Prose(f"{report['title']} (sources as of {report['as_of']}). {note}"))
    shown.append(Table(caption, ("Check", "Verdict", "Why", "Severity", "Source"), answers, (25, 13, 30, 11, 21)))
    if to_do:
        shown.append(Table("What is not well, and what to do", ("Check", "Risk", "Fix"), to_do, (3, 4, 4)))
    head = ("Check", "Call", "When (UTC)", "Answer", "Request id")
    shown.append(Table("Calls that the checks rest on", head, calls, (20, 27, 22, 12, 19)))
    if clocks := report.get("clocks"):
        return [*shown, retention_chart(clocks)]
    return [*shown, Prose("S3 did not say how long recordings stay.")]


def _status(call: dict[str, Any]) -> str:
    return f"HTTP {call['status']}" if call["status"] else "no answer"
