"""Whether what happens in the bucket can be followed, and whether there is a second copy."""

from opslib.validator.aws import Unanswered
from opslib.validator.check import Check, asked_by
from opslib.validator.checks.encryption import default_encryption, default_in
from opslib.validator.finding import Outcome, failed, passed, unknown, warned
from opslib.validator.inspection import Inspection
from opslib.validator.lifecycle import parse_lock
from opslib.validator.log_delivery import acl_lets_in, policy_on_logs
from opslib.validator.notifications import announced
from opslib.validator.replication import Copies, copies


@Check(
    "access-logging",
    "Access to recordings is logged",
    "medium",
    control="operation",
    profiles=asked_by(
        "AWS Foundational Security Best Practices S3.9; CloudTrail data events would do as well, and no "
        "bucket shows them",
        baseline="WARN",
        regulated="WARN",
    ),
    why="Who listened to which recording is asked after every incident.",
    calls=(
        "GetBucketLogging",
        "GetBucketLocation",
        "GetObjectLockConfiguration",
        "GetBucketEncryption",
        "GetBucketPolicy",
        "GetBucketAcl",
    ),
    elsewhere=(
        "GetBucketLocation",
        "GetObjectLockConfiguration",
        "GetBucketEncryption",
        "GetBucketPolicy",
        "GetBucketAcl",
    ),
    fix="Switch on server access logging, into another bucket. CloudTrail data events do too, and are not seen here.",
    cli="aws s3api put-bucket-logging --bucket BUCKET --bucket-logging-status "
    "'LoggingEnabled={TargetBucket=BUCKET-logs,TargetPrefix=BUCKET/}'",
    terraform="""\
resource "aws_s3_bucket" "logs" {
  bucket = "BUCKET-logs"
}

data "aws_iam_policy_document" "logs" {
  statement {
    sid       = "S3WritesLogs"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.logs.arn}/*"]
    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["ARN"]
    }
  }
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.id
  policy = data.aws_iam_policy_document.logs.json
}

resource "aws_s3_bucket_logging" "recordings" {
  bucket        = "BUCKET"
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = "BUCKET/"
  depends_on    = [aws_s3_bucket_policy.logs]
}""",
    source="AWS Foundational Security Best Practices S3.9; Prowler maps HIPAA 164.312(b) and PCI DSS 10.2.1 to it; "
    "Amazon S3 User Guide, enabling server access logging: what the destination must be",
    proves="S3 is told to log requests, and the bucket named for the logs is there, in the same region, without Object "
    "Lock, with S3's own encryption by default, and lets S3 write.",
    not_proven="Whether each request was logged: S3 delivers logs late and without a guarantee, and nobody looks here "
    "whether they arrive or how long they are kept.",
)
async def access_logging(inspection: Inspection) -> Outcome:
    """Not into the bucket itself: every log line would make another. Any other bucket must be able to take the logs."""
    logging = (await inspection.ask_bucket("GetBucketLogging") or {}).get("LoggingEnabled", {})
    target = logging.get("TargetBucket")
    if target is None:
        return failed("server access logging is off")
    if target == inspection.wanted.bucket:
        return failed("the bucket logs into itself, so each delivery of logs makes more of them", _LOG_ELSEWHERE)
    try:
        wrong = await _cannot_take_logs(inspection, target, logging.get("TargetPrefix", ""))
    except Unanswered as refused:
        if refused.code != "NoSuchBucket":
            raise
        wrong = "is not there"
    if wrong is None:
        return unknown(
            f"access is logged in {target}, and its bucket policy has conditions that do not say whether S3 "
            "may write the logs",
            f"Look in {target} whether logs arrive.",
        )
    if wrong:
        return failed(f"access is to be logged in {target}, which {wrong}", _LOG_ELSEWHERE)
    return passed(f"access is logged in {target}")


_LOG_ELSEWHERE = (
    "Log into another bucket of the same account and region, with S3's own encryption (AES256), without Object Lock, "
    "whose policy lets logging.s3.amazonaws.com put objects."
)


