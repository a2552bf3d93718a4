"""Whether recordings stay for as long as they must: lifecycle rules, versions and Object Lock together."""

from collections.abc import Sequence
from datetime import UTC, datetime

from opslib.validator.coherence import (
    Lock,
    Loss,
    Rule,
    Versioning,
    archived_early,
    losses,
    parse_lock,
    parse_rules,
    too_early,
)
from opslib.validator.finding import Outcome, check, failed, not_checked, passed, unknown, warned
from opslib.validator.look import Look

_LIFECYCLE = ("GetBucketLifecycleConfiguration", "GetBucketVersioning")


@check(
    "retention",
    "No lifecycle rule removes recordings before their time",
    "critical",
    why="A rule that somebody made to save money deletes recordings, by night and without a trace, that a regulator "
    "wants to hear later.",
    calls=_LIFECYCLE,
    fix="Disable the rule named, narrow its prefix, or let it act after the retention has ended.",
    cli="aws s3api get-bucket-lifecycle-configuration --bucket BUCKET",
    source="Amazon S3 User Guide, lifecycle rules; 17 CFR 240.17a-4(b)(4)",
)
async def retention(look: Look) -> Outcome:
    """Current and noncurrent versions; see `coherence`."""
    days = look.wanted.retention_days
    if days is None:
        return not_checked("no retention was given to hold the rules against")
    early = too_early(await lifecycle_losses(look), days)
    if early:
        return failed("; ".join(loss.words() for loss in early) + f"; recordings must stay for {days} days")
    return passed(f"nothing is removed within {days} days")


@check(
    "policy-within-target",
    "The policy keeps recordings no longer than the target",
    "high",
    why="The target would remove what the policy must keep.",
    calls=(),
    fix="Lower the policy's retention or raise the target's.",
    source="opslib, retention coherence",
)
async def policy_within_target(look: Look) -> Outcome:
    """Two numbers of the onboarding; nothing is asked."""
    policy, target = look.wanted.policy_days, look.wanted.retention_days
    if policy is None or target is None:
        return not_checked("no policy was given")
    if policy > target:
        return failed(f"the policy keeps {policy} days, and the target {target}")
    return passed(f"{policy} days fit into {target}")


@check(
    "retention-bounds",
    "The retention is what the profile asks for",
    "high",
    why="Too short breaks the rule; too long can break data protection.",
    calls=(),
    fix="Change the target's retention.",
    source="the profile",
)
async def retention_bounds(look: Look) -> Outcome:
    """At least the profile's minimum, at most its maximum; nothing is asked."""
    days, least, most = look.wanted.retention_days, look.wanted.min_days, look.wanted.max_days
    if days is None or (least is None and most is None):
        return not_checked("no retention was given" if days is None else "the profile sets no bounds")
    if least is not None and days < least:
        return failed(f"{days} days are fewer than the profile's {least}")
    if most is not None and days > most:
        return failed(f"{days} days are more than the profile's {most}")
    return passed(f"{days} days are within the profile's bounds")


@check(
    "playable",
    "Recordings can be played at once while they must be",
    "medium",
    why="From GLACIER or DEEP_ARCHIVE a recording takes hours to come back.",
    calls=_LIFECYCLE,
    fix="Let the transition begin later, or use GLACIER_IR, which plays at once.",
    cli="aws s3api get-bucket-lifecycle-configuration --bucket BUCKET",
    source="17 CFR 240.17a-4(b)(4): the first two years in an easily accessible place",
)
async def playable(look: Look) -> Outcome:
    """A warning only: the recording is not lost."""
    days = look.wanted.playable_days
    if days is None:
        return not_checked("the profile states no time in which recordings must be playable")
    early = archived_early(await lifecycle_losses(look), days)
    if early:
        return warned("; ".join(loss.words() for loss in early) + f"; they must be playable for {days} days")
    return passed(f"nothing goes to an archive class within {days} days")


@check(
    "versioning",
    "Versioning is on",
    "high",
    why="Without versions one wrong write or delete is final.",
    calls=("GetBucketVersioning",),
    fix="Switch on versioning.",
    cli="aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled",
    terraform="""\
resource "aws_s3_bucket_versioning" "recordings" {
  bucket = "BUCKET"
  versioning_configuration {
    status = "Enabled"
  }
}""",
    source="HIPAA 164.312(c)(1); PCI DSS 10.3.4; FSBP S3.14",
)
async def versioning(look: Look) -> Outcome:
    """Suspended counts as off: new objects are overwritten again."""
    state = await versioning_state(look)
    return passed("versioning is on") if state == "Enabled" else failed(f"versioning is {state.lower()}")


