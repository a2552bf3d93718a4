"""The backend for the API that Genesys publishes: a target is an S3 integration, a policy a media retention policy, and
changes are announced by an EventBridge integration.

Ids are the server's, so an object is known by its name, and marked as ours in its description or notes. A policy refers
to its integration by name in plans, and by id on the wire.
"""

import asyncio
import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import ApiError, Conflict, InvalidInput, NotFound
from opslib.genesys import retention
from opslib.genesys.answers import Page, counted
from opslib.genesys.backend import (
    JSON,
    SETTLES_WITHIN_S,
    Item,
    Kind,
    Meaning,
    leaves,
    nothing_to_rotate,
    only,
)
from opslib.genesys.client import GenesysClient, answer
from opslib.genesys.integration_credentials import IntegrationCredentials, Slot, by_name, held
from opslib.genesys.integrations import (
    Integrations,
    create,
    exports_recordings,
    filled,
    names_of,
    public_keys,
)
from opslib.genesys.policies import (
    MARK,
    Policy,
    by_reference,
    delete_days,
    exported_to,
    foreign,
    matches_everything,
    over,
    parts,
    policy_body,
    policy_values,
)
from opslib.genesys.properties_schema import checked_properties
from opslib.genesys.target_notes import credential_words, public_key_words, replacement_words, state_words
from opslib.genesys.token import TOKEN, organization
from opslib.onboarding.models import BackendName, DataLakeWebhook, Onboarding, StorageTarget
from opslib.onboarding.values import checked, folder_of, is_guid

POLICIES = "/api/v2/recording/mediaretentionpolicies"
_POLICY = POLICIES + "/{id}"

# Genesys's own blueprint "aws-event-bridge-module" has this type and these properties.
FEED_TYPE = "amazon-eventbridge-source"
FEED_PROPERTIES = ("eventSourceSuffix", "awsAccountId", "awsAccountRegion", "eventFilter")

# The fields of an object that an onboarding sets. The others belong to somebody else and stay as they are.
_OURS = frozenset(
    {"name", "description", "enabled", "mediaPolicies", "conditions", "actions"}
    | {"integrationType", "intendedState", "properties", "notes", "credentials", "unusedCredentials"}
)
# Fields that the server sets and that must not be sent.
_SERVER_OWNED = frozenset(
    {"id", "version", "selfUri", "createdDate", "modifiedDate", "policyErrors", "reportedState", "attributes", "config"}
)

# How long to wait for the org's maximum retention (seconds): a plan does not fail for it.
_MAXIMUM_WITHIN_S = 20.0

# What applies where a type of integration has no property for a field.
_OTHERWISE = {
    "region": "Genesys finds the bucket by its name",
    "path_prefix": "Genesys writes below its organisation's id",
    "encryption": "the bucket's own default encryption counts",
    "external_id": "Genesys uses its organisation's id",
}


