"""aiohttp's connections under httpx: the same requests and answers in less processor time.

httpcore parses in Python, and its pool looks at each waiting request again for each that ends (encode/httpcore#1035).
Here httpx finds one connection of httpcore, ready for any number of requests to any host, which sends through aiohttp.
So tests that replace httpcore's connections replace these, too, and errors are those of httpcore.
"""

import ssl
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property

import aiohttp
import httpcore
from yarl import URL

_KEEP_S = 5.0  # as httpx keeps an idle connection
# What aiohttp would add to a request: httpx has said all that should be in it.
_NOT_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

# The first that fits. A connection that was not made means that nothing was sent; after it, something may have been.
_ERRORS: tuple[tuple[type[Exception], type[Exception]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpcore.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpcore.ConnectError),
    (TimeoutError, httpcore.ReadTimeout),
    (ConnectionResetError, httpcore.ReadError),
    (aiohttp.ClientOSError, httpcore.ReadError),
    (aiohttp.InvalidURL, httpcore.LocalProtocolError),
    (aiohttp.ClientError, httpcore.RemoteProtocolError),
    (OSError, httpcore.ReadError),
    (ValueError, httpcore.LocalProtocolError),
)
# Their text names the URL, which may hold the signature of a download.
_WITH_URL = (aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class AnyHost(httpcore.AsyncHTTPConnection):
    """A connection that is there already, to whatever host a request is for; `at_most` of aiohttp's at once."""

    def __init__(self, ssl_context: ssl.SSLContext, at_most: int) -> None:
        super().__init__(httpcore.Origin(b"https", b"any", 443))
        self._connection = _Connections(ssl_context, at_most)
        self._request_lock = nullcontext()  # type: ignore[assignment]  # it is made

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return True


class _Connections(httpcore.AsyncConnectionInterface):
    """Those of one event loop, opened by the first request.

    Waiting for one of them counts as connecting. A write has no limit of its own; the operation's deadline ends it.
    """

    def __init__(self, ssl_context: ssl.SSLContext, at_most: int) -> None:
        self._ssl_context, self._at_most = ssl_context, at_most

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._ssl_context,
            limit=self._at_most,
            keepalive_timeout=_KEEP_S,
            resolver=aiohttp.ThreadedResolver(),  # the system's, also where aiodns is installed
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NOT_ADDED,
            auto_decompress=False,
            # What it raises is not aiohttp's, so aiohttp does not send the request once more by itself.
            middlewares=(_sent,),
        )
        weakref.finalize(self, _drop, session, connector)
        return session

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Raises the errors of httpcore."""
        timeout = request.extensions.get("timeout", {})
        with _httpcore_errors():
            response = await self._session.request(
                request.method.decode(),
                _url(request.url),
                headers=[(name.decode(), value.decode()) for name, value in request.headers],
                data=b"".join([part async for part in request.stream]) or None,  # type: ignore[union-attr]
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    connect=timeout.get("pool"), sock_connect=timeout.get("connect"), sock_read=timeout.get("read")
                ),
            )
        return httpcore.Response(response.status, headers=response.raw_headers, content=_Body(response))

    async def aclose(self) -> None:
        await self._session.close()


class _Body:
    """An answer's body, as it comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpcore_errors():
            async for part in self._response.content.iter_any():
                yield part

    async def aclose(self) -> None:
        self._response.close()  # keeps the connection where all of it was read


async def _sent(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    with _httpcore_errors():
        return await handler(request)


@contextmanager
def _httpcore_errors() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:
        kind = next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))
        said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
        raise kind("" if isinstance(error, _WITH_URL) else said) from error


def _url(url: httpcore.URL) -> URL:
    """The same, to the letter: httpx has encoded it."""
    scheme, host, target = url.scheme.decode(), url.host.decode(), url.target.decode()
    port = f":{url.port}" if url.port else ""
    return URL(f"{scheme}://{f'[{host}]' if ':' in host else host}{port}{target}", encoded=True)


def _drop(session: aiohttp.ClientSession, connector: aiohttp.TCPConnector) -> None:
    """Close what was not closed while its event loop ran, such as between two calls of `asyncio.run`.

    There is no loop to wait in, so closing is only begun; where the loop is closed, nothing more is left to do.
    """
    if session.closed:
        return
    session.detach()
    closing = connector.close()
    with suppress(StopIteration):
        closing.send(None)
    closing.close()
