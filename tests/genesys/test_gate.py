"""The rate gate, on the client's whole stack and in virtual time."""

import asyncio
import math
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from opslib.errors import DeadlineExceeded, RateLimited
from opslib.genesys.client import answer
from opslib.genesys.gate import GateState, RateGate, in_bulk
from opslib.genesys.rate_limit import RateLimit, rate_limit

from .virtual import Bucket, Server, beside, client_of, fleet, in_virtual_time, now, oracle

PATH = "/api/v2/x"


def _limit(allowed: int) -> Callable[[float], int]:
    return lambda _: allowed


@pytest.mark.parametrize(
    ("allowed", "requests", "others_per_s"),
    [
        (_limit(300), 600, 0.0),
        (_limit(180), 400, 0.0),
        (lambda at: 300 if at < 30 else 150, 500, 0.0),
        (_limit(300), 700, 2.0),
    ],
    ids=["300", "180", "halved", "second program"],
)
def test_a_fleet_is_as_fast_as_one_that_knows_the_windows(
    allowed: Callable[[float], int], requests: int, others_per_s: float
) -> None:
    """And no request is refused, whatever the limit is and whoever else uses the token."""

    async def run(server: Server, work: Any) -> Any:
        return await (beside(server, work, per_s=others_per_s) if others_per_s else work)

    gate, server, open_door = RateGate(), Server(allowed), Server(allowed, is_open_door=True)
    took_s, failed = in_virtual_time(run(server, fleet(server, requests, gate)))
    best_s = in_virtual_time(run(open_door, oracle(open_door, requests)))
    assert (gate.rate_limited, failed, gate.attempts) == (0, 0, requests)
    assert took_s <= 1.02 * best_s


def test_each_org_has_its_own_pace() -> None:
    """Many orgs at once take as long as the slowest of them, and none is refused."""
    limits = (100, 50, 80, 100)
    gates = [RateGate() for _ in limits]

    async def all_of_them() -> float:
        works = (fleet(Server(_limit(limit)), 150, gate) for limit, gate in zip(limits, gates, strict=True))
        return max(took_s for took_s, _ in await asyncio.gather(*works))

    took_s = in_virtual_time(all_of_them())
    best_s = in_virtual_time(oracle(Server(_limit(min(limits)), is_open_door=True), 150))
    assert [gate.rate_limited for gate in gates] == [0] * len(limits)
    assert took_s <= 1.02 * best_s


@pytest.mark.parametrize(
    "server",
    [
        lambda: Bucket(5, 30),
        lambda: Bucket(5, 30, tells="wait"),
        lambda: Bucket(20, 50),
        lambda: Server(_limit(300), tells="wait"),
        lambda: Server(_limit(100), tells="nothing"),
    ],
    ids=["bucket", "bucket, Retry-After", "faster bucket", "window, Retry-After", "window, only 429"],
)
def test_a_server_that_tells_no_limit_is_asked_at_a_pace_that_it_bears(server: Callable[[], Server]) -> None:
    """Less than 15 % of all attempts are refused, and each request has its answer in the end."""
    gate = RateGate()
    _, failed = in_virtual_time(fleet(server(), 400, gate))
    assert failed == 0
    assert gate.rate_limited < 0.15 * gate.attempts


def test_one_scout_asks_a_token_that_was_used_up_before() -> None:
    """By another program. The others wait for its answer, and are not refused as well."""

    async def run() -> tuple[float, int]:
        server = Server(_limit(30))
        for _ in range(30):
            server.count()
        return await fleet(server, 50, gate)

    gate = RateGate()
    _, failed = in_virtual_time(run())
    assert (failed, gate.rate_limited) == (0, 1)


def test_a_limit_that_is_halved_within_a_window_refuses_only_what_was_under_way() -> None:
    """Before that, no answer could tell."""

    class Halved(Server):
        def count(self) -> tuple[int, dict[str, str]]:
            self._limit = self.allowed(now())
            return super().count()

    gate = RateGate()
    _, failed = in_virtual_time(fleet(Halved(lambda at: 300 if at < 0.5 else 50), 400, gate))
    assert (failed, gate.rate_limited <= 20) == (0, True)


def test_a_server_that_rounds_down_is_asked_too_early_once() -> None:
    """Then its windows are known to end up to a second later than it says."""

    class Down(Server):
        def count(self) -> tuple[int, dict[str, str]]:
            status, headers = super().count()
            left_s = str(math.floor(self._opened + self._window_s - now()))
            headers["inin-ratelimit-reset"] = left_s
            return status, headers | ({"Retry-After": left_s} if status == 429 else {})

    gate = RateGate()
    _, failed = in_virtual_time(fleet(Down(_limit(20)), 100, gate))
    assert (failed, gate.rate_limited) == (0, 1)


