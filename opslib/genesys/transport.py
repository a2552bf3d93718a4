"""The httpx stack below the client: retry → rate gate → meter → pooled HTTP.

The gate stands below retry, so that every attempt passes it; the meter stands below the gate, so that a sample is
wire time and not queueing. One TLS context serves the whole process: making one costs 20 ms of processor time.
"""

import asyncio
import ssl
import time
import urllib.request
import weakref
import zlib
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Generic, TypeVar, cast

import httpx
from httpx_retries import RetryTransport

from opslib.errors import ConnectionFailed, InvalidInput, OpslibError
from opslib.genesys.answers import unexpected
from opslib.genesys.connections import AnyHost
from opslib.genesys.gate import CORRELATION_HEADER, Gated, RateGate
from opslib.genesys.limiter import AT_ONCE
from opslib.genesys.recorder import current_operation, current_step
from opslib.ledger.moment import utc_now
from opslib.ledger.samples import Outcome, Sample, outcome_of
from opslib.settings import DEFAULT_TIMEOUT_S, MAX_ANSWER_BYTES, is_loopback

T = TypeVar("T")
Record = Callable[[Sample], None]

_CONNECT_TIMEOUT_S = 5.0
_MAX_CONNECTIONS = AT_ONCE


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
            response = await _read(request, response)
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


async def _read(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """The same answer with its whole content. Raises UnexpectedAnswer for one that is too large, or packed otherwise
    than asked for: httpx alone would unpack it without a limit."""
    packing, body, received = response.headers.get("Content-Encoding", "identity").lower(), bytearray(), 0
    unpacker = zlib.decompressobj(wbits=31) if packing == "gzip" else None
    stream = cast(httpx.AsyncByteStream, response.stream)
    try:
        if packing not in ("gzip", "identity"):
            raise ValueError(f"it is packed with {packing[:40]}, which was not asked for")
        async for part in stream:
            received += len(part)
            body += unpacker.decompress(part, MAX_ANSWER_BYTES + 1 - len(body)) if unpacker else part
            if max(received, len(body)) > MAX_ANSWER_BYTES:
                raise ValueError(f"it has more than {MAX_ANSWER_BYTES // 2**20} MB")
        if unpacker and received and not unpacker.eof:
            raise ValueError("it is cut off")
    except (ValueError, zlib.error) as error:
        response.request = request
        failure = unexpected(response, str(error))
    else:
        response.headers.pop("Content-Encoding", None)
        return httpx.Response(
            response.status_code, headers=response.headers, content=bytes(body), extensions=response.extensions
        )
    finally:
        await stream.aclose()
    raise failure


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
    return httpx.create_ssl_context()


class ByHost(httpx.AsyncBaseTransport):
    """Pooled HTTP through the proxy that the environment names (HTTPS_PROXY, NO_PROXY); to this machine directly.

    Raises InvalidInput for a proxy or for certificates that cannot be used.
    """

    def __init__(self) -> None:
        proxy = urllib.request.getproxies().get("https")
        try:
            self._direct = _pool(None)
        except OSError as error:  # ssl.SSLError is one
            raise _unusable("The certificates in SSL_CERT_FILE or SSL_CERT_DIR", error) from None
        try:
            # As curl and pip do, a proxy without a scheme is one that speaks HTTP.
            self._proxied = _pool(proxy if "://" in proxy else f"http://{proxy}") if proxy else self._direct
        except (ValueError, ImportError, httpx.InvalidURL):
            why = ValueError("it is not the URL of an HTTP proxy, such as http://proxy.example.com:3128")
            raise _unusable("The proxy in HTTPS_PROXY", why) from None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        direct = is_loopback(request.url.host) or urllib.request.proxy_bypass(request.url.host)
        return await (self._direct if direct else self._proxied).handle_async_request(request)

    async def aclose(self) -> None:
        await self._direct.aclose()
        await self._proxied.aclose()


def _unusable(what: str, error: Exception) -> InvalidInput:
    return InvalidInput(f"{what} cannot be used", cause=str(error), fix="correct or unset it; nothing was sent")


def _pool(proxy: str | None) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_connections=_MAX_CONNECTIONS)  # as many are kept open
    transport = httpx.AsyncHTTPTransport(verify=tls_context(), proxy=proxy, limits=limits)
    if not proxy:
        transport._pool = AnyHost(tls_context(), _MAX_CONNECTIONS)  # type: ignore[assignment]
    return transport


def http_client(
    record: Record,
    *,
    auth: httpx.Auth | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    gate: RateGate | None = None,
) -> httpx.AsyncClient:
    """An HTTP client on the whole stack. Token calls have another gate: the login host has another limit.

    Of the environment it takes what `ByHost` takes, since httpx leaves that to a transport that it is given.
    """
    metered: httpx.AsyncBaseTransport = Meter(ByHost(), record)
    return _Client(
        transport=RetryTransport(Gated(metered, gate) if gate else metered),
        auth=auth,
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
        headers={"Accept-Encoding": "gzip"},
    )


class _Client(httpx.AsyncClient):
    """httpx's client, without what costs time in each call and is not wanted here: cookies, and redirects, which would
    carry the token to an unchecked host. An answer is whole when it comes from the `Meter`."""

    def __init__(self, transport: httpx.AsyncBaseTransport, **about: Any) -> None:
        super().__init__(transport=transport, **about)
        self._stack = transport

    async def send(self, request: httpx.Request, *, auth: Any = None, **_: Any) -> httpx.Response:
        flow = (auth if isinstance(auth, httpx.Auth) else self.auth or httpx.Auth()).async_auth_flow(request)
        try:
            request = await anext(flow)
            while True:
                response = await self._stack.handle_async_request(request)
                response.request = request
                request = await flow.asend(response)
        except StopAsyncIteration:
            return response
        finally:
            await flow.aclose()


async def answered(url: str, sending: Awaitable[httpx.Response]) -> httpx.Response:
    """The answer to a request to a host. Raises ConnectionFailed for none; what httpx raised stays behind, since it
    holds the request and with it its secrets."""
    try:
        return await sending
    except OpslibError:  # before OSError: some of ours are both
        raise
    # OSError and UnicodeError come from the resolver; the text is all that is kept of them.
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        cause = f"{type(error).__name__}: {error or 'no details'}"
    raise ConnectionFailed(
        f"No answer from {url}",
        cause=cause,
        fix="check the network, proxy and region (OPSLIB_REGION, OPSLIB_API_URL), then try again",
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
