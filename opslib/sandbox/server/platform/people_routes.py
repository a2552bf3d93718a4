"""Whom a policy can be about: queues, users, teams and wrap-up codes, by name.

They are only read here. A policy may refer to any other id, too, as to a queue that was deleted.
"""

from collections.abc import Sequence
from typing import Any

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.parameters import page_size, page_start, page_token
from opslib.sandbox.server.platform.paging import numbered_page

QUEUES, USERS, TEAMS = "/api/v2/routing/queues", "/api/v2/users", "/api/v2/teams"
WRAPUP_CODES = "/api/v2/routing/wrapupcodes"

# The same ids in every sandbox, so that an onboarding file fits the next one, too.
_NAMES = {
    QUEUES: ("Billing", "Claims", "Sales", "Support"),
    USERS: ("Ana Silva", "Ben Okafor", "Chloé Martin", "Deniz Kaya"),
    TEAMS: ("Back office", "Day shift", "Night shift"),
    WRAPUP_CODES: ("Callback agreed", "Complaint", "Resolved"),
}
_PERMISSIONS = {
    QUEUES: "routing:queue:view",
    USERS: "directory:user:view",
    TEAMS: "groups:team:view",
    WRAPUP_CODES: "routing:wrapupCode:view",
}


def routes(guard: Guard) -> list[Route]:
    async def list_page(request: Request) -> Response:
        return numbered_page(request, _entities(request.url.path))

    async def list_teams(request: Request) -> Response:
        return _page_after(request, _entities(TEAMS))

    return [
        guard.route("GET", path, permission, list_teams if path == TEAMS else list_page)
        for path, permission in _PERMISSIONS.items()
    ]


def _entities(path: str) -> list[dict[str, Any]]:
    kind = list(_NAMES).index(path) + 1
    ids = [f"{kind}0000000-0000-4000-8000-{number:012}" for number in range(1, len(_NAMES[path]) + 1)]
    return [{"id": id, "name": name, "selfUri": f"{path}/{id}"} for id, name in zip(ids, _NAMES[path], strict=True)]


def _page_after(request: Request, entities: Sequence[dict[str, Any]]) -> JSONResponse:
    """One page, continued by a cursor and without a total: the style of teams."""
    start, size = page_start(request, "after", int) or 0, page_size(request)
    answer: dict[str, Any] = {"entities": list(entities[start : start + size]), "selfUri": str(request.url.path)}
    if start + size < len(entities):
        query = {"pageSize": size, "after": page_token(start + size)}
        answer["nextUri"] = str(URL(path=request.url.path).include_query_params(**query))
    return JSONResponse(answer)