@check(
    "object-lock",
    "Object Lock holds recordings for as long as they must stay",
    "high",
    why="Only a lock keeps recordings from an administrator, or from somebody with an administrator's key.",
    calls=("GetObjectLockConfiguration",),
    fix="Set a default retention, in COMPLIANCE mode, of at least the days that recordings must stay.",
    cli="aws s3api put-object-lock-configuration --bucket BUCKET --object-lock-configuration "
    "'ObjectLockEnabled=Enabled,Rule={DefaultRetention={Mode=COMPLIANCE,Days=DAYS}}'",
    terraform="""\
resource "aws_s3_bucket_object_lock_configuration" "recordings" {
  bucket = "BUCKET"
  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = DAYS
    }
  }
}""",
    source="17 CFR 240.17a-4(f)(2)(i)(B); FINRA 4511(c); PCI DSS 10.3.4",
)
async def object_lock(look: Look) -> Outcome:
    """Without a lock, 17a-4(f) may still be met by an audit trail, which no bucket can prove: UNKNOWN, not FAIL."""
    lock, days = await default_lock(look), look.wanted.retention_days
    if lock is None or not lock.days:
        said = "there is no Object Lock" if lock is None else "Object Lock has no default, so new recordings have none"
        if look.wanted.wants_worm:
            return unknown(f"{said}; whether a complete audit trail takes its place cannot be seen in a bucket")
        return warned(said)
    if days is not None and lock.days < days:
        return failed(f"the lock ends after {lock.days} days, and recordings must stay for {days}")
    if lock.mode != "COMPLIANCE":
        return warned(f"{lock.mode} mode can be bypassed by those who are allowed to")
    return passed(f"new recordings are locked in COMPLIANCE mode for {lock.days} days; each can be locked otherwise")


@check(
    "incomplete-uploads",
    "Uploads that never end are removed",
    "low",
    why="Parts of broken uploads are invisible, cost money, and may hold half a conversation.",
    calls=_LIFECYCLE[:1],
    fix="Add a rule that aborts incomplete multipart uploads after some days.",
    cli="aws s3api put-bucket-lifecycle-configuration --bucket BUCKET --lifecycle-configuration file://lifecycle.json",
    terraform="""\
resource "aws_s3_bucket_lifecycle_configuration" "recordings" {
  bucket = "BUCKET"
  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}""",
    source="Amazon S3 User Guide, aborting multipart uploads",
)
async def incomplete_uploads(look: Look) -> Outcome:
    """An enabled rule that covers the prefix."""
    prefix = look.wanted.prefix
    found = [
        rule
        for rule in await rules(look)
        if rule.enabled and rule.aborts_uploads_after_days is not None and prefix.startswith(rule.prefix)
    ]
    if not found:
        return warned("no rule aborts incomplete uploads")
    return passed(f"rule {found[0].id} aborts them after {found[0].aborts_uploads_after_days} days")


@check(
    "mfa-delete",
    "Deleting a version needs a second factor",
    "low",
    why="A stolen key alone then deletes nothing for good. It excludes lifecycle rules, so few use it.",
    calls=("GetBucketVersioning",),
    fix="Switch on MFA delete with the root user, or rely on Object Lock.",
    cli="aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled,MFADelete=Enabled "
    "--mfa 'SERIAL CODE'",
    source="CIS AWS 3.1.2; FSBP S3.20",
)
async def mfa_delete(look: Look) -> Outcome:
    """Only the root user can switch it on."""
    found = await look.bucket("GetBucketVersioning") or {}
    if found.get("MFADelete") == "Enabled":
        return passed("MFA delete is on")
    return warned("MFA delete is off; Object Lock protects better")


async def rules(look: Look) -> Sequence[Rule]:
    """The bucket's lifecycle rules."""
    return parse_rules(await look.bucket("GetBucketLifecycleConfiguration"))


async def versioning_state(look: Look) -> Versioning:
    """Enabled, Suspended or Off."""
    status = (await look.bucket("GetBucketVersioning") or {}).get("Status")
    return status if status in ("Enabled", "Suspended") else "Off"


async def default_lock(look: Look) -> Lock | None:
    """The bucket's default Object Lock."""
    return parse_lock(await look.bucket("GetObjectLockConfiguration"))


async def lifecycle_losses(look: Look) -> list[Loss]:
    """What the rules do to a recording that is written today."""
    return losses(await rules(look), look.wanted.prefix, await versioning_state(look), datetime.now(UTC).date())
