"""What each step of the walk does, what it needs, and what makes it stale.

connect → validate the bucket → plan → approve → apply → see an event arrive → report. An apply that a crash or a stop
left unfinished is finished or undone by the steps of `RECOVERY`.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial

from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import BucketError, BucketUnfit, ConsentMissing, StalePlan
from opslib.genesys.datalake import DataLake
from opslib.ledger.actor import machine
from opslib.onboarding.models import BackendName, Consent
from opslib.router.journal import APPROVAL, BUCKET_LOOKED, PLAN_MADE
from opslib.router.lock import apply_lock
from opslib.router.plan import Plan
from opslib.router.unsafe_changes import UNSAFE
from opslib.validator.bucket import Report, check_bucket
from opslib.validator.profile_loader import load_profile
from opslib.validator.render import counts
from opslib.validator.wanted import wanted_of
from opslib.walk.context import WalkContext
from opslib.walk.doctor import API_NAMES, examine, not_served
from opslib.walk.resume import org_of
from opslib.walk.right_org import stated_orgs
from opslib.walk.state_machine import JSON, Result, Step

# How long an event may take to reach the data lake.
_EVENT_WITHIN_S = 15.0

# What `probe` counts.
_COUNTED: dict[BackendName, str] = {"storage-targets": "targets", "platform": "retention policies"}


async def _connect(walk: WalkContext) -> Result:
    session, wanted = await walk.open_session(), walk.onboarding.backend
    count = await walk.backend.probe()
    if count is None:
        raise await not_served(session.client, session.backends, wanted)
    about = await examine(session.client, session.backends, wanted, stated_orgs(walk.onboarding, walk.settings))
    org = about.organization
    why = org if isinstance(org, str) else "the answer names no OAuth client"
    walk.identities.note_client(walk.settings.client_id, about.client, why)
    for error in about.wrong_orgs():
        raise error
    data: JSON = {
        "api_url": session.client.base_url,
        "org_id": "" if isinstance(org, str) else org.id,  # as the org says; a setting proves nothing
        "backend": wanted,
        _COUNTED[wanted].replace(" ", "_"): count,
        "doctor": about.as_json(),
    }
    counted = f"{count} {_COUNTED[wanted]}" if wanted == "platform" else f"{count}"
    return Result("connect", "done", f"Connected: the org serves {API_NAMES[wanted]} ({counted} exist)", data)


async def _validate_bucket(walk: WalkContext) -> Result:
    return judged(walk, await look_at_bucket(walk))


async def look_at_bucket(walk: WalkContext, without: Collection[str] = ()) -> Report:
    """The bucket against its profile now, without some of the checks."""
    credentials, profile = await walk.credentials(), load_profile(walk.onboarding.profile)
    keys = credentials if isinstance(credentials, AwsKeys) else None
    place = await walk.backend.place(walk.onboarding, _org_id(walk))
    checks = {name: row for name, row in profile.checks.items() if name not in without}
    wanted = wanted_of(walk.onboarding, place, credentials, walk.settings.region)
    await walk.identities.ask_aws(wanted.region, keys)
    return await check_bucket(
        wanted,
        profile.model_copy(update={"checks": checks}),
        keys,
        walk.teller(),
    )


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


def _org_id(walk: WalkContext) -> str:
    """As the org said it, or as the role's external id, which Genesys takes it for."""
    connected, role = walk.result("connect"), walk.onboarding.target.credentials
    said = str(connected.data["org_id"]) if connected and connected.data else ""
    return said or (role.external_id if isinstance(role, RoleReference) else "")


def _unfit(report: JSON) -> BucketUnfit:
    bucket, failed = report["bucket"], [finding for finding in report["findings"] if finding["verdict"] == "FAIL"]
    return BucketUnfit(
        f"Bucket {bucket} is not fit for recordings",
        cause="; ".join(f"{finding['title']}: {finding['cause']}" for finding in failed),
        fix=" ".join(finding["fix"] for finding in failed) + f" Or, for a table: opslib check-bucket {bucket}",
    )


async def _plan(walk: WalkContext) -> Result:
    walk.look_for_unfinished()
    before, plan = walk.plan, await walk.make_plan()
    walk.plan = plan
    walk.journal.append(PLAN_MADE, {"plan": plan.model_dump(mode="json")})
    if before is None or before.checksum != plan.checksum:
        walk.consent = Consent()
    data = plan.as_json()
    if not plan.changes:
        return Result("plan", "done", "Nothing to do: the org is as wanted", data)
    words = ", ".join(f"{change.action} {change.kind}" for change in plan.changes)
    return Result("plan", "done", f"{len(plan.changes)} to change: {words}", data)


