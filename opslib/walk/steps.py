"""The walk: one onboarding as steps, from the first connection to the report.

connect → validate the bucket → plan → approve → apply → see an event arrive → report. Steps know nothing of widgets:
a notebook's cell, a card's button and the command line all call `Walk.run`. An apply that a crash or a stop left
unfinished is finished or undone by the two steps of `RECOVERY`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from pydantic import SecretStr

from opslib.credentials import AwsKeys, KeyReference, RoleReference
from opslib.errors import BucketUnfit, ConsentMissing, OpslibError, StalePlan
from opslib.genesys.backend import Backend
from opslib.genesys.datalake import Catalogue
from opslib.genesys.recorder import Recorder, current_step
from opslib.ledger.ledger import Ledger
from opslib.onboarding.example import wanted_onboarding
from opslib.onboarding.models import BackendName, Consent, Onboarding
from opslib.router.apply import Applier, refuse_unfinished
from opslib.router.journal import Progress, last_applies
from opslib.router.lock import apply_lock
from opslib.router.plan import UNSAFE, Plan, make_plan, make_removal
from opslib.settings import Settings
from opslib.validator.bucket import check_bucket
from opslib.validator.profiles import load_profile
from opslib.validator.render import counts
from opslib.validator.wanted import wanted_of
from opslib.walk.doctor import API_NAMES, examine, not_served
from opslib.walk.resume import PLAN_MADE, Earlier, earlier_walk, org_of
from opslib.walk.session import Session
from opslib.walk.state_machine import JSON, Result, State, StateMachine, Step, hash_of

__all__ = ["CHANGING", "RECOVERY", "STEPS", "Result", "State", "Step", "Walk"]

# How long an event may take to reach the data lake.
_EVENT_WITHIN_S = 15.0


class Walk(StateMachine):
    """One onboarding, step by step. `onboarding`, `settings` and `consent` may be replaced at any time; what depends
    on them becomes stale.

    Usable as `async with`; `aclose` ends the connections and notes a checkpoint. `command` is what the ledger calls
    this run; an audit shows the newest "walk". With `resume`, this goes on with the newest walk of the workspace that
    began with the same onboarding and org: what was chosen and done comes back from the ledger, but for secrets.

    With `removal` it plans to remove the onboarding; with `rotate_credentials`, to write the target's secret again.
    A walk that is given a `session` shares its token and rate gate with others.
    """

    def __init__(
        self,
        onboarding: Onboarding | None = None,
        settings: Settings | None = None,
        *,
        command: str = "walk",
        resume: bool = False,
        removal: bool = False,
        rotate_credentials: bool = False,
        session: Session | None = None,
    ) -> None:
        self._settings = settings or (session.settings if session else Settings.load())
        self._onboarding = onboarding or wanted_onboarding(self._settings)
        self._consent = Consent()
        self.removal, self.rotate_credentials = removal, rotate_credentials
        self.plan: Plan | None = None
        began_with = hash_of(self.given())
        ledger = Ledger(self._settings.home, self._settings.signing_key)
        earlier = earlier_walk(ledger, began_with, self._settings) if resume else None
        about = {"backend": self._onboarding.backend, "began_with": began_with}
        super().__init__(STEPS | RECOVERY, earlier.go_on() if earlier else ledger.start_run(command, **about))
        self.recorder = Recorder(self.journal.append)
        self.applier: Applier | None = None
        # How far each running step is: how many parts are done, of how many, and what is under way.
        self.progress: dict[str, tuple[int, int, str]] = {}
        self._last_applies = last_applies(self.journal.ledger)
        self._shared_session = session
        self._session: Session | None = None
        self._connected_with: SecretStr | None = None
        if earlier:
            self._take_up(earlier)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the connections and note a checkpoint."""
        if self._session:
            await self._session.aclose()
        self.journal.ledger.checkpoint()

    @property
    def onboarding(self) -> Onboarding:
        """The desired state."""
        return self._onboarding

    @onboarding.setter
    def onboarding(self, value: Onboarding) -> None:
        self._onboarding = value
        self.changed()

    @property
    def settings(self) -> Settings:
        """Where the org is, and the OAuth client; used by the next `connect`."""
        return self._settings

    @settings.setter
    def settings(self, value: Settings) -> None:
        self._settings = value
        self.changed()

    @property
    def consent(self) -> Consent:
        """What unsafe changes of the plan the user agrees to; used by `approve`. Another plan needs it anew."""
        return self._consent

    @consent.setter
    def consent(self, value: Consent) -> None:
        self._consent = value
        self.changed()

    async def credentials(self) -> AwsKeys | RoleReference:
        """What Genesys writes with. Raises AwsCredentialsInvalid when a variable that is named is not set."""
        reference = self._onboarding.target.credentials
        # In a thread: a profile may ask SSO or STS.
        return await asyncio.to_thread(reference.resolve) if isinstance(reference, KeyReference) else reference

    async def make_plan(self) -> Plan:
        """What would change now, read from the org. With `removal`, what it takes to remove the onboarding."""
        if self.removal:
            return await make_removal(self.backend, self._onboarding)
        return await make_plan(self.backend, self._onboarding, await self.credentials(), rotate=self.rotate_credentials)

    def wanted(self) -> JSON:
        """All that the plan depends on, but for the org itself."""
        return {"onboarding": self._onboarding.values(), "removal": self.removal, "rotate": self.rotate_credentials}

    def given(self) -> JSON:
        """All that the user has chosen, without secrets."""
        return {"org": org_of(self._settings), "consent": self._consent.model_dump(mode="json"), **self.wanted()}

    def _take_up(self, earlier: Earlier) -> None:
        """What was chosen comes first: a result counts only for just that."""
        self._onboarding, self._settings, self._consent = earlier.onboarding, earlier.settings, earlier.consent
        self.plan, self._connected_with = earlier.plan, earlier.settings.client_secret
        for entry in earlier.run.entries():
            self.recorder.recall(entry.kind, entry.data)
        self.recall(earlier.ends)

    def _holds(self, result: Result) -> bool:
        """A new secret makes `connect` stale. It is compared here and is no input: those are hashed in the ledger."""
        same = result.step != "connect" or self._connected_with == self._settings.client_secret
        return same and super()._holds(result)

    def reviewed_plan(self) -> Plan:
        """The plan that the last run of `plan` showed."""
        assert self.plan  # noqa: S101 (held by the steps' needs)
        return self.plan

    def needs_consent(self) -> list[str]:
        """What of the plan is unsafe, by name; a bucket that did not pass is unsafe, too."""
        plan, bucket = self.reviewed_plan(), self.state("validate_bucket")
        unproven = not self.removal and (bucket == "failed" or (plan.changes and bucket != "done"))
        return [*plan.unsafe, *(["failed-validation"] if unproven else [])]

    @property
    def session(self) -> Session:
        """The session that `connect` opened; after a restart, one for the same settings. Raises InvalidInput."""
        if self._session is None:
            self._session = self._new_session()
        return self._session

    @property
    def backend(self) -> Backend:
        """The API that carries the onboarding, on the walk's session."""
        return self.session.backends[self._onboarding.backend]

    async def open_session(self) -> Session:
        """A session for the settings as they are now; an earlier one is closed. Raises InvalidInput."""
        self._connected_with = self._settings.client_secret
        session = self._new_session()
        if self._session:
            await self._session.aclose()
        self._session = session
        return session

    def _new_session(self) -> Session:
        if self._shared_session and self._shared_session.settings == self._settings:
            return self._shared_session.share(self.recorder)
        return Session(self._settings, self.recorder)

    @property
    def run_id(self) -> str:
        """The run in the ledger."""
        return self.journal.id

    async def run_all(self, consent: Consent | None = None) -> list[Result]:
        """Every step in order; see `in_order`."""
        return [result async for result in self.in_order(consent)]

    async def in_order(self, consent: Consent | None = None, *, until: str = "report") -> AsyncIterator[Result]:
        """Run the steps in order, up to and with `until`, and give each result as it comes.

        `consent` is given to the plan that is made on the way. A bucket that fails its validation does not end the walk
        here: `approve` refuses it, unless the consent allows it with a reason. Raises the first other error.
        """
        for name in STEPS:
            if name == "approve" and consent:
                self.consent = consent
            yield await self._run_or_leave_to_approve(name)
            if name == until:
                return

    async def _run_or_leave_to_approve(self, name: str) -> Result:
        try:
            return await self.run(name)
        except OpslibError:
            failed = self.result(name)
            if name != "validate_bucket" or failed is None:
                raise
            return failed

    def cancel(self, name: str) -> None:
        """Stop a running step. What it had sent stays sent; the ledger says that it was cancelled.

        Changes are not torn apart: the one in flight is finished first. A second call ends it at once.
        """
        if self.applier and not self.applier.stopping and self.state(name) == "running" and name in CHANGING:
            self.applier.stop()
        else:
            super().cancel(name)

    def blockers(self, name: str) -> list[str]:
        """Why a step cannot run yet. While changes are made or undone, nothing takes away what they rest on."""
        busy = [one for one in CHANGING if one in self._tasks] if name in ("connect", "plan", *CHANGING) else ()
        return [*(f"“{self.steps[one].title}” is running" for one in busy), *super().blockers(name)]

    @property
    def last_apply(self) -> Progress | None:
        """The newest apply to the org that the settings name, as the ledger told it last."""
        configured = self._settings.api_url or self._settings.region
        return self._last_applies.get(self._settings.api_base) if configured else None

    @property
    def unfinished(self) -> Progress | None:
        """The same, if a crash or a stop left it unfinished."""
        return self.last_apply if self.last_apply and not self.last_apply.ended else None

    def look_for_unfinished(self) -> None:
        """Ask the ledger again: another process may have been at work. Raises Busy when there is one."""
        self._last_applies = last_applies(self.journal.ledger)
        refuse_unfinished(self.unfinished)

    @asynccontextmanager
    async def changing(self, backend: Backend) -> AsyncIterator[Applier]:
        """What makes and undoes changes through the backend, with its progress in `progress`."""
        self.applier = Applier(backend, self.journal, tell=self.teller())
        try:
            yield self.applier
        finally:
            self.applier = None
            self._last_applies = last_applies(self.journal.ledger)

    @asynccontextmanager
    async def recovering(self, progress: Progress) -> AsyncIterator[Applier]:
        """The same for an apply that was left unfinished: on its own API, whatever the onboarding is for."""
        session = await self.open_session()
        async with self.changing(session.backends[progress.plan.backend]) as applier:
            yield applier

    def teller(self) -> Callable[[int, int, str], None]:
        """What the running step, which asks for it, says how far it is with."""
        step = current_step()

        def tell(done: int, total: int, words: str) -> None:
            self.progress[step] = (done, total, words)
            self.changed()

        return tell

    def _ended(self, name: str, task: asyncio.Task[Any] | None) -> None:
        self.progress.pop(name, None)
        super()._ended(name, task)


