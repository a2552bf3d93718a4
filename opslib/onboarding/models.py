"""The desired state of one onboarding: target, policy and webhook. Frozen; unknown keys are errors.

Secrets are never part of it: credentials are the names of environment variables, or a role.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from opslib.errors import AwsCredentialsInvalid, InvalidInput
from opslib.keychain import kept_secret
from opslib.redact import remember
from opslib.settings import is_loopback

M = TypeVar("M", bound=BaseModel)

BackendName = Literal["storage-targets", "platform"]
EventName = Literal["routing.recording.storage.updated", "routing.recording.policy.updated"]
TARGET_EVENT: EventName = "routing.recording.storage.updated"
POLICY_EVENT: EventName = "routing.recording.policy.updated"

# 100 years: a longer period is a typing error, and overflows dates.
MAX_RETENTION_DAYS = 36_525

_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
# docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?!xn--|sthree-|amzn-s3-demo-)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_ROLE_ARN = r"^arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9+=,.@_/-]+$"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# The audit of every entity: the only topic of Genesys that tells of policies and integrations.
AUDIT_TOPIC = "v2.audits.entitytype.{id}.entityid.{id}"


def _id(value: str) -> str:
    if not _ID.fullmatch(value) or ".." in value:
        raise ValueError("an id has 1 to 128 letters, digits, '.', '_' or '-', and no slash; a UUID is best")
    return value


def _name(value: str) -> str:
    if not value.strip() or _CONTROL.search(value):
        raise ValueError("a name is not empty and has no control characters")
    return value


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value):
        raise ValueError("not an S3 bucket name (3 to 63 lower-case letters, digits, '.' or '-')")
    return value


@cache
def _aws_regions() -> frozenset[str]:
    """Every region with S3 that botocore knows, in all partitions. Imported here: botocore is slow to load."""
    import botocore.session

    session = botocore.session.get_session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("s3", partition_name=partition)
    )


def _aws_region(value: str) -> str:
    if value not in _aws_regions():
        raise ValueError(f"AWS has no region {value!r}; examples: us-east-1, eu-central-1")
    return value


def _path_prefix(value: str) -> str:
    prefix = value.strip("/")
    if _CONTROL.search(prefix) or ".." in prefix.split("/") or len(prefix) > 512:
        raise ValueError("a path prefix has at most 512 characters, no '..' and no control characters")
    return prefix


def _webhook_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if _CONTROL.search(value) or " " in value or parts.scheme not in ("http", "https") or not host:
        raise ValueError("a webhook URL starts with https:// and names a host")
    if "@" in parts.netloc:
        raise ValueError("a webhook URL holds no user name or password: it is shown in logs and reports")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("a webhook URL uses https (plain http is for loopback only)")
    if parts.fragment:
        raise ValueError("a webhook URL has no fragment (#…)")
    if "?" in value:
        raise ValueError(
            "a webhook URL has no query (?…): a key in it would be shown in plans, ledger and reports. Leave it out, "
            "and let the receiver know the caller otherwise; on platform, by the EventBridge connection's own key"
        )
    return value


def _interval(value: str) -> str:
    try:
        start, end = (datetime.fromisoformat(part) for part in value.split("/"))
    except ValueError:
        raise ValueError("a date range is start/end, such as 2026-01-01T00:00:00Z/2026-02-01T00:00:00Z") from None
    if not (start.tzinfo and end.tzinfo) or start >= end:
        raise ValueError("a date range has a time zone, such as Z, and starts before it ends")
    return value


Id = Annotated[str, Field(max_length=128), AfterValidator(_id)]
Name = Annotated[str, Field(max_length=256), AfterValidator(_name)]
BucketName = Annotated[str, AfterValidator(_bucket)]
AwsRegion = Annotated[str, AfterValidator(_aws_region)]
PathPrefix = Annotated[str, AfterValidator(_path_prefix)]
RetentionDays = Annotated[int, Field(ge=1, le=MAX_RETENTION_DAYS, strict=True)]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
RecordingType = Literal["voice", "chat", "email", "message", "screen"]
Ids = tuple[Id, ...]
DateRange = Annotated[str, AfterValidator(_interval)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AwsKeys(_Model):
    """A key pair as it goes to the wire; never stored. The secret is hidden from every output."""

    access_key_id: Annotated[str, Field(min_length=1)]
    secret_access_key: SecretStr

    @model_validator(mode="after")
    def _hide(self) -> Self:
        remember(self.secret_access_key)
        return self


class KeyReference(_Model):
    """Where the AWS key pair is found: the names of two environment variables, also in .env; else AWS_PROFILE's. The
    secret alone may be in the keyring, under the access key id."""

    model_config = ConfigDict(title="With an AWS key pair from the environment")

    access_key_id_env: Annotated[EnvName, Field(title="Variable with the access key id")] = "AWS_ACCESS_KEY_ID"
    secret_access_key_env: Annotated[EnvName, Field(title="Variable with the secret access key")] = (
        "AWS_SECRET_ACCESS_KEY"
    )

    def resolve(self, environ: Mapping[str, str] | None = None) -> AwsKeys:
        """The keys. Raises AwsCredentialsInvalid naming the variable that is not set."""
        return self.find(environ)[0]

    def find(self, environ: Mapping[str, str] | None = None) -> tuple[AwsKeys, str]:
        """The keys and where they came from, in words: environment, .env, keyring, or the profile AWS_PROFILE names.

        Raises AwsCredentialsInvalid naming the variable that is not set.
        """
        environ = os.environ if environ is None else environ
        for known, source in ((environ, "the environment"), (_dotenv(), ".env")):
            if known.get(self.access_key_id_env) and known.get(self.secret_access_key_env):
                secret = SecretStr(known[self.secret_access_key_env])
                return AwsKeys(access_key_id=known[self.access_key_id_env], secret_access_key=secret), source
        key_id = environ.get(self.access_key_id_env) or _dotenv().get(self.access_key_id_env)
        if key_id and (kept := kept_secret(key_id)):
            return AwsKeys(access_key_id=key_id, secret_access_key=kept), "the keyring"
        if (profile := environ.get("AWS_PROFILE")) and (keys := _profile_keys(profile)):
            return keys, f"the AWS profile {profile}"
        missing = [name for name in (self.access_key_id_env, self.secret_access_key_env) if not environ.get(name)]
        raise AwsCredentialsInvalid(
            "The storage target's AWS key is not set",
            cause=f"neither environment nor .env has: {', '.join(missing)}; and neither keyring nor AWS_PROFILE helps",
            fix="set the variables or AWS_PROFILE before starting, or name other variables in the onboarding file",
        )


def _dotenv() -> dict[str, str]:
    return {name: value for name, value in dotenv_values(".env").items() if value}


def _profile_keys(profile: str) -> AwsKeys | None:
    """A profile's long-lived key pair. Temporary keys expire, so they are none that Genesys could write with."""
    import botocore.session
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = botocore.session.Session(profile=profile).get_credentials()
        # Each of these may ask SSO or STS.
        if not found or found.token or not found.access_key or not found.secret_key:
            return None
        return AwsKeys(access_key_id=found.access_key, secret_access_key=SecretStr(found.secret_key))
    except (BotoCoreError, ClientError) as error:
        refused = credentials_refused(error, profile)
    refused.fix += "; Genesys itself cannot write with temporary keys: give it a key pair or a role"
    raise refused


