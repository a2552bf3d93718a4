import re
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from opslib.errors import InvalidInput
from opslib.onboarding.bucket_name import bucket_name
from opslib.settings import is_loopback
from opslib.suggestion import did_you_mean

M = TypeVar("M", bound=BaseModel)

# 100 years: a longer period is a typing error, and overflows dates.
MAX_RETENTION_DAYS = 36_525

_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _id(value: str) -> str:
    if not _ID.fullmatch(value) or ".." in value:
        raise ValueError("an id has 1 to 128 letters, digits, '.', '_' or '-', and no slash; a UUID is best")
    return value


def is_guid(value: str) -> bool:
    return _GUID.fullmatch(value) is not None


def _org_id(value: str) -> str:
    if value and not is_guid(value):
        raise ValueError("an organisation's id is a GUID, such as 3f2504e0-4f89-11d3-9a0c-0305e82c3301")
    return value.lower()


def _name(value: str) -> str:
    if not value.strip() or _CONTROL.search(value):
        raise ValueError("a name is not empty and has no control characters")
    return value


@cache
def _aws_session() -> Any:
    """Kept for the list of regions that it reads, which takes 200 ms. Imported here: botocore is slow to load."""
    import botocore.session

    return botocore.session.get_session()


@cache
def aws_regions() -> frozenset[str]:
    """Every region with S3 that botocore knows, in all partitions."""
    session = _aws_session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("s3", partition_name=partition)
    )


def aws_region(value: str) -> str:
    """The region, if AWS has it. Raises ValueError."""
    if value not in aws_regions():
        meant = did_you_mean(value, aws_regions()) or " Examples: us-east-1, eu-central-1"
        raise ValueError(f"AWS has no region {value!r}.{meant}")
    return value


def folder_of(path_prefix: str) -> str:
    """What a key in the folder begins with: the path and a slash, or nothing."""
    return f"{path_prefix}/" if path_prefix else ""


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
OrgId = Annotated[str, AfterValidator(_org_id)]
Name = Annotated[str, Field(max_length=256), AfterValidator(_name)]
BucketName = Annotated[str, AfterValidator(bucket_name)]
AwsRegion = Annotated[str, AfterValidator(aws_region)]
PathPrefix = Annotated[str, AfterValidator(_path_prefix)]
RetentionDays = Annotated[int, Field(ge=1, le=MAX_RETENTION_DAYS, strict=True)]
RecordingType = Literal["voice", "chat", "email", "message", "screen"]
Ids = tuple[Id, ...]
WebhookUrl = Annotated[str, Field(max_length=2048), AfterValidator(_webhook_url)]
DateRange = Annotated[str, AfterValidator(_interval)]


@cache
def partition_of(region: str) -> str:
    """The partition of a region that AWS has."""
    return str(_aws_session().get_partition_for_region(region))


def checked(model: type[M], **values: Any) -> M:
    """An instance of the model. Raises InvalidInput that names each wrong field; nothing was sent."""
    try:
        return model(**values)
    except ValidationError as error:
        raise invalid_input(_in_words(model.__name__), error) from None


def _in_words(class_name: str) -> str:
    """`RoleReference` is “The role reference”."""
    return "The" + re.sub(r"[A-Z][a-z]+", lambda word: f" {word[0].lower()}", class_name).replace(" aws ", " AWS ")


def invalid_input(name: str, error: ValidationError) -> InvalidInput:
    """pydantic's errors as one of ours; the values themselves are left out, they may be secrets."""
    problems = "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or name}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    )
    return InvalidInput(f"{name} is not valid", cause=problems, fix="correct the fields named; nothing was sent")


def checked_value(kind: Any, value: Any, name: str) -> Any:
    """One value of an annotated type such as `Id`. Raises InvalidInput naming it; nothing was sent."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise invalid_input(name, error) from None