# What `probe` counts.
_COUNTED: dict[BackendName, str] = {"storage-targets": "targets", "platform": "retention policies"}


async def _connect(walk: Walk) -> Result:
    session, wanted = await walk.open_session(), walk.onboarding.backend
    found = await walk.backend.probe()
    if found is None:
        raise await not_served(session.client, session.backends, wanted)
    about = await examine(session.client, session.backends, wanted)
    data: JSON = {
        "api_url": session.client.base_url,
        "org_id": about.organization.id if about.organization else "",  # as the org says; a setting proves nothing
        "backend": wanted,
        _COUNTED[wanted].replace(" ", "_"): found,
        "doctor": about.as_json(),
    }
    counted = f"{found} {_COUNTED[wanted]}" if wanted == "platform" else f"{found}"
    return Result("connect", "done", f"Connected: the org serves {API_NAMES[wanted]} ({counted} exist)", data)


async def _validate_bucket(walk: Walk) -> Result:
    credentials = await walk.credentials()
    keys = credentials if isinstance(credentials, AwsKeys) else None
    found = await check_bucket(
        wanted_of(walk.onboarding, credentials, walk.settings.region),
        load_profile(walk.onboarding.profile),
        keys,
        walk.teller(),
    )
    if found.trouble:  # what is not there has no findings, but a cause and a fix
        raise found.trouble
    report = found.as_json()
    summary = f"Bucket {report['bucket']}, profile {report['profile']}: {counts(report)}"
    if report["verdict"] == "FAIL":
        return Result("validate_bucket", "failed", summary, report, _unfit(report))
    return Result("validate_bucket", "done" if report["verdict"] == "PASS" else "unknown", summary, report)


