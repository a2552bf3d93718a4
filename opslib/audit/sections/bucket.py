"""The bucket, as a section of the report, from `opslib.validator.bucket.Report` as JSON and its findings."""

from collections.abc import Mapping, Sequence
from typing import Any

from opslib.audit.charts import retention_chart
from opslib.audit.contents import number
from opslib.audit.document import Block, Cell, Code, Mark, Prose, Table
from opslib.audit.words import moment_words
from opslib.validator.finding import SEVERITIES
from opslib.validator.render import counts, place
from opslib.verdict import TO_MEND, WORST_FIRST, in_words


def blocks(report: dict[str, Any] | None, findings: Sequence[dict[str, Any]]) -> Sequence[Block]:
    """How many checks have which answer; what to mend; what was not checked; what passed; how long recordings stay."""
    if report is None:
        return [Prose("The bucket was not checked.")]
    to_mend = sorted(_with(findings, *TO_MEND), key=lambda finding: WORST_FIRST.index(finding["verdict"]))
    stated = (
        "The days are those that the onboarding states. What the org has is in sections"
        f" {number('changes')} and {number('still_so')}."
    )
    section: list[Block] = [by_severity(report, findings), Prose(stated)]
    if to_mend:
        rows = [
            [one["title"], Mark(one["verdict"]), one["severity"], one["cause"], one["risk"], one["fix"]]
            for one in to_mend
        ]
        head = ("Check", "Verdict", "Severity", "Found", "Risk", "Fix")
        section.append(Table("Findings and fixes", head, rows, (20, 14, 10, 18, 19, 19)))
    else:
        section.append(Prose("Every check that has an answer passed."))
    for caption, word, folded in (("Checks without an answer", "not_checked", False), ("Passed", "PASS", True)):
        if own := _with(findings, word):
            answers = [[one["title"], one["severity"], one["cause"], one["source"]] for one in own]
            columns = ("Check", "Severity", "Found" if folded else "Why", "Source")
            section.append(Table(f"{caption} ({len(own)})", columns, answers, (32, 10, 30, 28), folded))
    if clocks := report.get("clocks"):
        return [*section, retention_chart(clocks)]
    return [*section, Prose("S3 did not say how long recordings stay.")]


def calls(findings: Sequence[Mapping[str, Any]]) -> Table:
    """Each request to AWS once, with the checks that rest on it. Full request ids are in report.json."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for finding in findings:
        for call in finding["evidence"]:
            key = call["call"], call["at"], answer(call), call["request_id"] or "unknown"
            rows.setdefault(key, []).append(finding["check"])
    listed: list[list[Cell]] = [
        [Code(call), ", ".join(checks), at, said, Code(id if len(id) <= _ID_SHOWN else f"{id[:_ID_SHOWN]}…")]
        for (call, at, said, id), checks in rows.items()
    ]
    head = ("Request", "Used by the checks", "When (UTC)", "Answer", "Request id begins")
    return Table(f"{len(listed)} requests to AWS", head, listed, (31, 22, 23, 10, 14))


_ID_SHOWN = 12


def _with(findings: Sequence[dict[str, Any]], *words: str) -> list[dict[str, Any]]:
    """Those with one of these verdicts, the gravest first."""
    own = [finding for finding in findings if finding["verdict"] in words]
    return sorted(own, key=lambda finding: SEVERITIES.index(finding["severity"]))


def by_severity(report: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> Table:
    """How many checks of each severity have each verdict."""
    rows: list[list[Cell]] = [
        [
            severity,
            *(sum((row["severity"], row["verdict"]) == (severity, word) for row in findings) for word in WORST_FIRST),
        ]
        for severity in SEVERITIES
    ]
    head = ("Severity", *(in_words(word) for word in WORST_FIRST))
    title = f"{len(findings)} checks of bucket {report['bucket']}, {place(report)}, profile {report['profile']}"
    read = f", read {moment_words(report['at'])}" if report.get("at") else ""
    return Table(f"{title}{read}", head, rows, (2, 1, 1, 1, 1, 2))


def caption(report: Mapping[str, Any]) -> str:
    """The bucket, where recordings are expected in it, its profile, and how many findings have each verdict."""
    return f"Bucket {report['bucket']}, {place(report)}, profile {report['profile']}: {counts(report)}"


def answer(call: Mapping[str, Any]) -> str:
    """What AWS answered to a call."""
    return f"HTTP {call['status']}" if call["status"] else "no answer"
