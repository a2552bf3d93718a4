"""Whether the key that Genesys writes with can write, shown without leaving anything behind."""

import secrets

from opslib.credentials import AwsKeys
from opslib.validator.aws import Unanswered
from opslib.validator.check import Check, asked_by
from opslib.validator.finding import ASK_AGAIN, Outcome, failed, not_checked, passed, unknown
from opslib.validator.inspection import Ask, Inspection

# After an abort, a part that was still under way may arrive; aborting again removes it (S3 User Guide).
_ABORTS = 3


@Check(
    "writer",
    "The key can write recordings",
    "critical",
    control="storage",
    required=True,
    profiles=asked_by("Amazon S3 User Guide, multipart upload and permissions", baseline="FAIL", regulated="FAIL"),
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
    generated=False,  # users and roles are documents of their own
    source="Amazon S3 User Guide, multipart upload and permissions",
    written_with="key",
    proves="Just now, the key began an upload where recordings go, with the target's encryption, and sent a part of "
    "it.",
    not_proven="That Genesys sends the same headers, comes from a network that the policies allow, and may still "
    "write tomorrow.",
)
async def writer(inspection: Inspection) -> Outcome:
    """A multipart upload that is begun, gets one part and is aborted: unlike an object, it can always be taken back,
    also from a bucket with Object Lock. What was begun is taken back even when the check is cancelled."""
    if not isinstance(inspection.wanted.writer, AwsKeys):
        return not_checked("Genesys writes with a role that only Genesys can assume, or with a key that is not here")
    return await inspection.in_one_go(lambda ask: _canary(ask, inspection))


def _canary(ask: Ask, inspection: Inspection) -> Outcome:
    place = inspection.bucket_params() | {"Key": f"{inspection.wanted.folder}opslib-canary-{secrets.token_hex(8)}"}
    encryption = {"ServerSideEncryption": inspection.wanted.encryption} if inspection.wanted.encryption else {}
    outcome, begun = passed("a multipart upload was begun, got a part, and was taken back"), ""
    try:
        begun = (ask("CreateMultipartUpload", **place, **encryption) or {})["UploadId"]
        ask("UploadPart", **place, UploadId=begun, PartNumber=1, Body=b"opslib")
    except Unanswered as refused:
        outcome = _cannot_write(refused)
        if not begun and not _lost(refused):
            return outcome
    left = [_take_back(ask, place, begun)] if begun else []
    others, why = _others(ask, inspection, place["Key"], begun)
    left += [_take_back(ask, place, upload) for upload in others]
    if not begun and why:
        return unknown(
            f"{outcome.why}; whether an upload of {place['Key']} was begun all the same is not known: {why}", ASK_AGAIN
        )
    return failed("; ".join(filter(None, left))) if any(left) else outcome


def _cannot_write(refused: Unanswered) -> Outcome:
    """Here a refusal is the answer, also that of the KMS key; a throttled or lost call is none."""
    if refused.denial:
        return failed(refused.why, refused.denial.fix)
    if refused.action or refused.code.startswith("KMS."):
        return failed(refused.why)
    return unknown(refused.why, ASK_AGAIN)


def _lost(refused: Unanswered) -> bool:
    """Whether S3 may have done what was asked, all the same."""
    return refused.evidence.status is None or not 300 <= refused.evidence.status < 500


def _others(ask: Ask, inspection: Inspection, key: str, begun: str) -> tuple[list[str], str]:
    """Uploads under our key that we do not know: of a call whose answer was lost, or that boto3 repeated. Or why they
    are not listed."""
    try:
        listed = ask("ListMultipartUploads", **inspection.bucket_params(), Prefix=key) or {}
    except Unanswered as refused:
        return [], refused.why
    uploads = [upload["UploadId"] for upload in listed.get("Uploads", []) if upload["Key"] == key]
    return [upload for upload in uploads if upload != begun], ""


def _take_back(ask: Ask, place: dict[str, str], upload: str) -> str:
    """Abort, and see that nothing is left; what is wrong in words, empty when nothing is."""
    left = f"the upload {upload} of {place['Key']} could not be taken back"
    for _ in range(_ABORTS):
        try:
            ask("AbortMultipartUpload", **place, UploadId=upload)
        except Unanswered as refused:
            return f"{left}: {refused.why}"
        try:
            if ask("ListParts", **place, UploadId=upload) is None:
                return ""
        except Unanswered:
            return ""  # the abort was confirmed; who may not list cannot look again
    return f"{left}: it is still listed after {_ABORTS} aborts"
