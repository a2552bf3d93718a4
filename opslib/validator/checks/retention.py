"""Whether recordings stay for as long as they must, and no longer than they may: lifecycle, versions, Object Lock."""

from collections.abc import Mapping, Sequence
from typing import Any

from opslib.validator.check import Check, asked_by
from opslib.validator.finding import Outcome, failed, not_checked, passed, unknown, warned
from opslib.validator.inspection import Inspection
from opslib.validator.intelligent_tiering import Archived, archived_by
from opslib.validator.lifecycle import (
    Lock,
    Loss,
    Rule,
    Versioning,
    archived_early,
    losses_by,
    parse_lock,
    parse_rules,
    removal_day,
    too_early,
    too_early_later,
)
from opslib.validator.profile import Profile, Row
from opslib.validator.wanted import Wanted

_LIFECYCLE = ("GetBucketLifecycleConfiguration", "GetBucketVersioning")
_LOCK = "GetObjectLockConfiguration"
_TIERING = "ListBucketIntelligentTieringConfigurations"

_MIFID_72 = "Regulation (EU) 2017/565, Article 72(1): no alteration, amendments traceable"
_MIFID_76 = "Regulation (EU) 2017/565, Article 76(10)"

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

_TF_LOCK = """\
resource "aws_s3_bucket_object_lock_configuration" "recordings" {
  bucket = "BUCKET"
  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = DAYS
    }
  }
}"""


def _tf_lock(wanted: Wanted, profile: Profile) -> str:
    """Only where the profile insists: nobody can take a lock off again."""
    return _TF_LOCK if profile.worm else ""


@Check(
    "retention",
    "No lifecycle rule removes recordings before their time",
    "critical",
    control="retention",
    required=True,
    profiles={
        "baseline": Row(level="FAIL", source="Amazon S3 User Guide, lifecycle rules; the onboarding's own retention"),
        "sec-17a-4": Row(level="FAIL", source="17 CFR 240.17a-4(b)(4)"),
        "mifid-ii": Row(level="FAIL", source="Directive 2014/65/EU, Article 16(7)"),
        "cftc": Row(level="FAIL", source="17 CFR 1.31 and 1.35"),
    },
    why="A rule that somebody made to save money deletes recordings, by night and without a trace, that a regulator "
    "wants to hear later.",
    calls=(*_LIFECYCLE, _LOCK),
    fix="Disable the rule named, narrow its prefix, or let it act after the retention has ended." + _REPLACES,
    cli=_CLI_RULES,
    terraform=_TF_RULES,
    source="Amazon S3 User Guide, lifecycle rules and how conflicts end",
    proves="No lifecycle rule that is enabled now removes a recording of today, or hides it behind a delete marker, "
    "before its retention has ended.",
    not_proven="That nobody deletes recordings by hand, that the rules stay as they are, and what was removed before.",
)
async def retention(inspection: Inspection) -> Outcome:
    """Current and noncurrent versions; see `lifecycle.py`."""
    days = inspection.retention_days
    if days is None:
        return not_checked("no retention was given to hold the rules against")
    losses = await lifecycle_losses(inspection)
    early, lock = too_early(losses, days, None), None
    if any(loss.kind == "noncurrent deleted" for loss in early):
        lock = await default_lock(inspection)
        early = too_early(losses, days, lock)
    if early and lock and lock.hold_days and all(loss.kind == "noncurrent deleted" for loss in early):
        return unknown("; ".join(loss.words() for loss in early) + ", but not while its event hold is on")
    if early:
        return failed("; ".join(loss.words() for loss in early) + f"; recordings must stay for {days} days")
    if later := too_early_later(losses, days):
        return warned("; ".join(loss.words() for loss in later) + f"; what is made nearer to it has not {days} days")
    return passed(f"nothing is removed within {days} days")


@Check(
    "policy-within-target",
    "The policy keeps recordings no longer than the target",
    "high",
    control="retention",
    required=True,
    profiles=asked_by("opslib, retention coherence", baseline="WARN", regulated="FAIL"),
    why="The target would remove what the policy must keep.",
    calls=(),
    fix="Lower the policy's retention_days or raise the target's.",
    cli=_CLI_ONBOARDING,
    source="opslib, retention coherence",
    proves="The two numbers of the onboarding fit: the policy's retention is not longer than the target's.",
    not_proven="What the org really keeps: other policies and the org's own maximum also decide.",
)
async def policy_within_target(inspection: Inspection) -> Outcome:
    """Two numbers of the onboarding; nothing is asked."""
    policy, target = inspection.wanted.policy_days, inspection.retention_days
    if policy is None or target is None:
        return not_checked("no policy was given")
    if policy > target:
        return failed(f"the policy keeps {policy} days, and the target {target}")
    return passed(f"{policy} days fit into {target}")