async def _cannot_take_logs(inspection: Inspection, target: str, prefix: str) -> str | None:
    """Why S3 delivers no access logs into this bucket; empty when it does, None when that cannot be decided.

    Raises Unanswered, also for a bucket that is not there.
    """
    wanted, arn = inspection.wanted, f"arn:{inspection.wanted.partition}:s3:::{target}"
    owner = {"ExpectedBucketOwner": wanted.owner} if wanted.owner else {}  # logs stay in the account
    if (region := await region_of(inspection, target, **owner)) != wanted.region:
        return f"is in {region}; S3 delivers logs within a region only"
    if parse_lock(await inspection.ask("GetObjectLockConfiguration", Bucket=target, **owner)):
        return "has Object Lock, so S3 delivers no access logs into it"
    algorithm, _ = default_in(await inspection.ask("GetBucketEncryption", Bucket=target, **owner))
    if algorithm not in (None, "AES256"):
        return f"encrypts with {algorithm} by default; S3 delivers access logs only with its own encryption"
    policy = (await inspection.ask("GetBucketPolicy", Bucket=target, **owner) or {}).get("Policy")
    answer = policy_on_logs(policy, place=f"{arn}/{prefix}", source=wanted.arn, account=wanted.owner)
    if answer == "denies":
        return "does not let S3 write logs: its policy denies it"
    if answer == "is silent" and not acl_lets_in(await inspection.ask("GetBucketAcl", Bucket=target, **owner)):
        return "does not let S3 write logs: neither its policy nor its ACL allows it"
    return None if answer == "is undecided" else ""


async def region_of(inspection: Inspection, bucket: str, **params: str) -> str:
    """The region of any bucket. Raises Unanswered, also for one that is not there."""
    answer = await inspection.ask("GetBucketLocation", Bucket=bucket, **params) or {}
    region = answer.get("LocationConstraint") or "us-east-1"
    return "eu-west-1" if region == "EU" else str(region)


@Check(
    "replication",
    "There is a second copy",
    "low",
    control="operation",
    profiles=asked_by("AWS Foundational Security Best Practices S3.7", regulated="WARN"),
    why="One region can be lost. Some rules ask for a copy stored apart.",
    calls=(
        "GetBucketReplication",
        "GetBucketEncryption",
        "GetObjectLockConfiguration",
        "GetBucketVersioning",
        "GetBucketLocation",
    ),
    elsewhere=("GetBucketLocation", "GetBucketVersioning", "GetObjectLockConfiguration"),
    fix="Replicate to a bucket in another region. Both buckets need versioning, and S3 a role that may copy. Where "
    "recordings are encrypted with KMS, the rule must select them and name a key for the copies.",
    cli="aws s3api put-bucket-replication --bucket BUCKET --replication-configuration "
    "'Role=arn:aws:iam::ACCOUNT:role/REPLICATION,Rules=[{Status=Enabled,Priority=1,Filter={},"
    "DeleteMarkerReplication={Status=Disabled},Destination={Bucket=arn:aws:s3:::COPY}}]'",
    terraform="""\
resource "aws_s3_bucket_replication_configuration" "recordings" {
  bucket = "BUCKET"
  role   = "arn:aws:iam::ACCOUNT:role/REPLICATION"
  rule {
    status   = "Enabled"
    priority = 1
    filter {}
    delete_marker_replication {
      status = "Disabled"
    }
    destination {
      bucket = "arn:aws:s3:::COPY"
    }
  }
}""",
    generated=False,  # a copy needs a second region
    source="AWS Foundational Security Best Practices S3.7; Amazon S3 User Guide, replicating encrypted objects and "
    "replication failure reasons",
    proves="A rule copies every new recording, with its encryption, to a bucket in another region that is there and "
    "has the versioning, and Object Lock, that S3 needs.",
    not_proven="Whether the role and the keys let S3 copy, whether copies arrive, and whether recordings of before the "
    "rule were copied.",
)
async def replication(inspection: Inspection) -> Outcome:
    """What the rules copy, and whether the buckets they name can take it; one complete copy is enough."""
    answer = await inspection.ask_bucket("GetBucketReplication") or {}
    rules = answer.get("ReplicationConfiguration", {}).get("Rules", [])
    if not any(rule.get("Status") == "Enabled" for rule in rules):
        return failed("no replication rule is enabled")
    algorithm, _ = await default_encryption(inspection)
    kms = any(str(one).startswith("aws:kms") for one in (algorithm, inspection.wanted.encryption))
    found = copies(rules, inspection.wanted.place, kms=kms)
    if not found.destinations:
        why = "; ".join(found.gaps)
        if found.undecided:
            return unknown(f"{why}; where Genesys writes is not known", "State the prefix that recordings have.")
        return failed(why, _COPY_ALL)
    return await _second_copy(inspection, found)


