"""The tutorial's bucket check, against the sandbox's S3 and, for answers only AWS gives, through the Stubber."""

import asyncio
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from opslib import StorageValidator, errors
from opslib.validator.aws import Aws

from ..aws_profiles import REFUSED, SIGN_ON, use_profile
from ..world import Sandbox


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")


def _validator(sandbox: Sandbox, **changes: Any) -> StorageValidator:
    return StorageValidator(
        changes.get("key", sandbox["aws_access_key_id"]),
        changes.get("secret", sandbox["aws_secret_access_key"]),
        changes.get("region", sandbox["region"]),
    )


async def test_a_fit_bucket(sandbox: Sandbox) -> None:
    """The four keys of the contract, and the encryption that the bucket really has."""
    assert await _validator(sandbox).validate_bucket_and_encryption(sandbox["bucket"]) == {
        "bucket_exists": True,
        "encryption_enabled": True,
        "encryption_type": "AES256",
        "endpoint_reachable": True,
    }
    assert {r["method"] for r in sandbox.requests("s3")} == {"HEAD", "GET"}


async def test_kms_is_reported_as_kms(sandbox: Sandbox) -> None:
    """The type is what was found, not what was expected."""
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/x"}}
    with _bucket(sandbox, "kms-bucket") as s3:
        s3.put_bucket_encryption(Bucket="kms-bucket", ServerSideEncryptionConfiguration={"Rules": [rule]})
        report = await _validator(sandbox).validate_bucket_and_encryption("kms-bucket")
    assert report["encryption_type"] == "aws:kms"


class _bucket:
    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.s3, self.name = sandbox.s3(), name

    def __enter__(self) -> Any:
        self.s3.create_bucket(Bucket=self.name)
        return self.s3

    def __exit__(self, *_: object) -> None:
        self.s3.delete_bucket(Bucket=self.name)


async def test_absent_bucket(sandbox: Sandbox) -> None:
    """404: ValueError that names the bucket."""
    with pytest.raises(ValueError, match="not-there-at-all") as caught:
        await _validator(sandbox).validate_bucket_and_encryption("not-there-at-all")
    assert isinstance(caught.value, errors.BucketNotFound)


async def test_no_permission_names_the_iam_action(sandbox: Sandbox) -> None:
    """403 on HEAD: PermissionError naming s3:ListBucket; on the encryption: the action's real name."""
    nothing = sandbox.control("POST", "/aws-users", {"actions": ["s3:GetObject"]}).json()
    with pytest.raises(PermissionError, match="s3:ListBucket"):
        await _limited(sandbox, nothing)
    head_only = sandbox.control("POST", "/aws-users", {"actions": ["s3:ListBucket"]}).json()
    with pytest.raises(PermissionError, match="s3:GetEncryptionConfiguration"):
        await _limited(sandbox, head_only)


async def _limited(sandbox: Sandbox, user: Any) -> Any:
    validator = _validator(sandbox, key=user["access_key_id"], secret=user["secret_access_key"])
    return await validator.validate_bucket_and_encryption(sandbox["bucket"])


async def test_wrong_keys(sandbox: Sandbox) -> None:
    """A HEAD has no body, so AWS says only 403; the cause mentions the key, the text never holds the secret."""
    canary = "validator-canary-secret-0123456789"
    with pytest.raises(errors.BucketError, match="key") as caught:
        await _validator(sandbox, secret=canary).validate_bucket_and_encryption(sandbox["bucket"])
    assert canary not in str(caught.value)


async def test_no_credentials_at_all(sandbox: Sandbox) -> None:
    """ValueError, and S3 is not asked."""
    with pytest.raises(ValueError, match="No AWS credentials"):
        await _validator(sandbox, key="", secret="").validate_bucket_and_encryption(sandbox["bucket"])
    assert sandbox.requests("s3") == []


@pytest.mark.parametrize("profile", [SIGN_ON, REFUSED], ids=["not signed in", "refused"])
async def test_a_profile_that_gives_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    """No permission of S3 is missing: the profile is named with what to do, and S3 is not asked."""
    use_profile(profile, sandbox, tmp_path, monkeypatch)
    with pytest.raises(errors.AwsCredentialsInvalid, match="The AWS profile corp gives no credentials") as caught:
        await _validator(sandbox, key="", secret="").validate_bucket_and_encryption(sandbox["bucket"])
    assert "aws sso login --profile corp" in caught.value.fix
    assert "profiles-canary" not in str(caught.value)


