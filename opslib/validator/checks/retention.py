"""Whether recordings stay for as long as they must, and no longer than they may: lifecycle, versions, Object Lock."""

from collections.abc import Sequence
from datetime import UTC, datetime

from opslib.validator.finding import Outcome, check, failed, not_checked, passed, unknown, warned
from opslib.validator.inspection import Inspection
from opslib.validator.lifecycle import (
    Lock,
    Loss,
    Rule,
    Versioning,
    archived_early,
    losses,
    parse_lock,
    parse_rules,
    removal_day,
    too_early,
    too_early_later,
)

_LIFECYCLE = ("GetBucketLifecycleConfiguration", "GetBucketVersioning")
_LOCK = "GetObjectLockConfiguration"

# Both replace all rules of the bucket by one that removes no recording.
_REPLACES = " The command replaces all rules of the bucket: add those that you need."
_CLI_RULES = """\
aws s3api put-bucket-lifecycle-configuration --bucket BUCKET --lifecycle-configuration '{"Rules":[{"ID":\
"abort-incomplete-uploads","Status":"Enabled","Filter":{"Prefix":""},\
"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7}}]}'"""
_TF_RULES = """\
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
}"""
_CLI_ONBOARDING = "opslib plan onboarding.yaml  # after the change of the file"
_TF_VERSIONING = """\
resource "aws_s3_bucket_versioning" "recordings" {
  bucket = "BUCKET"
  versioning_configuration {
    status = "Enabled"
  }
}"""


@check(
    "retention",
    "No lifecycle rule removes recordings before their time",
    "critical",
    why="A rule that somebody made to save money deletes recordings, by night and without a trace, that a regulator "
    "wants to hear later.",
    calls=(*_LIFECYCLE, _LOCK),
    fix="Disable the rule named, narrow its prefix, or let it act after the retention has ended." + _REPLACES,
    cli=_CLI_RULES,
    terraform=_TF_RULES,
    source="Amazon S3 User Guide, lifecycle rules and how conflicts end",
)
async def retention(look: Inspection) -> Outcome:
    """Current and noncurrent versions; see `coherence`."""
    days = look.wanted.retention_days
    if days is None:
        return not_checked("no retention was given to hold the rules against")
    found = await lifecycle_losses(look)
    early = too_early(found, days, None)
    if any(loss.kind == "noncurrent deleted" for loss in early):
        early = too_early(found, days, await default_lock(look))
    if early:
        return failed("; ".join(loss.words() for loss in early) + f"; recordings must stay for {days} days")
    if later := too_early_later(found, days):
        return warned("; ".join(loss.words() for loss in later) + f"; what is made nearer to it has not {days} days")
    return passed(f"nothing is removed within {days} days")


@check(
    "policy-within-target",
    "The policy keeps recordings no longer than the target",
    "high",
    why="The target would remove what the policy must keep.",
    calls=(),
    fix="Lower the policy's retention_days or raise the target's.",
    cli=_CLI_ONBOARDING,
    source="opslib, retention coherence",
)
async def policy_within_target(look: Inspection) -> Outcome:
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
    calls=(*_LIFECYCLE, _LOCK),
    fix="Change the target's retention_days; with a maximum, let a lifecycle rule remove recordings in time.",
    cli=_CLI_ONBOARDING,
    source="the profile's retention",
)
async def retention_bounds(look: Inspection) -> Outcome:
    """At least the profile's minimum. With a maximum, the bucket must be able to let go by then."""
    days, least, most = look.wanted.retention_days, look.wanted.min_days, look.wanted.max_days
    if least is None and most is None:
        return not_checked("the profile sets no bounds")
    if least is not None and days is not None and days < least:
        return failed(f"{days} days are fewer than the profile's {least}")
    if most is None:
        return passed(f"{days} days are at least the profile's {least}")
    if days is not None and days > most:
        return failed(f"{days} days are more than the profile's {most}")
    lock = await default_lock(look)
    if lock and lock.most_days > most:
        said = f"Object Lock holds for {lock.most_days} days, so nothing can be erased on day {most}"
        return (
            failed(said)
            if lock.days > most
            else unknown(f"the lock is set in years; counted as calendar years, {said}")
        )
    removed = removal_day(await lifecycle_losses(look), lock)
    if removed is None or removed > most:
        gone = "never" if removed is None else f"on day {removed}"
        return failed(f"lifecycle rules have removed every recording {gone}, and they may stay for {most} days")
    return passed(f"recordings are gone on day {removed}, within the profile's {most} days")


@check(
    "playable",
    "Recordings can be played at once while they must be",
    "medium",
    why="From GLACIER or DEEP_ARCHIVE a recording takes hours to come back.",
    calls=_LIFECYCLE,
    fix="Let the transition begin later, or use GLACIER_IR, which plays at once." + _REPLACES,
    cli=_CLI_RULES,
    terraform=_TF_RULES,
    source="Amazon S3 User Guide, archive storage classes",
)
async def playable(look: Inspection) -> Outcome:
    """The recording is not lost, but nobody can hear it today."""
    days = look.wanted.playable_days
    if days is None:
        return not_checked("the profile states no time in which recordings must be playable")
    if early := archived_early(await lifecycle_losses(look), days):
        return failed("; ".join(loss.words() for loss in early) + f"; they must be playable for {days} days")
    return passed(f"nothing goes to an archive class within {days} days")


