"""The walk as pure async steps: what each needs, in which state it is, and when it has become stale.

A step's inputs are hashed together with those of the steps it needs. When an input changes later, the hash no longer
matches and the step, with all behind it, is stale: nothing has to be reset by hand. Steps know nothing of widgets;
a notebook's cell, a card's button and the command line all call `Walk.run`.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import rfc8785

from opslib import samples
from opslib.auth import GenesysAuthManager
from opslib.backends.storage_targets import policy_body
from opslib.datalake import Catalogue
from opslib.errors import ConsentMissing, InvalidInput, NotFound, OpslibError, StepBlocked
from opslib.ledger import Ledger, Run
from opslib.models import AwsKeys, Consent, KeyReference, Onboarding, RoleReference
from opslib.onboarding_file import wanted_onboarding
from opslib.router.apply import Applier, refuse_unfinished
from opslib.router.plan import UNSAFE, Plan, make_plan, make_removal
from opslib.router.storage_router import GenesysStorageRouter
from opslib.samples import Recorder
from opslib.settings import Settings
from opslib.validator.storage_validator import StorageValidator

JSON = dict[str, Any]
State = Literal["waiting", "ready", "running", "done", "failed", "unknown", "stale"]

# How long an event may take to reach the data lake.
_EVENT_WITHIN_S = 15.0


@dataclass(frozen=True)
class Result:
    """How a step ended: one line for people, data for programs, and the error if it failed."""

    step: str
    state: Literal["done", "failed", "unknown"]
    summary: str
    data: JSON = field(default_factory=dict)
    error: OpslibError | None = None
    input_hash: str = ""


@dataclass(frozen=True)
class Step:
    """One stage. `inputs` names all that its outcome depends on; `act` does it.

    The steps in `needs` must be done. Those in `after` must have ended, well or not: `act` decides what follows.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    inputs: Callable[["Walk"], JSON]
    act: Callable[["Walk"], Awaitable[Result]]
    after: tuple[str, ...] = ()


