"""The rendered page as places with text, and what SQL over the ledger says must stand in each of them.

Written apart from opslib.audit: it shares none of its code, reads the page's HTML, and asks SQLite itself.
"""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..world import own_key
from .ledgers import rows as select

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / ".source" / "02_audit_report.py"

# Texts that are the same in every report: methods, thresholds and the glossary.
CONSTANTS = {
    "Percentiles are of the attempts' wire time, by linear interpolation (type 7). They are given from 20 attempts on,"
    " p99 from 100. The interval is Wilson's, given from 20 operations on.",
    "p95",
    "95 of 100 attempts were at least as fast",
    "95 % interval",
    "Hash (SHA-256)",
    "write once, read many: a recording cannot be changed or deleted before its time (S3: Object Lock)",
    "the S3 bucket that recordings are written to, as Genesys Cloud knows it",
    "This report says what was done to route Genesys Cloud call recordings into an S3 bucket, what was checked, and"
    " what was not. It is made from the ledger: a record that is written while the work is done and whose entries are"
    " chained, so that a later change shows. Every figure below comes from that record; numbers under “Entries” are its"
    " line numbers.",
}


# The controls of the recorded run, by their words.
MINIMUM = "Minimum: the target's retention meets the rule's minimum"
WARNED = ("Record", "WORM", "Operation")
PASSED = (
    *("Connection", "Storage", "Encryption", "Access", "Transport", "Retention"),
    *("Plan", "Approval", "Routing", "Change feed", "Clock", "Age"),
)
NOT_CHECKED = ("Minimum", "Exceptions", "Since then", "Recordings", "Anchor")


def _moment(at: str) -> str:
    return f"{datetime.fromisoformat(at):%d %b %Y, %H:%M} UTC"


# A table's caption and the cells of one row, or no caption and one text.
Place = tuple[str, tuple[str, ...]]


@dataclass
class _Table:
    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)


