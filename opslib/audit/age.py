"""How old the evidence is, and whether it is too old to show anything.

Evidence is stale when it is older than a setting allows, when it is older than the change that it should protect, or
when it claims to come from the future.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opslib.audit import reads
from opslib.audit.facts import Facts

# How far two clocks, or two processes, may be apart.
_AHEAD = timedelta(minutes=1)


@dataclass(frozen=True)
class Evidence:
    """What was read, and when. `entry` is its number in the ledger."""

    what: str
    at: str
    entry: int


def evidence(facts: Facts) -> Sequence[Evidence]:
    """The newest look at each of what a verdict rests on: the bucket, and the org."""
    org = reads.last_read(facts)
    return [*_of_the_bucket(facts), *([Evidence("org", org.at, org.seq)] if org else [])]


def _of_the_bucket(facts: Facts) -> list[Evidence]:
    """The look that counts, and each other one that an answer still rests on."""
    report = facts.bucket_report()
    if report is None:
        return []
    rested_on = {report["entry"], *(row["entry"] for row in report["findings"])}
    return [
        Evidence(
            "bucket" if look.seq == report["entry"] else "part of the bucket", look.report.get("at", look.at), look.seq
        )
        for look in facts.looks
        if look.seq in rested_on
    ]


def oldest(facts: Facts) -> Evidence | None:
    return min(evidence(facts), key=lambda one: datetime.fromisoformat(one.at), default=None)


def age_days(facts: Facts, at: str) -> int:
    """Whole days from then until the moment that the report speaks of."""
    return (facts.moment() - datetime.fromisoformat(at)).days


def too_old(facts: Facts, at: str) -> str:
    """Why what was read then shows nothing any more; empty when it does."""
    then, now = datetime.fromisoformat(at), facts.moment()
    if then - now > _AHEAD:
        return f"it is dated {at}, which is later than this report: a clock is or was wrong"
    if now - then > timedelta(days=facts.evidence_days):
        return f"it was read {at}, more than {facts.evidence_days} days before this report; read it again (--recheck)"
    return ""


def too_early(facts: Facts, entry: int) -> str:
    """Why a look at the bucket does not protect the change that followed it; empty when it does."""
    begun = facts.last_apply_begun()
    if begun is None or entry > begun:
        return ""
    return f"entry {entry} is from before the apply that entry {begun} begins, which did not look again"
