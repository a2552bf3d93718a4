"""The storage-targets backend: three kinds of object, each written with PUT under an id that we choose."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opslib.credentials import AwsKeys, KeyReference, RoleReference
from opslib.errors import InvalidInput
from opslib.genesys.answers import Entity, Page, Shape, counted
from opslib.genesys.backend import JSON, Creation, Item, Kind, Meaning, nothing_to_rotate, only, overlaid
from opslib.genesys.client import GenesysClient
from opslib.genesys.comparable import storage_targets_comparable, storage_targets_writable
from opslib.onboarding.models import BackendName, DataLakeWebhook, Onboarding, RecordingPolicy, StorageTarget
from opslib.onboarding.values import checked, folder_of
from opslib.settings import check_aws_secret

_COLLECTIONS: dict[Kind, str] = {
    "target": "/api/v2/recording/storage/targets",
    "policy": "/api/v2/recording/policies",
    "webhook": "/api/v2/webhooks",
}


class _Configuration(Shape):
    bucket: str
    region: str
    accessKeyId: str | None = None
    roleArn: str | None = None
    externalId: str | None = None
    serverSideEncryption: str | None = None
    pathPrefix: str | None = None


class _Target(Entity):
    name: str
    configuration: _Configuration
    retentionPeriodDays: int | None = None
    enabled: bool


class _Policy(Entity):
    name: str
    recordingTypes: list[str]
    storageTargetId: str | None = None
    retentionPeriodDays: int | None = None
    enabled: bool


class _Webhook(Entity):
    name: str
    targetUrl: str
    events: list[str]
    authentication: JSON | None = None
    enabled: bool


_SHAPES: dict[Kind, type[Shape]] = {"target": _Target, "policy": _Policy, "webhook": _Webhook}
_PAGES: dict[Kind, type[Page[Any]]] = {
    "target": Page[_Target],
    "policy": Page[_Policy],
    "webhook": Page[_Webhook],
}

# The page size of the contract.
_PAGE_SIZE = 50

# The fields of a target's configuration that say with what Genesys writes; secrets are never read back.
_CREDENTIALS = ("accessKeyId", "roleArn", "externalId")

# Where a target's secret goes in its body.
SECRET_PATH = "configuration.secretAccessKey"

# What the operations are called in samples and errors: the contract's own names for the writes.
_OPERATIONS: dict[Kind, str] = {
    "target": "upsert_storage_target",
    "policy": "upsert_recording_policy",
    "webhook": "register_datalake_webhook",
}


class StorageTargetsBackend:
    """Reads and writes targets, policies and webhooks through one client."""

    name: BackendName = "storage-targets"
    ids_are_ours = True

    def __init__(self, client: GenesysClient) -> None:
        self._client, self.where = client, client.base_url

    async def read(self, kind: Kind, id: str) -> JSON | None:
        async with self._client.operation(f"read_{kind}"):
            return await self._client.request_or_none("GET", _path(kind), ids={"id": id}, shape=_SHAPES[kind])

    async def items(
        self, onboarding: Onboarding, credentials: AwsKeys | RoleReference, *, rotate: bool = False
    ) -> Sequence[Item]:
        if rotate and isinstance(credentials, RoleReference):
            raise nothing_to_rotate()
        target, policy, webhook = onboarding.target, onboarding.policy, onboarding.webhook
        return (
            Item("target", target.id, target.name, target_body(target, credentials)),
            Item("policy", policy.id, policy.name, policy_body(policy, target.id)),
            Item("webhook", webhook.id, webhook.name, webhook_body(webhook)),
        )

    async def to_do_first(self, target: Item) -> Sequence[Item]:
        return ()

    async def place(self, onboarding: Onboarding, org_id: str) -> str:
        return folder_of(onboarding.target.path_prefix)

    def notes(self, onboarding: Onboarding) -> Sequence[str]:
        return ()

    def warnings(self, onboarding: Onboarding) -> Sequence[str]:
        return ()

    def meaning(self, kind: Kind, body: JSON) -> Meaning:
        configuration = body.get("configuration", {})
        return Meaning(
            bucket=configuration.get("bucket"),
            region=configuration.get("region"),
            access=tuple(configuration.get(name) for name in _CREDENTIALS),
            retention_days=body.get("retentionPeriodDays"),
            target=body.get("storageTargetId"),
            enabled=body.get("enabled", True),
        )

    def writable(self, answer: JSON) -> JSON:
        return storage_targets_writable(answer)

    def comparable(self, answer: JSON) -> JSON:
        return storage_targets_comparable(answer)

    def may_be_cut_off(self, answer: JSON, before: JSON | None, after: JSON | None) -> bool:
        return False  # one PUT writes it all, or nothing

    def undo_body(self, before: JSON | None, after: JSON | None) -> JSON | None:
        old, new = (body.get("configuration", {}) if body else {} for body in (before, after))
        if not after or "accessKeyId" not in old or old["accessKeyId"] == new.get("accessKeyId"):
            return before
        kept = {key: value for key, value in old.items() if key not in _CREDENTIALS}
        return {**(before or {}), "configuration": kept | {key: new[key] for key in _CREDENTIALS if key in new}}

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
        if isinstance(credentials, AwsKeys):
            check_aws_secret(self._client.base_url, credentials.secret_access_key)
        wire = _with_secret(body, credentials)
        async with self._client.operation(_OPERATIONS[kind]):
            return await self._client.request("PUT", _path(kind), ids={"id": id}, json=wire)

    def remember(self, kind: Kind, id: str, server_id: str) -> None:
        """Nothing to remember: the ids are ours."""

    def server_id(self, kind: Kind, id: str) -> str:
        return ""

    def bind(self, kind: Kind, id: str, server_id: str) -> None:
        """The ids are ours, so two objects never have one identity."""

    def recall(self, creation: Creation) -> None:
        """There is none: a PUT is simply sent again."""

    async def delete(self, kind: Kind, id: str) -> None:
        async with self._client.operation(f"delete_{kind}"):
            await self._client.request_or_none("DELETE", _path(kind), ids={"id": id})

    async def list(self, kind: Kind) -> list[JSON]:
        listed: list[JSON] = []
        async with self._client.operation(f"list_{kind}s"):
            async for page in self._client.pages(_COLLECTIONS[kind], _PAGES[kind], page_size=_PAGE_SIZE):
                listed.extend(page["entities"])
        return listed

    async def adopt(self, target: str, policy: str | None, webhook: str | None) -> Onboarding:
        async with self._client.operation("adopt"):
            of_target = await self.read("target", target) or only(await self.list("target"), "target", target)
            policies = [
                policy for policy in await self.list("policy") if policy.get("storageTargetId") == of_target["id"]
            ]
            of_policy = only(policies, "policy", policy)
            of_webhook = only(await self.list("webhook"), "webhook", webhook)
        return checked(Onboarding, target=_target(of_target), policy=_policy(of_policy), webhook=_webhook(of_webhook))

    async def onboarding_of(self, onboarding: Onboarding, bodies: Mapping[Kind, JSON]) -> Onboarding:
        parts = {kind: _PARTS[kind]({"id": getattr(onboarding, kind).id, **body}) for kind, body in bodies.items()}
        if "target" in parts and not parts["target"]["credentials"]:
            known = onboarding.target.credentials
            reference = known if isinstance(known, KeyReference) else KeyReference()
            parts["target"]["credentials"] = reference.model_dump()
        return overlaid(onboarding, parts)

    async def probe(self) -> int | None:
        async with self._client.operation("probe_storage_targets"):
            page = await self._client.request_or_none(
                "GET", _COLLECTIONS["target"], params={"pageSize": 1}, shape=_PAGES["target"]
            )
        return None if page is None else counted(page)


def _path(kind: Kind) -> str:
    return _COLLECTIONS[kind] + "/{id}"


def target_body(target: StorageTarget, credentials: AwsKeys | RoleReference) -> JSON:
    """The payload of a target, without the secret key: `write` adds that on the way to the wire."""
    access = (
        {"accessKeyId": credentials.access_key_id}
        if isinstance(credentials, AwsKeys)
        else {"roleArn": credentials.role_arn, "externalId": credentials.external_id}
    )
    return {
        "name": target.name,
        "type": "aws-s3",
        "configuration": {
            "bucket": target.bucket,
            "region": target.region,
            **access,
            "serverSideEncryption": target.encryption,
            "pathPrefix": target.path_prefix,
        },
        "retentionPeriodDays": target.retention_days,
        "enabled": target.enabled,
    }


def policy_body(policy: RecordingPolicy, target_id: str) -> JSON:
    """The payload of a policy that sends recordings to a target."""
    return {
        "name": policy.name,
        "description": f"Keeps {', '.join(policy.recording_types)} recordings for {policy.retention_days} days",
        "recordingTypes": list(policy.recording_types),
        "storageTargetId": target_id,
        "retentionPeriodDays": policy.retention_days,
        "enabled": policy.enabled,
    }


def webhook_body(webhook: DataLakeWebhook) -> JSON:
    return {
        "name": webhook.name,
        "targetUrl": webhook.url,
        "events": list(webhook.events),
        "enabled": webhook.enabled,
        "authentication": webhook.authentication.model_dump(),
    }


def _with_secret(body: JSON, credentials: AwsKeys | RoleReference | None) -> JSON:
    """The body as it goes to the wire. Raises InvalidInput when the key pair is not the one that the body names."""
    configuration = body.get("configuration", {})
    if "accessKeyId" not in configuration:
        return body
    if not isinstance(credentials, AwsKeys) or credentials.access_key_id != configuration["accessKeyId"]:
        raise InvalidInput(
            "The secret of the target's AWS key is not known",
            cause=f"the target uses access key {configuration['accessKeyId']}, and we hold another one or none",
            fix="set the environment variables of that key pair; the target was not sent",
        )
    secret = {"secretAccessKey": credentials.secret_access_key.get_secret_value()}
    return {**body, "configuration": {**configuration, **secret}}


def _target(body: JSON) -> JSON:
    configuration = body["configuration"]
    role = {"role_arn": configuration.get("roleArn"), "external_id": configuration.get("externalId")}
    return {
        **_common(body),
        "retention_days": body.get("retentionPeriodDays"),
        "bucket": configuration["bucket"],
        "region": configuration["region"],
        "path_prefix": configuration.get("pathPrefix") or "",
        "encryption": configuration.get("serverSideEncryption"),
        "credentials": role if role["role_arn"] else {},
    }


def _policy(body: JSON) -> JSON:
    days = body.get("retentionPeriodDays")
    return {**_common(body), "recording_types": tuple(body["recordingTypes"]), "retention_days": days}


def _webhook(body: JSON) -> JSON:
    return {
        **_common(body),
        "url": body["targetUrl"],
        "events": tuple(body["events"]),
        "authentication": body.get("authentication") or {},
    }


_PARTS: Mapping[Kind, Callable[[JSON], JSON]] = {"target": _target, "policy": _policy, "webhook": _webhook}


def _common(body: JSON) -> JSON:
    return {
        "id": body["id"],
        "name": body["name"],
        "enabled": body["enabled"],
    }
