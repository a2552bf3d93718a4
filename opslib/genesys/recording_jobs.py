"""Bulk jobs that export recordings: made, found again, carried out, and what they could not export.

A job that is made has changed nothing: it waits, READY, with the counts of what it would do. Carrying it out sets
dates; the recordings leave for S3 later. There is no other action here, and nothing that deletes.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opslib.errors import ConnectionFailed, DeadlineExceeded, OpslibError, ServerFailure, UnexpectedAnswer
from opslib.genesys.answers import JSON, Count, Entity, Moment, Page, Shape, moment, moment_or_none
from opslib.genesys.client import GenesysClient
from opslib.genesys.creations import late
from opslib.genesys.cursors import pages_by_cursor
from opslib.genesys.polling import poll_until
from opslib.ledger.moment import utc_text

JOBS = "/api/v2/recording/jobs"
_JOB = JOBS + "/{id}"
_FAILED = _JOB + "/failedrecordings"

PENDING, READY, PROCESSING, FULFILLED, FAILED = "PENDING", "READY", "PROCESSING", "FULFILLED", "FAILED"
RUNNING = (PENDING, PROCESSING)
"""The states of which an org has room for `AT_ONCE` jobs."""
AT_ONCE = 2
_PAGE_SIZE = 100
# Between two looks at a job (seconds); each wait is twice the one before.
_POLL_S, _POLL_AT_MOST_S = 0.5, 15.0
# After these, nobody knows whether the org took the request.
_UNCERTAIN = (ServerFailure, ConnectionFailed, DeadlineExceeded, UnexpectedAnswer)


class _Job(Entity):
    state: str
    user: Entity | None = None
    dateCreated: Moment | None = None
    recordingJobsQuery: dict[str, Any] | None = None
    totalConversations: Count | None = None
    totalRecordings: Count | None = None
    totalSkippedRecordings: Count | None = None
    totalFailedRecordings: Count | None = None
    totalProcessedRecordings: Count | None = None
    percentProgress: Count | None = None
    errorMessage: str | None = None


class _FailedRecording(Shape):
    conversation: Entity | None = None
    recording: Entity


@dataclass(frozen=True)
class Export:
    """What a job is to export: recordings of the conversations with activity between `start` and `end`.

    Attributes:
        at: when they are exported. To the millisecond it is also what a job is found again by: choose the time at which
            the job was planned, and keep it.
        integration_id: of the S3 integration.
        conversations: only recordings of these, by id; empty for all in the interval.
        sensitive: also recordings with payment or personal data; needs a permission of its own.
    """

    start: datetime
    end: datetime
    at: datetime
    integration_id: str
    conversations: Sequence[str] = ()
    sensitive: bool = False
    screens: bool = True
    snippets: bool = True

    def body(self) -> JSON:
        return {
            "action": "EXPORT",
            "actionDate": utc_text(self.at),
            "integrationId": self.integration_id,
            "includeRecordingsWithSensitiveData": self.sensitive,
            "includeScreenRecordings": self.screens,
            "includeSnippetRecordings": self.snippets,
            # Those that a policy keeps, too: without, a job would skip what a policy matched and does not export.
            "includePolicyBasedRecordings": True,
            "conversationQuery": {
                "interval": f"{utc_text(self.start)}/{utc_text(self.end)}",
                "order": "asc",
                "orderBy": "conversationStart",
                **({"conversationFilters": [_any_of(self.conversations)]} if self.conversations else {}),
            },
        }


@dataclass(frozen=True)
class RecordingJob:
    """A job as the org has it. `recordings` in `conversations` are exported; `skipped` were exported before.

    `by`: the id of the user or client that made it; empty where it is not said.
    """

    id: str
    state: str
    created: datetime | None
    conversations: int
    recordings: int
    skipped: int
    failed: int
    processed: int
    percent: int
    error: str
    query: JSON
    by: str = ""

    def is_for(self, export: Export) -> bool:
        """Whether it was made for this export."""
        wanted = export.body()
        conversations = self.query.get("conversationQuery") or {}
        return (
            (self.query.get("action"), self.query.get("integrationId")) == ("EXPORT", export.integration_id)
            and _same_time(self.query.get("actionDate"), wanted["actionDate"])
            and _same_interval(conversations.get("interval"), wanted["conversationQuery"]["interval"])
            and _named(conversations) == _named(wanted["conversationQuery"])
        )


async def create_job(client: GenesysClient, export: Export, *, since: datetime | None = None) -> RecordingJob:
    """Make the job, once. Where the answer is lost, or is a timeout (408, 504), the job is looked for, and the error is
    raised if it is not found within the time that a list may take: the request is not sent a second time. An
    earlier job for the same is told apart by `since`.

    Raises RateLimited also when the org already runs as many jobs as it may.
    """
    try:
        made = await client.request("POST", JOBS, json=export.body(), repeatable=False, shape=_Job)
    except _UNCERTAIN as error:
        if not _may_have_happened(error):
            raise
        found = await late(lambda: find_job(client, export, since=since))
        if found is None:
            raise
        return found
    return _job(made)


async def find_job(client: GenesysClient, export: Export, *, since: datetime | None = None) -> RecordingJob | None:
    """The job that was made for this export by this client, also in an earlier process; not one from before `since`."""
    async for one in recording_jobs(client, only_mine=True):
        if one.is_for(export) and (since is None or one.created is None or one.created >= since):
            return one
    return None


async def recording_jobs(
    client: GenesysClient, *, state: str | None = None, only_mine: bool = False
) -> AsyncIterator[RecordingJob]:
    """The org's jobs, also those of others unless `only_mine`."""
    params: dict[str, str | int] = {"pageSize": _PAGE_SIZE, "includeTotal": "false", "sortBy": "dateCreated"}
    params |= {"state": state} if state else {}
    params |= {"showOnlyMyJobs": "true"} if only_mine else {}
    async for page in pages_by_cursor(client, JOBS, Page[_Job], params):
        for one in page["entities"]:
            yield _job(one)