@Check(
    "retention-bounds",
    "The retention is what the profile asks for",
    "high",
    control="minimum",
    required=True,
    profiles={
        "sec-17a-4": Row(level="FAIL", source="17 CFR 240.17a-4(b)(4): at least three years"),
        "mifid-ii": Row(level="FAIL", source="Directive 2014/65/EU, Article 16(7): five years, on request up to seven"),
        "cftc": Row(level="FAIL", source="17 CFR 1.31 and 1.35: one year for oral communications"),
    },
    why="Too short breaks the rule; too long can break data protection.",
    calls=(*_LIFECYCLE, _LOCK),
    fix="Change the target's retention_days; with a maximum, let a lifecycle rule remove recordings in time.",
    cli=_CLI_ONBOARDING,
    source="the profile's retention",
    proves="The retention that was stated lies within the profile's bounds; with a maximum, also that lifecycle rules "
    "have removed every recording by then, and that no default lock is longer.",
    not_proven="That each recording really stays so long, or goes: a lock or hold on single recordings is not seen.",
)
async def retention_bounds(inspection: Inspection) -> Outcome:
    """At least the profile's minimum. With a maximum, the bucket must be able to let go by then."""
    days, bounds = inspection.retention_days, inspection.profile.retention
    least, most = bounds.min_days, bounds.max_days
    if least is None and most is None:
        return not_checked("the profile sets no bounds")
    if least is not None and days is not None and days < least:
        return failed(f"{days} days are fewer than the profile's {least}")
    if most is None:
        return passed(f"{days} days are at least the profile's {least}")
    if days is not None and days > most:
        return failed(f"{days} days are more than the profile's {most}")
    lock = await default_lock(inspection)
    if lock and lock.most_days > most:
        too_long = f"Object Lock holds for {lock.most_days} days, so nothing can be erased on day {most}"
        if lock.days > most:
            return failed(too_long)
        return unknown(f"the lock is set in years; counted as calendar years, {too_long}")
    if lock and lock.hold_days:
        return _held_too_long(lock.hold_days, most)
    removed = removal_day(await lifecycle_losses(inspection), lock)
    if removed is None or removed > most:
        gone = "never" if removed is None else f"on day {removed}"
        return failed(f"lifecycle rules have removed every recording {gone}, and they may stay for {most} days")
    return passed(f"recordings are gone on day {removed}, within the profile's {most} days")


def _held_too_long(hold_days: int, most: int) -> Outcome:
    """A default event hold protects until somebody releases it, and its days after that."""
    if hold_days > most:
        return failed(
            f"each recording gets an event hold, which protects it for {hold_days} days after its release, so nothing "
            f"can be erased on day {most}",
            _SHORTER_HOLD,
        )
    return unknown(
        f"each recording gets an event hold, and cannot be erased before somebody releases it and {hold_days} more "
        f"days have passed; whether that is so on day {most}, the bucket's settings do not say",
        f"Release each hold by day {most - hold_days}, or take the event hold out of the bucket's default retention.",
    )


_SHORTER_HOLD = "Take the event hold out of the bucket's default retention, or shorten it."


@Check(
    "playable",
    "Recordings can be played at once while they must be",
    "medium",
    control="retention",
    profiles={
        "sec-17a-4": Row(level="WARN", source="17 CFR 240.17a-4(b)(4): the first two years easily accessible"),
        "mifid-ii": Row(level="WARN", source=f"{_MIFID_76}: recordings can be replayed (read in a summary)"),
        "cftc": Row(level="WARN", source="17 CFR 1.31: electronic records accessible throughout"),
    },
    why="From GLACIER or DEEP_ARCHIVE a recording takes hours to come back.",
    calls=(*_LIFECYCLE, _TIERING),
    fix="Let the transition begin later, or use GLACIER_IR, which plays at once." + _REPLACES,
    cli=_CLI_RULES,
    terraform=_TF_RULES,
    source="Amazon S3 User Guide, archive storage classes, and restoring from the archive tiers of Intelligent-Tiering",
    proves="No lifecycle rule, and no archive configuration of Intelligent-Tiering, puts a recording of today where it "
    "must be restored first, while it must be playable.",
    not_proven="That the recording is there and can be decrypted and played; and what was archived before.",
)
async def playable(inspection: Inspection) -> Outcome:
    """The recording is not lost, but nobody can hear it today."""
    days = inspection.profile.retention.playable_days
    if days is None:
        return not_checked("the profile states no time in which recordings must be playable")
    if early := archived_early(await lifecycle_losses(inspection), days):
        return failed("; ".join(loss.words() for loss in early) + f"; they must be playable for {days} days")
    tiers = [tier for tier in await _archive_tiers(inspection) if tier.day < days]
    if certain := [tier for tier in tiers if not tier.tagged]:
        words = "; ".join(tier.words() for tier in certain)
        return failed(f"{words}; they must be playable for {days} days", _NO_ARCHIVE_TIER)
    if tiers:
        words = "; ".join(tier.words() for tier in tiers)
        return unknown(f"{words}; whether recordings have such tags is not known", _NO_ARCHIVE_TIER)
    return passed(f"nothing goes to an archive class or tier within {days} days")


