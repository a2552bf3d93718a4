"""How recordings are encrypted at rest, and whether the key will still be there."""

from collections.abc import Mapping
from typing import Any

from opslib.validator.check import Check, asked_by
from opslib.validator.finding import Outcome, failed, not_checked, passed, unknown, warned
from opslib.validator.inspection import Inspection
from opslib.validator.profile import Profile
from opslib.validator.wanted import Wanted

_CALL = "GetBucketEncryption"
_ALGORITHMS = ("AES256", "aws:kms", "aws:kms:dsse")
_YEAR = 366  # days at most; KMS's own period is 365
_CLI = "aws s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration "
_CLI_KMS = _CLI + (
    "'Rules=[{ApplyServerSideEncryptionByDefault={SSEAlgorithm=aws:kms,KMSMasterKeyID=KEY},BucketKeyEnabled=true}]'"
)
_TF_AES256 = """\
resource "aws_s3_bucket_server_side_encryption_configuration" "recordings" {
  bucket = "BUCKET"
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}"""
_TF_KMS = """\
resource "aws_kms_key" "recordings" {
  description             = "call recordings in BUCKET"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_s3_bucket_server_side_encryption_configuration" "recordings" {
  bucket = "BUCKET"
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.recordings.arn
    }
  }
}"""


def _tf_default(wanted: Wanted, profile: Profile) -> str:
    """A bucket has one default, so all checks of it share this block."""
    return _TF_KMS if wanted.encryption == "aws:kms" else _TF_AES256


@Check(
    "encryption",
    "New objects are encrypted as the target says",
    "critical",
    control="encryption",
    required=True,
    profiles=asked_by("Amazon S3 User Guide, default encryption", baseline="FAIL", regulated="FAIL"),
    why="Recordings hold personal data. The bucket's default decides how what Genesys writes is encrypted.",
    calls=(_CALL,),
    fix="Set the bucket's default encryption to what the target asks for.",
    cli=_CLI + "'Rules=[{ApplyServerSideEncryptionByDefault={SSEAlgorithm=AES256}}]'",
    terraform=_TF_AES256,
    generated=_tf_default,
    source="Amazon S3 User Guide, default encryption; Prowler maps HIPAA 164.312(a)(2)(iv), PCI DSS 3.5.1 and "
    "GDPR Article 32 to it",
)
async def encryption(inspection: Inspection) -> Outcome:
    """Some algorithm; KMS where the target asks for it."""
    algorithm, _ = await default_encryption(inspection)
    if algorithm is None:
        return failed("S3 names no default encryption")
    if algorithm not in _ALGORITHMS:
        return unknown(f"the default is {algorithm}, which we do not know")
    if inspection.wanted.encryption == "aws:kms" and algorithm == "AES256":
        return failed("the target asks for KMS, and the bucket's default is AES256")
    return passed(f"the default is {algorithm}")


@Check(
    "kms-key",
    "The KMS key is enabled and in the bucket's region",
    "high",
    control="encryption",
    profiles=asked_by("AWS KMS Developer Guide, key states: a part of encryption", baseline="FAIL", regulated="FAIL"),
    why="Recordings under a disabled or deleted key cannot be read by anybody, ever.",
    calls=(_CALL, "DescribeKey"),
    fix="Name a key that is enabled, in the bucket's region, and not about to be deleted.",
    cli=_CLI_KMS,
    terraform=_TF_KMS,
    generated=_tf_default,
    source="AWS KMS Developer Guide, key states; AWS Foundational Security Best Practices KMS.3",
)
async def kms_key(inspection: Inspection) -> Outcome:
    """Not PendingDeletion, not Disabled, not elsewhere."""
    algorithm, key = await default_encryption(inspection)
    if algorithm in (None, "AES256"):
        return not_checked("the bucket does not encrypt with KMS")
    if key is None:
        return warned("no key is named, so S3 uses the AWS managed key aws/s3, which no other account can be given")
    if key.startswith("arn:") and (region := key.split(":")[3]) != inspection.wanted.region:
        return failed(f"the key is in {region}, and the bucket in {inspection.wanted.region}")
    description = await described(inspection, key)
    if description is None:
        return failed("there is no such key")
    state = description.get("KeyState")
    return passed("the key is enabled, in the bucket's region") if state == "Enabled" else failed(f"the key is {state}")


