"""The targets of a ledger in a range of time, and what its page says of all of them together."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from opslib.audit.facts import Facts, of_run
from opslib.audit.portfolio.names import folder_name
from opslib.audit.portfolio.row import SOON_DAYS, Row
from opslib.audit.runs import Runs, Target
from opslib.audit.verify import verify
from opslib.errors import InvalidInput, LedgerError
from opslib.ledger.chain import Verification
from opslib.ledger.database import select
from opslib.ledger.moment import utc_text
from opslib.settings import DEFAULT_EVIDENCE_DAYS
from opslib.verdict import WORST_FIRST, in_words
from opslib.visible import visible_json

# What an entry with a later date keeps from being counted.
_LATER_WALKS = "SELECT 1 FROM entries WHERE kind = 'run.started' AND seq > ? AND at < ? LIMIT 1"


class Chosen(NamedTuple):
    """One target: its walks in the range, oldest first, the last of which counts."""

    target: Target
    name: str
    folder: str
    walks: Sequence[str]
    at: str


@dataclass(frozen=True)
class Source:
    """A ledger that was verified once, for every target. `last_seq` is the last entry that counts, written at `at`:
    from the first entry at or after `until` on, nothing does. `as_of` is the moment that the portfolio speaks of."""

    path: Path
    ledger: Verification
    last_seq: int
    at: str
    since: datetime | None
    until: datetime | None
    as_of: datetime
    own_key: str
    evidence_days: int
    runs: Runs

    def targets(self) -> list[Chosen]:
        """Those with a walk in the range, by name. Raises LedgerError without one."""
        since = utc_text(self.since) if self.since else ""
        walks: dict[Target, list[tuple[str, str]]] = {}
        for run_id, at in self.runs.walks():
            target = self.runs.target(run_id)
            if target and at >= since:
                walks.setdefault(target, []).append((run_id, at))
        if not walks:
            raise LedgerError(
                f"The ledger has no walk {self.range_words()}",
                cause=self._why_none(),
                fix="name another --since or --until; `opslib where` lists the runs. Nothing was written",
            )
        chosen = [_chosen(self.runs, target, found) for target, found in walks.items()]
        return sorted(chosen, key=lambda one: (one.name, one.folder))

    def facts(self, run_id: str) -> Facts:
        """What the ledger says of a run, up to the end of the range."""
        return of_run(
            run_id, self.path, self.last_seq, self.ledger, self.runs, self.own_key,
            as_of=self.as_of, evidence_days=self.evidence_days,
        )  # fmt: skip

    def without_target(self) -> int:
        """How many walks in the range do not say what target they are of."""
        since = utc_text(self.since) if self.since else ""
        return sum(at >= since and self.runs.target(run_id) is None for run_id, at in self.runs.walks())

    def range_words(self) -> str:
        """The range as people read it, to follow a noun."""
        ends = [("since", self.since), ("before", self.until)]
        return " and ".join(f"{word} {_short(at)}" for word, at in ends if at) or "that did something"

    def _why_none(self) -> str:
        walks = [at for _, at in Runs(self.path, sys.maxsize).walks()]
        if not walks:
            return f"{self.path} holds no walk that did something"
        if count := self.without_target():
            return f"{count} walks in this range do not say what target they are of, as an older opslib wrote them"
        return f"its walks began between {min(walks)} and {max(walks)}{self._cut_off()}"

    def _cut_off(self) -> str:
        """Which entry, dated at or after the end of the range, comes before the last walk."""
        if self.until is None or not list(select(self.path, _LATER_WALKS, (self.last_seq, utc_text(self.until)))):
            return ""
        return f", and from entry {self.last_seq + 1} on, which is dated later, none counts: a clock was wrong"


def open_source(
    path: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    own_key: str = "",
    as_of: datetime | None = None,
    evidence_days: int = DEFAULT_EVIDENCE_DAYS,
) -> Source:
    """Verify the ledger in a file and find out what its runs are about. Walks that began in since ≤ time < until count.

    `as_of` is now by default, and never after `until`. Raises InvalidInput where `until` is not after `since`.
    """
    if since and until and until <= since:
        raise InvalidInput(
            "The range has no time in it",
            cause=f"--until {_short(until)} is not after --since {_short(since)}",
            fix="give a later --until: what happened at that moment itself is not in the range",
        )
    verification = verify(path)
    ((last,),) = select(path, "SELECT coalesce(max(seq), 0) FROM entries")
    last_seq = verification.entries if verification.intact else last
    if until:
        ((first,),) = select(path, "SELECT min(seq) FROM entries WHERE at >= ?", (utc_text(until),))
        last_seq = last_seq if first is None else min(last_seq, first - 1)
    at = next((str(at) for (at,) in select(path, "SELECT at FROM entries WHERE seq = ?", (last_seq,))), "")
    moment = min(as_of or datetime.now(UTC), until or datetime.max.replace(tzinfo=UTC))
    runs = Runs(path, last_seq)
    return Source(path, verification, last_seq, at, since, until, moment, own_key, evidence_days, runs)


@dataclass(frozen=True)
class Portfolio:
    """The rows, worst first, and the figures above them."""

    source: Source
    key: str
    rows: Sequence[Row]

    @property
    def counts(self) -> dict[str, int]:
        """How many targets have each verdict, worst first."""
        found = Counter(row.verdict for row in self.rows)
        return {in_words(word): found[word] for word in WORST_FIRST}

    @property
    def exceptions(self) -> dict[str, int]:
        """How many exceptions there are, and which of them somebody has to look at."""
        every = [one for row in self.rows for one in row.exceptions]
        in_force = [one for one in every if one["state"] == "in force"]
        return {
            "count": len(every),
            "expired": sum(one["state"] == "expired" for one in every),
            "ending_soon": sum(one["days_left"] <= SOON_DAYS for one in in_force),
        }

    @property
    def evidence(self) -> dict[str, int]:
        """How many targets have evidence at all, and of how many it is too old."""
        return {
            "limit_days": self.source.evidence_days,
            "with_evidence": sum(row.age_days is not None for row in self.rows),
            "stale": sum(row.is_stale for row in self.rows),
        }

    @property
    def recordings(self) -> dict[str, int]:
        """The recordings of those targets whose archive was verified."""
        seen = [row.recordings for row in self.rows if row.recordings]
        return {
            "targets_measured": len(seen),
            "arrived": sum(one.arrived for one in seen),
            "due": sum(one.due for one in seen),
        }

    @property
    def sandboxes(self) -> int:
        return sum(row.target.environment == "sandbox" for row in self.rows)

    def as_json(self) -> str:
        """portfolio.json; docs/audit.md names its keys."""
        source = self.source
        document = {
            "as_of": source.as_of.astimezone(UTC).date().isoformat(),
            "since": utc_text(source.since) if source.since else None,
            "until": utc_text(source.until) if source.until else None,
            "ledger": {**source.ledger.as_json(), "last_entry_used": source.last_seq},
            "signed_by": self.key,
            "verdict_counts": self.counts,
            "exceptions": self.exceptions,
            "evidence": self.evidence,
            "recordings": self.recordings,
            "sandboxes": self.sandboxes,
            "walks_without_target": source.without_target(),
            "targets": [row.as_json() for row in self.rows],
        }
        return visible_json(document, indent=2, sort_keys=True) + "\n"


def _short(at: datetime) -> str:
    """A midnight in UTC by its day."""
    return utc_text(at).removesuffix("T00:00:00.000Z")


def _chosen(runs: Runs, target: Target, walks: Sequence[tuple[str, str]]) -> Chosen:
    last, at = walks[-1]
    name = runs.name(last)
    return Chosen(target, name, folder_name(target, name), [run_id for run_id, _ in walks], at)