def test_requests_without_an_answer_are_counted_as_the_server_may_have() -> None:
    """Each third answer is lost, also the last one before the limit: none is refused, and hardly a place is lost."""

    class Lossy(Server):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            if self._random.random() < 1 / 3:
                raise httpx.ReadTimeout("lost")
            return response

    gate = RateGate()
    took_s, _ = in_virtual_time(fleet(Lossy(_limit(50)), 100, gate))
    assert gate.rate_limited == 0
    assert took_s < 60 * math.ceil(gate.attempts / 45)


def test_answers_that_tell_nothing_do_not_confuse_the_gate() -> None:
    """A 502 of something on the way, and headers that cannot be."""

    class Between(Server):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            if self._random.random() < 0.2:
                return httpx.Response(502, text="bad gateway")
            if self._random.random() < 0.2:
                return httpx.Response(200, json={}, headers={"inin-ratelimit-count": "-1"})
            return response

    gate = RateGate()
    took_s, _ = in_virtual_time(fleet(Between(_limit(50)), 120, gate))
    assert gate.rate_limited == 0
    assert took_s < 60 * math.ceil(gate.attempts / 45)


def test_an_answer_of_the_window_before_does_not_fill_the_next() -> None:
    """It was slow, and says that all are used."""

    async def run() -> int | None:
        server = Server(_limit(10))
        client = client_of(server, gate)
        slow = asyncio.Event()

        async def trip() -> None:
            if server._count == 10 and not slow.is_set():
                slow.set()
                await asyncio.sleep(15)

        server.trip = trip  # type: ignore[method-assign]
        await asyncio.gather(*(client.request("GET", PATH) for _ in range(9)))
        await asyncio.sleep(50)
        tenth = asyncio.create_task(client.request("GET", PATH))
        await slow.wait()
        await asyncio.sleep(12)
        await client.request("GET", PATH)
        await tenth
        await client.aclose()
        return gate.state().used

    gate = RateGate()
    assert in_virtual_time(run()) == 1


def test_interactive_requests_go_before_a_fleet() -> None:
    """A hundred wait for the next window, and one that comes last is the first to go."""
    sent: list[str] = []

    class Log(Server):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            sent.append(request.url.path)
            return await super().handle_async_request(request)

    async def run() -> GateState:
        client = client_of(Log(_limit(20)), gate)

        async def member(number: int) -> None:
            with in_bulk(f"onboarding {number}"):
                await client.request("GET", "/fleet/{n}", ids={"n": str(number)})

        members = [asyncio.create_task(member(number)) for number in range(120)]
        await asyncio.sleep(10)
        state = gate.state()
        await client.request("GET", "/interactive")
        await asyncio.gather(*members)
        await client.aclose()
        return state

    gate = RateGate()
    state = in_virtual_time(run())
    assert (state.waiting, state.allowed, state.used) == (100, 20, 20)
    assert 50 <= state.opens_in_s <= 50.5
    assert sent[20] == "/interactive"
    assert [path for path in sent if path != "/interactive"] == [f"/fleet/{number}" for number in range(120)]


def test_a_cancelled_request_gives_its_place_back() -> None:
    """In waves of random timeouts, in the queue and under way; then the gate is as new."""

    async def run(seed: int) -> None:
        at_random, gate = random.Random(seed), RateGate()
        client = client_of(Server(_limit(60), window_s=5), gate)

        async def impatient() -> None:
            with in_bulk("x") if at_random.random() < 0.5 else in_bulk(""):
                async with asyncio.timeout(at_random.expovariate(5)):
                    await client.request("GET", PATH)

        for _ in range(3):
            await asyncio.gather(*(impatient() for _ in range(60)), return_exceptions=True)
        assert (gate.state().waiting, gate._limiter.under_way) == (0, set())
        await client.request("GET", PATH)
        assert gate.rate_limited == 0
        await client.aclose()

    for seed in range(3):
        in_virtual_time(run(seed))


def test_waiting_in_a_fleet_is_not_held_to_the_deadline() -> None:
    """Three windows with a deadline of 10 s; neither where a caller has a deadline of its own."""

    async def run() -> None:
        client = client_of(Server(_limit(5)), gate, deadline_s=10.0)

        async def member() -> object:
            with in_bulk("x"):
                async with client.operation("two requests"):
                    await asyncio.gather(client.request("GET", PATH), client.request("GET", PATH))
                return await answer(client, PATH, None, now() + 1.0)

        assert await asyncio.gather(*(member() for _ in range(6))) == [{}] * 6
        assert now() > 180
        await client.aclose()

    gate = RateGate()
    in_virtual_time(run())
    assert gate.rate_limited == 0


