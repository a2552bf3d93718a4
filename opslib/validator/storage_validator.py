"""The tutorial's validator: bucket there, in the stated region, readable, encrypted by default."""

from typing import TypedDict

from pydantic import SecretStr

from opslib.credentials import AwsKeys
from opslib.errors import BucketNotEncrypted
from opslib.onboarding.values import AwsRegion, BucketName, checked, checked_value
from opslib.validator.aws import Aws, Unanswered
from opslib.validator.bucket_errors import bucket_error, trouble_with
from opslib.validator.checks.encryption import default_encryption
from opslib.validator.inspection import AnswerCache, Inspection
from opslib.validator.profile_loader import load_profile
from opslib.validator.wanted import Wanted


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
        inspection = Inspection(Wanted(bucket, self.region), load_profile("baseline"), AnswerCache(aws))
        try:
            if trouble := await trouble_with(inspection):
                raise trouble
            algorithm, _ = await default_encryption(inspection)
        except Unanswered as refused:
            raise bucket_error(refused, bucket, self.region) from None
        finally:
            aws.close()
        if algorithm is None:
            raise BucketNotEncrypted(
                f"Bucket {bucket} has no default encryption",
                cause="S3 names no default encryption rule",
                fix=f"set default encryption AES256 or aws:kms on {bucket}: aws s3api put-bucket-encryption",
            )
        return {
            "bucket_exists": True,
            "encryption_enabled": True,
            "encryption_type": algorithm,
            "endpoint_reachable": True,
        }
