"""Asks AWS: one call at a time, in a thread of a pool. Decides what is an answer and what is not."""

import asyncio
import ipaddress
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree

from opslib.credentials import AwsKeys, credentials_refused
from opslib.ledger.moment import utc_now
from opslib.settings import MAX_ANSWER_BYTES, is_loopback
from opslib.validator.aws_calls import CALLS, FIELDS, ROOTS, Call, Service
from opslib.validator.denial import Denial, denial_in, quoted

T = TypeVar("T")

# Threads and connections in equal number: a smaller pool opens and closes connections all the time.
THREADS = 32
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 5, 10
# How long a whole answer may take from its first byte on: the read timeout begins again with each part.
_ANSWERED_WITHIN_S = 60

# Under which name the root of an XML answer is kept until it is looked at.
_ROOT = "opslib root"

GLOBAL = frozenset[Service]({"s3control", "iam", "sts", "organizations"})
"""Services that answer the same in every region, as far as the checks ask."""

# “Not configured” and “not there” come as errors. These are answers; any other refusal is not.
_ABSENT = frozenset(
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
        "NotFoundException",
        "ResourceNotFoundException",
        "AWSOrganizationsNotInUseException",
    }
)
_DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException"})
_SAYS_NOTHING = frozenset({"", "Access Denied", "AccessDenied", "Forbidden"})


@dataclass(frozen=True)
class Evidence:
    """One call that a finding rests on. `at` is UTC; `answer` is what matters of AWS's answer."""

    call: str
    at: str
    status: int | None
    request_id: str | None
    answer: Any


class Unanswered(Exception):
    """AWS gave no answer: refused, throttled, timed out.

    Attributes:
        why: which call, and what came instead.
        action: the IAM action that was denied: as AWS names it, else the one that the call needs; empty unless AWS
            denied the call.
        denial: what AWS's message says of it; None where it says nothing.
        code: AWS's error code; empty when nothing came.
        region: where the bucket is, when the refusal says it.
        error: botocore's exception.
        unsigned: whether there were no credentials to ask with, so that this call was never sent.
    """

    def __init__(
        self,
        why: str,
        evidence: Evidence,
        error: Exception,
        *,
        action: str = "",
        denial: Denial | None = None,
        unsigned: bool = False,
    ) -> None:
        self.why = f"{evidence.call}: {why}"
        super().__init__(self.why)
        self.evidence, self.action, self.error, self.unsigned = evidence, action, error, unsigned
        self.denial = denial
        response: dict[str, Any] = getattr(error, "response", None) or {}
        self.code = str(response.get("Error", {}).get("Code", ""))
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        self.region: str | None = headers.get("x-amz-bucket-region")


class Foreign(ValueError):
    """Something came that is not an answer of AWS."""


@dataclass(frozen=True)
class Answer:
    """What a call answered: its data, or None where nothing is configured."""

    data: Mapping[str, Any] | None
    evidence: Evidence


