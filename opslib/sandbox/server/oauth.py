import base64
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from opslib.sandbox.server.world import World


@dataclass(frozen=True)
class Client:
    """`scopes` None means every permission."""

    client_id: str
    client_secret: str
    scopes: Sequence[str] | None = None


@dataclass
class Token:
    """An issued token; the times are `time.monotonic()` seconds. The rate window is the guard's."""

    client: Client
    expires_at: float
    window_opened: float = float("-inf")
    window_count: int = 0

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.expires_at

    def may(self, scope: str) -> bool:
        return self.client.scopes is None or scope in self.client.scopes


class Clients:
    """Who may ask for tokens, and the tokens issued. Secrets are random whatever the seed."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._tokens: dict[str, Token] = {}

    def add(self, client_id: str, scopes: Sequence[str] | None = None) -> Client:
        client = Client(client_id, secrets.token_hex(32), scopes)
        self._clients[client_id] = client
        return client

    def authenticate(self, client_id: str, client_secret: str) -> Client | None:
        client = self._clients.get(client_id)
        right = hmac.compare_digest((client.client_secret if client else "").encode(), client_secret.encode())
        return client if right else None

    def issue(self, client: Client, ttl_s: int) -> str:
        token = secrets.token_urlsafe(48)
        self._tokens[token] = Token(client, time.monotonic() + ttl_s)
        return token

    def token(self, text: str) -> Token | None:
        return self._tokens.get(text)

    def revoke(self, token: Token) -> None:
        self._tokens = {text: issued for text, issued in self._tokens.items() if issued is not token}

    def revoke_tokens(self) -> int:
        """Forget every token issued so far; returns how many."""
        count = len(self._tokens)
        self._tokens.clear()
        return count


def token_routes(clients: Clients, world: World) -> list[Route]:
    """`POST /oauth/token`, client credentials only, by HTTP Basic or in the form.

    Its errors have the token endpoint's own shape, not the API's. A wrong id and a wrong secret are both
    401 here, as the storage-targets contract has it.
    """

    async def token(request: Request) -> JSONResponse:
        body = (await request.body()).decode("utf-8", "replace")
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if form.get("grant_type") != "client_credentials":
            return _refusal(400, "unsupported_grant_type", "grant_type must be client_credentials")
        credentials = _basic(request.headers.get("authorization", ""))
        client_id, client_secret = credentials or (form.get("client_id", ""), form.get("client_secret", ""))
        client = clients.authenticate(client_id, client_secret)
        if client is None:
            return _refusal(401, "invalid_client", "authentication failed: invalid_client")
        ttl_s = world.settings.token_ttl_s
        answer = {"access_token": clients.issue(client, ttl_s), "token_type": "bearer", "expires_in": ttl_s}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    return [Route("/oauth/token", token, methods=["POST"])]


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, client_secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return client_id, client_secret


def _refusal(status: int, error: str, description: str) -> JSONResponse:
    body = {"error": error, "description": description, "error_description": description}
    return JSONResponse(body, status_code=status)
