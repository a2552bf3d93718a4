"""The bucket against its profile: in a step of its own, and once more right before something is written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import BucketError, BucketUnfit, ConsentMissing
from opslib.genesys.backend import Backend
from opslib.onboarding.models import Onboarding
from opslib.router.journal import BUCKET_LOOKED, Progress
from opslib.validator.bucket import Report, check_bucket
from opslib.validator.profile_loader import load_profile
from opslib.validator.render import counts
from opslib.validator.wanted import wanted_of
from opslib.walk.consent import agreed_to, agrees_by_name, note_approval, options_for
from opslib.walk.context import WalkContext
from opslib.walk.second_key import HOW_TO_GET_ONE_OF_AN_UNFIT_BUCKET, approvers_of, noted_approval
from opslib.walk.state_machine import JSON, Result

_UNFIT = "failed-validation"


@dataclass(frozen=True)
class Bucket:
    """The bucket of an onboarding, and where Genesys writes in it: `org_id` is the organisation's; empty: not known."""

    onboarding: Onboarding
    backend: Backend
    org_id: str


@dataclass(frozen=True)
class Writing:
    """What is about to be written. `unsafe` is what an approval of it has to name beside an unfit bucket; `otherwise`
    ends the fix of a refusal."""

    step: str
    checksum: str
    unsafe: Sequence[str]
    otherwise: str


def bucket_of(walk: WalkContext) -> Bucket:
    """The walk's own. The org's id is as the org said it, or the role's external id, which Genesys takes it for."""
    return Bucket(walk.onboarding, walk.backend, walk.org_id or _external_id(walk.onboarding))


def bucket_of_unfinished(walk: WalkContext, apply: Progress) -> Bucket:
    """That of an apply which was left unfinished, perhaps by another walk: its choices count, not this one's."""
    begun = walk.begun_with(apply)
    return Bucket(begun, walk.session.backends[apply.plan.backend], walk.org_of(apply) or _external_id(begun))


async def look_at(walk: WalkContext, bucket: Bucket, without: Collection[str] = ()) -> Report:
    """The bucket against its profile now, without some of the checks."""
    onboarding = bucket.onboarding
    credentials, profile = await walk.credentials(onboarding), load_profile(onboarding.profile)
    keys = credentials if isinstance(credentials, AwsKeys) else None
    place = await bucket.backend.place(onboarding, bucket.org_id)
    checks = {name: row for name, row in profile.checks.items() if name not in without}
    wanted = wanted_of(onboarding, place, credentials, walk.settings.region)
    await walk.identities.ask_aws(wanted.region, keys)
    profile, tell = profile.model_copy(update={"checks": checks}), walk.teller()
    question = ("bucket", repr(wanted), repr(profile), keys.access_key_id if keys else "")
    return await walk.once(question, lambda: check_bucket(wanted, profile, keys, tell))


def judged(walk: WalkContext, checked: Report) -> Result:
    """How the step ends that looked at the bucket. Raises BucketError for one that is not there, which has no findings,
    but a cause and a fix."""
    if checked.trouble:
        raise checked.trouble
    report = checked.as_json()
    connected = walk.result("connect")
    if report["clocks"] and connected and connected.data:
        report["clocks"]["org_days"] = connected.data["doctor"].get("max_retention_days")
    summary = f"Bucket {report['bucket']}, profile {report['profile']}: {counts(report)}"
    if report["verdict"] == "FAIL":
        return Result("validate_bucket", "failed", summary, report, _unfit(report))
    return Result("validate_bucket", "done" if report["verdict"] == "PASS" else "unknown", summary, report)


async def refuse_unfit(walk: WalkContext, bucket: Bucket, writing: Writing) -> None:
    """Look once more, and note what was found. Raises ConsentMissing for a bucket that does not pass now, unless the
    user agreed to that in the approval, or names it now."""
    looked, name = await _looked_again(walk, bucket), bucket.onboarding.target.bucket
    error = looked.error
    found = {"step": writing.step, "bucket": name, "summary": looked.summary, "data": looked.data}
    walk.journal.append(BUCKET_LOOKED, {**found, "error": error.as_json() if error else None})
    if looked.state == "done" or agreed_to(walk, writing.checksum, _UNFIT):
        return
    if not agrees_by_name(walk, _UNFIT, bucket.onboarding):
        fix = f"To continue without that, {_way_to_agree(walk, bucket.onboarding)}{writing.otherwise}"
        raise ConsentMissing(
            "The bucket does not pass its validation",
            cause=f"right before the {writing.step}: {looked.summary}" + (f": {error.cause}" if error else ""),
            fix=(f"{error.fix}; then run this again. " if error else "") + fix,
        )
    unsafe, approval = dict.fromkeys([*writing.unsafe, _UNFIT]), noted_approval(walk, writing.checksum)
    note_approval(walk, writing.checksum, list(unsafe), approval, bucket.onboarding)


def _way_to_agree(walk: WalkContext, onboarding: Onboarding) -> str:
    if approvers_of(walk.settings, onboarding):
        return f"a second key must agree to {_UNFIT}: {HOW_TO_GET_ONE_OF_AN_UNFIT_BUCKET}"
    options = f"on the command line: {options_for([_UNFIT])}"
    return f"{options}; in the notebook: validate the bucket and approve again"


async def _looked_again(walk: WalkContext, bucket: Bucket) -> Result:
    checked = await look_at(walk, bucket)
    try:
        return judged(walk, checked)
    except BucketError as trouble:
        return Result("validate_bucket", "failed", trouble.title, error=trouble)


def _external_id(onboarding: Onboarding) -> str:
    role = onboarding.target.credentials
    return role.external_id if isinstance(role, RoleReference) else ""


def _unfit(report: JSON) -> BucketUnfit:
    bucket, failed = report["bucket"], [finding for finding in report["findings"] if finding["verdict"] == "FAIL"]
    return BucketUnfit(
        f"Bucket {bucket} is not fit for recordings",
        cause="; ".join(f"{finding['title']}: {finding['cause']}" for finding in failed),
        fix=" ".join(finding["fix"] for finding in failed) + f" Or, for a table: opslib check-bucket {bucket}",
    )