_NO_ARCHIVE_TIER = "Disable the archive configuration of Intelligent-Tiering, or let it begin later."


@Check(
    "versioning",
    "Versioning is on",
    "high",
    control="worm",
    profiles={
        "baseline": Row(level="WARN", source="AWS Foundational Security Best Practices S3.14"),
        "sec-17a-4": Row(level="FAIL", source="AWS Foundational Security Best Practices S3.14; Object Lock needs it"),
        "mifid-ii": Row(level="FAIL", source=_MIFID_72),
        "cftc": Row(
            level="FAIL",
            source="AWS Foundational Security Best Practices S3.14; 17 CFR 1.31: authenticity and reliability",
        ),
    },
    why="Without versions one wrong write or delete is final.",
    calls=("GetBucketVersioning",),
    fix="Switch on versioning.",
    cli="aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled",
    terraform=_TF_VERSIONING,
    source="AWS Foundational Security Best Practices S3.14; Prowler maps PCI DSS 10.3.4 to it",
    proves="S3 says that versioning is on at this moment.",
    not_proven="That it was on when earlier recordings arrived, and that nobody suspends it or deletes versions.",
)
async def versioning(inspection: Inspection) -> Outcome:
    """Suspended counts as off: new objects are overwritten again."""
    state = await versioning_state(inspection)
    return passed("versioning is on") if state == "Enabled" else failed(f"versioning is {state.lower()}")


@Check(
    "object-lock",
    "Object Lock holds recordings for as long as they must stay",
    "high",
    control="worm",
    required=True,
    profiles={
        "baseline": Row(level="WARN", source="AWS Foundational Security Best Practices S3.15"),
        "sec-17a-4": Row(
            level="FAIL",
            source="17 CFR 240.17a-4(f)(2)(i)(B): non-rewriteable and non-erasable; adopted 2022-10-12, "
            "effective 2023-01-03",
        ),
        "mifid-ii": Row(level="FAIL", source=f"{_MIFID_72}; {_MIFID_76}: the original is kept (read in a summary)"),
        "cftc": Row(
            level="WARN",
            source="AWS Foundational Security Best Practices S3.15; 17 CFR 1.31 asks for no such storage since "
            "2017-08-28",
        ),
    },
    why="Only a lock keeps recordings from an administrator, or from somebody with an administrator's key.",
    calls=(_LOCK,),
    fix="Set a default retention, in COMPLIANCE mode, of at least the days that recordings must stay. Nobody can "
    "shorten it afterwards, and it holds for new recordings only.",
    cli="aws s3api put-object-lock-configuration --bucket BUCKET --object-lock-configuration "
    "'ObjectLockEnabled=Enabled,Rule={DefaultRetention={Mode=COMPLIANCE,Days=DAYS}}'",
    terraform=_TF_LOCK,
    generated=_tf_lock,
    source="Amazon S3 User Guide, Object Lock; AWS Foundational Security Best Practices S3.15",
    proves="S3 locks each new recording in COMPLIANCE mode for as long as it must stay, unless the writer asks for "
    "another lock.",
    not_proven="How recordings that arrived before are locked, and which lock the writer asks for.",
)
async def object_lock(inspection: Inspection) -> Outcome:
    """Without a lock, something else may keep recordings as they are, such as the audit trail of 17a-4(f), and no
    bucket can prove that: UNKNOWN, not FAIL."""
    lock, days = await default_lock(inspection), inspection.retention_days
    held = f"; besides, each gets an event hold of {lock.hold_days} days" if lock and lock.hold_days else ""
    if lock is not None and lock.days and days is not None and lock.days < days:
        if lock.most_days >= days:
            return unknown(f"the lock is set in years, and AWS does not say how many days they have: {days} or fewer")
        return failed(f"the lock ends after {lock.days} days, and recordings must stay for {days}")
    gap = _not_held(lock)
    if gap and inspection.profile.worm:
        return unknown(f"{gap}; whether {inspection.profile.instead} takes its place cannot be seen in a bucket")
    if gap:
        return warned(gap) if lock and (lock.days or lock.hold_days) else failed(gap)
    assert lock  # noqa: S101 (held by _not_held)
    return passed(
        f"new recordings are locked in COMPLIANCE mode for {lock.days} days; each can be locked otherwise{held}"
    )


