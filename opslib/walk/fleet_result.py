"""How a fleet ended: an outcome for each file, and the failures by their cause."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from opslib.errors import HalfDone, OpslibError, RolledBack
from opslib.walk.fleet_plan import error_json

JSON = dict[str, Any]
Outcome = Literal["done", "unchanged", "rolled_back", "half_done", "not_started", "refused"]

# What counts as a failure: a write that went wrong. A refusal wrote nothing.
FAILURES: tuple[Outcome, ...] = ("rolled_back", "half_done")


@dataclass(frozen=True)
class FleetTarget:
    """How one file ended. `run_id` is its run in the ledger; empty where none was begun.

    `refused`: nothing was written for it, and `error` says why. `not_started`: the fleet stopped before.
    """

    file: str
    outcome: Outcome
    error: OpslibError | None = None
    run_id: str = ""

    def as_json(self) -> JSON:
        """{file, outcome, error: null or {title, cause, fix, correlation_id}}."""
        return {"file": self.file, "outcome": self.outcome, "error": error_json(self.error)}


@dataclass(frozen=True)
class FleetResult:
    """How every file ended, in the order of their names. `attempts` counts the calls to Genesys's API with every try,
    without those for a token; `rate_limited` those answered with 429."""

    targets: Sequence[FleetTarget]
    attempts: int
    rate_limited: int
    elapsed_s: float
    stopped: str = ""

    @property
    def done(self) -> int:
        """How many files are as wanted, also without a change."""
        return sum(target.outcome in ("done", "unchanged") for target in self.targets)

    @property
    def failed(self) -> int:
        return len(self.targets) - self.done

    @property
    def half_done(self) -> int:
        return sum(target.outcome == "half_done" for target in self.targets)

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """How many files have each outcome, those that there are."""
        return dict(Counter(target.outcome for target in self.targets))

    def by_cause(self) -> list[tuple[OpslibError, list[str]]]:
        """The failures, grouped by what went wrong, the most frequent first: an error of the group, and its files."""
        groups: dict[str, list[FleetTarget]] = defaultdict(list)
        for target in self.targets:
            if target.error:
                groups[f"{target.outcome} {_general(target)}"].append(target)
        largest = sorted(groups.values(), key=len, reverse=True)
        return [(first.error, [one.file for one in group]) for group in largest if (first := group[0]).error]

    def as_json(self) -> JSON:
        """{targets: [{file, outcome, error}], done, failed, attempts, rate_limited, elapsed_s}."""
        return {
            "targets": [target.as_json() for target in self.targets],
            "done": self.done,
            "failed": self.failed,
            "attempts": self.attempts,
            "rate_limited": self.rate_limited,
            "elapsed_s": round(self.elapsed_s, 3),
        }


def outcome_of(error: OpslibError) -> Outcome:
    """The outcome that an error of an onboarding means."""
    if isinstance(error, HalfDone):
        return "half_done"
    return "rolled_back" if isinstance(error, RolledBack) else "refused"


def _general(target: FleetTarget) -> str:
    """The cause without what is the file's own: its title names an object."""
    error = target.error
    if error is None:
        return ""
    return (
        f"{type(error).__name__} {error.status or ''} {error.cause if not isinstance(error, HalfDone) else error.title}"
    )
