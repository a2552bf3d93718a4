"""The sections of the audit, each a piece of HTML for a reader who runs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opslib.audit.charts import Chart, latency_chart, retention_chart, success_chart, wilson_interval
from opslib.audit.facts import Facts, Verdict, load, outcome
from opslib.html import Html, code, table
from opslib.html import verdict as word
from opslib.ledger_file import FILE_NAME
from opslib.router.journal import Progress
from opslib.router.render import as_html
from opslib.samples import success_rate_percent
from opslib.settings import Settings
from opslib.validator.render import as_html as findings_html

# A run on the sandbox that comes with the project, so that the page can be looked at before there is one's own.
RECORDED = Path(__file__).with_name("recorded") / FILE_NAME


@dataclass(frozen=True)
class AuditReport:
    """The audit of one run. Every section is made from the ledger alone."""

    facts: Facts
    recorded: bool = False

    @classmethod
    def open(cls, run_id: str | None = None, home: Path | None = None) -> "AuditReport":
        """The audit of a run in the workspace, by default its last walk.

        Only where neither run nor workspace is named and there is no ledger yet, the recorded example is shown.
        """
        workspace = home or Settings.load().home
        if not (home or run_id or (workspace / FILE_NAME).exists()):
            return cls(load(RECORDED), recorded=True)
        return cls(load(workspace, run_id))

    def summary(self) -> Html:
        """Two verdicts that must not be confused, in words."""
        rows = [
            (verdict.control, word(verdict.word), verdict.why)
            for verdict in (self.facts.compliance(), self.facts.http())
        ]
        shown = table("Two separate verdicts", ("Question", "Verdict", "Why"), rows)
        example = "<p><strong>This is the recorded example that comes with the kit, not your org.</strong></p>"
        return Html((example if self.recorded else "") + shown.html, shown.plain)

    def scope(self) -> Html:
        """Who did what, when, where and with which versions; and which record this page was made from."""
        started, ledger = self.facts.started, self.facts.ledger
        about = started.data
        connected = self.facts.last_end("connect")
        rows = {
            "Run": self.facts.run_id,
            "Started (UTC)": started.at,
            "Last entry (UTC)": self.facts.entries[-1].at,
            "By": f"{about['user']} on {about['host']}",
            "Org's API": (connected.data.get("data") or {}).get("api_url", "no data") if connected else "no data",
            "Backend": about.get("backend", "no data"),
            "Versions": f"opslib {about['opslib']}, Python {about['python']}",
            "Ledger entries": f"{ledger.entries}, of which {len(self.facts.entries)} are this run's",
            "Head of the chain (SHA-256)": code(ledger.head),
        }
        return table("Scope and provenance", ("What", "Value"), rows.items())

    def verdicts(self) -> Html:
        """Each control with the ledger entries it rests on."""
        rows = [(v.control, word(v.word), v.why, _numbers(v)) for v in self.facts.verdicts()]
        return table("Controls", ("Control", "Verdict", "Why", "Rests on entries"), rows)

    def plans(self) -> Html:
        """Each plan that was carried out, who approved it and how it ended; without one, the last plan made."""
        parts, first_with = list[Html](), dict[str, int]()
        for number, apply in enumerate(self.facts.applies, 1):
            parts.append(self._apply(number, apply))
            first = first_with.setdefault(apply.plan.checksum, number)
            same = f"The plan is that of apply {first}."
            parts.append(as_html(apply.plan.as_json()) if first == number else Html(f"<p>{same}</p>", same))
        if not parts:
            end = self.facts.last_end("plan")
            made = end.data.get("data", {}) if end and end.kind == "step.done" else {}
            parts = [as_html(made) if made else Html("<p>No plan was made.</p>", "No plan was made.")]
            if made.get("changes"):
                parts.append(Html("<p>This plan was not carried out.</p>", "This plan was not carried out."))
        return Html("\n".join(part.html for part in parts), "\n".join(part.plain for part in parts))

    def _apply(self, number: int, apply: Progress) -> Html:
        approval = self.facts.approval(apply)
        consent = approval.data if approval else {}
        rows = {
            "Begun (UTC)": apply.at,
            "By": apply.user,
            "Plan's checksum (SHA-256)": code(apply.plan.checksum),
            "Approved (UTC)": f"{approval.at}, entry {approval.seq}" if approval else "no approval is in this run",
            "With consent to": ", ".join(consent.get("unsafe", ())) or "nothing unsafe was in it",
            "Reason given": consent.get("reason") or "none",
            "Outcome": outcome(apply),
            "Entries": f"{apply.id} to {apply.last_seq or apply.id}",
        }
        return table(f"Apply {number}", ("What", "Value"), rows.items())

    def bucket(self) -> Html:
        """Every check of the bucket, with what it rests on."""
        report = self.facts.findings()
        return findings_html(report) if report else Html("<p>The bucket was not checked.</p>", "not checked")

    def retention(self) -> Chart | Html:
        """How long a recording stays: the four clocks."""
        clocks = (self.facts.findings() or {}).get("clocks")
        return retention_chart(clocks) if clocks else Html("<p>S3 did not say how long recordings stay.</p>", "no data")

    def operations(self) -> Html:
        """Success rate with its interval, and latency percentiles, with methods stated."""
        good, bad = self.facts.operations()
        rate, total = success_rate_percent(good, bad), good + bad
        low, high = wilson_interval(good, total) if total else (0.0, 0.0)
        rows = [
            ("Operations", total),
            ("Succeeded", good),
            ("Failed", bad),
            ("Success rate", "no data" if rate is None else f"{rate:.1f} %"),
            ("95 % interval of the rate (Wilson)", f"{100 * low:.1f} % to {100 * high:.1f} %" if total else "no data"),
            ("HTTP attempts", len(self.facts.samples())),
            *(
                (f"Latency {name}", "no data" if ms is None else f"{ms:.1f} ms")
                for name, ms in self.facts.latency_ms().items()
            ),
        ]
        caption = "Calls to Genesys. Percentiles by linear interpolation (type 7), over all attempts"
        return table(caption, ("Figure", "Value"), rows)

    def latency(self) -> Chart:
        """The distribution of latencies."""
        return latency_chart(self.facts.samples())

    def success(self) -> Chart:
        """Success rates by operation."""
        return success_chart(self.facts.samples())

    def steps(self) -> Html:
        """What was done, in order."""
        rows = [
            (
                entry.data["step"].replace("_", " "),
                entry.kind.removeprefix("step."),
                entry.data.get("summary", ""),
                entry.at,
                entry.seq,
            )
            for entry in self.facts.entries
            if entry.kind.startswith("step.") and entry.kind != "step.started"
        ]
        return table("Steps, in order", ("Step", "State", "What happened", "When (UTC)", "Entry"), rows)

    def problems(self) -> Html:
        """Every attempt that failed and every error, with the correlation id that support asks for."""
        rows = [(p.where, p.what, p.cause, code(p.correlation_id), p.at, p.entry) for p in self.facts.problems()]
        if not rows:
            return Html("<p>No attempt failed, none had to be repeated, and no step ended in an error.</p>", "none")
        head = ("Where", "What", "Cause", "Correlation id", "When (UTC)", "Entry")
        return table("Errors and retries", head, rows)


def _numbers(verdict: Verdict) -> str:
    numbers: Sequence[int] = verdict.entries
    return ", ".join(map(str, numbers)) or ("the whole ledger" if verdict.control == "The record is intact" else "–")
