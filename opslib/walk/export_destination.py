"""Where an export job sends recordings: the target of the onboarding, as the org has it, if it is on."""

from collections.abc import Iterable, Mapping

from opslib.archive.backfill_plan import Where
from opslib.errors import InvalidInput
from opslib.genesys.backend import JSON
from opslib.onboarding.models import Onboarding
from opslib.walk.session import Session


async def export_destination(session: Session, onboarding: Onboarding, bucket: str) -> Where:
    """The active S3 integration that the onboarding names, or its storage target. It must export to this bucket, that
    of the verification, which otherwise would never find what is exported.

    Raises InvalidInput where there is none.
    """
    backend, target = session.backends[onboarding.backend], onboarding.target
    found = await backend.read("target", target.id if backend.ids_are_ours else target.name)
    if found is None:
        raise _refused(f"the org has no target {target.name} ({target.id})", "onboard it first: `opslib apply FILE`")
    if state := _why_off(found):
        raise _refused(f"{target.name} is {state}", "switch it on, and see `opslib plan FILE`")
    if bucket not in _values(found):
        fix = "name the onboarding of that bucket (OPSLIB_ONBOARDING), or verify the bucket of this one"
        raise _refused(f"{target.name} does not export to {bucket}, which was verified", fix)
    return Where(api=session.settings.api_base, integration_id=found["id"], integration=target.name, bucket=bucket)


def _why_off(target: JSON) -> str:
    """The state of one that exports nothing now; empty for one that does."""
    if "reportedState" not in target:
        return "" if target.get("enabled", True) else "switched off"
    code = (target.get("reportedState") or {}).get("code", "in no known state")
    return "" if code == "ACTIVE" else str(code)


def _values(target: JSON) -> Iterable[object]:
    """What its configuration says, whatever its fields are called."""
    settings: Mapping[str, object] = target.get("properties") or target.get("configuration") or {}
    return settings.values()


def _refused(cause: str, fix: str) -> InvalidInput:
    return InvalidInput("There is nowhere to export to", cause=cause, fix=f"{fix}; nothing was sent")