async def _approve(walk: WalkContext) -> Result:
    plan, consent, needed = walk.reviewed_plan(), walk.consent, walk.needs_consent()
    missing = [name for name in needed if not _agrees(walk, name)]
    if missing:
        raise ConsentMissing(
            "The plan needs consent",
            cause="; ".join(f"{name}: {_what_is_unsafe(walk, name)}" for name in missing),
            fix=_bucket_first(walk, missing) + _how_to_agree(walk, missing),
        )
    data = {"checksum": plan.checksum, "unsafe": needed, **consent.model_dump(mode="json")}
    walk.journal.append(APPROVAL, {**data, **machine()})
    consented = f", with consent to {', '.join(needed)}" if needed else ""
    words = f"{len(plan.changes)} to change" if plan.changes else "nothing to change"
    return Result("approve", "done", f"Approved: {words}{consented}", data)


def _agrees(walk: WalkContext, name: str) -> bool:
    """Whether the user agrees to an unsafe change, and still does today."""
    consent, today = walk.consent, datetime.now(UTC).date()
    return consent.covers(name, walk.onboarding.target.name) and consent.last_day(today) >= today


def _how_to_agree(walk: WalkContext, missing: list[str]) -> str:
    allow = " ".join(f"--allow {name}" for name in missing)
    name = walk.onboarding.target.name
    return f'{allow} --reason "…"; in the notebook: type the target\'s name, {name}, and a reason. Nothing was applied'


def _bucket_first(walk: WalkContext, missing: list[str]) -> str:
    """The way to mend the bucket comes before the way to continue without that."""
    validation = walk.result("validate_bucket") if "failed-validation" in missing else None
    if not (validation and validation.error):
        return "on the command line: "
    return f"{validation.error.fix}; then run this again. To continue without that, on the command line: "


def _what_is_unsafe(walk: WalkContext, name: str) -> str:
    validation = walk.result("validate_bucket") if name == "failed-validation" else None
    outcome = [validation.summary, validation.error.cause if validation.error else ""] if validation else []
    return ": ".join(filter(None, [UNSAFE[name], *outcome]))


async def _apply(walk: WalkContext) -> Result:
    async with walk.changing(walk.backend) as applier:
        replan = partial(_plan_to_carry_out, walk)
        written = await applier.apply(walk.reviewed_plan(), walk.onboarding.target.credentials, replan)
    if not written:
        return Result("apply", "done", "Nothing to do: the org is as wanted, so nothing was applied", {"changes": 0})
    words = "change" if written == 1 else "changes"
    done = "removed, and read back as gone" if walk.removal else f"{words} applied and read back"
    return Result("apply", "done", f"{written} {done}", {"changes": written})


async def _plan_to_carry_out(walk: WalkContext) -> Plan:
    """The plan as it is now. Where it will be carried out, the bucket is looked at once more, right before that."""
    plan = await walk.make_plan()
    if plan.changes and plan.checksum == walk.reviewed_plan().checksum and not walk.removal:
        await _refuse_unfit(walk)
    return plan


async def _refuse_unfit(walk: WalkContext) -> None:
    """Raises ConsentMissing for a bucket that does not pass now, unless the user agrees to that as in `approve`."""
    looked, name = await _looked_again(walk), "failed-validation"
    error = looked.error
    found = {"step": "apply", "bucket": walk.onboarding.target.bucket, "summary": looked.summary, "data": looked.data}
    walk.journal.append(BUCKET_LOOKED, {**found, "error": error.as_json() if error else None})
    approved = walk.result("approve")
    if looked.state == "done" or (approved and name in approved.data["unsafe"]):
        return
    if not _agrees(walk, name):
        raise ConsentMissing(
            "The bucket does not pass its validation",
            cause=f"right before the apply: {looked.summary}" + (f": {error.cause}" if error else ""),
            fix=(f"{error.fix}; then run this again. " if error else "")
            + f"To continue without that, on the command line: {_how_to_agree(walk, [name])}",
        )
    consent = {"unsafe": [*walk.needs_consent(), name], **walk.consent.model_dump(mode="json")}
    walk.journal.append(APPROVAL, {"checksum": walk.reviewed_plan().checksum, **consent})


async def _looked_again(walk: WalkContext) -> Result:
    checked = await look_at_bucket(walk)
    try:
        return judged(walk, checked)
    except BucketError as trouble:
        return Result("validate_bucket", "failed", trouble.title, error=trouble)


async def _resume(walk: WalkContext, name: str = "resume", *, accept: bool = False) -> Result:
    if not walk.unfinished:
        return Result(name, "done", "Nothing to resume: no apply is unfinished")
    changes = len(walk.unfinished.plan.changes)
    async with walk.recovering(walk.unfinished) as applier:
        summary = _sentence(await applier.resume(accept=accept))
    return Result(name, "done", summary, {"changes": changes})


