"""How recordings are encrypted at rest, and whether the key will still be there."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opslib.validator.aws import Unanswered
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
    proves="S3 encrypts new objects with this algorithm where the writer does not ask for another.",
    not_proven="How recordings that arrived before are encrypted, and whether the writer asks for another algorithm.",
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
    "S3 can use the KMS key",
    "high",
    control="encryption",
    profiles=asked_by("AWS KMS Developer Guide, key states: a part of encryption", baseline="FAIL", regulated="FAIL"),
    why="With a key that S3 cannot use, every upload fails. Recordings under a key that is gone cannot be read by "
    "anybody, ever.",
    calls=(_CALL, "DescribeKey", "GetCallerIdentity"),
    fix="Name a symmetric encryption key that is enabled, in the bucket's region, and not about to be deleted.",
    cli=_CLI_KMS,
    terraform=_TF_KMS,
    generated=_tf_default,
    source="AWS KMS Developer Guide, key states and imported key material; Amazon S3 API, "
    "ServerSideEncryptionByDefault: symmetric keys only; AWS Foundational Security Best Practices KMS.3",
    proves="KMS says that the key is symmetric, enabled and in the bucket's region, that nobody has scheduled its "
    "deletion, and that its material does not expire.",
    not_proven="Whether the writer may use the key, and whether somebody disables or deletes it later.",
)
async def kms_key(inspection: Inspection) -> Outcome:
    """What DescribeKey says, from what stops uploads at once to what stops reading later."""
    algorithm, named = await default_encryption(inspection)
    if algorithm in (None, "AES256"):
        return not_checked("the bucket does not encrypt with KMS")
    if named is None:
        return warned(f"no key is named, so S3 uses {_AWS_KEY}", _OWN_KEY)
    if named.rpartition(":")[2] == "alias/aws/s3":
        return warned(f"the key is {_AWS_KEY}", _OWN_KEY)
    if elsewhere := _elsewhere(named, inspection.wanted):
        return failed(elsewhere)
    key = await described(inspection, named)
    if key is None:
        return failed("there is no such key")
    if wrong := _unusable(key) or _elsewhere(str(key.get("Arn", "")), inspection.wanted):
        return failed(wrong)
    if key.get("KeyManager") == "AWS":
        return warned(f"the key is {_AWS_KEY}", _OWN_KEY)
    if not key.get("KeyState") or not _spec(key):
        return unknown("KMS does not say which state and kind the key has")
    if "ValidTo" in key:
        return _expiring(key, inspection.retention_days, inspection.today)
    return await _usable(inspection, key)


_AWS_KEY = "the AWS managed key aws/s3, which no other account can be given"
_OWN_KEY = "Name a key of your own if another account, such as an auditor's, is to read recordings."
_STATES = {
    "Creating": "the key is being created",
    "Disabled": "the key is disabled",
    "PendingImport": "the key has no key material: it was never imported, has expired or was deleted",
    "PendingReplicaDeletion": "the key is to be deleted once its replicas are gone",
    "Unavailable": "the key store that holds the key is not connected",
}
_USABLE_STATES = ("Enabled", "Updating", None)  # Updating: while a multi-Region key gets another primary, it works


def _spec(key: Mapping[str, Any]) -> str | None:
    return key.get("KeySpec") or key.get("CustomerMasterKeySpec")


def _unusable(key: Mapping[str, Any]) -> str:
    """Why S3 cannot encrypt with the key; empty when it can."""
    spec, usage, state = _spec(key), key.get("KeyUsage", "ENCRYPT_DECRYPT"), key.get("KeyState")
    if spec not in (None, "SYMMETRIC_DEFAULT") or usage != "ENCRYPT_DECRYPT":
        return f"the key is of kind {spec} for {usage}, and S3 encrypts with symmetric keys only: every upload fails"
    if state == "PendingDeletion":
        day = f" on {_day(key['DeletionDate'])}" if "DeletionDate" in key else ""
        return f"the key is disabled, and KMS deletes it{day}; then nobody can read what it has encrypted"
    return "" if state in _USABLE_STATES else _STATES.get(str(state), f"the key is {state}")


def _elsewhere(key: str, wanted: Wanted) -> str:
    """That the key is in another region than the bucket, where it is named by ARN; else empty."""
    region = key.split(":")[3] if key.startswith("arn:") else wanted.region
    return f"the key is in {region}, and the bucket in {wanted.region}" if region != wanted.region else ""


def _expiring(key: Mapping[str, Any], retention_days: int | None, today: date) -> Outcome:
    """Imported key material ends on a day; from then on nobody can read, until somebody imports it again."""
    last = _day(key["ValidTo"])
    ends = f"the key's imported material expires on {last}, and KMS deletes it: from then on nobody can read recordings"
    if last <= today or (retention_days and last < today + timedelta(days=retention_days)):
        stay = (
            f"; recordings of today must stay until {today + timedelta(days=retention_days)}" if retention_days else ""
        )
        return failed(ends + stay, _IMPORT_AGAIN)
    until = f" before {last - timedelta(days=retention_days)}" if retention_days else ""
    return warned(f"{ends}; the material must be imported again{until}", _IMPORT_AGAIN)


_IMPORT_AGAIN = (
    "Import the key material again, without an expiry or with a later one; or use a key whose material KMS makes. "
    "Keep a copy of the material: KMS gives none back."
)


async def _usable(inspection: Inspection, key: Mapping[str, Any]) -> Outcome:
    """A key of another account may be meant so, and depends on that account."""
    account, ours = key.get("AWSAccountId"), inspection.wanted.owner or await _caller(inspection)
    if account and ours and account != ours:
        return warned(
            f"the key can be used, and belongs to account {account}, not to {ours}: its owner can take it away",
            f"Use a key of account {ours}, or make sure that account {account} keeps the key for as long as recordings "
            "must stay.",
        )
    return passed("the key is symmetric, enabled, and in the bucket's region")


async def _caller(inspection: Inspection) -> str | None:
    """The account that asks; None where STS does not say."""
    try:
        return (await inspection.ask("GetCallerIdentity") or {}).get("Account")
    except Unanswered:
        return None


def _day(moment: Any) -> date:
    """The UTC day of a moment in one of KMS's answers."""
    return datetime.fromisoformat(str(moment)).astimezone(UTC).date()


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
    proves="KMS says that it rotates the key by itself, at least once a year.",
    not_proven="Whether the key was rotated before; older recordings stay under the material they were encrypted with.",
)
async def kms_rotation(inspection: Inspection) -> Outcome:
    """For customer keys; AWS rotates its own. An alias must be told apart first: KMS does not take one here."""
    algorithm, named = await default_encryption(inspection)
    if algorithm in (None, "AES256") or named is None:
        return not_checked("no key of yours is used")
    key = await described(inspection, named)
    if key is None:
        return unknown("there is no such key")
    if key.get("KeyManager") == "AWS":
        return passed("AWS rotates its own keys")
    if why := _never_rotated(key):
        return failed(f"KMS does not rotate this key by itself: {why}", _ROTATE_BY_HAND)
    # By ARN: a bare id means a key of the account that asks.
    status = await inspection.ask("GetKeyRotationStatus", KeyId=key["Arn"])
    if status is None:
        return unknown("KMS says nothing of the key's rotation")
    if not status.get("KeyRotationEnabled"):
        return failed("automatic rotation is off")
    days = status.get("RotationPeriodInDays", _YEAR)
    return passed("rotation is on") if days <= _YEAR else failed(f"the key is rotated every {days} days only")