def _unfit(report: JSON) -> BucketUnfit:
    failed = [one for one in report["findings"] if one["verdict"] == "FAIL"]
    return BucketUnfit(
        f"Bucket {report['bucket']} is not fit for recordings",
        cause="; ".join(f"{one['title']}: {one['cause']}" for one in failed),
        fix=" ".join(one["fix"] for one in failed) + f" Or, for a table: opslib check-bucket {report['bucket']}",
    )


async def _plan(walk: Walk) -> Result:
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


async def _approve(walk: Walk) -> Result:
    plan, consent, needed = walk.reviewed_plan(), walk.consent, walk.needs_consent()
    missing = [name for name in needed if not consent.covers(name, walk.onboarding.target.name)]
    if missing:
        raise ConsentMissing(
            "The plan needs consent",
            cause="; ".join(f"{name}: {_what_is_unsafe(walk, name)}" for name in missing),
            fix=_bucket_first(walk, missing)
            + " ".join(f"--allow {name}" for name in missing)
            + (' --reason "…"' if "failed-validation" in missing else "")
            + f"; in the notebook: type the target's name, {walk.onboarding.target.name}"
            + (", and a reason" if "failed-validation" in missing else "")
            + ". Nothing was written",
        )
    data = {"checksum": plan.checksum, "unsafe": needed, **consent.model_dump(mode="json")}
    walk.journal.append("approval", data)
    said = f", with consent to {', '.join(needed)}" if needed else ""
    words = f"{len(plan.changes)} to change" if plan.changes else "nothing to change"
    return Result("approve", "done", f"Approved: {words}{said}", data)