async def running_jobs(client: GenesysClient) -> list[RecordingJob]:
    """The jobs of anybody in this org that take up its room."""
    return [one for state in RUNNING async for one in recording_jobs(client, state=state)]


async def recording_job(client: GenesysClient, id: str) -> RecordingJob:
    return _job(await client.request("GET", _JOB, ids={"id": id}, shape=_Job))


async def wait_while(
    client: GenesysClient,
    id: str,
    *states: str,
    deadline_s: float,
    tell: Callable[[RecordingJob], object] = lambda _: None,
) -> RecordingJob:
    """The job once it is in none of these states, or as it was before the deadline (seconds). `tell` is told of it
    at each look."""

    async def look() -> RecordingJob:
        job = await recording_job(client, id)
        tell(job)
        return job

    return await poll_until(
        look,
        lambda job: job.state not in states,
        deadline_s=deadline_s,
        wait_s=_POLL_S,
        longest_wait_s=_POLL_AT_MOST_S,
    )


async def execute_job(client: GenesysClient, id: str) -> RecordingJob:
    """Carry out a job that is READY. Where the answer is lost, the job's own state says whether it took effect.

    Only the client that made the job may do it. Raises RateLimited as `create_job` does.
    """
    try:
        # Sent twice, the second is refused: the job is no longer READY.
        body = {"state": PROCESSING}
        return _job(await client.request("PUT", _JOB, ids={"id": id}, json=body, repeatable=False, shape=_Job))
    except _UNCERTAIN as error:
        if not _may_have_happened(error):
            raise
        job = await recording_job(client, id)
        if job.state not in (PROCESSING, FULFILLED, FAILED):
            raise
        return job


async def failed_recordings(client: GenesysClient, id: str) -> AsyncIterator[tuple[str, str]]:
    """Conversation and recording of each that the job could not export; without a conversation where it is not said."""
    params: dict[str, str | int] = {"pageSize": _PAGE_SIZE, "includeTotal": "false"}
    async for page in pages_by_cursor(client, _FAILED, Page[_FailedRecording], params, {"id": id}):
        for one in page["entities"]:
            yield (one.get("conversation") or {}).get("id", ""), one["recording"]["id"]


def _job(one: JSON) -> RecordingJob:
    return RecordingJob(
        id=one["id"],
        state=one["state"],
        created=moment_or_none(one.get("dateCreated")),
        conversations=one.get("totalConversations") or 0,
        recordings=one.get("totalRecordings") or 0,
        skipped=one.get("totalSkippedRecordings") or 0,
        failed=one.get("totalFailedRecordings") or 0,
        processed=one.get("totalProcessedRecordings") or 0,
        percent=one.get("percentProgress") or 0,
        error=one.get("errorMessage") or "",
        query=one.get("recordingJobsQuery") or {},
        by=(one.get("user") or {}).get("id", ""),
    )


def _may_have_happened(error: OpslibError) -> bool:
    """Not after an answer that refuses the request itself."""
    status = error.status
    return status is None or status == 408 or status < 300 or status >= 500


def _any_of(conversations: Sequence[str]) -> JSON:
    predicates = [{"type": "dimension", "dimension": "conversationId", "value": one} for one in conversations]
    return {"type": "or", "predicates": predicates}


def _named(query: JSON) -> set[str]:
    """The conversations that a query names, however the org writes its filters back."""
    predicates = (one for each in query.get("conversationFilters") or [] for one in each.get("predicates") or [])
    return {str(one.get("value")) for one in predicates if one.get("dimension") == "conversationId"}


def _same_interval(one: object, other: str) -> bool:
    """However each of the two writes its times."""
    mine, theirs = str(one).split("/"), other.split("/")
    return len(mine) == len(theirs) and all(map(_same_time, mine, theirs))


def _same_time(one: object, other: str) -> bool:
    try:
        return moment(str(one)).astimezone(UTC) == moment(other)
    except ValueError:
        return False
