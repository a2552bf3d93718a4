"""Findings as text for a terminal, made from `Report.as_json()`, which is what the ledger keeps; an older ledger has
less in it."""

from collections.abc import Mapping
from typing import Any

from opslib.validator.finding import NOT_ASKED, SEVERITIES
from opslib.verdict import ICONS, WORST_FIRST, Verdict, in_words
from opslib.visible import visible_line

_WIDTH = 28
_INDENT = " " * (_WIDTH + 16)


def as_text(report: Mapping[str, Any]) -> str:
    """One line a finding, worst first; below what failed its fix and the command, below what is unknown the fix; one
    line for all that was not asked for one cause; then the counts."""
    lines = [
        f"{report['bucket']} in {report['region']}, {place(report)}, profile {report['profile']}: {report['verdict']}"
    ]
    not_asked = [finding for finding in rows(report) if finding["cause"].startswith(NOT_ASKED)]
    for finding in rows(report):
        if finding in not_asked:
            continue
        verdict: Verdict = finding["verdict"]
        lines.append(f"  {ICONS[verdict]} {in_words(verdict):<12}{finding['check']:<{_WIDTH}}{finding['cause']}")
        if verdict in ("FAIL", "UNKNOWN"):
            lines.append(f"{_INDENT}Fix: {finding['fix']}")
        if verdict == "FAIL" and finding["cli"]:
            lines += [f"{_INDENT}{line}" for line in finding["cli"].split("\n")]
    if not_asked:
        what = f"{len(not_asked)} more checks" if len(not_asked) > 1 else "1 more check"
        lines.append(f"  {ICONS['not_checked']} {in_words('not_checked'):<12}{what:<{_WIDTH}}{not_asked[0]['cause']}")
    return "\n".join(map(visible_line, [*lines, f"  {counts(report)}", f"  {note(report)}"]))


def place(report: Mapping[str, Any]) -> str:
    """Where in the bucket recordings are expected, in words."""
    prefix = report["prefix"]
    if prefix is None:
        return "every prefix (where Genesys writes is not known)"
    return f"keys below {prefix}/" if prefix else "the whole bucket"


def counts(report: Mapping[str, Any]) -> str:
    """How many of each word, worst first."""
    return ", ".join(f"{report['counts'][word]} {in_words(word)}" for word in WORST_FIRST if report["counts"].get(word))


def rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The findings and what was not checked, worst first."""
    findings = [*report["findings"], *report.get("not_checked", ())]
    return sorted(
        findings, key=lambda finding: (WORST_FIRST.index(finding["verdict"]), SEVERITIES.index(finding["severity"]))
    )


def note(report: Mapping[str, Any]) -> str:
    """What the profile is, and that it is not legal advice."""
    title, about = report.get("title", ""), report.get("note", "")
    return " ".join(filter(None, (f"{title}." if title else "", about, "No legal advice.")))