class Aws:
    """Clients for one key pair (or boto3's own chain), and the threads that call them."""

    def __init__(self, keys: AwsKeys | None) -> None:
        self._keys = keys
        self._clients: dict[tuple[Service, str], Any] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")

    def close(self) -> None:
        """End the threads once their calls are over."""
        self._threads.shutdown(wait=False)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """What `work` returns, done in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def call(self, region: str, name: str, params: Mapping[str, Any]) -> Answer:
        """One call, in the calling thread. Raises Unanswered."""
        call, at = CALLS[name], utc_now()
        answer = ask(lambda: self._client(call.service, region), name, call, params)
        if isinstance(answer, Answer):
            return answer
        meta = answer.pop("ResponseMetadata", {})
        if name == "HeadBucket":
            answer.setdefault("BucketRegion", meta.get("HTTPHeaders", {}).get("x-amz-bucket-region"))
        if name == "GetObject":
            answer["Body"] = answer["Body"].read(MAX_ANSWER_BYTES).decode(errors="replace")
        root, data = answer.pop(_ROOT, None), _plain(answer)
        evidence = Evidence(name, at, meta.get("HTTPStatusCode"), meta.get("RequestId") or None, data)
        if flaw := _flaw(name, data, root):
            foreign = Foreign(f"the answer is not AWS's: {flaw}")
            raise Unanswered(str(foreign), evidence, foreign)
        return Answer(data, evidence)

    def _client(self, service: Service, region: str) -> Any:
        with self._lock:  # making a client is not safe in threads
            if (service, region) not in self._clients:
                self._clients[service, region] = _make_client(service, region, self._keys)
            return self._clients[service, region]


def ask(client: Callable[[], Any], name: str, call: Call, params: Mapping[str, Any]) -> Any:
    """botocore's own answer to one call of a client, or an Answer where nothing is configured. Raises Unanswered."""
    from botocore import xform_name
    from botocore.exceptions import ClientError

    at = utc_now()
    try:
        return getattr(client(), call.method)(**params)
    except ClientError as error:
        if xform_name(error.operation_name) != call.method:  # such as AssumeRole, on the way to credentials
            raise _unsigned(name, at, error) from error
        return _refused(name, call, at, error, params.get("ExpectedBucketOwner"))
    except Foreign as error:
        raise Unanswered(str(error), Evidence(name, at, None, None, None), error) from error
    # An endpoint that is not a URL, and whatever an odd answer makes botocore's parsers raise.
    except Exception as error:
        if isinstance(error, _credential_errors()):
            raise _unsigned(name, at, error) from error
        why = f"no answer ({type(error).__name__}: {error})"
        raise Unanswered(why, Evidence(name, at, None, None, None), error) from error


Sender = Callable[..., Any]


def s3_client(region: str, keys: AwsKeys | None, sender: Sender | None = None) -> Any:
    """A client of boto3 for S3, which several threads may use; what it reads is limited as for the checks. `sender` is
    called in the place of `send`, with the same arguments."""
    return _make_client("s3", region, keys, sender)


def _make_client(service: Service, region: str, keys: AwsKeys | None, sender: Sender | None = None) -> Any:
    import boto3
    from botocore.config import Config

    endpoint = _endpoint(service)
    create = boto3.client if keys else _new_session().create_client

    def make(config: Config) -> Any:
        return create(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=keys.access_key_id if keys else None,
            aws_secret_access_key=keys.secret_access_key.get_secret_value() if keys else None,
            config=config,
        )

    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        max_pool_connections=THREADS,
        retries={"mode": "standard"},
    )
    client = make(config)
    if is_loopback(urlsplit(client.meta.endpoint_url).hostname):  # also where a profile's configuration says so
        client = make(config.merge(Config(proxies={})))  # HTTP_PROXY would be asked for this machine
    client.meta.events.register("before-send", partial(sender or send, client))
    for name in ROOTS:
        client.meta.events.register(f"before-parse.{service}.{name}", _keep_root)
    if service == "s3control" and endpoint and _is_ip(urlsplit(endpoint).hostname):
        client.meta.events.register("before-sign.s3-control", _host_without_account)
    return client


def _new_session() -> Any:
    """boto3's default session keeps the credentials that it once found, also when the environment has changed since."""
    from botocore.session import get_session

    session = get_session()
    session.register_component("data_loader", _descriptions())
    return session


@cache
def _descriptions() -> Any:
    """botocore's files on the services, kept once read: to read them takes longer than to ask."""
    from botocore.loaders import create_loader

    return create_loader()


def send(client: Any, request: Any, event_name: str, **_: Any) -> Any:
    """botocore alone would read an answer, and unpack it, without a limit; only GetObject's is left to its reader."""
    if event_name.endswith(".GetObject"):
        return None
    request.stream_output = True
    answer = client._endpoint.http_session.send(request)
    answer.raw = _Limited(answer.raw)
    return answer


