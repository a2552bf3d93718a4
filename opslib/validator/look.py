"""What the checks see: one bucket, what is wanted of it, and AWS's answers, each asked for once.

Every call runs in a thread of one pool and is shared by all checks that need it. An answer that says “not configured”
is an answer; a refusal, a timeout or a throttled call is none, and ends the check as UNKNOWN.
"""

import asyncio
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from opslib.models import AwsKeys, RoleReference
from opslib.samples import utc_now
from opslib.validator.finding import Evidence

Service = Literal["s3", "s3control", "kms", "iam", "sts"]

# Threads and connections in equal number: a smaller pool opens and closes connections all the time.
_THREADS = 32
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 5, 10


@dataclass(frozen=True)
class Call:
    """An AWS call: the service, boto3's method and the IAM action that allows it (Service Authorization Reference)."""

    service: Service
    method: str
    action: str


CALLS: dict[str, Call] = {
    "HeadBucket": Call("s3", "head_bucket", "s3:ListBucket"),
    "GetBucketEncryption": Call("s3", "get_bucket_encryption", "s3:GetEncryptionConfiguration"),
    "GetPublicAccessBlock": Call("s3", "get_public_access_block", "s3:GetBucketPublicAccessBlock"),
    "GetAccountPublicAccessBlock": Call("s3control", "get_public_access_block", "s3:GetAccountPublicAccessBlock"),
    "GetBucketPolicy": Call("s3", "get_bucket_policy", "s3:GetBucketPolicy"),
    "GetBucketPolicyStatus": Call("s3", "get_bucket_policy_status", "s3:GetBucketPolicyStatus"),
    "GetBucketOwnershipControls": Call("s3", "get_bucket_ownership_controls", "s3:GetBucketOwnershipControls"),
    "GetBucketAcl": Call("s3", "get_bucket_acl", "s3:GetBucketAcl"),
    "GetBucketVersioning": Call("s3", "get_bucket_versioning", "s3:GetBucketVersioning"),
    "GetObjectLockConfiguration": Call("s3", "get_object_lock_configuration", "s3:GetBucketObjectLockConfiguration"),
    "GetBucketLifecycleConfiguration": Call("s3", "get_bucket_lifecycle_configuration", "s3:GetLifecycleConfiguration"),
    "GetBucketLogging": Call("s3", "get_bucket_logging", "s3:GetBucketLogging"),
    "GetBucketReplication": Call("s3", "get_bucket_replication", "s3:GetReplicationConfiguration"),
    "GetBucketNotificationConfiguration": Call(
        "s3", "get_bucket_notification_configuration", "s3:GetBucketNotification"
    ),
    "CreateMultipartUpload": Call("s3", "create_multipart_upload", "s3:PutObject"),
    "UploadPart": Call("s3", "upload_part", "s3:PutObject"),
    "AbortMultipartUpload": Call("s3", "abort_multipart_upload", "s3:AbortMultipartUpload"),
    "ListParts": Call("s3", "list_parts", "s3:ListMultipartUploadParts"),
    "PutObject": Call("s3", "put_object", "s3:PutObject"),
    "ListObjectVersions": Call("s3", "list_object_versions", "s3:ListBucketVersions"),
    "GetObject": Call("s3", "get_object", "s3:GetObjectVersion"),
    "DescribeKey": Call("kms", "describe_key", "kms:DescribeKey"),
    "GetKeyRotationStatus": Call("kms", "get_key_rotation_status", "kms:GetKeyRotationStatus"),
    "GetRole": Call("iam", "get_role", "iam:GetRole"),
    "SimulatePrincipalPolicy": Call("iam", "simulate_principal_policy", "iam:SimulatePrincipalPolicy"),
    # Needs no permission.
    "GetCallerIdentity": Call("sts", "get_caller_identity", ""),
}

# “Not configured” comes as an error. These are answers; anything else that is refused is none.
ABSENT = frozenset(
    {
        "ServerSideEncryptionConfigurationNotFoundError",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchBucketPolicy",
        "ObjectLockConfigurationNotFoundError",
        "NoSuchLifecycleConfiguration",
        "OwnershipControlsNotFoundError",
        "ReplicationConfigurationNotFoundError",
        "NoSuchUpload",
        "NoSuchEntity",
    }
)
_DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation"})


class Unanswered(Exception):
    """AWS gave no answer: refused, throttled, timed out. `error` is botocore's."""

    def __init__(self, call: str, why: str, evidence: Evidence, action: str, error: Exception) -> None:
        super().__init__(f"{call}: {why}")
        self.why, self.evidence, self.action, self.error = f"{call}: {why}", evidence, action, error


@dataclass(frozen=True)
class Answer:
    """What a call answered: its data, or None where nothing is configured."""

    data: Mapping[str, Any] | None
    evidence: Evidence


