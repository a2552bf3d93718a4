"""Integrations of an org (platform only): found, made, configured and switched on.

What an S3 integration is called in its org, and what its properties are called, is not published: both are asked for.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from opslib.errors import (
    Conflict,
    InvalidInput,
    InvalidRequest,
    UnexpectedAnswer,
)
from opslib.genesys.answers import Count, Entity, Id, Page, Shape
from opslib.genesys.backend import JSON, SETTLES_WITHIN_S
from opslib.genesys.client import GenesysClient
from opslib.genesys.polling import poll_until
from opslib.genesys.properties_schema import Schema

INTEGRATIONS = "/api/v2/integrations"
_ONE = INTEGRATIONS + "/{id}"
_CONFIG = _ONE + "/config/current"
TYPES = INTEGRATIONS + "/types"
_TYPE = TYPES + "/{id}"
_SCHEMA = _TYPE + "/configschemas/properties"

# Genesys's own blueprint "aws-event-bridge-module" has this type and these properties.
FEED_TYPE = "amazon-eventbridge-source"
FEED_PROPERTIES = ("eventSourceSuffix", "awsAccountId", "awsAccountRegion", "eventFilter")
# How long an integration may take to be switched on (seconds).
_ACTIVE_WITHIN_S = 60.0
_POLL_S = 0.25

# By what words the property for each of our fields is known. The more telling fields choose first: a property
# "bucketRegion" is the region.
_WORDS = {
    "external_id": ("external",),
    "role_arn": ("role",),
    "region": ("region",),
    "path_prefix": ("prefix", "path", "folder"),
    "encryption": ("encryption",),
    "bucket": ("bucket",),
}
# Genesys's form has one: recordings would be encrypted with it, and what that does to file names is not known.
_PUBLIC_KEY = ("public key", "publickey", "pgp")


class _Type(Shape):
    id: Id
    name: str | None = None


class _CredentialSpecification(Shape):
    required: bool | None = None
    credentialTypes: list[str] | None = None


class _TypeWithCredentials(_Type):
    credentials: dict[str, _CredentialSpecification] | None = None


class _Detail(Shape):
    message: str | None = None


class _ReportedState(Shape):
    code: str | None = None
    effective: str | None = None
    detail: _Detail | None = None


class Integration(Entity):
    name: str
    integrationType: _Type | None = None
    intendedState: str | None = None
    reportedState: _ReportedState | None = None


class _Properties(Shape):
    """Those of an event feed; what others are called is for the type's schema to say."""

    eventFilter: list[str] | None = None


class _Config(Shape):
    version: Count
    properties: _Properties | None = None
    advanced: JSON | None = None
    notes: str | None = None
    credentials: dict[str, Entity] | None = None


class Integrations:
    """The integrations of one org, through one client."""

    def __init__(self, client: GenesysClient) -> None:
        self._client = client
        self._schemas: dict[str, JSON] = {}
        self._types: dict[str, JSON] = {}
        self._s3_type = ""

    async def list(self) -> list[JSON]:
        """Every integration that is not deleted, from all pages."""
        return [
            entity
            for entity in await self._client.entities(INTEGRATIONS, Page[Integration])
            if entity.get("intendedState") != "DELETED"
        ]

    async def s3_type(self) -> str:
        """The id of the type that exports recordings to S3. Raises InvalidInput when there is not exactly one."""
        if self._s3_type:
            return self._s3_type
        types = await self._client.entities(TYPES, Page[_Type])
        fitting = [type["id"] for type in types if _speaks_of_recordings_in_s3(type)]
        if len(fitting) == 1:
            self._s3_type = str(fitting[0])
            return self._s3_type
        raise InvalidInput(
            "Which integration type exports recordings to S3 is not clear",
            cause=f"of {len(types)} types that this org may use, these speak of S3 and recordings: "
            + (", ".join(fitting) or "none"),
            fix="name one as target.integration_type; if there is none, the org lacks the licence or the role lacks "
            "integrations:integration:view",
        )

    async def type(self, type_id: str) -> JSON:
        """One type; its `credentials` say which credentials an integration of it takes."""
        if type_id not in self._types:
            self._types[type_id] = await self._client.request(
                "GET", _TYPE, ids={"id": type_id}, shape=_TypeWithCredentials
            )
        return self._types[type_id]

    async def schema(self, type_id: str) -> JSON:
        """The JSON schema of a type's properties."""
        if type_id not in self._schemas:
            schema = await self._client.request("GET", _SCHEMA, ids={"id": type_id}, shape=Schema)
            self._schemas[type_id] = {key: value for key, value in schema.items() if value is not None}
        return self._schemas[type_id]

    async def whole(self, id: str) -> JSON | None:
        """One integration together with its configuration; `version` is the configuration's. None when it is gone."""
        entity = await self._entity(id)
        return _composed(entity, await self._config(id)) if entity else None

    async def name(self, id: str) -> str | None:
        """What an integration is called; None when it is gone."""
        entity = await self._entity(id)
        return str(entity["name"]) if entity else None

    async def put(self, id: str, body: JSON) -> JSON:
        """Configure it, switch it as wanted and wait until it is."""
        config = await self._configure(id, body)
        return _composed(await self._switch(id, body["intendedState"]), config)

    async def switch(self, id: str, state: str) -> JSON:
        """Switch it, wait until it is, and leave its configuration alone."""
        return _composed(await self._switch(id, state), await self._config(id))

    async def remove(self, id: str) -> None:
        """Delete it; one that is gone already is not an error."""
        await self._client.request_or_none("DELETE", _ONE, ids={"id": id})

    async def _config(self, id: str) -> JSON:
        return await self._client.request_or_none("GET", _CONFIG, ids={"id": id}, shape=_Config) or {}

    async def _configure(self, id: str, body: JSON) -> JSON:
        """Write the configuration over its current version; where another one appeared meanwhile, read that again."""
        conflicts: list[Conflict | InvalidRequest] = []

        async def put() -> JSON | None:
            try:
                return await self._put_over_current(id, body)
            except (Conflict, InvalidRequest) as error:
                # Genesys says a conflict as 409, or as 400 with these words.
                if isinstance(error, InvalidRequest) and "version" not in error.cause.lower():
                    raise
                conflicts.append(error)
                return None

        config = await poll_until(put, lambda answer: answer is not None, deadline_s=SETTLES_WITHIN_S, wait_s=_POLL_S)
        if config is None:
            raise conflicts[-1]
        return config

    async def _put_over_current(self, id: str, body: JSON) -> JSON:
        current = await self._config(id)
        config = {
            "name": body["name"],
            "version": current.get("version", 1),
            "properties": body.get("properties", {}),
            "advanced": body.get("advanced", current.get("advanced") or {}),
            "notes": body.get("notes", ""),
            "credentials": body.get("credentials", current.get("credentials") or {}),
        }
        return await self._client.request("PUT", _CONFIG, ids={"id": id}, json=config, shape=_Config)

    async def _switch(self, id: str, state: str) -> JSON:
        # Asking twice for a state does no harm.
        await self._client.request("PATCH", _ONE, ids={"id": id}, json={"intendedState": state}, repeatable=True)

        async def read() -> JSON:
            return await self._entity(id) or {}

        def is_final(entity: JSON) -> bool:
            """Also when it is off: until then another one that exports recordings may not be switched on."""
            rests = ("ACTIVE", "ERROR") if state == "ENABLED" else ("INACTIVE", "ERROR")
            return entity.get("intendedState") == state and _reported(entity) in rests

        entity = await poll_until(read, is_final, deadline_s=_ACTIVE_WITHIN_S, wait_s=_POLL_S)
        code = _reported(entity)
        if entity.get("intendedState") == state and (state != "ENABLED" or code == "ACTIVE"):
            return entity
        reported = entity.get("reportedState") or {}
        words = (reported.get("detail") or {}).get("message") or reported.get("effective") or "nothing more"
        raise UnexpectedAnswer(
            f"Integration {entity.get('name', id)} did not become active",
            cause=f"Genesys reports {code}: {words}",
            fix="correct what the cause names, such as the role's trust policy or the bucket, then try again",
        )

    async def _entity(self, id: str) -> JSON | None:
        return await self._client.request_or_none("GET", _ONE, ids={"id": id}, shape=Integration)


