"""What the ledger says about one run. Nothing here asks Genesys, AWS or the clock, and nothing holds all entries."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, TypeVar

from opslib.audit import actors
from opslib.audit import looks as bucket_looks
from opslib.audit.actors import Actor, Actors
from opslib.audit.call_statistics import NOT_THERE, CallStatistics
from opslib.audit.runs import Runs, Scope
from opslib.audit.verify import verify
from opslib.errors import LedgerError
from opslib.ledger.chain import Entry, Verification
from opslib.ledger.database import FILE_NAME, select
from opslib.router.journal import APPROVAL, INTENT, KINDS, ROLLBACK, STARTED, Progress, applies
from opslib.settings import DEFAULT_EVIDENCE_DAYS
from opslib.suggestion import did_you_mean

T = TypeVar("T")

# The report lists at most this many problems; samples.csv has all attempts.
PROBLEMS_SHOWN = 100

_COLUMNS = "SELECT seq, run_id, kind, at, body, hash FROM entries"
# Every kind there is, one by one: the index of a run's entries begins with their kind. `+seq` keeps SQLite from reading
# all entries in order instead.
_EVERY_KIND = (
    "kind IN (WITH RECURSIVE every(kind) AS (SELECT min(kind) FROM entries UNION ALL SELECT (SELECT min(kind) FROM"
    " entries WHERE kind > every.kind) FROM every WHERE every.kind IS NOT NULL) SELECT kind FROM every)"
)
_STEP_KINDS = ("step.started", "step.done", "step.failed", "step.unknown", "step.cancelled", "step.crashed")
# The steps that write what is wanted to an org.
_WRITING = ("apply", "resume", "accept")
_FAILED = (
    "run_id = ? AND +seq <= ? AND kind IN ('step.failed', 'sample') AND (kind = 'step.failed' OR kind = 'sample'"
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
    end, even if a later run finished or undid them; `all_applies` those of every run. `runs` says what each run of the
    ledger is about, and `scope` which of them have something to say about this one: “every run” means these. `as_of`
    is the moment that the report speaks of, by default that of the ledger's last entry; `evidence_days` how old
    evidence may be then.
    """

    path: Path
    run_id: str
    last_seq: int
    ledger: Verification
    runs: Runs
    scope: Scope
    applies: Sequence[Progress] = ()
    own_key: str | None = None
    all_applies: Sequence[Progress] = ()
    as_of: datetime | None = None
    evidence_days: int = DEFAULT_EVIDENCE_DAYS

    def entries(self, *kinds: str, run_id: str = "") -> Iterator[Entry]:
        """The entries of some kinds, of this run or another one, in order, one at a time."""
        return _entries(self.path, kinds, "run_id = ? AND +seq <= ?", run_id or self.run_id, self.last_seq)

    def everywhere(self, *kinds: str) -> Iterator[Entry]:
        """The same of every run of this org that is about the same objects."""
        return _of_runs(self.path, kinds, self.scope.org, self.last_seq)

    def of_the_bucket(self, *kinds: str) -> Iterator[Entry]:
        """The same of every run that is about the same bucket, whatever org it is of."""
        return _of_runs(self.path, kinds, self.scope.bucket, self.last_seq)

    def actor(self, entry: Entry) -> Actor:
        """Whose deed an entry is."""
        return self._actors.of(entry)

    @cached_property
    def _actors(self) -> Actors:
        return Actors(_of_runs(self.path, actors.KINDS, self.scope.all, self.last_seq))

    def last_entry(self, actor: Actor, run_id: str, before: int) -> tuple[int, str]:
        """Number and time of the last entry that an actor wrote in a run, of those before one. Older ledgers do not
        name the actor in each entry."""
        query = (
            f"SELECT max(seq), at FROM entries WHERE {_EVERY_KIND} AND run_id = ? AND +seq BETWEEN ? AND ?"  # noqa: S608
            " AND kind <> 'actor'"
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
        query = f"SELECT count(*), max(seq), at FROM entries WHERE {_EVERY_KIND} AND run_id = ? AND +seq <= ?"  # noqa: S608
        ((count, _, at),) = select(self.path, query, (self.run_id, self.last_seq))
        return count, at

    def last_end(self, step: str) -> Entry | None:
        """The last end of a step. Where it was begun again and its end is not recorded, that beginning; None when it
        never ran."""
        own = [entry for entry in self.steps() if entry.data["step"] == step]
        return own[-1] if own else None

    def connected(self) -> dict[str, Any]:
        """What the org said when the run last connected to it; empty when it never did."""
        end = self.last_end("connect")
        return (end.data.get("data") or {}) if end else {}

    def steps(self, run_id: str = "") -> Iterator[Entry]:
        """Beginnings and ends of steps, of this run or another one, in order."""
        return self.entries(*_STEP_KINDS, run_id=run_id)

    def of_the_org(self, kind: str) -> Iterator[Entry]:
        """Entries of a kind since this run began, also those of later runs."""
        return (entry for entry in self.everywhere(kind) if entry.seq >= self.started.seq)

    def moment(self) -> datetime:
        """The moment that the report speaks of."""
        if self.as_of:
            return self.as_of
        ((at,),) = select(self.path, "SELECT at FROM entries WHERE seq = ?", (self.last_seq,))
        return datetime.fromisoformat(at)

    def times(self) -> Iterator[tuple[int, str]]:
        """Number and time of each entry since this run began, of every run."""
        where = f"{_EVERY_KIND} AND {_IN} AND +seq BETWEEN ? AND ?"
        query = f"SELECT seq, at FROM entries WHERE {where} ORDER BY seq"  # noqa: S608 (constants of this file)
        values = (_listed(self.scope.all), self.started.seq, self.last_seq)
        return ((int(seq), str(at)) for seq, at in select(self.path, query, values))

    @cached_property
    def given(self) -> dict[str, Any]:
        """What the user had chosen when the last apply of the run began, else its last step: org, onboarding, consent;
        empty in a ledger without."""
        begun = [entry for entry in self.entries("step.started") if entry.data.get("given")]
        applying = [entry for entry in begun if entry.data["step"] == "apply"]
        applied = [entry for entry in applying if entry.seq < int(self.applies[-1].id)] if self.applies else applying
        return next((dict(entry.data["given"]) for entry in reversed(applied or begun)), {})

    @property
    def wanted(self) -> dict[str, Any]:
        """The onboarding among these choices."""
        return self.given.get("onboarding") or {}

    @cached_property
    def wanted_of_runs(self) -> dict[str, dict[str, Any]]:
        """The onboarding that each run was for when it last began to apply."""
        begun = [entry for entry in self.everywhere("step.started") if entry.data["step"] == "apply"]
        return {entry.run_id: (entry.data.get("given") or {}).get("onboarding") or {} for entry in begun}

    @cached_property
    def looks(self) -> list[bucket_looks.Look]:
        """Every look at the bucket, of this run and the later ones, oldest first."""
        bucket = str((self.wanted.get("target") or {}).get("bucket", ""))
        return bucket_looks.looks(self.of_the_bucket(*bucket_looks.KINDS), self.run_id, bucket)

    def last_apply_begun(self) -> int | None:
        """The entry with which the step began that last wrote to this org: an apply, or one that finished it. None
        where there was none, or the ledger does not say."""
        own = {apply.plan.where for apply in self.applies}
        writes = [apply for apply in self.all_applies if any(change.after for change in apply.plan.changes)]
        last = [apply for apply in writes if apply.plan.where in own][-1:]
        begun: dict[str, int] = {}
        wrote: int | None = None
        for entry in self.everywhere("step.started", STARTED, INTENT, ROLLBACK) if last else ():
            if entry.kind == "step.started":
                begun |= {entry.run_id: entry.seq} if entry.data["step"] in _WRITING else {}
            elif str(entry.seq) == last[0].id or entry.data.get("apply") == last[0].id:
                if entry.kind == ROLLBACK:  # what follows takes it back
                    break
                wrote = begun.get(entry.run_id, wrote)
        return wrote

    def clock_skews(self) -> list[tuple[int, float]]:
        """How far the org's clock was ahead of ours (s), by each answer of the run's own org since it began, with its
        entry."""
        ends = [
            (entry, entry.data.get("data") or {})
            for entry in self.everywhere("step.done")
            if entry.seq > self.started.seq and entry.data["step"] == "connect"
        ]
        own = {data.get("api_url") for entry, data in ends if entry.run_id == self.run_id}
        doctors = [(entry.seq, data.get("doctor") or {}) for entry, data in ends if data.get("api_url") in own]
        return [(seq, doctor["clock_skew_s"]) for seq, doctor in doctors if doctor.get("clock_skew_s") is not None]

    def findings(self) -> list[dict[str, Any]]:
        """The newest answer to each check of the bucket, also those not checked; none where the last look came to
        nothing."""
        report = self.bucket_report() or {}
        return [*report.get("findings", ()), *report.get("not_checked", ())]

    def bucket_report(self) -> dict[str, Any] | None:
        """What all looks at the bucket found together, as `opslib.validator.bucket.Report.as_json` says it."""
        return bucket_looks.together(self.looks, self.wanted)

    def approvals(self, apply: Progress) -> list[Entry]:
        """The approvals of just its plan that were given before an apply, oldest first, also those of earlier runs.

        One of an earlier run is used up once another apply of that plan has ended well.
        """
        ended_well = [
            int(other.id)
            for other in self.all_applies
            if other.run_id != self.run_id
            and other.checksum == apply.checksum
            and other.ended == "done"
            and int(other.id) < int(apply.id)
        ]
        used_up = max(ended_well, default=0)
        return [
            entry
            for entry in self.everywhere(APPROVAL)
            if entry.seq < int(apply.id)
            and entry.data["checksum"] == apply.checksum
            and (entry.run_id == self.run_id or entry.seq > used_up)
        ]

    def approval(self, apply: Progress) -> Entry | None:
        """The approval that an apply rests on: the last one of its own run, else of an earlier run."""
        given = self.approvals(apply)
        own = [entry for entry in given if entry.run_id == self.run_id]
        return next(reversed(own or given), None)

    def consents_on_the_way(self, apply: Progress) -> list[Entry]:
        """What was agreed to after an apply had begun, by whoever finished it."""
        return [
            entry
            for entry in self.everywhere(APPROVAL)
            if entry.data["checksum"] == apply.checksum
            and int(apply.id) < entry.seq
            and (not apply.ended or entry.seq < apply.last_seq)
        ]

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


def once(ask: Callable[[Facts], T]) -> Callable[[Facts], T]:
    """What several sections ask of the same facts is worked out once: a large ledger is read from end to end for it."""

    @wraps(ask)
    def asked(facts: Facts) -> T:
        known: dict[Any, T] = facts.__dict__.setdefault("_known", {})
        if ask not in known:
            known[ask] = ask(facts)
        return known[ask]

    return asked


def load(
    ledger: Path,
    run_id: str | None = None,
    own_key: str | None = None,
    *,
    as_of: datetime | None = None,
    evidence_days: int = DEFAULT_EVIDENCE_DAYS,
) -> Facts:
    """The facts of a run, by default the last walk. Reads only. Raises LedgerError when there is no such run.

    `own_key`, `as_of` and `evidence_days` as in Facts.
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
    runs = Runs(path, last_seq)
    chosen = run_id or ([id for id, _ in runs.walks()] or walks)[-1]
    return of_run(chosen, path, last_seq, verification, runs, own_key, as_of=as_of, evidence_days=evidence_days)


def another(facts: Facts, run_id: str) -> Facts:
    """The facts of another run in the same ledger, an earlier one as it was known when this one began.

    Raises LedgerError when there is none.
    """
    rest = (facts.ledger, facts.runs, facts.own_key)
    other = of_run(run_id, facts.path, facts.last_seq, *rest, evidence_days=facts.evidence_days)
    if other.started.seq < facts.started.seq:
        return of_run(run_id, facts.path, facts.started.seq - 1, *rest, evidence_days=facts.evidence_days)
    return other


def of_run(
    run_id: str,
    path: Path,
    last_seq: int,
    ledger: Verification,
    runs: Runs,
    own_key: str | None = None,
    *,
    as_of: datetime | None = None,
    evidence_days: int = DEFAULT_EVIDENCE_DAYS,
) -> Facts:
    """The facts of a run in a ledger that was verified; the arguments as in Facts. Raises LedgerError when there is no
    such run."""
    scope = runs.scope(run_id)
    every = applies(_of_runs(path, KINDS, scope.org, last_seq))
    own = [apply for apply in every if apply.run_id == run_id]
    facts = Facts(path, run_id, last_seq, ledger, runs, scope, own, own_key, every, as_of, evidence_days)
    if not any(facts.entries("run.started")):
        walks = walks_before(path, last_seq)
        known = ", ".join(walks[-3:]) or "none"
        raise LedgerError(
            f"There is no such run: {run_id}",
            cause=f"the last walks in {path} are {known}.{did_you_mean(run_id, walks)}".rstrip("."),
            fix="name one of these; `opslib where` lists the runs",
        )
    return facts


def walks_before(path: Path, last_seq: int) -> list[str]:
    """The runs that are walks, oldest first, of those that began no later than an entry."""
    query = "SELECT run_id, body FROM entries WHERE kind = 'run.started' AND seq <= ? ORDER BY seq"
    return [run_id for run_id, body in select(path, query, (last_seq,)) if json.loads(body)["command"] == "walk"]


_IN = "run_id IN (SELECT value FROM json_each(?))"


def _listed(runs: Collection[str]) -> str:
    return json.dumps(sorted(runs))


def _of_runs(path: Path, kinds: Collection[str], runs: Collection[str], last_seq: int) -> Iterator[Entry]:
    return _entries(path, kinds, f"{_IN} AND +seq <= ?", _listed(runs), last_seq)


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
