"""What an org can integrate with, and the schema of each type's configuration.

How the type that writes recordings to S3 and its properties are called on a live org is not known, so its
names here follow the seed: a client has to discover them, as it has to there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from opslib.sandbox.server.bodies import AwsRegion, Body, BucketName, Encryption, RoleArn
from opslib.sandbox.server.platform.credential import RoleCredential, role_credential
from opslib.sandbox.server.platform.shapes import Shape
from opslib.sandbox.server.world import Identity

TYPES = "/api/v2/integrations/types"
EVENTBRIDGE = "amazon-eventbridge-source"


class NoSettings(Body):
    """A type without settings of this sort."""


class AnySettings(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class EventBridgeProperties(Body):
    """Where Genesys makes its partner event source, and the topics it sends there."""

    eventSourceSuffix: Annotated[str, Field(title="Event source suffix", pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    awsAccountId: Annotated[str, Field(title="AWS account id", pattern=r"^[0-9]{12}$")]
    awsAccountRegion: Annotated[AwsRegion, Field(title="AWS account region")]
    eventFilter: Annotated[list[str], Field(title="Topic filter", min_length=1)]


@dataclass(frozen=True)
class S3Names:
    """One way to call the type and its properties; None where the schema has no such property."""

    type_id: str
    type_name: str
    bucket: str
    region: str
    role: str | None = None
    external_id: str | None = None
    encryption: str | None = None
    prefix: str | None = None
    public_key: str | None = None


S3_NAMES = (
    S3Names(
        "recording-bulk-actions-amazon-s3",
        "Recording bulk actions for Amazon S3",
        bucket="s3Bucket",
        region="awsRegion",
        role="roleArn",
        encryption="serverSideEncryption",
    ),
    S3Names(
        "amazon-s3-recording-export",
        "Amazon S3 recording export",
        bucket="destinationBucket",
        region="destinationRegion",
        role="roleToAssume",
        external_id="roleExternalId",
        encryption="encryption",
        prefix="keyPrefix",
    ),
    S3Names(
        "aws-s3-recording-bulk-actions-integration",
        "AWS S3 recording bulk actions",
        bucket="bucketName",
        region="bucketRegion",
        role="iamRoleArn",
    ),
)


@dataclass(frozen=True)
class IntegrationType:
    """`properties` and `advanced` are models: they check a configuration and give the published schemas."""

    id: str
    name: str
    description: str
    category: str
    properties: type[BaseModel]
    advanced: type[BaseModel] = NoSettings
    s3: S3Names | None = None
    role_credential: RoleCredential | None = None

    @property
    def credentials(self) -> Mapping[str, Any]:
        """What its configuration's `credentials` must or may have, by name."""
        return self.role_credential.specification() if self.role_credential else {}

    def public(self) -> dict[str, Any]:
        uri = f"{TYPES}/{self.id}"
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "provider": "clusters",
            "category": self.category,
            "configPropertiesSchemaUri": f"{uri}/configschemas/properties",
            "configAdvancedSchemaUri": f"{uri}/configschemas/advanced",
            "credentials": self.credentials,
            "nonInstallable": False,
            "userPermissions": [],
            "selfUri": uri,
        }

    def schema(self, part: str) -> dict[str, Any] | None:
        """JSON Schema of `properties` or of `advanced`; None of anything else."""
        model = {"properties": self.properties, "advanced": self.advanced}.get(part)
        if model is None:
            return None
        return {
            "id": f"{self.id}-{part}",
            "$schema": "http://json-schema.org/draft-04/schema#",
            "required": [],
            "properties": {},
            **model.model_json_schema(),
            "title": self.name,
            "description": f"The {part} of {self.name}",
        }


def integration_types(identity: Identity, shape: Shape) -> dict[str, IntegrationType]:
    """By id, in the order of the list. The S3 type comes last, more than a hundred types behind the first."""
    names = _shaped(identity.choose("integration types", S3_NAMES), shape)
    credential = role_credential(identity) if shape.role_in_credentials else None
    return {kind.id: kind for kind in [*_others(), *_named(), _s3(names, credential)]}


def _shaped(names: S3Names, shape: Shape) -> S3Names:
    if shape.role_in_credentials:
        names = replace(names, role=None, external_id=None)
    if shape.prefix is not None:
        names = replace(names, prefix=(names.prefix or "keyPrefix") if shape.prefix else None)
    return replace(names, public_key="encryptionKey") if shape.public_key else names


def _s3(names: S3Names, credential: RoleCredential | None) -> IntegrationType:
    fields: dict[str, Any] = {
        names.bucket: (BucketName, Field(title="S3 bucket")),
        names.region: (AwsRegion, Field(title="AWS region of the bucket")),
    }
    if names.role:
        fields[names.role] = (RoleArn, Field(title="ARN of the IAM role that Genesys Cloud assumes"))
    if names.external_id:
        fields[names.external_id] = (str, Field(default="", title="External id that the role asks for"))
    if names.encryption:
        fields[names.encryption] = (Encryption, Field(default="AES256", title="Server-side encryption"))
    if names.prefix:
        fields[names.prefix] = (str, Field(default="", title="Prefix of every object's key"))
    if names.public_key:
        fields[names.public_key] = (str, Field(default="", title="Public key (PGP) that recordings are encrypted with"))
    properties = create_model("S3Properties", __base__=Body, **fields)
    description = "Exports recordings in bulk, or as policies say, to an S3 bucket"
    return IntegrationType(
        names.type_id,
        names.type_name,
        description,
        "recording",
        properties,
        s3=names,
        role_credential=credential,
    )


def _named() -> list[IntegrationType]:
    """The feed; and what a careless search for "s3" or for "recording" would take for the type that writes to S3."""
    rows: list[tuple[str, str, str, str, type[BaseModel]]] = [
        (EVENTBRIDGE, "Amazon EventBridge Source", "Sends topics to an AWS account", "events", EventBridgeProperties),
        ("amazon-s3-knowledge-source", "Amazon S3 knowledge source", "Articles", "knowledge", AnySettings),
        ("screen-recording-viewer", "Screen recording viewer", "A client app", "clientApps", AnySettings),
    ]
    return [IntegrationType(*row) for row in rows]


def _others() -> list[IntegrationType]:
    """Stand-ins for the many other types an org has; a list of one page would hide paging mistakes."""
    vendors = (
        "amazon",
        "azure",
        "google",
        "microsoft",
        "oracle",
        "salesforce",
        "servicenow",
        "slack",
        "twilio",
        "zendesk",
    )
    uses = (
        "bot-flows",
        "client-app",
        "cobrowse",
        "custom-actions",
        "data-actions",
        "directory-sync",
        "knowledge",
        "messaging",
        "scim",
        "speech-to-text",
        "text-to-speech",
    )
    return [
        IntegrationType(f"{vendor}-{use}", f"{vendor.title()} {use.replace('-', ' ')}", "", use, AnySettings)
        for vendor in vendors
        for use in uses
    ]