class Page(HTMLParser):
    """Each row of a table, each other text, and each alternative text of the page's body, as places."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.places: list[Place] = []
        self._table: _Table | None = None
        self._text = ""
        self.feed(html[html.index("<main>") :])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("h1", "h2", "p", "dt", "dd", "figcaption", "caption", "th", "td", "li"):
            self._text = ""
        if tag == "table":
            self._table = _Table()
        if tag == "tr" and self._table:
            self._table.rows.append([])
        if tag == "img":
            self.places.append(("", (dict(attrs)["alt"] or "",)))

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        text = " ".join(self._text.split())
        if tag in ("h1", "h2", "p", "dt", "dd", "figcaption", "li"):
            self.places.append(("", (text,)))
        elif tag == "caption" and self._table:
            self._table.caption = text
            self.places.append(("", (text,)))
        elif tag in ("th", "td") and self._table:
            self._table.rows[-1].append(text)
        elif tag == "table" and self._table:
            self.places += [(self._table.caption, tuple(row)) for row in self._table.rows]
            self._table = None


def has_number(place: Place) -> bool:
    """Whether there is anything to trace."""
    return any(re.search(r"\d", text) for text in place[1])


class Ledger:
    """What the ledger says about one run and the run before it, by SQL and the standard library."""

    def __init__(self, home: Path) -> None:
        self.home = home
        walks = select(
            home,
            "SELECT run_id FROM entries WHERE kind = 'run.started' AND json_extract(body, '$.command') = 'walk'"
            " ORDER BY seq",
        )
        self.run, self.before = walks[-1][0], walks[-2][0]
        tables = {caption: list(rows) for caption, rows in self._tables()}
        places: list[Place] = [(caption, row) for caption, rows in tables.items() for row in rows]
        places += [("", (text,)) for text in (*CONSTANTS, *self._texts(), *tables)]
        # Each place once; a number that stands somewhere else, or twice, is wrong.
        self.places = Counter(place for place in places if has_number(place))

    def ask(self, query: str, *parameters: object) -> list[Any]:
        """Rows; one value of each where there is one column."""
        found = select(self.home, query, *parameters)
        return [row[0] for row in found] if found and len(found[0]) == 1 else found

    # Figures

    def operations(self, run: str) -> tuple[int, int]:
        good = self.ask(
            "SELECT count(*) FROM entries WHERE run_id = ? AND kind = 'operation'"
            " AND json_extract(body, '$.error') IS NULL",
            run,
        )[0]
        return good, self.ask("SELECT count(*) FROM entries WHERE run_id = ? AND kind = 'operation'", run)[0]

    def latencies_ms(self, run: str) -> list[float]:
        seconds = self.ask(
            "SELECT json_extract(body, '$.latency_s') FROM entries WHERE run_id = ? AND kind = 'sample'"
            " AND json_extract(body, '$.endpoint') NOT IN ('/oauth/token', '/events')",
            run,
        )
        return sorted(1000 * one for one in seconds)

    def percentile(self, run: str, percent: int) -> str:
        values = self.latencies_ms(run)
        place = (len(values) - 1) * percent / 100
        low, high = values[math.floor(place)], values[math.ceil(place)]
        return f"{low + (high - low) * (place - math.floor(place)):.1f} ms"

    def percentile_or_why_not(self, run: str, percent: int, least: int) -> str:
        few = len(self.latencies_ms(run)) < least
        return f"not given: fewer than {least} attempts" if few else self.percentile(run, percent)

    def how_they_add_up(self) -> str:
        (operations,) = self.ask("SELECT count(*) FROM entries WHERE run_id = ? AND kind = 'operation'", self.run)
        (rows,) = self.ask("SELECT count(*) FROM entries WHERE run_id = ? AND kind = 'sample'", self.run)
        (absent,) = self.ask(
            "SELECT count(*) FROM entries WHERE run_id = ? AND kind = 'sample'"
            " AND json_extract(body, '$.status') = 404 AND json_extract(body, '$.method') <> 'PUT'",
            self.run,
        )
        attempts = len(self.latencies_ms(self.run))
        return (
            f"{operations} operations took {attempts} HTTP attempts, since one may need several requests, and a request"
            f" is repeated after a rate limit or an outage. The chart of latencies shows all {attempts}, the chart of"
            f" success rates {attempts - absent}, since {absent} got the answer that there is no such object, which is"
            f" neither a success nor a failure. samples.csv has {rows} rows: these, and {rows - attempts} for tokens"
            " and to the data lake, which no figure here counts. operations.csv has a row for each operation."
        )

    def interval(self) -> str:
        """Wilson's, as Newcombe (1998) writes it."""
        good, n = self.operations(self.run)
        p, z = good / n, 1.959964
        spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = ((p + z * z / (2 * n) + sign * spread) / (1 + z * z / n) for sign in (-1, 1))
        return f"{100 * low:.1f} % to {100 * high:.1f} %"

    # Tables: a caption, and its rows as they must be

    def _tables(self) -> Iterator[tuple[str, Iterator[tuple[str, ...]]]]:
        yield "Two separate verdicts", self._verdicts()
        yield "How many controls have each verdict", iter([self._control_counts()])
        yield "What this report is made from", self._scope()
        yield "Who did what", self._deeds()
        yield "Who they are, and who says so", self._names()
        yield "Controls", self._controls()
        yield self._bucket_caption(), self._findings()
        yield f"{len(self._report()['findings'])} checks of the bucket, by severity", self._by_severity()
        yield "What is not well, and what to do", self._to_do()
        yield "Calls that the checks rest on", self._calls()
        for number, (seq, at, body) in enumerate(self._applies(), 1):
            yield f"Apply {number}", self._apply(seq, at, json.loads(body))
            yield f"Who did what in apply {number}", self._deeds_of(number, seq)
            for change in json.loads(body)["plan"]["changes"]:
                yield self._change_caption(change), self._fields(change)
        yield "Steps, in order", self._steps()
        yield "Calls to Genesys", self._figures()
        yield "Errors and retries", self._errors()
        yield "Verdicts that changed", self._changed()
        yield "Findings that changed", iter(())
        yield "Outcome and rates", self._rates()
        yield "Not checked", self._not_checked()

    def _verdicts(self) -> Iterator[tuple[str, ...]]:
        good, total = self.operations(self.run)
        said = f"{good} of {total} operations succeeded ({100 * good / total:.1f} %; PASS from 95 %)"
        yield "HTTP operations", "✔ PASS", said

    def _control_counts(self) -> tuple[str, ...]:
        """Of the recorded run: what it shows, and in which words, is stated here once more."""
        warn, passed, left = len(WARNED), len(PASSED), len(NOT_CHECKED)
        return tuple(map(str, (warn + passed + left, 0, 0, warn, passed, left, 0)))

    def _by_severity(self) -> Iterator[tuple[str, ...]]:
        counts = Counter((one["severity"], one["verdict"]) for one in self._report()["findings"])
        words = ("FAIL", "UNKNOWN", "WARN", "PASS", "not_checked")
        for severity in ("critical", "high", "medium", "low"):
            yield severity, *(str(counts[severity, word]) for word in words)

    def _not_checked(self) -> Iterator[tuple[str, ...]]:
        yield MINIMUM, self._no_minimum()
        for one in self._report()["not_checked"]:
            yield one["title"], one["cause"]

    def _no_minimum(self) -> str:
        days = self._report()["retention_days"]
        return f"profile baseline sets no minimum; {days} days are what the onboarding itself says"

    def _scope(self) -> Iterator[tuple[str, ...]]:
        run = self.ask("SELECT at, body FROM entries WHERE run_id = ? AND kind = 'run.started'", self.run)[0]
        about, org = json.loads(run[1]), self._end("connect")["data"]
        ((last, count),) = self.ask("SELECT max(at), count(*) FROM entries WHERE run_id = ?", self.run)
        yield "Run", self.run
        yield "Started (UTC)", run[0]
        yield "Last entry (UTC)", last
        yield "Started by", self._actor()
        yield "Org", org["org_id"]
        yield "Org's API", org["api_url"]
        yield "Bucket", self._end("validate_bucket")["data"]["bucket"]
        yield "Made with", f"opslib {about['opslib']}, Python {about['python']}"
        yield "Report by", f"opslib {version('opslib')}"
        yield "Notebook 02_audit_report.py (SHA-256)", hashlib.sha256(NOTEBOOK.read_bytes()).hexdigest()
        entries = self.ask("SELECT count(*) FROM entries")[0]
        yield "Ledger entries", f"{entries}, of which {count} are this run's"
        head, key = self.ask("SELECT hash, key FROM head")[0]
        yield "Head of the chain (SHA-256)", head
        yield "Ledger signed with (public key)", key

    def _who(self) -> dict[str, Any]:
        """One process wrote the recorded run."""
        (body,) = self.ask("SELECT body FROM entries WHERE run_id = ? AND kind = 'actor'", self.run)
        value: dict[str, Any] = json.loads(body)
        return value

    def _actor(self) -> str:
        return f"{self._who()['user']} (user id {self._who()['uid']}) on {self._who()['host']}"

    def _deed(self, words: str, seq: int, at: str) -> tuple[str, ...]:
        name, host = self._actor().split(" on ")
        return words, name, host, at, str(seq), "the machine, Genesys, AWS, a key"

    def _deeds(self) -> Iterator[tuple[str, ...]]:
        words = {"run.started": "started the run", "plan.made": "planned", "approval": "approved the plan"}
        for seq, at, kind in self.ask("SELECT seq, at, kind FROM entries WHERE run_id = ?", self.run):
            if kind in words:
                yield self._deed(words[kind], seq, at)
        for number, (seq, _, _) in enumerate(self._applies(), 1):
            yield from self._moves(number, seq)

    def _deeds_of(self, number: int, apply: int) -> Iterator[tuple[str, ...]]:
        """The recorded run made one plan, and approved it once, for both applies."""
        for kind, words in (("plan.made", "planned"), ("approval", "approved the plan")):
            ((seq, at),) = self.ask("SELECT seq, at FROM entries WHERE run_id = ? AND kind = ?", self.run, kind)
            yield self._deed(words, seq, at)
        yield from self._moves(number, apply)

    def _moves(self, number: int, apply: int) -> Iterator[tuple[str, ...]]:
        query = (
            "SELECT seq, at, kind, json_extract(body, '$.how') FROM entries"
            " WHERE seq = ? OR json_extract(body, '$.apply') = ?"
        )
        words = {
            ("apply.started", None): f"began apply {number}",
            ("rollback.started", None): f"began to undo apply {number}",
            ("apply.finished", "done"): f"finished apply {number}",
            ("apply.finished", "rolled back"): f"finished undoing apply {number}",
        }
        for seq, at, kind, how in self.ask(query, apply, str(apply)):
            if (kind, how) in words:
                yield self._deed(words[kind, how], seq, at)

    def _names(self) -> Iterator[tuple[str, ...]]:
        (actor,) = (
            str(seq) for seq in self.ask("SELECT seq FROM entries WHERE run_id = ? AND kind = 'actor'", self.run)
        )
        yield actor, f"user {self._actor()}", "the machine"
        for seq, body in self.ask("SELECT seq, body FROM entries WHERE run_id = ? AND kind = 'identity'", self.run):
            said = json.loads(body)
            called = f"OAuth client {said['name']} ({said['id']})" if said["name"] else f"AWS caller {said['id']}"
            yield actor, called, f"{said['vouched_by']}, entry {seq}"
        key = hashlib.sha256(self.ask("SELECT key FROM head")[0].encode()).hexdigest()[:16]
        assert self._who()["signed_by"] == key
        yield actor, f"signing key {key}", "the key: it signed this ledger"

    def _controls(self) -> Iterator[tuple[str, ...]]:
        entries = self.ask("SELECT count(*) FROM entries")[0]
        signed_with, own = self.ask("SELECT key FROM head")[0], own_key().with_suffix(".pub").read_text().strip()
        said = (
            f"all {entries} entries are as they were signed, but {signed_with} is another key than this report's, {own}"
        )
        said += ": be sure that it is the owner's (opslib verify --key)"
        yield "Record: the ledger is intact and signed", "⚠ WARN", said, "all"
        for step, control in (
            ("connect", "Connection: the org answers and accepts the client"),
            ("plan", "Plan: the plan was written down before it was applied"),
            ("apply", "Routing: what was written was read back, and is still so"),
            ("see_event", "Change feed: a change event reached the data lake"),
        ):
            yield control, "✔ PASS", self._end(step)["summary"], str(self._end_seq(step))
        approval = self.ask("SELECT seq FROM entries WHERE run_id = ? AND kind = 'approval'", self.run)[0]
        said = "each apply carries the checksum of a plan approved before it"
        yield "Approval: exactly this plan was approved before it was applied", "✔ PASS", said, str(approval)
        yield from self._bucket_controls()
        yield MINIMUM, "– not checked", self._no_minimum(), self._bucket_seq()
        said = "this machine's clock and the org's were less than a minute apart"
        yield "Clock: this machine's clock agrees with the org's", "✔ PASS", said, str(self._end_seq("connect"))
        seq, at = self._org_read()
        said = f"bucket read {self._report()['at']}; org read {at}; it may be 30 days old"
        yield "Age: the evidence is recent", "✔ PASS", said, f"{self._bucket_seq()}, {seq}"

    def _org_read(self) -> tuple[int, str]:
        """When the last apply had read everything back, with the time at which it began."""
        begun, at, _ = self._applies()[-1]
        last = self.ask("SELECT max(seq) FROM entries WHERE json_extract(body, '$.apply') = ?", str(begun))[0]
        return last, at

    def _bucket_controls(self) -> Iterator[tuple[str, ...]]:
        """Those of the recorded run; which checks are whose is stated here once more."""
        found = {one["check"]: one for one in self._report()["findings"]}
        for title, word, checks in (
            ("Storage: the bucket is the right one, and Genesys can write to it", "PASS", ("reachable", "writer")),
            ("Encryption: new recordings are encrypted with the stated key", "PASS", ("encryption",)),
            (
                "Access: no public or unexpected cross-account access",
                "PASS",
                ("public-access-block", "policy-not-public", "no-public-acl", "acls-off", "cross-account"),
            ),
            ("Transport: unencrypted connections are refused", "PASS", ("tls-only",)),
            ("Retention: nothing removes a recording early", "PASS", ("retention", "policy-within-target")),
            ("WORM: recordings cannot be altered or deleted early", "WARN", ("object-lock",)),
            (
                "Operation: housekeeping of the bucket",
                "WARN",
                ("incomplete-uploads", "access-logging", "notifications"),
            ),
        ):
            assert {found[check]["verdict"] for check in checks} == {word}
            titles = [found[check]["title"] for check in checks]
            causes = [f"{found[check]['title']}: {found[check]['cause']}" for check in checks]
            icon = {"PASS": "✔", "WARN": "⚠"}[word]
            yield title, f"{icon} {word}", "; ".join(titles if word == "PASS" else causes), self._bucket_seq()

    def _bucket_caption(self) -> str:
        report = self._report()
        counts = [
            f"{sum(one['verdict'] == word for one in report['findings'])} {word.replace('_', ' ')}"
            for word in ("FAIL", "UNKNOWN", "WARN", "PASS", "not_checked")
            if any(one["verdict"] == word for one in report["findings"])
        ]
        about = f"Bucket {report['bucket']}, keys below {report['prefix']}/, profile {report['profile']}"
        return f"{about}: {', '.join(counts)}"

    def _findings(self) -> Iterator[tuple[str, ...]]:
        icons = {"PASS": "✔ PASS", "WARN": "⚠ WARN", "not_checked": "– not checked"}
        for one in self._report()["findings"]:
            yield one["title"], icons[one["verdict"]], one["cause"], one["severity"], one["source"]

    def _to_do(self) -> Iterator[tuple[str, ...]]:
        for one in self._report()["findings"]:
            yield one["title"], one["risk"], one["fix"]

    def _calls(self) -> Iterator[tuple[str, ...]]:
        for one in self._report()["findings"]:
            for call in one["evidence"]:
                yield one["title"], call["call"], call["at"], f"HTTP {call['status']}", call["request_id"]

    def _applies(self) -> list[Any]:
        return self.ask(
            "SELECT seq, at, body FROM entries WHERE run_id = ? AND kind = 'apply.started' ORDER BY seq", self.run
        )

    def _apply(self, seq: int, at: str, body: dict[str, Any]) -> Iterator[tuple[str, ...]]:
        yield "Begun (UTC)", at
        yield "Plan's checksum (SHA-256)", body["checksum"]
        approved = self.ask(
            "SELECT at || ', entry ' || seq FROM entries WHERE kind = 'approval' AND seq < ?"
            " AND json_extract(body, '$.checksum') = ? ORDER BY seq DESC LIMIT 1",
            seq,
            body["checksum"],
        )
        yield "Approved (UTC)", approved[0]
        yield "Approved by", self._actor()
        last = self.ask("SELECT max(seq) FROM entries WHERE json_extract(body, '$.apply') = ?", str(seq))[0]
        yield "Entries", f"{seq} to {last}"
        yield "Outcome", f"{len(body['plan']['changes'])} to change: all written and read back"

    def _change_caption(self, change: dict[str, Any]) -> str:
        assert change["action"] == "create"
        return f"+ create {change['kind']} {change['name']} ({change['id']})"

    def _fields(self, change: dict[str, Any]) -> Iterator[tuple[str, ...]]:
        query = "SELECT substr(fullkey, 3), value, type FROM json_tree(?) WHERE type NOT IN ('object', 'array')"
        for path, value, kind in self.ask(query, json.dumps(change["after"])):
            if not path.endswith("]"):
                yield path, "–", {"true": "yes", "false": "no"}.get(kind, str(value))

    def _steps(self) -> Iterator[tuple[str, ...]]:
        yield from self.ask(
            "SELECT replace(json_extract(body, '$.step'), '_', ' '), substr(kind, 6), json_extract(body, '$.summary'),"
            " at, CAST(seq AS TEXT) FROM entries WHERE run_id = ? AND kind LIKE 'step.%' AND kind <> 'step.started'",
            self.run,
        )

    def _figures(self) -> Iterator[tuple[str, ...]]:
        good, total = self.operations(self.run)
        yield "Operations", str(total)
        yield "Succeeded", str(good)
        yield "Failed", str(total - good)
        yield "Success rate", f"{100 * good / total:.1f} %"
        yield "95 % interval of the rate", self.interval()
        yield "HTTP attempts", str(len(self.latencies_ms(self.run)))
        yield "Fastest attempt", f"{self.latencies_ms(self.run)[0]:.1f} ms"
        yield "Slowest attempt", f"{self.latencies_ms(self.run)[-1]:.1f} ms"
        for percent, least in ((50, 20), (95, 20), (99, 100)):
            yield f"Latency p{percent}", self.percentile_or_why_not(self.run, percent, least)

    def _errors(self) -> Iterator[tuple[str, ...]]:
        yield from self.ask(
            "SELECT json_extract(body, '$.operation'), 'attempt ' || json_extract(body, '$.attempt') || ': ' ||"
            " replace(json_extract(body, '$.outcome'), '_', ' '), 'HTTP ' || json_extract(body, '$.status'),"
            " json_extract(body, '$.correlation_id'), at, CAST(seq AS TEXT) FROM entries WHERE run_id = ?"
            " AND kind = 'sample' AND json_extract(body, '$.status') >= 400 AND json_extract(body, '$.status') <> 404",
            self.run,
        )
        yield from self.ask(
            "SELECT json_extract(body, '$.step'), json_extract(body, '$.error.title'),"
            " json_extract(body, '$.error.cause'), json_extract(body, '$.error.correlation_id'), at, CAST(seq AS TEXT)"
            " FROM entries WHERE run_id = ? AND kind = 'step.failed'",
            self.run,
        )

    def _changed(self) -> Iterator[tuple[str, ...]]:
        """The earlier walk ended after its look at the bucket, so what followed had no answer."""
        for step, control in (
            ("plan", "Plan: the plan was written down before it was applied"),
            ("apply", "Routing: what was written was read back, and is still so"),
        ):
            yield control, "? UNKNOWN", "✔ PASS", self._end(step)["summary"]

    def _rates(self) -> Iterator[tuple[str, ...]]:
        both = (self.before, self.run)
        buckets = [f"{one['bucket']}, {one['profile']}" for one in map(self._report, both)]
        yield "Bucket, profile", *buckets
        yield "Rule", *(f"{one['profile']}, {one['retention_days']} days" for one in map(self._report, both))
        rates = [f"{good} of {total} ({100 * good / total:.1f} %)" for good, total in map(self.operations, both)]
        yield "Operations that succeeded", *rates
        yield "Latency p95", *(self.percentile_or_why_not(run, 95, 20) for run in both)
        changes = len(json.loads(self._applies()[-1][2])["plan"]["changes"])
        yield "Outcome of the plan", "nothing was applied", f"{changes} to change: all written and read back"

    # Texts outside of tables

    def _texts(self) -> Iterator[str]:
        org = self._end("connect")["data"]["doctor"]["organization"]["name"]
        yield f"Call recordings of {org}, routed to S3"
        report, (seq, at) = self._report(), self._org_read()
        bucket, days, read = report["bucket"], report["retention_days"], _moment(report["at"])
        said = f"NEEDS REVIEW. Meets baseline, {days} days, but needs review, as of {_moment(min(report['at'], at))}"
        yield f"{said}: bucket {bucket}, org {org}, sandbox."
        said = f"Profile baseline (as of {report['as_of']}) sets no minimum. The onboarding says"
        yield f"{said}: keep recordings at least {days} days."
        said = f"Evidence: bucket, read {read} (entry {self._bucket_seq()}); org, read {_moment(at)} (entry {seq})"
        yield f"{said}. The oldest is 0 days old; it may be 30."
        yield "The plan is that of apply 1."
        started = self.ask("SELECT at FROM entries WHERE run_id = ? AND kind = 'run.started'", self.before)[0]
        yield f"Compared with run {self.before}, started at {started}."
        yield self.how_they_add_up()
        marks = ", ".join(f"p{percent} {self.percentile(self.run, percent)}" for percent in (50, 95))
        latency = f"{len(self.latencies_ms(self.run))} attempts: {marks}"
        yield from (latency, f"Latency of HTTP attempts. {latency}")
        counts = self.ask(
            "SELECT json_extract(body, '$.operation') || ': ' || sum(json_extract(body, '$.status') < 400) || ' of ' ||"
            " count(*) || ' succeeded' FROM entries WHERE run_id = ? AND kind = 'sample'"
            " AND json_extract(body, '$.status') <> 404"
            " AND json_extract(body, '$.endpoint') NOT IN ('/oauth/token', '/events')"
            " GROUP BY json_extract(body, '$.operation') ORDER BY 1",
            self.run,
        )
        title = "Success rate of HTTP attempts (answers “no such object” left out)"
        yield from ("; ".join(counts), f"{title}. {'; '.join(counts)}")
        yield f"{report['title']} (sources as of {report['as_of']}). {report['note']}"
        clocks = report["clocks"]
        stays = f"policy keeps {clocks['policy_days']} days; target keeps {clocks['target_days']} days; "
        stays += "Object Lock holds: nothing; no lifecycle rule touches recordings; the bytes are never removed"
        yield from (stays, f"How long a recording stays. {stays}")

    def _end_seq(self, step: str, run: str | None = None) -> int:
        return int(
            self.ask(
                "SELECT max(seq) FROM entries WHERE run_id = ? AND kind LIKE 'step.%' AND kind <> 'step.started'"
                " AND json_extract(body, '$.step') = ?",
                run or self.run,
                step,
            )[0]
        )

    def _end(self, step: str, run: str | None = None) -> dict[str, Any]:
        body = self.ask("SELECT body FROM entries WHERE seq = ?", self._end_seq(step, run))[0]
        value: dict[str, Any] = json.loads(body)
        return value

    def _bucket_seq(self, run: str | None = None) -> str:
        """The last look: the one right before the apply, else that of the step."""
        looks = self.ask("SELECT seq FROM entries WHERE run_id = ? AND kind = 'bucket.looked'", run or self.run)
        return str(max([self._end_seq("validate_bucket", run), *looks]))

    def _report(self, run: str | None = None) -> dict[str, Any]:
        body = self.ask("SELECT body FROM entries WHERE seq = ?", int(self._bucket_seq(run)))[0]
        report: dict[str, Any] = json.loads(body)["data"]
        return report | {"findings": report["findings"] + report["not_checked"]}
