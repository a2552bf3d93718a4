"""What the ledger says about one run. Nothing here asks Genesys, AWS or the clock, and nothing holds all entries."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from opslib.audit import actors
from opslib.audit.actors import Actor, Actors
from opslib.audit.call_statistics import NOT_THERE, CallStatistics
from opslib.audit.verify import verify
from opslib.errors import LedgerError
from opslib.ledger.chain import Entry, Verification
from opslib.ledger.database import FILE_NAME, select
from opslib.router.journal import APPROVAL, KINDS, Progress, applies

# The report lists at most this many problems; samples.csv has all attempts.
PROBLEMS_SHOWN = 100

_COLUMNS = "SELECT seq, run_id, kind, at, body, hash FROM entries"
_STEP_KINDS = ("step.started", "step.done", "step.failed", "step.unknown", "step.cancelled", "step.crashed")
_FAILED = (
    "run_id = ? AND seq <= ? AND (kind = 'step.failed' OR kind = 'sample'"
    f" AND json_extract(body, '$.outcome') <> 'success' AND NOT {NOT_THERE})"
)


@dataclass(frozen=True)
class Problem:
    """Something that went wrong: an attempt that failed, or a step's error."""

    entry: int
    at: str
    where: str
    what: str
    cause: str
    correlation_id: str


@dataclass(frozen=True)
class Facts:
    """One run, up to the entry `last_seq` of the ledger in the file `path`.

    `ledger` is the result of verifying the whole chain. `own_key` is the public key of whoever makes the report: empty
    if they have none, None if it does not matter whose the ledger is. `applies` are those that this run began, to their
    end, even if a later run finished or undid them; `others` are those of other runs.
    """

    path: Path
    run_id: str
    last_seq: int
    ledger: Verification
    applies: Sequence[Progress] = ()
    own_key: str | None = None
    others: Sequence[Progress] = ()

    def entries(self, *kinds: str, run_id: str = "") -> Iterator[Entry]:
        """The entries of some kinds, of this run or another one, in order, one at a time."""
        return _entries(self.path, kinds, "run_id = ? AND seq <= ?", run_id or self.run_id, self.last_seq)

    def of_all_runs(self, *kinds: str) -> Iterator[Entry]:
        """The same of every run in the ledger."""
        return _entries(self.path, kinds, "seq <= ?", self.last_seq)

    def actor(self, entry: Entry) -> Actor:
        """Whose deed an entry is."""
        return self._actors.of(entry)

    @cached_property
    def _actors(self) -> Actors:
        return Actors(self.of_all_runs(*actors.KINDS))

    def last_entry(self, actor: Actor, run_id: str, before: int) -> tuple[int, str]:
        """Number and time of the last entry that an actor wrote in a run, of those before one. Older ledgers do not
        name the actor in each entry."""
        query = (
            "SELECT max(seq), at FROM entries WHERE run_id = ? AND seq BETWEEN ? AND ? AND kind <> 'actor'"
            " AND coalesce(json_extract(body, '$.actor'), ?) = ?"
        )
        last = min(before - 1, self.last_seq)
        ((seq, at),) = select(self.path, query, (run_id, actor.entry, last, actor.entry, actor.entry))
        return seq, at

    @property
    def call_statistics(self) -> CallStatistics:
        return CallStatistics(self.path, self.run_id, self.last_seq)

    @property
    def started(self) -> Entry:
        """The entry that says who, when and with what."""
        return next(self.entries("run.started"))

    def extent(self) -> tuple[int, str]:
        """How many entries the run has, and when the last one was written (UTC)."""
        query = "SELECT count(*), max(seq), at FROM entries WHERE run_id = ? AND seq <= ?"
        ((count, _, at),) = select(self.path, query, (self.run_id, self.last_seq))
        return count, at

    def last_end(self, step: str) -> Entry | None:
        """The last end of a step. Where it was begun again and its end is not recorded, that beginning; None when it
        never ran."""
        own = [entry for entry in self.steps() if entry.data["step"] == step]
        return own[-1] if own else None

    def steps(self, run_id: str = "") -> Iterator[Entry]:
        """Beginnings and ends of steps, of this run or another one, in order."""
        return self.entries(*_STEP_KINDS, run_id=run_id)

    def of_the_org(self, kind: str) -> Iterator[Entry]:
        """Entries of a kind since this run began, also those of later runs."""
        return _entries(self.path, [kind], "seq BETWEEN ? AND ?", self.started.seq, self.last_seq)

    def findings(self) -> list[dict[str, Any]]:
        """The findings of the last look at the bucket, also those not checked; none when it never came to an end."""
        report = self.bucket_report() or {}
        return [*report.get("findings", ()), *report.get("not_checked", ())]

    def bucket_report(self) -> dict[str, Any] | None:
        """What the last look at the bucket found, see `opslib.validator.bucket.Report.as_json`."""
        end = self.last_end("validate_bucket")
        report = (end.data.get("data") or {}) if end else {}
        return report if "findings" in report else None

    def approvals(self, apply: Progress) -> list[Entry]:
        """The approvals of just its plan that were given before an apply, oldest first, also those of earlier runs.

        One of an earlier run is used up once another apply of that plan has ended well.
        """
        ended_well = [
            int(other.id)
            for other in self.others
            if other.checksum == apply.checksum and other.ended == "done" and int(other.id) < int(apply.id)
        ]
        used_up = max(ended_well, default=0)
        return [
            entry
            for entry in self.of_all_runs(APPROVAL)
            if entry.seq < int(apply.id)
            and entry.data["checksum"] == apply.checksum
            and (entry.run_id == self.run_id or entry.seq > used_up)
        ]

    def approval(self, apply: Progress) -> Entry | None:
        """The approval that an apply rests on: the last one of its own run, else of an earlier run."""
        given = self.approvals(apply)
        own = [entry for entry in given if entry.run_id == self.run_id]
        return next(reversed(own or given), None)

    def problems(self) -> list[Problem]:
        """The first PROBLEMS_SHOWN failed attempts, retried or not, and errors of steps. The answer that there is no
        such object is not a problem, unless a write got it."""
        query = f"{_COLUMNS} WHERE {_FAILED} ORDER BY seq LIMIT ?"
        rows = select(self.path, query, (self.run_id, self.last_seq, PROBLEMS_SHOWN))
        return [_problem(Entry(*row)) for row in rows]

    def problem_count(self) -> int:
        """How many there are in all."""
        query = f"SELECT count(*) FROM entries WHERE {_FAILED}"  # noqa: S608 (a constant of this file)
        ((count,),) = select(self.path, query, (self.run_id, self.last_seq))
        return int(count)


