"""The org's audit log: who changed what, and from what to what."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from starlette.requests import Request

from opslib.sandbox.server.errors import correlation_id
from opslib.sandbox.server.oauth import Token
from opslib.sandbox.server.world import World, utc

Action = Literal["Create", "Update", "Delete"]
ACTIONS: tuple[Action, ...] = ("Create", "Update", "Delete")


@dataclass(frozen=True)
class Audited:
    """Under which service and entity type the changes of a kind of object are kept."""

    service: str
    entity_type: str


AUDITED_INTEGRATIONS = Audited("Integrations", "Integration")
AUDITED_POLICIES = (
    Audited("Quality", "Policy"),
    Audited("ContactCenter", "Policy"),
    Audited("PeoplePermissions", "Policy"),
)
"""Where a live org keeps the changes of retention policies is not known: here it follows the seed."""


class Entity(Protocol):
    """What can be audited: `audited` is the JSON whose changes count."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    def audited(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Entry:
    """One change. `changes` holds old and new values by property path."""

    id: str
    at: datetime
    kind: Audited
    action: Action
    entity_id: str
    entity_name: str
    org_id: str
    client_id: str
    remote_ip: str
    correlation_id: str
    changes: Mapping[str, tuple[list[str], list[str]]]

    def property_changes(self) -> list[dict[str, Any]]:
        return [
            {"property": path, "oldValues": old, "newValues": new} for path, (old, new) in sorted(self.changes.items())
        ]

    def public(self) -> dict[str, Any]:
        """As the audit query shows it (AuditLogMessage)."""
        return {
            "id": self.id,
            "userHomeOrgId": self.org_id,
            "client": {"id": self.client_id, "selfUri": f"/api/v2/oauth/clients/{self.client_id}"},
            "remoteIp": [self.remote_ip],
            "serviceName": self.kind.service,
            "level": "USER",
            "eventDate": utc(self.at),
            "action": self.action,
            "entity": {"id": self.entity_id, "name": self.entity_name},
            "entityType": self.kind.entity_type,
            "status": "SUCCESS",
            "propertyChanges": self.property_changes(),
            "context": {},
        }


class AuditLog:
    """Entries in the order of the changes; `on_entry` hears of each.

    `integrations` and `policies` say where their changes are kept.
    """

    def __init__(self, world: World, on_entry: Callable[[Entry], None]) -> None:
        self._world = world
        self._on_entry = on_entry
        self.entries: list[Entry] = []
        self.integrations = AUDITED_INTEGRATIONS
        self.policies = world.identity.choose("audited policies", AUDITED_POLICIES)

    def note(self, request: Request, kind: Audited, before: Entity | None, after: Entity | None) -> None:
        """Keep one change: None before is a creation, None after a deletion."""
        entity = next(state for state in (after, before) if state)
        token: Token = request.state.token
        entry = Entry(
            id=self._world.identity.new_id(),
            at=datetime.now(UTC),
            kind=kind,
            action="Create" if before is None else "Delete" if after is None else "Update",
            entity_id=entity.id,
            entity_name=entity.name,
            org_id=self._world.identity.org_id,
            client_id=token.client.client_id,
            remote_ip=request.client.host if request.client else "",
            correlation_id=correlation_id(request.scope),
            changes=_changes(before.audited() if before else {}, after.audited() if after else {}),
        )
        self.entries.append(entry)
        self._on_entry(entry)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[list[str], list[str]]]:
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return {
        path: (old.get(path, []), new.get(path, []))
        for path in old.keys() | new.keys()
        if old.get(path) != new.get(path)
    }


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Every value as texts under its path; a list of plain values stays one property."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{place}]")
    else:
        yield path, [_text(item) for item in (value if isinstance(value, list) else [value])]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
