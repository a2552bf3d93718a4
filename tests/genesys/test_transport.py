import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from httpx_retries import RetryTransport
from hypothesis import given
from hypothesis import strategies as st

from opslib.auth import GenesysAuthManager
from opslib.errors import InvalidInput, RateLimited
from opslib.genesys.client import GenesysClient
from opslib.genesys.gate import Gated, RateGate
from opslib.genesys.recorder import Recorder, operation
from opslib.genesys.retry import retry_after_s, retry_for
from opslib.genesys.transport import ByHost, Meter, PerLoop, _pool, http_client, tls_context
from opslib.ledger.samples import Sample
from opslib.settings import DEFAULT_TIMEOUT_S, Settings

from ..world import TARGETS, Sandbox

Answer = httpx.Response | Exception


class Script(httpx.AsyncBaseTransport):
    """Answers from a list, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Broken(httpx.AsyncByteStream):
    """A body that breaks off half-way."""

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        yield b'{"half'
        raise httpx.ReadError("gone")


async def _send(script: httpx.AsyncBaseTransport, method: str = "PUT") -> tuple[httpx.Response, list[Sample]]:
    samples: list[Sample] = []
    transport = RetryTransport(Gated(Meter(script, samples.append), RateGate()))
    async with httpx.AsyncClient(transport=transport) as client:
        with operation("op", 90.0):
            response = await client.request(method, "https://x/y", extensions={"retry": retry_for(method)})
    return response, samples


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "PATCH"])
async def test_429_is_retried_for_every_method(slept: list[float], method: str) -> None:
    """A refused request had no effect, so any method may be sent again."""
    response, samples = await _send(Script(httpx.Response(429), httpx.Response(429), httpx.Response(200)), method)
    assert response.status_code == 200
    assert [(s.attempt, s.outcome) for s in samples] == [(1, "rate_limited"), (2, "rate_limited"), (3, "success")]


@pytest.mark.parametrize(
    "trouble", [httpx.Response(s) for s in (502, 503, 504)] + [httpx.ConnectError("x"), httpx.ReadTimeout("x")]
)
@pytest.mark.parametrize(("method", "calls"), [("PUT", 2), ("GET", 2), ("DELETE", 2), ("POST", 1)])
async def test_failures_are_retried_only_where_harmless(
    slept: list[float], trouble: Answer, method: str, calls: int
) -> None:
    """A POST that may have taken effect is not repeated."""
    script = Script(trouble, httpx.Response(200))
    try:
        await _send(script, method)
    except httpx.HTTPError:
        assert method == "POST"
    assert script.calls == calls


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
async def test_final_answers_are_not_retried(slept: list[float], status: int) -> None:
    """What will not change is asked once."""
    script = Script(httpx.Response(status))
    await _send(script)
    assert script.calls == 1


async def test_five_tries_with_full_jitter(slept: list[float]) -> None:
    """Each wait lies anywhere between nothing and a bound that doubles: 1, 2, 4, 8 s."""
    for _ in range(40):
        script = Script(httpx.Response(503))
        response, samples = await _send(script)
        assert (response.status_code, script.calls, len(samples)) == (503, 5, 5)
    for place, bound_s in enumerate((1.0, 2.0, 4.0, 8.0)):
        waits = slept[place::4]
        assert 0 <= min(waits) < bound_s / 3
        assert bound_s * 2 / 3 < max(waits) <= bound_s


@pytest.mark.parametrize(
    ("header", "low_s", "high_s"),
    [
        ("3", 3, 4),
        ("2.5", 2.5, 3.5),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True), 18.0, 21),
        (lambda: format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True), 0, 1),
        ("soon", 0, 1),
        ("-5", 0, 1),
        ("nan", 0, 1),
    ],
)
async def test_retry_after_as_seconds_date_or_nonsense(
    slept: list[float], header: str | Callable[[], str], low_s: float, high_s: float
) -> None:
    """Seconds and dates are obeyed, spread by up to a second; nonsense falls back to the usual backoff."""
    value = header if isinstance(header, str) else header()
    await _send(Script(httpx.Response(429, headers={"Retry-After": value}), httpx.Response(200)))
    assert low_s <= slept[0] <= high_s


async def test_callers_told_the_same_wait_do_not_return_together(slept: list[float]) -> None:
    """50 callers with Retry-After: 1 spread over a second."""
    for _ in range(50):
        await _send(Script(httpx.Response(429, headers={"Retry-After": "1"}), httpx.Response(200)))
    bins = [int(wait / 0.05) for wait in slept]
    assert max(bins.count(place) for place in bins) <= 15


async def test_the_longest_wait_is_waited_whole(slept: list[float]) -> None:
    """And not cut to what the library takes for long."""
    script = Script(httpx.Response(429, headers={"Retry-After": "180"}), httpx.Response(200))
    transport = RetryTransport(script)
    async with httpx.AsyncClient(transport=transport) as client:
        await client.get("https://x/y", extensions={"retry": retry_for("GET")})
    assert 180 <= slept[0] <= 181


@pytest.mark.parametrize("header", ["181", "86400"])
async def test_a_wait_beyond_cap_or_deadline_fails_at_once(slept: list[float], header: str) -> None:
    """No long sleep that can only end in an error."""
    script = Script(httpx.Response(429, headers={"Retry-After": header, "ININ-Correlation-Id": "c-1"}))
    with pytest.raises(RateLimited, match=header) as caught:
        await _send(script)
    assert (script.calls, slept, caught.value.correlation_id) == (1, [], "c-1")


async def test_no_request_of_the_token_is_refused(sandbox: Sandbox) -> None:
    """Those beyond the limit wait for the next window, and the server need not say so."""
    sandbox.control("PUT", "/settings", {"rate_limit": 4, "rate_window_s": 2.0})
    settings = Settings.load(**{name: sandbox[name] for name in ("api_url", "login_url", "client_id", "client_secret")})
    auth = GenesysAuthManager(settings.client_id, settings.client_secret, settings.org_id, settings=settings)
    client = GenesysClient(auth.base_url, auth, Recorder(lambda kind, data: None), gate=auth.gate)
    await asyncio.gather(*(client.request("GET", TARGETS) for _ in range(7)))
    await client.aclose()
    await auth.aclose()
    assert (auth.gate.attempts, auth.gate.rate_limited) == (7, 0)


async def test_who_cannot_wait_at_the_gate_is_refused_without_asking() -> None:
    """With the correlation id of the answer that shut it; who can wait, waits until it opens."""
    limited = httpx.Response(429, headers={"Retry-After": "2", "ININ-Correlation-Id": "c-1"})
    script = Script(limited, httpx.Response(200))
    gate, request = Gated(script, RateGate()), httpx.Request("GET", "https://x/y")
    assert (await gate.handle_async_request(request)).status_code == 429
    with operation("op", 1.0), pytest.raises(RateLimited, match="Retry-After: 2") as caught:
        await gate.handle_async_request(request)
    assert (script.calls, caught.value.correlation_id) == (1, "c-1")
    start = time.monotonic()
    with operation("op", 60.0):
        assert (await gate.handle_async_request(request)).status_code == 200
    assert time.monotonic() - start > 1


async def test_a_body_that_breaks_off_is_a_failed_attempt_and_retried(slept: list[float]) -> None:
    """The meter reads the whole answer, so half an answer is not a success."""

    class Half(Script):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.calls += 1
            return httpx.Response(200, stream=Broken()) if self.calls == 1 else httpx.Response(200, json={})

    response, samples = await _send(Half(httpx.Response(200)))
    assert response.json() == {}
    assert [s.outcome for s in samples] == ["connection_error", "success"]


async def test_cancelled_attempts_are_samples_too() -> None:
    """An attempt that the deadline cut off is not forgotten."""

    class Slow(Script):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(60)
            return httpx.Response(200)

    samples: list[Sample] = []
    meter = Meter(Slow(httpx.Response(200)), samples.append)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await meter.handle_async_request(httpx.Request("GET", "https://x/y"))
    assert [s.outcome for s in samples] == ["cancelled"]


@pytest.mark.parametrize("value", ["-1", "inf", "nan", "tomorrow", ""])
def test_retry_after_nonsense_is_an_error(value: str) -> None:
    """What is no waiting time is not read as one."""
    with pytest.raises(ValueError, match="Retry-After"):
        retry_after_s({"Retry-After": value})


def test_no_retry_after_is_no_wait() -> None:
    """And a date of another zone is read as such."""
    assert retry_after_s({}) == 0
    dates = {"Date": "Fri, 27 Nov 2026 12:00:00 GMT", "Retry-After": "Fri, 27 Nov 2026 14:00:05 +0200"}
    assert retry_after_s(dates) == 5


IMF, RFC_850, ASCTIME = "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"


@given(
    now=st.datetimes(datetime(2000, 1, 1), datetime(2067, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),
    wait_s=st.integers(-(10**6), 10**6),
    formats=st.tuples(*[st.sampled_from([IMF, RFC_850, ASCTIME])] * 2),
)
def test_a_retry_after_date_is_compared_with_the_answer_s_own_date(
    now: datetime, wait_s: int, formats: tuple[str, str]
) -> None:
    """Whatever this machine's clock says, and in each of HTTP's three formats; a time that has passed is no wait."""
    until = now + timedelta(seconds=wait_s)
    headers = {"Date": now.strftime(formats[0]), "Retry-After": until.strftime(formats[1])}
    assert retry_after_s(headers) == max(0, wait_s)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 99 Nov 2026 12:00:00 GMT"])
def test_without_a_date_that_can_be_read_this_machine_s_clock_counts(date: str | None) -> None:
    """Such as behind a proxy that drops it."""
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    headers = {"Retry-After": until} | ({} if date is None else {"Date": date})
    assert 18 < retry_after_s(headers) <= 20


def dated(org_is_ahead_s: int, wait_s: int) -> dict[str, str]:
    """The headers of an org whose clock differs from ours."""
    now = datetime.now(UTC) + timedelta(seconds=org_is_ahead_s)
    dates = {"Date": now, "Retry-After": now + timedelta(seconds=wait_s)}
    return {name: format_datetime(moment, usegmt=True) for name, moment in dates.items()}


@pytest.mark.parametrize("org_is_ahead_s", [600, -600, 86_400])
async def test_the_wait_of_an_org_with_another_clock(slept: list[float], org_is_ahead_s: int) -> None:
    """Three seconds are three seconds, at the retry and at the gate; three hours are too long, whoever says so."""
    await _send(Script(httpx.Response(429, headers=dated(org_is_ahead_s, 3)), httpx.Response(200)))
    assert [3 <= wait <= 4 for wait in slept[:1]] == [True]
    assert sum(slept) <= 8
    with pytest.raises(RateLimited, match="longer than this operation may take"):
        await _send(Script(httpx.Response(429, headers=dated(org_is_ahead_s, 3 * 3600))))


async def test_a_date_counts_for_its_own_answer_only(slept: list[float]) -> None:
    """The second answer comes from a host with a right clock: its wait is not judged by the first one's Date."""
    answers = [httpx.Response(429, headers=dated(ahead, 5)) for ahead in (600, 0)]
    await _send(Script(*answers, httpx.Response(200)))
    assert all(wait <= 6 for wait in slept)