_ROTATE_BY_HAND = "Rotate the key yourself, or use a symmetric key whose material KMS makes and rotates."


def _never_rotated(key: Mapping[str, Any]) -> str:
    """Why there is no automatic rotation (KMS API, GetKeyRotationStatus); empty where there can be."""
    if _spec(key) not in (None, "SYMMETRIC_DEFAULT"):
        return "it is not a symmetric encryption key"
    if key.get("Origin") == "EXTERNAL":
        return "its material was imported"
    return "it is in a custom key store" if key.get("Origin") in ("AWS_CLOUDHSM", "EXTERNAL_KEY_STORE") else ""


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
    proves="S3 uses a bucket key for new objects that it encrypts with the default key.",
    not_proven="How many requests to KMS are left, and whether they stay within its limits.",
)
async def bucket_key(inspection: Inspection) -> Outcome:
    """Only SSE-KMS has one."""
    rule = await _rule(inspection)
    if _default(rule).get("SSEAlgorithm") != "aws:kms":
        return not_checked("the bucket does not encrypt with SSE-KMS")
    return passed("the bucket key is on") if rule.get("BucketKeyEnabled") else failed("the bucket key is off")


async def default_encryption(inspection: Inspection) -> tuple[str | None, str | None]:
    """The default's algorithm and KMS key; None where there is none."""
    return default_in(await inspection.ask_bucket(_CALL))


def default_in(answer: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    """The default's algorithm and KMS key in GetBucketEncryption's answer, of any bucket."""
    default = _default(_rule_in(answer))
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
