"""The desired state of one onboarding: target, policy and webhook. Frozen; unknown keys are errors.

Secrets are never part of it: credentials are the names of environment variables, or a role.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from opslib.credentials import KeyReference, RoleReference
from opslib.onboarding.org import OrgReference
from opslib.onboarding.values import (
    AwsRegion,
    BucketName,
    DateRange,
    Id,
    Ids,
    Name,
    OrgId,
    PathPrefix,
    RecordingType,
    RetentionDays,
    WebhookUrl,
    aws_region,
)

BackendName = Literal["storage-targets", "platform"]
PartName = Literal["target", "policy", "webhook"]
EventName = Literal["routing.recording.storage.updated", "routing.recording.policy.updated"]
# The audit of every entity: the only topic of Genesys that tells of policies and integrations.
AUDIT_TOPIC = "v2.audits.entitytype.{id}.entityid.{id}"
# How long a consent holds where the user names no day; after that it is an open item of the audit.
EXCEPTION_DAYS = 90


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StorageTarget(_Model):
    """The bucket that recordings go to."""

    id: Annotated[Id, Field(description="Ours to choose; a UUID is best. The same id is the same target.")] = ""
    name: Name
    bucket: Annotated[BucketName, Field(description="The S3 bucket that recordings go to.")]
    region: Annotated[AwsRegion, Field(title="AWS region", description="Where the bucket is, such as us-east-1.")]
    path_prefix: Annotated[PathPrefix, Field(description="The folder in the bucket; empty for none.")] = (
        "recordings/voice"
    )
    encryption: Annotated[
        Literal["AES256", "aws:kms"], Field(description="How S3 encrypts what Genesys writes: S3's own key, or KMS.")
    ] = "AES256"
    retention_days: Annotated[RetentionDays, Field(description="How long the target keeps recordings.")]
    credentials: Annotated[KeyReference | RoleReference, Field(title="How Genesys gets access")] = KeyReference()
    integration_type: Annotated[str, Field(max_length=256)] = ""
    properties: dict[str, str | int | bool] = {}
    enabled: Annotated[bool, Field(title="Enabled", description="Off: nothing is written to the bucket.")] = True


class PolicyConditions(_Model):
    """Which interactions a policy matches, by Genesys's ids. All that is named must hold; empty: all of them."""

    queues: Annotated[Ids, Field(description="Ids of queues, with commas between them.")] = ()
    users: Annotated[Ids, Field(description="Ids of users.")] = ()
    teams: Annotated[Ids, Field(description="Ids of teams.")] = ()
    wrapup_codes: Annotated[Ids, Field(title="Wrap-up codes", description="Ids of wrap-up codes.")] = ()
    directions: tuple[Literal["INBOUND", "OUTBOUND"], ...] = ()
    date_ranges: Annotated[
        tuple[DateRange, ...], Field(description="Such as 2026-01-01T00:00:00Z/2026-02-01T00:00:00Z.")
    ] = ()


class RecordingPolicy(_Model):
    """Which recordings are kept, and for how long (days)."""

    id: Annotated[Id, Field(description="Ours to choose; a UUID is best. The same id is the same policy.")] = ""
    name: Name
    recording_types: Annotated[tuple[RecordingType, ...], Field(min_length=1)] = ("voice",)
    conditions: PolicyConditions = PolicyConditions()
    all_interactions: Annotated[
        bool, Field(title="Every interaction", description="Instead of conditions; unsafe, so it needs your consent.")
    ] = False
    retention_days: Annotated[RetentionDays, Field(description="Not longer than the target keeps them.")]
    enabled: Annotated[bool, Field(title="Enabled", description="Off: the policy keeps nothing.")] = True


class NoAuthentication(_Model):
    """Events arrive without credentials."""

    type: Literal["none"] = "none"


class DataLakeWebhook(_Model):
    """Where Genesys announces changes of targets and policies.

    On platform it is an EventBridge integration: Genesys sends the events to the AWS account, and a rule there sends
    them on to the URL.
    """

    id: Annotated[Id, Field(description="Ours to choose; a UUID is best. The same id is the same webhook.")] = ""
    name: Name = "DataLakeCatalogSync"
    url: Annotated[
        WebhookUrl, Field(description="Its address: https, on this machine also http; no password and no query.")
    ]
    events: Annotated[tuple[EventName, ...], Field(min_length=1)] = get_args(EventName)
    authentication: NoAuthentication = NoAuthentication()
    account: Annotated[
        str, Field(title="AWS account", pattern=r"^(\d{12})?$", description="Where the events go; 12 digits.")
    ] = ""
    region: Annotated[
        str,
        Field(title="AWS region", description="Where the events go, such as us-east-1."),
        AfterValidator(lambda value: value and aws_region(value)),
    ] = ""
    suffix: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_-]{1,48}$", description="The end of the event source's name in AWS.")
    ] = "opslib"
    topics: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] = (AUDIT_TOPIC,)
    enabled: Annotated[bool, Field(title="Enabled", description="Off: no event is sent.")] = True


# What only one backend knows. It is refused by the other, not dropped.
ONLY: dict[BackendName, dict[str, tuple[str, ...]]] = {
    "storage-targets": {"webhook": ("events", "authentication")},
    "platform": {
        "target": ("integration_type", "properties"),
        "policy": ("conditions", "all_interactions"),
        "webhook": ("account", "region", "suffix", "topics"),
    },
}