@Check(
    "kms-rotation",
    "The KMS key is rotated every year",
    "medium",
    control="encryption",
    profiles=asked_by("CIS AWS 4.6; AWS Foundational Security Best Practices KMS.4", regulated="WARN"),
    why="Rotation limits what one leaked key can open.",
    calls=(_CALL, "DescribeKey", "GetKeyRotationStatus"),
    fix="Switch on automatic rotation of the key.",
    cli="aws kms enable-key-rotation --key-id KEY --region REGION",
    terraform=_TF_KMS,
    generated=_tf_default,
    source="CIS AWS 4.6; AWS Foundational Security Best Practices KMS.4; Prowler maps PCI DSS 3.7.4 to it",
)
async def kms_rotation(inspection: Inspection) -> Outcome:
    """For customer keys; AWS rotates its own. An alias must be told apart first: KMS does not take one here."""
    algorithm, key = await default_encryption(inspection)
    if algorithm in (None, "AES256") or key is None:
        return not_checked("no key of yours is used")
    description = await described(inspection, key)
    if description is None:
        return unknown("there is no such key")
    if description.get("KeyManager") == "AWS":
        return passed("AWS rotates its own keys")
    # By ARN: a bare id means a key of the account that asks.
    status = await inspection.ask("GetKeyRotationStatus", KeyId=description["Arn"])
    if status is None:
        return unknown("KMS says nothing of the key's rotation")
    if not status.get("KeyRotationEnabled"):
        return failed("rotation is off")
    days = status.get("RotationPeriodInDays", _YEAR)
    return passed("rotation is on") if days <= _YEAR else failed(f"the key is rotated every {days} days only")


@Check(
    "bucket-key",
    "The bucket key is on",
    "low",
    control="encryption",
    profiles=asked_by("Amazon S3 User Guide, bucket keys", regulated="WARN"),
    why="Without it every recording is a KMS request of its own: slower, dearer, and throttled in a busy hour.",
    calls=(_CALL,),
    fix="Switch on the bucket key.",
    cli=_CLI_KMS,
    terraform=_TF_KMS,
    generated=_tf_default,
    source="Amazon S3 User Guide, bucket keys",
)
async def bucket_key(inspection: Inspection) -> Outcome:
    """Only SSE-KMS has one."""
    rule = await _rule(inspection)
    if _default(rule).get("SSEAlgorithm") != "aws:kms":
        return not_checked("the bucket does not encrypt with SSE-KMS")
    return passed("the bucket key is on") if rule.get("BucketKeyEnabled") else failed("the bucket key is off")


async def default_encryption(inspection: Inspection) -> tuple[str | None, str | None]:
    """The default's algorithm and KMS key; None where there is none."""
    default = _default(await _rule(inspection))
    return default.get("SSEAlgorithm"), default.get("KMSMasterKeyID")


def key_in(report: Mapping[str, Any]) -> str | None:
    """The ARN of the KMS key that the bucket uses by default, as the evidence of a report (as JSON) says; None when it
    does not."""
    evidence = (call for finding in report.get("findings", []) for call in finding["evidence"])
    answers = (call["answer"] for call in evidence if call["call"] == _CALL)
    keys = (_default(_rule_in(answer)).get("KMSMasterKeyID", "") for answer in answers if isinstance(answer, Mapping))
    return next((key for key in keys if key.startswith("arn:")), None)


async def _rule(inspection: Inspection) -> Mapping[str, Any]:
    return _rule_in(await inspection.ask_bucket(_CALL))


def _rule_in(answer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The rule that names an algorithm; S3 has at most one."""
    rules = (answer or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    return next((rule for rule in rules if _default(rule)), {})


def _default(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    default: Mapping[str, Any] = rule.get("ApplyServerSideEncryptionByDefault") or {}
    return default


async def described(inspection: Inspection, key: str) -> Mapping[str, Any] | None:
    """What KMS says of a key, which a bucket may name by ARN, id or alias; None when there is none."""
    answer = await inspection.ask("DescribeKey", KeyId=key)
    return answer["KeyMetadata"] if answer else None
