from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w

from opslib.audit.charts import retention_chart
from opslib.audit.sections.bucket import answer, caption
from opslib.html import Html, table, text
from opslib.html import verdict as verdict_html
from opslib.validator.render import note, rows
from opslib.verdict import ICONS, TO_MEND, WORST_FIRST, Verdict, in_words
from opslib.walk.context import WalkContext
from opslib.widgets.documents import bucket_documents_html, copyable, selectable
from opslib.widgets.fields import show
from opslib.widgets.frame import plain
from opslib.widgets.receipt import compact

Code = Callable[[str], str]


def findings_html(report: Mapping[str, Any], *, measured: bool, code: Code = selectable) -> str:
    """What somebody has to look at, worst first: verdict, why, and, to be opened, the risk, the fix and commands. What
    passed and what was not checked is folded away. Below that, the four clocks of a recording.

    `measured` says whether to show the calls, which differ in every run; `code` shows a command.
    """
    found = rows(report)
    by_verdict = {word: [one for one in found if one["verdict"] == word] for word in WORST_FIRST}
    first = [_row(one, measured=measured, code=code) for word in TO_MEND for one in by_verdict[word]]
    folded = "".join(
        _folded(word, [_row(one, measured=measured, code=code) for one in by_verdict[word]])
        for word in WORST_FIRST
        if word not in TO_MEND and by_verdict[word]
    )
    title = caption(report)
    shown = table(title, _HEAD, first).html if first else f"<p><strong>{text(title)}</strong></p>"
    chart = retention_chart(report["clocks"]).html() if report["clocks"] else ""
    return f"{shown}{folded}<p>{text(note(report))}</p>{chart}"


def failing_html(report: Mapping[str, Any]) -> str:
    """Only the findings that decide: those that fail, or else those that are not known, each with its fix."""
    words: Sequence[Verdict] = ("FAIL", "UNKNOWN")
    groups = [[one for one in rows(report) if one["verdict"] == word] for word in words]
    deciding = next(filter(None, groups), [])
    lines = [(one["title"], verdict_html(one["verdict"]), one["cause"], one["fix"]) for one in deciding]
    return table(caption(report), ("Check", "Verdict", "Why", "Fix"), lines).html if lines else ""


_HEAD = ("Check", "Verdict", "Why", "More")


def _folded(word: Verdict, found: Sequence[Sequence[object]]) -> str:
    title = f"{ICONS[word]} {len(found)} {in_words(word)}"
    return f"<details><summary>{title}</summary>{table(title, _HEAD, found).html}</details>"


def _row(finding: Mapping[str, Any], *, measured: bool, code: Code) -> Sequence[object]:
    return finding["title"], _verdict(finding), finding["cause"], _details(finding, measured=measured, code=code)


def _verdict(finding: Mapping[str, Any]) -> Html:
    """The verdict, and, where something is to be mended, how grave it is."""
    severity = f'<small style="display:block">{text(finding["severity"])}</small>'
    return Html(verdict_html(finding["verdict"]).html + (severity if finding["verdict"] in TO_MEND else ""))


def _details(finding: Mapping[str, Any], *, measured: bool, code: Code) -> Html:
    mend = finding["verdict"] in TO_MEND
    calls = (
        f"{call['call']} at {call['at']}: {answer(call)}, request {call['request_id'] or 'unknown'}"
        for call in finding["evidence"]
    )
    parts = {
        "Risk": text(finding["risk"]),
        "Fix": text(finding["fix"]) if mend else "",
        "Command": code(finding["cli"]) if mend else "",
        "Terraform": code(finding["terraform"]) if mend else "",
        "Source": text("; the check: ".join(filter(None, (finding["source"], finding.get("rule"))))),
        "Permissions": text(", ".join(finding.get("actions", ()))),
        "Rests on": ("<br>".join(map(text, calls)) or "nothing was asked") if measured else "",
    }
    shown = "".join(f"<p><strong>{label}:</strong> {part}</p>" for label, part in parts.items() if part)
    return Html(f"<details><summary>details of {text(finding['check'])}</summary>{shown}</details>")


class FindingsView:
    """The findings, when there are any; below them, what the bucket needs."""

    def __init__(self, walk: WalkContext) -> None:
        self._walk = walk
        self._report: Mapping[str, Any] = {}
        self._findings, self._documents = plain(w.HTML), plain(w.HTML)
        self.widget = plain(w.VBox, [self._findings, self._documents])
        self.show({})

    def show(self, report: Mapping[str, Any]) -> None:
        """Show these findings; an empty report takes no room."""
        if report is not self._report:  # a chart is in it, and a card is redrawn at every change of the walk
            self._report = report
            show(self._findings, compact(findings_html(report, measured=True, code=copyable)) if report else "")
        show(self._documents, compact(bucket_documents_html(self._walk, report)))
