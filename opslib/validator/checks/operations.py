"""Whether what happens in the bucket can be followed, and whether there is a second copy."""

from opslib.validator.finding import Outcome, check, passed, warned
from opslib.validator.look import Look


@check(
    "access-logging",
    "Access to recordings is logged",
    "medium",
    why="Who listened to which recording is asked after every incident.",
    calls=("GetBucketLogging",),
    fix="Switch on server access logging, into another bucket. CloudTrail data events do too, and are not seen here.",
    cli="aws s3api put-bucket-logging --bucket BUCKET --bucket-logging-status "
    "'LoggingEnabled={TargetBucket=LOGS,TargetPrefix=BUCKET/}'",
    terraform="""\
resource "aws_s3_bucket_logging" "recordings" {
  bucket        = "BUCKET"
  target_bucket = "LOGS"
  target_prefix = "BUCKET/"
}""",
    source="HIPAA 164.312(b); PCI DSS 10.2.1; FSBP S3.9",
)
async def access_logging(look: Look) -> Outcome:
    """Not into the bucket itself: every log line would make another."""
    target = (await look.bucket("GetBucketLogging") or {}).get("LoggingEnabled", {}).get("TargetBucket")
    if target is None:
        return warned("server access logging is off")
    if target == look.wanted.bucket:
        return warned("the bucket logs into itself")
    return passed(f"access is logged in {target}")


@check(
    "replication",
    "There is a second copy",
    "low",
    why="One region can be lost. Some rules ask for a copy stored apart.",
    calls=("GetBucketReplication",),
    fix="Replicate to a bucket in another region.",
    cli="aws s3api get-bucket-replication --bucket BUCKET",
    source="17 CFR 240.17a-4(f)(2)(v); FSBP S3.7",
)
async def replication(look: Look) -> Outcome:
    """At least one enabled rule."""
    found = await look.bucket("GetBucketReplication") or {}
    rules = found.get("ReplicationConfiguration", {}).get("Rules", [])
    on = [rule for rule in rules if rule.get("Status") == "Enabled"]
    if not on:
        return warned("no replication rule is enabled")
    return passed(f"replicated to {', '.join(sorted({str(rule['Destination']['Bucket']) for rule in on}))}")


@check(
    "notifications",
    "The bucket announces new objects",
    "low",
    why="Without events, nobody notices when recordings stop arriving.",
    calls=("GetBucketNotificationConfiguration",),
    fix="Switch on Amazon EventBridge for the bucket, or name a queue, topic or function.",
    cli="aws s3api put-bucket-notification-configuration --bucket BUCKET --notification-configuration "
    "'EventBridgeConfiguration={}'",
    terraform="""\
resource "aws_s3_bucket_notification" "recordings" {
  bucket      = "BUCKET"
  eventbridge = true
}""",
    source="FSBP S3.11; PCI DSS 11.5.2",
)
async def notifications(look: Look) -> Outcome:
    """“Nothing configured” is an empty answer here, no error."""
    found = await look.bucket("GetBucketNotificationConfiguration") or {}
    kinds = ("EventBridgeConfiguration", "QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")
    on = [kind.removesuffix("Configuration").removesuffix("Configurations") for kind in kinds if kind in found]
    return passed(f"announced through {', '.join(on)}") if on else warned("nothing is announced")
