"""What a target is on platform: an S3 integration, whose type says what its properties and credentials are called."""

from typing import Any

from opslib.credentials import RoleReference
from opslib.errors import InvalidInput
from opslib.genesys.backend import JSON
from opslib.genesys.integration_credentials import IntegrationCredentials, Slot, held
from opslib.genesys.integrations import Integrations, filled, names_of, public_keys
from opslib.genesys.policies import MARK
from opslib.genesys.properties_schema import checked_properties
from opslib.genesys.target_notes import credential_words, public_key_words, state_words
from opslib.onboarding.models import StorageTarget


class S3Target:
    """The target of one org's onboarding, as the type of its integration has it.

    Attributes:
        about: what there is to say about it, in words; known after `over` or `values`.
    """

    def __init__(self, integrations: Integrations, credentials: IntegrationCredentials) -> None:
        self._integrations, self._credentials = integrations, credentials
        self.about: list[str] = []
        # Our field → the property of the type that carries it; known after `body` or `values`.
        self._carried: dict[str, str] = {}
        # Where the role goes if not among the properties; an error where that is not clear. Known after `body`.
        self._slot: Slot | InvalidInput | None = None
        self._own_properties: frozenset[str] = frozenset()
        self._public_keys: list[str] = []

    def has(self, field: str) -> bool:
        """Whether a property or a credential carries this field of ours."""
        return field in self._carried or (isinstance(self._slot, Slot) and field in self._slot.fields)

    def carried(self, body: JSON, field: str) -> Any:
        """What an integration's properties say for a field of ours; None for nothing."""
        return (body.get("properties") or {}).get(self._carried.get(field, ""))

    async def body(self, target: StorageTarget, role: RoleReference) -> JSON:
        """The integration that is wanted."""
        type_id, schema, template = await self.type_of(target)
        values = {
            **{name: getattr(target, name) for name in ("bucket", "region", "path_prefix", "encryption")},
            **role.model_dump(),
        }
        self._carried = {str(ours)[1:-1]: theirs for theirs, ours in template.items() if str(ours)[1:-1] in values}
        self._own_properties = frozenset(template)
        self._public_keys = public_keys(schema)
        self._slot = await self._slot_of(await self._integrations.type(type_id))
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
            return await self._credentials.slot(integration_type)
        except InvalidInput as error:
            return error if "role_arn" not in self._carried else None

    async def type_of(self, target: StorageTarget) -> tuple[str, JSON, JSON]:
        """The id of the integration's type, its schema, and its properties with our fields in braces."""
        type_id = target.integration_type or await self._integrations.s3_type()
        schema = await self._integrations.schema(type_id)
        if target.properties:
            return type_id, schema, target.properties
        return type_id, schema, {theirs: f"{{{ours}}}" for ours, theirs in (await self._names(type_id)).items()}

    async def _names(self, type_id: str) -> dict[str, str]:
        """Our field → the type's property."""
        has_credentials = bool((await self._integrations.type(type_id)).get("credentials"))
        return names_of(await self._integrations.schema(type_id), type_id, role_is_elsewhere=has_credentials)

    def over(self, existing: JSON, body: JSON, *, rotate: bool) -> JSON:
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
        self.about = [
            *state_words(existing),
            *public_key_words(self._public_keys, body["properties"]),
            *credential_words(body["credentials"] if "role_arn" not in self._carried else {}),
        ]
        return body

    async def values(self, target: JSON, retention_days: int, org_id: str) -> JSON:
        """The onboarding's target for an integration that exists."""
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

    def values_of(self, target: JSON, role: RoleReference) -> JSON:
        """What an integration says for fields of an onboarding; None for what it does not. `role` counts where it is in
        a credential that opslib did not make. Call `body` before."""
        fields = {name: self.carried(target, name) for name in ("bucket", "region", "path_prefix", "encryption")}
        own = [held(str(reference.get("name"))) for reference in (target.get("credentials") or {}).values()]
        holds = next((one for one in own if one), role)
        arn = self.carried(target, "role_arn") or holds.role_arn
        external_id = self.carried(target, "external_id") or holds.external_id or role.external_id
        return {
            **fields,
            "credentials": {"role_arn": arn, "external_id": external_id},
            "enabled": target.get("intendedState") == "ENABLED",
        }

    def _role_of_credential(self, target: JSON, external_id: str) -> JSON:
        """What opslib wrote into the target's credential. An example where somebody else wrote it."""
        names = [reference["name"] for reference in (target.get("credentials") or {}).values() if "name" in reference]
        holds = held(names[0]) if names else None
        if holds:
            return {"role_arn": holds.role_arn, "external_id": holds.external_id or external_id}
        self.about = [
            "target.credentials.role_arn is an example: the role is in a credential that cannot be read; put in the ARN"
        ]
        return {"role_arn": "arn:aws:iam::000000000000:role/not-known", "external_id": external_id}

    async def with_credential_ids(self, body: JSON) -> JSON:
        """An integration as it is sent: its credentials by id. Those of opslib are made, or written again."""
        references: dict[str, JSON] = {}
        for name, reference in (body.get("credentials") or {}).items():
            ours = reference.get("name")
            references[name] = {"id": await self.credential(body, ours) if ours else reference["id"]}
        return {**body, "credentials": references}

    async def credential(self, body: JSON, name: str) -> str:
        """The id of a credential of ours, which holds what its name says."""
        slot = await self._credentials.slot(await self._integrations.type(body["integrationType"]["id"]))
        assert slot  # noqa: S101 (its type takes credentials)
        return await self._credentials.write(name, slot)

    async def takes_credentials(self, integration: JSON) -> bool:
        """Whether integrations of its type have credentials; true where the type is not known."""
        type_id = (integration.get("integrationType") or {}).get("id")
        if type_id is None:
            return True
        return bool((await self._integrations.type(type_id)).get("credentials"))
