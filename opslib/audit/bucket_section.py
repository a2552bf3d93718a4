"""The bucket, as a section of the report, from `opslib.validator.bucket.Report` as JSON and its findings."""

from collections.abc import Mapping, Sequence
from typing import Any

from opslib.audit.charts import retention_chart
from opslib.audit.document import Block, Cell, Code, Mark, Prose, Table
from opslib.validator.finding import SEVERITIES
from opslib.validator.render import counts, place
from opslib.verdict import TO_MEND, WORST_FIRST, in_words


def blocks(report: dict[str, Any] | None, findings: Sequence[dict[str, Any]]) -> Sequence[Block]:
    """Each check with its answer, worst first; what to do; the calls that the answers rest on; the four clocks."""
    if report is None:
        return [Prose("The bucket was not checked.")]
    findings = sorted(findings, key=lambda finding: WORST_FIRST.index(finding["verdict"]))
    answers: list[list[Cell]] = [
        [finding["title"], Mark(finding["verdict"]), finding["cause"], finding["severity"], finding["source"]]
        for finding in findings
    ]
    to_do = [
        [finding["title"], finding["risk"], finding["fix"]] for finding in findings if finding["verdict"] in TO_MEND
    ]
    calls: list[list[Cell]] = [
        [finding["title"], call["call"], call["at"], answer(call), Code(call["request_id"] or "unknown")]
        for finding in findings
        for call in finding["evidence"]
    ]
    section: list[Block] = [Prose("Each check with its answer, worst first.")]
    if note := report.get("note"):
        section.append(Prose(f"{report['title']} (sources as of {report['as_of']}). {note}"))
    head = ("Check", "Verdict", "Why", "Severity", "Source")
    section.append(Table(caption(report), head, answers, (25, 13, 30, 11, 21)))
    section.append(by_severity(findings))
    if to_do:
        section.append(Table("What is not well, and what to do", ("Check", "Risk", "Fix"), to_do, (3, 4, 4)))
    head = ("Check", "Call", "When (UTC)", "Answer", "Request id")
    section.append(Table("Calls that the checks rest on", head, calls, (20, 27, 22, 12, 19)))
    if clocks := report.get("clocks"):
        return [*section, retention_chart(clocks)]
    return [*section, Prose("S3 did not say how long recordings stay.")]


def by_severity(findings: Sequence[Mapping[str, Any]]) -> Table:
    """How many checks of each severity have each verdict."""
    rows: list[list[Cell]] = [
        [
            severity,
            *(sum((row["severity"], row["verdict"]) == (severity, word) for row in findings) for word in WORST_FIRST),
        ]
        for severity in SEVERITIES
    ]
    head = ("Severity", *(in_words(word) for word in WORST_FIRST))
    return Table(f"{len(findings)} checks of the bucket, by severity", head, rows, (2, 1, 1, 1, 1, 2))


def caption(report: Mapping[str, Any]) -> str:
    """The bucket, where recordings are expected in it, its profile, and how many findings have each verdict."""
    return f"Bucket {report['bucket']}, {place(report)}, profile {report['profile']}: {counts(report)}"


def answer(call: Mapping[str, Any]) -> str:
    """What AWS answered to a call."""
    return f"HTTP {call['status']}" if call["status"] else "no answer"