async def test_a_role_of_the_environment_that_gives_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a pod: the role is named."""
    (tmp_path / "token").write_text("no token of anybody")
    role = "arn:aws:iam::123456789012:role/x"
    monkeypatch.setenv("AWS_ROLE_ARN", role)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sandbox["s3_url"])
    with pytest.raises(errors.AwsCredentialsInvalid, match=f"The role {role} of AWS_ROLE_ARN") as caught:
        await _validator(sandbox, key="", secret="").validate_bucket_and_encryption(sandbox["bucket"])
    assert "AssumeRoleWithWebIdentity" in caught.value.cause


async def test_credentials_of_before_are_not_used_again(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in the environment once, and gone since."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", sandbox["aws_access_key_id"]),
        ("AWS_SECRET_ACCESS_KEY", sandbox["aws_secret_access_key"]),
    ):
        monkeypatch.setenv(name, value)
    await _validator(sandbox, key="", secret="").validate_bucket_and_encryption(sandbox["bucket"])
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ValueError, match="No AWS credentials"):
        await _validator(sandbox, key="", secret="").validate_bucket_and_encryption(sandbox["bucket"])


async def test_no_default_encryption(sandbox: Sandbox) -> None:
    """ValueError naming both algorithms."""
    with _bucket(sandbox, "plain-bucket"), pytest.raises(ValueError, match=r"AES256 or aws:kms"):
        await _validator(sandbox).validate_bucket_and_encryption("plain-bucket")


async def test_bucket_in_another_region(sandbox: Sandbox) -> None:
    """botocore follows the redirect silently; the region that S3 names is compared all the same."""
    with pytest.raises(errors.BucketWrongRegion, match="us-east-1"):
        await _validator(sandbox, region="eu-central-1").validate_bucket_and_encryption(sandbox["bucket"])


@pytest.mark.parametrize("bad", ["../etc", "UPPER", "a", "bucket/key", "x" * 64, "192.168.0.1"])
async def test_hostile_names_send_nothing(sandbox: Sandbox, bad: str) -> None:
    """A bucket name becomes part of a host name or path."""
    with pytest.raises(errors.InvalidInput, match="nothing was sent"):
        await _validator(sandbox).validate_bucket_and_encryption(bad)
    assert sandbox.requests("s3") == []


def test_unknown_region_is_refused_at_once() -> None:
    """AWS has no such region."""
    with pytest.raises(errors.InvalidInput, match="region"):
        StorageValidator("AKIA", "secret-secret", "mars-north-1")


async def test_nobody_at_the_endpoint(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is BucketUnreachable with the setting to look at."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(errors.BucketUnreachable, match="AWS_ENDPOINT_URL_S3"):
        await _validator(sandbox).validate_bucket_and_encryption(sandbox["bucket"])


@pytest.mark.parametrize(
    ("code", "status", "headers", "error"),
    [
        ("301", 301, {"x-amz-bucket-region": "eu-west-1"}, errors.BucketWrongRegion),
        ("400", 400, {}, errors.BucketWrongRegion),
        ("403", 403, {"x-amz-bucket-region": "eu-west-1"}, errors.BucketWrongRegion),
        ("SlowDown", 503, {}, errors.BucketUnreachable),
        ("ExpiredToken", 400, {}, errors.AwsCredentialsInvalid),
    ],
)
async def test_answers_that_only_aws_gives(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, code: str, status: int, headers: Any, error: type[Exception]
) -> None:
    """Redirects, a HEAD without a body, throttling, expired credentials."""
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="AKIA", aws_secret_access_key="x")
    with Stubber(s3) as stub:
        stub.add_client_error("head_bucket", code, http_status_code=status, response_meta={"HTTPHeaders": headers})
        monkeypatch.setattr(Aws, "_client", lambda self, service, region: s3)
        with pytest.raises(error):
            await _validator(sandbox).validate_bucket_and_encryption(sandbox["bucket"])


async def test_the_event_loop_is_not_blocked(sandbox: Sandbox) -> None:
    """While S3 takes its time, other coroutines run."""
    validator = _validator(sandbox)
    await validator.validate_bucket_and_encryption(sandbox["bucket"])  # boto3 is loaded now
    sandbox.control("POST", "/faults", {"method": "HEAD", "delay_s": 0.4})
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(time.perf_counter())
            await asyncio.sleep(0.01)

    ticker = asyncio.create_task(tick())
    await validator.validate_bucket_and_encryption(sandbox["bucket"])
    ticker.cancel()
    assert len(ticks) > 15
