"""Routes of the audit query: ask, wait until it is answered, read the answer page by page."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.bodies import Body, validated
from opslib.sandbox.server.errors import invalid_value, or_404
from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.parameters import page_size, page_start, page_token, path_id
from opslib.sandbox.server.platform.audit_log import ACTIONS, Entry
from opslib.sandbox.server.platform.interval import Interval, moments
from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.world import utc

QUERY = "/api/v2/audits/query"
MAX_RESULTS = 500
MAX_DAYS = 31
"""The longest interval of one query. A live org's limit is not known; a month is what is commonly asked for."""

OTHER_SERVICES = {"PeoplePermissions": ("OAuthClient", "Policy", "Role"), "Quality": ("Evaluation", "Recording")}
"""Services and entity types that an org lists beside those of the sandbox; they never have entries here."""

FIELDS: dict[str, Callable[[Entry], str | None]] = {
    "UserId": lambda entry: None,
    "TrusteeOrganizationId": lambda entry: None,
    "ClientId": lambda entry: entry.client_id,
    "Action": lambda entry: entry.action,
    "EntityType": lambda entry: entry.kind.entity_type,
    "EntityId": lambda entry: entry.entity_id,
}
"""What each filter looks at. A client with credentials of its own is neither a user nor another org's trustee."""


class Filter(Body):
    property: Literal["UserId", "TrusteeOrganizationId", "ClientId", "Action", "EntityType", "EntityId"]
    value: str


class Sort(Body):
    name: Literal["Timestamp"]
    sortOrder: Literal["ascending", "descending"]


class QueryBody(Body):
    interval: Interval
    serviceName: str
    filters: list[Filter] | None = None
    sort: list[Sort] | None = None


@dataclass(frozen=True)
class Query:
    """One query with its answer, which is fixed when it is asked. `asked` and `stage_s` in monotonic seconds."""

    id: str
    body: QueryBody
    asked: float
    stage_s: float
    start: str
    entries: list[Entry]

    @property
    def state(self) -> Literal["Queued", "Running", "Succeeded"]:
        age = time.monotonic() - self.asked
        return "Queued" if age < self.stage_s else "Running" if age < 2 * self.stage_s else "Succeeded"

    def public(self) -> dict[str, Any]:
        question = self.body.model_dump(exclude_none=True)
        return {"filters": [], "sort": [], **question, "id": self.id, "state": self.state, "startDate": self.start}


def routes(org: Org, guard: Guard) -> list[Route]:
    queries: dict[str, Query] = {}
    services = _services(org)

    async def get_services(request: Request) -> Response:
        listing = [{"name": name, "entities": entities} for name, entities in sorted(services.items())]
        return JSONResponse({"services": listing})

    async def post(request: Request) -> Response:
        body = validated(QueryBody, await request.body())
        start, end = moments(body.interval)
        if end - start > timedelta(days=MAX_DAYS):
            raise invalid_value("interval: at most {days} days", days=MAX_DAYS)
        if body.serviceName not in services:
            raise invalid_value("serviceName: not one of the service mapping")
        now = datetime.now(UTC)
        query = Query(
            id=org.world.identity.new_id(),
            body=body,
            asked=time.monotonic(),
            stage_s=org.world.settings.stage_s,
            start=utc(now),
            entries=_answer(org.audit.entries, body, seen_until=now - timedelta(seconds=org.lag_s)),
        )
        queries[query.id] = query
        return JSONResponse(query.public(), status_code=202)

    async def get(request: Request) -> Response:
        return JSONResponse(or_404(queries.get(path_id(request))).public())

    async def get_results(request: Request) -> Response:
        """No cursor on the last page."""
        query = or_404(queries.get(path_id(request)))
        if query.state != "Succeeded":
            raise invalid_value("The query has not succeeded yet")
        size, start = page_size(request, MAX_RESULTS), page_start(request, "cursor", int) or 0
        page = [entry.public() for entry in query.entries[start : start + size]]
        answer = {"id": query.id, "pageSize": size, "entities": page}
        if start + size < len(query.entries):
            answer["cursor"] = page_token(start + size)
        return JSONResponse(answer)

    return [
        guard.route("GET", QUERY + "/servicemapping", "audits:audit:view", get_services),
        guard.route("POST", QUERY, "audits:audit:view", post),
        guard.route("GET", QUERY + "/{id}", "audits:audit:view", get),
        guard.route("GET", QUERY + "/{id}/results", "audits:audit:view", get_results),
    ]


def _services(org: Org) -> dict[str, list[dict[str, Any]]]:
    """Entity types with their actions, by service."""
    types = {service: set(entity_types) for service, entity_types in OTHER_SERVICES.items()}
    for kind in (org.audit.integrations, org.audit.policies):
        types.setdefault(kind.service, set()).add(kind.entity_type)
    return {
        service: [{"name": name, "actions": list(ACTIONS)} for name in sorted(names)]
        for service, names in types.items()
    }


def _answer(entries: list[Entry], body: QueryBody, seen_until: datetime) -> list[Entry]:
    """Newest first unless sorted otherwise."""
    start, end = moments(body.interval)
    chosen = [
        entry
        for entry in entries
        if start <= entry.at < end
        and entry.at <= seen_until
        and entry.kind.service == body.serviceName
        and all(FIELDS[condition.property](entry) == condition.value for condition in body.filters or [])
    ]
    ascending = [sort.sortOrder for sort in body.sort or []][:1] == ["ascending"]
    return chosen if ascending else chosen[::-1]
