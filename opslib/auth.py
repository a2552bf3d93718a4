"""The OAuth client-credentials token: fetched once for all callers, renewed before expiry and after a 401."""

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Annotated

import httpx
from pydantic import Field, SecretStr, field_validator

from opslib.errors import (
    ApiError,
    AuthenticationFailed,
    DeadlineExceeded,
    InvalidInput,
    RateLimited,
    ServerFailure,
    UnexpectedAnswer,
)
from opslib.genesys.answers import Shape, error_body, parse_json
from opslib.genesys.gate import CORRELATION_HEADER, RateGate
from opslib.genesys.recorder import current_operation
from opslib.genesys.retry import retry_for
from opslib.genesys.transport import PerLoop, Record, answered, http_client
from opslib.ledger.samples import TOKEN_OPERATION, Sample
from opslib.redact import remember, remember_basic
from opslib.settings import Settings, checked_base_url

# The contract: a token serves until 300 s before it expires. A shorter-lived one serves half its life, or it would
# be fetched again for every call.
_RENEW_BEFORE_S = 300.0

# How long at most to wait (seconds) after each token that the rate limit refused: about a minute in all.
_RATE_LIMIT_WAITS_S = (4.0, 8.0, 16.0, 32.0)

# An org's short name or its id.
_ORG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class _Token(Shape):
    access_token: Annotated[SecretStr, Field(min_length=1, max_length=16_000)]
    expires_in: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    @field_validator("access_token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]+", token.get_secret_value()):
            raise ValueError("a token has visible ASCII characters only")
        return token


class GenesysAuthManager(httpx.Auth):
    """Client credentials for one OAuth client.

    Args:
        client_id, client_secret: the OAuth client; the secret is hidden from every output.
        org_id: the org's short name or id.
        region: a Genesys region such as "us-east-1" (else OPSLIB_REGION).
        base_url, login_url: where the API and the token endpoint are (else OPSLIB_API_URL and OPSLIB_LOGIN_URL).
            With nothing given, both are https://{org_id}.mypurecloud.com.
        settings: where the org is, and the times, instead of what the environment says.

    `gate` is where requests with this token wait when the server asks them to. `record` keeps the attempts of token
    calls that belong to no operation; those of an operation are kept by its recorder.

    Raises InvalidInput for an empty id or secret, a hostile org id or a URL that must not see secrets.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | SecretStr,
        org_id: str,
        *,
        region: str | None = None,
        base_url: str | None = None,
        login_url: str | None = None,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.org_id = org_id
        self.settings = settings or Settings.load(
            **{
                key: value
                for key, value in {
                    "region": region,
                    "api_url": base_url,
                    "login_url": login_url,
                    "client_secret": client_secret,  # a .env must not choose where this one goes
                }.items()
                if value
            }
        )
        self.base_url, self._login_url = (settings.api_base, settings.login_base) if settings else self._addresses()
        self.client_id = _required(client_id, "client id", "OPSLIB_CLIENT_ID")
        self._secret = client_secret if isinstance(client_secret, SecretStr) else SecretStr(client_secret)
        _required(self._secret.get_secret_value(), "client secret", "OPSLIB_CLIENT_SECRET")
        remember_basic(client_id, self._secret)
        self._clock = clock
        self._token: SecretStr | None = None
        self._renew_at = 0.0
        self._lock = PerLoop(asyncio.Lock)
        # Not the API's gate: the login host has another limit.
        self._http = PerLoop(lambda: http_client(self._record, timeout_s=self.settings.timeout_s, gate=RateGate()))
        self.gate = RateGate()
        self.record: Record | None = None

    async def get_access_token(self) -> str:
        """A token that is valid now. However many callers wait, one request is made.

        Raises AuthenticationFailed, RateLimited, ServerFailure, ConnectionFailed or DeadlineExceeded.
        """
        if self._stale():
            async with self._lock.get():
                if self._stale():  # no other caller renewed it while we waited
                    await self._renew()
        assert self._token is not None  # noqa: S101 (narrows the type)
        return self._token.get_secret_value()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the token; after a 401 fetch one new token for all callers that saw one, and send once more."""
        token = await self.get_access_token()
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code != 401:
            return
        if self._token and self._token.get_secret_value() == token:  # first to see that this token is dead
            self._token = None
        request.headers["Authorization"] = f"Bearer {await self.get_access_token()}"
        yield request

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if client := self._http.pop():
            await client.aclose()

    def _addresses(self) -> tuple[str, str]:
        if self.settings.api_url or self.settings.region:
            return self.settings.api_base, self.settings.login_base
        if not _ORG.fullmatch(self.org_id):
            raise InvalidInput(
                "The org id is not usable",
                cause="it becomes part of a host name and has other characters than letters, digits and '-'",
                fix="give the org's short name, or set OPSLIB_REGION; nothing was sent",
            )
        base = checked_base_url(f"https://{self.org_id}.mypurecloud.com", name="the org's URL")
        return base, self.settings.login_url or base

    def _stale(self) -> bool:
        return self._token is None or self._clock() >= self._renew_at

    def _record(self, sample: Sample) -> None:
        operation = current_operation()
        record = operation.recorder.sample if operation and operation.recorder else self.record
        if record:
            record(sample)

    async def _renew(self) -> None:
        asked_at = self._clock()
        token = _parse(await self._post())
        remember(token.access_token)
        self._token = token.access_token
        self._renew_at = asked_at + token.expires_in - min(_RENEW_BEFORE_S, token.expires_in / 2)

    async def _post(self) -> httpx.Response:
        deadline_s = self.settings.deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                for wait_s in _RATE_LIMIT_WAITS_S:
                    response = await self._ask()
                    if not _rate_limited(response):
                        return response
                    await asyncio.sleep(random.uniform(0, wait_s))  # noqa: S311 (no secret)
                return await self._ask()
        except TimeoutError:
            raise DeadlineExceeded(
                "No access token in time",
                cause=f"{self._login_url} gave none within {deadline_s:.0f} s",
                fix="check the network and OPSLIB_LOGIN_URL, then try again",
            ) from None

    async def _ask(self) -> httpx.Response:
        asking = self._http.get().post(
            f"{self._login_url.rstrip('/')}/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=httpx.BasicAuth(self.client_id, self._secret.get_secret_value()),
            # Asking twice for a token does no harm.
            extensions={
                "retry": retry_for("POST", repeatable=True),
                "operation": TOKEN_OPERATION,
                "endpoint": "/oauth/token",
            },
        )
        return await answered(self._login_url, asking)


