"""Whether the user agrees to something unsafe, and the note of it in the ledger."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from opslib.ledger.actor import machine
from opslib.onboarding.models import Consent
from opslib.router.journal import APPROVAL
from opslib.walk.context import WalkContext


def agrees(walk: WalkContext, name: str) -> bool:
    """Whether the user agrees to an unsafe change that they were shown, and still does today."""
    return walk.consent.covers(name, walk.onboarding.target.name) and walk.consent.last_day(_today()) >= _today()


def agrees_by_name(walk: WalkContext, name: str) -> bool:
    """The same of what they could not be shown yet: the target's name, typed, agrees to what stood above it."""
    return name in walk.consent.allow and agrees(walk, name)


def agreed_to(walk: WalkContext, checksum: str, name: str) -> bool:
    """Whether the last approval of just this plan agreed to it, and still holds today."""
    given = [one for one in walk.journal.ledger.proved_entries(APPROVAL) if one.data["checksum"] == checksum]
    return any(name in one.data["unsafe"] and _last_day(one.data, one.at) >= _today() for one in given[-1:])


def note_approval(walk: WalkContext, checksum: str, unsafe: Sequence[str]) -> dict[str, Any]:
    """Note the user's agreement to just this plan, and to what is unsafe; what was noted."""
    data = {"checksum": checksum, "unsafe": list(unsafe), **walk.consent.model_dump(mode="json")}
    walk.journal.append(APPROVAL, {**data, **machine()})
    return data


def options_for(names: Sequence[str]) -> str:
    """What to type on the command line to agree."""
    return " ".join(f"--allow {name}" for name in names) + ' --reason "…"'


def _last_day(approval: dict[str, Any], at: str) -> date:
    until = approval.get("until")  # older ledgers do not have it
    consent = Consent(until=date.fromisoformat(until) if until else None)
    return consent.last_day(datetime.fromisoformat(at).date())


def _today() -> date:
    return datetime.now(UTC).date()
