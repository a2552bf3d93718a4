"""Credentials of an S3 integration (platform only), where its type has the role there and not among its properties.

What a credential holds can never be read back. So the name of one that opslib made says it: another role is another
credential, which a plan shows as a change, and the old one can be made again from its name.

An ARN and an external id are not secrets (AWS, "Access to AWS accounts owned by third parties").
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from opslib.credentials import RoleReference
from opslib.errors import Conflict, InvalidInput, NotFound
from opslib.genesys.answers import BareList, Entity, Page, Shape
from opslib.genesys.backend import JSON, SETTLES_WITHIN_S
from opslib.genesys.client import GenesysClient
from opslib.genesys.creations import Creations
from opslib.genesys.integrations import INTEGRATIONS, described
from opslib.genesys.policies import MARK
from opslib.genesys.polling import poll_until

CREDENTIALS = INTEGRATIONS + "/credentials"
_ONE = CREDENTIALS + "/{id}"
TYPES = CREDENTIALS + "/types"

# By what words the field for each of ours is known, the more telling first.
_WORDS = {"external_id": ("external",), "role_arn": ("role", "arn")}

_NAME = re.compile(
    r"(?P<target>.+), role (?P<role_arn>arn:\S+?)(?:, external id (?P<external_id>\S+))?; " + re.escape(MARK)
)


class _Credential(Entity):
    name: str | None = None
    createdDate: str | None = None


class CredentialType(Shape):
    id: str
    name: str | None = None
    properties: JSON | None = None
    required: list[str] | None = None


@dataclass(frozen=True)
class Held:
    """What a credential that opslib made holds; `external_id` is "" where its type has no field for it."""

    target: str
    role_arn: str
    external_id: str = ""

    @property
    def name(self) -> str:
        """What the credential is called; `held` reads it."""
        external_id = f", external id {self.external_id}" if self.external_id else ""
        return f"{self.target}, role {self.role_arn}{external_id}; {MARK}"


def held(name: str) -> Held | None:
    """What a credential of this name holds; None for one that opslib did not make."""
    match = _NAME.fullmatch(name)
    return Held(match["target"], match["role_arn"], match["external_id"] or "") if match else None


def is_ours(credential: JSON, target: str) -> bool:
    """Whether opslib made the credential, for the target of this name."""
    holds = held(str(credential.get("name")))
    return holds is not None and holds.target == target


@dataclass(frozen=True)
class Slot:
    """Where the role goes: the credential's name in the configuration, its type, and our field → the type's."""

    name: str
    type: JSON
    fields: Mapping[str, str]

    def holding(self, target: str, role: RoleReference) -> Held:
        """What a credential for this target holds."""
        return Held(target, role.role_arn, role.external_id if "external_id" in self.fields else "")

    def values(self, holds: Held) -> dict[str, str]:
        """The credential's fields as they are sent."""
        return {theirs: getattr(holds, ours) for ours, theirs in self.fields.items()}