def credentials_refused(error: Exception, profile: str = "") -> AwsCredentialsInvalid:
    """botocore's error as one of ours, when a profile or the environment names credentials that cannot be had."""
    profile = profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or ""
    cause = f"{type(error).__name__}: {error}"
    if (role := os.environ.get("AWS_ROLE_ARN")) and not profile:
        return AwsCredentialsInvalid(
            f"The role {role} of AWS_ROLE_ARN gives no credentials",
            cause=cause,
            fix="check AWS_WEB_IDENTITY_TOKEN_FILE and the role's trust policy, or set AWS_PROFILE",
        )
    profile = profile or "default"
    return AwsCredentialsInvalid(
        f"The AWS profile {profile} gives no credentials",
        cause=cause,
        fix=f"run `aws sso login --profile {profile}` if it signs in so; else correct the role or key that it names. "
        f"`aws sts get-caller-identity --profile {profile}` says when it works",
    )


def usual_keys() -> AwsKeys | None:
    """The key pair of the usual variables; None where boto3's own chain, such as a role, is left. Temporary keys need
    their token, which only boto3 takes along, and are none that Genesys could write with."""
    if os.environ.get("AWS_SESSION_TOKEN"):
        return None
    try:
        return KeyReference().resolve()
    except AwsCredentialsInvalid:
        return None


