"""Whether what happens in the bucket can be followed, and whether there is a second copy."""

from collections.abc import Mapping
from typing import Any

from opslib.validator.check import Check, asked_by
from opslib.validator.finding import Outcome, failed, passed
from opslib.validator.inspection import Inspection
from opslib.validator.lifecycle import overlap, scope_of


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
    calls=("GetBucketLogging",),
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
    source="AWS Foundational Security Best Practices S3.9; Prowler maps HIPAA 164.312(b) and PCI DSS 10.2.1 to it",
)
async def access_logging(inspection: Inspection) -> Outcome:
    """Not into the bucket itself: every log line would make another."""
    target = (await inspection.ask_bucket("GetBucketLogging") or {}).get("LoggingEnabled", {}).get("TargetBucket")
    if target is None:
        return failed("server access logging is off")
    if target == inspection.wanted.bucket:
        return failed("the bucket logs into itself")
    return passed(f"access is logged in {target}")


@Check(
    "replication",
    "There is a second copy",
    "low",
    control="operation",
    profiles=asked_by("AWS Foundational Security Best Practices S3.7", regulated="WARN"),
    why="One region can be lost. Some rules ask for a copy stored apart.",
    calls=("GetBucketReplication",),
    fix="Replicate to a bucket in another region. Both buckets need versioning, and S3 a role that may copy.",
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
    source="AWS Foundational Security Best Practices S3.7",
)
async def replication(inspection: Inspection) -> Outcome:
    answer = await inspection.ask_bucket("GetBucketReplication") or {}
    rules = answer.get("ReplicationConfiguration", {}).get("Rules", [])
    on = [rule for rule in rules if rule.get("Status") == "Enabled" and _covers(rule, inspection.wanted.folder)]
    if not on:
        part = " for every recording; those there are cover a part" if rules else ""
        return failed(f"no replication rule is enabled{part}")
    return passed(f"replicated to {', '.join(sorted({str(rule['Destination']['Bucket']) for rule in on}))}")


def _covers(rule: Mapping[str, Any], folder: str) -> bool:
    prefix, parts = scope_of(rule)
    return folder.startswith(prefix) and not parts.get("Tag") and not parts.get("Tags")


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
    source="AWS Foundational Security Best Practices S3.11; Prowler maps PCI DSS 11.5.2 to it",
)
async def notifications(inspection: Inspection) -> Outcome:
    """“Nothing configured” is an empty answer here, not an error."""
    answer = await inspection.ask_bucket("GetBucketNotificationConfiguration") or {}
    kinds = ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")
    on = [
        kind.removesuffix("Configurations")
        for kind in kinds
        if any(_announces(channel, inspection.wanted.folder) for channel in answer.get(kind, []))
    ]
    if "EventBridgeConfiguration" in answer:
        on.append("EventBridge")
    return passed(f"announced through {', '.join(on)}") if on else failed("no new recording is announced")


def _announces(channel: Mapping[str, Any], folder: str) -> bool:
    rules = channel.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    prefixes = [str(rule["Value"]) for rule in rules if str(rule["Name"]).lower() == "prefix"]
    created = any(str(event).startswith("s3:ObjectCreated:") for event in channel.get("Events", []))
    return created and all(overlap(prefix, folder) for prefix in prefixes)
