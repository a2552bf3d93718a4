import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeVar

from pydantic import SecretStr

from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import DuplicateName, LedgerError, OpslibError
from opslib.genesys.backend import Backend
from opslib.genesys.recorder import Recorder, current_step
from opslib.ledger.chain import Entry
from opslib.ledger.ledger import Ledger
from opslib.ledger.workspace import kind_of, refuse_other_kind, workspace_ledger
from opslib.onboarding.example import wanted_onboarding
from opslib.onboarding.models import Consent, Onboarding
from opslib.router.apply import Applier, refuse_unfinished
from opslib.router.approval import Approval
from opslib.router.journal import Progress, current_applies, is_in_the_way, made_by_opslib, refuse_unproved
from opslib.router.lock import apply_lock
from opslib.router.plan import Plan, make_plan, make_removal
from opslib.router.undo import Past, make_undo, needs_keys, past, refuse_unknown_secret, restored, routes_again
from opslib.settings import Settings, check_aws_secret
from opslib.walk.identities import Identities
from opslib.walk.org_settings import refuse_other_settings, settings_for
from opslib.walk.resume import SavedWalk, find_saved_walk, org_of
from opslib.walk.right_org import Stated, refuse_other_org, stated_orgs
from opslib.walk.session import Session
from opslib.walk.shared import Shared
from opslib.walk.state_machine import JSON, Result, StateMachine, hash_of

T = TypeVar("T")

# What a user may replace: what depends on it becomes stale, so the listeners are told.
_CHOICES = ("onboarding", "settings", "consent", "approval")


