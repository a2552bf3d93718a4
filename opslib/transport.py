"""The stack below the client: retry → rate gate → meter → pooled HTTP.

The gate stands below retry, so that every attempt passes it; the meter stands below the gate, so that a sample is
wire time and not queueing. One TLS context serves the whole process: making one costs 20 ms of processor time.
"""

import asyncio
import random
import ssl
import time
import urllib.request
import weakref
from collections.abc import Callable
from functools import cache
from typing import Generic, TypeVar

import httpx
from httpx_retries import Retry, RetryTransport

from opslib.errors import RateLimited
from opslib.ledger.samples import Outcome, Sample, current_operation, current_step, outcome_of
from opslib.ledger.moment import utc_now
from opslib.settings import DEFAULT_TIMEOUT_S, is_loopback

T = TypeVar("T")
Record = Callable[[Sample], None]

CORRELATION_HEADER = "ININ-Correlation-Id"

# Genesys's own command line refuses longer waits (gc, "Retry-After").
MAX_RETRY_AFTER_S = 180.0
_TRIES_AFTER_THE_FIRST = 4
_BACKOFF_S = 0.5
# All callers of a token are told the same Retry-After; without this they would come back as one herd.
_RETRY_AFTER_SPREAD_S = 1.0
_CONNECT_TIMEOUT_S = 5.0
_MAX_CONNECTIONS = 20

# PUT and DELETE may be sent twice: the result is the same (RFC 9110, 9.2.2).
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class _Retry(Retry):
    """Retry-After as whole or decimal seconds or as a date, spread a little."""

    def parse_retry_after(self, retry_after: str) -> float:
        return _spread(retry_after_s(retry_after))


def _spread(wait_s: float) -> float:
    return wait_s + random.uniform(0, _RETRY_AFTER_SPREAD_S)  # noqa: S311 (no secret)


def retry_after_s(value: str) -> float:
    """Seconds that a Retry-After header asks for. Raises ValueError when it is neither a number nor a date."""
    try:
        seconds = float(value)
    except ValueError:
        return Retry().parse_retry_after(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"Retry-After {value!r} is no waiting time")
    return seconds


def retry_for(method: str, *, repeatable: bool | None = None) -> Retry:
    """How a request is retried: 429 always; 502, 503, 504 and lost connections only where repeating is harmless."""
    harmless = method in _IDEMPOTENT if repeatable is None else repeatable
    return _Retry(
        total=_TRIES_AFTER_THE_FIRST,
        allowed_methods=[method],
        status_forcelist=[429, 502, 503, 504] if harmless else [429],
        retry_on_exceptions=None if harmless else [],
        backoff_factor=_BACKOFF_S,
        max_backoff_wait=MAX_RETRY_AFTER_S + _RETRY_AFTER_SPREAD_S,
    )


