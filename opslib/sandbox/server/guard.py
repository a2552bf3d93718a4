import math
import time
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opslib.sandbox.server.errors import ANSWER_HEADERS, ApiError
from opslib.sandbox.server.oauth import Clients, Token
from opslib.sandbox.server.world import World

Endpoint = Callable[[Request], Awaitable[Response]]

MISSING_ANY = (
    "missing.any.permissions",
    "Unable to perform the requested action. You must have at least one of the following permissions assigned: "
    "{permissions}",
)
MISSING = (
    "missing.permissions",
    "Unable to perform the requested action. You are missing the following permission(s): {permissions}",
)
"""The two ways in which Genesys words a missing permission: code and text."""


class Guard:
    """Makes routes. Of several permissions, `missing` says whether all of them are needed or any one.

    A refused request counts against the rate limit too, one without a token does not.
    """

    def __init__(self, clients: Clients, world: World, missing: tuple[str, str]) -> None:
        self._clients = clients
        self._world = world
        self._missing = missing

    def route(self, method: str, path: str, permission: str | Sequence[str] | None, endpoint: Endpoint) -> Route:
        """Open only to tokens that hold this permission, or these (None: any token), and have requests left.

        The endpoint finds the token in `request.state.token`.
        """

        needed = [permission] if isinstance(permission, str) else list(permission or ())

        async def guarded(request: Request) -> Response:
            token = self._authenticate(request)
            self._count(request, token)
            self._check(token, needed)
            request.state.token = token
            return await endpoint(request)

        return Route(path, guarded, methods=[method])

    def _authenticate(self, request: Request) -> Token:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise ApiError(
                401,
                "No authentication bearer token specified in authorization header.",
                code="authentication.required",
            )
        token = self._clients.token(text.strip())
        if token is None:
            raise ApiError(401, "Invalid login credentials.", code="bad.credentials")
        if token.expired:
            raise ApiError(401, "The access token has expired.", code="credentials.expired")
        return token

    def _check(self, token: Token, needed: list[str]) -> None:
        lacking = [permission for permission in needed if not token.may(permission)]
        any_will_do = self._missing is MISSING_ANY
        if lacking and (lacking == needed or not any_will_do):
            code, template = self._missing
            raise ApiError(403, template, code=code, params={"permissions": ", ".join(lacking)})

    def _count(self, request: Request, token: Token) -> None:
        """A fixed window per token, opened by its first request; its state is told on every answer."""
        limit, window_s = self._world.settings.rate_limit, self._world.settings.rate_window_s
        now = time.monotonic()
        if now >= token.window_opened + window_s:
            token.window_opened, token.window_count = now, 0
        token.window_count += 1
        reset = max(1, math.ceil(token.window_opened + window_s - now))
        request.scope[ANSWER_HEADERS].update(
            {
                "inin-ratelimit-count": str(token.window_count),
                "inin-ratelimit-allowed": str(limit),
                "inin-ratelimit-reset": str(reset),
            }
        )
        if token.window_count > limit:
            raise ApiError(
                429,
                "Rate limit exceeded the maximum [{limit}] requests within [{seconds}] seconds",
                code="too.many.requests",
                params={"limit": str(limit), "seconds": f"{window_s:g}"},
                headers={"Retry-After": str(reset)},
            )
