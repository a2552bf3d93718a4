"""The verdict about the archive, the document for programs, and the lists as Parquet and CSV.

UNKNOWN  the bucket was not read completely, or no recording is old enough to be judged
FAIL     a recording is missing, or has only empty objects
WARN     a recording is late, has several media objects or no sidecar; or an object has a malformed key
PASS     every recording of the interval arrived
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from opslib.archive.arrived import ArrivedParts, Gap
from opslib.archive.database import DuckDB
from opslib.archive.engines import Engine
from opslib.archive.expected import ExpectedFile
from opslib.archive.histogram import percentile
from opslib.archive.keys import HOUR_MS
from opslib.archive.times import time_text
from opslib.archive.verification import COUNTED, FIRST_MISSING, LISTS, Answer, Group, answer, question
from opslib.archive.why import Why
from opslib.archive.words import wrong_storage
from opslib.ledger.statistics import wilson_interval
from opslib.new_files import part_folder
from opslib.verdict import Verdict
from opslib.visible import visible_cell

_KINDS: Final = ("parquet", "csv")
_FAILS: Final = {"missing": "missing", "empty": "empty: every media object has 0 bytes"}
_WARNS: Final = {
    "late": "late",
    "duplicate": "in the bucket with several media objects",
    "without_sidecar": "without a sidecar",
    "malformed_keys": "below the prefix with a malformed key",
}


@dataclass(frozen=True)
class Verification:
    """What was asked and found, and what it means."""

    answer: Answer
    complete: bool
    """Everything below the prefix was read."""
    gaps: tuple[Gap, ...]
    conversations: int
    """Rows of the file that stand for a conversation: its recordings cannot be counted."""
    repeated: int
    columns: frozenset[str]
    notes: tuple[str, ...] = ()
    """What else there is to say about the list, a sentence each; the verdict does not depend on it."""
    why: Why | None = None
    """The reasons of what is missing, where the org was asked."""

    @property
    def counts(self) -> dict[str, int]:
        return self.answer.counts

    @property
    def success_rate(self) -> float | None:
        """Of the recordings that are due, how many arrived: 0 to 1."""
        judged = self.counts["arrived"] + self.counts["missing"]
        return self.counts["arrived"] / judged if judged else None

    @property
    def verdict(self) -> Verdict:
        return self._judged()[0]

    @property
    def reasons(self) -> list[str]:
        """What the verdict rests on, a sentence each; empty for PASS."""
        return [*self._judged()[1], *self._hints()]

    def _hints(self) -> Iterator[str]:
        if elsewhere := self.answer.elsewhere:
            yield (
                f"No key directly below the prefix is a recording's, but one below {elsewhere} is: name that as the"
                " prefix."
            )
        elif self.complete and not self.answer.storage and self.counts["missing"]:
            yield "No media object is below the prefix at all: check the bucket and the prefix."

    def _judged(self) -> tuple[Verdict, list[str]]:
        counts = self.counts
        if unknown := list(self._unknown()):
            return "UNKNOWN", unknown
        fails = [f"Recordings {words}: {counts[name]:,}." for name, words in _FAILS.items() if counts[name]]
        warns = [
            f"{'Objects' if name == 'malformed_keys' else 'Recordings'} {words}: {counts[name]:,}."
            for name, words in _WARNS.items()
            if counts[name]
        ]
        return ("FAIL" if fails else "WARN" if warns else "PASS"), fails + warns

    def _unknown(self) -> Iterator[str]:
        for gap in self.gaps:
            yield f"{gap.where} was not read: {gap.cause}"
        if not self.complete and not self.gaps:
            yield "The bucket was not read completely: the reading was stopped."
        if not self.complete:
            yield "All figures are of what was read: a recording in the rest counts as missing."
        if self.success_rate is None:
            yield "No expected recording of this interval is old enough to be judged."

    def as_json(self) -> dict[str, Any]:
        asked, rate = self.answer.question, self.success_rate
        judged = self.counts["arrived"] + self.counts["missing"]
        return {
            "verdict": self.verdict,
            "reasons": self.reasons,
            "since": _text(asked.since_ms),
            "until": _text(asked.until_ms),
            "judged_until": _text(asked.judged_until_ms),
            "now": _text(asked.now_ms),
            "within_hours": asked.within_ms / HOUR_MS,
            "counts": self.counts,
            "latency_s": self._latency_s(),
            "success_rate": rate,
            "success_rate_interval_95": list(wilson_interval(self.counts["arrived"], judged)) if judged else None,
            "days": self._days(),
            "arrivals_by_hour": [
                {"hour": _text(hour), "recordings": count} for hour, count in self.answer.arrivals.items()
            ],
            "missing": [self._missing(row) for row in self.answer.missing],
            "storage": [kind | {"wrong": wrong_storage(kind)} for kind in self.answer.storage],
            "complete": self.complete,
            "gaps": [{"where": gap.where, "cause": gap.cause, "fix": gap.fix} for gap in self.gaps],
            "rows_for_conversations": self.conversations,
            "rows_repeated": self.repeated,
            "notes": list(self.notes),
            "why": self.why and self.why.as_json(FIRST_MISSING),
        }

    def _missing(self, row: dict[str, Any]) -> dict[str, Any]:
        """`why` and `fix` are empty where the org was not asked, and have several where recordings of a conversation
        are missing for other reasons. Genesys's own delete date counts over that of the file."""
        told = self.why.of(row["conversation_id"], row["recording_id"]) if self.why else []
        deleted = [one.delete_at_ms for one in told if one.delete_at_ms is not None]
        return _missing(row | {"delete_at_ms": min(deleted, default=row["delete_at_ms"])}) | {
            "why": list(dict.fromkeys(one.reason for one in told)),
            "fix": " ".join(dict.fromkeys(one.fix for one in told)),
        }

    def _latency_s(self) -> dict[str, Any]:
        longest_ms = self.answer.latency_max_ms
        longest_s = None if longest_ms is None else longest_ms / 1000
        return {
            **{
                f"p{percent}": _at_most(percentile(self.answer.latency_buckets, percent), longest_s)
                for percent in (50, 95, 99)
            },
            "max": longest_s,
            "from": "conversation_end",
            "to": "s3_last_modified",
        }

    def _days(self) -> list[dict[str, Any]]:
        """Each day of `ended_at` in UTC once; where the file has media or queues, also by each of them."""
        days: dict[int, list[Group]] = {}
        for group in self.answer.groups:
            days.setdefault(group.day_ms, []).append(group)
        return [
            {"day": _text(day)[:10], **_sum(groups), **{name: _by(name, groups) for name in self._dimensions}}  # type: ignore[index]
            for day, groups in days.items()
        ]

    @property
    def _dimensions(self) -> list[str]:
        return [name for name in ("media", "queue") if name in self.columns]