async def _rollback(walk: WalkContext, name: str = "rollback", *, overwrite: bool = False) -> Result:
    if not walk.unfinished:
        return Result(name, "done", "Nothing to roll back: no apply is unfinished")
    changes = len(walk.unfinished.plan.changes)
    async with walk.recovering(walk.unfinished) as applier:
        summary = _sentence(await applier.rollback(overwrite=overwrite))
    return Result(name, "done", summary, {"changes": changes})


async def _see_event(walk: WalkContext) -> Result:
    """An event needs a change, so the policy is written once more, as it is. Raises StalePlan for a policy that is not
    as it was applied, and leaves it alone."""
    if not walk.settings.catalogue_url:
        summary = "Not checked: OPSLIB_CATALOGUE_URL is not set, so we cannot look into the data lake"
        return Result("see_event", "unknown", summary, {"asked": False})
    lake, backend = DataLake(walk.settings.catalogue_url, walk.recorder), walk.backend
    _, policy, _ = await backend.items(walk.onboarding, await walk.credentials())
    with apply_lock(walk.journal):
        current = await backend.read("policy", policy.id)
        if current is None or backend.comparable(current) != backend.comparable(policy.body):
            raise StalePlan(
                f"Policy {policy.name} is not as it was applied",
                cause="somebody has changed or deleted it since",
                fix="plan again to see what differs; nothing was written",
            )
        id = str(current["id"])  # events name the server's
        known = await lake.event_ids(id)
        await backend.write("policy", policy.id, policy.body)
    event = await lake.wait_for_new(id, known, deadline_s=_EVENT_WITHIN_S)
    if event is None:
        summary = f"No event reached the data lake within {_EVENT_WITHIN_S:.0f} s"
        return Result("see_event", "unknown", summary)
    return Result("see_event", "done", f"The data lake received {event['eventType']}", {"event": event})


async def _report(walk: WalkContext) -> Result:
    if walk.state("apply") == "done" and not walk.removal:
        walk.session.router.routed |= {"target", "policy", "webhook"}  # each read back
    report = walk.session.router.generate_audit_report()
    metrics = report["metrics"]
    summary = f"{metrics['success_count']} of {metrics['total_operations']} operations succeeded"
    return Result("report", "done", summary, report)


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _connection(walk: WalkContext) -> JSON:
    org_id = walk.onboarding.org_id
    return {**org_of(walk.settings), "backend": walk.onboarding.backend, **({"onboarding": org_id} if org_id else {})}


def _approval(walk: WalkContext) -> JSON:
    """An approval holds neither for another plan nor for a bucket that fails its validation later."""
    return {
        "consent": walk.consent.model_dump(mode="json"),
        "checksum": walk.plan.checksum if walk.plan else None,
        "validation": walk.state("validate_bucket"),
    }


def _bucket(walk: WalkContext) -> JSON:
    onboarding = walk.onboarding
    retention = {"profile": onboarding.profile, "policy_days": onboarding.policy.retention_days}
    return {"target": onboarding.target.model_dump(mode="json"), **retention}


def _recovery(walk: WalkContext) -> JSON:
    return {"apply": walk.last_apply.id if walk.last_apply else None}


def _nothing(walk: WalkContext) -> JSON:
    return {}


def _by_name(*steps: Step) -> dict[str, Step]:
    return {step.name: step for step in steps}


STEPS = _by_name(
    Step("connect", "Connect", (), _connection, _connect),
    Step("validate_bucket", "Validate the bucket", ("connect",), _bucket, _validate_bucket),
    Step("plan", "Plan", ("connect",), lambda walk: walk.wanted(), _plan),
    Step("approve", "Approve", ("plan",), _approval, _approve, after=("validate_bucket",)),
    Step("apply", "Apply", ("approve",), _nothing, _apply),
    Step("see_event", "See the event arrive", ("apply",), _nothing, _see_event),
    Step("report", "Report", ("connect",), _nothing, _report, after=("apply",)),
)

# What to do with an apply that was left unfinished. The last two are for an object that is not as it was sent.
RECOVERY = _by_name(
    Step("resume", "Finish the unfinished apply", (), _recovery, _resume),
    Step("rollback", "Undo the unfinished apply", (), _recovery, _rollback),
    Step("accept", "Accept what is there", (), _recovery, partial(_resume, name="accept", accept=True)),
    Step(
        "overwrite", "Undo it, over later changes", (), _recovery, partial(_rollback, name="overwrite", overwrite=True)
    ),
)

CHANGING = ("apply", *RECOVERY)