def load(ledger: Path, run_id: str | None = None, own_key: str | None = None) -> Facts:
    """The facts of a run, by default the last walk. Reads only. Raises LedgerError when there is no such run.

    `own_key` as in Facts.
    """
    path = ledger / FILE_NAME if ledger.is_dir() else ledger
    verification = verify(path)
    ((last,),) = select(path, "SELECT coalesce(max(seq), 0) FROM entries")
    # What is written from here on was not verified, and is not part of this report.
    last_seq = verification.entries if verification.intact else last
    walks = walks_before(path, last_seq)
    if run_id is None and not walks:
        raise LedgerError(
            "The ledger holds no walk yet", cause=f"{ledger} has none", fix="run notebook 01 or `opslib onboard FILE`"
        )
    return _of_run(path, run_id or walks[-1], last_seq, verification, own_key)


def another(facts: Facts, run_id: str) -> Facts:
    """The facts of another run in the same ledger, as it was verified. Raises LedgerError when there is none."""
    return _of_run(facts.path, run_id, facts.last_seq, facts.ledger, facts.own_key)


def _of_run(path: Path, run_id: str, last_seq: int, ledger: Verification, own_key: str | None) -> Facts:
    own, others = _applies(path, run_id, last_seq)
    facts = Facts(path, run_id, last_seq, ledger, own, own_key, others)
    if not any(facts.entries("run.started")):
        known = ", ".join(walks_before(path, last_seq)[-3:]) or "none"
        raise LedgerError(
            f"There is no such run: {run_id}", cause=f"the last walks in {path} are {known}", fix="name one of these"
        )
    return facts


def walks_before(path: Path, last_seq: int) -> list[str]:
    """The runs that are walks, oldest first, of those that began no later than an entry."""
    query = "SELECT run_id, body FROM entries WHERE kind = 'run.started' AND seq <= ? ORDER BY seq"
    return [run_id for run_id, body in select(path, query, (last_seq,)) if json.loads(body)["command"] == "walk"]


def _applies(path: Path, run_id: str, last_seq: int) -> tuple[list[Progress], list[Progress]]:
    """Those that the run began, and those of others; what a later run did to finish or undo one is in it."""
    every = applies(_entries(path, KINDS, "seq <= ?", last_seq))
    return [apply for apply in every if apply.run_id == run_id], [apply for apply in every if apply.run_id != run_id]


def _entries(path: Path, kinds: Collection[str], where: str, *values: object) -> Iterator[Entry]:
    query = f"{_COLUMNS} WHERE kind IN ({', '.join('?' * len(kinds))}) AND {where} ORDER BY seq"
    return (Entry(*row) for row in select(path, query, (*kinds, *values)))


def _problem(entry: Entry) -> Problem:
    data: dict[str, Any] = entry.data
    if entry.kind == "sample":
        what = f"attempt {data['attempt']}: {data['outcome'].replace('_', ' ')}"
        cause = f"HTTP {data['status']}" if data["status"] else "no answer"
        return Problem(entry.seq, entry.at, data["operation"], what, cause, data["correlation_id"] or "")
    error = data["error"]
    return Problem(entry.seq, entry.at, data["step"], error["title"], error["cause"], error["correlation_id"] or "")