class Walk:
    """One onboarding, step by step. `onboarding` and `settings` may be replaced at any time; what depends on them
    becomes stale.

    Usable as `async with`; `aclose` ends the connections and notes a checkpoint. `on_change` callbacks are called,
    without arguments, whenever a state may have changed.
    """

    def __init__(self, onboarding: Onboarding | None = None, settings: Settings | None = None) -> None:
        self._settings = settings or Settings.load()
        self._onboarding = onboarding = onboarding or wanted_onboarding(self._settings)
        self.on_change: list[Callable[[], None]] = []
        self.journal: Run = Ledger(self._settings.home).start_run("walk", backend=onboarding.backend)
        self.recorder = Recorder(self.journal.append)
        self._consent = Consent()
        self.removal = False
        self.rotate_credentials = False
        self.plan: Plan | None = None
        self.applier: Applier | None = None
        self.progress: tuple[int, int, str] | None = None
        self._router: GenesysStorageRouter | None = None
        self._results: dict[str, Result] = {}
        self._tasks: dict[str, asyncio.Task[Result]] = {}
        # Stands for the secret in `connect`'s inputs: a new secret makes it stale, and its hash is nowhere.
        self._secrets_seen = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the connections and note a checkpoint."""
        if self._router:
            await self._router.aclose()
        self.journal.ledger.checkpoint()

    @property
    def onboarding(self) -> Onboarding:
        """The desired state."""
        return self._onboarding

    @onboarding.setter
    def onboarding(self, value: Onboarding) -> None:
        self._onboarding = value
        self._changed()

    @property
    def settings(self) -> Settings:
        """Where the org is, and the OAuth client; used by the next `connect`."""
        return self._settings

    @settings.setter
    def settings(self, value: Settings) -> None:
        self._secrets_seen += value.client_secret != self._settings.client_secret
        self._settings = value
        self._changed()

    @property
    def consent(self) -> Consent:
        """What unsafe changes the user agrees to; used by `approve`."""
        return self._consent

    @consent.setter
    def consent(self, value: Consent) -> None:
        self._consent = value
        self._changed()

    def credentials(self) -> AwsKeys | RoleReference:
        """What Genesys writes with. Raises AwsCredentialsInvalid when a variable that is named is not set."""
        reference = self._onboarding.target.credentials
        return reference.resolve() if isinstance(reference, KeyReference) else reference

    async def make_plan(self) -> Plan:
        """What would change now, read from the org. With `removal`, what it takes to remove the onboarding."""
        backend, where = self.router.backend, self.router.client.auth.base_url
        if self.removal:
            return await make_removal(backend, where, self._onboarding)
        return await make_plan(backend, where, self._onboarding, self.credentials(), rotate=self.rotate_credentials)

    def wanted(self) -> JSON:
        """All that the plan depends on, but for the org itself."""
        onboarding = self._onboarding.model_dump(mode="json")
        return {"onboarding": onboarding, "removal": self.removal, "rotate": self.rotate_credentials}

    def reviewed_plan(self) -> Plan:
        """The plan that the last run of `plan` showed."""
        assert self.plan  # noqa: S101 (held by the steps' needs)
        return self.plan

    def tell(self, done: int, total: int, words: str) -> None:
        """Progress of the apply: for who listens, in `progress`."""
        self.progress = (done, total, words)
        self._changed()

    @property
    def router(self) -> GenesysStorageRouter:
        """The router that `connect` opened; steps that use it need `connect`."""
        assert self._router  # noqa: S101 (held by the steps' needs)
        return self._router

    async def open_router(self) -> GenesysStorageRouter:
        """A router for the settings as they are now; an earlier one is closed. Raises InvalidInput."""
        auth = GenesysAuthManager.from_settings(self._settings)
        if self._router:
            await self._router.aclose()
        self._router = GenesysStorageRouter(auth, recorder=self.recorder)
        return self._router

    @property
    def run_id(self) -> str:
        """The run in the ledger."""
        return self.journal.id

    def state(self, name: str) -> State:
        """Where a step stands now."""
        if name in self._tasks:
            return "running"
        result = self._results.get(name)
        if result and result.input_hash == self._input_hash(name):
            return result.state
        if result:
            return "stale"
        return "waiting" if self.blockers(name) else "ready"

    def blockers(self, name: str) -> list[str]:
        """Why a step cannot run yet, in words; empty when it can."""
        step = _ALL[name]
        return [
            *(
                f"“{_ALL[need].title}” is {state}, and must be done first"
                for need in step.needs
                if (state := self.state(need)) != "done"
            ),
            *(
                f"“{_ALL[need].title}” is {state}, and must be run first"
                for need in step.after
                if (state := self.state(need)) not in ("done", "failed", "unknown")
            ),
        ]

    def result(self, name: str) -> Result | None:
        """How a step last ended."""
        return self._results.get(name)

    async def run(self, name: str) -> Result:
        """Run a step, or join it when it is running already.

        Raises StepBlocked when something it needs is not done, and the step's own error when it fails.
        """
        if name not in self._tasks:
            if blockers := self.blockers(name):
                raise StepBlocked(
                    f"“{_ALL[name].title}” cannot run yet",
                    cause="; ".join(blockers),
                    fix="run the steps named, in order; nothing was sent",
                )
            task = self._tasks[name] = asyncio.create_task(self._perform(_ALL[name]))
            # A task that is cancelled before it starts never reaches its own end.
            task.add_done_callback(lambda _: self._ended(name, task))
            self._changed()
        # Shielded: a caller that gives up does not end the step; `cancel` does.
        result = await asyncio.shield(self._tasks[name])
        if result.error:
            raise result.error
        return result

    def cancel(self, name: str) -> None:
        """Stop a running step. What it had sent stays sent; the ledger says that it was cancelled.

        `apply` first finishes the change in flight; a second call ends it at once.
        """
        if name == "apply" and self.applier and not self.applier.stopping:
            self.applier.stop()
            return
        if task := self._tasks.get(name):
            task.cancel()

    async def resume(self) -> str:
        """Finish what a crash or a stop left behind; says what was done. Raises RolledBack, StalePlan or HalfDone."""
        return await self._recover("resume")

    async def rollback(self) -> str:
        """Undo what a crash or a stop left behind; says what was done. Raises StalePlan or HalfDone."""
        return await self._recover("rollback")

    async def _recover(self, how: Literal["resume", "rollback"]) -> str:
        router = self._router or await self.open_router()
        self.applier = Applier(router.backend, self.journal, tell=self.tell)
        try:
            return await (self.applier.resume() if how == "resume" else self.applier.rollback())
        finally:
            self.applier = None
            self.journal.ledger.checkpoint()
            self._changed()

    async def run_all(self) -> list[Result]:
        """Every step in order. Raises the first error."""
        return [await self.run(name) for name in STEPS]

    async def _perform(self, step: Step) -> Result:
        input_hash = self._input_hash(step.name)
        try:
            # Kept before it ends: nobody sees a step that neither runs nor has its result.
            return self._keep(await self._attempt(step, input_hash), input_hash)
        finally:
            self._ended(step.name, asyncio.current_task())

    async def _attempt(self, step: Step, input_hash: str) -> Result:
        self.journal.append("step.started", {"step": step.name, "input_hash": input_hash})
        try:
            with samples.step(step.name):
                return await step.act(self)
        except OpslibError as error:
            return Result(step.name, "failed", error.title, error=error)
        except BaseException as error:
            # An earlier result no longer holds: nobody knows how far this run came.
            self._results.pop(step.name, None)
            kind = "step.cancelled" if isinstance(error, asyncio.CancelledError) else "step.crashed"
            self.journal.append(kind, {"step": step.name, "input_hash": input_hash, "error": type(error).__name__})
            raise

    def _ended(self, name: str, task: asyncio.Task[Any] | None) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]
            self._changed()

    def _keep(self, result: Result, input_hash: str) -> Result:
        kept = Result(result.step, result.state, result.summary, result.data, result.error, input_hash)
        self._results[result.step] = kept
        self.journal.append(
            f"step.{kept.state}",
            {
                "step": kept.step,
                "input_hash": input_hash,
                "summary": kept.summary,
                "data": kept.data,
                "error": kept.error.as_json() if kept.error else None,
            },
        )
        self.journal.ledger.checkpoint()
        return kept

    def _changed(self) -> None:
        for callback in self.on_change:
            callback()

    def _input_hash(self, name: str) -> str:
        step = _ALL[name]
        earlier = [self._input_hash(need) for need in (*step.needs, *step.after)]
        inputs: Any = {"inputs": step.inputs(self), "needs": earlier}
        return hashlib.sha256(rfc8785.dumps(inputs)).hexdigest()


async def _connect(walk: Walk) -> Result:
    if walk.onboarding.backend != "storage-targets":
        raise InvalidInput(
            "This release speaks the storage-targets API only",
            cause=f"the onboarding asks for backend {walk.onboarding.backend}",
            fix="use backend: storage-targets; nothing was sent",
        )
    router = await walk.open_router()
    api_url = router.client.auth.base_url
    await router.client.auth.get_access_token()
    targets = await router.backend.probe()
    if targets is None:
        raise NotFound(
            "This org does not serve the storage-targets API",
            cause=f"{api_url} answered 404 to its list of targets",
            fix="check OPSLIB_API_URL; a live Genesys Cloud org serves the platform API instead",
            status=404,
        )
    data = {"api_url": api_url, "backend": router.backend.name, "targets": targets}
    return Result("connect", "done", f"Connected: the org serves storage targets ({targets} exist)", data)


async def _validate_bucket(walk: Walk) -> Result:
    target = walk.onboarding.target
    credentials = walk.credentials()
    keys = credentials if isinstance(credentials, AwsKeys) else None
    validator = StorageValidator(
        keys.access_key_id if keys else None, keys.secret_access_key if keys else None, target.region
    )
    report = await validator.validate_bucket_and_encryption(target.bucket)
    summary = f"Bucket {target.bucket} is in {target.region} and encrypts with {report['encryption_type']}"
    return Result("validate_bucket", "done", summary, dict(report))


async def _register_target(walk: Walk) -> Result:
    target = walk.onboarding.target
    answer = await walk.router.write_target(target, walk.credentials())
    return Result("register_target", "done", f"Target {target.name} is registered", _shown(answer))


async def _bind_policy(walk: Walk) -> Result:
    policy = walk.onboarding.policy
    answer = await walk.router.write_policy(policy, walk.onboarding.target.id)
    summary = f"Policy {policy.name} keeps {', '.join(policy.recording_types)} for {policy.retention_days} days"
    return Result("bind_policy", "done", summary, _shown(answer))


async def _register_webhook(walk: Walk) -> Result:
    answer = await walk.router.write_webhook(walk.onboarding.webhook)
    return Result("register_webhook", "done", f"Webhook {walk.onboarding.webhook.name} is registered", _shown(answer))


async def _plan(walk: Walk) -> Result:
    refuse_unfinished(walk.journal)
    plan = walk.plan = await walk.make_plan()
    data = plan.as_json()
    if not plan.changes:
        return Result("plan", "done", "Nothing to do: the org is as wanted", data)
    words = ", ".join(f"{change.action} {change.kind}" for change in plan.changes)
    return Result("plan", "done", f"{len(plan.changes)} to change: {words}", data)


async def _approve(walk: Walk) -> Result:
    plan, consent = walk.reviewed_plan(), walk.consent
    validation = walk.result("validate_bucket")
    failed = plan.changes and not walk.removal and (validation is None or validation.state != "done")
    needed = [*plan.unsafe, *(["failed-validation"] if failed else [])]
    missing = [name for name in needed if not consent.covers(name, walk.onboarding.target.name)]
    if missing:
        raise ConsentMissing(
            "The plan needs consent",
            cause="; ".join(f"{name}: {UNSAFE[name]}" for name in missing),
            fix="on the command line: "
            + " ".join(f"--allow {name}" for name in missing)
            + (" --reason “…”" if "failed-validation" in missing else "")
            + f"; in the notebook: type the target's name, {walk.onboarding.target.name}. Nothing was written",
        )
    data = {"checksum": plan.checksum, "unsafe": needed, **consent.model_dump(mode="json")}
    walk.journal.append("approval", data)
    said = f", with consent to {', '.join(needed)}" if needed else ""
    words = f"{len(plan.changes)} to change" if plan.changes else "nothing to change"
    return Result("approve", "done", f"Approved: {words}{said}", data)


async def _apply(walk: Walk) -> Result:
    plan = walk.reviewed_plan()
    if not plan.changes:
        return Result("apply", "done", "Nothing to do: no write was sent", {"changes": 0})
    walk.applier = Applier(walk.router.backend, walk.journal, tell=walk.tell)
    try:
        await walk.applier.apply(plan, walk.onboarding.target.credentials, walk.make_plan)
    finally:
        walk.applier = None
    words = "change" if len(plan.changes) == 1 else "changes"
    return Result("apply", "done", f"{len(plan.changes)} {words} applied and read back", {"changes": len(plan.changes)})


async def _see_event(walk: Walk) -> Result:
    """An event needs a change: the policy is written once more, as it is."""
    policy = walk.onboarding.policy
    if not walk.settings.catalogue_url:
        summary = "Not checked: OPSLIB_CATALOGUE_URL is not set, so we cannot look into the data lake"
        return Result("see_event", "unknown", summary)
    catalogue = Catalogue(walk.settings.catalogue_url, walk.recorder)
    known = await catalogue.event_ids(policy.id)
    await walk.router.backend.write("policy", policy.id, policy_body(policy, walk.onboarding.target.id))
    event = await catalogue.wait_for_new(policy.id, known, deadline_s=_EVENT_WITHIN_S)
    if event is None:
        summary = f"No event reached the data lake within {_EVENT_WITHIN_S:.0f} s"
        return Result("see_event", "unknown", summary)
    return Result("see_event", "done", f"The data lake received {event['eventType']}", {"event": event})


async def _report(walk: Walk) -> Result:
    report = walk.router.generate_audit_report()
    metrics = report["metrics"]
    summary = f"{metrics['success_count']} of {metrics['total_operations']} operations succeeded"
    return Result("report", "done", summary, report)


def _shown(answer: Mapping[str, Any]) -> JSON:
    """The fields of an answer that people look for."""
    return {key: answer[key] for key in ("id", "name", "version", "enabled") if key in answer}


def _dump(*parts: str) -> Callable[[Walk], JSON]:
    return lambda walk: {part: getattr(walk.onboarding, part).model_dump(mode="json") for part in parts}


def _by_name(*steps: Step) -> dict[str, Step]:
    return {step.name: step for step in steps}


# The walk of notebook 01, one object a step.
STEPS = _by_name(
    Step(
        "connect",
        "Connect",
        (),
        lambda walk: {
            **walk.settings.model_dump(mode="json", include={"api_url", "login_url", "region", "client_id"}),
            "backend": walk.onboarding.backend,
            "secret": walk._secrets_seen,
        },
        _connect,
    ),
    Step("validate_bucket", "Validate the bucket", ("connect",), _dump("target"), _validate_bucket),
    Step("register_target", "Register the target", ("validate_bucket",), _dump("target"), _register_target),
    Step("bind_policy", "Bind the policy", ("register_target",), _dump("policy"), _bind_policy),
    Step("register_webhook", "Register the webhook", ("bind_policy",), _dump("webhook"), _register_webhook),
    Step("see_event", "See the event arrive", ("register_webhook",), lambda walk: {}, _see_event),
    Step("report", "Report", ("register_webhook",), lambda walk: {}, _report),
)

# The same change as one transaction: what the command line does after `connect` and `validate_bucket`.
TRANSACTION = _by_name(
    Step("plan", "Plan", ("connect",), lambda walk: walk.wanted(), _plan),
    Step(
        "approve",
        "Approve",
        ("plan",),
        lambda walk: {
            "consent": walk.consent.model_dump(mode="json"),
            # A plan that was made anew and differs was not approved.
            "checksum": walk.plan.checksum if walk.plan else None,
        },
        _approve,
        after=("validate_bucket",),
    ),
    Step("apply", "Apply", ("approve",), lambda walk: {}, _apply),
)

_ALL = STEPS | TRANSACTION
