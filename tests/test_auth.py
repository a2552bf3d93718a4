import asyncio
import base64
from collections.abc import Iterator

import httpx
import pytest
import respx

from opslib.auth import GenesysAuthManager
from opslib.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidInput,
    OpslibError,
    RateLimited,
    ServerFailure,
    UnexpectedAnswer,
)
from opslib.ledger.samples import Sample

CANARY = "auth-canary-0123456789abcdef0123"
API, LOGIN = "https://api.mypurecloud.de", "https://login.mypurecloud.de"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> GenesysAuthManager:
    for name in ("OPSLIB_API_URL", "OPSLIB_LOGIN_URL", "OPSLIB_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("httpx_retries.retry.Retry.backoff_strategy", lambda self: 0.0)
    monkeypatch.setattr("opslib.auth._RATE_LIMIT_WAITS_S", (0.0, 0.0))
    return GenesysAuthManager("client", CANARY, "org", region="eu-central-1", clock=clock)


@pytest.fixture
def server() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


def _tokens(lifetime_s: float = 86400) -> "object":
    count = iter(range(1, 1000))

    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.01)
        return httpx.Response(200, json={"access_token": f"token-number-{next(count)}", "expires_in": lifetime_s})

    return answer


async def test_fifty_cold_callers_fetch_one_token(auth: GenesysAuthManager, server: respx.MockRouter) -> None:
    """Single flight: the token endpoint sees one request, with Basic credentials."""
    route = server.post(f"{LOGIN}/oauth/token").mock(side_effect=_tokens())
    tokens = await asyncio.gather(*(auth.get_access_token() for _ in range(50)))
    assert set(tokens) == {"token-number-1"}
    assert route.call_count == 1
    request = route.calls.last.request
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(f"client:{CANARY}".encode()).decode()
    assert request.content == b"grant_type=client_credentials"
    await auth.aclose()


@pytest.mark.parametrize(("lifetime_s", "serves_s"), [(86400, 86100), (3600, 3300), (600, 300), (30, 15), (1, 0.5)])
async def test_renewed_before_expiry(
    auth: GenesysAuthManager, server: respx.MockRouter, clock: Clock, lifetime_s: float, serves_s: float
) -> None:
    """300 s before expiry, or after half of a short life: never once per call."""
    route = server.post(f"{LOGIN}/oauth/token").mock(side_effect=_tokens(lifetime_s))
    for _ in range(20):
        await auth.get_access_token()
    clock.now += serves_s - 0.1
    await auth.get_access_token()
    assert route.call_count == 1
    clock.now += 0.2
    assert await auth.get_access_token() == "token-number-2"
    await auth.aclose()


async def test_a_storm_of_401s_renews_once(auth: GenesysAuthManager, server: respx.MockRouter) -> None:
    """50 requests whose token was revoked: one new token, 50 answers."""
    tokens = server.post(f"{LOGIN}/oauth/token").mock(side_effect=_tokens())

    async def api(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.005)
        return httpx.Response(401 if "number-1" in request.headers["Authorization"] else 200)

    server.get(f"{API}/x").mock(side_effect=api)
    await auth.get_access_token()
    async with httpx.AsyncClient(auth=auth) as client:
        answers = await asyncio.gather(*(client.get(f"{API}/x") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert tokens.call_count == 2
    await auth.aclose()


async def test_a_token_that_is_never_accepted_is_not_asked_for_for_ever(
    auth: GenesysAuthManager, server: respx.MockRouter
) -> None:
    """After one renewal the 401 is the answer."""
    tokens = server.post(f"{LOGIN}/oauth/token").mock(side_effect=_tokens())
    api = server.get(f"{API}/x").mock(return_value=httpx.Response(401))
    async with httpx.AsyncClient(auth=auth) as client:
        assert (await client.get(f"{API}/x")).status_code == 401
    assert (api.call_count, tokens.call_count) == (2, 2)
    await auth.aclose()


async def test_a_cancelled_leader_leaves_the_others_unharmed(
    auth: GenesysAuthManager, server: respx.MockRouter
) -> None:
    """The caller that fetches may be cancelled; the next one fetches instead."""
    server.post(f"{LOGIN}/oauth/token").mock(side_effect=_tokens())
    leader = asyncio.create_task(auth.get_access_token())
    followers = [asyncio.create_task(auth.get_access_token()) for _ in range(20)]
    await asyncio.sleep(0.002)
    leader.cancel()
    tokens = await asyncio.gather(*followers)
    assert len(set(tokens)) == 1
    assert leader.cancelled()
    await auth.aclose()


async def test_a_failing_login_host_is_asked_again(auth: GenesysAuthManager, server: respx.MockRouter) -> None:
    """A 503 and a lost connection are retried though the method is POST; each attempt is a sample."""
    ok = httpx.Response(200, json={"access_token": "a-late-token", "expires_in": 60})
    server.post(f"{LOGIN}/oauth/token").mock(side_effect=[httpx.Response(503), httpx.ConnectError("x"), ok])
    samples: list[Sample] = []
    auth.record = samples.append
    assert await auth.get_access_token() == "a-late-token"
    assert [(s.operation, s.outcome) for s in samples] == [
        ("get_access_token", "server_error"),
        ("get_access_token", "connection_error"),
        ("get_access_token", "success"),
    ]
    await auth.aclose()


_TOKEN = {"access_token": "token-1", "expires_in": 86400}


def _says(status: int, words: str) -> httpx.Response:
    return httpx.Response(status, json={"error": "x", "description": words, "error_description": words})


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (_says(401, "authentication failed"), AuthenticationFailed, "authentication failed"),
        (_says(400, "client not found"), AuthenticationFailed, "client not found"),
        (_says(400, "rate limit exceeded; wait"), RateLimited, "rate limit"),
        (httpx.Response(503), ServerFailure, "503"),
        (httpx.Response(200, text="<html>"), UnexpectedAnswer, "access_token"),
        (httpx.Response(200, json={"access_token": "t-o-k-e-n"}), UnexpectedAnswer, "access_token"),
        (httpx.Response(302), UnexpectedAnswer, "302"),
        (httpx.Response(401, json=[1]), AuthenticationFailed, "wrong id or secret"),
        (httpx.ConnectError("refused"), ConnectionFailed, "refused"),
    ],
)  # fmt: skip
async def test_every_failure_has_cause_and_fix_and_no_secret(
    auth: GenesysAuthManager,
    server: respx.MockRouter,
    answer: httpx.Response | Exception,
    error: type[OpslibError],
    says: str,
) -> None:
    """The server's own words are the cause; neither text nor chained errors hold the secret or a token."""
    server.post(f"{LOGIN}/oauth/token").mock(side_effect=[answer] * 5)
    with pytest.raises(error) as caught:
        await auth.get_access_token()
    assert says in str(caught.value)
    assert caught.value.fix
    assert caught.value.__context__ is None
    assert CANARY not in f"{caught.value!r}{vars(caught.value)}"
    assert "t-o-k-e-n" not in str(caught.value)
    await auth.aclose()