class Aws:
    """Clients for one key pair (or boto3's own chain) and region, and the threads that call them."""

    def __init__(self, keys: AwsKeys | None, region: str) -> None:
        self.region = region
        self._keys = keys
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aws")

    def close(self) -> None:
        """End the threads once their calls are over."""
        self._threads.shutdown(wait=False)

    async def call(self, name: str, params: Mapping[str, Any]) -> Answer:
        """One call. Raises Unanswered."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._call, name, dict(params))

    def _call(self, name: str, params: dict[str, Any]) -> Answer:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        call, at = CALLS[name], utc_now()
        try:
            answer = getattr(self._client(call.service), call.method)(**params)
        except ClientError as error:
            return _refused(name, call, at, error)
        except (BotoCoreError, ResponseParserError, ValueError) as error:  # ValueError: an endpoint that is no URL
            why = f"no answer ({type(error).__name__}: {error})"
            raise Unanswered(name, why, Evidence(name, at, None, None, None), "", error) from error
        meta = answer.pop("ResponseMetadata", {})
        if name == "HeadBucket":
            answer.setdefault("BucketRegion", meta.get("HTTPHeaders", {}).get("x-amz-bucket-region"))
        if name == "GetObject":
            answer["Body"] = answer["Body"].read().decode(errors="replace")
        data = _plain(answer)
        return Answer(data, Evidence(name, at, meta.get("HTTPStatusCode"), meta.get("RequestId"), data))

    def _client(self, service: Service) -> Any:
        import boto3
        from botocore.config import Config

        with self._lock:  # making a client is not safe in threads
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service,
                    region_name=self.region,
                    endpoint_url=_endpoint(service),
                    aws_access_key_id=self._keys.access_key_id if self._keys else None,
                    aws_secret_access_key=self._keys.secret_access_key.get_secret_value() if self._keys else None,
                    config=Config(
                        connect_timeout=_CONNECT_TIMEOUT_S,
                        read_timeout=_READ_TIMEOUT_S,
                        max_pool_connections=_THREADS,
                        retries={"mode": "standard"},
                    ),
                )
            return self._clients[service]


def _endpoint(service: Service) -> str | None:
    """boto3's own choice; but whoever points S3 elsewhere does not want the rest to go to AWS."""
    chosen = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL")
    return chosen or os.environ.get("AWS_ENDPOINT_URL_S3") or None


def _refused(name: str, call: Call, at: str, error: Any) -> Answer:
    answer = error.response
    code, meta = str(answer.get("Error", {}).get("Code", "")), answer.get("ResponseMetadata", {})
    evidence = Evidence(name, at, meta.get("HTTPStatusCode"), meta.get("RequestId"), code)
    if code in ABSENT:
        return Answer(None, evidence)
    if code in _DENIED:
        why = f"refused with {code}: {call.action} is missing" if call.action else f"refused with {code}"
        raise Unanswered(name, why, evidence, call.action, error)
    message = str(answer.get("Error", {}).get("Message", ""))
    raise Unanswered(name, f"{code} {message}".strip(), evidence, "", error)


def _plain(value: Any) -> Any:
    """JSON values only."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


@dataclass(frozen=True)
class Wanted:
    """One bucket and what is wanted of it. None where nothing was said.

    Attributes:
        retention_days: how long recordings must be kept.
        policy_days: how long the retention policy keeps them, when it is known apart.
        playable_days: how long they must be playable at once, so not in an archive class.
        min_days, max_days: what the profile says about retention.
        owner: the id of the account that the bucket must belong to.
        writer: what Genesys writes with: the key pair that is checked with, a role, or None when it is not known.
        wants_worm: whether the profile asks for storage that nobody can rewrite.
    """

    bucket: str
    region: str
    prefix: str = ""
    encryption: str | None = None
    retention_days: int | None = None
    policy_days: int | None = None
    playable_days: int | None = None
    min_days: int | None = None
    max_days: int | None = None
    owner: str | None = None
    writer: AwsKeys | RoleReference | None = None
    wants_worm: bool = False

    @property
    def arn(self) -> str:
        """The bucket's ARN in its region's partition."""
        partition = "aws-cn" if self.region.startswith("cn-") else "aws-us-gov" if "-gov-" in self.region else "aws"
        return f"arn:{partition}:s3:::{self.bucket}"


@dataclass
class Answers:
    """The answers about one bucket; a call that is asked for again is not made again."""

    aws: Aws
    _asked: dict[tuple[str, str], "asyncio.Task[Answer]"] = field(default_factory=dict)

    async def ask(self, name: str, params: Mapping[str, Any]) -> Answer:
        """The answer to one call. Raises Unanswered."""
        key = name, repr(sorted(params.items()))
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self.aws.call(name, params))
        return await asyncio.shield(self._asked[key])


@dataclass
class Look:
    """One check's view: what is wanted, and the answers; those used are kept as evidence."""

    wanted: Wanted
    answers: Answers
    evidence: list[Evidence] = field(default_factory=list)

    async def bucket(self, name: str, **more: Any) -> Mapping[str, Any] | None:
        """A call about the bucket; None where nothing is configured. Raises Unanswered."""
        owner = {"ExpectedBucketOwner": self.wanted.owner} if self.wanted.owner else {}
        return await self.ask(name, Bucket=self.wanted.bucket, **owner, **more)

    async def ask(self, name: str, **params: Any) -> Mapping[str, Any] | None:
        """Any call; None where nothing is configured. Raises Unanswered."""
        answer = await self.answers.ask(name, params)
        if answer.evidence not in self.evidence:
            self.evidence.append(answer.evidence)
        return answer.data