def verify(
    expected: ExpectedFile,
    arrived: ArrivedParts,
    folder: Path,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    within_hours: float = 24,
    out: Path | None = None,
    missing: Path | None = None,
    notes: tuple[str, ...] = (),
    engine: Engine | None = None,
) -> Verification:
    """Compares, by default with DuckDB. What does not fit into memory goes to `folder`; `out` gets a Parquet and a CSV
    file for each list, and `missing` is the file for all that is missing. Raises OpslibError."""
    engine = engine or DuckDB()
    asked = question(expected, now, within_hours=within_hours, since=since, until=until)
    if out is None:
        found = answer(asked, expected, arrived, folder, engine, missing=missing)
    else:
        remove_lists(out)
        with part_folder(out) as part:
            found = answer(asked, expected, arrived, folder, engine, lists=part, missing=missing)
            for name in LISTS:
                _write_csv(part / f"{name}.parquet", part / f"{name}.csv")
            for path in sorted(part.iterdir()):
                path.replace(out / path.name)
    return Verification(
        found, arrived.complete, arrived.gaps, expected.conversations, expected.repeated, expected.columns, notes
    )


def remove_lists(out: Path) -> None:
    """Makes the folder, and removes the lists of an earlier run, so that nobody takes them for new ones.

    Raises OSError, also where none could be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    with part_folder(out):
        for name in LISTS:
            for kind in _KINDS:
                (out / f"{name}.{kind}").unlink(missing_ok=True)


def _by(name: str, groups: list[Group]) -> list[dict[str, Any]]:
    values: dict[str | None, list[Group]] = {}
    for group in groups:
        values.setdefault(getattr(group, name), []).append(group)
    return [{name: value, **_sum(values[value])} for value in sorted(values, key=lambda value: (value is None, value))]


def _sum(groups: list[Group]) -> dict[str, int]:
    return {name: sum(group.counts[name] for group in groups) for name in COUNTED}


def _missing(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "conversation_id": row["conversation_id"],
        "recording_id": row["recording_id"],
        "ended_at": _text(row["ended_at_ms"]),
        "delete_at": _text(row["delete_at_ms"]),
        "reason": _reason(row),
    }


def _reason(row: dict[str, Any]) -> str:
    if row["sidecar"]:
        return "only a sidecar is in the bucket"
    return "no object is in the bucket" if row["recording_id"] else "no recording of the conversation is in the bucket"


def _write_csv(source: Path, path: Path) -> None:
    """Times as text; cells that a spreadsheet would take for a formula begin with an apostrophe."""
    with pq.ParquetFile(source) as file, path.open("w", encoding="utf-8", newline="") as out:
        names = file.schema_arrow.names
        times = {name for name in names if name.endswith("_ms") and name != "latency_ms"}
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([name.removesuffix("_ms") if name in times else name for name in names])
        for batch in file.iter_batches(10_000):
            for row in batch.to_pylist():
                writer.writerow([_text(row[name]) if name in times else visible_cell(row[name]) for name in names])


def _at_most(value: float | None, longest: float | None) -> float | None:
    """A bucket's middle may lie above the longest of all."""
    return value if value is None or longest is None else min(value, longest)


def _text(time_ms: int | None) -> str | None:
    return None if time_ms is None else time_text(time_ms)