class PlatformBackend:
    """Reads and writes S3 integrations, retention policies and EventBridge integrations through one client."""

    name: BackendName = "platform"
    ids_are_ours = False

    def __init__(self, client: GenesysClient) -> None:
        self._client, self.where = client, client.base_url
        self.integrations = Integrations(client)
        self.credentials = IntegrationCredentials(client)
        # Our field → the property of the S3 integration's type that carries it; known after `items`.
        self._carried: dict[str, str] = {}
        # Where the role goes if not among the properties; an error where that is not clear. Known after `items`.
        self._slot: Slot | InvalidInput | None = None
        self._policy_errors: list[str] = []
        # What there is to say about the target and about what stands in its way, in words; known after `items`, the
        # latter after `to_do_first`.
        self._about_target: list[str] = []
        self._own_properties: frozenset[str] = frozenset()
        self._public_keys: list[str] = []
        self._in_the_way: list[str] = []
        # What of the policy an onboarding cannot express, in words; known after `items` or `adopt`.
        self._foreign: list[str] = []
        # What else decides how long a recording stays; known after `items` or `adopt`.
        self._maximum = retention.Maximum(None, "not asked")
        self._others: Sequence[retention.Other] = ()
        # What was made a moment ago, by kind and name: its id and until when a list may not show it.
        self._made: dict[tuple[Kind, str], tuple[str, float]] = {}
        # What the server may call otherwise than we do, by kind and our name: its id.
        self._renamed: dict[tuple[Kind, str], str] = {}

    async def probe(self) -> int | None:
        async with self._client.operation("probe_platform"):
            page = await self._client.request_or_none("GET", POLICIES, params={"pageSize": 1}, shape=Page[Policy])
        return None if page is None else counted(page)

    async def items(
        self, onboarding: Onboarding, credentials: AwsKeys | RoleReference, *, rotate: bool = False
    ) -> Sequence[Item]:
        target, policy, webhook = onboarding.target, onboarding.policy, onboarding.webhook
        if not isinstance(credentials, RoleReference):
            raise InvalidInput(
                "Genesys takes a role, never AWS keys",
                cause="target.credentials names an AWS key pair",
                fix="give role_arn and external_id; nothing was sent",
            )
        self._foreign, self._policy_errors, self._about_target, self._in_the_way = [], [], [], []
        async with self._client.operation("read_what_is_there"):
            of_target = await self._target_body(target, credentials)
            if rotate and not of_target["credentials"]:
                raise nothing_to_rotate()
            bodies: list[tuple[Kind, StorageTarget | Any, JSON]] = [
                ("target", target, of_target),
                ("policy", policy, policy_body(policy, target.name)),
                ("webhook", webhook, await self._feed_body(webhook)),
            ]
            items = [
                Item(kind, wanted.name, wanted.name, await self._over_existing(kind, wanted.id, body, rotate=rotate))
                for kind, wanted, body in bodies
            ]
            await self._read_retention(items[1].body)
            return items

    async def to_do_first(self, target: Item) -> Sequence[Item]:
        """An org has one active integration that exports recordings to S3 (Google's contact-center-ai-samples, after
        Genesys's help). So another one is switched off, at the last moment: when ours is ready."""
        if target.body["intendedState"] != "ENABLED":
            return ()
        async with self._client.operation("find_active_integrations"):
            others = [entity for entity in await self.integrations.list() if _exports_and_is_on(entity, target.body)]
            if not others or any(other["name"] == target.name for other in others):
                return ()
            policies = await self._listed("policy")
            self._in_the_way = [words for other in others for words in replacement_words(other, policies, target.name)]
            bodies = [self.writable(await self._whole("target", other["id"]) or other) for other in others]
        off = {"intendedState": "DISABLED"}
        return (
            replace(target, body={**target.body, **off}),
            *(Item("target", body["name"], body["name"], {**body, **off}) for body in bodies),
        )

    async def place(self, onboarding: Onboarding, org_id: str) -> str | None:
        """The organisation's id (Genesys help 292632), unless the integration's type has a property for a prefix.

        None when the type cannot be told, or properties of one's own may hold a prefix.
        """
        target = onboarding.target
        async with self._client.operation("read_integration_type"):
            try:
                _, _, template = await self._type_of(target)
            except (ApiError, InvalidInput):
                return None  # `items` raises it
        if "{path_prefix}" in template.values():
            return folder_of(target.path_prefix)
        return None if target.properties or not org_id else folder_of(org_id)

    def notes(self, onboarding: Onboarding) -> Sequence[str]:
        target, policy = onboarding.target, onboarding.policy
        return [
            "target.retention_days: Genesys has no such setting here; "
            f"{target.retention_days} days are held against the bucket's lifecycle rules and Object Lock only",
            *(
                f"target.{name}: this type of integration has no property for it, so it is not sent; {instead}"
                for name, instead in _OTHERWISE.items()
                if name not in self._carried and not (isinstance(self._slot, Slot) and name in self._slot.fields)
            ),
            *retention.notes(policy, self._maximum),
            *retention.notes_of_others(policy, self._maximum, self._others),
            *(f"target {target.name}: {words}" for words in self._about_target),
            *self._in_the_way,
            "policy: it works for new interactions only; earlier recordings need a bulk job",
            "webhook.url: Genesys sends to EventBridge; from there to the URL is yours to make: opslib check-feed",
            *(f"policy {policy.name}: {words}" for words in self._foreign),
            *(f"policy {policy.name} reports an error: {error}" for error in self._policy_errors),
        ]

    def warnings(self, onboarding: Onboarding) -> Sequence[str]:
        policy = onboarding.policy
        return [
            *retention.warnings(policy, self._maximum),
            *retention.warnings_of_others(policy, self._maximum, self._others),
        ]

    def meaning(self, kind: Kind, body: JSON) -> Meaning:
        if kind == "policy":
            exports = exported_to(body)
            return Meaning(
                retention_days=delete_days(body),
                target=exports[0].get("name") if exports else None,
                enabled=body.get("enabled", False),
                everything=matches_everything(body),
                ours=MARK in (body.get("description") or ""),
                foreign=foreign(body),
            )
        enabled, ours = body.get("intendedState") == "ENABLED", MARK in (body.get("notes") or "")
        if kind == "webhook":
            return Meaning(enabled=enabled, ours=ours)
        properties = body.get("properties") or {}
        bucket, region, *access = (
            properties.get(self._carried.get(name, "")) for name in ("bucket", "region", "role_arn", "external_id")
        )
        access += sorted(leaves(body.get("credentials")))
        return Meaning(bucket=bucket, region=region, access=tuple(access), enabled=enabled, ours=ours)

    def writable(self, answer: JSON) -> JSON:
        body = copy.deepcopy({key: value for key, value in answer.items() if key not in _SERVER_OWNED})
        for part in [*parts(body), body]:
            if part.get("conditions"):
                part["conditions"] = by_reference(part["conditions"])
        for reference in [*exported_to(body), *([body["integrationType"]] if "integrationType" in body else [])]:
            kept = "id" if "id" in reference else "name"
            for key in reference.keys() - {kept}:
                del reference[key]
        return body

    def comparable(self, answer: JSON) -> JSON:
        normal: JSON = _normal({key: value for key, value in self.writable(answer).items() if key in _OURS})
        return normal

    def may_be_cut_off(self, answer: JSON, before: JSON | None, after: JSON | None) -> bool:
        """Each field is as it was or as it should be; a new object may still be switched off."""
        if after is None:
            return False
        # A credential of ours that is not used, or not yet.
        answer = {key: value for key, value in answer.items() if key != "unusedCredentials"}
        current, old, new = (dict(leaves(self.comparable(body))) if body else {} for body in (answer, before, after))
        off = {"enabled": False, "intendedState": "DISABLED"}
        return all(
            _plain(current.get(path)) in (_plain(old.get(path)), _plain(new.get(path)))
            or (path in off and current.get(path) == off[path])
            for path in current.keys() | old.keys() | new.keys()
        )

    def undo_body(self, before: JSON | None, after: JSON | None) -> JSON | None:
        return before  # a role has no secret

    async def read(self, kind: Kind, id: str) -> JSON | None:
        async with self._client.operation(f"read_{kind}"):
            entity = await self._find(kind, id)
            return await self._whole(kind, entity["id"]) if entity else None

    async def write(self, kind: Kind, id: str, body: JSON, credentials: AwsKeys | RoleReference | None = None) -> JSON:
        remembered = (kind, id) in self._made
        async with self._client.operation(f"write_{kind}"):
            try:
                return self._note_name(kind, id, await self._write(kind, id, body))
            except NotFound:
                if not remembered:
                    raise
            del self._made[kind, id]  # somebody has removed what we made a moment ago
            return self._note_name(kind, id, await self._write(kind, id, body))

    def remember(self, kind: Kind, id: str, server_id: str) -> None:
        self._renamed[kind, id] = server_id

    async def delete(self, kind: Kind, id: str) -> None:
        async with self._client.operation(f"delete_{kind}"):
            entity = await self._find(kind, id)
            self._made.pop((kind, id), None)
            if entity and kind == "policy":
                await self._client.request_or_none("DELETE", _POLICY, ids={"id": entity["id"]})
            elif entity:
                await self.integrations.remove(entity["id"])
            # Also after a crash in between, when the integration is gone already.
            if kind == "target" and (entity is None or await self._takes_credentials(entity)):
                await self.credentials.remove_unused(id, used=())

    async def list(self, kind: Kind) -> list[JSON]:
        async with self._client.operation(f"list_{'policie' if kind == 'policy' else kind}s"):
            listed = [entity for entity in await self._listed(kind) if kind != "target" or exports_recordings(entity)]
            bodies = [await self._whole(kind, entity["id"]) for entity in listed]
            return [body for body in bodies if body is not None]

    async def adopt(self, target: str, policy: str | None, webhook: str | None) -> Onboarding:
        async with self._client.operation("adopt"):
            of_target = await self._whole("target", only(await self._listed("target"), "target", target)["id"]) or {}
            reference = {"name": of_target["name"]}
            policies = [policy for policy in await self.list("policy") if reference in exported_to(policy)]
            of_policy = only(policies, "policy", policy)
            of_webhook = only(await self.list("webhook"), "webhook", webhook)
            self._about_target, self._in_the_way = [], []
            self._foreign = [
                f"{path} cannot be said in this file; applying the file leaves it as it is"
                for path in sorted(foreign(of_policy))
            ]
            await self._read_retention(of_policy)
            values = policy_values(self.writable(of_policy))
            about = organization(await self._client.request("GET", TOKEN))
            org_id = "" if isinstance(about, str) else about.id
            return checked(
                Onboarding,
                backend="platform",
                org_id=org_id if is_guid(org_id) else "",
                target=await self._target_values(of_target, values["retention_days"], org_id),
                policy={"id": of_policy["id"], **values},
                webhook=_feed_values(of_webhook),
            )

    async def _target_body(self, target: StorageTarget, role: RoleReference) -> JSON:
        type_id, schema, template = await self._type_of(target)
        values = {
            **{name: getattr(target, name) for name in ("bucket", "region", "path_prefix", "encryption")},
            **role.model_dump(),
        }
        self._carried = {str(ours)[1:-1]: theirs for theirs, ours in template.items() if str(ours)[1:-1] in values}
        self._own_properties = frozenset(template)
        self._public_keys = public_keys(schema)
        self._slot = await self._slot_of(await self.integrations.type(type_id))
        slot = self._slot if isinstance(self._slot, Slot) else None
        return {
            "name": target.name,
            "integrationType": {"id": type_id},
            "intendedState": "ENABLED" if target.enabled else "DISABLED",
            "properties": checked_properties(filled(template, values), schema, type_id),
            "notes": f"Recordings to s3://{target.bucket}; {MARK}",
            "credentials": {slot.name: {"name": slot.holding(target.name, role).name}} if slot else {},
        }

    async def _slot_of(self, integration_type: JSON) -> Slot | InvalidInput | None:
        """Where the role goes if the properties do not carry it, or if a credential is required as well."""
        asked = (integration_type.get("credentials") or {}).values()
        if "role_arn" in self._carried and not any(specification.get("required") for specification in asked):
            return None
        try:
            return await self.credentials.slot(integration_type)
        except InvalidInput as error:
            return error if "role_arn" not in self._carried else None

    async def _type_of(self, target: StorageTarget) -> tuple[str, JSON, JSON]:
        """The id of the integration's type, its schema, and its properties with our fields in braces."""
        type_id = target.integration_type or await self.integrations.s3_type()
        schema = await self.integrations.schema(type_id)
        if target.properties:
            return type_id, schema, target.properties
        return type_id, schema, {theirs: f"{{{ours}}}" for ours, theirs in (await self._names(type_id)).items()}

    async def _names(self, type_id: str) -> dict[str, str]:
        """Our field → the type's property."""
        has_credentials = bool((await self.integrations.type(type_id)).get("credentials"))
        return names_of(await self.integrations.schema(type_id), type_id, role_is_elsewhere=has_credentials)

    async def _feed_body(self, webhook: DataLakeWebhook) -> JSON:
        properties = {
            "eventSourceSuffix": webhook.suffix,
            "awsAccountId": webhook.account,
            "awsAccountRegion": webhook.region,
            "eventFilter": list(webhook.topics),
        }
        return {
            "name": webhook.name,
            "integrationType": {"id": FEED_TYPE},
            "intendedState": "ENABLED" if webhook.enabled else "DISABLED",
            "properties": checked_properties(properties, await self.integrations.schema(FEED_TYPE), FEED_TYPE),
            "notes": f"Changes to AWS account {webhook.account}; {MARK}",
        }

    async def _over_existing(self, kind: Kind, pinned: str, body: JSON, *, rotate: bool) -> JSON:
        """The body with what somebody else added to the existing object. Raises InvalidInput when that is another."""
        entity = await self._find(kind, body["name"])
        if pinned and (entity is None or entity["id"] != pinned):
            id = entity["id"] if entity else "– (there is none)"
            raise InvalidInput(
                f"{kind}.id names another object than {kind}.name",
                cause=f"the {kind} {body['name']} has id {id}, not {pinned}",
                fix="leave out the id: opslib finds objects by name; or correct the name",
            )
        existing = await self._whole(kind, entity["id"]) if entity else None
        if kind == "target":
            body = self._target_over(existing or {}, body, rotate=rotate)
        if existing is None:
            return body
        if kind == "policy":
            messages = (existing.get("policyErrors") or {}).get("policyErrorMessages") or []
            self._policy_errors = [str(message.get("userMessage")) for message in messages]
        existing = self.writable(existing)
        if existing.get("integrationType") != body.get("integrationType"):
            raise InvalidInput(
                f"The name {body['name']} is taken",
                cause=f"an integration of type {existing['integrationType']['id']} has it; a type cannot be changed",
                fix=f"choose another {kind}.name",
            )
        if kind == "policy":
            body = over(existing, body)
            self._foreign = [
                f"{path} is none of the onboarding's, and "
                + ("stays as it is" if path in foreign(body) else "goes with the medium that is left out")
                for path in sorted(foreign(existing))
            ]
        return {**{key: value for key, value in existing.items() if key not in _OURS}, **body}

    def _target_over(self, existing: JSON, body: JSON, *, rotate: bool) -> JSON:
        """Our target with what an onboarding cannot say of the existing one: properties that are not ours, and a
        credential that opslib did not make, unless it is rotated or took the place of ours.

        Raises InvalidInput where the role has no place.
        """
        bound, properties = existing.get("credentials") or {}, existing.get("properties") or {}
        if isinstance(self._slot, InvalidInput) and not bound:
            raise self._slot
        # Where one of ours is not used, somebody has put another in its place.
        replaced = rotate or bool(existing.get("unusedCredentials"))
        kept = {
            name: reference
            for name, reference in bound.items()
            if name not in body["credentials"] or ("id" in reference and not replaced)
        }
        body = {
            **body,
            "properties": body["properties"]
            | {name: value for name, value in properties.items() if name not in self._own_properties},
            "credentials": body["credentials"] | kept,
        }
        self._about_target = [
            *state_words(existing),
            *public_key_words(self._public_keys, body["properties"]),
            *credential_words(body["credentials"] if "role_arn" not in self._carried else {}),
        ]
        return body

    async def _write(self, kind: Kind, name: str, body: JSON) -> JSON:
        if kind == "policy":
            wire = await self._with_ids(body)
            return _by_name(await self._write_policy(name, wire), wire, body)
        entity = await self._find(kind, name)
        if entity is None:
            entity = self._note_made(kind, await self.integrations.make(body, lambda: self._find(kind, name)))
        elif entity.get("intendedState") != body["intendedState"] and await self._only_switched(kind, entity, body):
            switched = await self.integrations.switch(entity["id"], body["intendedState"])
            return {**switched, "credentials": body.get("credentials")}
        if kind == "webhook" or not await self._takes_credentials(body):
            return await self.integrations.put(entity["id"], body)
        wire = await self._with_credential_ids(body)
        written = await self.integrations.put(entity["id"], wire)
        # What a rollback restores may have had one that nothing used.
        kept = [await self._credential(body, one) for one in body.get("unusedCredentials") or ()]
        await self.credentials.remove_unused(name, used=[*kept, *(one["id"] for one in wire["credentials"].values())])
        return _as_read(written, wire, body)

    async def _only_switched(self, kind: Kind, entity: JSON, body: JSON) -> bool:
        """Whether only the state differs: then the configuration, which may be another team's, is not written."""
        current = await self._whole(kind, entity["id"])
        state = {"intendedState": body["intendedState"]}
        return current is not None and self.comparable({**current, **state}) == self.comparable(body)

    async def _with_credential_ids(self, body: JSON) -> JSON:
        """An integration as it is sent: its credentials by id. Those of opslib are made, or written again."""
        references: dict[str, JSON] = {}
        for name, reference in (body.get("credentials") or {}).items():
            ours = reference.get("name")
            references[name] = {"id": await self._credential(body, ours) if ours else reference["id"]}
        return {**body, "credentials": references}

    async def _credential(self, body: JSON, name: str) -> str:
        """The id of a credential of ours, which holds what its name says."""
        slot = await self.credentials.slot(await self.integrations.type(body["integrationType"]["id"]))
        assert slot  # noqa: S101 (its type takes credentials)
        return await self.credentials.write(name, slot)

    async def _write_policy(self, name: str, body: JSON) -> JSON:
        """A new policy is made disabled and enabled last; an existing one is read first, as a PUT replaces it all."""
        policy, new = await self._find("policy", name), {**body, "enabled": False}
        if policy is None:
            made = await create(self._client, POLICIES, new, lambda: self._find("policy", name), Policy)
            policy = self._note_made("policy", made)
        if self.comparable(policy) != self.comparable(new):
            current = await self._policy(policy["id"]) or {}
            kept = {key: value for key, value in current.items() if key not in _OURS | _SERVER_OWNED}
            whole = {**kept, **body, "enabled": bool(current.get("enabled")) and body["enabled"]}
            policy = await self._client.request("PUT", _POLICY, ids={"id": policy["id"]}, json=whole, shape=Policy)
        if body["enabled"] and not policy.get("enabled"):
            enabled, ids = {"enabled": True}, {"id": policy["id"]}
            policy = await self._client.request("PATCH", _POLICY, ids=ids, json=enabled, repeatable=True, shape=Policy)
        return policy

    async def _find(self, kind: Kind, name: str) -> JSON | None:
        """The object with the name; also one that was made just now and that no list shows yet.

        Raises Conflict when there are several.
        """
        listed = await self._listed(kind)
        named = [entity for entity in listed if entity.get("name") == name]
        if len(named) > 1:
            ids = ", ".join(entity["id"] for entity in named)
            raise Conflict(
                f"There are {len(named)} {'policies' if kind == 'policy' else 'integrations'} named {name}",
                cause=f"their ids are {ids}; opslib cannot know which one is meant",
                fix="rename or remove all but one in Genesys Cloud; nothing was written",
            )
        if named:
            return named[0]
        if renamed := [entity for entity in listed if entity["id"] == self._renamed.get((kind, name))]:
            return renamed[0]
        id, until = self._made.get((kind, name), ("", 0.0))
        return {"id": id, "name": name} if asyncio.get_running_loop().time() < until else None

    def _note_made(self, kind: Kind, made: JSON) -> JSON:
        self._made[kind, made["name"]] = made["id"], asyncio.get_running_loop().time() + SETTLES_WITHIN_S
        return made

    def _note_name(self, kind: Kind, name: str, answer: JSON) -> JSON:
        if answer.get("name") != name and "id" in answer:
            self.remember(kind, name, answer["id"])
        return answer

    async def _listed(self, kind: Kind) -> Sequence[JSON]:
        if kind == "policy":
            return await self._client.entities(POLICIES, Page[Policy])
        feeds = kind == "webhook"
        return [
            entity
            for entity in await self.integrations.list()
            if ((entity.get("integrationType") or {}).get("id") == FEED_TYPE) == feeds
        ]

    async def _whole(self, kind: Kind, id: str) -> JSON | None:
        if kind != "policy":
            whole = await self.integrations.whole(id)
            if whole and kind == "target" and (whole.get("credentials") or await self._takes_credentials(whole)):
                return by_name(whole, await self.credentials.list())
            return whole
        policy = await self._policy(id)
        references = exported_to(policy or {})
        names = {id: await self.integrations.name(id) for id in {reference["id"] for reference in references}}
        for reference in references:
            if name := names[reference["id"]]:
                reference.clear()
                reference["name"] = name
        return policy

    async def _read_retention(self, policy: JSON) -> None:
        until = asyncio.get_running_loop().time() + _MAXIMUM_WITHIN_S
        self._maximum = retention.maximum_of(await answer(self._client, retention.SETTINGS, None, until))
        others = [other for other in await self._listed("policy") if other.get("name") != policy["name"]]
        bodies = [await self._policy(other["id"]) or {} for other in others if other.get("enabled")]
        self._others = retention.others(policy, bodies, self._client.now())

    async def _takes_credentials(self, integration: JSON) -> bool:
        """Whether integrations of its type have credentials; true where the type is not known."""
        type_id = (integration.get("integrationType") or {}).get("id")
        if type_id is None:
            return True
        return bool((await self.integrations.type(type_id)).get("credentials"))

    async def _policy(self, id: str) -> JSON | None:
        return await self._client.request_or_none("GET", _POLICY, ids={"id": id}, shape=Policy)

    async def _with_ids(self, body: JSON) -> JSON:
        """A policy as it is sent: its integrations by id."""
        wire = copy.deepcopy(body)
        for reference in exported_to(wire):
            if name := reference.pop("name", None):
                target = await self._find("target", name)
                if target is None:
                    raise NotFound(
                        f"Policy {body['name']} has no integration to export to",
                        cause=f"there is no integration named {name}",
                        fix="make the target first",
                        status=404,
                    )
                reference["id"] = target["id"]
        return wire

    async def _target_values(self, target: JSON, retention_days: int, org_id: str) -> JSON:
        type_id = target["integrationType"]["id"]
        names = self._carried = await self._names(type_id)
        properties = target.get("properties") or {}
        fields = {ours: properties[theirs] for ours, theirs in names.items() if theirs in properties}
        # The external id that Genesys uses is the organisation's id.
        role = {"role_arn": fields.pop("role_arn", ""), "external_id": fields.pop("external_id", org_id)}
        if not role["role_arn"]:
            role = self._role_of_credential(target, role["external_id"])
        return {
            "id": target["id"],
            "name": target["name"],
            "integration_type": type_id,
            "credentials": role,
            "retention_days": retention_days,
            "enabled": target["intendedState"] == "ENABLED",
            "region": "us-east-1",
            **fields,
        }

    def _role_of_credential(self, target: JSON, external_id: str) -> JSON:
        """What opslib wrote into the target's credential. An example where somebody else wrote it."""
        names = [reference["name"] for reference in (target.get("credentials") or {}).values() if "name" in reference]
        holds = held(names[0]) if names else None
        if holds:
            return {"role_arn": holds.role_arn, "external_id": holds.external_id or external_id}
        self._about_target = [
            "target.credentials.role_arn is an example: the role is in a credential that cannot be read; put in the ARN"
        ]
        return {"role_arn": "arn:aws:iam::000000000000:role/not-known", "external_id": external_id}