def test_what_is_not_waiting_is_held_to_the_deadline_in_a_fleet_as_well() -> None:
    """A server that does not answer in time."""

    async def run() -> None:
        class Asleep(Server):
            async def trip(self) -> None:
                await asyncio.sleep(15)

        client = client_of(Asleep(_limit(5)), RateGate(), deadline_s=10.0)
        with in_bulk("x"), pytest.raises(DeadlineExceeded):
            await client.request("GET", PATH)
        assert now() == pytest.approx(10.0, abs=0.1)
        await client.aclose()

    in_virtual_time(run())


def test_an_interactive_request_that_cannot_wait_fails_at_once() -> None:
    """With the reason, and nothing is sent."""

    async def run() -> None:
        client = client_of(Server(_limit(5)), gate, deadline_s=30.0)
        await asyncio.gather(*(client.request("GET", PATH) for _ in range(5)))
        with pytest.raises(RateLimited, match="longer than this operation may take") as caught:
            await client.request("GET", PATH)
        assert caught.value.cause == "its limit of 5 requests is used up for 60 s; 30 s are left"
        assert now() < 1
        await client.aclose()

    gate = RateGate()
    in_virtual_time(run())
    assert gate.attempts == 5


def test_those_who_wait_when_the_gate_is_shut_for_too_long_fail_then() -> None:
    """And not at their deadline."""

    async def run() -> None:
        server = Server(_limit(0))
        client = client_of(server, gate, deadline_s=30.0)
        results = await asyncio.gather(*(client.request("GET", PATH) for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [RateLimited] * 3
        assert now() < 1
        await client.aclose()

    gate = RateGate()
    in_virtual_time(run())
    assert gate.attempts <= 3


def test_a_long_retry_after_is_an_error_in_a_fleet_too() -> None:
    """Beyond 180 s; 60 s are waited, whatever the deadline."""

    async def run(wait_s: int) -> float:
        class Asks(Server):
            def count(self) -> tuple[int, dict[str, str]]:
                self._count += 1
                return (429, {"Retry-After": str(wait_s)}) if self._count == 1 else (200, {})

        client = client_of(Asks(_limit(1)), RateGate(), deadline_s=10.0)
        try:
            with in_bulk("x"):
                await client.request("GET", PATH)
        finally:
            await client.aclose()
        return now()

    assert 60 < in_virtual_time(run(60)) < 62
    with pytest.raises(RateLimited, match="Retry-After: 181"):
        in_virtual_time(run(181))


def test_one_gate_serves_one_event_loop_after_another() -> None:
    """Also after a loop that ended while requests waited, and one was under way."""

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(60 if request.url.path == "/slow" else 0)
            return httpx.Response(200, json={})

    async def leave() -> None:
        client = client_of(Silent(), gate)
        for path in ("/slow", PATH, PATH):
            asyncio.create_task(client.request("GET", path)).add_done_callback(lambda task: task.cancelled())
        await asyncio.sleep(0.01)
        assert gate.state().waiting == 2

    async def work() -> None:
        client = client_of(Silent(), gate)
        await asyncio.gather(*(client.request("GET", PATH) for _ in range(5)))
        await client.aclose()

    gate = RateGate()
    asyncio.run(leave())
    asyncio.run(work())
    assert gate.attempts == 6


@pytest.mark.parametrize(
    ("count", "allowed", "reset"),
    [
        ("0", "300", "60"),
        ("-1", "300", "60"),
        ("1", "0", "60"),
        ("1", "300", "181"),
        ("1", "300", "1e1"),
        ("1.5", "300", "60"),
        ("1", "many", "60"),
        ("1", "300", ""),
        ("9" * 5000, "300", "60"),
        ("²", "300", "60"),
    ],
)
def test_headers_that_cannot_be_tell_nothing(count: str, allowed: str, reset: str) -> None:
    """Nor do some without the others."""
    headers = {"inin-ratelimit-count": count, "inin-ratelimit-allowed": allowed, "inin-ratelimit-reset": reset}
    assert rate_limit(headers) is None
    assert rate_limit({"inin-ratelimit-count": "1"}) is None


def test_headers_tell_the_window() -> None:
    """As in Genesys's own trace."""
    headers = {"inin-ratelimit-count": "1", "inin-ratelimit-allowed": "180", "inin-ratelimit-reset": "61"}
    assert rate_limit(headers) == RateLimit(1, 180, 61)
