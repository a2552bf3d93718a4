"""The tutorial's validator: bucket there, in the stated region, readable, encrypted by default."""

import asyncio
from typing import TYPE_CHECKING, Any, TypedDict

from pydantic import SecretStr

from opslib.errors import (
    AwsCredentialsInvalid,
    BucketAccessDenied,
    BucketError,
    BucketNotEncrypted,
    BucketNotFound,
    BucketUnreachable,
    BucketWrongRegion,
)
from opslib.models import AwsRegion, BucketName, checked_value
from opslib.redact import remember

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

# boto3's own retries stay within this; the event loop is never blocked.
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 10

_BAD_KEYS = {
    "InvalidAccessKeyId": "AWS does not know this access key id",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key id",
    "ExpiredToken": "the temporary credentials have expired",
    "InvalidToken": "the session token is not valid",
    "AuthFailure": "AWS does not accept these credentials",
}


class BucketReport(TypedDict):
    """What was found. `encryption_type` is the bucket's own default, as S3 states it."""

    bucket_exists: bool
    encryption_enabled: bool
    encryption_type: str
    endpoint_reachable: bool


class StorageValidator:
    """Checks one bucket with one key pair. The S3 endpoint is AWS's own, or AWS_ENDPOINT_URL_S3.

    Args:
        aws_access_key, aws_secret_key: the key pair; with both empty, boto3's own chain (environment, profile,
            role) is used.
        region: the AWS region the bucket must be in.

    Raises InvalidInput for a region that AWS does not have.
    """

    def __init__(self, aws_access_key: str | None, aws_secret_key: str | SecretStr | None, region: str) -> None:
        self.region = checked_value(AwsRegion, region, "region")
        self._access_key = aws_access_key or None
        secret = aws_secret_key.get_secret_value() if isinstance(aws_secret_key, SecretStr) else aws_secret_key
        self._secret = SecretStr(secret) if secret else None
        if self._secret:
            remember(self._secret)

    async def validate_bucket_and_encryption(self, bucket_name: str) -> BucketReport:
        """Ask S3 for the bucket and its default encryption. Writes nothing.

        Raises InvalidInput (hostile name), BucketNotFound, BucketAccessDenied, BucketWrongRegion,
        BucketNotEncrypted, AwsCredentialsInvalid or BucketUnreachable.
        """
        bucket = checked_value(BucketName, bucket_name, "bucket")
        return await asyncio.to_thread(self._validate, bucket)

    def _validate(self, bucket: str) -> BucketReport:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            PartialCredentialsError,
        )

        try:
            s3 = self._client()
            self._check_region(bucket, s3.head_bucket(Bucket=bucket))
            encryption = _default_encryption(s3, bucket)
        except ClientError as error:
            raise _explain(error, bucket, self.region) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise AwsCredentialsInvalid(
                "No AWS credentials",
                cause="no access key was given, and neither environment, profile nor role has one",
                fix="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; nothing was sent",
            ) from None
        except BotoCoreError as error:
            raise BucketUnreachable(
                f"S3 did not answer for bucket {bucket}",
                cause=f"{type(error).__name__}: {error}",
                fix="check the network, the proxy, the region and AWS_ENDPOINT_URL_S3, then try again",
            ) from None
        return {
            "bucket_exists": True,
            "encryption_enabled": True,
            "encryption_type": encryption,
            "endpoint_reachable": True,
        }

    def _client(self) -> "S3Client":
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            aws_access_key_id=self._access_key,
            aws_secret_access_key=self._secret.get_secret_value() if self._secret else None,
            region_name=self.region,
            config=Config(
                connect_timeout=_CONNECT_TIMEOUT_S, read_timeout=_READ_TIMEOUT_S, retries={"mode": "standard"}
            ),
        )

    def _check_region(self, bucket: str, head: Any) -> None:
        # botocore follows a redirect to another region silently; only this field tells.
        actual = head.get("BucketRegion") or head["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
        if actual and actual != self.region:
            raise _wrong_region(bucket, actual, self.region)


def _default_encryption(s3: "S3Client", bucket: str) -> str:
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    for rule in rules:
        if algorithm := rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm"):
            return algorithm
    raise _not_encrypted(bucket)


def _explain(error: "ClientError", bucket: str, region: str) -> BucketError:
    """A ClientError as one of ours. A HEAD has no body: its code is only the status."""
    answer = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    meta = answer.get("ResponseMetadata", {})
    status, request_id = meta.get("HTTPStatusCode"), meta.get("RequestId") or None
    actual = meta.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    if code == "ServerSideEncryptionConfigurationNotFoundError":
        return _not_encrypted(bucket)
    if code in _BAD_KEYS:
        return AwsCredentialsInvalid(
            "AWS does not accept the access key",
            cause=_BAD_KEYS[code],
            fix="check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or make a new key pair",
            status=status,
            correlation_id=request_id,
        )
    if code in ("404", "NoSuchBucket"):
        return BucketNotFound(
            f"There is no bucket {bucket}",
            cause="S3 answered 404: the name is wrong, or the bucket was never made",
            fix=f"check the name in the AWS console, or create {bucket} in {region}",
            status=status,
            correlation_id=request_id,
        )
    if actual and actual != region:
        return _wrong_region(bucket, actual, region)
    if code in ("301", "400", "PermanentRedirect", "AuthorizationHeaderMalformed"):
        return _wrong_region(bucket, None, region)
    if code in ("403", "AccessDenied"):
        head = error.operation_name == "HeadBucket"
        action = "s3:ListBucket" if head else "s3:GetEncryptionConfiguration"
        return BucketAccessDenied(
            f"No access to bucket {bucket}",
            cause=f"S3 answered 403 to {error.operation_name}: the IAM permission {action} is missing"
            + (", the key is wrong, or the bucket belongs to another account" if head else ""),
            fix=f"allow {action} on arn:aws:s3:::{bucket} for this key, and check the bucket policy",
            status=status,
            correlation_id=request_id,
        )
    return BucketUnreachable(
        f"S3 gave no usable answer for bucket {bucket}",
        cause=f"{error.operation_name}: {code} {answer.get('Error', {}).get('Message', '')}".strip(),
        fix="try again; if it lasts, give AWS support the request id",
        status=status,
        correlation_id=request_id,
    )


def _wrong_region(bucket: str, actual: str | None, region: str) -> BucketWrongRegion:
    return BucketWrongRegion(
        f"Bucket {bucket} is not in {region}",
        cause=f"S3 says it is in {actual}" if actual else "S3 redirects to another region",
        fix=f"state region {actual}" if actual else "look up the bucket's region and state that one",
    )


def _not_encrypted(bucket: str) -> BucketNotEncrypted:
    return BucketNotEncrypted(
        f"Bucket {bucket} has no default encryption",
        cause="S3 names no default encryption rule",
        fix=f"set default encryption AES256 or aws:kms on {bucket}: aws s3api put-bucket-encryption",
    )
