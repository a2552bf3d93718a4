"""Findings for people: a table for a terminal, and HTML for a notebook or page. Made from `Report.as_json()`, which is
what the ledger keeps."""

from collections.abc import Sequence
from typing import Any

from opslib.html import ICONS, Html, table, text, verdict

# What needs attention comes first.
ORDER = ("FAIL", "UNKNOWN", "WARN", "PASS", "not_checked")
_WIDTH = 28


def as_text(report: dict[str, Any]) -> str:
    """One line a finding, worst first, with its fix below what is not well; then the counts."""
    lines = [f"{report['bucket']} in {report['region']}, profile {report['profile']}: {report['verdict']}"]
    for finding in _sorted(report):
        word = finding["verdict"]
        lines.append(f"  {ICONS[_words(word)]} {_words(word):<12}{finding['check']:<{_WIDTH}}{finding['cause']}")
        if word in ("FAIL", "UNKNOWN"):
            lines.append(f"{'':>{_WIDTH}}Fix: {fix(finding)}")
    return "\n".join([*lines, f"  {counts(report)}"])


def counts(report: dict[str, Any]) -> str:
    """How many of each word, worst first."""
    return ", ".join(f"{report['counts'][word]} {_words(word)}" for word in ORDER if report["counts"].get(word))


def as_html(report: dict[str, Any], *, only: Sequence[str] = ORDER, evidence: bool = True) -> Html:
    """A row a finding, worst first: word, why, and, to be opened, the risk, the fix and commands.

    `only` names the verdicts to show; `evidence` says whether the calls, which differ in every run, are told.
    """
    rows = [
        (
            finding["title"],
            verdict(_words(finding["verdict"])),
            finding["cause"],
            finding["severity"],
            _details(finding, evidence=evidence),
        )
        for finding in _sorted(report)
        if finding["verdict"] in only
    ]
    caption = f"Bucket {report['bucket']}, profile {report['profile']}: {counts(report)}"
    return Html(table(caption, ("Check", "Verdict", "Why", "Severity", "More"), rows).html, as_text(report))


def _sorted(report: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(report["findings"], key=lambda finding: ORDER.index(finding["verdict"]))


def _words(verdict: str) -> str:
    return verdict.replace("_", " ")


def fix(finding: dict[str, Any]) -> str:
    """What to do; where a permission was missing, to give it."""
    return f"allow {finding['action']}" if finding["action"] else finding["fix"]


def _details(finding: dict[str, Any], *, evidence: bool) -> Html:
    parts = [
        ("Risk", text(finding["risk"])),
        ("Fix", text(fix(finding))),
        ("Command", _pre(finding["cli"])),
        ("Terraform", _pre(finding["terraform"])),
        ("Source", text(finding["source"])),
    ]
    if evidence:
        parts.append(("Rests on", "<br>".join(text(_call(one)) for one in finding["evidence"]) or "nothing was asked"))
    shown = "".join(f"<p><strong>{name}:</strong> {value}</p>" for name, value in parts if value)
    return Html(f"<details><summary>details of {text(finding['check'])}</summary>{shown}</details>")


def _pre(code: str) -> str:
    """A click selects all of it, to be copied."""
    style = "white-space:pre-wrap;overflow-wrap:anywhere;user-select:all"
    return f'<code style="{style}">{text(code)}</code>' if code else ""


def _call(evidence: dict[str, Any]) -> str:
    status = f"HTTP {evidence['status']}" if evidence["status"] else "no answer"
    return f"{evidence['call']} at {evidence['at']}: {status}, request {evidence['request_id'] or 'unknown'}"
