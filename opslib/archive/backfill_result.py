"""What came of a backfill: each of its jobs as Genesys ended it, and the recordings that could not be exported."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from opslib.genesys.recording_jobs import FULFILLED, READY, RecordingJob

AFTERWARDS: Final = "A job sets export dates. Whether the recordings arrived, the next `opslib archive verify` tells."


NOT_FOUND: Final = (
    "a job leaves out recordings with sensitive data, unless they are asked for, and what it does not find yet"
)


@dataclass(frozen=True)
class FailedRecording:
    """`conversation_id` is empty where Genesys does not say it."""

    conversation_id: str
    recording_id: str


@dataclass(frozen=True)
class EndedJob:
    """One job as it ended. Where it found nothing to export, it stays READY, and nothing was carried out."""

    number: int
    id: str
    state: str
    recordings: int
    skipped: int
    processed: int
    error: str
    failed: Sequence[FailedRecording] = ()

    @classmethod
    def of(cls, number: int, job: RecordingJob, failed: Sequence[FailedRecording]) -> "EndedJob":
        return cls(number, job.id, job.state, job.recordings, job.skipped, job.processed, job.error, tuple(failed))

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "EndedJob":
        return cls(**{**told, "failed": tuple(FailedRecording(**one) for one in told["failed"])})

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "failed": [asdict(one) for one in self.failed]}

    @property
    def fulfilled(self) -> bool:
        return self.state in (FULFILLED, READY) and not self.failed

    @property
    def words(self) -> str:
        if self.state == READY:
            return f"found nothing to export, {self.skipped:,} skipped"
        error = f": {self.error}" if self.error else ""
        counts = f"{self.processed:,} of {self.recordings:,} recordings, {len(self.failed):,} failed"
        return f"{self.state}{error}, {counts}, {self.skipped:,} skipped"


@dataclass(frozen=True)
class Backfilled:
    """A backfill that ended. `entry`: of its approval in the ledger; `planned`: how many recordings that was for."""

    entry: int
    checksum: str
    planned: int
    jobs: Sequence[EndedJob]

    @property
    def failed(self) -> list[FailedRecording]:
        return [one for job in self.jobs for one in job.failed]

    @property
    def processed(self) -> int:
        return sum(job.processed for job in self.jobs)

    @property
    def not_found(self) -> int:
        """How many recordings no job took up, of those planned."""
        return max(0, self.planned - sum(job.recordings for job in self.jobs))

    @property
    def fulfilled(self) -> bool:
        """Whether no job failed, in whole or for a recording."""
        return all(job.fulfilled for job in self.jobs)

    def as_json(self) -> dict[str, Any]:
        """{entry, checksum, fulfilled, planned, processed, not_found, jobs, next}."""
        return {
            "entry": self.entry,
            "checksum": self.checksum,
            "fulfilled": self.fulfilled,
            "planned": self.planned,
            "processed": self.processed,
            "not_found": self.not_found,
            "jobs": [job.as_json() for job in self.jobs],
            "next": AFTERWARDS,
        }
