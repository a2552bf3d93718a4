"""Why recordings are missing, and which of them are at risk: the answer, its document and its list."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from opslib.archive.reasons import DELETED, NOT_KNOWN, WORDS, Explained, fix_of
from opslib.archive.times import time_text
from opslib.new_files import replaced_file

FILE: Final = "why.parquet"
SCHEMA: Final = pa.schema(
    [
        pa.field("conversation_id", pa.string(), nullable=False),
        pa.field("recording_id", pa.string()),
        pa.field("ended_at_ms", pa.int64(), nullable=False),
        pa.field("delete_at_ms", pa.int64()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("said", pa.string(), nullable=False),
        pa.field("fix", pa.string(), nullable=False),
        pa.field("export_at_ms", pa.int64()),
        pa.field("exported_at_ms", pa.int64()),
    ]
)
"""The list as it is kept in the workspace: a row for each `Explained`."""
FIRST: Final = 100
"""How many rows of a list the ledger gets."""
WITHIN_DAYS: Final = 30.0

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class Group:
    """How many recordings are missing for one reason, and what to do. Of what is not known, one group for each cause,
    which `said` has."""

    reason: str
    count: int
    said: str
    fix: str

    @property
    def words(self) -> str:
        return f"{WORDS[self.reason]}: {self.said}" if self.said else WORDS[self.reason]


@dataclass(frozen=True)
class Why:
    """The reasons of what is missing, as of `asked_at_ms`.

    `verification` says which one: {run_id, entry, missing, sha256}. `notes`: what could not be asked beside, a sentence
    each. `requests`: how many the org was asked, with those that were tried again.
    """

    verification: dict[str, Any]
    rows: Sequence[Explained]
    asked_at_ms: int
    requests: int = 0
    notes: Sequence[str] = ()
    within_days: float = WITHIN_DAYS

    @cached_property
    def reasons(self) -> dict[str, int]:
        """How many have each reason; those with none are left out."""
        counts = Counter(row.reason for row in self.rows)
        return {name: counts[name] for name in WORDS if counts[name]}

    @cached_property
    def at_risk(self) -> list[Explained]:
        """What Genesys may still have and deletes within the days, soonest first."""
        until_ms = self.asked_at_ms + round(self.within_days * _DAY_MS)
        due = [
            (row.delete_at_ms, number, row)
            for number, row in enumerate(self.rows)
            if row.delete_at_ms is not None and row.delete_at_ms <= until_ms and row.reason != DELETED
        ]
        return [row for *_, row in sorted(due, key=lambda one: one[:2])]

    @cached_property
    def groups(self) -> list[Group]:
        causes = Counter((row.said, row.fix) for row in self.rows if row.reason == NOT_KNOWN)
        known = [Group(name, count, "", fix_of(name)) for name, count in self.reasons.items() if name != NOT_KNOWN]
        return known + [Group(NOT_KNOWN, count, said, fix) for (said, fix), count in causes.most_common()]

    def of(self, conversation_id: str, recording_id: str | None) -> list[Explained]:
        """The rows of a row of the list: several where the recordings of a conversation have other reasons."""
        return self._by_row.get((conversation_id, recording_id), [])

    @cached_property
    def _by_row(self) -> dict[tuple[str, str | None], list[Explained]]:
        found: dict[tuple[str, str | None], list[Explained]] = {}
        for row in self.rows:
            id = None if row.by_conversation else row.recording_id
            found.setdefault((row.conversation_id, id), []).append(row)
        return found

    def as_json(self, first: int | None = None) -> dict[str, Any]:
        """{verification, asked_at, reasons, within_days, at_risk, missing, requests, notes, groups}; of each list only
        the first rows, if that is given."""
        return {
            "verification": self.verification,
            "asked_at": time_text(self.asked_at_ms),
            "reasons": self.reasons,
            "groups": [
                {"reason": group.reason, "words": group.words, "count": group.count, "fix": group.fix}
                for group in self.groups
            ],
            "within_days": self.within_days,
            "at_risk_count": len(self.at_risk),
            "at_risk": list(map(row_json, self.at_risk[:first])),
            "missing": list(map(row_json, self.rows[:first])),
            "requests": self.requests,
            "notes": list(self.notes),
        }

    def write(self, path: Path) -> None:
        """The whole list, in the place of an earlier one. Raises OSError."""
        with replaced_file(path) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for part in _parts(self.rows):
                writer.write_table(
                    pa.Table.from_pylist([{name: getattr(row, name) for name in SCHEMA.names} for row in part], SCHEMA)
                )


def row_json(row: Explained) -> dict[str, Any]:
    """A row for programs: times as text."""
    return {
        "conversation_id": row.conversation_id,
        "recording_id": row.recording_id,
        "ended_at": time_text(row.ended_at_ms),
        "delete_at": _text(row.delete_at_ms),
        "reason": row.reason,
        "said": row.said,
        "export_date": _text(row.export_at_ms),
        "exported_date": _text(row.exported_at_ms),
        "fix": row.fix,
    }


def _text(time_ms: int | None) -> str | None:
    return None if time_ms is None else time_text(time_ms)


def _parts(rows: Sequence[Explained], size: int = 10_000) -> Iterator[Sequence[Explained]]:
    yield from (rows[start : start + size] for start in range(0, len(rows), size))
