from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.aws import AwsAccount
from opslib.sandbox.server.bodies import Body, Model
from opslib.sandbox.server.deliveries import Deliveries
from opslib.sandbox.server.faults import Fault, Faults
from opslib.sandbox.server.oauth import Clients
from opslib.sandbox.server.request_log import RequestLog
from opslib.sandbox.server.world import Settings, World


class NewClient(Body):
    """`scopes` absent means every permission."""

    scopes: list[str] | None = None


class NewAwsUser(Body):
    """IAM actions the user may do, such as s3:ListBucket, on every resource."""

    actions: list[str] = Field(min_length=1)


def control_app(
    world: World,
    clients: Clients,
    faults: Faults,
    request_log: RequestLog,
    deliveries: Deliveries,
    aws: AwsAccount,
) -> Starlette:
    async def add_client(request: Request) -> Response:
        new = await _body(NewClient, request)
        client = clients.add(world.identity.new_id(), new.scopes)
        answer = {"client_id": client.client_id, "client_secret": client.client_secret}
        return JSONResponse(answer, status_code=201)

    async def revoke_tokens(request: Request) -> Response:
        return JSONResponse({"revoked": clients.revoke_tokens()})

    async def change_settings(request: Request) -> Response:
        changes = await _body(Settings, request)
        world.settings = world.settings.model_copy(update=changes.model_dump(exclude_unset=True))
        return JSONResponse(world.settings.model_dump())

    async def add_aws_user(request: Request) -> Response:
        key = aws.add_user((await _body(NewAwsUser, request)).actions)
        answer = {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
        return JSONResponse(answer, status_code=201)

    async def add_fault(request: Request) -> Response:
        fault = await _body(Fault, request)
        faults.add(fault)
        return JSONResponse(fault.model_dump(exclude_unset=True), status_code=201)

    async def clear_faults(request: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def list_requests(request: Request) -> Response:
        return JSONResponse(request_log.listing(request.query_params.get("service")))

    async def clear_requests(request: Request) -> Response:
        request_log.clear()
        return Response(status_code=204)

    async def list_deliveries(request: Request) -> Response:
        return JSONResponse(deliveries.listing())

    return Starlette(
        routes=[
            Route("/clients", add_client, methods=["POST"]),
            Route("/tokens/revoke", revoke_tokens, methods=["POST"]),
            Route("/settings", change_settings, methods=["PUT"]),
            Route("/aws-users", add_aws_user, methods=["POST"]),
            Route("/faults", add_fault, methods=["POST"]),
            Route("/faults", clear_faults, methods=["DELETE"]),
            Route("/requests", list_requests, methods=["GET"]),
            Route("/requests", clear_requests, methods=["DELETE"]),
            Route("/deliveries", list_deliveries, methods=["GET"]),
        ],
        exception_handlers={ValidationError: _answer_invalid},
    )


async def _body(model: type[Model], request: Request) -> Model:
    return model.model_validate_json(await request.body())


async def _answer_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, ValidationError):
        raise error
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return JSONResponse({"error": "invalid body", "problems": problems}, status_code=400)
