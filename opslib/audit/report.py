"""The sections of the audit, as data for a reader who runs nothing. Each is made from the ledger alone."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opslib.audit import (
    bucket_section,
    calls_section,
    compare_section,
    controls,
    deeds,
    plan_section,
    verdict_section,
    who_section,
)
from opslib.audit.as_html import section_html
from opslib.audit.document import Block, Cell, Code, Mark, Prose, Section, Table, Terms
from opslib.audit.facts import PROBLEMS_SHOWN, Facts, load, walks_before
from opslib.audit.headline import environment, headline
from opslib.html import Html
from opslib.ledger.chain import Entry
from opslib.ledger.database import FILE_NAME
from opslib.ledger.signing import existing_public_key
from opslib.router.journal import Progress
from opslib.router.org_changes import CHANGE, CHECKED
from opslib.settings import Settings

# A run on the sandbox that comes with the project, so that the page can be looked at before there is one's own.
RECORDED = Path(__file__).with_name("recorded") / FILE_NAME


@dataclass(frozen=True)
class AuditReport:
    """The audit of one run, and the run that it is compared with, if any."""

    facts: Facts
    before: Facts | None = None
    recorded: bool = False

    @classmethod
    def open(
        cls,
        run_id: str | None = None,
        home: Path | None = None,
        *,
        compare_with: str | None = None,
        signing_key: Path | None = None,
        as_of: datetime | None = None,
    ) -> "AuditReport":
        """The audit of a run in the workspace, by default its last walk, compared with the walk before or the one
        named.

        The ledger should be signed with `signing_key`, by default the setting's; the report says when it is not.
        `as_of` is the moment that it speaks of, by default now: what the ledger knows may be too old by then.
        Only where neither run nor workspace is named and there is no walk yet, the recorded example is shown.
        """
        workspace = home or Settings.load().home
        recorded = not (home or run_id or _has_walk(workspace / FILE_NAME))
        own_key = None if recorded else existing_public_key(signing_key or Settings.load().signing_key)
        # The recorded example does not get old.
        is_example = recorded or workspace.resolve() == RECORDED.parent.resolve()
        moment = as_of or (None if is_example else datetime.now(UTC))
        days = Settings.load().evidence_days
        facts = load(RECORDED if recorded else workspace, run_id, own_key, as_of=moment, evidence_days=days)
        return cls(facts, compare_section.earlier(facts, compare_with), recorded)

    def sections(self) -> list[Section]:
        """All of them, in the order in which they are read."""
        return [getattr(self, name)() for name in SECTIONS]

    @property
    def title(self) -> str:
        """What kind of run it was, and whose recordings it is about."""
        return headline(self.facts).title

    def show(self, name: str) -> Html:
        """One of `SECTIONS`, for a notebook."""
        section: Section = getattr(self, name)()
        return section_html(section)

    def about(self) -> Section:
        example = Prose("This is the recorded example that comes with the kit, not your org.", loud=True)
        warnings = [*([example] if self.recorded else []), *([_SANDBOX] if self._on_this_machine() else [])]
        return Section("About this report", [*warnings, Prose(_ABOUT)])

    def _on_this_machine(self) -> bool:
        return environment(self.facts) == "sandbox"

    def _connected(self) -> dict[str, Any]:
        end = self.facts.last_end("connect")
        return (end.data.get("data") or {}) if end else {}

    def summary(self) -> Section:
        """The verdict with its rule and age, how many controls have which, and the exceptions beside it."""
        return Section("Verdicts", verdict_section.blocks(self.facts))

    def scope(self) -> Section:
        """Who did what, when, where and with which versions; and which record this report was made from."""
        started, ledger = self.facts.started, self.facts.ledger
        about, (count, last_at) = started.data, self.facts.extent()
        org = self._connected()
        rows: dict[str, Cell] = {
            "Run": self.facts.run_id,
            "Started (UTC)": started.at,
            "Last entry (UTC)": last_at,
            "Started by": str(self.facts.actor(started)),
            **{
                f"Taken up again by, entry {entry.seq}": f"{self.facts.actor(entry)}, {entry.at}"
                for entry in self.facts.entries("run.resumed")
            },
            "Org": org.get("org_id") or "not named",
            "Org's API": org.get("api_url", "no data"),
            "Bucket": (self.facts.bucket_report() or {}).get("bucket", "no data"),
            "Backend": about.get("backend", "no data"),
            "Made with": f"opslib {about['opslib']}, Python {about['python']}",
            "Report by": f"opslib {version('opslib')}",
            "Notebook 02_audit_report.py (SHA-256)": Code(notebook_hash()),
            "Ledger entries": f"{ledger.entries}, of which {count} are this run's",
            "Head of the chain (SHA-256)": Code(ledger.head),
            "Ledger signed with (public key)": Code(ledger.key) if ledger.key else "nobody signed it",
        }
        who = who_section.blocks(self.facts, deeds.of_run(self.facts))
        return Section("Scope and provenance", [_pairs("What this report is made from", rows), Prose(_PROOF), *who])

    def controls(self) -> Section:
        """Each control with the ledger entries it rests on."""
        rows: list[list[Cell]] = [
            [" ".join([result.control, *result.exceptions]), Mark(result.word), result.why, _rests_on(result)]
            for result in controls.results(self.facts)
        ]
        table = Table("Controls", ("Control", "Verdict", "Why", "Entries"), rows, (30, 15, 46, 9))
        return Section("Controls", [Prose(_CONTROLS), table])

    def bucket(self) -> Section:
        """Every check of the bucket, with what it rests on, and how long a recording stays."""
        return Section("The bucket", bucket_section.blocks(self.facts.bucket_report(), self.facts.findings()))

    def plans(self) -> Section:
        """Each plan that was carried out, who approved it and how it ended; without one, the last plan made."""
        blocks: list[Block] = [Prose("What was to change, who agreed to it, and how it ended. A dash: not there.")]
        first_with: dict[str, int] = {}
        for number, apply in enumerate(self.facts.applies, 1):
            who = who_section.table(self.facts, f"Who did what in apply {number}", deeds.of_apply(self.facts, number))
            blocks += [self._apply(number, apply), who, *plan_section.decisions(apply.decisions)]
            first = first_with.setdefault(apply.checksum, number)
            if first == number:
                blocks += plan_section.blocks(apply.plan.as_json())
            else:
                blocks.append(Prose(f"The plan is that of apply {first}."))
        if not self.facts.applies:
            end = self.facts.last_end("plan")
            made = end.data.get("data") if end and end.kind == "step.done" else None
            blocks += plan_section.blocks(made) if made else [Prose("No plan was made.")]
            if made and made["changes"]:
                blocks.append(Prose("This plan was not carried out."))
        return Section("Plan and approvals", blocks)

    def _apply(self, number: int, apply: Progress) -> Table:
        approval = self.facts.approval(apply)
        consent = approval.data if approval else {}
        rows: dict[str, Cell] = {
            "Begun (UTC)": apply.at,
            "By": apply.user,
            "Plan's checksum (SHA-256)": Code(apply.checksum),
            "Approved (UTC)": f"{approval.at}, entry {approval.seq}" if approval else "there is no approval",
            "Approved by": self._approved_by(approval) if approval else "no one",
            "With consent to": ", ".join(consent.get("unsafe", ())) or "nothing unsafe was in it",
            "Reason given": consent.get("reason") or "none",
            "Outcome": controls.outcome(apply),
            "Entries": f"{apply.id} to {apply.last_seq or apply.id}",
        }
        return _pairs(f"Apply {number}", rows)

    def _approved_by(self, approval: Entry) -> str:
        elsewhere = f", in run {approval.run_id}" if approval.run_id != self.facts.run_id else ""
        return f"{self.facts.actor(approval)}{elsewhere}"

    def steps(self) -> Section:
        rows: list[list[Cell]] = [
            [
                entry.data["step"].replace("_", " "),
                entry.kind.removeprefix("step."),
                entry.data.get("summary", ""),
                entry.at,
                entry.seq,
            ]
            for entry in self.facts.steps()
            if entry.kind != "step.started"
        ]
        head = ("Step", "State", "What happened", "When (UTC)", "Entry")
        return Section("What was done", [Table("Steps, in order", head, rows, (16, 10, 45, 22, 7))])

    def in_the_org(self) -> Section:
        """Who changed what in the org since this run began, by its own audit and by comparison."""
        looks = list(self.facts.of_the_org(CHECKED))
        if not looks:
            return Section(_IN_THE_ORG, [Prose(_NOT_LOOKED)])
        client: dict[str, Any] = (self._connected().get("doctor") or {}).get("client") or {}
        rows: list[list[Cell]] = [
            [
                entry.data["at"],
                "this kit's OAuth client" if entry.data.get("client_id") == client.get("id", "") else entry.data["by"],
                f"{entry.data['action']} {entry.data['kind']} {entry.data['name']}",
                _some([field["path"] for field in entry.data["fields"]]),
                entry.data["source"],
                entry.seq,
            ]
            for entry in self.facts.of_the_org(CHANGE)
        ]
        head = ("When (UTC)", "Who", "What", "Fields", "Known by", "Entry")
        blocks: list[Block] = [Prose(f"{len(looks)} looks, the last until {looks[-1].data['until']}. {_SOURCES}")]
        if gaps := _not_audited(self.facts.started.at, [look.data for look in looks]):
            blocks.append(Prose("The org's own audit was not read for all of this time:", loud=True))
            blocks.append(Table("Not read in the org's audit", ("From (UTC)", "Until (UTC)", "Why"), gaps, (2, 2, 5)))
        changes = Table(_IN_THE_ORG, head, rows, (18, 17, 22, 26, 10, 7)) if rows else Prose("No change was seen.")
        return Section(_IN_THE_ORG, [*blocks, changes])

    def calls(self) -> Section:
        """Success rate and latencies, and how operations and attempts add up."""
        return Section("Calls to Genesys", calls_section.blocks(self.facts.call_statistics))

    def problems(self) -> Section:
        """Every attempt that failed and every error, with the correlation id that support asks for."""
        problems, count = self.facts.problems(), self.facts.problem_count()
        if not problems:
            return Section("Errors and retries", [Prose("No attempt failed, and no step ended in an error.")])
        rows: list[list[Cell]] = [[p.where, p.what, p.cause, Code(p.correlation_id), p.at, p.entry] for p in problems]
        head = ("Where", "What", "Cause", "Correlation id", "When (UTC)", "Entry")
        notes = [Prose("A failed attempt that was repeated and then succeeded is listed here, too.")]
        if count > len(problems):
            notes.append(Prose(f"These are the first {PROBLEMS_SHOWN} of {count}; samples.csv has every attempt."))
        return Section("Errors and retries", [*notes, Table("Errors and retries", head, rows, (20, 16, 15, 20, 22, 7))])

    def changed(self) -> Section:
        return Section("What changed since the last audit", compare_section.blocks(self.facts, self.before))

    def not_checked(self) -> Section:
        """What was not looked at, so that nobody takes silence for an answer."""
        controls_left = [result for result in controls.results(self.facts) if result.word == "not_checked"]
        checks_left = [finding for finding in self.facts.findings() if finding["verdict"] == "not_checked"]
        rows = [[result.control, result.why] for result in controls_left]
        rows += [[finding["title"], finding["cause"]] for finding in checks_left]
        lead = Prose("Nobody may conclude anything from silence. This was not looked at, and why:")
        return Section("What was not checked", [lead, Table("Not checked", ("What", "Why"), rows, (1, 1))])

    def words(self) -> Section:
        return Section("Words", [Terms(_WORDS)])


SECTIONS = (
    "about",
    "summary",
    "scope",
    "controls",
    "bucket",
    "plans",
    "steps",
    "in_the_org",
    "calls",
    "problems",
    "changed",
    "not_checked",
    "words",
)

_IN_THE_ORG = "Changes in the org"
_NOT_LOOKED = "Changes since this run have not been checked. Run `opslib audit --recheck` or `opslib changes`."
_SOURCES = (
    "Audit: Genesys's own record of who changed what. Comparison: what differs from the look before, whoever changed"
    " it. One change may stand here twice, known by both."
)
_SANDBOX = Prose(
    "The org of this run is a sandbox on the machine itself: this report shows nothing of a live org.", loud=True
)
_ABOUT = (
    "This report says what was done to route Genesys Cloud call recordings into an S3 bucket, what was checked, and"
    " what was not. It is made from the ledger: a record that is written while the work is done and whose entries are"
    " chained, so that a later change shows. Every figure below comes from that record; numbers under “Entries” are its"
    " line numbers."
)
_PROOF = (
    "manifest.json, in the folder of this report, names the hash of each file and is signed. Anybody can check it and"
    " the ledger with: opslib verify. It also says what it cannot prove."
)
_CONTROLS = (
    "PASS: shown by the entries named. FAIL: shown to be wrong. WARN: not wrong, and worth a look. UNKNOWN: asked and"
    " not answered, or not asked in this run. Not checked: it does not apply, or was not looked at."
)
_WORDS = (
    ("Storage target", "the S3 bucket that recordings are written to, as Genesys Cloud knows it"),
    ("Retention policy", "which recordings are kept there, and for how many days"),
    ("Webhook, change feed", "the address at which the data lake hears of changes, and what it hears"),
    ("WORM", "write once, read many: a recording cannot be changed or deleted before its time (S3: Object Lock)"),
    ("Lifecycle rule", "a rule of the bucket that removes or moves recordings after some days"),
    ("Profile", "the rules that the bucket is held to: which checks, and how much each counts"),
    ("Plan", "every change that is needed, written down before anything is sent; its checksum names just this plan"),
    ("Rolled back, undone", "a change failed, so those before it were taken back"),
    ("Operation, attempt", "one thing asked of Genesys; it may take several attempts"),
    ("Latency", "how long an answer took"),
    ("p95", "95 of 100 attempts were at least as fast"),
    ("95 % interval", "where the true rate may lie; the fewer operations, the wider"),
    ("Correlation id", "the number that Genesys gives a request; its support finds the request by it"),
    ("Hash (SHA-256)", "a fingerprint of a text; a changed text has another one"),
    ("Head of the chain", "the fingerprint that covers the whole ledger"),
)


def _has_walk(ledger: Path) -> bool:
    return ledger.exists() and bool(walks_before(ledger, sys.maxsize))


def _rests_on(result: controls.ControlResult) -> str:
    return "all" if result.entries == controls.ALL else ", ".join(map(str, result.entries)) or "–"


def _not_audited(start: str, looks: Sequence[dict[str, Any]]) -> list[list[Cell]]:
    """From and until when no look read the org's audit, since the start or the first look's beginning, and why.

    A later look goes on where the one before ended, so it does not make up for an audit that was not read then.
    """
    spans = [
        (datetime.fromisoformat(look["since"]), datetime.fromisoformat(look["until"]), look["unaudited"])
        for look in looks
    ]
    first = min(datetime.fromisoformat(start), *(since for since, _, _ in spans))
    gaps = [(first, max(until for _, until, _ in spans))]
    for since, until, unaudited in spans:
        if not unaudited:
            pieces = [piece for a, b in gaps for piece in ((a, min(b, since)), (max(a, until), b))]
            gaps = [(a, b) for a, b in pieces if a < b]
    return [
        [
            *(f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for at in (a, b)),
            "; ".join({why: None for since, until, why in spans if why and since < b and a < until})
            or "no look at the org goes back to this time",
        ]
        for a, b in gaps
    ]


def _some(names: Sequence[str], at_most: int = 5) -> str:
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more or "–"


def _pairs(caption: str, rows: dict[str, Cell]) -> Table:
    return Table(caption, ("What", "Value"), list(rows.items()), (1, 2))


@cache
def notebook_hash() -> str:
    """SHA-256 of the source of notebook 02, which shows these sections one by one, as `sha256sum` gives it."""
    # In an installed package it stands beside this file; in a checkout, in notebooks/.
    packaged = Path(__file__).with_name("02_audit_report.py")
    file = packaged if packaged.exists() else Path(__file__).parents[2] / "notebooks" / ".source" / packaged.name
    return hashlib.sha256(file.read_bytes()).hexdigest()
