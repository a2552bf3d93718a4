"""Real connections to servers that say exact bytes."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from opslib.errors import ConnectionFailed, OpslibError
from opslib.genesys.transport import ByHost, answered, http_client, tls_context

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with the next bytes, then closes the connection: at once, or at the next request."""

    def __init__(self, *answers: bytes, at_once: bool = False) -> None:
        self.answers, self.requests, self.url = [*answers], list[bytes](), ""
        self._at_once, self._open = at_once, dict[asyncio.StreamWriter, asyncio.Event]()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = self._open[writer] = asyncio.Event()
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15] == b"Content-Length:"), 0)
                self.requests.append(head + await reader.readexactly(length))
                if not self.answers:
                    break
                writer.write(self.answers.pop(0))
                await writer.drain()
                if self._at_once:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
        ended.set()

    @asynccontextmanager
    async def started(self) -> AsyncIterator["Server"]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self
            for writer, ended in self._open.items():
                writer.close()
                await ended.wait()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"garbage\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nA\x00B: c\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 200_000, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nno\r\n", httpx.RemoteProtocolError),
    ],
    ids=["nothing", "garbage", "bad-name", "two-lengths", "many-headers", "long-header", "cut-off", "bad-chunk"],
)
async def test_what_a_server_spoils_is_an_error_of_httpx_and_is_sent_once(answer: bytes, kind: type[Exception]) -> None:
    """Retry decides by its class whether to send again; nothing below it does, also for a GET."""
    server = Server(*[answer] * bool(answer), at_once=True)
    async with server.started(), httpx.AsyncClient(transport=ByHost()) as client:
        with pytest.raises(kind):
            await client.get(server.url, timeout=60.0)
    assert len(server.requests) == 1


async def test_a_kept_connection_that_was_closed_is_not_used_again_in_silence() -> None:
    """The second request finds its connection closed: it fails, and was sent once."""
    server = Server(OK)
    async with server.started(), httpx.AsyncClient(transport=ByHost()) as client:
        await client.put(server.url, json={})
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await client.put(server.url, json={})
    assert len(server.requests) == 2


async def test_no_connection_and_no_answer_are_told_apart() -> None:
    """What was not sent is a ConnectError; what may have been sent is a ReadTimeout. Neither names the URL."""
    async with Server().started() as closed:
        url = closed.url

    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system takes connections for it
        port = silent.getsockname()[1]
        async with httpx.AsyncClient(transport=ByHost()) as client:
            with pytest.raises(httpx.ConnectError) as refused:
                await client.get(f"{url}/?signature=the-signature")
            with pytest.raises(httpx.ReadTimeout) as late:
                await client.get(f"http://127.0.0.1:{port}/?signature=the-signature", timeout=0.2)
    assert "the-signature" not in f"{refused.value}{late.value}"


@pytest.mark.parametrize(
    "path", ["/", "/a%2Fb%20c?x=1%20y&z=%C3%BC", "/a//b", "/%2e%2e/x?a=b%26c", "/ü ö?q=ä+b", "/a;b=c,d:e@f!$'()*~"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_a_request_is_what_httpx_made_of_it(path: str, method: str) -> None:
    """Line, headers and body are those of httpx's own connections; a DELETE also says that it has no body."""
    server = Server(*[OK] * 2)
    headers = {"X-Odd-CASE": "a", "Authorization": "Bearer the-token"}
    async with server.started():
        for transport in (httpx.AsyncHTTPTransport(verify=tls_context()), ByHost()):
            async with httpx.AsyncClient(transport=transport, headers=headers) as client:
                body = {"a": 1} if method in ("PUT", "POST") else None
                await client.request(method, server.url + path, json=body)
    theirs, ours = (request.split(b"\r\n") for request in server.requests)
    theirs += [b"Content-Length: 0"] if method == "DELETE" else []
    assert (ours[0], sorted(ours[1:])) == (theirs[0], sorted(theirs[1:]))


async def test_an_answer_is_as_the_server_wrote_it() -> None:
    """Header names in their case, repeated ones each; a packed body stays packed; a cookie is not kept below httpx."""
    head = b"HTTP/1.1 201 Made\r\nX-Odd-CASE: 1\r\nx-odd-case: 2\r\nSet-Cookie: a=b\r\nContent-Encoding: gzip\r\n"
    server = Server(head + b"Content-Length: 3\r\n\r\nabc", OK)
    async with server.started():
        transport = ByHost()
        answer = await transport.handle_async_request(httpx.Request("GET", server.url))
        parts = [part async for part in answer.stream]  # type: ignore[union-attr]
        await answer.aclose()
        again = await transport.handle_async_request(httpx.Request("GET", server.url))
        await again.aread()
        await transport.aclose()
    assert (answer.status_code, b"".join(parts)) == (201, b"abc")
    assert [item for item in answer.headers.raw if item[0].lower() == b"x-odd-case"] == [
        (b"X-Odd-CASE", b"1"),
        (b"x-odd-case", b"2"),
    ]
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer the-token\nb"}, {"A": "b\x00"}])
async def test_what_cannot_be_written_as_http_is_not_sent(headers: dict[str, str]) -> None:
    """Such as a token with a line break; and the error does not hold it."""
    server = Server(OK)
    async with server.started(), http_client(lambda sample: None) as client:
        with pytest.raises(OpslibError) as caught:
            await answered(server.url, client.get(server.url, headers=headers))
    assert isinstance(caught.value, ConnectionFailed)
    assert "the-token" not in str(caught.value)
    assert server.requests == []


class _Kept(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of the socket, as with httpx's own connections
@pytest.mark.parametrize("collected", ["while the loop runs", "later"])
def test_a_client_that_is_never_closed_does_not_complain(collected: str, caplog: pytest.LogCaptureFixture) -> None:
    """As when a notebook's user calls `asyncio.run` twice: aiohttp would write errors to the log."""

    async def ask() -> None:
        await http_client(lambda sample: None).get(f"http://127.0.0.1:{server.server_port}/")
        if collected != "later":
            gc.collect()
            await asyncio.sleep(0.05)

    with ThreadingHTTPServer(("127.0.0.1", 0), _Kept) as server:
        Thread(target=server.serve_forever).start()
        asyncio.run(ask())
        gc.collect()
        server.shutdown()
    assert caplog.records == []
