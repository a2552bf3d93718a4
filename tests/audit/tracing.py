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

import yaml

from ..world import own_key
from .ledgers import rows as select

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / ".source" / "02_audit_report.py"

_FILES = Path(__file__).parents[2] / "opslib" / "audit" / "framework_files"
FRAMEWORKS = [yaml.safe_load(file.read_text()) for file in sorted(_FILES.iterdir())]

# Texts that are the same in every report: methods, thresholds and the glossary.
CONSTANTS = {
    "Percentiles are of the attempts' wire time, by linear interpolation (type 7). They are given from 20 attempts on,"
    " p99 from 100. The interval is Wilson's, given from 20 operations on.",
    "S3 bucket",
    "1 Verdict",
    "2 Open items and exceptions",
    "3 Who, what, when",
    "4 Controls",
    "5 Rules and frameworks",
    "6 Bucket findings",
    "7 Did the recordings arrive?",
    "8 What was changed",
    "9 Is it still so?",
    "10 What is not proven",
    *(f"Read for the next table: {framework['texts']}" for framework in FRAMEWORKS),
    "Each verdict rests on numbered entries of the ledger. “Checks” counts the checks of the bucket behind it, by"
    " severity; where it is empty, the control rests on the ledger alone. A tag such as E-1 names an exception: it"
    " changes no verdict.",
    "The days are those that the onboarding states. What the org has is in sections 8 and 9.",
    "Not checked: the org has not been read since. Section 9",
    "Latency, p95",
    "How long an answer took. 95 of 100 attempts were at least as fast as p95.",
    "95 % interval",
    "Hash (SHA-256)",
    "The S3 bucket that recordings are written to, as Genesys Cloud knows it.",
    "How S3 does this. Nobody can lift a lock in COMPLIANCE mode; in GOVERNANCE mode, some users can.",
    "Check the bucket with your own read-only credentials, and compare with section 6.",
    "Read the org and the bucket again, and compare with section 9.",
    "Then take one setting of section 8, and look at it in the Genesys Cloud admin page yourself.",
}


# The controls of the recorded run, by their words.
MINIMUM = "The target's retention meets the rule's minimum"
WARNED = ("Record", "WORM", "Operation", "Separation of duties")
PASSED = (
    *("Connection", "Storage", "Encryption", "Access", "Transport", "Retention"),
    *("Plan", "Approval", "Routing", "Change feed", "Clock", "Age"),
)
NOT_CHECKED = ("Minimum", "Exceptions", "Since then", "Recordings", "Anchor")
_WORDS = {"WARN": WARNED, "PASS": PASSED, "not checked": NOT_CHECKED}
# Those that the paragraphs of the frameworks rest on, in the order of the report.
CLAIMS = {
    "Storage": "The bucket is the right one, and Genesys can write to it",
    "Encryption": "New recordings are encrypted as the target says",
    "Access": "No public or unexpected cross-account access",
    "Transport": "Unencrypted connections are refused",
    "Retention": "Nothing removes a recording early",
    "Minimum": MINIMUM,
    "WORM": "Recordings cannot be altered or deleted early",
    "Plan": "The plan was written down before it was applied",
    "Approval": "Exactly this plan was approved before it was applied",
    "Separation of duties": "A second key approved exactly this plan",
    "Routing": "The org has what was planned, as last read",
    "Change feed": "A change event reached the data lake",
    "Since then": "Later changes were approved, and the rule still holds",
    "Recordings": "Recordings arrive in the bucket",
}
# The points in section 9 of a run on the sandbox that one user did alone: four controls, and five that always stand.
NOT_PROVEN = 10
ICONS = {"PASS": "✔ PASS", "WARN": "⚠ WARN", "not_checked": "– not checked"}


