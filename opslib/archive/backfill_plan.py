"""The plan of a backfill: which recordings that were never exported a job exports, by which jobs, and when.

A job takes every recording of the conversations that it names, so the plan counts the others, too. Nothing here asks.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import pyarrow.parquet as pq
import rfc8785
from pydantic import BaseModel, ConfigDict, ValidationError

from opslib.archive.ids import canonical
from opslib.archive.missing import file_sha256
from opslib.archive.reasons import NEVER_EXPORTED
from opslib.archive.times import moment_ms, time_text, time_words
from opslib.errors import InvalidInput
from opslib.genesys.recordings import RecordingMetadata
from opslib.new_files import replaced_file

JSON = dict[str, Any]

SENSITIVE: Final = "sensitive-recordings"
"""What agrees to sensitive recordings, by name."""
PER_JOB: Final = 100
"""How many conversations one job names at most. Genesys says no limit, only that small ones do not time out."""
LONGEST_DAYS: Final = 7
OLDEST_YEARS: Final = 5

_DAY_MS: Final = 86_400_000
_LONGEST_MS: Final = LONGEST_DAYS * _DAY_MS
_OLDEST_MS: Final = OLDEST_YEARS * 365 * _DAY_MS
# On both sides of the ends that the list has: its clock may differ from Genesys's.
_BESIDE_MS: Final = 3_600_000
_NOT_SEEN_MS: Final = 2 * _DAY_MS


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(_Part):
    """A row of the newest answer that was never exported; without `recording_id`, all of its conversation."""

    conversation_id: str
    recording_id: str | None
    ended_at_ms: int


class Wanted(_Part):
    """One recording to export, with its date of deletion at Genesys."""

    recording_id: str
    conversation_id: str
    delete_at_ms: int | None


class LeftOut(_Part):
    """A recording, or a conversation, that no job of this plan exports, and why."""

    id: str
    why: str


class Job(_Part):
    """One export job: the conversations in its interval that it names. `recordings`: how many it exports at most."""

    start_ms: int
    end_ms: int
    conversations: tuple[str, ...]
    recordings: int
    screens: bool
    snippets: bool


class Where(_Part):
    """The org by its address, and where its recordings go: an active S3 integration, or a storage target."""

    api: str
    integration_id: str
    integration: str
    bucket: str


class BackfillPlan(_Part):
    """What a backfill does. `wanted` was never exported; of the `beside`, which the jobs take as well, the export is
    scheduled. `export_at_ms` None: each job exports at once.

    `verification` says what was found missing: {entry, at, bucket, prefix}. `skipped`: how many recordings of the
    conversations were exported before. `notes` are for the reader.
    """

    where: Where
    verification: JSON
    sensitive: bool
    export_at_ms: int | None
    jobs: tuple[Job, ...]
    wanted: tuple[Wanted, ...]
    beside: tuple[Wanted, ...] = ()
    skipped: int = 0
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    asked_at_ms: int

    @property
    def checksum(self) -> str:
        """SHA-256 over everything that will be done; equal plans have equal checksums."""
        told = self.model_dump(mode="json", exclude={"skipped", "left_out", "notes", "asked_at_ms"})
        return hashlib.sha256(rfc8785.dumps(told)).hexdigest()

    @property
    def unsafe(self) -> tuple[str, ...]:
        return (SENSITIVE,) if self.sensitive and self.jobs else ()

    @property
    def conversations(self) -> int:
        return sum(len(job.conversations) for job in self.jobs)

    @property
    def cut_short(self) -> list[Wanted]:
        """Those that are deleted before they would be exported, soonest first: Genesys then exports them when it
        deletes them."""
        at_ms = self.asked_at_ms if self.export_at_ms is None else self.export_at_ms
        return [one for one in self.by_deletion if one.delete_at_ms is not None and one.delete_at_ms < at_ms]

    @property
    def by_deletion(self) -> list[Wanted]:
        """What is wanted and has a date of deletion, soonest first."""
        dated = [(one.delete_at_ms, one.recording_id, one) for one in self.wanted if one.delete_at_ms is not None]
        return [one for *_, one in sorted(dated, key=lambda row: row[:2])]

    def as_json(self) -> JSON:
        """For programs, with times as text: {checksum, where, verification, sensitive, export_at, conversations,
        recordings, jobs, wanted, beside, skipped, cut_short, left_out, notes, unsafe}."""
        return {
            "checksum": self.checksum,
            "where": self.where.model_dump(),
            "verification": self.verification,
            "sensitive": self.sensitive,
            "export_at": None if self.export_at_ms is None else time_text(self.export_at_ms),
            "conversations": self.conversations,
            "recordings": len(self.wanted),
            "jobs": [
                {
                    **job.model_dump(mode="json", exclude={"start_ms", "end_ms"}),
                    "interval": f"{time_text(job.start_ms)}/{time_text(job.end_ms)}",
                }
                for job in self.jobs
            ],
            **{name: list(map(_wanted_json, getattr(self, name))) for name in ("wanted", "beside", "cut_short")},
            "skipped": self.skipped,
            "left_out": [one.model_dump() for one in self.left_out],
            "notes": list(self.notes),
            "unsafe": list(self.unsafe),
        }

    def write(self, path: Path) -> None:
        """In the place of an earlier one. Raises OSError."""
        with replaced_file(path) as file:
            file.write(self.model_dump_json().encode())

    @classmethod
    def read(cls, path: Path, checksum: str) -> Self:
        """The plan with this checksum. Raises InvalidInput for any other."""
        try:
            plan = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            plan = None
        if plan is None or plan.checksum != checksum:
            raise InvalidInput(
                "The plan of the unfinished backfill cannot be used",
                cause=f"{path} is not the plan that the ledger names, {checksum}",
                fix="bring the file back, or give the backfill up: opslib archive backfill --abandon",
            )
        return plan


def make_plan(
    candidates: Sequence[Candidate],
    recordings: Mapping[str, Sequence[RecordingMetadata] | None],
    where: Where,
    verification: JSON,
    *,
    now_ms: int,
    sensitive: bool = False,
    export_at_ms: int | None = None,
    failed: Mapping[str, str] | None = None,
) -> BackfillPlan:
    """A plan for those that still were never exported. `recordings` are those that Genesys has of each conversation
    now, None where it has no such conversation; `failed` names the job that could not export a recording."""
    made = _Made(recordings, failed or {}, now_ms)
    for one in candidates:
        made.take(one)
    jobs = tuple(made.jobs())
    recent = sum(now_ms - made.ended[name] < _NOT_SEEN_MS for name in made.wanted)
    notes = [f"{recent:,} of the conversations ended within 48 hours; a job may not find them yet."] if recent else []
    return BackfillPlan(
        where=where,
        verification=verification,
        sensitive=sensitive,
        export_at_ms=export_at_ms,
        jobs=jobs,
        wanted=tuple(_wanted(one) for every in made.wanted.values() for one in every.values()),
        beside=tuple(_wanted(one) for name in made.wanted for one in made.beside(name)),
        skipped=sum(one.dates.exported_at is not None for name in made.wanted for one in recordings[name] or ()),
        left_out=tuple(made.left_out),
        notes=tuple(notes),
        asked_at_ms=now_ms,
    )


def read_never_exported(path: Path, sha256: str) -> list[Candidate]:
    """From the list of reasons that has this hash. Raises InvalidInput for any other."""
    if path.is_file() and file_sha256(path) == sha256:
        columns = [*Candidate.model_fields, "reason"]
        rows = pq.read_table(path, columns=columns, partitioning=None).to_pylist()
        return [
            Candidate(**{name: row[name] for name in Candidate.model_fields})
            for row in rows
            if row["reason"] == NEVER_EXPORTED
        ]
    raise InvalidInput(
        "The list of reasons cannot be used",
        cause=f"{path.name} in the workspace is not the list that the ledger's newest answer names",
        fix="run `opslib archive why` again; nothing was sent",
    )


class _Made:
    """The recordings of a plan by conversation, as candidates are taken."""

    def __init__(
        self, recordings: Mapping[str, Sequence[RecordingMetadata] | None], failed: Mapping[str, str], now_ms: int
    ) -> None:
        self._recordings, self._failed, self._now_ms = recordings, failed, now_ms
        self.wanted: dict[str, dict[str, RecordingMetadata]] = {}
        self.ended: dict[str, int] = {}
        self.left_out: list[LeftOut] = []

    def take(self, one: Candidate) -> None:
        name = canonical(one.conversation_id)
        known = self._recordings.get(name)
        if known is None:
            self._leave(one.recording_id or name, "Genesys has no such conversation any more")
        elif self._now_ms - one.ended_at_ms > _OLDEST_MS:
            self._leave(one.recording_id or name, f"it ended more than {OLDEST_YEARS} years ago; a job needs it by age")
        else:
            asked = one.recording_id and canonical(one.recording_id)
            for recording in known:
                if asked in (None, canonical(recording.id)):
                    self._take(name, one, recording)

    def _take(self, name: str, one: Candidate, recording: RecordingMetadata) -> None:
        if why := _not_now(recording, self._failed.get(canonical(recording.id))):
            if one.recording_id:
                self._leave(recording.id, why)
            return
        self.wanted.setdefault(name, {})[recording.id] = recording
        self.ended[name] = max(one.ended_at_ms, self.ended.get(name, 0))

    def _leave(self, id: str, why: str) -> None:
        self.left_out.append(LeftOut(id=id, why=why))

    def jobs(self) -> Iterator[Job]:
        """In the order in which the conversations ended."""
        part: list[str] = []
        for name in sorted(self.wanted, key=lambda name: (self.ended[name], name)):
            if part and (len(part) == PER_JOB or self.ended[name] - self.ended[part[0]] > _LONGEST_MS):
                yield self._job(part)
                part = []
            part.append(name)
        if part:
            yield self._job(part)

    def _job(self, names: Sequence[str]) -> Job:
        wanted = sum(len(self.wanted[name]) for name in names)
        return Job(
            start_ms=self.ended[names[0]] - _BESIDE_MS,
            end_ms=self.ended[names[-1]] + _BESIDE_MS,
            conversations=tuple(names),
            recordings=wanted + sum(len(self.beside(name)) for name in names),
            screens="Screen" in self._media,
            snippets="Snippet" in self._media,
        )

    def beside(self, name: str) -> list[RecordingMetadata]:
        """What a job takes with the wanted ones of a conversation: all that is not exported, except screens and
        snippets where none of these is wanted."""
        left_out = {"Screen", "Snippet"} - self._media
        return [
            one
            for one in self._recordings[name] or ()
            if one.id not in self.wanted[name] and _exportable(one) and one.media_subtype not in left_out
        ]

    @cached_property
    def _media(self) -> set[str]:
        return {one.media_subtype for every in self.wanted.values() for one in every.values()}


def _exportable(one: RecordingMetadata) -> bool:
    return one.dates.exported_at is None and one.file_state not in ("DELETED", "UPLOADING")


def _not_now(one: RecordingMetadata, failed_in: str | None) -> str:
    """Why a recording that was never exported is not exported by this plan; empty where it is."""
    if one.dates.exported_at is not None:
        return f"it was exported {time_words(moment_ms(one.dates.exported_at))}"
    if one.dates.export_at is not None:
        return f"its export is set for {time_words(moment_ms(one.dates.export_at))}"
    if not _exportable(one):
        return f"Genesys says that it is {one.file_state}"
    return f"job {failed_in} could not export it: read the job's errorMessage" if failed_in else ""


def _wanted(one: RecordingMetadata) -> Wanted:
    delete_at = one.dates.delete_at
    return Wanted(
        recording_id=one.id,
        conversation_id=one.conversation_id,
        delete_at_ms=None if delete_at is None else moment_ms(delete_at),
    )


def _wanted_json(one: Wanted) -> JSON:
    told = one.model_dump(exclude={"delete_at_ms"})
    return {**told, "delete_at": None if one.delete_at_ms is None else time_text(one.delete_at_ms)}
