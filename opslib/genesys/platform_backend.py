"""The backend for the API that Genesys publishes: a target is an S3 integration, a policy a media retention policy, and
changes are announced by an EventBridge integration.

Ids are the server's, so an object is known by its name, and marked as ours in its description or notes. A policy refers
to its integration by name in plans, and by id on the wire.
"""

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import ApiError, InvalidInput, NotFound
from opslib.genesys import retention
from opslib.genesys.answers import Page, counted
from opslib.genesys.backend import (
    JSON,
    Creation,
    Item,
    Kind,
    Meaning,
    leaves,
    nothing_to_rotate,
    only,
    overlaid,
)
from opslib.genesys.client import GenesysClient, answer
from opslib.genesys.comparable import (
    PLATFORM_OURS,
    PLATFORM_SERVER_OWNED,
    plain,
    platform_comparable,
    platform_writable,
)
from opslib.genesys.creations import Creations, keep_no_note
from opslib.genesys.integration_credentials import IntegrationCredentials, by_name, is_ours
from opslib.genesys.integrations import (
    FEED_TYPE,
    INTEGRATIONS,
    Integrations,
    exports_recordings,
)
from opslib.genesys.named_objects import NamedObjects
from opslib.genesys.policies import (
    MARK,
    POLICIES,
    Policy,
    delete_days,
    exported_to,
    foreign,
    matches_everything,
    over,
    policy_body,
    policy_values,
)
from opslib.genesys.properties_schema import checked_properties
from opslib.genesys.s3_target import S3Target
from opslib.genesys.target_notes import replacement_words
from opslib.genesys.token import TOKEN, organization
from opslib.onboarding.models import BackendName, DataLakeWebhook, Onboarding, StorageTarget
from opslib.onboarding.values import checked, folder_of, is_guid

