from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w

from opslib.audit.charts import retention_chart
from opslib.audit.sections.bucket import answer, caption
from opslib.html import Html, table, text
from opslib.html import verdict as verdict_html
from opslib.validator.render import note, rows
from opslib.verdict import ICONS, TO_MEND, WORST_FIRST, Verdict, in_words
from opslib.walk.walk import Walk
from opslib.widgets.documents import bucket_documents_html, copyable, selectable
from opslib.widgets.fields import show
from opslib.widgets.receipt import compact

Code = Callable[[str], str]

_SHOWN: dict[str, Sequence[Verdict]]
_SHOWN = {"all": WORST_FIRST, "mend": TO_MEND, "PASS": ("PASS",), "not_checked": ("not_checked",)}
_FILTERS = {"All": "all", f"To mend ({' '.join(ICONS[verdict] for verdict in TO_MEND)})": "mend"}
_FILTERS |= {f"{ICONS[verdict]} {in_words(verdict)}": verdict for verdict in ("PASS", "not_checked")}


def findings_html(
    report: Mapping[str, Any], *, only: Sequence[Verdict] = WORST_FIRST, measured: bool, code: Code = selectable
) -> str:
    """A row for each finding, worst first: verdict, why, and, to be opened, the risk, the fix and commands; below them
    the four clocks of a recording.

    `only` names the verdicts to show; `measured` says whether to show the calls, which differ in every run; `code`
    shows a command.
    """
    findings = [
        (finding["title"], _verdict(finding), finding["cause"], _details(finding, measured=measured, code=code))
        for finding in rows(report)
        if finding["verdict"] in only
    ]
    findings_table = table(caption(report), ("Check", "Verdict", "Why", "More"), findings).html
    chart = retention_chart(report["clocks"]).html() if report["clocks"] else ""
    return f"{findings_table}<p>{text(note(report))}</p>{chart}"


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
    """A table of findings under a choice of which to show, when there are any; below it, what the bucket needs."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._report: Mapping[str, Any] = {}
        # A screen reader hears what is chosen; of ToggleButtons it does not.
        self._filter = w.Dropdown(options=list(_FILTERS.items()), description="Show")
        self._table, self._documents = w.HTML(), w.HTML()
        self._filter.observe(lambda _: self._draw(), "value")
        self._findings = w.VBox([self._filter, self._table])
        self.widget = w.VBox([self._findings, self._documents])
        self.show({})

    def show(self, report: Mapping[str, Any]) -> None:
        """Show these findings; an empty report takes no room."""
        if report is not self._report:  # a chart is in it, and a card is redrawn at every change of the walk
            self._report = report
            self._draw()
        self._findings.layout.display = None if report else "none"
        show(self._documents, compact(bucket_documents_html(self._walk, report)))

    def _draw(self) -> None:
        only = _SHOWN[self._filter.value]
        findings = findings_html(self._report, only=only, measured=True, code=copyable) if self._report else ""
        show(self._table, compact(findings))
