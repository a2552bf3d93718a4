"""The three resources of the storage-targets contract, as their JSON bodies; strict, unknown keys refused.

Secrets are accepted and never shown again: they are excluded from every dump.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, AnyHttpUrl, Field, TypeAdapter, model_validator

from opslib.sandbox.server.bodies import AwsRegion, Body, BucketName, Days, Encryption, RoleArn, Text

_URL = TypeAdapter(AnyHttpUrl)


def _http_url(text: str) -> str:
    """Checked as a URL, kept as it was written (pydantic's own URL type would add a slash)."""
    _URL.validate_python(text)
    return text


Url = Annotated[str, AfterValidator(_http_url)]
TargetEvent = Literal["routing.recording.storage.updated"]
PolicyEvent = Literal["routing.recording.policy.updated"]


class Resource(Body):
    name: Text
    enabled: bool = True


class AwsS3Configuration(Body):
    """Where recordings go. Credentials are a key pair or a role with its external id, never both."""

    bucket: BucketName
    region: AwsRegion
    pathPrefix: str = ""
    serverSideEncryption: Encryption
    accessKeyId: Text | None = None
    secretAccessKey: Annotated[Text | None, Field(exclude=True)] = None
    roleArn: RoleArn | None = None
    externalId: Text | None = None

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> "AwsS3Configuration":
        given = [value is not None for value in (self.accessKeyId, self.secretAccessKey, self.roleArn, self.externalId)]
        if given not in ([True, True, False, False], [False, False, True, True]):
            raise ValueError("needs accessKeyId and secretAccessKey, or roleArn and externalId")
        return self


class StorageTarget(Resource):
    type: Literal["aws-s3"]
    configuration: AwsS3Configuration
    retentionPeriodDays: Days


class RecordingPolicy(Resource):
    """Retention in days, at most the target's (checked against the org, see `world`)."""

    description: str = ""
    recordingTypes: Annotated[list[Text], Field(min_length=1)]
    storageTargetId: Text
    retentionPeriodDays: Days


class NoAuthentication(Body):
    type: Literal["none"]


class BearerAuthentication(Body):
    type: Literal["bearer"]
    token: Annotated[str, Field(min_length=1, exclude=True)]


class Webhook(Resource):
    targetUrl: Url
    events: Annotated[list[TargetEvent | PolicyEvent], Field(min_length=1)]
    authentication: Annotated[NoAuthentication | BearerAuthentication, Field(discriminator="type")]


@dataclass(frozen=True)
class Kind:
    """A kind of resource: where it lives, its body, its permissions, the event its changes raise."""

    name: str
    path: str
    body: type[Resource]
    read_scope: str
    write_scope: str
    event: str | None = None


TARGET = Kind(
    "target",
    "/api/v2/recording/storage/targets",
    StorageTarget,
    "recording:read",
    "recording:write",
    "routing.recording.storage.updated",
)
POLICY = Kind(
    "policy",
    "/api/v2/recording/policies",
    RecordingPolicy,
    "recording:read",
    "recording:write",
    "routing.recording.policy.updated",
)
WEBHOOK = Kind("webhook", "/api/v2/webhooks", Webhook, "webhook:read", "webhook:write")
KINDS = (TARGET, POLICY, WEBHOOK)
