"""The plan as data: what would change, field by field, and which of it is unsafe. Nothing here writes.

How a plan is made:

1. Read every object of the onboarding.
2. Drop what the server owns, put lists in order, and compare with what is wanted.
3. Put first what has to make way: an org has one active integration that exports recordings.
4. Keep the real changes, in an order in which the server accepts each: a policy needs its target, and never keeps
   recordings longer than it.
5. Name what is unsafe.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict

from opslib.credentials import AwsKeys, RoleReference
from opslib.genesys.backend import JSON, Backend, Item, Kind, leaves
from opslib.genesys.storage_targets_backend import SECRET_PATH
from opslib.genesys.together import together
from opslib.onboarding.models import BackendName, Onboarding
from opslib.router.unsafe_changes import MANY, UNSAFE, shrinks, unsafe_changes

Action = Literal["create", "update", "delete"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldChange(_Data):
    """One field: `path` with dots, None for absent."""

    path: str
    before: Any
    after: Any


class Change(_Data):
    """One object. `before` is what to write to restore it, `after` what is wanted; no secrets; None where absent.

    `unsafe` has the names of what is unsafe in it; see `UNSAFE`.
    """

    action: Action
    kind: Kind
    id: str
    name: str
    before: JSON | None
    after: JSON | None
    rotates: bool = False
    unsafe: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """What differs, field by field."""
        if self.rotates and self.before == self.after:
            path = SECRET_PATH if self.before and "configuration" in self.before else "credentials"
            return (FieldChange(path=path, before="as it is", after="written again"),)
        before, after = dict(leaves(self.before)), dict(leaves(self.after))
        paths = sorted(before.keys() | after.keys())
        return tuple(
            FieldChange(path=path, before=before.get(path), after=after.get(path))
            for path in paths
            if _unordered(before.get(path)) != _unordered(after.get(path))
        )


class Undoes(_Data):
    """The finished apply that a plan undoes: its run, the number of its first entry, and its plan's checksum."""

    run_id: str
    entry: int
    checksum: str


class Plan(_Data):
    """The ordered changes to one org. `where` is the API's address, `backend` which API; a plan is good for these only.

    `warnings` say where the org will not do what the onboarding says, or may not; `notes`, what the API does not carry
    of the onboarding, or does otherwise. Neither is part of the changes.
    """

    where: str
    backend: BackendName = "storage-targets"  # the only one when older ledgers were written
    changes: tuple[Change, ...]
    undoes: Undoes | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def checksum(self) -> str:
        """SHA-256 over everything that will be done; equal plans have equal checksums."""
        return checksum_of(self.model_dump(mode="json"))

    @property
    def unsafe(self) -> tuple[str, ...]:
        """Every unsafe thing in it by name, once each."""
        names = dict.fromkeys(name for change in self.changes for name in change.unsafe)
        return (*names, *(("many",) if len(self.changes) > MANY else ()))

    def as_json(self) -> JSON:
        """{checksum, changes: [{action, kind, id, name, fields: [{path, before, after}]}], unsafe: [{name, why}],
        warnings: [text], notes: [text]}; of an undo also undoes: {run_id, entry, checksum}."""
        return {
            "checksum": self.checksum,
            **({"undoes": self.undoes.model_dump()} if self.undoes else {}),
            "changes": [
                {
                    **change.model_dump(include={"action", "kind", "id", "name"}),
                    "fields": [field.model_dump(mode="json") for field in change.fields],
                }
                for change in self.changes
            ],
            "unsafe": [{"name": name, "why": UNSAFE[name]} for name in self.unsafe],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }


def checksum_of(plan: JSON) -> str:
    """The checksum of a plan as JSON, such as the ledger has it."""
    done = {name: value for name, value in plan.items() if name not in ("notes", "warnings")}
    if done.get("undoes") is None:  # older ledgers do not have it
        done.pop("undoes", None)
    return hashlib.sha256(rfc8785.dumps(done)).hexdigest()


async def make_plan(
    backend: Backend, onboarding: Onboarding, credentials: AwsKeys | RoleReference, *, rotate: bool = False
) -> Plan:
    """What it takes to bring the org to the onboarding. `rotate` writes the target's credentials again on purpose."""
    items = await backend.items(onboarding, credentials, rotate=rotate)
    first = await backend.to_do_first(items[0])
    ours = {(item.kind, item.id) for item in items}
    objects = list({(item.kind, item.id): item for item in [*first, *items]}.values())
    known = dict(zip([(item.kind, item.id) for item in objects], await _read_all(backend, objects), strict=True))
    changes = []
    for item in [*first, *items]:  # an object may come twice: made ready, then switched on
        key = (item.kind, item.id)
        before = known[key]
        differs = before is None or backend.comparable(before) != backend.comparable(item.body)
        # Another role shows as a change of its own.
        rotates = rotate and item.kind == "target" and before is not None
        rotates = rotates and (not differs or isinstance(credentials, AwsKeys))
        if differs or rotates:
            change = _change(backend, item, before, item.body if differs else before, rotates=rotates)
            replaces = {} if key in ours else {"unsafe": ("replace-active-integration",)}
            changes.append(change.model_copy(update=replaces))
            known[key] = item.body
    return Plan(
        where=backend.where,
        backend=backend.name,
        changes=tuple(_in_order(backend, changes)),
        warnings=tuple(backend.warnings(onboarding)),
        notes=tuple(backend.notes(onboarding)),
    )


async def make_removal(backend: Backend, onboarding: Onboarding) -> Plan:
    """What it takes to remove the onboarding's objects: webhook, policy, target."""
    # The items' bodies are not used, so any credentials do.
    items = await backend.items(onboarding, RoleReference(role_arn=_NO_ROLE, external_id="none"))
    changes = [
        _change(backend, replace(item, name=str(before.get("name", item.name))), before, None)
        for item, before in zip(items, await _read_all(backend, items), strict=True)
        if before is not None
    ]
    return Plan(where=backend.where, backend=backend.name, changes=tuple(changes[::-1]))


_NO_ROLE = "arn:aws:iam::000000000000:role/none"


async def _read_all(backend: Backend, items: Sequence[Item]) -> list[JSON | None]:
    answers = await together(*(backend.read(item.kind, item.id) for item in items))
    return [None if answer is None else backend.writable(answer) for answer in answers]


def _change(backend: Backend, item: Item, before: JSON | None, after: JSON | None, *, rotates: bool = False) -> Change:
    old, new = (None if body is None else backend.meaning(item.kind, body) for body in (before, after))
    return Change(
        action="create" if before is None else "update" if after is not None else "delete",
        kind=item.kind,
        id=item.id,
        name=item.name,
        before=before,
        after=after,
        rotates=rotates,
        unsafe=tuple(unsafe_changes(old, new)),
    )


def _in_order(backend: Backend, changes: Sequence[Change]) -> Sequence[Change]:
    """Target, policy, webhook; but a policy that must shrink with its target shrinks first."""
    by_kind = {change.kind: change for change in changes}
    target, policy = by_kind.get("target"), by_kind.get("policy")
    if target and policy and target.before and target.after and policy.before:
        old, new = backend.meaning("target", target.before), backend.meaning("target", target.after)
        if shrinks(old, new) and backend.meaning("policy", policy.before).target == target.id:
            return sorted(changes, key=lambda change: ("policy", "target", "webhook").index(change.kind))
    return changes


def _unordered(value: Any) -> Any:
    return sorted(value, key=rfc8785.dumps) or None if isinstance(value, list) else value