def _bucket_first(walk: Walk, missing: list[str]) -> str:
    """To mend the bucket comes before going on without it."""
    found = walk.result("validate_bucket") if "failed-validation" in missing else None
    if not (found and found.error):
        return "on the command line: "
    return f"{found.error.fix}; then run this again. To go on without that, on the command line: "


def _what_is_unsafe(walk: Walk, name: str) -> str:
    found = walk.result("validate_bucket") if name == "failed-validation" else None
    said = [found.summary, found.error.cause if found.error else ""] if found else []
    return ": ".join(filter(None, [UNSAFE[name], *said]))


async def _apply(walk: Walk) -> Result:
    async with walk.changing(walk.backend) as applier:
        written = await applier.apply(walk.reviewed_plan(), walk.onboarding.target.credentials, walk.make_plan)
    if not written:
        return Result("apply", "done", "Nothing to do: no write was sent", {"changes": 0})
    words = "change" if written == 1 else "changes"
    done = "removed, and read back as gone" if walk.removal else f"{words} applied and read back"
    return Result("apply", "done", f"{written} {done}", {"changes": written})


async def _resume(walk: Walk) -> Result:
    if not walk.unfinished:
        return Result("resume", "done", "Nothing to resume: no apply is unfinished")
    async with walk.recovering(walk.unfinished) as applier:
        return Result("resume", "done", _sentence(await applier.resume()))


async def _rollback(walk: Walk) -> Result:
    if not walk.unfinished:
        return Result("rollback", "done", "Nothing to roll back: no apply is unfinished")
    async with walk.recovering(walk.unfinished) as applier:
        return Result("rollback", "done", _sentence(await applier.rollback()))


async def _see_event(walk: Walk) -> Result:
    """An event needs a change: the policy is written once more, as it is. One that is not as it was applied is left
    alone. Raises StalePlan."""
    if not walk.settings.catalogue_url:
        summary = "Not checked: OPSLIB_CATALOGUE_URL is not set, so we cannot look into the data lake"
        return Result("see_event", "unknown", summary)
    catalogue = Catalogue(walk.settings.catalogue_url, walk.recorder)
    backend = walk.backend
    _, policy, _ = await backend.items(walk.onboarding, await walk.credentials())
    with apply_lock(walk.journal):
        there = await backend.read("policy", policy.id)
        if there is None or backend.comparable(there) != backend.comparable(policy.body):
            raise StalePlan(
                f"Policy {policy.name} is not as it was applied",
                cause="somebody has changed or deleted it since",
                fix="plan again to see what differs; nothing was written",
            )
        id = str(there["id"])  # events name the server's
        known = await catalogue.event_ids(id)
        await backend.write("policy", policy.id, policy.body)
    event = await catalogue.wait_for_new(id, known, deadline_s=_EVENT_WITHIN_S)
    if event is None:
        summary = f"No event reached the data lake within {_EVENT_WITHIN_S:.0f} s"
        return Result("see_event", "unknown", summary)
    return Result("see_event", "done", f"The data lake received {event['eventType']}", {"event": event})


async def _report(walk: Walk) -> Result:
    if walk.state("apply") == "done" and not walk.removal:
        walk.session.router.routed |= {"target", "policy", "webhook"}  # each read back
    report = walk.session.router.generate_audit_report()
    metrics = report["metrics"]
    summary = f"{metrics['success_count']} of {metrics['total_operations']} operations succeeded"
    return Result("report", "done", summary, report)


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _connection(walk: Walk) -> JSON:
    return {**org_of(walk.settings), "backend": walk.onboarding.backend}


def _approval(walk: Walk) -> JSON:
    """Another plan was not approved, and a bucket that fails its validation later was not, either."""
    return {
        "consent": walk.consent.model_dump(mode="json"),
        "checksum": walk.plan.checksum if walk.plan else None,
        "validation": walk.state("validate_bucket"),
    }


def _bucket(walk: Walk) -> JSON:
    onboarding = walk.onboarding
    retention = {"profile": onboarding.profile, "policy_days": onboarding.policy.retention_days}
    return {"target": onboarding.target.model_dump(mode="json"), **retention}


def _recovery(walk: Walk) -> JSON:
    return {"apply": walk.last_apply.id if walk.last_apply else None}


def _nothing(walk: Walk) -> JSON:
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

# What to do with an apply that a crash or a stop left unfinished: one of the two.
RECOVERY = _by_name(
    Step("resume", "Finish the unfinished apply", (), _recovery, _resume),
    Step("rollback", "Undo the unfinished apply", (), _recovery, _rollback),
)

CHANGING = ("apply", *RECOVERY)