_COPY_ALL = (
    "Let one rule without tags cover all recordings. Where they are encrypted with KMS, it must enable "
    "SourceSelectionCriteria.SseKmsEncryptedObjects and name EncryptionConfiguration.ReplicaKmsKeyID."
)


async def _second_copy(inspection: Inspection, found: Copies) -> Outcome:
    """PASS with one destination that can take copies and is in another region."""
    locked = parse_lock(await inspection.ask_bucket("GetObjectLockConfiguration")) is not None
    good: list[str] = []
    near: list[str] = []
    wrong: list[str] = []
    unanswered: Unanswered | None = None
    for bucket in found.destinations:
        try:
            region = await region_of(inspection, bucket)
            if why := await _cannot_take_copies(inspection, bucket, locked=locked):
                wrong.append(f"{bucket} {why}")
            else:
                (near if region == inspection.wanted.region else good).append(bucket)
        except Unanswered as refused:
            if refused.code == "NoSuchBucket":
                wrong.append(f"{bucket} is not there")
            else:
                unanswered = refused
    more = f"; {'; '.join([*wrong, *found.gaps])}" if wrong or found.gaps else ""
    if good:
        return passed(f"replicated to {', '.join(good)}{more}")
    if unanswered:
        raise unanswered
    if near:
        return warned(f"replicated to {', '.join(near)}, in the same region{more}", "Replicate to another region.")
    return failed("; ".join([*wrong, *found.gaps]), _DESTINATION)


_DESTINATION = (
    "Make the destination that is named, with versioning, and with Object Lock where this bucket has it; or name "
    "another in the rule."
)


async def _cannot_take_copies(inspection: Inspection, bucket: str, *, locked: bool) -> str:
    """Why S3 cannot copy into this bucket (S3 User Guide, replication failure reasons); empty when it can."""
    versioning = await inspection.ask("GetBucketVersioning", Bucket=bucket) or {}
    if versioning.get("Status") != "Enabled":
        return "has no versioning, so S3 copies nothing into it"
    if locked and not parse_lock(await inspection.ask("GetObjectLockConfiguration", Bucket=bucket)):
        return "has no Object Lock, and S3 copies nothing into it from a bucket that has it"
    return ""


@Check(
    "notifications",
    "The bucket announces new objects",
    "low",
    control="operation",
    profiles=asked_by("AWS Foundational Security Best Practices S3.11", baseline="WARN", regulated="WARN"),
    why="Without events, nobody notices when recordings stop arriving.",
    calls=("GetBucketNotificationConfiguration",),
    fix="Switch on Amazon EventBridge for the bucket, or name a queue, topic or function. The command replaces what is "
    "configured: keep in it what you need.",
    cli="aws s3api put-bucket-notification-configuration --bucket BUCKET --notification-configuration "
    "'EventBridgeConfiguration={}'",
    terraform="""\
resource "aws_s3_bucket_notification" "recordings" {
  bucket      = "BUCKET"
  eventbridge = true
}""",
    source="AWS Foundational Security Best Practices S3.11; Prowler maps PCI DSS 11.5.2 to it; Amazon S3 User Guide, "
    "configuring event notifications using object key name filtering",
    proves="S3 is told to announce every new recording and its metadata, whichever way it is uploaded.",
    not_proven="Whether the queue, topic, function or EventBridge rule takes the events, and anybody reads them.",
)
async def notifications(inspection: Inspection) -> Outcome:
    """“Nothing configured” is an empty answer here, not an error."""
    return announced(await inspection.ask_bucket("GetBucketNotificationConfiguration") or {}, inspection.wanted.place)
