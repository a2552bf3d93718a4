"""How far an apply came, as the ledger tells it: enough to finish or undo it after a crash."""

from dataclasses import dataclass, field
from typing import Any

from opslib.ledger import Ledger, Run
from opslib.models import KeyReference, RoleReference
from opslib.router.plan import Plan

STARTED, FINISHED = "apply.started", "apply.finished"
_KINDS = (STARTED, "change.intent", "change.done", "rollback.started", "undo.done", FINISHED)


@dataclass
class Progress:
    """One apply. `intended`, `done`, `undone` and `replaced` (undone, but its new credentials stay) are places in the
    plan; `ended` is empty while it is unfinished."""

    id: str
    plan: Plan
    credentials: KeyReference | RoleReference
    user: str
    at: str
    intended: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    undone: set[int] = field(default_factory=set)
    replaced: set[int] = field(default_factory=set)
    rolling_back: bool = False
    reason: str = ""
    ended: str = ""

    @property
    def kept(self) -> str:
        """What a rollback cannot bring back, in words to go after “as it was before”; empty when it is everything."""
        changes = [self.plan.changes[place] for place in sorted(self.replaced)]
        return "".join(
            f", but for the AWS credentials of {change.kind} {change.name}: the old secret is known to nobody here"
            for change in changes
        )

    def note(self, run: Run, kind: str, **data: Any) -> None:
        """Write down, durably, what is about to happen or has happened, and follow it."""
        run.append(kind, {"apply": self.id, **data})
        self._follow(kind, data)

    def _follow(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "change.intent":
            self.intended.add(data["place"])
        elif kind == "change.done":
            self.done.add(data["place"])
        elif kind == "undo.done":
            self.undone.add(data["place"])
            if data["replaced"]:
                self.replaced.add(data["place"])
        elif kind == "rollback.started":
            self.rolling_back, self.reason = True, data["reason"]
        elif kind == FINISHED:
            self.ended = data["how"]


def started(run: Run, plan: Plan, credentials: KeyReference | RoleReference) -> Progress:
    """Begin an apply: the whole plan is on disk before the first write."""
    about = next(iter(run.entries("run.started"))).data
    entry = run.append(
        STARTED,
        {
            "plan": plan.model_dump(mode="json"),
            "checksum": plan.checksum,
            "credentials": credentials.model_dump(mode="json"),
            "user": about["user"],
        },
    )
    return Progress(str(entry.seq), plan, credentials, about["user"], entry.at)


def last_apply(ledger: Ledger) -> Progress | None:
    """The newest apply in the ledger, with how far it came."""
    found: Progress | None = None
    entries = sorted((entry for kind in _KINDS for entry in ledger.entries(kind)), key=lambda entry: entry.seq)
    for entry in entries:
        data = entry.data
        if entry.kind == STARTED:
            credentials = data["credentials"]
            reference = RoleReference if "role_arn" in credentials else KeyReference
            found = Progress(
                str(entry.seq),
                Plan.model_validate(data["plan"]),
                reference.model_validate(credentials),
                data["user"],
                entry.at,
            )
        elif found and data["apply"] == found.id:
            found._follow(entry.kind, data)
    return found


def unfinished_apply(ledger: Ledger) -> Progress | None:
    """The newest apply, if it has not ended."""
    found = last_apply(ledger)
    return found if found and not found.ended else None
