"""The appendix: what the other sections rest on, and how to do it again."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from opslib.audit import controls, deeds
from opslib.audit.contents import reference
from opslib.audit.document import Block, Cell, Code, Command, Heading, Mark, Prose, Table, Terms
from opslib.audit.facts import PROBLEMS_SHOWN, Facts
from opslib.audit.folder_files import ABOUT, HOW_TO_VERIFY
from opslib.audit.headline import bucket_of
from opslib.audit.rule import rule_of
from opslib.audit.sections import bucket, calls
from opslib.audit.words import key_words, listed
from opslib.ledger.signing import key_id

_LEDGER = (
    "The ledger is a record that opslib writes while the work is done. Its entries are numbered, chained and signed, so"
    " that a later change shows. Every figure in this report comes from it."
)
_WORDS = (
    ("Storage target", "The S3 bucket that recordings are written to, as Genesys Cloud knows it."),
    ("Retention policy", "Which recordings are kept there, and for how many days."),
    ("Webhook, change feed", "Where the data lake is told of changes, and of which."),
    ("WORM", "Write once, read many: a recording cannot be changed or deleted before its time."),
    (
        "Object Lock",
        "How S3 does this. Nobody can lift a lock in COMPLIANCE mode; in GOVERNANCE mode, some users can.",
    ),
    ("Lifecycle rule", "A rule of the bucket that removes or moves recordings after some days."),
    ("Profile", "The rules that the bucket is checked by: which checks, and how much each counts."),
    ("Onboarding", "What is wanted: one storage target, its retention policy and its webhook."),
    ("Plan", "Every change that is needed, written down before it is sent. Its checksum names this plan only."),
    ("Apply", "Sending the changes of a plan to the org, and reading each back."),
    ("Exception", "An unsafe change that somebody approved, with a reason and an end date."),
    ("Rolled back", "A change failed, so the changes before it were undone."),
    ("Anchor", "A copy of the ledger's fingerprint in a locked bucket, so that its owner cannot rewrite it unseen."),
    ("Recheck", "Reading the org and the bucket again later, without changing them."),
    ("Operation, attempt", "One thing asked of Genesys. It may take several attempts."),
    ("Latency, p95", "How long an answer took. 95 of 100 attempts were at least as fast as p95."),
    ("95 % interval", "Where the true rate may lie. The fewer operations, the wider."),
    ("Correlation id", "The number that Genesys gives a request. Its support finds the request by it."),
    ("Hash (SHA-256)", "A fingerprint of data. Any change to the data changes it."),
    ("Head of the chain", "The fingerprint that covers the whole ledger."),
    ("Public key", "What verifies a signature. Compare it with the one that its owner gave you."),
)


def blocks(facts: Facts, notebook_sha256: str) -> Sequence[Block]:
    """Calls, requests to AWS, steps, errors, the record itself, words, and how to re-perform."""
    return [
        *_scope(facts),
        Heading("Calls to Genesys Cloud"),
        *_calls(facts),
        Heading("Requests to AWS"),
        *_requests(facts),
        Heading("Steps"),
        _steps(facts),
        Heading("Errors and retries"),
        *_problems(facts),
        Heading("The record"),
        Prose(_LEDGER),
        _record(facts, notebook_sha256),
        Table("Files in the folder of this report", ("File", "What it is", "Who needs it"), _files(), (2, 5, 3)),
        Heading("Glossary"),
        Terms(_WORDS),
        Heading("Reproduce this report"),
        *_again(facts),
    ]


def _scope(facts: Facts) -> Iterator[Block]:
    """Who reads figures of one run must know of the runs that went on with it."""
    others = sorted({deed.run_id for deed in deeds.of_run(facts)} - {facts.run_id})
    yield Prose(
        f"Calls, steps and errors are those of run {facts.run_id}."
        + (f" Those of {listed(others)} are in reports of their own (opslib audit --run RUN)." if others else "")
    )


def _calls(facts: Facts) -> Iterator[Block]:
    http = controls.http(facts)
    row: list[Cell] = [http.control, Mark(http.word), http.why]
    yield Prose("Whether the calls succeeded says nothing about the storage or the recordings.")
    yield Table("Calls to Genesys Cloud, the verdict", ("Question", "Verdict", "Why"), [row], (30, 15, 55))
    yield from calls.blocks(facts.call_statistics)


def _requests(facts: Facts) -> Iterator[Block]:
    table = bucket.calls(facts.findings())
    yield table if table.rows else Prose("No check of the bucket has an answer of AWS.")


def _steps(facts: Facts) -> Block:
    rows: list[list[Cell]] = [
        [
            entry.data["step"].replace("_", " "),
            entry.kind.removeprefix("step."),
            entry.data.get("summary", ""),
            entry.at,
            entry.seq,
        ]
        for entry in facts.steps()
        if entry.kind != "step.started"
    ]
    head = ("Step", "State", "What happened", "When (UTC)", "Entry")
    return Table("Steps, in order", head, rows, (16, 10, 45, 22, 7)) if rows else Prose("No step was run.")


def _problems(facts: Facts) -> Iterator[Block]:
    """Every attempt that failed and every error, with the correlation id that support asks for."""
    problems, count = facts.problems(), facts.problem_count()
    if any(deed.is_crash for deed in deeds.of_run(facts)):
        yield Prose(f"A process stopped without finishing: see {reference('who')}.")
    if not problems:
        yield Prose("No attempt failed, and no step ended in an error.")
        return
    yield Prose("An attempt that failed and succeeded when it was repeated is listed here, too.")
    if count > len(problems):
        yield Prose(f"These are the first {PROBLEMS_SHOWN} of {count}; samples.csv has every attempt.")
    rows: list[list[Cell]] = [[p.where, p.what, p.cause, Code(p.correlation_id), p.at, p.entry] for p in problems]
    head = ("Where", "What", "Cause", "Correlation id", "When (UTC)", "Entry")
    yield Table("Errors and retries", head, rows, (20, 16, 15, 20, 22, 7))


def _record(facts: Facts, notebook_sha256: str) -> Table:
    """Which record this report was made from, with which versions."""
    ledger, about = facts.ledger, facts.started.data
    count, last_at = facts.extent()
    rows: dict[str, Cell] = {
        "Run": facts.run_id,
        "Started (UTC)": facts.started.at,
        "Last entry (UTC)": last_at,
        "Org's API": facts.connected().get("api_url", "no data"),
        "Backend": about.get("backend", "no data"),
        "Made with": f"opslib {about['opslib']}, Python {about['python']}",
        "Report by": f"opslib {version('opslib')}",
        "Notebook 02_audit_report.py (SHA-256)": Code(notebook_sha256),
        "Ledger entries": f"{ledger.entries}, of which {count} are this run's",
        "Head of the chain (SHA-256)": Code(ledger.head),
        "Ledger signed with (public key)": Code(ledger.key) if ledger.key else "not signed",
        "Short name of that key": f"{key_words(key_id(ledger.key))} (its SHA-256 begins so)" if ledger.key else "–",
    }
    return Table("What this report is made from", ("What", "Value"), list(rows.items()), (1, 2))


def _files() -> list[list[Cell]]:
    return [[name, *about] for name, about in ABOUT.items()]


def _again(facts: Facts) -> Iterator[Block]:
    """What a reader with their own access can run, without trusting whoever made the report."""
    name, rule = bucket_of(facts), rule_of(facts)
    yield Command(
        "Verify this folder. It must say “intact”, with the key that its owner gave you."
        f" {HOW_TO_VERIFY} in this folder explains it step by step, also without opslib.",
        "opslib verify FOLDER --key KEY",
    )
    yield Command("Recompute the figures from the tables in this folder.", "python recompute.py FOLDER")
    if name and rule:
        yield Command(
            f"Check the bucket with your own read-only credentials, and compare with {reference('bucket')}.",
            f"opslib check-bucket {name} --profile {rule.profile}"
            + (f" --retention-days {rule.stated}" if rule.stated else ""),
        )
    yield Command(
        f"Read the org and the bucket again, and compare with {reference('still_so')}.",
        "opslib audit --recheck --out FOLDER",
    )
    yield Prose(
        f"Then take one setting of {reference('changes')}, and look at it in the Genesys Cloud admin page yourself."
    )
