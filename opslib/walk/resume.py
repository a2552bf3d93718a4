from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from opslib.ledger.actor import machine
from opslib.ledger.chain import Entry
from opslib.ledger.ledger import Ledger, Run
from opslib.onboarding.models import Consent, Onboarding
from opslib.router.approval import Approval
from opslib.router.journal import FINISHED, PLAN_MADE, Progress, all_applies
from opslib.router.plan import Plan
from opslib.settings import Settings

JSON = dict[str, Any]

_ENDS = ("step.done", "step.failed", "step.unknown")
_CHANGING = ("apply", "resume", "rollback", "accept", "overwrite")

# The settings that a walk's results depend on, without the secret: where the org is, and the OAuth client.
_ORG = ("api_url", "login_url", "region", "org_id", "client_id")


def org_of(settings: Settings) -> JSON:
    """The org that the settings name, without the secret."""
    return settings.model_dump(mode="json", include=set(_ORG))


@dataclass(frozen=True)
class SavedWalk:
    """A walk that the ledger holds, with the choices its user had made when a step was last started.

    `ends` holds how the last run of each step ended; a step that was stopped, or cut off when the program ended, is not
    in it. `applied` is the start of “apply” where that was cut off after the org had all changes.
    """

    run: Run
    onboarding: Onboarding
    settings: Settings
    consent: Consent
    approval: Approval | None
    plan: Plan | None
    ends: dict[str, Entry]
    applied: Entry | None

    def resume(self) -> Run:
        """The same run, after noting who resumed it, and the end of an “apply” of which only that is missing."""
        self.run.append("run.resumed", machine())
        if self.applied and self.plan:
            count, given = len(self.plan.changes), self.applied.data["given"]
            end = {"step": "apply", "input_hash": self.applied.data["input_hash"], "error": None}
            said = {
                "summary": applied_words(count, removal=given["removal"], undo="undo" in given),
                "data": {"changes": count},
            }
            self.ends["apply"] = self.run.append("step.done", {**end, **said})
        return self.run


def applied_words(changes: int, *, removal: bool, undo: bool = False) -> str:
    """What the step “apply” says at its end."""
    if undo:
        return f"{changes} {'object' if changes == 1 else 'objects'} restored to what was there before, and read back"
    if removal:
        return f"{changes} removed, and read back as gone"
    return f"{changes} {'change' if changes == 1 else 'changes'} applied and read back"


def find_saved_walk(ledger: Ledger, began_with: str, settings: Settings) -> SavedWalk | None:
    """The newest walk that began with the same inputs (by hash); None when none of its steps was ever started, or none
    is signed. Raises LedgerError for a ledger that was changed.

    Its plan does not count any more once another run has changed the same org.
    """
    runs = [
        entry.run_id
        for entry in ledger.proved_entries("run.started")
        if entry.data["command"] == "walk"
        and entry.data.get("began_with") == began_with
        and "signed_by" in entry.data  # older ledgers do not have it
    ]
    given, plan, ends = None, None, dict[str, Entry]()
    begun = applied = None  # the newest start of the step “apply”, and the same once all was applied
    for entry in ledger.proved_entries("step.started", *_ENDS, PLAN_MADE, FINISHED, run_id=runs[-1]) if runs else ():
        if entry.kind == "step.started":
            given, step = entry.data["given"], entry.data["step"]
            ends.pop(step, None)
            if step in _CHANGING:
                begun, applied = entry if step == "apply" else None, None
        elif entry.kind in _ENDS:
            ends[entry.data["step"]] = entry
        elif entry.kind == FINISHED and entry.data["how"] == "done":
            applied = begun
        elif entry.kind == PLAN_MADE:
            plan = Plan.model_validate(entry.data["plan"])
    if given is None:
        return None
    onboarding, consent = Onboarding.model_validate(given["onboarding"]), Consent.model_validate(given["consent"])
    approval = Approval.model_validate(given["approval"]) if given.get("approval") else None
    org = _settings_for(given["org"], settings)
    if plan and "plan" in ends and _changed_since(ledger, runs[-1], plan.where, ends["plan"].seq):
        del ends["plan"]
    cut_off = applied if "apply" not in ends else None
    return SavedWalk(Run(ledger, runs[-1]), onboarding, org, consent, approval, plan, ends, cut_off)


def client_of(ledger: Ledger, apply: Progress) -> str:
    """The id of the OAuth client that an apply was begun with; empty where the ledger does not say."""
    begun = ledger.proved_entries("step.started", run_id=apply.run_id)
    return next((str(entry.data["given"]["org"]["client_id"]) for entry in begun if "given" in entry.data), "")


def _changed_since(ledger: Ledger, run_id: str, where: str, seq: int) -> bool:
    later = (apply for apply in all_applies(ledger) if int(apply.id) > seq)
    return any(apply.run_id != run_id and apply.plan.where == where for apply in later)


def _settings_for(org: JSON, settings: Settings) -> Settings:
    """The settings for that org. The present secret belongs to the present org, so it is not sent to another one."""
    if org == org_of(settings):
        return settings
    return Settings.load(**{**dict(settings), **org, "client_secret": SecretStr("")})
