"""Conversations of which something was recorded, by the asynchronous query of analytics.

Ask for an interval, wait until the job is fulfilled, read its results page by page. The data is complete until
`available_until` and not after.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from opslib.genesys.answers import Id, Moment, Shape, moment, moment_or_none
from opslib.genesys.client import GenesysClient
from opslib.genesys.cursors import pages_by_cursor
from opslib.genesys.polling import poll_until
from opslib.ledger.moment import utc_text

JOBS = "/api/v2/analytics/conversations/details/jobs"
AVAILABILITY = JOBS + "/availability"
_JOB = JOBS + "/{id}"
_RESULTS = _JOB + "/results"

FULFILLED = "FULFILLED"
_UNDER_WAY = ("QUEUED", "PENDING")
_PAGE_SIZE = 1000
# Between two looks at a job (seconds); each wait is twice the one before.
_POLL_S, _POLL_AT_MOST_S = 0.5, 15.0


class _Availability(Shape):
    dataAvailabilityDate: Moment


class _Created(Shape):
    jobId: Id


class _Status(Shape):
    state: str
    errorMessage: str | None = None


class _Segment(Shape):
    queueId: str | None = None


class _Session(Shape):
    mediaType: str | None = None
    recording: bool | None = None
    snippetRecording: bool | None = None
    segments: list[_Segment] | None = None


class _Participant(Shape):
    screenRecording: bool | None = None
    sessions: list[_Session] | None = None


class _Conversation(Shape):
    conversationId: Id
    conversationStart: Moment
    conversationEnd: Moment | None = None
    participants: list[_Participant] | None = None


class _Results(Shape):
    """Without conversations where there are none."""

    conversations: list[_Conversation] | None = None
    cursor: str | None = None


@dataclass(frozen=True)
class JobState:
    """How far a job is. `error`: Genesys's own words, where it failed."""

    state: str
    error: str = ""

    @property
    def fulfilled(self) -> bool:
        return self.state == FULFILLED

    @property
    def final(self) -> bool:
        """FULFILLED, FAILED, CANCELLED and EXPIRED are; so is a state that is not known."""
        return self.state not in _UNDER_WAY


@dataclass(frozen=True)
class Conversation:
    """`ended` is None while it lasts. `audio`, `screen`, `snippet`: what was recorded of any of its sessions."""

    id: str
    started: datetime
    ended: datetime | None
    audio: bool
    screen: bool
    snippet: bool
    media_types: tuple[str, ...]
    queue_ids: tuple[str, ...]


async def available_until(client: GenesysClient) -> datetime:
    """The time before which the org's data is complete."""
    return moment((await client.request("GET", AVAILABILITY, shape=_Availability))["dataAvailabilityDate"])


async def ask_for_recorded(client: GenesysClient, start: datetime, end: datetime) -> str:
    """Begin a job for the conversations with activity in this time and an audio recording; its id."""
    recorded = {"type": "dimension", "dimension": "recording", "operator": "matches", "value": "true"}
    query = {
        "interval": f"{utc_text(start)}/{utc_text(end)}",
        "order": "asc",
        "orderBy": "conversationStart",
        "segmentFilters": [{"type": "or", "predicates": [recorded]}],
    }
    # A query that is asked twice does no harm.
    created = await client.request("POST", JOBS, json=query, repeatable=True, shape=_Created)
    return str(created["jobId"])


async def job_state(client: GenesysClient, id: str) -> JobState:
    status = await client.request("GET", _JOB, ids={"id": id}, shape=_Status)
    return JobState(status["state"], status.get("errorMessage") or "")


async def wait_for(client: GenesysClient, id: str, *, deadline_s: float) -> JobState:
    """The job's final state, or the last one before the deadline (seconds)."""
    return await poll_until(
        lambda: job_state(client, id),
        lambda state: state.final,
        deadline_s=deadline_s,
        wait_s=_POLL_S,
        longest_wait_s=_POLL_AT_MOST_S,
    )


async def results(client: GenesysClient, id: str, *, page_size: int = _PAGE_SIZE) -> AsyncIterator[Conversation]:
    """What a fulfilled job found, page after page."""
    async for page in pages_by_cursor(client, _RESULTS, _Results, {"pageSize": page_size}, {"id": id}):
        for one in page.get("conversations") or []:
            yield _conversation(_Conversation.model_validate(one))


def _conversation(one: _Conversation) -> Conversation:
    participants = one.participants or []
    sessions = [session for participant in participants for session in participant.sessions or []]
    queues = [segment.queueId for session in sessions for segment in session.segments or [] if segment.queueId]
    return Conversation(
        id=one.conversationId,
        started=moment(one.conversationStart),
        ended=moment_or_none(one.conversationEnd),
        audio=any(session.recording for session in sessions),
        screen=any(participant.screenRecording for participant in participants),
        snippet=any(session.snippetRecording for session in sessions),
        media_types=tuple(dict.fromkeys(session.mediaType for session in sessions if session.mediaType)),
        queue_ids=tuple(dict.fromkeys(queues)),
    )
