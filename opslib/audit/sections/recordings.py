"""Did the recordings arrive, how late, and why not: the newest verification of the archive."""

from collections.abc import Iterator, Sequence
from typing import Any

from opslib.archive.reasons import WORDS
from opslib.archive.words import CLOCKS, COUNTS, duration, storage_sentences
from opslib.audit.document import Block, Cell, Code, Prose, Table
from opslib.audit.facts import Facts
from opslib.audit.recordings import Verified, backfills, last_verified

_DAYS_SHOWN = 31
_MISSING_SHOWN = 20
_BACKFILLS_SHOWN = 10


def blocks(facts: Facts) -> Sequence[Block]:
    """What was compared, the counts, why recordings are missing and which are at risk, what was exported since, the
    latency, the days, and the first missing recordings."""
    found = last_verified(facts)
    if found is None:
        return [
            Prose("The archive has not been verified. “opslib archive verify” compares it with a list of recordings.")
        ]
    stored = map(Prose, storage_sentences(found.answer.get("storage", ())))
    figures = [_counts(found), *stored, *_why(found), *_backfills(facts, found), Prose(CLOCKS), _latency(found)]
    return [*_compared(found), *figures, *_days(found), *_missing(found)]


def _compared(found: Verified) -> Iterator[Block]:
    answer, expected = found.answer, found.expected
    yield Prose(f"{found.verdict}: {found.summary}.", loud=found.verdict != "PASS")
    rows: dict[str, Cell] = {
        "Expected list": f"{_list(expected)}, {expected['rows']:,} rows",
        "Its SHA-256": Code(expected["sha256"]),
        "Bucket": f"{found.place}, by {found.source}",
        "Conversations that ended": f"from {answer['since']} to before {answer['judged_until']}",
        "Late after": f"{answer['within_hours']:g} hours",
        "Verified": f"{answer['now']}, run {found.run_id}, entry {found.entry}",
    }
    yield Table("What was compared", ("What", "Value"), list(rows.items()), (1, 2))
    yield from map(Prose, answer.get("notes", ()))


def _list(expected: dict[str, Any]) -> str:
    """A file by its name; of the org's analytics, until when that was complete."""
    available = expected.get("available_until")
    return f"the org's analytics, complete until {available}" if available else str(expected["name"])


def _why(found: Verified) -> Iterator[Block]:
    """Nothing where the org was not asked."""
    if not (why := found.why):
        return
    rows: list[list[Cell]] = [[group["words"], group["count"], group["fix"]] for group in why["groups"]]
    if rows:
        title = f"Why recordings are missing, as the org said {why['asked_at']}, entry {found.why_entry}"
        yield Table(title, ("Reason", "How many", "What to do"), rows, (3, 1, 5))
    yield from map(Prose, why["notes"])
    risk: list[list[Cell]] = [
        [Code(_id(one)), one["delete_at"], WORDS[one["reason"]], one["fix"]] for one in why["at_risk"][:_MISSING_SHOWN]
    ]
    if risk:
        count = why["at_risk_count"]
        shown = f", the first {_MISSING_SHOWN} of {count:,}" if count > _MISSING_SHOWN else ""
        title = f"At risk: missing, and deleted in Genesys within {why['within_days']:g} days{shown}"
        head = ("Recording or conversation", "Deleted in Genesys (UTC)", "Why it is missing", "What can still be done")
        yield Table(title, head, risk, (4, 3, 2, 5))


def _backfills(facts: Facts, found: Verified) -> Iterator[Block]:
    """What was exported that never had been. That a job ended well does not say that anything arrived."""
    made = backfills(facts, found)
    if not made:
        return
    rows: list[list[Cell]] = [
        [f"{one.at}, entry {one.entry}", one.by, one.what, one.outcome] for one in made[-_BACKFILLS_SHOWN:]
    ]
    more = f", the last {_BACKFILLS_SHOWN} of {len(made):,}" if len(made) > _BACKFILLS_SHOWN else ""
    title = f"Backfills: export jobs for what was never exported{more}"
    yield Table(title, ("Approved", "By", "Recordings", "Outcome"), rows, (4, 3, 4, 4))
    if made[-1].entry > found.entry:
        yield Prose("Nobody has verified since the last backfill: whether its recordings arrived is not known.")


def _id(one: dict[str, Any]) -> str:
    return str(one["recording_id"] or one["conversation_id"])


def _counts(found: Verified) -> Table:
    counts = found.answer["counts"]
    rate = found.answer["success_rate"]
    rows: list[list[Cell]] = [[words, counts[name]] for name, words in COUNTS.items()]
    rows.append(["Success rate: arrived of those that were due", "no data" if rate is None else f"{100 * rate:.3f} %"])
    return Table("Recordings", ("Recordings", "How many"), rows, (2, 1))


def _latency(found: Verified) -> Table:
    latency: dict[str, Any] = found.answer["latency_s"]
    rows: list[list[Cell]] = [[name, duration(latency[name])] for name in ("p50", "p95", "p99", "max")]
    return Table("From the end of a conversation to its recording in the bucket", ("Latency", "Time"), rows, (1, 2))


def _days(found: Verified) -> Iterator[Table]:
    days = found.answer["days"]
    if days:
        names = ("expected", "arrived", "missing", "late", "not_due")
        rows: list[list[Cell]] = [[day["day"], *(day[name] for name in names)] for day in days[-_DAYS_SHOWN:]]
        head = ("Day (UTC)", "Expected", "Arrived", "Missing", "Late", "Not due")
        shown = f", the last {_DAYS_SHOWN} of {len(days)}" if len(days) > _DAYS_SHOWN else ""
        yield Table(f"By the day on which the conversation ended{shown}", head, rows, (3, 2, 2, 2, 2, 2))


def _missing(found: Verified) -> Iterator[Table]:
    missing = found.answer["missing"]
    reasons = _reasons(found.why)
    if missing:
        rows: list[list[Cell]] = [
            [
                Code(_id(one)),
                one["ended_at"],
                one["delete_at"] or "not known",
                reasons.get((one["conversation_id"], one["recording_id"])) or one["reason"],
            ]
            for one in missing[:_MISSING_SHOWN]
        ]
        count = found.answer["counts"]["missing"]
        shown = f", the first {_MISSING_SHOWN} of {count:,}" if count > _MISSING_SHOWN else ""
        head = ("Recording or conversation", "Ended (UTC)", "Deleted in Genesys (UTC)", "Why it is missing")
        yield Table(f"Missing recordings{shown}", head, rows, (4, 3, 3, 4))


def _reasons(why: dict[str, Any] | None) -> dict[tuple[str, str | None], str]:
    """Of the rows that the ledger has, in words."""
    rows = why["missing"] if why else ()
    return {(one["conversation_id"], one["recording_id"]): f"{WORDS[one['reason']]}: {one['said']}" for one in rows}