class WalkContext(StateMachine):
    """What the steps of one walk work on: what the user has chosen, the plan, the session, and the run in the ledger.

    Usable as `async with`; `aclose` closes the connections and writes a checkpoint. `onboarding`, `settings` (used by
    the next `connect`), `consent` and `approval`, that of a second key (used by `approve`, for just its plan), may be
    replaced at any time; what depends on them becomes stale.

    Args:
        command: what the ledger calls this run; an audit shows the newest "walk".
        resume: continue the newest walk in the workspace that began with the same onboarding and org. Everything that
            was chosen and done is restored from the ledger, except secrets.
        removal: plan to remove the onboarding.
        rotate_credentials: plan to write the target's credentials again.
        undo: plan to undo the finished apply of this run, or the "last" one. The onboarding is then that apply's, and
            from `connect` on as it will be after the undo.
        session: share its token and rate gate with other walks.
        shared: share the ledger, and answers that many ask for alike, with other walks.
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
        undo: str = "",
        session: Session | None = None,
        shared: Shared | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings or (session.settings if session else settings_for(onboarding))
        self.onboarding = onboarding or wanted_onboarding(self.settings)
        self.consent = Consent()
        self.approval: Approval | None = None
        self.removal, self.rotate_credentials, self.undo = removal, rotate_credentials, undo
        self.undo_run = undo  # the run itself once it is found
        self.plan: Plan | None = None
        self.shared, self.taking_up = shared, ""  # the id of the unfinished apply to take up, where one is chosen
        ledger = shared.ledger if shared else workspace_ledger(self.settings)
        self._applies = current_applies(ledger)  # first of all: nothing is added to a ledger that was changed
        if undo and self._is_configured:
            with suppress(OpslibError):  # `connect` says it
                self._choose(ledger, past(ledger, self.settings.api_base, undo))
        began_with = hash_of(self.given())
        saved = find_saved_walk(ledger, began_with, self.settings) if resume else None
        about = {"backend": self.onboarding.backend, "began_with": began_with, **kind_of(self.settings)}
        about |= shared.about if shared else {}
        self.journal = saved.resume() if saved else ledger.start_run(command, **about)
        self.recorder, self.identities = Recorder(self.journal.append), Identities(self.journal, self.once)
        self.applier: Applier | None = None
        # How far each running step is: how many parts are done, of how many, and what is under way.
        self.progress: dict[str, tuple[int, int, str]] = {}
        self.on_progress: list[Callable[[str], None]] = []  # called with the name of the step; no state has changed
        self._shared_session = session
        self._session: Session | None = None
        self._connected_with: SecretStr | None = None
        if saved:
            self._restore(saved)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error and not isinstance(error, OpslibError):
            error.add_note(f"run {self.run_id}")
        await self.aclose()

    async def aclose(self) -> None:
        if self._session:
            await self._session.aclose()
        try:
            self.journal.ledger.checkpoint()
        except LedgerError as error:  # every entry is signed without it, and an error in flight says more
            warnings.warn(f"{error.title}: {error.cause}", stacklevel=2)

    def __setattr__(self, name: str, value: Any) -> None:
        """A choice that is replaced makes what depends on it stale, and its listeners hear of it."""
        super().__setattr__(name, value)
        if name in _CHOICES:
            self.changed()

    async def credentials(self, onboarding: Onboarding | None = None) -> AwsKeys | RoleReference:
        """What Genesys writes to the bucket with, of the walk's own onboarding or another one. Raises
        AwsCredentialsInvalid when a variable is not set."""
        reference = (onboarding or self.onboarding).target.credentials
        # In a thread: a profile may ask SSO or STS.
        if isinstance(reference, RoleReference):
            return reference
        keys = await asyncio.to_thread(reference.resolve)
        check_aws_secret(self.settings.api_base, keys.secret_access_key)
        return keys

    async def make_plan(self) -> Plan:
        """What would change now, read from the org. With `removal`, what it takes to remove the onboarding.

        Raises DuplicateName where several objects have a name; it says which of them this workspace has made.
        """
        try:
            if self.removal:
                return await make_removal(self.backend, self.onboarding)
            if self.undo:
                return await self._make_undo()
            credentials = await self.credentials()
            return await make_plan(self.backend, self.onboarding, credentials, rotate=self.rotate_credentials)
        except DuplicateName as error:
            made = made_by_opslib(self.journal.ledger)
            ours = [id for id in error.ids if id in made]
            whose = f"by this workspace's ledger, opslib made {', '.join(ours) or 'none of them'}"
            raise DuplicateName(error.title, cause=f"{error.cause}; {whose}", fix=error.fix, ids=error.ids) from None

    async def choose_undo(self) -> None:
        """Find the apply to undo, perhaps another one by now, and the onboarding as it will be.

        Raises as `past`, and WrongOrg when the session is for another org than that apply's.
        """
        found = past(self.journal.ledger, self.settings.api_base, self.undo)
        await refuse_other_org(self.session.client, self._begun_in(found.apply, "the apply to undo"))
        self._choose(self.journal.ledger, found)
        bodies = restored(found, self.onboarding, self.backend)
        self.onboarding = await self.backend.onboarding_of(self.onboarding, bodies)

    def _choose(self, ledger: Ledger, found: Past) -> None:
        self.onboarding, self.undo_run = _begun_with(ledger, found.apply), found.apply.run_id

    async def _make_undo(self) -> Plan:
        found = past(self.journal.ledger, self.backend.where, self.undo_run)
        await self.backend.onboarding_of(self.onboarding, {})
        plan = await make_undo(self.backend, found, self.onboarding, self.session.client)
        if needs_keys(plan):
            refuse_unknown_secret(plan, await self.credentials())
        return plan

    def routes(self, plan: Plan) -> bool:
        """Whether recordings are written to the onboarding's bucket once the plan is carried out."""
        if self.undo:
            return routes_again(plan, self.onboarding, self.backend)
        return not self.removal

    def wanted(self) -> JSON:
        """Everything that the plan depends on, except the org itself."""
        undo = {"undo": self.undo_run} if self.undo else {}
        return {
            "onboarding": self.onboarding.values(),
            "removal": self.removal,
            "rotate": self.rotate_credentials,
            **undo,
        }

    def given(self) -> JSON:
        approval = {"approval": self.approval.model_dump(mode="json")} if self.approval else {}
        return {
            "org": org_of(self.settings),
            "consent": self.consent.model_dump(mode="json"),
            **approval,
            **self.wanted(),
        }

    def _restore(self, saved: SavedWalk) -> None:
        """The choices come first: a result counts only for exactly those."""
        self.onboarding, self.settings, self.consent = saved.onboarding, saved.settings, saved.consent
        self.approval = saved.approval
        self.plan, self._connected_with = saved.plan, saved.settings.client_secret
        if self.undo and "connect" in saved.ends:
            self.onboarding = Onboarding.model_validate(saved.ends["connect"].data["data"]["onboarding"])
        for entry in saved.run.ledger.proved_entries("sample", "operation", run_id=saved.run.id):
            self.recorder.recall(entry.kind, entry.data)
        self.recall(saved.ends)

    def _holds(self, result: Result) -> bool:
        """A new secret makes `connect` stale. It is compared here, as inputs are hashed in the ledger."""
        same = result.step != "connect" or self._connected_with == self.settings.client_secret
        return same and super()._holds(result)

    def reviewed_plan(self) -> Plan:
        """The plan that the last run of `plan` showed."""
        assert self.plan  # noqa: S101 (held by the steps' needs)
        return self.plan

    def needs_consent(self) -> list[str]:
        """The names of what is unsafe in the plan; a bucket that did not pass counts as unsafe."""
        plan, bucket = self.reviewed_plan(), self.state("validate_bucket")
        unproven = self.routes(plan) and (bucket == "failed" or (plan.changes and bucket != "done"))
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
        return self.session.backends[self.onboarding.backend]

    async def open_session(self) -> Session:
        """A session for the settings as they are now; an earlier one is closed. Raises InvalidInput."""
        self._connected_with = self.settings.client_secret
        session = self._new_session()
        if self._session:
            await self._session.aclose()
        self._session = session
        return session

    def _new_session(self) -> Session:
        refuse_other_settings(self.onboarding, self.settings)
        if self._shared_session and self._shared_session.settings == self.settings:
            return self._shared_session.share(self.recorder)
        refuse_other_kind(self.journal.ledger, self.settings)  # they may have been replaced since the walk began
        return Session(self.settings, self.recorder)

    @property
    def run_id(self) -> str:
        return self.journal.id

    async def once(self, question: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question that other walks on the same org and AWS account may have asked already."""
        if self.shared is None:
            return await ask()
        return await self.shared.answers.once((self.settings.api_base, self.settings.client_id, question), ask)

    @property
    def last_apply(self) -> Progress | None:
        """The unfinished apply, else the newest one to the org that the settings name, as last read from the ledger."""
        return self.unfinished or next(iter(self._applies_here()[::-1]), None)

    @property
    def _is_configured(self) -> bool:
        return bool(self.settings.api_url or self.settings.region)

    @property
    def unfinished(self) -> Progress | None:
        """The apply to take up of those to this org that a crash or a stop left unfinished: the one that was chosen, or
        one of this onboarding, or the newest."""
        left = [apply for apply in self._applies_here() if not apply.ended]
        if self.taking_up:
            return next((apply for apply in left if apply.id == self.taking_up), None)
        return next((apply for apply in left if self._is_own(apply)), None) or next(iter(left[::-1]), None)

    @property
    def left_behind(self) -> Progress | None:
        """The unfinished apply that this walk has begun or taken up."""
        left = (apply for apply in self._applies_here() if not apply.ended)
        return next((apply for apply in left if apply.run_id == self.run_id or apply.id == self.taking_up), None)

    @property
    def in_the_way(self) -> Progress | None:
        """The unfinished apply that has to end before this onboarding's objects may be changed."""
        objects = list(self.onboarding.objects.items())
        here = (apply for apply in self._applies_here() if not apply.ended)
        return next((apply for apply in here if is_in_the_way(apply, self.onboarding.backend, objects)), None)

    def _is_own(self, apply: Progress) -> bool:
        changed = {(change.kind, change.id) for change in apply.plan.changes}
        return not changed.isdisjoint(self.onboarding.objects.items())

    def _applies_here(self) -> list[Progress]:
        if not self._is_configured:
            return []
        where = self.settings.api_base
        return [apply for apply in self._applies if apply.plan.where == where and self.is_of_org(apply)]

    def is_of_org(self, apply: Progress) -> bool:
        """Whether an apply at this address may be of this org: two orgs of one region have the same address."""
        ours = self.org_id.lower()
        return not ours or self.org_of(apply).lower() in ("", ours)

    @property
    def org_id(self) -> str:
        """The org's id, as it said when this walk connected; empty where it has not."""
        connected = self.result("connect")
        return str(connected.data.get("org_id") or "") if connected else ""

    def look_for_unfinished(self) -> None:
        """Read the ledger again: another process may have been at work. Raises Busy for an unfinished apply that is in
        the way."""
        self._applies = current_applies(self.journal.ledger)
        refuse_unfinished(self.in_the_way)

    @asynccontextmanager
    async def changing(self, backend: Backend, unfinished: str = "") -> AsyncIterator[Applier]:
        """An applier for the backend that reports to `progress`, perhaps to take up the apply with the id `unfinished`.
        Who changes the org is known before."""
        await self.identities.ask_genesys(self.session.client, self.settings.client_id)
        lock = self.shared.lock if self.shared else apply_lock
        self.applier = Applier(
            backend, self.journal, tell=self.teller(), unfinished=unfinished, is_of_org=self.is_of_org, lock=lock
        )
        try:
            yield self.applier
        finally:
            self.applier = None
            with suppress(LedgerError):  # the next step that needs it says so
                self._applies = current_applies(self.journal.ledger)

    @asynccontextmanager
    async def recovering(self, progress: Progress) -> AsyncIterator[Applier]:
        """An applier for an apply that was left unfinished: on that apply's API, whatever the onboarding is for.

        Raises WrongOrg when the session is for another org than that apply's.
        """
        refuse_unproved(self.journal.ledger, progress)
        session = await self.open_session()
        stated = stated_orgs(self.onboarding, self.settings)
        await refuse_other_org(session.client, [*stated, *self._begun_in(progress, "the unfinished apply")])
        async with self.changing(session.backends[progress.plan.backend], progress.id) as applier:
            yield applier

    def _begun_in(self, progress: Progress, what: str) -> list[Stated]:
        id = self.org_of(progress)
        return [Stated(f"the org of {what}", id, confirm=False)] if id else []

    def org_of(self, progress: Progress) -> str:
        """The id of the org that an apply was begun in, as that told its own walk; empty where it did not say."""
        ended = self.journal.ledger.proved_entries("step.done", run_id=progress.run_id)
        ids = [str(entry.data["data"]["org_id"]) for entry in ended if _connected(entry)]
        return ids[-1] if ids else ""

    def begun_with(self, progress: Progress) -> Onboarding:
        """What an apply's own walk was for when it began. Raises LedgerError where that is not in the ledger."""
        return _begun_with(self.journal.ledger, progress)

    def teller(self) -> Callable[[int, int, str], None]:
        """A callback with which the running step, which asks for it, reports its progress."""
        step = current_step()

        def tell(done: int, total: int, words: str) -> None:
            self.progress[step] = (done, total, words)
            for callback in self.on_progress:
                callback(step)

        return tell

    def _ended(self, name: str, task: asyncio.Task[Any] | None) -> None:
        self.progress.pop(name, None)
        super()._ended(name, task)


def _begun_with(ledger: Ledger, progress: Progress) -> Onboarding:
    begun = ledger.proved_entries("step.started", run_id=progress.run_id)
    given = [entry.data["given"] for entry in begun if entry.seq < int(progress.id) and "given" in entry.data]
    if not given:
        raise LedgerError(
            "The apply is not carried out or undone",
            cause=f"the ledger does not say for which onboarding entry {progress.id} began it",
            fix="an unfinished one can be undone with `opslib rollback`; nothing was written",
        )
    return Onboarding.model_validate(given[-1]["onboarding"])


def _connected(entry: Entry) -> bool:
    return bool(entry.data["step"] == "connect")
