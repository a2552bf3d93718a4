"""A credential of an integration, and the types of credentials that an org knows.

What the type for the S3 integration and its fields are called on a live org is not known, so the names follow the seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opslib.sandbox.server.world import Identity

CREDENTIALS = "/api/v2/integrations/credentials"


@dataclass(frozen=True)
class CredentialType:
    """`fields` by name with their titles. `nested`: its `properties` are a whole JSON schema, not a map of fields."""

    id: str
    name: str
    fields: Mapping[str, str]
    required: tuple[str, ...]
    nested: bool = False

    def public(self) -> dict[str, Any]:
        fields = {name: {"type": "string", "title": title} for name, title in self.fields.items()}
        return {
            "id": self.id,
            "name": self.name,
            "properties": {"type": "object", "properties": fields} if self.nested else fields,
            "displayOrder": list(fields),
            "required": list(self.required),
        }


@dataclass(frozen=True)
class RoleCredential:
    """Where the S3 integration's role is: the name of the credential in its configuration, its type, its fields."""

    slot: str
    type: CredentialType
    role: str
    external_id: str | None = None

    def specification(self) -> dict[str, Any]:
        """As the integration's type has it (CredentialSpecification)."""
        return {self.slot: {"required": True, "title": "AWS role", "credentialTypes": [self.type.id]}}


ROLE_CREDENTIALS = (
    RoleCredential(
        "awsRole", CredentialType("awsS3Role", "AWS S3 role", {"roleArn": "Role ARN"}, ("roleArn",)), "roleArn"
    ),
    RoleCredential(
        "credentials",
        CredentialType(
            "amazonIamRole",
            "Amazon IAM role",
            {"iamRole": "ARN of the IAM role", "externalId": "External id"},
            ("iamRole", "externalId"),
            nested=True,
        ),
        "iamRole",
        "externalId",
    ),
    RoleCredential(
        "s3BulkActions",
        CredentialType(
            "s3BulkActionsRole",
            "S3 bulk actions",
            {"roleToAssume": "Amazon Resource Name", "roleExternalId": "External id, if the role asks for one"},
            ("roleToAssume",),
        ),
        "roleToAssume",
        "roleExternalId",
    ),
)

_OTHERS = (
    CredentialType("basicAuth", "Basic auth", {"userName": "User name", "password": "Password"}, ("userName",)),
    CredentialType("userDefined", "User defined", {}, ()),
    CredentialType("awsLambdaRole", "AWS Lambda role", {"roleArn": "Role ARN"}, ("roleArn",)),
)


def role_credential(identity: Identity) -> RoleCredential:
    """The one that this org's S3 integration asks for."""
    return identity.choose("role credentials", ROLE_CREDENTIALS)


def credential_types(identity: Identity) -> dict[str, CredentialType]:
    """By id, in the order of the list; also one for a role that the S3 integration does not take."""
    return {kind.id: kind for kind in (*_OTHERS, role_credential(identity).type)}


@dataclass(frozen=True)
class Credential:
    """`fields` are never part of an answer."""

    id: str
    name: str
    type: CredentialType
    fields: Mapping[str, str]
    created: str
    modified: str

    @property
    def path(self) -> str:
        return f"{CREDENTIALS}/{self.id}"

    def info(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "createdDate": self.created,
            "modifiedDate": self.modified,
            "type": {"id": self.type.id, "name": self.type.name},
            "selfUri": self.path,
        }

    def public(self) -> dict[str, Any]:
        """The Credential of the official model, without its fields."""
        info = self.info()
        return {key: info[key] for key in ("id", "name", "type", "selfUri")}
