"""What the org knows of missing recordings beside their metadata: uploads, orphans, jobs that failed, policies.

Each is asked only where it can explain something. What cannot be asked says so, and the others are asked.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from opslib.archive.ids import canonical
from opslib.archive.missing import Missing
from opslib.archive.reasons import Beside, Policies, Recorded, Unanswered, own
from opslib.archive.times import moment_ms, moment_of
from opslib.errors import OpslibError
from opslib.genesys.answers import Entity, Moment, Page, moment
from opslib.genesys.client import GenesysClient
from opslib.genesys.policies import POLICIES, exported_to
from opslib.genesys.recording_jobs import failed_recordings, recording_jobs
from opslib.genesys.recordings import orphans
from opslib.genesys.together import together
from opslib.genesys.upload_reports import Status, uploads

_UPLOADS: Final = "recording:uploadReport:view"
_ORPHANS: Final = "recording:orphan:view"
_JOBS: Final = "recording:job:view"
_POLICIES: Final = "recording:retentionPolicy:view"

_STATUSES: Final[tuple[Status, ...]] = ("Pending", "Failure", "WaitForConversation")
_REPORT_WITHIN_S: Final = 300.0
# An upload may have begun before its conversation ended.
_BEFORE_THE_END: Final = timedelta(days=1)

T = TypeVar("T")
Listed = Sequence[tuple[Missing, list[Recorded]]]
"""Rows of the list, each with the recordings that Genesys lists of its conversation."""


class _Policy(Entity):
    enabled: bool | None = None
    createdDate: Moment | None = None
    modifiedDate: Moment | None = None


async def beside(client: GenesysClient, listed: Listed, *, policies: bool) -> tuple[Beside, list[str]]:
    """What the org says, and a sentence for each thing that could not be asked. `policies`: whether it has any."""
    found, notes = Beside(moment_ms(client.now())), list[str]()
    if lost := [one for one, recordings in listed if not own(one, recordings)]:
        found = await _of_lost(client, found, lost)
    waiting = [one for missing, recordings in listed for one in own(missing, recordings) if one.not_exported]
    if waiting:
        failed = await _asked(lambda: _failed_in(client, {canonical(one.id) for one in waiting}), _JOBS)
        if isinstance(failed, Unanswered):
            notes.append(_note("Whether an export job failed for some of them", failed))
        else:
            found = replace(found, failed_in=failed)
    if policies and any(one.export_at_ms is None and canonical(one.id) not in found.failed_in for one in waiting):
        exporting = await _asked(lambda: _exporting(client), _POLICIES)
        if isinstance(exporting, Unanswered):
            notes.append(_note("Whether a policy was there before they ended", exporting))
        else:
            found = replace(found, policies=exporting)
    return found, notes


async def _of_lost(client: GenesysClient, found: Beside, lost: Sequence[Missing]) -> Beside:
    """Uploads and orphans, for those that Genesys does not list."""
    since = moment_of(min(one.ended_at_ms for one in lost)) - _BEFORE_THE_END
    uploading = await _asked(lambda: _uploads(client, since), _UPLOADS)
    orphaned = await _asked(lambda: _orphans(client), _ORPHANS)
    unanswered = [one for one in (uploading, orphaned) if isinstance(one, Unanswered)]
    return replace(
        found,
        uploads={} if isinstance(uploading, Unanswered) else uploading,
        orphans={} if isinstance(orphaned, Unanswered) else orphaned,
        unlisted=_both(unanswered),
    )


def _both(unanswered: Sequence[Unanswered]) -> Unanswered | None:
    """What is not known for lack of one of them, or of both."""
    if not unanswered:
        return None
    causes = " and ".join(dict.fromkeys(one.cause for one in unanswered))
    return Unanswered(f"Genesys does not list it, and {causes}", " ".join(dict.fromkeys(one.fix for one in unanswered)))


async def _asked(ask: Callable[[], Awaitable[T]], permission: str) -> T | Unanswered:
    try:
        return await ask()
    except OpslibError as error:
        return Unanswered.of(error, permission)


async def _uploads(client: GenesysClient, since: datetime) -> dict[str, str]:
    """The status of each upload that is not done, by its recording and by its conversation."""
    reports = await together(*(uploads(client, since, status, deadline_s=_REPORT_WITHIN_S) for status in _STATUSES))
    return {
        canonical(id): status
        for status, report in zip(_STATUSES, reports, strict=True)
        for one in report
        for id in (one.recording_id, one.conversation_id)
        if id
    }


async def _orphans(client: GenesysClient) -> dict[str, str]:
    """The status of each orphan, by its recording and by its conversation."""
    return {canonical(id): one.status for one in await orphans(client) for id in (one.id, one.conversation_id) if id}


async def _failed_in(client: GenesysClient, wanted: set[str]) -> dict[str, str]:
    """The newest job that could not export each of these, as far as one could not."""
    found: dict[str, str] = {}
    async for job in recording_jobs(client):
        if job.failed and job.query.get("action") == "EXPORT":
            async for _, recording in failed_recordings(client, job.id):
                if canonical(recording) in wanted:
                    found.setdefault(canonical(recording), job.id)
        if len(found) == len(wanted):
            break
    return found


async def _exporting(client: GenesysClient) -> Policies:
    """The policies that are switched on and export."""
    every = [one for one in await client.entities(POLICIES, Page[_Policy]) if one.get("enabled") and exported_to(one)]
    made = [_ms(one.get("createdDate")) for one in every]
    changed = [max(_ms(one.get(name)) or 0 for name in ("createdDate", "modifiedDate")) or None for one in every]
    return Policies(len(every), _of_all(min, made), _of_all(max, changed))


def _of_all(choose: Callable[[Sequence[int]], int], times: Sequence[int | None]) -> int | None:
    """None where one of them is not said."""
    known = [one for one in times if one is not None]
    return choose(known) if known and len(known) == len(times) else None


def _ms(text: str | None) -> int | None:
    return None if text is None else moment_ms(moment(text))


def _note(what: str, unanswered: Unanswered) -> str:
    return f"{what} is not known: {unanswered.cause}. {unanswered.fix}"