class _Limited:
    """What botocore reads an answer from. Raises Foreign for one that is too large, too slow or packed."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def stream(self) -> Iterator[bytes]:
        with closing(self._raw):  # a connection with a rest of an answer cannot be used again
            yield from self._parts()

    def _parts(self) -> Iterator[bytes]:
        length, until = 0, time.monotonic() + _ANSWERED_WITHIN_S
        if packing := self._raw.headers.get("Content-Encoding"):
            raise Foreign(f"the answer is packed with {packing[:40]}, which was not asked for")
        for part in self._raw.stream(decode_content=False):
            length += len(part)
            if length > MAX_ANSWER_BYTES:
                raise Foreign(f"the answer has more than {MAX_ANSWER_BYTES // 2**20} MB")
            if time.monotonic() > until:
                raise Foreign(f"the answer did not end within {_ANSWERED_WITHIN_S} s")
            yield part


def _keep_root(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
    """botocore takes any XML without the fields that it knows, and no answer at all, for an empty answer."""
    try:
        document = ElementTree.iterparse(BytesIO(response_dict["body"]), ("start",))  # noqa: S314 (only its first tag)
        customized_response_dict[_ROOT] = next(document)[1].tag.rpartition("}")[2]
    except (ElementTree.ParseError, StopIteration):
        customized_response_dict[_ROOT] = ""


def _endpoint(service: Service) -> str | None:
    """boto3's own choice; but where S3 is pointed elsewhere, the rest must not go to AWS."""
    chosen = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL")
    return chosen or os.environ.get("AWS_ENDPOINT_URL_S3") or None


def _is_ip(host: str | None) -> bool:
    try:
        return bool(ipaddress.ip_address(host or ""))
    except ValueError:
        return False


def _host_without_account(request: Any, **_: Any) -> None:
    """boto3 puts the account before the host, and an IP address has no such names; it is in a header too."""
    request.url = request.url.replace(f"//{request.headers['x-amz-account-id']}.", "//", 1)


def _credential_errors() -> tuple[type[Exception], ...]:
    """What botocore raises when credentials are named but cannot be had."""
    from botocore import exceptions

    return (
        exceptions.ConfigParseError,
        exceptions.CredentialRetrievalError,
        exceptions.InvalidConfigError,
        exceptions.LoginError,
        exceptions.MetadataRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.RefreshWithMFAUnsupportedError,
        exceptions.SSOError,
        exceptions.TokenRetrievalError,
        exceptions.UnknownCredentialError,
    )


def _unsigned(name: str, at: str, error: Exception) -> Unanswered:
    refused = credentials_refused(error)
    why = f"not sent: {refused.title} ({refused.cause}). {refused.fix}"
    return Unanswered(why, Evidence(name, at, None, None, None), error, unsigned=True)


def _refused(name: str, call: Call, at: str, error: Any, owner: str | None) -> Answer:
    answer = error.response
    meta = answer.get("ResponseMetadata", {})
    code = str(answer.get("Error", {}).get("Code") or meta.get("HTTPStatusCode", ""))
    evidence = Evidence(name, at, meta.get("HTTPStatusCode"), meta.get("RequestId") or None, code)
    head = name == "HeadBucket"  # it has no body, so its code is the status
    if code in _ABSENT or (head and code == "404"):
        return Answer(None, evidence)
    message = quoted(str(answer.get("Error", {}).get("Message", "")))
    if code not in _DENIED:
        raise Unanswered(f"{code} {message}".strip(), evidence, error)
    if denial := denial_in(message):
        raise Unanswered(f"refused with {code}: “{message}”", evidence, error, action=denial.action, denial=denial)
    missing = f"{call.action} is missing, or a policy denies it" if call.action else "the call needs no permission"
    other = f", or the bucket is not account {owner}'s" if owner else ""
    wrong = ", or the key is wrong" if head else ""
    words = f" (“{message}”)" if message not in _SAYS_NOTHING else ""
    raise Unanswered(f"refused with {code}: {missing}{other}{wrong}{words}", evidence, error, action=call.action)


def _flaw(name: str, data: Mapping[str, Any], root: str | None) -> str:
    """Why an answer is not AWS's, by its root element, where that was seen; empty where nothing is wrong with it."""
    if (field := FIELDS.get(name)) and not _holds(data, field):
        return f"it has no usable {field}"
    if name in ROOTS and root is not None and root not in ROOTS[name] and not any(data.values()):
        return f"it is {root[:40] or 'no XML'}, not {ROOTS[name][0]}"
    return ""


def _holds(data: Any, path: str) -> bool:
    """Whether an answer has a field; a policy must be one, as the field is any text."""
    for name in path.split("."):
        if not isinstance(data, Mapping) or data.get(name) in (None, "", {}):
            return False
        data = data[name]
    return path != "Policy" or _is_policy(data)


def _is_policy(text: str) -> bool:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "Statement" in document


def _plain(value: Any) -> Any:
    """JSON values only."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
