"""Whether the key that Genesys writes with can write, shown without leaving anything behind."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from opslib.models import AwsKeys
from opslib.validator.aws import Unanswered
from opslib.validator.finding import Outcome, check, failed, not_checked, passed, unknown
from opslib.validator.look import Look

Ask = Callable[..., Mapping[str, Any] | None]

# After an abort, a part that was still under way may arrive; aborting again removes it (S3 User Guide).
_ABORTS = 3


@check(
    "writer",
    "The key can write recordings",
    "critical",
    why="A target with a key that may not write loses every recording, and nobody hears of it.",
    calls=("CreateMultipartUpload", "UploadPart", "AbortMultipartUpload", "ListParts", "ListMultipartUploads"),
    fix="Allow s3:PutObject and s3:AbortMultipartUpload below the prefix, and with KMS GenerateDataKey and Decrypt; "
    "`opslib check-bucket BUCKET --print writer` prints the policy.",
    cli="aws iam put-user-policy --user-name USER --policy-name write-recordings --policy-document file://writer.json"
    "  # from: opslib check-bucket BUCKET --print writer > writer.json",
    terraform="""\
resource "aws_iam_user_policy" "writer" {
  name   = "write-recordings"
  user   = "USER"
  policy = file("writer.json")
}""",
    source="Amazon S3 User Guide, multipart upload and permissions",
)
async def writer(look: Look) -> Outcome:
    """A multipart upload that is begun, gets one part and is aborted: unlike an object, it can always be taken back,
    also from a bucket with Object Lock. What was begun is taken back even when the check is cancelled."""
    if not isinstance(look.wanted.writer, AwsKeys):
        return not_checked("Genesys writes with a role that only Genesys can assume, or with a key that is not here")
    return await look.in_one_go(lambda ask: _canary(ask, look))


def _canary(ask: Ask, look: Look) -> Outcome:
    bucket, key = look.of_bucket(), f"{look.wanted.folder}opslib-canary-{secrets.token_hex(8)}"
    encryption = {"ServerSideEncryption": look.wanted.encryption} if look.wanted.encryption else {}
    try:
        begun = ask("CreateMultipartUpload", **bucket, Key=key, **encryption) or {}
    except Unanswered as refused:
        return _without_answer(ask, bucket, key, refused)
    upload = bucket | {"Key": key, "UploadId": begun["UploadId"]}
    outcome = passed("a multipart upload was begun, got a part, and was taken back")
    try:
        ask("UploadPart", **upload, PartNumber=1, Body=b"opslib")
    except Unanswered as refused:
        outcome = _cannot_write(refused)
    left = _take_back(ask, upload)
    return failed(left) if left else outcome


def _cannot_write(refused: Unanswered) -> Outcome:
    """Here a refusal is the answer, also that of the KMS key; a throttled or lost call is none."""
    if refused.action or refused.code.startswith("KMS."):
        return failed(refused.why)
    return unknown(refused.why)


def _without_answer(ask: Ask, bucket: dict[str, str], key: str, refused: Unanswered) -> Outcome:
    """S3 may have begun an upload and only its answer was lost; then it is listed under our key."""
    outcome = _cannot_write(refused)
    if outcome.word == "FAIL":
        return outcome
    try:
        listed = ask("ListMultipartUploads", **bucket, Prefix=key) or {}
    except Unanswered as unlisted:
        return unknown(f"{refused.why}; whether an upload of {key} was begun all the same is not known: {unlisted.why}")
    begun = [one["UploadId"] for one in listed.get("Uploads", []) if one["Key"] == key]
    left = [said for one in begun if (said := _take_back(ask, bucket | {"Key": key, "UploadId": one}))]
    return failed("; ".join(left)) if left else outcome


def _take_back(ask: Ask, upload: dict[str, str]) -> str:
    """Abort, and see that nothing is left; what is wrong in words, empty when nothing is."""
    said = f"the upload {upload['UploadId']} of {upload['Key']} could not be taken back"
    for _ in range(_ABORTS):
        try:
            ask("AbortMultipartUpload", **upload)
        except Unanswered as refused:
            return f"{said}: {refused.why}"
        try:
            if ask("ListParts", **upload) is None:
                return ""
        except Unanswered:
            return ""  # the abort was confirmed; who may not list cannot look again
    return f"{said}: it is still listed after {_ABORTS} aborts"