def _exports_and_is_on(integration: JSON, target: JSON) -> bool:
    same_type = (integration.get("integrationType") or {}).get("id") == target["integrationType"]["id"]
    return integration.get("intendedState") == "ENABLED" and (same_type or exports_recordings(integration))


def _by_name(policy: JSON, wire: JSON, body: JSON) -> JSON:
    """A policy as the server answered it, its integrations by the names that `body` has and `wire` was sent without."""
    sent = zip(exported_to(wire), exported_to(body), strict=True)
    names = {by_id.get("id"): by_name["name"] for by_id, by_name in sent if "name" in by_name}
    for reference in exported_to(policy):
        if name := names.get(reference.get("id")):
            reference.clear()
            reference["name"] = name
    return policy


def _as_read(integration: JSON, wire: JSON, body: JSON) -> JSON:
    """An integration as the server answered it, with the credentials that `body` names as `body` has them."""
    sent = {reference["id"]: body["credentials"][name] for name, reference in wire["credentials"].items()}
    bound = (integration.get("credentials") or {}).items()
    credentials = {name: sent.get(reference["id"], {"id": reference["id"]}) for name, reference in bound}
    return {**integration, "credentials": credentials, "unusedCredentials": body.get("unusedCredentials")}


def _feed_values(feed: JSON) -> JSON:
    properties = feed.get("properties") or {}
    return {
        "id": feed["id"],
        "name": feed["name"],
        "url": "https://datalake.example.com/ingest",
        "account": properties.get("awsAccountId", ""),
        "region": properties.get("awsAccountRegion", ""),
        "suffix": properties.get("eventSourceSuffix", ""),
        "topics": tuple(properties.get("eventFilter") or ()),
        "enabled": feed["intendedState"] == "ENABLED",
    }


def _normal(value: Any) -> Any:
    """Lists in order, without null and empty values: a server may fill those in for what was left out."""
    if isinstance(value, dict):
        fields = {key: _normal(field) for key, field in value.items()}
        return {key: field for key, field in fields.items() if field not in (None, "", {}, [])}
    return sorted((_normal(item) for item in value), key=_plain) if isinstance(value, list) else value


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
