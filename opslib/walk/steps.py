"""What each step of the walk does, what it needs, and what makes it stale.

connect → validate the bucket → plan → approve → apply → see an event arrive → report. An apply that a crash or a stop
left unfinished is finished or undone by the steps of `RECOVERY`.
"""

from dataclasses import replace
from functools import partial

from opslib.errors import ConsentMissing, StalePlan
from opslib.genesys.datalake import DataLake
from opslib.ledger.signing import key_id
from opslib.ledger.workspace import kind_of
from opslib.onboarding.models import BackendName, Consent
from opslib.router.journal import PLAN_MADE, Progress
from opslib.router.lock import apply_lock
from opslib.router.plan import Plan
from opslib.router.undo import routes_again
from opslib.router.unsafe_changes import UNSAFE
from opslib.validator.profile_loader import load_profile
from opslib.walk.consent import agrees, note_approval, options_for
from opslib.walk.context import WalkContext
from opslib.walk.doctor import API_NAMES, examine, not_served
from opslib.walk.look import Writing, bucket_of, bucket_of_unfinished, judged, look_at, refuse_unfit
from opslib.walk.resume import applied_words, org_of
from opslib.walk.right_org import stated_orgs
from opslib.walk.second_key import (
    HOW_TO_GET_ONE,
    HOW_TO_GET_ONE_OF_AN_UNFIT_BUCKET,
    approvers_of,
    noted_approval,
    refuse_unapproved,
    refuse_unapproved_unfinished,
)
from opslib.walk.state_machine import JSON, Result, Step

# How long an event may take to reach the data lake.
_EVENT_WITHIN_S = 15.0

# What `probe` counts.
_COUNTED: dict[BackendName, str] = {"storage-targets": "targets", "platform": "retention policies"}

_NOTHING_TO_DO = "Nothing to do: the org is as wanted"
_NOTHING_TO_UNDO = "Nothing to undo: the org is as it was before that apply"


async def _connect(walk: WalkContext) -> Result:
    if walk.undo:
        walk.look_for_unfinished()
    session, wanted = await walk.open_session(), walk.onboarding.backend
    count = await walk.once(("probe", wanted), walk.backend.probe)
    if count is None:
        raise await not_served(session.client, session.backends, wanted)
    asked = await walk.once(("doctor", wanted), lambda: examine(session.client, session.backends, wanted))
    about = replace(asked, stated=stated_orgs(walk.onboarding, walk.settings))
    org = about.organization
    why = org if isinstance(org, str) else "the answer names no OAuth client"
    walk.identities.note_client(walk.settings.client_id, about.client, why)
    for error in about.wrong_orgs():
        raise error
    if walk.undo:
        await walk.choose_undo()
    data: JSON = {
        **({"onboarding": walk.onboarding.values()} if walk.undo else {}),
        "api_url": session.client.base_url,
        "org_id": "" if isinstance(org, str) else org.id,  # as the org says; a setting proves nothing
        "backend": wanted,
        **kind_of(walk.settings),
        _COUNTED[wanted].replace(" ", "_"): count,
        "doctor": about.as_json(),
    }
    counted = f"{count} {_COUNTED[wanted]}" if wanted == "platform" else f"{count}"
    return Result("connect", "done", f"Connected: the org serves {API_NAMES[wanted]} ({counted} exist)", data)


async def _validate_bucket(walk: WalkContext) -> Result:
    return judged(walk, await look_at(walk, bucket_of(walk)))


async def _plan(walk: WalkContext) -> Result:
    walk.look_for_unfinished()
    load_profile(walk.onboarding.profile)  # a mistyped name is refused here, too: a plan may be all that is asked for
    before, plan = walk.plan, await walk.make_plan()
    walk.plan = plan
    walk.journal.append(PLAN_MADE, {"plan": plan.model_dump(mode="json")})
    if before is None or before.checksum != plan.checksum:
        walk.consent = Consent()
    data = plan.as_json()
    if not plan.changes:
        return Result("plan", "done", _NOTHING_TO_UNDO if walk.undo else _NOTHING_TO_DO, data)
    words = ", ".join(f"{change.action} {change.kind}" for change in plan.changes)
    return Result("plan", "done", f"{len(plan.changes)} to change: {words}", data)


