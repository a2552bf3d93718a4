"""Troubles on purpose: each error of the walk, provoked on a sandbox of its own and mended again.

Most of them are real: a wrong secret, a client without a permission, a bucket with the wrong settings. The others come
from the sandbox's fault switch.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from opslib.errors import InvalidInput, OpslibError
from opslib.onboarding.models import Onboarding
from opslib.sandbox.launch import start_sandbox
from opslib.settings import Settings, is_loopback
from opslib.walk.state_machine import Result
from opslib.walk.steps import STEPS
from opslib.walk.walk import Walk


class Lessons:
    """A sandbox, and a walk on it in a workspace of its own. `TROUBLES` names what can be provoked.

    Raises InvalidInput where a live org is configured.
    """

    def __init__(self) -> None:
        _refuse_live(Settings.load())
        self.sandbox = start_sandbox(seed=7)
        self._folder = tempfile.TemporaryDirectory(prefix="opslib-lessons-", ignore_cleanup_errors=True)
        os.environ.update(self.sandbox.environment() | {"OPSLIB_HOME": self._folder.name})
        self.walk = Walk(command="lessons")
        self._settings, self._example = self.walk.settings, self.walk.onboarding

    async def provoke(self, name: str) -> None:
        """Make the trouble, and run the step that meets it: its card then says what is wrong."""
        trouble = TROUBLES[name]
        self.walk.onboarding = _renamed(self._example, name)
        await self._run_before(trouble.step)
        trouble.make(self)
        await self._run_before(trouble.step)  # again, where the trouble made an earlier step stale
        with suppress(OpslibError):  # the walk keeps it, and the card shows it
            await self.walk.run(trouble.step)

    async def mend(self, name: str) -> Result:
        """Undo the trouble, and run the step again. Raises its error if it still fails."""
        trouble = TROUBLES[name]
        self.sandbox.control("DELETE", "/faults")
        os.environ.update(self.sandbox.environment())
        self.walk.settings, self.walk.onboarding = self._settings, _renamed(self._example, name)
        trouble.mend(self)
        await self._run_before(trouble.step)
        return await self.walk.run(trouble.step)

    async def aclose(self) -> None:
        """Close the connections, stop the sandbox and delete the workspace."""
        await self.walk.aclose()
        self.sandbox.stop()
        self._folder.cleanup()

    def aws(self, service: Literal["s3", "kms"]) -> Any:
        """AWS, as the sandbox's administrator."""
        import boto3
        from botocore.config import Config

        info = self.sandbox.info
        return boto3.client(
            service,
            endpoint_url=info["s3_url"],
            region_name=info["region"],
            aws_access_key_id=info["aws_access_key_id"],
            aws_secret_access_key=info["aws_secret_access_key"],
            config=Config(proxies={}),  # it is on this machine
        )

    @property
    def bucket(self) -> str:
        return self.sandbox.info["bucket"]

    async def _run_before(self, step: str) -> None:
        for name in list(STEPS)[: list(STEPS).index(step)]:
            if self.walk.state(name) != "done":
                await self.walk.run(name)


@dataclass(frozen=True)
class Trouble:
    """The step that meets it, what makes it, and what mends it beyond what `Lessons.mend` undoes for all."""

    step: str
    make: Callable[[Lessons], object]
    mend: Callable[[Lessons], object] = lambda lessons: None


def _fault(**fault: Any) -> Callable[[Lessons], object]:
    return lambda lessons: lessons.sandbox.control("POST", "/faults", fault)


def _client(lessons: Lessons, **changes: Any) -> None:
    lessons.walk.settings = lessons.walk.settings.model_copy(update=changes)


def _client_without_webhooks(lessons: Lessons) -> None:
    scopes = ["recording:read", "recording:write", "webhook:read"]
    made = lessons.sandbox.control("POST", "/clients", {"scopes": scopes})
    _client(lessons, client_id=made["client_id"], client_secret=SecretStr(made["client_secret"]))


def _target(lessons: Lessons, **changes: Any) -> None:
    wanted = lessons.walk.onboarding
    lessons.walk.onboarding = wanted.model_copy(update={"target": wanted.target.model_copy(update=changes)})


def _key_that_may_only_write(lessons: Lessons) -> None:
    made = lessons.sandbox.control("POST", "/aws-users", {"actions": ["s3:PutObject"]})
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = made.values()


def _encrypt(lessons: Lessons, **default: str) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    encryption = {"Rules": [rule]}
    lessons.aws("s3").put_bucket_encryption(Bucket=lessons.bucket, ServerSideEncryptionConfiguration=encryption)


def _disabled_key(lessons: Lessons) -> None:
    key = lessons.aws("kms").create_key()["KeyMetadata"]["KeyId"]
    _encrypt(lessons, SSEAlgorithm="aws:kms", KMSMasterKeyID=key)
    lessons.aws("kms").disable_key(KeyId=key)


def _removal_after_30_days(lessons: Lessons) -> None:
    rule = {"ID": "tidy-up", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    lessons.aws("s3").put_bucket_lifecycle_configuration(
        Bucket=lessons.bucket, LifecycleConfiguration={"Rules": [rule]}
    )


TROUBLES = {
    "wrong-secret": Trouble(
        "connect", lambda it: _client(it, client_secret=SecretStr("not-the-secret-of-this-client"))
    ),
    "revoked-token": Trouble("plan", lambda it: it.sandbox.control("POST", "/tokens/revoke")),
    "missing-scope": Trouble("apply", _client_without_webhooks),
    "rate-limit": Trouble(
        "plan", _fault(method="GET", path_regex="policies", status=429, headers={"Retry-After": "1"}, times=1)
    ),
    "long-rate-limit": Trouble("connect", _fault(path_regex="/targets", status=429, headers={"Retry-After": "600"})),
    "bad-content": Trouble(
        "apply",
        _fault(
            method="PUT",
            path_regex="policies",
            status=400,
            body={"message": "recordingTypes: voice cannot be kept in this division", "code": "invalid.value"},
        ),
    ),
    "no-bucket": Trouble("validate_bucket", lambda it: _target(it, bucket="genesys-cloud-recordings-prdo")),
    "wrong-region": Trouble("validate_bucket", lambda it: _target(it, region="eu-central-1")),
    "no-permission": Trouble("validate_bucket", _key_that_may_only_write),
    "kms-key": Trouble("validate_bucket", _disabled_key, lambda it: _encrypt(it, SSEAlgorithm="AES256")),
    "lifecycle": Trouble(
        "validate_bucket",
        _removal_after_30_days,
        lambda it: it.aws("s3").delete_bucket_lifecycle(Bucket=it.bucket),
    ),
}


def _renamed(onboarding: Onboarding, name: str) -> Onboarding:
    """The example with ids of this lesson, so that an apply always has something to do."""
    kinds = ("target", "policy", "webhook")
    parts = {kind: getattr(onboarding, kind).model_copy(update={"id": f"{name}-{kind}"}) for kind in kinds}
    return onboarding.model_copy(update=parts)


def _refuse_live(settings: Settings) -> None:
    if not (settings.api_url or settings.region):
        return
    host = urlsplit(settings.api_base).hostname
    if not (settings.sandbox_bucket and is_loopback(host)):
        raise InvalidInput(
            "The lessons are for the sandbox only",
            cause=f"the org at {host} is configured, and it is not the sandbox",
            fix="start JupyterLab without OPSLIB_API_URL and OPSLIB_REGION, in the environment and in .env; "
            "nothing was sent",
        )
