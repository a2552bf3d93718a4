"""Routes of the asynchronous query for conversations: ask, wait, read the results by cursor."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.bodies import validated
from opslib.sandbox.server.errors import ApiError, invalid_value, or_404
from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.parameters import page_size, page_start, page_token, path_id
from opslib.sandbox.server.platform.conversation_query import Conversation, ConversationQuery, find, public
from opslib.sandbox.server.platform.interval import moments
from opslib.sandbox.server.source import Source
from opslib.sandbox.server.world import World, utc, utc_now

JOBS = "/api/v2/analytics/conversations/details/jobs"
PERMISSION = "analytics:conversationDetail:view"
MAX_DAYS = 31
"""The longest interval of one query, and how long results are kept (days). Neither is published."""
KEPT_DAYS = 1
MAX_PAGE = 10_000


@dataclass
class Job:
    """One query; `found` when it is fulfilled. `available` is the data lake's right edge when it was asked."""

    id: str
    available: datetime
    state: Literal["QUEUED", "PENDING", "FAILED", "FULFILLED"] = "QUEUED"
    submitted: str = field(default_factory=utc_now)
    completed: datetime | None = None
    error: str | None = None
    found: list[Conversation] = field(default_factory=list)

    def public(self) -> dict[str, Any]:
        answer = {"state": self.state, "submissionDate": self.submitted}
        if self.completed:
            answer["completionDate"] = utc(self.completed)
            answer["expirationDate"] = utc(self.completed + timedelta(days=KEPT_DAYS))
        if self.error:
            answer["errorMessage"] = self.error
        return answer


def routes(world: World, source: Source, guard: Guard) -> list[Route]:
    jobs: dict[str, Job] = {}

    async def post(request: Request) -> Response:
        query = validated(ConversationQuery, await request.body())
        start, end = moments(query.interval)
        if end - start > timedelta(days=MAX_DAYS):
            raise invalid_value("interval: at most {days} days", days=MAX_DAYS)
        job = Job(world.identity.new_id(), source.available_until())
        found = find(query, source)
        jobs[job.id] = job
        loop, stage_s = asyncio.get_running_loop(), world.settings.stage_s
        loop.call_later(stage_s, _pend, job)
        loop.call_later(2 * stage_s, _complete, job, found, world.settings.largest_query)
        return JSONResponse({"jobId": job.id}, status_code=202)

    async def get(request: Request) -> Response:
        return JSONResponse(or_404(jobs.get(path_id(request))).public())

    async def get_results(request: Request) -> Response:
        """No cursor on the last page."""
        job = or_404(jobs.get(path_id(request)))
        if job.state != "FULFILLED":
            raise ApiError(400, "The job is not fulfilled: its state is {state}", params={"state": job.state})
        size, start = page_size(request, MAX_PAGE), page_start(request, "cursor", int) or 0
        page = [public(conversation) for conversation in job.found[start : start + size]]
        answer: dict[str, Any] = {"conversations": page, "dataAvailabilityDate": utc(job.available)}
        if start + size < len(job.found):
            answer["cursor"] = page_token(start + size)
        return JSONResponse(answer)

    async def get_availability(request: Request) -> Response:
        return JSONResponse({"dataAvailabilityDate": utc(source.available_until())})

    return [
        guard.route("GET", JOBS + "/availability", None, get_availability),
        guard.route("POST", JOBS, PERMISSION, post),
        guard.route("GET", JOBS + "/{id}", PERMISSION, get),
        guard.route("GET", JOBS + "/{id}/results", PERMISSION, get_results),
    ]


def _pend(job: Job) -> None:
    if job.state == "QUEUED":
        job.state = "PENDING"


def _complete(job: Job, found: list[Conversation], largest: int) -> None:
    job.completed = datetime.now(UTC)
    if len(found) > largest:
        job.state, job.error = "FAILED", f"The query found more than {largest} conversations; use a shorter interval"
    else:
        job.state, job.found = "FULFILLED", found