async def test_the_token_endpoint_s_own_rate_limit_is_waited_for(
    auth: GenesysAuthManager, server: respx.MockRouter
) -> None:
    """It is a 400 with these words, and no 429."""
    limited, token = _says(400, "rate limit exceeded; try later"), httpx.Response(200, json=_TOKEN)
    route = server.post(f"{LOGIN}/oauth/token").mock(side_effect=[limited, limited, token])
    assert await auth.get_access_token() == "token-1"
    assert route.call_count == 3
    await auth.aclose()


@pytest.mark.parametrize("status", [429, 503])
async def test_a_wait_that_is_too_long_is_refused_at_once(
    auth: GenesysAuthManager, server: respx.MockRouter, status: int
) -> None:
    """As the API's: without it, the login host could have us sleep until the deadline, to end in an error then."""
    answer = httpx.Response(status, headers={"Retry-After": "86400"})
    route = server.post(f"{LOGIN}/oauth/token").mock(side_effect=[answer])
    with pytest.raises(RateLimited, match="86400") as caught:
        await auth.get_access_token()
    assert (route.call_count, caught.value.status) == (1, status)
    await auth.aclose()


async def test_deadline(auth: GenesysAuthManager, server: respx.MockRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login host that never answers is given up after the deadline."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)

    server.post(f"{LOGIN}/oauth/token").mock(side_effect=never)
    auth.settings = auth.settings.model_copy(update={"deadline_s": 0.05})
    with pytest.raises(DeadlineExceeded):
        await auth.get_access_token()
    await auth.aclose()


@pytest.mark.parametrize(
    ("client_id", "secret", "org"),
    [
        ("", CANARY, "org"),
        ("client", "", "org"),
        ("client", CANARY, "evil.example/"),
        ("client", CANARY, "a@b"),
        ("client", CANARY, ""),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, client_id: str, secret: str, org: str
) -> None:
    """Empty credentials and an org id that would change the host."""
    for name in ("OPSLIB_API_URL", "OPSLIB_LOGIN_URL", "OPSLIB_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidInput, match="nothing was sent"):
        GenesysAuthManager(client_id, secret, org)


def test_base_url_is_the_tutorial_s_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The org's host by default; region, keyword and environment change it."""
    for name in ("OPSLIB_API_URL", "OPSLIB_LOGIN_URL", "OPSLIB_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert GenesysAuthManager("c", CANARY, "acme").base_url == "https://acme.mypurecloud.com"
    assert GenesysAuthManager("c", CANARY, "acme")._login_url == "https://acme.mypurecloud.com"
    elsewhere = GenesysAuthManager("c", CANARY, "acme", login_url=LOGIN)
    assert (elsewhere.base_url, elsewhere._login_url) == ("https://acme.mypurecloud.com", LOGIN)
    assert GenesysAuthManager("c", CANARY, "acme", region="us-west-2").base_url == "https://api.usw2.pure.cloud"
    assert GenesysAuthManager("c", CANARY, "acme", base_url="http://127.0.0.1:5/").base_url == "http://127.0.0.1:5"
    monkeypatch.setenv("OPSLIB_API_URL", "http://127.0.0.1:6")
    assert GenesysAuthManager("c", CANARY, "acme").base_url == "http://127.0.0.1:6"