_POLICY = POLICIES + "/{id}"

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
        self._creations = Creations(client)
        self.objects = NamedObjects(client, self.integrations, self._creations)
        self.credentials = IntegrationCredentials(client, self._creations)
        self._target = S3Target(self.integrations, self.credentials)
        self._policy_errors: list[str] = []
        # What there is to say about what stands in the target's way, in words; known after `to_do_first`.
        self._in_the_way: list[str] = []
        # What of the policy an onboarding cannot express, in words; known after `items` or `adopt`.
        self._foreign: list[str] = []
        # What else decides how long a recording stays; known after `items` or `adopt`.
        self._maximum = retention.Maximum(None, "not asked")
        self._others: Sequence[retention.Other] = ()

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
        self._foreign, self._policy_errors, self._target.about, self._in_the_way = [], [], [], []
        self.objects.forget_what_is_meant()
        async with self._client.operation("read_what_is_there"):
            of_target = await self._target.body(target, credentials)
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
            policies = await self.objects.listed("policy")
            self._in_the_way = [words for other in others for words in replacement_words(other, policies, target.name)]
            for other in others:
                self.bind("target", other["name"], other["id"])
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
                _, _, template = await self._target.type_of(target)
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
                if not self._target.has(name)
            ),
            *retention.notes(policy, self._maximum),
            *retention.notes_of_others(policy, self._maximum, self._others),
            *(f"target {target.name}: {words}" for words in self._target.about),
            *self._in_the_way,
            "policy: it works for new interactions only; earlier recordings need a bulk job",
            "webhook.url: Genesys sends to EventBridge; from there to the URL is yours to make: opslib check-feed",
            *(f"policy {policy.name}: {words}" for words in self._foreign),
            *(f"policy {policy.name} reports an error: {error}" for error in self._policy_errors),
        ]

    def warnings(self, onboarding: Onboarding) -> Sequence[str]:
        policy = onboarding.policy
        return [
            *self.objects.namesakes,
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
        bucket, region, *access = (
            self._target.carried(body, name) for name in ("bucket", "region", "role_arn", "external_id")
        )
        access += sorted(leaves(body.get("credentials")))
        return Meaning(bucket=bucket, region=region, access=tuple(access), enabled=enabled, ours=ours)

    def writable(self, answer: JSON) -> JSON:
        return platform_writable(answer)

    def comparable(self, answer: JSON) -> JSON:
        return platform_comparable(answer)

    def may_be_cut_off(self, answer: JSON, before: JSON | None, after: JSON | None) -> bool:
        """Each field is as it was or as it should be; a new object may still be switched off."""
        if after is None:
            return False
        # A credential of ours that is not used, or not yet.
        answer = {key: value for key, value in answer.items() if key != "unusedCredentials"}
        current, old, new = (dict(leaves(self.comparable(body))) if body else {} for body in (answer, before, after))
        off = {"enabled": False, "intendedState": "DISABLED"}
        return all(
            plain(current.get(path)) in (plain(old.get(path)), plain(new.get(path)))
            or (path in off and current.get(path) == off[path])
            for path in current.keys() | old.keys() | new.keys()
        )

    def undo_body(self, before: JSON | None, after: JSON | None) -> JSON | None:
        return before  # a role has no secret

    async def read(self, kind: Kind, id: str) -> JSON | None:
        async with self._client.operation(f"read_{kind}"):
            entity = await self.objects.find(kind, id)
            return await self._whole(kind, entity["id"]) if entity else None

    async def write(
        self,
        kind: Kind,
        id: str,
        body: JSON,
        credentials: AwsKeys | RoleReference | None = None,
        *,
        alone: bool = False,
        note: Callable[[Creation], object] | None = None,
    ) -> JSON:
        self._creations.note = note or keep_no_note
        await self.objects.look_for_unanswered(kind, id)
        made_just_now = self._creations.unlisted(kind, id)
        async with self._client.operation(f"write_{kind}"):
            try:
                return self.objects.note_name(kind, id, await self._write(kind, id, body, alone=alone))
            except NotFound:
                if not made_just_now:
                    raise
            self._creations.forget(kind, id)  # somebody has removed what we made a moment ago
            return self.objects.note_name(kind, id, await self._write(kind, id, body, alone=alone))

    def remember(self, kind: Kind, id: str, server_id: str) -> None:
        self.objects.remember(kind, id, server_id)

    def server_id(self, kind: Kind, id: str) -> str:
        return self.objects.server_id(kind, id)

    def bind(self, kind: Kind, id: str, server_id: str) -> None:
        self.objects.bind(kind, id, server_id)

    def recall(self, creation: Creation) -> None:
        self.objects.recall(creation)

    async def delete(self, kind: Kind, id: str) -> None:
        await self.objects.look_for_unanswered(kind, id)
        async with self._client.operation(f"delete_{kind}"):
            entity = await self.objects.find(kind, id)
            self._creations.forget(kind, id)
            if entity and kind == "policy":
                await self._client.request_or_none("DELETE", _POLICY, ids={"id": entity["id"]})
            elif entity:
                await self.integrations.remove(entity["id"])
            # Also after a crash in between, when the integration is gone already.
            if kind == "target" and (entity is None or await self._target.takes_credentials(entity)):
                await self.credentials.remove_unused(id, used=await self._used_by_namesakes(id, entity))

    async def list(self, kind: Kind) -> list[JSON]:
        async with self._client.operation(f"list_{'policie' if kind == 'policy' else kind}s"):
            listed = [
                entity for entity in await self.objects.listed(kind) if kind != "target" or exports_recordings(entity)
            ]
            bodies = [await self._whole(kind, entity["id"]) for entity in listed]
            return [body for body in bodies if body is not None]

    async def onboarding_of(self, onboarding: Onboarding, bodies: Mapping[Kind, JSON]) -> Onboarding:
        role = onboarding.target.credentials
        assert isinstance(role, RoleReference)  # noqa: S101 (held by the onboarding)
        self.objects.forget_what_is_meant()
        async with self._client.operation("read_integration_type"):
            await self._target.body(onboarding.target, role)
        parts: dict[Kind, JSON] = {}
        if target := bodies.get("target"):
            parts["target"] = self._target.values_of(target, role)
        if policy := bodies.get("policy"):
            with suppress(InvalidInput):  # what no onboarding can say
                parts["policy"] = policy_values(policy)
                days = max(onboarding.target.retention_days, parts["policy"]["retention_days"])
                parts.setdefault("target", {})["retention_days"] = days
        return overlaid(onboarding, parts)

    async def adopt(self, target: str, policy: str | None, webhook: str | None) -> Onboarding:
        async with self._client.operation("adopt"):
            of_target = (
                await self._whole("target", only(await self.objects.listed("target"), "target", target)["id"]) or {}
            )
            reference = {"name": of_target["name"]}
            policies = [policy for policy in await self.list("policy") if reference in exported_to(policy)]
            of_policy = only(policies, "policy", policy)
            of_webhook = only(await self.list("webhook"), "webhook", webhook)
            self._target.about, self._in_the_way = [], []
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
                target=await self._target.values(of_target, values["retention_days"], org_id),
                policy={"id": of_policy["id"], **values},
                webhook=_feed_values(of_webhook),
            )

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
        if pinned:
            await self.objects.pin(kind, pinned, body["name"])
        entity = await self.objects.find(kind, body["name"])
        if pinned and entity is None:
            named = [one["id"] for one in await self.objects.named(kind, body["name"])]
            id = ", ".join(named) or "– (there is none)"
            raise InvalidInput(
                f"{kind}.id names another object than {kind}.name",
                cause=f"the {kind} {body['name']} has id {id}, not {pinned}",
                fix="leave out the id: opslib finds objects by name; or correct the name",
            )
        existing = await self._whole(kind, entity["id"]) if entity else None
        if kind == "target":
            body = self._target.over(existing or {}, body, rotate=rotate)
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
        return {**{key: value for key, value in existing.items() if key not in PLATFORM_OURS}, **body}

    async def _write(self, kind: Kind, name: str, body: JSON, *, alone: bool) -> JSON:
        if kind == "policy":
            wire = await self._with_ids(body)
            return _by_name(await self._write_policy(name, wire, alone=alone), wire, body)
        entity = await self.objects.find(kind, name)
        if entity is None or alone:
            new = {"name": name, "integrationType": body["integrationType"]}
            entity = await self.objects.make(kind, INTEGRATIONS, new, entity, alone=alone)
        elif entity.get("intendedState") != body["intendedState"] and await self._only_switched(kind, entity, body):
            switched = await self.integrations.switch(entity["id"], body["intendedState"])
            return {**switched, "credentials": body.get("credentials")}
        if kind == "webhook" or not await self._target.takes_credentials(body):
            return await self.integrations.put(entity["id"], body)
        wire = await self._target.with_credential_ids(body)
        written = await self.integrations.put(entity["id"], wire)
        # What a rollback restores may have had one that nothing used.
        kept = [await self._target.credential(body, one) for one in body.get("unusedCredentials") or ()]
        await self.credentials.remove_unused(name, used=[*kept, *(one["id"] for one in wire["credentials"].values())])
        return _as_read(written, wire, body)

    async def _only_switched(self, kind: Kind, entity: JSON, body: JSON) -> bool:
        """Whether only the state differs: then the configuration, which may be another team's, is not written."""
        current = await self._whole(kind, entity["id"])
        state = {"intendedState": body["intendedState"]}
        return current is not None and self.comparable({**current, **state}) == self.comparable(body)

    async def _write_policy(self, name: str, body: JSON, *, alone: bool) -> JSON:
        """A new policy is made disabled and enabled last; an existing one is read first, as a PUT replaces it all."""
        policy, new = await self.objects.find("policy", name), {**body, "enabled": False}
        if policy is None or alone:
            policy = await self.objects.make("policy", POLICIES, new, policy, alone=alone)
        if self.comparable(policy) != self.comparable(new):
            current = await self._policy(policy["id"]) or {}
            kept = {key: value for key, value in current.items() if key not in PLATFORM_OURS | PLATFORM_SERVER_OWNED}
            whole = {**kept, **body, "enabled": bool(current.get("enabled")) and body["enabled"]}
            policy = await self._client.request("PUT", _POLICY, ids={"id": policy["id"]}, json=whole, shape=Policy)
        if body["enabled"] and not policy.get("enabled"):
            enabled, ids = {"enabled": True}, {"id": policy["id"]}
            policy = await self._client.request("PATCH", _POLICY, ids=ids, json=enabled, repeatable=True, shape=Policy)
        return policy

    async def _used_by_namesakes(self, name: str, target: JSON | None) -> Sequence[str]:
        """The ids of the credentials that other targets of this name use."""
        others = [
            one["id"] for one in await self.objects.named("target", name) if not target or one["id"] != target["id"]
        ]
        wholes = [await self.integrations.whole(other) or {} for other in others]
        return [bound["id"] for whole in wholes for bound in (whole.get("credentials") or {}).values()]

    async def _whole(self, kind: Kind, id: str) -> JSON | None:
        if kind != "policy":
            whole = await self.integrations.whole(id)
            if whole and kind == "target" and (whole.get("credentials") or await self._target.takes_credentials(whole)):
                credentials = await self.credentials.list()
                if sum(is_ours(one, whole["name"]) for one in credentials) > 1:
                    used = await self._used_by_namesakes(whole["name"], whole)
                    credentials = [one for one in credentials if one["id"] not in used]
                return by_name(whole, credentials)
            return whole
        policy = await self._policy(id)
        references = exported_to(policy or {})
        names = {id: await self.integrations.name(id) for id in {reference["id"] for reference in references}}
        for reference in references:
            name = names[reference["id"]]
            if name and self.objects.is_meant("target", name, reference["id"]):
                reference.clear()
                reference["name"] = name
        return policy

    async def _read_retention(self, policy: JSON) -> None:
        until = asyncio.get_running_loop().time() + _MAXIMUM_WITHIN_S
        self._maximum = retention.maximum_of(await answer(self._client, retention.SETTINGS, None, until))
        others = [other for other in await self.objects.listed("policy") if other.get("name") != policy["name"]]
        bodies = [await self._policy(other["id"]) or {} for other in others if other.get("enabled")]
        self._others = retention.others(policy, bodies, self._client.now())

    async def _policy(self, id: str) -> JSON | None:
        return await self._client.request_or_none("GET", _POLICY, ids={"id": id}, shape=Policy)

    async def _with_ids(self, body: JSON) -> JSON:
        """A policy as it is sent: its integrations by id."""
        wire = copy.deepcopy(body)
        for reference in exported_to(wire):
            if name := reference.pop("name", None):
                target = await self.objects.find("target", name)
                if target is None:
                    raise NotFound(
                        f"Policy {body['name']} has no integration to export to",
                        cause=f"there is no integration named {name}",
                        fix="make the target first",
                        status=404,
                    )
                reference["id"] = target["id"]
        return wire


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
