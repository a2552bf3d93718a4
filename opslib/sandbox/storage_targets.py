"""Routes of the storage-targets contract: targets, policies, webhooks."""

import base64
import binascii
import re
from collections.abc import Callable
from urllib.parse import unquote

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.errors import ApiError, correlation_id
from opslib.sandbox.guard import Guard
from opslib.sandbox.resources import KINDS, Kind, Resource
from opslib.sandbox.world import Record, World

Announce = Callable[[Record, str], None]
"""Called with the record that changed (as it was, when deleted) and the request's correlation id."""

DEFAULT_PAGE_SIZE = 25
MAX_PAGE_SIZE = 100


def storage_target_routes(world: World, guard: Guard, announce: Announce) -> list[Route]:
    return [route for kind in KINDS for route in _routes(kind, world, guard, announce)]


def _routes(kind: Kind, world: World, guard: Guard, announce: Announce) -> list[Route]:
    async def list_page(request: Request) -> Response:
        """One page in the order of ids; `total` counts all. No nextPageToken on the last page."""
        size = _page_size(request.query_params.get("pageSize"))
        after = _last_id(request.query_params.get("pageToken"))
        records = world.all(kind)
        rest = [record for record in records if after is None or record.id > after]
        page = rest[:size]
        answer = {"entities": [record.public() for record in page], "pageSize": size, "total": len(records)}
        if len(rest) > size:
            answer["nextPageToken"] = base64.urlsafe_b64encode(page[-1].id.encode()).decode()
        return JSONResponse(answer)

    async def get(request: Request) -> Response:
        record_id = _id(request)
        record = world.get(kind, record_id)
        if record is None:
            raise _not_found(kind, record_id)
        return JSONResponse(record.public())

    async def put(request: Request) -> Response:
        body = _validated(kind, await request.body())
        record = world.put(kind, _id(request), body)
        announce(record, correlation_id(request.scope))
        return JSONResponse(record.public(), status_code=201 if record.version == 1 else 200)

    async def delete(request: Request) -> Response:
        record_id = _id(request)
        record = world.delete(kind, record_id)
        if record is None:
            raise _not_found(kind, record_id)
        announce(record, correlation_id(request.scope))
        return Response(status_code=204)

    one = kind.path + "/{id}"
    return [
        Route(kind.path, guard.needs(kind.read_scope, list_page), methods=["GET"]),
        Route(one, guard.needs(kind.read_scope, get), methods=["GET"]),
        Route(one, guard.needs(kind.write_scope, put), methods=["PUT"]),
        Route(one, guard.needs(kind.write_scope, delete), methods=["DELETE"]),
    ]


def _id(request: Request) -> str:
    """The id of the path's last segment, decoded here because the front keeps the path encoded."""
    return unquote(request.path_params["id"])


def _not_found(kind: Kind, record_id: str) -> ApiError:
    params = {"kind": kind.name, "id": record_id}
    return ApiError(404, "The requested resource was not found: {kind} {id}", params=params)


def _page_size(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE_SIZE
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text) or int(text) > MAX_PAGE_SIZE:
        raise ApiError(
            400,
            "pageSize: must be a whole number from 1 to {limit}",
            code="invalid.value",
            params={"limit": str(MAX_PAGE_SIZE)},
        )
    return int(text)


def _last_id(page_token: str | None) -> str | None:
    if page_token is None:
        return None
    try:
        return base64.b64decode(page_token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise ApiError(400, "pageToken: not one that this API gave", code="invalid.value") from None


def _validated(kind: Kind, body: bytes) -> Resource:
    """The body, or a 400 that names each wrong field; what was sent is never repeated, it may be a secret."""
    try:
        return kind.body.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        raise ApiError(400, "The request could not be understood by the server due to malformed syntax.")
    fields = [(".".join(map(str, problem["loc"])) or "body", problem) for problem in problems]
    raise ApiError(
        400,
        "{problems}",
        code="invalid.value",
        params={"problems": "; ".join(f"{field}: {problem['msg']}" for field, problem in fields)},
        details=[{"errorCode": problem["type"], "fieldName": field} for field, problem in fields],
    )