class RateGate(httpx.AsyncBaseTransport):
    """Where every request of a token waits, once one was told to by a 429: the others would run into the same limit.

    A Retry-After beyond the cap or beyond the operation's deadline is an error at once, not a long sleep that ends
    in one; it does not shut the gate, since nobody here waits for its end.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        # In the event loop's time, and the answer that said so.
        self._shut_until = 0.0
        self._shut_by: httpx.Response | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        now = asyncio.get_running_loop().time
        while self._shut_by and (left_s := self._shut_until - now()) > 0:
            _refuse_long_wait(left_s, self._shut_by)
            await asyncio.sleep(_spread(left_s))
        response = await self._inner.handle_async_request(request)
        if wait_s := _asked_to_wait_s(response):
            _refuse_long_wait(wait_s, response)
            if response.status_code == 429 and now() + wait_s > self._shut_until:
                self._shut_until, self._shut_by = now() + wait_s, response
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _asked_to_wait_s(response: httpx.Response) -> float:
    try:
        return retry_after_s(response.headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0  # not understood: the usual backoff applies


def _refuse_long_wait(wait_s: float, asked_by: httpx.Response) -> None:
    operation = current_operation()
    left_s = min(MAX_RETRY_AFTER_S, operation.seconds_left() if operation else MAX_RETRY_AFTER_S)
    if wait_s > left_s:
        raise RateLimited(
            "Genesys asks us to wait longer than this operation may take",
            cause=f"the server said Retry-After: {asked_by.headers['Retry-After']}; {left_s:.0f} s are left",
            fix="try again later; if it happens often, other programs share this OAuth client: give each its own",
            status=asked_by.status_code,
            correlation_id=asked_by.headers.get(CORRELATION_HEADER),
        )


class Meter(httpx.AsyncBaseTransport):
    """One sample per attempt, also for those that fail or are cancelled."""

    def __init__(self, inner: httpx.AsyncBaseTransport, record: Record) -> None:
        self._inner = inner
        self._record = record

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        started_at, start = utc_now(), time.perf_counter()
        outcome: Outcome = "connection_error"
        response: httpx.Response | None = None
        try:
            response = await self._inner.handle_async_request(request)
            # Read here, so that an answer that breaks off half-way is an attempt that failed, and is retried.
            await response.aread()
            outcome = outcome_of(response.status_code)
        except httpx.TimeoutException:
            outcome = "timeout"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._record(_sample(request, response, outcome, started_at, time.perf_counter() - start))
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _sample(
    request: httpx.Request,
    response: httpx.Response | None,
    outcome: Outcome,
    started_at: str,
    latency_s: float,
) -> Sample:
    operation = current_operation()
    attempt = request.extensions["attempt"] = request.extensions.get("attempt", 0) + 1
    name = request.extensions.get("operation")
    if operation and not name:
        operation.attempts += 1
    return Sample(
        operation=name or (operation.name if operation else ""),
        step=current_step(),
        method=request.method,
        endpoint=request.extensions.get("endpoint", request.url.path),
        attempt=attempt,
        status=response.status_code if response else None,
        outcome=outcome,
        latency_s=latency_s,
        started_at=started_at,
        correlation_id=response.headers.get(CORRELATION_HEADER) if response else None,
    )


@cache
def tls_context() -> ssl.SSLContext:
    """The process's one TLS context."""
    return httpx.create_ssl_context()


class ByHost(httpx.AsyncBaseTransport):
    """The wire: through the proxy that the environment names (HTTPS_PROXY, NO_PROXY), but for this machine direct."""

    def __init__(self) -> None:
        proxy = urllib.request.getproxies().get("https")
        self._direct = _pool(None)
        self._proxied = _pool(proxy) if proxy else self._direct

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        direct = is_loopback(request.url.host) or urllib.request.proxy_bypass(request.url.host)
        return await (self._direct if direct else self._proxied).handle_async_request(request)

    async def aclose(self) -> None:
        await self._direct.aclose()
        await self._proxied.aclose()


def _pool(proxy: str | None) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        verify=tls_context(),
        proxy=proxy,
        limits=httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS),
    )


def http_client(
    record: Record,
    *,
    auth: httpx.Auth | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    gated: bool = True,
) -> httpx.AsyncClient:
    """An HTTP client on the whole stack. Token calls are not gated: the login host has a limit of its own."""
    metered: httpx.AsyncBaseTransport = Meter(ByHost(), record)
    return httpx.AsyncClient(
        transport=RetryTransport(RateGate(metered) if gated else metered),
        auth=auth,
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
        follow_redirects=False,  # a redirect would carry the token to a host that nobody checked
        trust_env=False,  # a .netrc would replace our Authorization header
    )


class PerLoop(Generic[T]):
    """One value for each event loop: pooled connections and locks belong to the loop that made them.

    So one object serves a notebook's loop and any number of `asyncio.run` calls.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, T] = weakref.WeakKeyDictionary()

    def get(self) -> T:
        """The running loop's value, made on first use."""
        loop = asyncio.get_running_loop()
        if loop not in self._values:
            self._values[loop] = self._make()
        return self._values[loop]

    def pop(self) -> T | None:
        """The running loop's value, if it was made; the next `get` makes a new one."""
        return self._values.pop(asyncio.get_running_loop(), None)
