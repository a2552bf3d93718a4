"""The tutorial's validator: bucket there, in the stated region, readable, encrypted by default."""

from typing import TYPE_CHECKING, TypedDict

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
from opslib.onboarding.models import AwsKeys, AwsRegion, BucketName, checked, checked_value, credentials_refused
from opslib.validator.aws import Aws, Unanswered
from opslib.validator.calls import CALLS
from opslib.validator.checks.encryption import default_encryption
from opslib.validator.finding import Evidence
from opslib.validator.look import Answers, Look, Wanted

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

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
        self._keys = None
        if aws_access_key and aws_secret_key:
            self._keys = checked(AwsKeys, access_key_id=aws_access_key, secret_access_key=aws_secret_key)

    async def validate_bucket_and_encryption(self, bucket_name: str) -> BucketReport:
        """Ask S3 for the bucket and its default encryption. Writes nothing.

        Raises InvalidInput (hostile name), BucketNotFound, BucketAccessDenied, BucketWrongRegion,
        BucketNotEncrypted, AwsCredentialsInvalid or BucketUnreachable.
        """
        bucket = checked_value(BucketName, bucket_name, "bucket")
        aws = Aws(self._keys)
        look = Look(Wanted(bucket, self.region), Answers(aws))
        try:
            head = await look.bucket("HeadBucket")
            if head is None:
                raise not_found(bucket, self.region, look.evidence[-1])
            # botocore follows a redirect to another region silently; only this field tells.
            if (actual := head.get("BucketRegion")) and actual != self.region:
                raise _wrong_region(bucket, actual, self.region)
            algorithm, _ = await default_encryption(look)
        except Unanswered as refused:
            raise explained(refused, bucket, self.region) from None
        finally:
            aws.close()
        if algorithm is None:
            raise _not_encrypted(bucket)
        return {
            "bucket_exists": True,
            "encryption_enabled": True,
            "encryption_type": algorithm,
            "endpoint_reachable": True,
        }


def not_found(bucket: str, region: str, head: Evidence) -> BucketNotFound:
    """S3 answered that there is no such bucket."""
    return BucketNotFound(
        f"There is no bucket {bucket}",
        cause="S3 answered 404: the name is wrong, or the bucket was never made",
        fix=f"check the name in the AWS console, or create {bucket} in {region}",
        status=head.status,
        correlation_id=head.request_id,
    )


def explained(refused: Unanswered, bucket: str, region: str) -> BucketError:
    """A call that got no answer, as an error with cause and fix."""
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

    error = refused.error
    if refused.unsigned:
        return credentials_refused(error)
    if refused.code == "NoSuchBucket":
        return not_found(bucket, region, refused.evidence)
    if isinstance(error, ClientError):
        return _explain(error, bucket, region)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return AwsCredentialsInvalid(
            "No AWS credentials",
            cause="no access key was given, and neither environment, profile nor role has one",
            fix="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; nothing was sent",
        )
    return BucketUnreachable(
        f"S3 did not answer for bucket {bucket}",
        cause=f"{type(error).__name__}: {error}",
        fix="check the network, the proxy, the region and AWS_ENDPOINT_URL_S3, then try again",
    )


def _explain(error: "ClientError", bucket: str, region: str) -> BucketError:
    """A ClientError as one of ours. A HEAD has no body: its code is only the status."""
    answer = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    meta = answer.get("ResponseMetadata", {})
    status, request_id = meta.get("HTTPStatusCode"), meta.get("RequestId") or None
    actual = meta.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    if code in _BAD_KEYS:
        return AwsCredentialsInvalid(
            "AWS does not accept the access key",
            cause=_BAD_KEYS[code],
            fix="check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or make a new key pair",
            status=status,
            correlation_id=request_id,
        )
    if actual and actual != region:
        return _wrong_region(bucket, actual, region)
    if code in ("301", "400", "PermanentRedirect", "AuthorizationHeaderMalformed"):
        return _wrong_region(bucket, None, region)
    if code in ("403", "AccessDenied"):
        head, action = error.operation_name == "HeadBucket", CALLS[error.operation_name].action
        return BucketAccessDenied(
            f"No access to bucket {bucket}",
            cause=f"S3 answered 403 to {error.operation_name}: the IAM permission {action} is missing"
            + (", the key is wrong, or the bucket belongs to another account" if head else ""),
            fix=f"allow {action} on {bucket} for this key, and check the bucket policy",
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
