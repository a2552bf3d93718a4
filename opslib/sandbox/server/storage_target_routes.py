from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.bodies import validated
from opslib.sandbox.server.deliveries import Deliveries
from opslib.sandbox.server.errors import ApiError, correlation_id
from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.parameters import page_size, page_start, page_token, path_id
from opslib.sandbox.server.resources import KINDS, Kind
from opslib.sandbox.server.world import Record, World


def routes(world: World, guard: Guard, deliveries: Deliveries) -> list[Route]:
    return [route for kind in KINDS for route in _routes_of(kind, world, guard, deliveries)]


def _routes_of(kind: Kind, world: World, guard: Guard, deliveries: Deliveries) -> list[Route]:
    async def list_page(request: Request) -> Response:
        """One page in the order of ids; `total` counts all. No nextPageToken on the last page."""
        size = page_size(request)
        after = page_start(request, "pageToken", str)
        records = world.all(kind)
        rest = [record for record in records if after is None or record.id > after]
        page = rest[:size]
        answer = {"entities": [record.public() for record in page], "pageSize": size, "total": len(records)}
        if len(rest) > size:
            answer["nextPageToken"] = page_token(page[-1].id)
        return JSONResponse(answer)

    def found(record: Record | None, record_id: str) -> Record:
        if record is None:
            params = {"kind": kind.name, "id": record_id}
            raise ApiError(404, "The requested resource was not found: {kind} {id}", params=params)
        return record

    async def get(request: Request) -> Response:
        record_id = path_id(request)
        return JSONResponse(found(world.get(kind, record_id), record_id).public())

    async def put(request: Request) -> Response:
        body = validated(kind.body, await request.body())
        record = world.put(kind, path_id(request), body)
        deliveries.announce(record, correlation_id(request.scope))
        return JSONResponse(record.public(), status_code=201 if record.version == 1 else 200)

    async def delete(request: Request) -> Response:
        record_id = path_id(request)
        record = found(world.delete(kind, record_id), record_id)
        deliveries.announce(record, correlation_id(request.scope))
        return Response(status_code=204)

    record_path = kind.path + "/{id}"
    return [
        guard.route("GET", kind.path, kind.read_scope, list_page),
        guard.route("GET", record_path, kind.read_scope, get),
        guard.route("PUT", record_path, kind.write_scope, put),
        guard.route("DELETE", record_path, kind.write_scope, delete),
    ]
