from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.bodies import Body, Reference, Text, validated
from opslib.sandbox.server.errors import ApiError, invalid_value, or_404
from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.parameters import path_id
from opslib.sandbox.server.platform.credential import CREDENTIALS, Credential, CredentialType
from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.platform.paging import numbered_page
from opslib.sandbox.server.world import utc_now


class CredentialBody(Body):
    """As the official model has it; `id` and `selfUri` may be sent back, to no effect."""

    name: Text | None = None
    type: Reference
    credentialFields: dict[str, str]
    id: str | None = None
    selfUri: str | None = None


def routes(org: Org, guard: Guard) -> list[Route]:
    """The permissions are those of the official SDK's documentation of these endpoints."""

    async def list_types(request: Request) -> Response:
        """A bare list, as the official SDK has it."""
        return JSONResponse([kind.public() for kind in org.credential_types.values()])

    async def list_page(request: Request) -> Response:
        return numbered_page(request, [credential.info() for credential in org.credentials.all(org.lag_s)])

    async def post(request: Request) -> Response:
        body = validated(CredentialBody, await request.body())
        kind, now = _checked(org, body), utc_now()
        name = body.name or kind.name
        return _written(org, Credential(org.world.identity.new_id(), name, kind, body.credentialFields, now, now))

    async def get(request: Request) -> Response:
        return JSONResponse(or_404(org.credentials.get(path_id(request), org.lag_s)).public())

    async def put(request: Request) -> Response:
        before = or_404(org.credentials.get(path_id(request)))
        body = validated(CredentialBody, await request.body())
        if _checked(org, body) is not before.type:
            raise invalid_value("type: the type of a credential cannot be changed")
        changes = {"name": body.name or before.name, "fields": body.credentialFields, "modified": utc_now()}
        return _written(org, replace(before, **changes))  # type: ignore[arg-type]

    async def delete(request: Request) -> Response:
        """Assumed: a credential that an integration uses cannot be deleted."""
        credential = or_404(org.credentials.get(path_id(request)))
        if users := [one.name for one in org.integrations.all() if credential.id in one.credential_ids()]:
            raise ApiError(409, "The credential is used by integration {name}.", params={"name": ", ".join(users)})
        org.credentials.put(credential.id, None)
        return Response(status_code=204)

    one = CREDENTIALS + "/{id}"
    return [
        guard.route("GET", CREDENTIALS + "/types", "integrations:integration:view", list_types),
        guard.route("GET", CREDENTIALS, "integrations:integration:view", list_page),
        guard.route("POST", CREDENTIALS, "integrations:integration:add", post),
        guard.route("GET", one, "integrations:integration:view", get),
        guard.route("PUT", one, "integrations:integration:edit", put),
        guard.route("DELETE", one, "integrations:integration:delete", delete),
    ]


def _checked(org: Org, body: CredentialBody) -> CredentialType:
    """The credential's type, whose fields the body has; what was sent is not repeated, it may be a secret."""
    kind = org.credential_types.get(body.type.id)
    if kind is None:
        raise invalid_value("type: there is no such credential type")
    if missing := [name for name in kind.required if not body.credentialFields.get(name)]:
        raise invalid_value("credentialFields: {names} missing", names=", ".join(missing))
    if kind.fields and body.credentialFields.keys() - kind.fields:
        raise invalid_value("credentialFields: a field that this type does not have")
    return kind


def _written(org: Org, credential: Credential) -> Response:
    org.credentials.put(credential.id, credential)
    return JSONResponse(credential.info())
