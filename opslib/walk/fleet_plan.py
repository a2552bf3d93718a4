"""A fleet's plan as data: one row for each file, one checksum over all of them, and the limits that it is held to."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import rfc8785

from opslib.errors import ChangeRefused, OpslibError, StalePlan
from opslib.router.plan import Change, Plan
from opslib.walk.state_machine import hash_of

JSON = dict[str, Any]

STOP_AFTER_FAILURES = 10
MAX_DELETIONS_PERCENT = 10.0
_REMOVING = ("delete", "disable", "replace-active-integration")


@dataclass(frozen=True)
class PlannedChange:
    """One change of a plan: what happens to which object. `digest` is over everything that will be written."""

    action: str
    kind: str
    id: str
    name: str
    unsafe: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, change: Change) -> "PlannedChange":
        digest = hash_of(change.model_dump(mode="json"))
        return cls(change.action, change.kind, change.id, change.name, change.unsafe, digest)

    @property
    def removes(self) -> bool:
        """Whether the object is deleted or switched off."""
        return self.action == "delete" or any(name in _REMOVING for name in self.unsafe)


@dataclass(frozen=True)
class FleetRow:
    """What would become of one file. `checksum` is its plan's, and empty where there is an `error`.

    `unfinished`: an earlier apply was left half-done; `changes` are that apply's, and it is finished first. `org` and
    `target` are the address of the API with the OAuth client, and the target's name; empty where they are not known.
    """

    file: str
    org: str = ""
    target: str = ""
    checksum: str = ""
    changes: tuple[PlannedChange, ...] = ()
    unsafe: tuple[str, ...] = ()
    unfinished: bool = False
    error: OpslibError | None = None

    @classmethod
    def of(cls, file: str, org: str, target: str, plan: Plan, *, unfinished: bool = False) -> "FleetRow":
        changes = tuple(map(PlannedChange.of, plan.changes))
        return cls(file, org, target, plan.checksum, changes, plan.unsafe, unfinished)

    def covers(self, plan: Plan) -> bool:
        """Whether a plan has only changes that this row has: another onboarding of the fleet may have made some."""
        return {PlannedChange.of(change).digest for change in plan.changes} <= {one.digest for one in self.changes}

    def as_json(self) -> JSON:
        """{file, org, target, checksum, changes: [{action, kind, id, name}], unsafe, unfinished, error}."""
        changes = [{"action": one.action, "kind": one.kind, "id": one.id, "name": one.name} for one in self.changes]
        return {
            "file": self.file,
            "org": self.org,
            "target": self.target,
            "checksum": self.checksum,
            "changes": changes,
            "unsafe": list(self.unsafe),
            "unfinished": self.unfinished,
            "error": error_json(self.error),
        }


@dataclass(frozen=True)
class FleetPlan:
    """All plans of a fleet. `rows` has the unsafe ones on top, then those with an error, and the unchanged last."""

    rows: Sequence[FleetRow]

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over the files' names and their plans' checksums, in the order of the names: what is approved."""
        parts = sorted([row.file, row.checksum] for row in self.rows if not row.error)
        return hashlib.sha256(rfc8785.dumps(parts)).hexdigest()

    @property
    def changed(self) -> list[FleetRow]:
        """The rows with something to do."""
        return [row for row in self.rows if not row.error and (row.changes or row.unfinished)]

    @property
    def refused(self) -> list[FleetRow]:
        """The rows that cannot be planned."""
        return [row for row in self.rows if row.error]

    @property
    def removals_percent(self) -> float:
        """How many of the objects that the files describe are deleted or switched off; an onboarding has three."""
        removed = sum(change.removes for row in self.changed for change in row.changes)
        return 100 * removed / (3 * len(self.rows)) if self.rows else 0.0

    def as_json(self) -> JSON:
        """{checksum, targets: the rows' JSON, actions: {create, update, delete}, changed, unchanged, refused}."""
        actions = Counter(change.action for row in self.changed for change in row.changes)
        return {
            "checksum": self.checksum,
            "targets": [row.as_json() for row in self.rows],
            "actions": {action: actions[action] for action in ("create", "update", "delete")},
            "changed": len(self.changed),
            "unchanged": len(self.rows) - len(self.changed) - len(self.refused),
            "refused": len(self.refused),
        }


@dataclass(frozen=True)
class Limits:
    """What a fleet is held to: it stops after so many failures, and removes at most so many percent of its objects."""

    stop_after_failures: int = STOP_AFTER_FAILURES
    max_deletions_percent: float = MAX_DELETIONS_PERCENT


def ordered(rows: Sequence[FleetRow]) -> list[FleetRow]:
    """As a reviewer reads them: unsafe, with an error, changed, unchanged; by file within each."""
    return sorted(rows, key=lambda row: (not row.unsafe, row.error is None, not row.changes, row.file))


def refuse_beyond(plan: FleetPlan, limits: Limits, checksum: str = "") -> None:
    """Raises StalePlan for a plan that has not the checksum that was reviewed, ChangeRefused for one that removes too
    much. Nothing was written."""
    if checksum and checksum != plan.checksum:
        raise StalePlan(
            "The fleet's plan is not the one that was reviewed",
            cause=f"its checksum is {plan.checksum}, and {checksum} was asked for",
            fix="review the plan again; nothing was written to any org",
        )
    if plan.removals_percent > limits.max_deletions_percent:
        raise ChangeRefused(
            "The fleet would remove too much",
            cause=f"{plan.removals_percent:.1f} % of its objects would be deleted or switched off, and at most "
            f"{limits.max_deletions_percent:g} % may be",
            fix="check that it is the right folder; to go on, raise --max-deletions. Nothing was written to any org",
        )


def error_json(error: OpslibError | None) -> JSON | None:
    """{title, cause, fix, correlation_id}; None without an error."""
    if error is None:
        return None
    return {"title": error.title, "cause": error.cause, "fix": error.fix, "correlation_id": error.correlation_id}
