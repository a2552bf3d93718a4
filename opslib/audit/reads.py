"""Each later read of the objects that a run registered, and what every apply of this tool has made of them since.

An object is known by our id where ids are ours, else by the server's, or by its name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opslib.audit.facts import Facts, once
from opslib.genesys.backend import JSON
from opslib.genesys.comparable import comparable
from opslib.onboarding.models import BackendName
from opslib.router.journal import Progress
from opslib.router.org_changes import SNAPSHOT

Key = tuple[str, str]  # kind and id
_PLAN_MADE = "plan.made"
_KINDS = ("target", "policy", "webhook")


class Moment(NamedTuple):
    """Something that the ledger holds, and when it was written."""

    seq: int
    at: str


@dataclass(frozen=True)
class Registered:
    """An object as an apply left it; `body` is None where that removed it."""

    name: str
    body: JSON | None
    server_id: str
    seq: int
    at: str


@dataclass(frozen=True)
class Read:
    """What the objects were like at one moment, by key; an object that it does not speak of is left out. `ours`: they
    are so because this tool applied a plan."""

    seq: int
    at: str
    found: dict[Key, JSON | None] = field(default_factory=dict)
    ours: bool = False


@once
def registered(facts: Facts) -> dict[Key, Registered]:
    """What the run's applies left in the org; where it had nothing to do, what earlier ones did."""
    own: dict[Key, Registered] = {}
    for apply in facts.applies:
        if apply.ended == "done":
            own |= _left_by(apply)
    if own or any(not apply.ended or apply.ended == "rolled back" for apply in facts.applies):
        return own
    wanted, until, of_runs = _keys(facts.given), _end_of(facts), facts.wanted_of_runs
    for apply in facts.all_applies:
        if apply.ended == "done" and apply.last_seq < until and apply.plan.where == where(facts):
            left = {key: one for key, one in _left_by(apply).items() if key in wanted}
            # What another onboarding left is not known to be what this one found as wanted.
            same = of_runs.get(apply.run_id) == facts.wanted
            own = {key: one for key, one in own.items() if key not in left} | (left if same else {})
    return own


def later(facts: Facts, objects: dict[Key, Registered]) -> list[Read]:
    """Every read and every apply since they were registered, in order."""
    since = max((one.seq for one in objects.values()), default=facts.last_seq)
    reads = [*_snapshots(facts, objects), *_plans(facts, objects), *_applied(facts, objects)]
    return sorted((read for read in reads if read.seq > since and read.found), key=lambda read: read.seq)


def last_read(facts: Facts) -> Moment | None:
    """When what the org has was last read: by an apply, a plan, or later."""
    objects = registered(facts)
    ends = [Moment(one.seq, one.at) for one in objects.values()]
    ends += [Moment(read.seq, read.at) for read in later(facts, objects)]
    ends += [Moment(entry.seq, entry.at) for entry in facts.entries(_PLAN_MADE)]
    return max(ends, default=None)


def where(facts: Facts) -> str:
    """The address of the org's API."""
    if facts.applies:
        return facts.applies[-1].plan.where
    return str(facts.connected().get("api_url", ""))


def backend(facts: Facts) -> BackendName:
    name: BackendName = "platform" if facts.started.data.get("backend") == "platform" else "storage-targets"
    return facts.applies[-1].plan.backend if facts.applies else name


def _left_by(apply: Progress) -> dict[Key, Registered]:
    known = {(made.kind, made.name): made.server_id for made in apply.creations}
    left: dict[Key, Registered] = {}
    for place in sorted(apply.done | apply.accepted.keys()):
        change = apply.plan.changes[place]
        found = apply.accepted[place].found if place in apply.accepted else change.after
        body = None if found is None else comparable(apply.plan.backend, found)
        server_id = known.get((change.kind, change.name)) or (apply.server_ids or {}).get(place, "")
        left[change.kind, change.id] = Registered(change.name, body, server_id or "", apply.last_seq, apply.last_at)
    return left


def _snapshots(facts: Facts, objects: dict[Key, Registered]) -> Iterator[Read]:
    for entry in facts.everywhere(SNAPSHOT):
        data = entry.data
        if (data["where"], data["backend"]) == (where(facts), backend(facts)):
            found = {key: _in(data["objects"], key, one) for key, one in objects.items()}
            alike = {key: None if body is None else comparable(backend(facts), body) for key, body in found.items()}
            yield Read(entry.seq, entry.at, alike)


def _in(snapshot: dict[str, Any], key: Key, one: Registered) -> JSON | None:
    """The object in a snapshot, which has every object of the org by the server's id."""
    kind, id = key
    for server_id, known in snapshot.items():
        same = server_id == one.server_id if one.server_id else server_id == id or known["name"] == one.name
        if known["kind"] == kind and same:
            body: JSON = known["body"]
            return body
    return None


def _plans(facts: Facts, objects: dict[Key, Registered]) -> Iterator[Read]:
    """A plan has each object that is to change as it was read; the others are as that onboarding wants them."""
    given: dict[str, Any] = {}
    for entry in facts.everywhere("step.started", _PLAN_MADE):
        if entry.kind == "step.started":
            given[entry.run_id] = entry.data.get("given") or {}
            continue
        plan, asked = entry.data["plan"], given.get(entry.run_id, {})
        if plan["where"] == where(facts):
            yield Read(entry.seq, entry.at, dict(_planned(facts, plan, asked, objects)))


def _planned(
    facts: Facts, plan: JSON, asked: JSON, objects: dict[Key, Registered]
) -> Iterator[tuple[Key, JSON | None]]:
    changes = {(change["kind"], change["id"]): change for change in reversed(plan["changes"])}
    for key, one in objects.items():
        if key in changes:
            before = changes[key]["before"]
            yield key, None if before is None else comparable(plan["backend"], before)
        elif asked.get("undo"):
            continue  # an undo looks at what its apply wrote, and wants no onboarding
        elif key in _keys(asked) and asked.get("removal"):
            yield key, None
        elif key in _keys(asked) and asked.get("onboarding") == facts.given.get("onboarding"):
            yield key, one.body


def _applied(facts: Facts, objects: dict[Key, Registered]) -> Iterator[Read]:
    for apply in facts.all_applies:
        if apply.plan.where == where(facts) and apply.ended == "done":
            left = {key: one.body for key, one in _left_by(apply).items() if key in objects}
            yield Read(apply.last_seq, apply.last_at, left, ours=True)


def _keys(given: JSON) -> set[Key]:
    """The objects that an onboarding names: by their ids, or where the server chooses those, by their names."""
    onboarding = given.get("onboarding") or {}
    parts = {kind: onboarding.get(kind) or {} for kind in _KINDS}
    return {(kind, str(part.get("id") or part.get("name", ""))) for kind, part in parts.items()}


def _end_of(facts: Facts) -> int:
    """The last entry of the run's own steps."""
    return max((entry.seq for entry in facts.steps()), default=facts.started.seq)