class RoleReference(_Model):
    """An IAM role that Genesys assumes; no key leaves AWS."""

    model_config = ConfigDict(title="With an IAM role; no key leaves AWS")

    role_arn: Annotated[
        str, Field(pattern=_ROLE_ARN, max_length=600, description="Such as arn:aws:iam::123456789012:role/Recordings.")
    ]
    external_id: Annotated[str, Field(min_length=2, max_length=1224, pattern=r"^[A-Za-z0-9+=,.@:/_-]+$")]


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
        str,
        Field(
            max_length=2048,
            description="Its address: https, on this machine also http; no password and no query.",
        ),
        AfterValidator(_webhook_url),
    ]
    events: Annotated[tuple[EventName, ...], Field(min_length=1)] = (TARGET_EVENT, POLICY_EVENT)
    authentication: NoAuthentication = NoAuthentication()
    account: Annotated[
        str, Field(title="AWS account", pattern=r"^(\d{12})?$", description="Where the events go; 12 digits.")
    ] = ""
    region: Annotated[
        str,
        Field(title="AWS region", description="Where the events go, such as us-east-1."),
        AfterValidator(lambda value: value and _aws_region(value)),
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
    target: StorageTarget
    policy: RecordingPolicy
    webhook: DataLakeWebhook
    profile: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] = "baseline"

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
        for part in ("target", "policy", "webhook"):
            if not values[part]["id"]:
                del values[part]["id"]
        return values


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
    """What a user agrees to, beyond what is safe. `confirm` is the target's name, typed: it agrees to all."""

    confirm: Annotated[str, Field(title="Target's name", description="Only for an unsafe plan: type it to agree.")] = ""
    reason: Annotated[str, Field(description="Why; needed when the bucket did not pass its validation.")] = ""
    allow: tuple[str, ...] = ()

    def covers(self, unsafe: str, target_name: str) -> bool:
        """Whether this agrees to an unsafe change; a failed validation also needs a reason."""
        agreed = unsafe in self.allow or self.confirm == target_name
        return agreed and (unsafe != "failed-validation" or bool(self.reason.strip()))


def check_retention(policy_days: int, target_days: int) -> None:
    """Raises ValueError when a policy keeps recordings longer than its target does."""
    if policy_days > target_days:
        raise ValueError(
            f"policy retention ({policy_days} days) is above the target's ({target_days} days): "
            "the target would remove recordings that the policy must keep"
        )


def checked(model: type[M], **values: Any) -> M:
    """An instance of the model. Raises InvalidInput that names each wrong field; nothing was sent."""
    try:
        return model(**values)
    except ValidationError as error:
        raise invalid_input(model.__name__, error) from None


def invalid_input(what: str, error: ValidationError) -> InvalidInput:
    """pydantic's errors as one of ours; the values themselves are left out, they may be secrets."""
    problems = "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or what}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    )
    return InvalidInput(f"{what} is not valid", cause=problems, fix="correct the fields named; nothing was sent")


def checked_value(kind: Any, value: Any, name: str) -> Any:
    """One value of an annotated type such as `Id`. Raises InvalidInput naming it; nothing was sent."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise invalid_input(name, error) from None
