"""How far a backfill is, by the ledger: which jobs were sent, made and ended. A new process goes on from there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from opslib.archive.backfill_result import Backfilled, EndedJob
from opslib.archive.ids import canonical
from opslib.genesys.recording_jobs import RecordingJob
from opslib.ledger.archive import BACKFILL, BACKFILL_ENDED, BACKFILL_JOB
from opslib.ledger.chain import Entry
from opslib.ledger.ledger import Ledger, Run
from opslib.ledger.moment import parse_moment

JSON = dict[str, Any]


@dataclass(frozen=True)
class Noted:
    """One job: sent at `sent`, to export at `at` (both as text). `id` is empty while no answer is known; `more` are the
    counts (recordings, conversations) for which it was stopped."""

    at: str
    sent: str
    id: str = ""
    more: tuple[int, int] | None = None
    accepted: bool = False
    ended: EndedJob | None = None

    @property
    def since(self) -> datetime:
        return parse_moment(self.sent)


@dataclass
class Backfill:
    """One approved backfill, and its jobs by their place in the plan."""

    approved: Entry
    jobs: dict[int, Noted] = field(default_factory=dict)

    @property
    def checksum(self) -> str:
        return str(self.approved.data["checksum"])

    @property
    def left(self) -> int:
        """How many of its jobs have not ended."""
        return int(self.approved.data["jobs"]) - sum(one.ended is not None for one in self.jobs.values())

    def done(self) -> Backfilled:
        ended = [one.ended for _, one in sorted(self.jobs.items()) if one.ended]
        planned = self.approved.data["recordings"] + self.approved.data["beside"]
        return Backfilled(self.approved.seq, self.checksum, planned, ended)

    def note(self, run: Run, number: int, did: str, **data: Any) -> None:
        """Note what was done with a job, durably, and follow it."""
        self.follow(run.append(BACKFILL_JOB, {"backfill": self.approved.seq, "job": number, "did": did, **data}))

    def follow(self, entry: Entry) -> None:
        data = entry.data
        number, did = data["job"], data["did"]
        if did == "sent":
            self.jobs[number] = Noted(data["at"], entry.at)
        elif did == "made":
            self.jobs[number] = replace(self.jobs[number], id=data["id"])
        elif did == "stopped":
            counts = data["recordings"], data["conversations"]
            self.jobs[number] = replace(self.jobs[number], more=counts, accepted=False)
        elif did == "accepted":
            self.jobs[number] = replace(self.jobs[number], accepted=True)
        elif did == "ended":
            self.jobs[number] = replace(self.jobs[number], ended=EndedJob.from_json(data["ended"]))

    def may_carry_out(self, number: int, job: RecordingJob) -> bool:
        """Whether just these counts were accepted, though they exceed the plan's."""
        noted = self.jobs[number]
        return noted.accepted and noted.more == (job.recordings, job.conversations)


def unfinished_backfill(ledger: Ledger, api: str) -> Backfill | None:
    """The one that was begun in this org and has not ended. Raises LedgerError."""
    backfills: dict[int, Backfill] = {}
    for entry in ledger.proved_entries(BACKFILL, BACKFILL_JOB, BACKFILL_ENDED):
        if entry.kind == BACKFILL:
            if entry.data["where"]["api"] == api:
                backfills[entry.seq] = Backfill(entry)
        elif (number := entry.data["backfill"]) in backfills:
            if entry.kind == BACKFILL_ENDED:
                del backfills[number]
            else:
                backfills[number].follow(entry)
    return next(iter(backfills.values()), None)


def failed_since(ledger: Ledger, seq: int) -> Mapping[str, str]:
    """The job that could not export a recording, by its id: of the backfills after an entry."""
    found: dict[str, str] = {}
    for entry in ledger.proved_entries(BACKFILL_JOB):
        if entry.seq > seq and entry.data["did"] == "ended":
            ended = EndedJob.from_json(entry.data["ended"])
            found |= {canonical(one.recording_id): ended.id for one in ended.failed}
    return found
