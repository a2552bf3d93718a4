"""How far a fleet is: what is done, what is at work, what waits for which limit, and how long it will take."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

PhaseName = Literal["recover", "plan", "apply"]
_PHASES: Mapping[PhaseName, str] = {
    "recover": "finishing what was left half-done",
    "plan": "planning",
    "apply": "applying",
}


@dataclass(frozen=True)
class Waiting:
    """The requests of one org that wait for its rate limit, which opens again in `opens_in_s` seconds."""

    org: str
    count: int
    opens_in_s: float


@dataclass(frozen=True)
class FleetProgress:
    """How far a phase of a fleet is. `outcomes` counts the files that have ended, by outcome; `running` are those at
    work, `queued` those that wait for a free place; `left_s` the seconds left at this pace, None while not known."""

    phase: PhaseName
    total: int
    finished: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    running: Sequence[str] = ()
    queued: int = 0
    waiting: Sequence[Waiting] = ()
    left_s: float | None = None

    @property
    def count(self) -> str:
        """What is done, and how much of it: `planning: 12 of 2,000`."""
        return f"{_PHASES[self.phase]}: {self.finished:,} of {self.total:,}"

    @property
    def waits(self) -> list[str]:
        """Who waits for which limit."""
        waits = [
            f"{one.count} requests wait for the rate limit of {one.org}, which opens in {one.opens_in_s:.0f} s"
            for one in self.waiting
        ]
        return [*waits, *([f"{self.queued:,} onboardings wait for a free place"] if self.queued else [])]

    @property
    def time_left(self) -> str:
        """About how long it will take; empty while that is not known, and at the end."""
        if self.left_s is None or self.finished == self.total:
            return ""
        return f"about {self.left_s / 60:.0f} min" if self.left_s >= 90 else f"about {self.left_s:.0f} s"


@dataclass
class Phase:
    """The phase that a fleet is in, counted as its onboardings begin and end."""

    name: PhaseName
    total: int
    finished: int = 0
    running: set[str] = field(default_factory=set)
    _began_at: float = field(default_factory=time.monotonic)

    def began(self, file: str) -> None:
        self.running.add(file)

    def ended(self, file: str) -> None:
        self.running.discard(file)
        self.finished += 1

    def progress(self, outcomes: Mapping[str, int], waiting: Sequence[Waiting]) -> FleetProgress:
        """As it is now."""
        running, elapsed_s = sorted(self.running), time.monotonic() - self._began_at
        left = self.total - self.finished
        left_s = elapsed_s / self.finished * left if self.finished else None
        return FleetProgress(
            self.name, self.total, self.finished, outcomes, running, left - len(running), waiting, left_s
        )
