"""Whether the clock was right that dated the entries: by the org's own, and by the order of the entries."""

from datetime import datetime, timedelta
from typing import NamedTuple

from opslib.audit.facts import Facts, once
from opslib.genesys.server_time import SKEW_FAILS_S, SKEW_WARNS_S
from opslib.verdict import Verdict

_BACK = timedelta(seconds=SKEW_WARNS_S)


class Doubt(NamedTuple):
    """A verdict about the clock, its reason, and the entries that say so."""

    word: Verdict
    why: str
    entries: list[int]


@once
def clock(facts: Facts) -> Doubt:
    """The worst that the ledger holds about the clock since the run began."""
    if back := _went_back(facts):
        return back
    said = facts.clock_skews()
    if not said:
        return Doubt("not_checked", "no answer of the org that is in the ledger has a date to compare with", [])
    entry, skew_s = max(said, key=lambda one: abs(one[1]))
    off = f"this machine's clock and the org's were {_apart(abs(skew_s))} apart"
    if abs(skew_s) < SKEW_WARNS_S:
        return Doubt("PASS", "this machine's clock and the org's were less than a minute apart", [entry])
    return Doubt("UNKNOWN" if abs(skew_s) >= SKEW_FAILS_S else "WARN", off, [entry])


def _apart(seconds: float) -> str:
    days, rest = divmod(round(seconds), 86_400)
    return f"{days} days" if days else f"{rest} s"


def _went_back(facts: Facts) -> Doubt | None:
    before: tuple[int, datetime] | None = None
    for seq, at in facts.times():
        now = datetime.fromisoformat(at)
        if before and before[1] - now > _BACK:
            why = f"entry {seq} is dated {at}, before entry {before[0]}: the clock was set back in between"
            return Doubt("UNKNOWN", why, [before[0], seq])
        before = (seq, now)
    return None
