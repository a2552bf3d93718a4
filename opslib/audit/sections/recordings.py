"""Did the recordings arrive, and how late: the newest verification of the archive."""

from collections.abc import Iterator, Sequence
from typing import Any

from opslib.archive.words import CLOCKS, COUNTS, duration, storage_sentences
from opslib.audit.document import Block, Cell, Code, Prose, Table
from opslib.audit.facts import Facts
from opslib.audit.recordings import Verified, last_verified

_DAYS_SHOWN = 31
_MISSING_SHOWN = 20


def blocks(facts: Facts) -> Sequence[Block]:
    """What was compared, the counts, the latency, the days, and the first missing recordings."""
    found = last_verified(facts)
    if found is None:
        return [
            Prose("The archive has not been verified. “opslib archive verify” compares it with a list of recordings.")
        ]
    stored = map(Prose, storage_sentences(found.answer.get("storage", ())))
    return [*_compared(found), _counts(found), *stored, Prose(CLOCKS), _latency(found), *_days(found), *_missing(found)]


def _compared(found: Verified) -> Iterator[Block]:
    answer, expected = found.answer, found.expected
    yield Prose(f"{found.verdict}: {found.summary}.", loud=found.verdict != "PASS")
    rows: dict[str, Cell] = {
        "Expected list": f"{expected['name']}, {expected['rows']:,} rows",
        "Its SHA-256": Code(expected["sha256"]),
        "Bucket": f"{found.place}, by {found.source}",
        "Conversations that ended": f"from {answer['since']} to before {answer['judged_until']}",
        "Late after": f"{answer['within_hours']:g} hours",
        "Verified": f"{answer['now']}, run {found.run_id}, entry {found.entry}",
    }
    yield Table("What was compared", ("What", "Value"), list(rows.items()), (1, 2))


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
    if missing:
        rows: list[list[Cell]] = [
            [
                Code(one["recording_id"] or one["conversation_id"]),
                one["ended_at"],
                one["delete_at"] or "not known",
                one["reason"],
            ]
            for one in missing[:_MISSING_SHOWN]
        ]
        count = found.answer["counts"]["missing"]
        shown = f", the first {_MISSING_SHOWN} of {count:,}" if count > _MISSING_SHOWN else ""
        head = ("Recording or conversation", "Ended (UTC)", "Deleted in Genesys (UTC)", "Why it is missing")
        yield Table(f"Missing recordings{shown}", head, rows, (4, 3, 3, 4))
