"""Whether recordings arrive, and why not: the newest verification of the archive in the run's bucket that the ledger
holds, the newest answer to why its recordings are missing, and what was exported since."""

from dataclasses import dataclass, replace
from typing import Any, cast

from opslib.audit.facts import Facts
from opslib.ledger.archive import BACKFILL, BACKFILL_ENDED, EXPLAINED, VERIFIED
from opslib.ledger.chain import Entry
from opslib.verdict import Verdict

JSON = dict[str, Any]


@dataclass(frozen=True)
class Verified:
    """One verification. `answer` is what `opslib archive verify --json` prints, `expected` says by which list it was
    judged, and `source` how the bucket was read. `why` is what `opslib archive why --json` prints, with the first rows
    of each list; None where no org was asked."""

    entry: int
    at: str
    run_id: str
    place: str
    source: str
    expected: JSON
    answer: JSON
    why: JSON | None = None
    why_entry: int | None = None

    @property
    def verdict(self) -> Verdict:
        return cast(Verdict, self.answer["verdict"])

    @property
    def summary(self) -> str:
        """How many of the expected recordings arrived, and what is wrong with them."""
        counts = self.answer["counts"]
        due = counts["arrived"] + counts["missing"]
        said = [f"{counts['arrived']:,} of {due:,} recordings that were due arrived"]
        said += [f"{counts[name]:,} {words}" for name, words in _WRONG.items() if counts[name]]
        return ", ".join(said)


_WRONG = {
    "missing": "missing",
    "at_risk": "of these at risk",
    "empty": "empty",
    "late": "late",
    "duplicate": "with several objects",
    "without_sidecar": "without a sidecar",
    "malformed_keys": "foreign keys",
}


def last_verified(facts: Facts) -> Verified | None:
    """Of all runs since this one began; None where nobody has verified the archive of its bucket since."""
    bucket = (facts.bucket_report() or {}).get("bucket") or _target(facts).get("bucket")
    found = [entry for entry in facts.of_the_bucket(VERIFIED) if entry.seq > facts.started.seq]
    own = [entry for entry in found if entry.data["bucket"] == bucket]
    return _verified(own[-1], facts) if own else None


@dataclass(frozen=True)
class Exported:
    """One backfill: what was approved, by whom, and how it ended, in words."""

    entry: int
    at: str
    by: str
    what: str
    outcome: str


def backfills(facts: Facts, verified: Verified) -> list[Exported]:
    """Those to the bucket of this verification since the run began, oldest first."""
    ended = {entry.data["backfill"]: entry.data for entry in facts.everywhere(BACKFILL_ENDED)}
    bucket = verified.place.removeprefix("s3://").partition("/")[0]
    return [
        Exported(entry.seq, entry.at, str(facts.actor(entry)), _what(entry.data), _outcome(ended.get(entry.seq)))
        for entry in facts.everywhere(BACKFILL)
        if entry.seq > facts.started.seq and entry.data["where"]["bucket"] == bucket
    ]


def _what(approved: JSON) -> str:
    count, when = approved["recordings"], approved["export_at"] or "at once"
    words = f"{count:,} never exported, {when}"
    return f"{words}, with sensitive data ({approved['reason']})" if approved["sensitive"] else words


def _outcome(ended: JSON | None) -> str:
    if ended is None:
        return "unfinished"
    counts = f"export dates set for {ended['processed']:,}, {ended['failed']:,} failed"
    return f"given up; {counts}" if ended["outcome"] == "abandoned" else counts


def _verified(entry: Entry, facts: Facts) -> Verified:
    data = entry.data
    place = f"s3://{data['bucket']}/{data['prefix']}"
    verified = Verified(entry.seq, entry.at, entry.run_id, place, data["source"], data["expected"], data["answer"])
    told = [one for one in facts.of_the_bucket(EXPLAINED) if one.data["answer"]["verification"]["entry"] == entry.seq]
    return replace(verified, why=told[-1].data["answer"], why_entry=told[-1].seq) if told else verified


def _target(facts: Facts) -> JSON:
    target: JSON = (facts.given.get("onboarding") or {}).get("target") or {}
    return target