def names_of(schema: JSON, type_id: str, *, role_is_elsewhere: bool = False) -> dict[str, str]:
    """Our field → the schema's property, for those that it has. Raises InvalidInput where a word fits several, or where
    the bucket or, unless `role_is_elsewhere`, the role has none."""
    free = described(schema.get("properties") or {})
    for name in public_keys(schema):
        del free[name]
    needed = ("bucket",) if role_is_elsewhere else ("bucket", "role_arn")
    names: dict[str, str] = {}
    for field, words in _WORDS.items():
        fitting = [name for name, description in free.items() if any(word in description for word in words)]
        if len(fitting) > 1 or (not fitting and field in needed):
            raise InvalidInput(
                f"Which property of integration type {type_id} is the {field.replace('_', ' ')} is not clear",
                cause=f"the schema has {', '.join(schema.get('properties') or {}) or 'no properties'}",
                fix="give target.properties: the schema's names, with values such as '{bucket}' or '{role_arn}'",
            )
        if fitting:
            names[field] = fitting[0]
            del free[fitting[0]]
    return names


def public_keys(schema: JSON) -> list[str]:
    """The properties that take a public key."""
    properties = described(schema.get("properties") or {})
    return [name for name, description in properties.items() if any(word in description for word in _PUBLIC_KEY)]


def described(properties: Mapping[str, Any]) -> dict[str, str]:
    """Each property's name and title, in small letters, by its name."""
    return {
        name: f"{name} {spec.get('title', '') if isinstance(spec, Mapping) else ''}".lower()
        for name, spec in properties.items()
    }


def filled(template: Mapping[str, Any], values: Mapping[str, str]) -> JSON:
    """A template's properties with `{bucket}` and the like replaced. Raises InvalidInput for an unknown name."""

    def fill(value: Any) -> Any:
        return re.sub(r"\{([^{}]*)\}|[{}]", lambda name: values[name[1]], value) if isinstance(value, str) else value

    with suppress(KeyError):
        return {name: fill(value) for name, value in template.items()}
    raise InvalidInput(
        "target.properties cannot be filled",
        cause="a value has braces around something else than a known name",
        fix=f"known are: {', '.join(f'{{{name}}}' for name in values)}; nothing was written to the org",
    )


def _reported(entity: JSON) -> str:
    return str((entity.get("reportedState") or {}).get("code", "nothing"))


def _composed(entity: JSON, config: JSON) -> JSON:
    kept = {key: entity.get(key) for key in ("id", "name", "integrationType", "intendedState", "reportedState")}
    return kept | {key: config.get(key) for key in ("version", "properties", "advanced", "notes", "credentials")}


def exports_recordings(integration: JSON) -> bool:
    """Whether it is of a type that exports recordings to S3, by the type's id or name."""
    return _speaks_of_recordings_in_s3(integration.get("integrationType") or {})


def _speaks_of_recordings_in_s3(type: JSON) -> bool:
    words = f"{type.get('id')} {type.get('name')}".lower()
    return "s3" in words and "recording" in words
