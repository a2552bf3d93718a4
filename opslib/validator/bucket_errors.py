"""Turns what S3 refused into an error with cause and fix, and finds the one cause for which nothing can be asked."""

from opslib.credentials import credentials_refused
from opslib.errors import (
    AwsCredentialsInvalid,
    BucketAccessDenied,
    BucketError,
    BucketNotFound,
    BucketOfAnotherAccount,
    BucketUnreachable,
    BucketWrongRegion,
)
from opslib.validator.aws import Evidence, Foreign, Unanswered
from opslib.validator.inspection import Inspection

_BAD_KEYS = {
    "InvalidAccessKeyId": "AWS does not know this access key id",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key id",
    "ExpiredToken": "the temporary credentials have expired",
    "InvalidToken": "the session token is not valid",
    "AuthFailure": "AWS does not accept these credentials",
    "RequestTimeTooSkewed": "the clock of this computer differs too much from AWS's",
}
_CHECK_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or make a new key pair"
_NEW_TOKEN = "get new temporary credentials, as with `aws sso login`, and set all three variables of them"
_BAD_KEY_FIXES = {
    "ExpiredToken": _NEW_TOKEN,
    "InvalidToken": _NEW_TOKEN,
    "RequestTimeTooSkewed": "set the clock of this computer",
}


async def trouble_with(inspection: Inspection) -> BucketError | None:
    """Why the bucket cannot be used at all, or why S3 does not say: one HeadBucket, and where it is refused, one more
    question. None where the bucket is there, in the stated region."""
    bucket, region = inspection.wanted.bucket, inspection.wanted.region
    try:
        head = await inspection.ask_bucket("HeadBucket")
    except Unanswered as refused:
        if refused.action and await _of_another_account(inspection):
            return BucketOfAnotherAccount(
                f"Bucket {bucket} does not belong to account {inspection.wanted.owner}",
                cause="S3 answers about the bucket, but not as one of that account",
                fix="use a bucket of your own account, or state the right account",
                status=refused.evidence.status,
                correlation_id=refused.evidence.request_id,
            )
        return bucket_error(await _with_words(inspection, refused), bucket, region)
    if head is None:
        return not_found(bucket, region, inspection.evidence[-1])
    # botocore follows a redirect to another region silently; only this field tells.
    actual = head.get("BucketRegion")
    return wrong_region(bucket, actual, region) if actual and actual != region else None


async def _of_another_account(inspection: Inspection) -> bool:
    """Whether S3 answers once no owner is expected."""
    try:
        without = inspection.wanted.owner and await inspection.ask("HeadBucket", Bucket=inspection.wanted.bucket)
    except Unanswered:
        return False
    return bool(without)


async def _with_words(inspection: Inspection, refused: Unanswered) -> Unanswered:
    """The refusal of a question whose answer has a body: a HEAD has none, so a wrong secret, an expired token and a
    missing permission look alike."""
    if refused.code not in ("400", "403") or refused.region not in (None, inspection.wanted.region):
        return refused
    try:
        await inspection.ask_bucket("GetBucketLocation")
    except Unanswered as spoken:
        return spoken if spoken.code in _BAD_KEYS or spoken.code == "NoSuchBucket" else refused
    return refused


def stops_everything(trouble: BucketError) -> bool:
    """Whether no other question about the bucket can have an answer of its own. A denied HeadBucket, or a busy S3, says
    nothing about the other calls."""
    if isinstance(trouble, BucketUnreachable):
        return trouble.status is None
    return isinstance(trouble, AwsCredentialsInvalid | BucketNotFound | BucketOfAnotherAccount | BucketWrongRegion)


def not_found(bucket: str, region: str, head: Evidence) -> BucketNotFound:
    """S3 answered that there is no such bucket."""
    return BucketNotFound(
        f"There is no bucket {bucket}",
        cause="S3 answered 404: the name is wrong, or the bucket was never made",
        fix=f"check the name in the AWS console, or create {bucket} in {region}",
        status=head.status,
        correlation_id=head.request_id,
    )


def bucket_error(refused: Unanswered, bucket: str, region: str) -> BucketError:
    """A call that got no answer, as an error with cause and fix."""
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

    error = refused.error
    if refused.unsigned:
        return credentials_refused(error)
    if refused.code == "NoSuchBucket":
        return not_found(bucket, region, refused.evidence)
    if isinstance(error, Foreign):
        return BucketUnreachable(
            f"S3 gave no usable answer for bucket {bucket}",
            cause=refused.why,
            fix="check the proxy and AWS_ENDPOINT_URL_S3: something else answers in S3's place",
        )
    if isinstance(error, ClientError):
        return _of_answer(refused, bucket, region)
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


def _of_answer(refused: Unanswered, bucket: str, region: str) -> BucketError:
    """S3 answered, with an error. A HEAD has no body: its code is only the status."""
    call, status, request_id = refused.evidence.call, refused.evidence.status, refused.evidence.request_id
    if refused.code in _BAD_KEYS:
        return AwsCredentialsInvalid(
            "AWS does not accept the access key",
            cause=f"{_BAD_KEYS[refused.code]} ({refused.code})",
            fix=_BAD_KEY_FIXES.get(refused.code, _CHECK_KEYS),
            status=status,
            correlation_id=request_id,
        )
    if refused.region and refused.region != region:
        return wrong_region(bucket, refused.region, region)
    if refused.code in ("301", "400", "PermanentRedirect", "AuthorizationHeaderMalformed"):
        return wrong_region(bucket, None, region)
    if refused.denial:
        return BucketAccessDenied(
            f"No access to bucket {bucket}",
            cause=refused.why,
            fix=refused.denial.fix,
            status=status,
            correlation_id=request_id,
        )
    if refused.action:
        return BucketAccessDenied(
            f"No access to bucket {bucket}",
            cause=f"S3 answered 403 to {call}: the IAM permission {refused.action} is missing"
            + (", the key is wrong, or the bucket belongs to another account" if call == "HeadBucket" else ""),
            fix=f"allow {refused.action} on {bucket} for this key, and check the bucket policy",
            status=status,
            correlation_id=request_id,
        )
    return BucketUnreachable(
        f"S3 gave no usable answer for bucket {bucket}",
        cause=refused.why,
        fix="try again; if it lasts, give AWS support the request id",
        status=status,
        correlation_id=request_id,
    )


def wrong_region(bucket: str, actual: str | None, region: str) -> BucketWrongRegion:
    """The bucket is somewhere else; `actual` says where, if S3 said it."""
    return BucketWrongRegion(
        f"Bucket {bucket} is not in {region}",
        cause=f"S3 says it is in {actual}" if actual else "S3 redirects to another region",
        fix=f"state region {actual}" if actual else "look up the bucket's region and state that one",
    )
