"""Whether the user, or a second key, agrees to something unsafe, and the note of it in the ledger."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from opslib.ledger.actor import machine
from opslib.ledger.chain import Entry
from opslib.onboarding.models import Consent, Onboarding
from opslib.router.approval import Approval, terms
from opslib.router.journal import APPROVAL
from opslib.walk.context import WalkContext
from opslib.walk.second_key import approvers_of


def agrees(walk: WalkContext, name: str) -> bool:
    """Whether the user, or a second key whose approval was checked, agrees to an unsafe change that they were shown."""
    said, plan = walk.approval and walk.approval.statement, walk.plan
    by_key = bool(said and plan and plan.changes and said.checksum == plan.checksum and name in said.unsafe)
    return by_key or _agrees_alone(walk, name, walk.onboarding)


def _agrees_alone(walk: WalkContext, name: str, onboarding: Onboarding) -> bool:
    """Whether the user's own consent covers it and still holds today. Where a second key is required, it does not
    suffice."""
    if approvers_of(walk.settings, onboarding):
        return False
    return walk.consent.covers(name, walk.onboarding.target.name) and walk.consent.last_day(_today()) >= _today()


def agrees_by_name(walk: WalkContext, name: str, onboarding: Onboarding | None = None) -> bool:
    """The same of what they could not be shown yet: the target's name, typed, agrees to what stood above it."""
    return name in walk.consent.allow and _agrees_alone(walk, name, onboarding or walk.onboarding)


def agreed_to(walk: WalkContext, checksum: str, name: str) -> bool:
    """Whether the last approval of just this plan agreed to it, and still holds today."""
    given = [one for one in walk.journal.ledger.proved_entries(APPROVAL) if one.data["checksum"] == checksum]
    return any(name in one.data["unsafe"] and _last_day(one, name) >= _today() for one in given[-1:])


def note_approval(
    walk: WalkContext,
    checksum: str,
    unsafe: Sequence[str],
    approval: Approval | None = None,
    onboarding: Onboarding | None = None,
) -> dict[str, Any]:
    """Note the agreement to just this plan, and to what is unsafe; what was noted.

    A second key's `approval` is noted as a whole, so that it can be verified from the ledger alone; and with it the
    list of keys, where there is one. `onboarding` is what the plan is for, by default the walk's.
    """
    data = {"checksum": checksum, "unsafe": list(unsafe), **walk.consent.model_dump(mode="json")}
    if approval:
        data["document"] = approval.model_dump(mode="json")
    if approvers := approvers_of(walk.settings, onboarding or walk.onboarding):
        data["approvers"] = list(approvers.keys)
    walk.journal.append(APPROVAL, {**data, **machine()})
    return data


def options_for(names: Sequence[str]) -> str:
    """What to type on the command line to agree."""
    return " ".join(f"--allow {name}" for name in names) + ' --reason "…"'


def _last_day(approval: Entry, name: str) -> date:
    _, until = terms(approval.data, name)
    consent = Consent(until=date.fromisoformat(until) if until else None)
    return consent.last_day(datetime.fromisoformat(approval.at).date())


def _today() -> date:
    return datetime.now(UTC).date()