async def _approve(walk: WalkContext) -> Result:
    plan, needed = walk.reviewed_plan(), walk.needs_consent()
    refuse_unapproved(walk, walk.approval, plan)
    missing = [name for name in needed if not agrees(walk, name)]
    if missing:
        raise ConsentMissing(
            "The plan needs consent",
            cause="; ".join(f"{name}: {_what_is_unsafe(walk, name)}" for name in missing),
            fix=_bucket_first(walk, missing) + _how_to_agree(walk, missing),
        )
    data = note_approval(walk, plan.checksum, needed, walk.approval if plan.changes else None)
    consented = f", with consent to {', '.join(needed)}" if needed else ""
    words = f"{len(plan.changes)} to change" if plan.changes else "nothing to change"
    by = f" by key {key_id(walk.approval.statement.key)}" if walk.approval and plan.changes else ""
    return Result("approve", "done", f"Approved{by}: {words}{consented}", data)


def _how_to_agree(walk: WalkContext, missing: list[str]) -> str:
    if approvers_of(walk.settings, walk.onboarding):
        how = HOW_TO_GET_ONE_OF_AN_UNFIT_BUCKET if "failed-validation" in missing else HOW_TO_GET_ONE
        return f"a second key must agree: {how}. Nothing was applied"
    name = walk.onboarding.target.name
    return f"{options_for(missing)}; in the notebook: type the target's name, {name}, and a reason. Nothing was applied"


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
        words = f"{_NOTHING_TO_UNDO if walk.undo else _NOTHING_TO_DO}, so nothing was applied"
        return Result("apply", "done", words, {"changes": 0})
    words = applied_words(written, removal=walk.removal, undo=bool(walk.undo))
    return Result("apply", "done", words, {"changes": written})


async def _plan_to_carry_out(walk: WalkContext) -> Plan:
    """The plan as it is now. Where it will be carried out, the bucket is looked at once more, right before that."""
    plan = await walk.make_plan()
    if plan.checksum != walk.reviewed_plan().checksum:
        return plan  # which is refused as stale
    refuse_unapproved(walk, noted_approval(walk, plan.checksum, run_id=walk.run_id), plan)
    if plan.changes and walk.routes(plan):
        writing = Writing("apply", plan.checksum, walk.needs_consent(), ". Nothing was applied")
        await refuse_unfit(walk, bucket_of(walk), writing)
    return plan


async def _resume(walk: WalkContext, name: str = "resume", *, accept: bool = False) -> Result:
    if not walk.unfinished:
        return Result(name, "done", "Nothing to resume: no apply is unfinished")
    changes = len(walk.unfinished.plan.changes)
    async with walk.recovering(walk.unfinished) as applier:
        summary = _sentence(await applier.resume(partial(_before_it_goes_on, walk), accept=accept))
    return Result(name, "done", summary, {"changes": changes})


async def _before_it_goes_on(walk: WalkContext, apply: Progress) -> None:
    """A second key must have approved it, where that is required. The bucket is looked at once more, unless the rest of
    the apply only takes something away."""
    if apply.rolling_back:
        return
    refuse_unapproved_unfinished(walk, apply, walk.begun_with(apply))
    if not any(change.after for change in apply.plan.changes):
        return
    bucket = bucket_of_unfinished(walk, apply)
    if apply.plan.undoes and not routes_again(apply.plan, bucket.onboarding, bucket.backend):
        return
    otherwise = "; or undo the apply: `opslib rollback`. Nothing more was written"
    await refuse_unfit(walk, bucket, Writing("resume", apply.checksum, (), otherwise))


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
                fix="plan again to see what differs; this step wrote nothing",
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
    if walk.state("apply") == "done" and not (walk.removal or walk.undo):
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
    """An approval holds neither for another plan nor for a bucket that fails its validation later, nor where another
    key is required since."""
    second_key = {
        **({"second_key": walk.approval.model_dump(mode="json")} if walk.approval else {}),
        **({"approvers": walk.settings.approvers} if walk.settings.approvers else {}),
    }
    return {
        **second_key,
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


# The bucket's check depends on the policy's days, and the plan on the bucket.
_ONBOARDING = ("validate_bucket", "plan")

STEPS = _by_name(
    Step("connect", "Connect", (), _connection, _connect),
    Step("validate_bucket", "Validate the bucket", ("connect",), _bucket, _validate_bucket, typed_at=_ONBOARDING),
    Step("plan", "Plan", ("connect",), lambda walk: walk.wanted(), _plan, typed_at=_ONBOARDING),
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
