"""What the portfolio says of one target. The page and portfolio.json have the same facts, as both are made of this."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from opslib.audit import age, controls, recordings
from opslib.audit.facts import Facts, another
from opslib.audit.headline import Headline, headline
from opslib.audit.open_items import open_items
from opslib.audit.runs import Target
from opslib.audit.words import counted, key_words, sentence
from opslib.errors import OpslibError
from opslib.ledger.chain import Entry
from opslib.ledger.signing import key_id
from opslib.router.approval import recorded
from opslib.router.journal import Progress
from opslib.verdict import TO_MEND, WORST_FIRST, Verdict, in_words

# How many of a target's last walks the trend shows.
TREND = 8
# An exception that ends within so many days is pointed out.
SOON_DAYS = 30


@dataclass(frozen=True)
class Walk:
    """One walk of the trend, with its verdict as it was known before the next one began."""

    run: str
    at: str
    verdict: Verdict


@dataclass(frozen=True)
class Change:
    """The last change of the org that was not taken back. `approved_by` is empty where nobody approved it."""

    run: str
    at: str
    applied_by: str
    approved_by: str
    finished: bool


@dataclass(frozen=True)
class Recordings:
    """The newest verification of the archive since the walk began: how many of those due are in the bucket."""

    at: str
    verdict: Verdict
    arrived: int
    due: int


@dataclass(frozen=True)
class Row:
    """One target. `run` is the walk that counts, `word` its headline, `why` the first of what did not pass and how
    many more there are. `age_days` is that of the oldest evidence; None without. `exceptions` are those in force,
    expired, or without a reason. `error`: why it could not be judged or written; then the verdict is UNKNOWN.
    """

    target: Target
    name: str
    folder: str
    run: str
    at: str
    org: str = ""
    bucket: str = ""
    rule: Mapping[str, Any] | None = None
    verdict: Verdict = "UNKNOWN"
    word: str = ""
    why: str = ""
    evidence_as_of: str | None = None
    age_days: int | None = None
    is_stale: bool = False
    exceptions: Sequence[Mapping[str, Any]] = ()
    last_change: Change | None = None
    walks: Sequence[Walk] = ()
    recordings: Recordings | None = None
    error: str = ""

    @property
    def place(self) -> tuple[int, int, float, str, str]:
        """Worst first; within a verdict the oldest evidence, and before all what has none."""
        age = float("inf") if self.age_days is None else self.age_days
        return (WORST_FIRST.index(self.verdict), not self.error, -age, self.name, self.folder)

    def as_json(self) -> dict[str, Any]:
        walks = [{**asdict(walk), "verdict": in_words(walk.verdict)} for walk in self.walks]
        seen = self.recordings
        return {
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            "target": {**self.target._asdict(), "name": self.name},
            "org": {"name": self.org, "id": self.target.org},
            "verdict": in_words(self.verdict),
            "last_change": asdict(self.last_change) if self.last_change else None,
            "walks": walks,
            "recordings": {**asdict(seen), "verdict": in_words(seen.verdict)} if seen else None,
        }


_AS_THEY_ARE = (
    "folder", "run", "at", "bucket", "rule", "word", "why", "evidence_as_of", "age_days", "is_stale", "exceptions",
    "error",
)  # fmt: skip


def row_of(facts: Facts, target: Target, name: str, folder: str, earlier: Sequence[str]) -> Row:
    """What a walk shows of its target; `earlier` are the walks before it that count, oldest first."""
    top, rule = headline(facts), headline(facts).rule
    return Row(
        target,
        name,
        folder,
        facts.run_id,
        facts.started.at,
        org=top.org,
        bucket=top.bucket,
        rule={"profile": rule.profile, "title": rule.title, "days": rule.days, "words": rule.words} if rule else None,
        verdict=top.verdict,
        word=top.word,
        why=_why(facts, top),
        evidence_as_of=top.oldest.at if top.oldest else None,
        age_days=top.age_days,
        is_stale=bool(top.oldest and age.too_old(facts, top.oldest.at)),
        exceptions=[one.as_json() for one in top.exceptions if one.is_open or one.state in ("in force", "expired")],
        last_change=_last_change(facts, target),
        walks=_trend(facts, top.verdict, earlier),
        recordings=_recordings(facts),
    )


def failed(target: Target, name: str, folder: str, run: str, at: str, error: Exception) -> Row:
    """A target that could not be judged, or whose folder could not be written."""
    why = f"{error.title}: {error.cause}" if isinstance(error, OpslibError) else f"{type(error).__name__}: {error}"
    return Row(target, name, folder, run, at, word="REPORT NOT WRITTEN", error=sentence(why))


def _why(facts: Facts, top: Headline) -> str:
    """What kind of run it was, where it was no onboarding, and the first open item."""
    kind = [] if top.kind in ("onboarding", "recheck") else [sentence(top.word.capitalize())]
    items = open_items(facts) if top.verdict in TO_MEND else []
    more = f" {counted(len(items) - 1, 'more open item')}." if len(items) > 1 else ""
    return " ".join([*kind, *(sentence(item.title) + more for item in items[:1])])


def _last_change(facts: Facts, target: Target) -> Change | None:
    own = [apply for apply in facts.all_applies if facts.runs.target(apply.run_id) == target]
    made = [apply for apply in own if apply.intended and apply.ended != "rolled back"]
    return _change(facts, made[-1]) if made else None


def _change(facts: Facts, apply: Progress) -> Change:
    approval = facts.approval(apply)
    return Change(
        apply.run_id,
        apply.last_at,
        apply.user,
        _approver(facts, approval) if approval else "",
        finished=apply.ended == "done",
    )


def _approver(facts: Facts, approval: Entry) -> str:
    """The key that signed the approval, or else the machine's user."""
    signed = recorded(approval.data)
    if signed and signed.is_signed():
        return f"key {key_words(key_id(signed.statement.key))}"
    return facts.actor(approval).user


def _trend(facts: Facts, verdict: Verdict, earlier: Sequence[str]) -> list[Walk]:
    walks, later = [Walk(facts.run_id, facts.started.at, verdict)], facts
    for run_id in reversed(earlier[1 - TREND :]):
        later = another(later, run_id)
        walks.insert(0, Walk(run_id, later.started.at, controls.compliance(controls.results(later)).word))
    return walks


def _recordings(facts: Facts) -> Recordings | None:
    found = recordings.last_verified(facts)
    if found is None:
        return None
    counts = found.answer["counts"]
    return Recordings(found.at, found.verdict, counts["arrived"], counts["arrived"] + counts["missing"])


def at_days(at: str) -> str:
    """A moment's day as people read it.

    >>> at_days("2026-11-04T14:02:03.000Z")
    '4 Nov 2026'
    """
    moment = datetime.fromisoformat(at)
    return f"{moment.day} {moment:%b %Y}"
