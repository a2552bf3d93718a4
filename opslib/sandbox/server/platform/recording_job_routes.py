"""Routes of the bulk jobs that export recordings."""

import asyncio
from collections.abc import Iterable
from typing import Any, Literal, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.bodies import Body, validated
from opslib.sandbox.server.destinations import destination
from opslib.sandbox.server.errors import ApiError, invalid_value, or_404
from opslib.sandbox.server.guard import MISSING, Guard
from opslib.sandbox.server.oauth import Token
from opslib.sandbox.server.parameters import choice, flag, path_id
from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.platform.paging import cursor_page, numbered_page
from opslib.sandbox.server.platform.recording_jobs import JOBS, Job, JobQuery, State
from opslib.sandbox.server.source import Source

AT_ONCE = 2
SENSITIVE = "recording:recording:viewSensitiveData"
EXECUTE = (
    "recording:job:edit",
    *(f"recording:{kind}:editRetention" for kind in ("recording", "screenRecording", "snippetRecording")),
)
MAX_PAGE = 100


class Execution(Body):
    state: Literal["PROCESSING"]


def routes(org: Org, source: Source, guard: Guard) -> list[Route]:
    jobs: dict[str, Job] = {}

    async def post(request: Request) -> Response:
        query, token = validated(JobQuery, await request.body()), _token(request)
        query.check()
        if query.includeRecordingsWithSensitiveData and not token.may(SENSITIVE):
            raise ApiError(403, MISSING[1], code=MISSING[0], params={"permissions": SENSITIVE})
        where = destination(org, query.integrationId or "")
        if where is None:
            raise invalid_value("integrationId: not an active integration that exports recordings")
        _check_room(jobs.values())
        job = Job(org.world.identity.new_id(), token.client.client_id, query, where)
        jobs[job.id] = job
        asyncio.get_running_loop().call_later(org.world.settings.stage_s, job.ready, source)
        return JSONResponse(job.public())

    async def put(request: Request) -> Response:
        """By whom it was made."""
        job = or_404(jobs.get(path_id(request)))
        validated(Execution, await request.body())
        if job.client_id != _token(request).client.client_id:
            raise ApiError(403, "You are not authorized to perform the requested action.", code="not.authorized")
        if job.state != "READY":
            raise invalid_value("state: the job is {state}, not READY", state=job.state)
        _check_room(jobs.values())
        job.state = "PROCESSING"
        asyncio.get_running_loop().call_later(org.world.settings.stage_s, job.finish, source)
        return JSONResponse(job.public())

    async def get(request: Request) -> Response:
        return JSONResponse(or_404(jobs.get(path_id(request))).public())

    async def delete(request: Request) -> Response:
        """Cancels it."""
        job = or_404(jobs.get(path_id(request)))
        if job.state not in ("PENDING", "READY", "PROCESSING"):
            raise invalid_value("state: the job is {state}", state=job.state)
        job.state = "CANCELLED"
        return Response(status_code=204)

    async def list_page(request: Request) -> Response:
        """The newest first."""
        state, mine = choice(request, "state", get_args(State)), flag(request, "showOnlyMyJobs")
        kind = choice(request, "jobType", ("EXPORT", "DELETE", "ARCHIVE"))
        chosen = [
            job.public()
            for job in reversed(jobs.values())
            if state in (None, job.state)
            and kind in (None, job.query.action)
            and (not mine or job.client_id == _token(request).client.client_id)
        ]
        return _page(request, chosen)

    async def list_failed(request: Request) -> Response:
        return _page(request, list(or_404(jobs.get(path_id(request))).failures()))

    return [
        guard.route("GET", JOBS, "recording:job:view", list_page),
        guard.route("POST", JOBS, "recording:job:add", post),
        guard.route("GET", JOBS + "/{id}", "recording:job:view", get),
        guard.route("PUT", JOBS + "/{id}", EXECUTE, put),
        guard.route("DELETE", JOBS + "/{id}", "recording:job:delete", delete),
        guard.route("GET", JOBS + "/{id}/failedrecordings", "recording:job:view", list_failed),
    ]


def _token(request: Request) -> Token:
    token: Token = request.state.token
    return token


def _page(request: Request, entities: list[dict[str, Any]]) -> Response:
    if flag(request, "includeTotal") is False:
        return cursor_page(request, entities, MAX_PAGE)
    return numbered_page(request, entities)


def _check_room(jobs: Iterable[Job]) -> None:
    """Genesys's words for the limit are not published."""
    if sum(job.state in ("PENDING", "PROCESSING") for job in jobs) >= AT_ONCE:
        raise ApiError(
            429,
            "The organization already runs the maximum of {limit} concurrent recording jobs",
            code="too.many.requests",
            params={"limit": str(AT_ONCE)},
        )