async def test_a_real_answer_of_an_org_that_is_ten_minutes_ahead(sandbox: Sandbox) -> None:
    """A real answer: the sandbox's Date is the fault's, and the request is sent again after its 2 s."""
    fault = {"path_regex": TARGETS, "status": 429, "times": 1, "headers": dated(600, 2)}
    sandbox.control("POST", "/faults", fault)
    settings = Settings.load(**{name: sandbox[name] for name in ("api_url", "login_url", "client_id", "client_secret")})
    auth = GenesysAuthManager(settings.client_id, settings.client_secret, settings.org_id, settings=settings)
    client = GenesysClient(auth.base_url, auth, Recorder(lambda kind, data: None), deadline_s=20.0)
    assert (await client.request("GET", TARGETS))["entities"] == []
    await client.aclose()
    await auth.aclose()


@pytest.mark.parametrize(("ahead_s", "corrected"), [(600, True), (-7200, True), (1, False), (None, False)])
def test_the_time_at_the_server(ahead_s: float | None, corrected: bool) -> None:
    """The audit is asked for by it. A second is the Date's rounding; nobody said: ours."""
    client = GenesysClient("https://x", httpx.Auth(), Recorder(lambda kind, data: None))
    client.clock_skew_s = ahead_s
    off_s = (client.now() - datetime.now(UTC)).total_seconds()
    assert abs(off_s - ((ahead_s or 0) if corrected else 0)) < 0.5