class IntegrationCredentials:
    """The credentials of one org, through one client."""

    def __init__(self, client: GenesysClient, creations: Creations) -> None:
        self._client, self._creations = client, creations
        self._types: list[JSON] | None = None
        # What was removed a moment ago, by id, and until when a list may still show it.
        self._removed: dict[str, float] = {}

    async def list(self) -> list[JSON]:
        """Every credential, without what it holds; also what was made just now, and nothing that was removed."""
        listed = {str(one["id"]): one for one in await self._client.entities(CREDENTIALS, Page[_Credential])}
        now = asyncio.get_running_loop().time()
        made = {id: {"id": id, "name": name} for name, id in self._creations.all_unlisted("credential").items()}
        return [one for id, one in (made | listed).items() if self._removed.get(id, 0.0) < now]

    async def slot(self, integration_type: JSON) -> Slot | None:
        """Where this type of integration has the role; None where it has no credentials.

        Raises InvalidInput where that is not clear.
        """
        specification = integration_type.get("credentials") or {}
        if not specification:
            return None
        if self._types is None:
            self._types = (await self._client.request("GET", TYPES, shape=BareList[CredentialType]))["entities"]
        return _role_slot(specification, self._types, str(integration_type.get("id")))

    async def write(self, name: str, slot: Slot) -> str:
        """Make the credential of this name, or write again what it holds; its id."""
        holds = held(name)
        assert holds  # noqa: S101 (only those of ours are written)
        kind = {key: slot.type[key] for key in ("id", "name") if slot.type.get(key)}
        body = {"name": name, "type": kind, "credentialFields": slot.values(holds)}
        unanswered = await self._creations.unanswered("credential", name, lambda: self._find(name))
        if credential := unanswered or await self._find(name):
            try:
                await self._client.request("PUT", _ONE, ids={"id": credential["id"]}, json=body)
                return str(credential["id"])
            except NotFound:
                self._creations.forget("credential", name)  # somebody has removed what we made a moment ago
        made = await self._creations.create("credential", CREDENTIALS, body, _Credential, lambda: self._find(name))
        return str(made["id"])

    async def remove_unused(self, target: str, used: Sequence[str]) -> None:
        """Delete what opslib made for a target, except for the ids in `used`."""
        for name in self._creations.begun("credential"):
            if is_ours({"name": name}, target):
                await self._creations.unanswered("credential", name, partial(self._find, name))
        for credential in await self.list():
            if is_ours(credential, target) and credential["id"] not in used:
                await self._remove(credential["id"])
                self._creations.forget("credential", credential["name"])
                self._removed[credential["id"]] = asyncio.get_running_loop().time() + SETTLES_WITHIN_S

    async def _remove(self, id: str) -> None:
        """An integration that let go of it a moment ago may still count as its user."""
        conflicts: list[Conflict] = []

        async def remove() -> bool:
            try:
                await self._client.request_or_none("DELETE", _ONE, ids={"id": id})
            except Conflict as error:
                conflicts.append(error)
                return False
            return True

        if not await poll_until(remove, deadline_s=SETTLES_WITHIN_S, wait_s=0.25):
            raise conflicts[-1]

    async def _find(self, name: str) -> JSON | None:
        """The oldest one of this name."""
        named = [credential for credential in await self.list() if credential.get("name") == name]
        return min(named, key=lambda credential: str(credential.get("createdDate")), default=None)


def by_name(integration: JSON, credentials: Sequence[JSON]) -> JSON:
    """The integration with our credentials by name and others by id; `unusedCredentials`: ours that it does not use."""
    ours = {one["id"]: one["name"] for one in credentials if is_ours(one, integration["name"])}
    bound = {name: reference["id"] for name, reference in (integration.get("credentials") or {}).items()}
    references = {name: {"name": ours[id]} if id in ours else {"id": id} for name, id in bound.items()}
    unused = {name: True for id, name in ours.items() if id not in bound.values()}
    return {**integration, "credentials": references, **({"unusedCredentials": unused} if unused else {})}


def _role_slot(specification: JSON, types: Sequence[JSON], integration_type: str) -> Slot:
    slots = list(_slots(specification, types))
    if len(slots) == 1:
        return slots[0]
    known = {name: ", ".join(asked.get("credentialTypes") or ()) for name, asked in specification.items()}
    raise InvalidInput(
        f"Where integration type {integration_type} has its role is not clear",
        cause="it takes these credentials, and "
        + ("several of them have" if slots else "none of them has")
        + f" a field for a role: {'; '.join(f'{name} (type {kinds})' for name, kinds in known.items())}",
        fix="make the integration with its credential in Genesys Cloud, and give its name as target.name: opslib "
        "leaves a credential that it did not make as it is; nothing was written",
    )


def _slots(specification: JSON, types: Sequence[JSON]) -> Iterator[Slot]:
    for name, asked in specification.items():
        for kind in types:
            if kind.get("id") not in (asked.get("credentialTypes") or ()):
                continue
            fields = _fields_of(kind)
            if "role_arn" in fields and set(kind.get("required") or ()) <= set(fields.values()):
                yield Slot(name, kind, fields)


def _fields_of(kind: JSON) -> dict[str, str]:
    """Our field → the type's. `properties` may be a map of fields, or a JSON schema that has one."""
    properties: Any = kind.get("properties") or {}
    inner = properties.get("properties")
    free = described(inner if isinstance(inner, Mapping) and properties.get("type") == "object" else properties)
    fields: dict[str, str] = {}
    for field, words in _WORDS.items():
        fitting = [name for name, words_of_it in free.items() if any(word in words_of_it for word in words)]
        if len(fitting) == 1:
            fields[field] = fitting[0]
            del free[fitting[0]]
    return fields