class Onboarding(_Model):
    """One storage target with its policy and webhook. A policy never outlives the target's retention."""

    version: Literal[1] = 1
    backend: BackendName = "storage-targets"
    org: Annotated[
        OrgReference | None, Field(description="Where it is not the environment's: region and variables.")
    ] = None
    org_id: Annotated[OrgId, Field(description="The organisation's id: any other org is refused. Empty: any org.")] = ""
    target: StorageTarget
    policy: RecordingPolicy
    webhook: DataLakeWebhook
    profile: Annotated[
        str,
        Field(
            pattern=r"^([a-z0-9][a-z0-9-]{0,63}|[^\x00-\x1f\x7f]{1,250}\.ya?ml)$", description="A name, or a YAML file."
        ),
    ] = "baseline"

    @model_validator(mode="after")
    def _retention_fits(self) -> Self:
        check_retention(self.policy.retention_days, self.target.retention_days)
        return self

    @model_validator(mode="after")
    def _backend_carries_it(self) -> Self:
        rules = _platform_problems if self.backend == "platform" else _storage_targets_problems
        problems = [*_of_the_other_backend(self), *rules(self)]
        if problems:
            raise ValidationError.from_exception_data(
                "Onboarding",
                [
                    InitErrorDetails(type=PydanticCustomError("backend", "{why}", {"why": why}), loc=loc, input=None)
                    for loc, why in problems
                ],
            )
        return self

    def values(self) -> dict[str, Any]:
        """What a file would hold, as JSON values: what the backend carries, and the ids that are given."""
        values = self.model_dump(mode="json")
        for backend, parts in ONLY.items():
            for part, names in parts.items() if backend != self.backend else ():
                for name in names:
                    del values[part][name]
        for part in (values["target"], values["policy"], values["webhook"]):
            if not part["id"]:
                del part["id"]
        for name in ("org_id", "org"):
            if not values[name]:
                del values[name]
        return values

    @property
    def objects(self) -> dict[PartName, str]:
        """What its objects are known by in their org: their ids, or their names where Genesys chooses the ids."""
        parts: dict[PartName, StorageTarget | RecordingPolicy | DataLakeWebhook]
        parts = {"target": self.target, "policy": self.policy, "webhook": self.webhook}
        return {kind: part.name if self.backend == "platform" else part.id for kind, part in parts.items()}


Problem = tuple[tuple[str, ...], str]


def _of_the_other_backend(onboarding: Onboarding) -> Iterator[Problem]:
    """Fields that somebody set and that this backend does not know."""
    for backend, parts in ONLY.items():
        for part, names in parts.items() if backend != onboarding.backend else ():
            for name in names:
                if name in getattr(onboarding, part).model_fields_set:
                    yield (part, name), f"only backend {backend} has this, and this is for {onboarding.backend}"


def _storage_targets_problems(onboarding: Onboarding) -> Iterator[Problem]:
    for part in ("target", "policy", "webhook"):
        if not getattr(onboarding, part).id:
            yield (part, "id"), "an id is needed, such as a UUID; with storage-targets it is yours to choose"


def _platform_problems(onboarding: Onboarding) -> Iterator[Problem]:
    target, policy, webhook = onboarding.target, onboarding.policy, onboarding.webhook
    media = set(policy.recording_types) - {"screen"}
    if not isinstance(target.credentials, RoleReference):
        yield ("target", "credentials"), "Genesys takes a role, never AWS keys: give role_arn and external_id"
    if not media:
        yield ("policy", "recording_types"), "screens are exported with the interaction they belong to: name voice, too"
    if policy.all_interactions and policy.conditions != PolicyConditions():
        yield ("policy", "all_interactions"), "give either conditions or all_interactions: true"
    if not policy.all_interactions and policy.conditions == PolicyConditions():
        yield (
            ("policy", "conditions"),
            "without one of queues, users, teams, directions, wrapup_codes or date_ranges the policy matches every "
            "interaction in the org; if that is meant, say all_interactions: true, which needs your consent",
        )
    if policy.conditions.directions and media - {"voice"}:
        yield ("policy", "conditions"), "Genesys knows directions for voice only; make a policy of its own for the rest"
    for name in ("account", "region"):
        if not getattr(webhook, name):
            yield ("webhook", name), f"the AWS {name} that Genesys sends its events to is needed"


class Consent(_Model):
    """What a user agrees to, beyond what is safe. `confirm` is the target's name, typed: it agrees to all.

    What is agreed to is an exception, which the audit shows with its reason until it has ended.
    """

    confirm: Annotated[str, Field(title="Target's name", description="Only for an unsafe plan: type it to agree.")] = ""
    reason: Annotated[str, Field(description="Why; needed for every unsafe change.")] = ""
    allow: tuple[str, ...] = ()
    until: Annotated[date | None, Field(description=f"The last day; {EXCEPTION_DAYS} days from now if empty.")] = None

    def covers(self, unsafe: str, target_name: str) -> bool:
        """Whether this agrees to an unsafe change; without a reason, it agrees to none."""
        agreed = unsafe in self.allow or self.confirm == target_name
        return agreed and bool(self.reason.strip())

    def last_day(self, given_on: date) -> date:
        """Until when it holds, if it was given on that day."""
        return self.until or given_on + timedelta(days=EXCEPTION_DAYS)


def check_retention(policy_days: int, target_days: int) -> None:
    """Raises ValueError when a policy keeps recordings longer than its target does."""
    if policy_days > target_days:
        raise ValueError(
            f"policy retention ({policy_days} days) is above the target's ({target_days} days): "
            "the target would remove recordings that the policy must keep"
        )