def test_one_value_per_event_loop() -> None:
    """Two `asyncio.run` calls do not share connections; within one loop there is one."""
    made = PerLoop(object)

    async def twice() -> tuple[object, object]:
        return made.get(), made.get()

    first = asyncio.run(twice())
    second = asyncio.run(twice())
    assert first[0] is first[1]
    assert second[0] is second[1]
    assert first[0] is not second[0]


def test_one_tls_context_for_the_process() -> None:
    """Making a context costs 20 ms; it is made once."""
    assert tls_context() is tls_context()


async def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY carries what leaves the machine; NO_PROXY and loopback go direct."""
    asked: list[str] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().split(" HTTP")[0])
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "direct.invalid")
        transport = ByHost()
        with pytest.raises(httpx.ProxyError):
            await transport.handle_async_request(httpx.Request("GET", "https://api.mypurecloud.de/x"))
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(httpx.Request("GET", "https://direct.invalid/x"))
        await transport.handle_async_request(httpx.Request("GET", f"http://127.0.0.1:{port}/x"))
        await transport.aclose()
    assert asked == ["CONNECT api.mypurecloud.de:443", "GET /x"]


async def test_a_netrc_does_not_replace_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that a company writes to every home."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    heads: list[bytes] = []

    async def org(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(org, "127.0.0.1", 0) as server, http_client(lambda sample: None) as client:
        port = server.sockets[0].getsockname()[1]
        await client.get(f"http://127.0.0.1:{port}/", headers={"Authorization": "Bearer the-token"})
    assert [b"Bearer the-token" in head for head in heads] == [True]


async def test_the_client_s_whole_stack() -> None:
    """Auth, gate and meter are passed; answers may be packed with gzip only; no wait without an end."""
    heads: list[bytes] = []

    async def org(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    gate, samples, auth = RateGate(), list[Sample](), httpx.BasicAuth("id", "secret")
    async with (
        await asyncio.start_server(org, "127.0.0.1", 0) as server,
        http_client(samples.append, auth=auth, gate=gate) as gated,
        http_client(samples.append, timeout_s=3.0) as quick,
    ):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await gated.get(url)
        await quick.get(url)
    assert [b"Authorization: Basic" in head for head in heads] == [True, False]
    assert [b"Accept-Encoding: gzip\r\n" in head for head in heads] == [True, True]
    assert (gate.attempts, len(samples)) == (1, 2)
    assert gated.timeout == httpx.Timeout(DEFAULT_TIMEOUT_S, connect=5.0)
    assert quick.timeout == httpx.Timeout(3.0, connect=3.0)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """Wherever it leads was not checked, and the request has the token."""
    asked: list[str] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().split(" HTTP")[0])
        writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    samples: list[Sample] = []
    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as server, http_client(samples.append) as client:
        port = server.sockets[0].getsockname()[1]
        answer = await client.get(f"http://127.0.0.1:{port}/here", headers={"Authorization": "Bearer the-token"})
    assert (answer.status_code, asked, len(samples)) == (307, ["GET /here"], 1)


async def test_a_proxy_without_a_scheme_speaks_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for curl and pip: HTTPS_PROXY=proxy:3128 is one."""
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    async with server:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        monkeypatch.delenv("https_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        http = ByHost()
        with pytest.raises(httpx.HTTPError):
            await http.handle_async_request(httpx.Request("GET", "https://api.mypurecloud.com/x"))
        await http.aclose()
    assert asked == [b"CONNECT api.mypurecloud.com:443 HTTP/1.1\r\n"]


def test_a_proxy_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it should be."""
    monkeypatch.setenv("HTTPS_PROXY", "ftp://proxy.example.com")
    with pytest.raises(InvalidInput, match="HTTPS_PROXY") as caught:
        ByHost()
    assert caught.value.cause == "it is not the URL of an HTTP proxy, such as http://proxy.example.com:3128"


def test_connections_are_few_and_share_one_tls_context() -> None:
    """Twenty at most, and as many are kept for the next request."""
    pool = _pool(None)._pool
    assert (pool._max_connections, pool._max_keepalive_connections) == (20, 20)
    assert pool._ssl_context is tls_context()


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\x00"])
def test_certificates_that_cannot_be_used_are_named(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variable that names the file."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    tls_context.cache_clear()
    try:
        with pytest.raises(InvalidInput, match="SSL_CERT_FILE") as caught:
            ByHost()
        assert "nothing was sent" in caught.value.fix
    finally:
        tls_context.cache_clear()
