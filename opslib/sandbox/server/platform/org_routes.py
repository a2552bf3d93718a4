from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.errors import ApiError
from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.oauth import Clients, Token
from opslib.sandbox.server.world import Settings, World, utc_now

ORG_NAME = "Sandbox"
LIMITS = "/api/v2/organizations/limits/namespaces"
NAMESPACE = "platform.api"
ANALYTICS = "/api/v2/analytics"
RETENTION_DAYS = 600
"""How long the org keeps the data of interactions."""


def routes(world: World, clients: Clients, guard: Guard) -> list[Route]:
    founded = utc_now()

    async def get_token(request: Request) -> Response:
        token: Token = request.state.token
        org = {"id": world.identity.org_id, "name": ORG_NAME}
        client = {
            "id": token.client.client_id,
            "name": f"sandbox client {token.client.client_id[:8]}",
            "authorizedGrantType": "CLIENT-CREDENTIALS",
            "scope": [],
            "roleDivisions": [],
            "state": "active",
            "organization": org,
        }
        return JSONResponse(
            {"organization": org, "homeOrganization": org, "authorizedScope": [], "OAuthClient": client}
        )

    async def delete_token(request: Request) -> Response:
        clients.revoke(request.state.token)
        return Response(status_code=200)

    async def get_limits(request: Request) -> Response:
        return JSONResponse(_limits(request, world.settings))

    async def get_defaults(request: Request) -> Response:
        return JSONResponse(_limits(request, Settings()))

    async def get_retention(request: Request) -> Response:
        return JSONResponse({"retentionDays": RETENTION_DAYS, "dateCreated": founded, "dateModified": founded})

    async def get_subject(request: Request) -> Response:
        token: Token = request.state.token
        role = {"id": world.identity.org_id, "name": "Sandbox role", "policies": _policies(token.client.scopes)}
        return JSONResponse({"id": token.client.client_id, "grants": [{"role": role}]})

    async def get_no_keys(request: Request) -> Response:
        return JSONResponse({"entities": []})

    return [
        guard.route("GET", "/api/v2/authorization/subjects/me", None, get_subject),
        guard.route("GET", "/api/v2/recording/recordingkeys", "recording:encryptionKey:view", get_no_keys),
        guard.route("GET", "/api/v2/tokens/me", None, get_token),
        guard.route("DELETE", "/api/v2/tokens/me", None, delete_token),
        guard.route("GET", LIMITS + "/{namespace}", None, get_limits),
        guard.route("GET", LIMITS + "/{namespace}/defaults", None, get_defaults),
        guard.route("GET", ANALYTICS + "/dataretention/settings", "analytics:dataRetention:view", get_retention),
    ]


def _limits(request: Request, settings: Settings) -> dict[str, Any]:
    """Each token's limit is the sandbox's own; the others are not enforced here."""
    if request.path_params["namespace"] != NAMESPACE:
        raise ApiError(404, "The requested resource was not found.")
    per_minute = round(settings.rate_limit * 60 / settings.rate_window_s)
    values = {
        "client.credentials.token.rate.per.minute": per_minute,
        "token.rate.per.minute": per_minute,
        "org.app.user.rate.per.minute": 10 * per_minute,
    }
    return {"entities": [{"key": key, "namespace": NAMESPACE, "value": value} for key, value in values.items()]}


def _policies(scopes: Sequence[str] | None) -> list[dict[str, Any]]:
    """The permissions of a client as a role has them; the scopes of the other backend are none."""
    permissions = [scope.split(":") for scope in (["*:*:*"] if scopes is None else scopes) if scope.count(":") == 2]
    return [{"domain": domain, "entityName": entity, "actions": [action]} for domain, entity, action in permissions]