def _required(value: str, name: str, variable: str) -> str:
    if not value or not value.strip():
        raise InvalidInput(
            f"The {name} is empty",
            cause=f"no {name} was given",
            fix=f"set {variable}, or type it on the Connect card; nothing was sent",
        )
    return value


def _parse(response: httpx.Response) -> _Token:
    if response.status_code != 200:
        raise _refused(response)
    with suppress(ValueError):  # a ValidationError is one; it would show the answer, which may hold a token
        return _Token.model_validate(parse_json(response.content))
    raise UnexpectedAnswer(
        "The token endpoint's answer cannot be read",
        cause="it has no usable access_token or expires_in",
        fix="check that OPSLIB_LOGIN_URL is a Genesys Cloud login host",
        status=response.status_code,
        correlation_id=response.headers.get(CORRELATION_HEADER),
    )


def _rate_limited(response: httpx.Response) -> bool:
    """The token endpoint reports its own rate limit as a 400 (genesys-cloud Terraform provider, PR 1004)."""
    return response.status_code == 400 and error_body(response).description.lower().startswith("rate limit exceeded")


def _refused(response: httpx.Response) -> ApiError:
    kind, usual_cause = _meaning(response)
    title, fix = kind.login_advice
    return kind(
        title,
        cause=error_body(response).description or usual_cause,
        fix=fix,
        status=response.status_code,
        correlation_id=response.headers.get(CORRELATION_HEADER),
    )


def _meaning(response: httpx.Response) -> tuple[type[ApiError], str]:
    """Which error a refusal of the token endpoint is, and its cause where the login host names none."""
    status = response.status_code
    if status == 429 or _rate_limited(response):
        return RateLimited, "the login host's rate limit is reached"
    if status in (400, 401, 403):
        return AuthenticationFailed, "wrong id or secret, or the OAuth client was disabled or deleted"
    if status >= 500:
        return ServerFailure, f"HTTP {status}, also after every try"
    return UnexpectedAnswer, f"HTTP {status}"