def _moment(at: str) -> str:
    return f"{datetime.fromisoformat(at):%d %b %Y, %H:%M} UTC"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _support(paragraph: dict[str, Any], words: set[str]) -> str:
    """The recorded run is by no framework's days: it supports in part at most, and says nothing of a minimum."""
    if not paragraph.get("read"):
        return "Paragraph not checked"
    if not paragraph["controls"]:
        return "Not covered"
    if words <= {"not checked"} or "minimum" in paragraph["controls"]:
        return "Not checked in this run"
    return "Supports in part" if "PASS" in words else "Does not support"


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
        if tag in ("h1", "h2", "h3", "p", "pre", "figcaption", "caption", "th", "td", "li"):
            self._text = ""
        if tag == "table":
            self._table = _Table()
        if tag == "tr" and self._table:
            self._table.rows.append([])
        if tag == "img":
            self.places.append(("", (dict(attrs)["alt"] or "",)))

        if tag == "br":
            self.places.append(("", (" ".join(self._text.split()),)))
            self._text = ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        text = " ".join(self._text.split())
        if tag in ("h1", "h2", "h3", "p", "pre", "figcaption", "li"):
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

    def attempts_not_there(self) -> int:
        (absent,) = self.ask(
            "SELECT count(*) FROM entries WHERE run_id = ? AND kind = 'sample'"
            " AND json_extract(body, '$.status') = 404 AND json_extract(body, '$.method') <> 'PUT'",
            self.run,
        )
        return int(absent)

    def how_they_add_up(self) -> str:
        (operations,) = self.ask("SELECT count(*) FROM entries WHERE run_id = ? AND kind = 'operation'", self.run)
        (rows,) = self.ask("SELECT count(*) FROM entries WHERE run_id = ? AND kind = 'sample'", self.run)
        attempts, absent = len(self.latencies_ms(self.run)), self.attempts_not_there()
        return (
            f"{operations} operations took {attempts} HTTP attempts, since one may need several requests, and a request"
            f" is repeated after a rate limit or an outage. The chart shows all {attempts}, the table by operation"
            f" {attempts - absent}: {absent} got the answer that there is no such object, which is neither a success"
            f" nor a failure. samples.csv has {rows} rows: these, and {rows - attempts} for tokens and to the data"
            " lake, which no figure here counts. operations.csv has a row for each operation."
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
        findings = self._report()["findings"]
        yield "Who did what, in order", self._deeds()
        yield "Who they are, and who says so", self._names()
        yield f"{len(WARNED + PASSED + NOT_CHECKED)} controls in 7 groups", self._controls()
        for framework in FRAMEWORKS:
            yield f"{framework['name']} (not the rule of this run)", self._paragraphs(framework)
        yield "Which points the checks are named by", self._named_by()
        yield self._bucket_caption(), self._by_severity()
        yield "Findings and fixes", iter(())
        for caption, word in (("Checks without an answer", "not_checked"), ("Passed", "PASS")):
            own = [one for one in findings if one["verdict"] == word]
            rows = [(one["title"], one["severity"], one["cause"], one["source"]) for one in own]
            yield f"{caption} ({len(own)})", iter(rows)
        for number, (seq, at, body) in enumerate(self._applies(), 1):
            yield f"Apply {number}", self._apply(seq, at, json.loads(body))
            for change in json.loads(body)["plan"]["changes"]:
                yield self._change_caption(change), self._fields(change)
        yield "Verdicts that changed", self._changed()
        yield "Outcome and rates", self._rates()
        yield "Not proven", self._not_proven()
        yield "Calls to Genesys Cloud, the verdict", self._verdict_of_calls()
        yield "Calls to Genesys", self._figures()
        yield "HTTP attempts by operation", self._by_operation()
        calls = list(self._calls())
        yield f"{len(calls)} requests to AWS", iter(calls)
        yield "Steps, in order", self._steps()
        yield "Errors and retries", self._errors()
        yield "What this report is made from", self._record()

    def _verdict_of_calls(self) -> Iterator[tuple[str, ...]]:
        good, total = self.operations(self.run)
        said = f"{good} of {total} operations succeeded ({100 * good / total:.1f} %; PASS from 95 %)"
        yield "HTTP operations", "✔ PASS", said

    def _control_counts(self) -> Iterator[str]:
        """Of the recorded run: what it shows, and in which words, is stated here once more."""
        warn, passed, left = len(WARNED), len(PASSED), len(NOT_CHECKED)
        yield f"{warn + passed + left} controls:"
        counts = (("✖ FAIL", 0), ("? UNKNOWN", 0), ("⚠ WARN", warn), ("✔ PASS", passed), ("– not checked", left))
        yield from (f"{word} {count}" for word, count in (*counts, ("exceptions", 0)))

    def _by_severity(self) -> Iterator[tuple[str, ...]]:
        counts = Counter((one["severity"], one["verdict"]) for one in self._report()["findings"])
        words = ("FAIL", "UNKNOWN", "WARN", "PASS", "not_checked")
        for severity in ("critical", "high", "medium", "low"):
            yield severity, *(str(counts[severity, word]) for word in words)

    def _not_proven(self) -> Iterator[tuple[str, ...]]:
        paper = "A profile with a minimum, or the paper that says which minimum applies"
        yield MINIMUM, _sentence(self._no_minimum()), paper
        left = sum(one["verdict"] == "not_checked" for one in self._report()["findings"])
        why = "They do not apply, or lack an input: section 6 lists them."
        proof = "A new check of the bucket, with the inputs that are missing"
        yield f"What {left} checks of the bucket would show", why, proof

    def _paragraphs(self, framework: dict[str, Any]) -> Iterator[tuple[str, ...]]:
        """Their numbers are those of the law: they stand in the file of the framework."""
        words = {name: word for word, names in _WORDS.items() for name in names}
        for one in framework["paragraphs"]:
            rests = [name for name in CLAIMS if name.lower().replace(" ", "_") in one["controls"]]
            said = "; ".join(f"{words[name]}: {CLAIMS[name]}" for name in rests) or "–"
            read = one.get("read", False)
            asks = one["asks"] if read else f"Paragraph not checked. It is said that {one['asks']}"
            found = {words[name] for name in rests}
            yield one["paragraph"], asks, _support(one, found), said, one["missing"]

    def _named_by(self) -> Iterator[tuple[str, ...]]:
        for one in self._report()["findings"]:
            yield one["title"], ICONS[one["verdict"]], one["rule"]

    def _by_operation(self) -> Iterator[tuple[str, ...]]:
        yield from self.ask(
            "SELECT json_extract(body, '$.operation'), CAST(count(*) AS TEXT),"
            " CAST(sum(json_extract(body, '$.status') < 400) AS TEXT),"
            " CAST(sum(json_extract(body, '$.status') >= 400) AS TEXT) FROM entries WHERE run_id = ?"
            " AND kind = 'sample' AND json_extract(body, '$.endpoint') NOT IN ('/oauth/token', '/events')"
            " AND NOT (json_extract(body, '$.status') = 404 AND json_extract(body, '$.method') <> 'PUT') GROUP BY 1",
            self.run,
        )

    def _no_minimum(self) -> str:
        days = self._report()["retention_days"]
        return f"profile baseline sets no minimum; {days} days are what the onboarding itself says"

    def _started(self) -> tuple[str, dict[str, Any]]:
        ((at, body),) = self.ask("SELECT at, body FROM entries WHERE run_id = ? AND kind = 'run.started'", self.run)
        return at, json.loads(body)

    def _entries(self) -> int:
        return int(self.ask("SELECT count(*) FROM entries")[0])

    def _record(self) -> Iterator[tuple[str, ...]]:
        (at, about), org = self._started(), self._end("connect")["data"]
        ((last, count),) = self.ask("SELECT max(at), count(*) FROM entries WHERE run_id = ?", self.run)
        yield "Run", self.run
        yield "Started (UTC)", at
        yield "Last entry (UTC)", last
        yield "Org's API", org["api_url"]
        yield "Made with", f"opslib {about['opslib']}, Python {about['python']}"
        yield "Report by", f"opslib {version('opslib')}"
        yield "Notebook 02_audit_report.py (SHA-256)", hashlib.sha256(NOTEBOOK.read_bytes()).hexdigest()
        yield "Ledger entries", f"{self._entries()}, of which {count} are this run's"
        head, key = self.ask("SELECT hash, key FROM head")[0]
        yield "Head of the chain (SHA-256)", head
        yield "Ledger signed with (public key)", key
        yield "Short name of that key", f"{self._key()} (its SHA-256 begins so)"

    def _key(self) -> str:
        """The short name, in groups of four."""
        short = hashlib.sha256(self.ask("SELECT key FROM head")[0].encode()).hexdigest()[:16]
        assert self._who()["signed_by"] == short
        return " ".join(re.findall("....", short))

    def _who(self) -> dict[str, Any]:
        """One process wrote the recorded run."""
        (body,) = self.ask("SELECT body FROM entries WHERE run_id = ? AND kind = 'actor'", self.run)
        value: dict[str, Any] = json.loads(body)
        return value

    def _actor(self) -> str:
        return f"{self._who()['user']} (user id {self._who()['uid']}) on {self._who()['host']}"

    def _deed(self, words: str, seq: int, at: str) -> tuple[str, ...]:
        return f"{words[0].upper()}{words[1:]}.", f"{self._actor()}, key {self._key()}", at, str(seq)

    def _deeds(self) -> Iterator[tuple[str, ...]]:
        words = {"run.started": "started the run", "plan.made": "planned", "approval": "approved the plan"}
        for seq, at, kind in self.ask("SELECT seq, at, kind FROM entries WHERE run_id = ?", self.run):
            if kind in words:
                yield self._deed(words[kind], seq, at)
        for number, (seq, _, _) in enumerate(self._applies(), 1):
            yield from self._moves(number, seq)

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
            yield actor, called, f"{said['vouched_by']} (simulated), entry {seq}"
        yield actor, f"signing key {self._key()}", "the key: it signed this ledger"

    def _unconfirmed(self) -> str:
        signed_with, own = self.ask("SELECT key FROM head")[0], own_key().with_suffix(".pub").read_text().strip()
        return (
            f"The signing key is not confirmed: all {self._entries()} entries are as they were signed, with"
            f" {signed_with}; this report's own key is {own}. Compare it with the one that its owner gave you"
            " (opslib verify --key)."
        )

    def _controls(self) -> Iterator[tuple[str, ...]]:
        yield "The ledger is intact and signed", "⚠ WARN", self._unconfirmed(), "", "all"
        for step, control in (
            ("connect", "The org answers and accepts the client"),
            ("plan", "The plan was written down before it was applied"),
            ("apply", "The org has what was planned, as last read"),
            ("see_event", "A change event reached the data lake"),
        ):
            yield control, "✔ PASS", _sentence(self._end(step)["summary"]), "", str(self._end_seq(step))
        said = "Each apply carries the checksum of a plan approved before it."
        yield "Exactly this plan was approved before it was applied", "✔ PASS", said, "", str(self._approval()[0])
        said = "One person planned, approved and applied: no second key signed the plan. Ask for a second approval."
        yield "A second key approved exactly this plan", "⚠ WARN", said, "", self._alone()
        yield from self._bucket_controls()
        yield MINIMUM, "– not checked", _sentence(self._no_minimum()), "", self._bucket_seq()
        said = "This machine's clock and the org's were less than a minute apart."
        yield "This machine's clock agrees with the org's", "✔ PASS", said, "", str(self._end_seq("connect"))
        seq, at = self._org_read()
        said = (
            f"Bucket read {_moment(self._report()['at'])}; org read {_moment(at)}; evidence up to 30 days old counts."
        )
        yield "The evidence is recent", "✔ PASS", said, "", f"{self._bucket_seq()}, {seq}"

    def _approval(self) -> tuple[int, str]:
        (found,) = self.ask("SELECT seq, at FROM entries WHERE run_id = ? AND kind = 'approval'", self.run)
        return found[0], found[1]

    def _alone(self) -> str:
        """The entries of the approval and of each apply that it was for."""
        return ", ".join(map(str, sorted([self._approval()[0], *(seq for seq, _, _ in self._applies())])))

    def _org_read(self) -> tuple[int, str]:
        """When the last apply had read everything back."""
        begun, _, _ = self._applies()[-1]
        (last,) = self.ask("SELECT max(seq), at FROM entries WHERE json_extract(body, '$.apply') = ?", str(begun))
        return last[0], last[1]

    def _bucket_controls(self) -> Iterator[tuple[str, ...]]:
        """Those of the recorded run; which checks are whose is stated here once more."""
        found = {one["check"]: one for one in self._report()["findings"]}
        role, owner = ("writer-role-trust", "writer-role-permissions"), ("owner",)
        for title, word, checks, left_out in (
            ("The bucket is the right one, and Genesys can write to it", "PASS", ("reachable", "writer"), role + owner),
            ("New recordings are encrypted as the target says", "PASS", ("encryption",), ("kms-key",)),
            (
                "No public or unexpected cross-account access",
                "PASS",
                ("public-access-block", "policy-not-public", "no-public-acl", "acls-off", "cross-account"),
                (),
            ),
            ("Unencrypted connections are refused", "PASS", ("tls-only",), ()),
            ("Nothing removes a recording early", "PASS", ("retention", "policy-within-target"), ()),
            ("Recordings cannot be altered or deleted early", "WARN", ("object-lock",), ("versioning",)),
            (
                "Housekeeping of the bucket",
                "WARN",
                ("incomplete-uploads", "access-logging", "notifications"),
                (),
            ),
        ):
            assert {found[check]["verdict"] for check in checks} == {word}
            titles = [found[check]["title"] for check in checks]
            causes = [f"{found[check]['title']}: {found[check]['cause']}" for check in checks]
            said = "; ".join(titles if word == "PASS" else causes) + "."
            counted = self._severities([found[check] for check in (*checks, *left_out)])
            yield title, ICONS[word], said, counted, self._bucket_seq()

    def _severities(self, findings: list[dict[str, Any]]) -> str:
        """As the table counts them: worst first, the gravest first."""
        count = Counter((one["verdict"], one["severity"]) for one in findings)
        said = []
        for word in ("FAIL", "UNKNOWN", "WARN", "PASS", "not_checked"):
            own = [f"{count[word, one]} {one}" for one in ("critical", "high", "medium", "low") if count[word, one]]
            said += [f"{word.replace('_', ' ')}: {', '.join(own)}"] if own else []
        return "; ".join(said)

    def _bucket_caption(self) -> str:
        report = self._report()
        about = f"bucket {report['bucket']}, keys below {report['prefix']}/, profile {report['profile']}"
        return f"{len(report['findings'])} checks of {about}, read {_moment(report['at'])}"

    def _calls(self) -> Iterator[tuple[str, ...]]:
        used: dict[tuple[str, ...], list[str]] = {}
        for one in self._report()["findings"]:
            for call in one["evidence"]:
                key = call["call"], call["at"], f"HTTP {call['status']}", f"{call['request_id'][:12]}…"
                used.setdefault(key, []).append(one["check"])
        for (name, at, status, id), checks in used.items():
            yield name, ", ".join(checks), at, status, id

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
                yield path, {"true": "yes", "false": "no"}.get(kind, str(value))

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
            ("plan", "The plan was written down before it was applied"),
            ("apply", "The org has what was planned, as last read"),
        ):
            yield control, "? UNKNOWN", "✔ PASS", _sentence(self._end(step)["summary"])

    def _rates(self) -> Iterator[tuple[str, ...]]:
        both = (self.before, self.run)
        buckets = [f"{one['bucket']}, {one['profile']}" for one in map(self._report, both)]
        yield "Bucket, profile", *buckets
        yield (
            "Rule",
            *(
                f"{one['profile']} and the onboarding's own {one['retention_days']} days"
                for one in map(self._report, both)
            ),
        )
        rates = [f"{good} of {total} ({100 * good / total:.1f} %)" for good, total in map(self.operations, both)]
        yield "Operations that succeeded", *rates
        yield "Latency p95", *(self.percentile_or_why_not(run, 95, 20) for run in both)
        changes = len(json.loads(self._applies()[-1][2])["plan"]["changes"])
        yield "Outcome of the plan", "nothing was applied", f"{changes} to change: all written and read back"

    # Texts outside of tables

    def _texts(self) -> Iterator[str]:
        doctor = self._end("connect")["data"]["doctor"]
        org, bucket = doctor["organization"]["name"], self._report()["bucket"]
        yield f"Call recordings of {org}, routed to S3"
        yield from self._cover(bucket)
        yield from self._panel(org, bucket)
        yield from self._items(bucket)
        yield "The plan is that of apply 1."
        started = self.ask("SELECT at FROM entries WHERE run_id = ? AND kind = 'run.started'", self.before)[0]
        yield f"Compared with the previous walk, run {self.before}, started at {started}."
        yield f"Calls, steps and errors are those of run {self.run}."
        yield self.how_they_add_up()
        marks = ", ".join(f"p{percent} {self.percentile(self.run, percent)}" for percent in (50, 95))
        latency = f"{len(self.latencies_ms(self.run))} attempts: {marks}"
        yield from (latency, latency)  # below the title, and of the image
        clocks = self._report()["clocks"]
        stays = f"policy keeps {clocks['policy_days']} days; target keeps {clocks['target_days']} days; "
        stays += "Object Lock holds: nothing; no lifecycle rule touches recordings; the bytes are never removed"
        yield from (stays, stays)
        days = f"--retention-days {self._report()['retention_days']}"
        yield f"opslib check-bucket {bucket} --profile baseline {days}"

    def _cover(self, bucket: str) -> Iterator[str]:
        ((last,),) = (self.ask("SELECT max(at), 0 FROM entries WHERE run_id = ?", self.run)[0][:1],)
        yield from (self._end("connect")["data"]["org_id"], bucket, "region us-east-1", self.run)
        yield from (f"{_moment(self._started()[0])} to", _moment(last))
        yield from (f"started by {self._actor()}", f"used by {self._actor()}", self._key())
        yield from (
            f"{datetime.fromisoformat(last):%d %b %Y} (UTC)",
            f"from {self._entries()} ledger entries, by opslib {version('opslib')}",
        )
        yield (
            "Run “opslib verify FOLDER --key KEY” with the public key that you got from its owner. It must print"
            " “intact”. Without opslib, follow how_to_verify.html in the folder. To verify the ledger, which stays with"
            " its owner, pass its path instead of FOLDER: it must print"
            f" “all {self._entries()} entries are as they were signed”."
        )
        yield (
            f"Run {self.run}, prepared {datetime.fromisoformat(last):%d %b %Y}. Verdict: NEEDS REVIEW."
            " Environment: sandbox."
        )
        yield f"☐ I compared the key {self._key()} with the one that its owner gave me."

    def _panel(self, org: str, bucket: str) -> Iterator[str]:
        report, (_, at) = self._report(), self._org_read()
        days, read = report["retention_days"], _moment(report["at"])
        said = f"Meets baseline and the onboarding's own {days} days, but needs review, as of"
        yield f"{said} {_moment(min(report['at'], at))}: bucket {bucket}, org {org} (sandbox)."
        said = f"Profile baseline (as of {report['as_of']}) sets no minimum. The onboarding itself says"
        yield from [f"{said}: keep recordings at least {days} days."] * 2
        yield (
            f"Evidence: bucket read {read} and org read {_moment(at)}. The oldest is less than a day old"
            " (limit: 30 days)."
        )
        yield from self._control_counts()
        changes = json.loads(self._applies()[-1][2])["plan"]["changes"]
        *most, last = [f"{one['kind']} “{one['name']}” created" for one in changes]
        made = f"In the org: {', '.join(most)} and {last}. Each was read back."
        yield f"{made} It was the last of {len(self._applies())} applies. Section 8"
        yield f"{self._actor()} applied the plan. Section 3"
        soon = "less than a minute after the plan was made. The approver took part in the apply: no second person is"
        soon += " shown."
        yield f"{self._actor()}, on {_moment(self._approval()[1])}, {soon} Section 3"
        first = "“Recordings arrive in the bucket”; “Later changes were approved, and the rule still holds”"
        yield f"{first}; {NOT_PROVEN - 2} more points. Section 10"
        fixes = sum(one["verdict"] == "WARN" for one in report["findings"])
        yield f"The owner of bucket {bucket}: {fixes} fixes, first: there is no Object Lock. Section 2"

    def _items(self, bucket: str) -> Iterator[str]:
        """The gravest first; the ledger's own, which is no check, before them."""
        gravest = ("critical", "high", "medium", "low")
        found = [one for one in self._report()["findings"] if one["verdict"] == "WARN"]
        found.sort(key=lambda one: gravest.index(one["severity"]))
        own = ["The signing key is not confirmed", "One person planned, approved and applied"]
        titles = [*own, *(_sentence(one["cause"])[:-1] for one in found)]
        total = len(titles)
        yield (
            f"{total} open items: {total} WARN. One control may have several."
            " There are no exceptions: no unsafe change was approved."
        )
        notes = [*("" for _ in own), *(f" severity {one['severity']}" for one in found)]
        for number, (title, note) in enumerate(zip(titles, notes, strict=True), 1):
            yield f"Open item {number}: {title} ⚠ WARN{note}"
            yield f"☐ Open item {number} ({title}) was answered. Reference: {'_' * 20}"
        yield self._unconfirmed()
        yield f"ledger entries {self._alone()}"
        for _ in found:
            yield from (f"ledger entry {self._bucket_seq()}", f"The owner of bucket {bucket}")

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