def _not_held(lock: Lock | None) -> str:
    """Why nothing is beyond everybody's reach; empty when it is."""
    if lock is None:
        return "there is no Object Lock"
    if not lock.days and lock.hold_days:
        return (
            "Object Lock has no default retention, only an event hold: a new recording is protected until somebody "
            f"releases the hold, and for {lock.hold_days} days after that"
        )
    if not lock.days:
        return "Object Lock has no default, so new recordings have none"
    return "" if lock.mode == "COMPLIANCE" else f"{lock.mode} mode can be bypassed by those who are allowed to"


@Check(
    "incomplete-uploads",
    "Uploads that never end are removed",
    "low",
    control="operation",
    profiles=asked_by("Amazon S3 User Guide, aborting incomplete multipart uploads", baseline="WARN", regulated="WARN"),
    why="Parts of broken uploads are invisible, cost money, and may hold half a conversation.",
    calls=_LIFECYCLE,
    fix="Add a rule that aborts incomplete multipart uploads after some days." + _REPLACES,
    cli=_CLI_RULES,
    terraform=_TF_RULES,
    source="Amazon S3 User Guide, aborting incomplete multipart uploads",
    proves="A lifecycle rule that is enabled aborts every upload of a recording that was begun and not finished.",
    not_proven="That no upload is unfinished now, and that Genesys uploads again what was aborted.",
)
async def incomplete_uploads(inspection: Inspection) -> Outcome:
    """A rule for a part of the recordings leaves the others."""
    folder = inspection.wanted.folder
    for rule in await rules(inspection):
        covers = rule.enabled and folder.startswith(rule.prefix) and not rule.part
        if covers and rule.aborts_uploads_after_days is not None:
            return passed(f"rule {rule.id} aborts them after {rule.aborts_uploads_after_days} days")
    if await _mfa_delete(inspection):
        return not_checked("MFA delete is on, and S3 allows no lifecycle rules beside it")
    return failed("no rule aborts incomplete uploads")


@Check(
    "mfa-delete",
    "Deleting a version needs a second factor",
    "low",
    control="operation",
    profiles=asked_by("CIS AWS 3.1.2; AWS Foundational Security Best Practices S3.20", regulated="WARN"),
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
    generated=False,  # it is for the root user, and forbids lifecycle rules
    source="CIS AWS 3.1.2; AWS Foundational Security Best Practices S3.20",
    proves="S3 says that nobody deletes a version, or suspends versioning, without the root user's second factor.",
    not_proven="That the second factor is kept apart from the key.",
)
async def mfa_delete(inspection: Inspection) -> Outcome:
    """Only the root user can switch it on. S3 allows it only without lifecycle rules, so no profile asks for both."""
    if await _mfa_delete(inspection):
        return passed("MFA delete is on, so lifecycle rules are not possible")
    if "incomplete-uploads" in inspection.profile.checks:
        return not_checked("the profile asks for a lifecycle rule, and S3 allows none beside MFA delete")
    return failed("MFA delete is off")


async def _mfa_delete(inspection: Inspection) -> bool:
    return (await inspection.ask_bucket("GetBucketVersioning") or {}).get("MFADelete") == "Enabled"


async def rules(inspection: Inspection) -> Sequence[Rule]:
    return parse_rules(await inspection.ask_bucket("GetBucketLifecycleConfiguration"))


async def versioning_state(inspection: Inspection) -> Versioning:
    """Enabled, Suspended or Off."""
    status = (await inspection.ask_bucket("GetBucketVersioning") or {}).get("Status")
    return status if status in ("Enabled", "Suspended") else "Off"


async def default_lock(inspection: Inspection) -> Lock | None:
    return parse_lock(await inspection.ask_bucket(_LOCK))


async def lifecycle_losses(inspection: Inspection) -> list[Loss]:
    """What the rules do to a recording that is made today."""
    lifecycle_rules, versioning = await rules(inspection), await versioning_state(inspection)
    return losses_by(lifecycle_rules, inspection.wanted.folder, versioning, inspection.today)


async def _archive_tiers(inspection: Inspection) -> list[Archived]:
    """What Intelligent-Tiering archives of a recording that is made today. Its answer comes in pages."""
    lifecycle_rules = await rules(inspection)
    if not any(rule.tiers for rule in lifecycle_rules):
        return []
    configurations: list[Mapping[str, Any]] = []
    more: dict[str, str] | None = {}
    while more is not None:
        page = await inspection.ask(_TIERING, **inspection.bucket_params(), **more) or {}
        configurations += page.get("IntelligentTieringConfigurationList", [])
        token = page.get("NextContinuationToken")
        more = {"ContinuationToken": token} if token else None
    return archived_by(configurations, lifecycle_rules, inspection.wanted.place, inspection.today)
