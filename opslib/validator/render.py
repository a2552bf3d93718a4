"""Findings for people: a table for a terminal, and HTML for a notebook or page. Made from `Report.as_json()`, which is
what the ledger keeps; an older ledger has less in it."""

from collections.abc import Callable, Sequence
from typing import Any

from opslib.html import Html, table, text, verdict
from opslib.verdict import ICONS, TO_MEND, WORST_FIRST, in_words

_SEVERITIES = ("critical", "high", "medium", "low")
_WIDTH = 28
_INDENT = " " * (_WIDTH + 16)

Copy = Callable[[str], str]


def as_text(report: dict[str, Any]) -> str:
    """One line a finding, worst first; below what failed its fix and the command, below what is unknown the fix; then
    the counts."""
    lines = [f"{report['bucket']} in {report['region']}, profile {report['profile']}: {report['verdict']}"]
    for finding in rows(report):
        word = finding["verdict"]
        lines.append(f"  {ICONS[word]} {in_words(word):<12}{finding['check']:<{_WIDTH}}{finding['cause']}")
        if word in ("FAIL", "UNKNOWN"):
            lines.append(f"{_INDENT}Fix: {finding['fix']}")
        if word == "FAIL":
            lines.append(f"{_INDENT}{finding['cli']}")
    return "\n".join([*lines, f"  {counts(report)}", f"  {_note(report)}"])


def counts(report: dict[str, Any]) -> str:
    """How many of each word, worst first."""
    return ", ".join(f"{report['counts'][word]} {in_words(word)}" for word in WORST_FIRST if report["counts"].get(word))


def rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings and what was not checked, worst first."""
    every = [*report["findings"], *report.get("not_checked", ())]
    return sorted(every, key=lambda one: (WORST_FIRST.index(one["verdict"]), _SEVERITIES.index(one["severity"])))


def code(source: str) -> str:
    """A command or document as HTML; a click selects all of it, to be copied."""
    style = "display:block;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all"
    return f'<code style="{style}">{text(source)}</code>' if source else ""


def as_html(
    report: dict[str, Any], *, only: Sequence[str] = WORST_FIRST, evidence: bool = True, code: Copy = code
) -> Html:
    """A row a finding, worst first: word, why, and, to be opened, the risk, the fix and commands.

    `only` names the verdicts to show; `evidence` says whether the calls, which differ in every run, are told; `code`
    shows a command.
    """
    shown = [
        (
            finding["title"],
            _verdict(finding),
            finding["cause"],
            _details(finding, evidence=evidence, code=code),
        )
        for finding in rows(report)
        if finding["verdict"] in only
    ]
    caption = f"Bucket {report['bucket']}, profile {report['profile']}: {counts(report)}"
    found = table(caption, ("Check", "Verdict", "Why", "More"), shown).html
    return Html(f"{found}<p>{text(_note(report))}</p>", as_text(report))


def _verdict(finding: dict[str, Any]) -> Html:
    """The word, and, where something is to be mended, how grave it is."""
    word = verdict(finding["verdict"])
    grave = f'<small style="display:block">{text(finding["severity"])}</small>'
    return Html(f"{word.html}{grave if finding['verdict'] in TO_MEND else ''}", word.plain)


def _note(report: dict[str, Any]) -> str:
    title, note = report.get("title", ""), report.get("note", "")
    return " ".join(filter(None, (f"{title}." if title else "", note, "No legal advice.")))


def _details(finding: dict[str, Any], *, evidence: bool, code: Copy) -> Html:
    mend = finding["verdict"] in TO_MEND
    parts = [
        ("Risk", text(finding["risk"])),
        ("Fix", text(finding["fix"]) if mend else ""),
        ("Command", code(finding["cli"]) if mend else ""),
        ("Terraform", code(finding["terraform"]) if mend else ""),
        ("Source", text("; the check: ".join(filter(None, (finding["source"], finding.get("rule")))))),
        ("Permissions", text(", ".join(finding.get("actions", ())))),
    ]
    if evidence:
        parts.append(("Rests on", "<br>".join(text(_call(one)) for one in finding["evidence"]) or "nothing was asked"))
    shown = "".join(f"<p><strong>{name}:</strong> {value}</p>" for name, value in parts if value)
    return Html(f"<details><summary>details of {text(finding['check'])}</summary>{shown}</details>")


def _call(evidence: dict[str, Any]) -> str:
    status = f"HTTP {evidence['status']}" if evidence["status"] else "no answer"
    return f"{evidence['call']} at {evidence['at']}: {status}, request {evidence['request_id'] or 'unknown'}"