@check(
    "versioning",
    "Versioning is on",
    "high",
    why="Without versions one wrong write or delete is final.",
    calls=("GetBucketVersioning",),
    fix="Switch on versioning.",
    cli="aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled",
    terraform=_TF_VERSIONING,
    source="AWS Foundational Security Best Practices S3.14; Prowler maps PCI DSS 10.3.4 to it",
)
async def versioning(look: Inspection) -> Outcome:
    """Suspended counts as off: new objects are overwritten again."""
    state = await versioning_state(look)
    return passed("versioning is on") if state == "Enabled" else failed(f"versioning is {state.lower()}")


@check(
    "object-lock",
    "Object Lock holds recordings for as long as they must stay",
    "high",
    why="Only a lock keeps recordings from an administrator, or from somebody with an administrator's key.",
    calls=(_LOCK,),
    fix="Set a default retention, in COMPLIANCE mode, of at least the days that recordings must stay. Nobody can "
    "shorten it afterwards, and it holds for new recordings only.",
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
    source="Amazon S3 User Guide, Object Lock; AWS Foundational Security Best Practices S3.15",
)
async def object_lock(look: Inspection) -> Outcome:
    """Without a lock, 17a-4(f) may still be met by an audit trail, which no bucket can prove: UNKNOWN, not FAIL."""
    lock, days = await default_lock(look), look.wanted.retention_days
    if lock is not None and lock.days and days is not None and lock.days < days:
        if lock.most_days >= days:
            return unknown(f"the lock is set in years, and AWS does not say how many days they have: {days} or fewer")
        return failed(f"the lock ends after {lock.days} days, and recordings must stay for {days}")
    said = _not_held(lock)
    if said and look.wanted.wants_worm:
        return unknown(f"{said}; whether a complete audit trail takes its place cannot be seen in a bucket")
    if said:
        return warned(said) if lock and lock.days else failed(said)
    assert lock  # noqa: S101 (held by _not_held)
    return passed(f"new recordings are locked in COMPLIANCE mode for {lock.days} days; each can be locked otherwise")


def _not_held(lock: Lock | None) -> str:
    """Why nothing is beyond everybody's reach; empty when it is."""
    if lock is None:
        return "there is no Object Lock"
    if not lock.days:
        return "Object Lock has no default, so new recordings have none"
    return "" if lock.mode == "COMPLIANCE" else f"{lock.mode} mode can be bypassed by those who are allowed to"


@check(
    "incomplete-uploads",
    "Uploads that never end are removed",
    "low",
    why="Parts of broken uploads are invisible, cost money, and may hold half a conversation.",
    calls=_LIFECYCLE[:1],
    fix="Add a rule that aborts incomplete multipart uploads after some days." + _REPLACES,
    cli=_CLI_RULES,
    terraform=_TF_RULES,
    source="Amazon S3 User Guide, aborting incomplete multipart uploads",
)
async def incomplete_uploads(look: Inspection) -> Outcome:
    """An enabled rule that covers the prefix."""
    for rule in await rules(look):
        if rule.enabled and rule.aborts_uploads_after_days is not None and look.wanted.folder.startswith(rule.prefix):
            return passed(f"rule {rule.id} aborts them after {rule.aborts_uploads_after_days} days")
    return failed("no rule aborts incomplete uploads")


@check(
    "mfa-delete",
    "Deleting a version needs a second factor",
    "low",
    why="A stolen key alone then deletes nothing for good. It excludes lifecycle rules, so few use it.",
    calls=("GetBucketVersioning",),
    fix="Rely on Object Lock; or switch on MFA delete, as the root user, in a bucket without lifecycle rules.",
    cli="aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled,MFADelete=Enabled "
    "--mfa 'SERIAL CODE'",
    terraform="""\
resource "aws_s3_bucket_versioning" "recordings" {
  bucket = "BUCKET"
  mfa    = "SERIAL CODE"
  versioning_configuration {
    status     = "Enabled"
    mfa_delete = "Enabled"
  }
}""",
    source="CIS AWS 3.1.2; AWS Foundational Security Best Practices S3.20",
)
async def mfa_delete(look: Inspection) -> Outcome:
    """Only the root user can switch it on."""
    found = await look.bucket("GetBucketVersioning") or {}
    if found.get("MFADelete") == "Enabled":
        return passed("MFA delete is on, so lifecycle rules are not possible")
    return failed("MFA delete is off")


async def rules(look: Inspection) -> Sequence[Rule]:
    """The bucket's lifecycle rules."""
    return parse_rules(await look.bucket("GetBucketLifecycleConfiguration"))


async def versioning_state(look: Inspection) -> Versioning:
    """Enabled, Suspended or Off."""
    status = (await look.bucket("GetBucketVersioning") or {}).get("Status")
    return status if status in ("Enabled", "Suspended") else "Off"


async def default_lock(look: Inspection) -> Lock | None:
    """The bucket's default Object Lock."""
    return parse_lock(await look.bucket(_LOCK))


async def lifecycle_losses(look: Inspection) -> list[Loss]:
    """What the rules do to a recording that is made today."""
    return losses(await rules(look), look.wanted.folder, await versioning_state(look), datetime.now(UTC).date())
