"""Rate limits in virtual time: an event loop that waits for nothing, a server with a limit, and who asks it."""

import asyncio
import math
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar
from unittest import mock

import httpx

from opslib.errors import OpslibError
from opslib.genesys.client import GenesysClient
from opslib.genesys.gate import RateGate, in_bulk
from opslib.genesys.limiter import AT_ONCE
from opslib.genesys.recorder import Recorder

T = TypeVar("T")


class _Jump(selectors.DefaultSelector):
    """Nothing comes from outside: the clock goes on to what is due next."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("all tasks wait, and nothing is due")
        if timeout > 0:
            self.now += timeout + 1e-9  # not a hair before it
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Its result, at once, however long it sleeps."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


class Server(httpx.AsyncBaseTransport):
    """Genesys's fixed window, opened by its first request; an answer takes about 80 ms.

    `allowed` is asked when a window opens. `tells`: what of it the answers tell. With an open door it refuses none, but
    lets each wait at the door until a window has room. That is the oracle: it cannot be done faster within the limit.
    """

    def __init__(
        self,
        allowed: Callable[[float], int],
        *,
        window_s: float = 60.0,
        tells: Literal["count", "wait", "nothing"] = "count",
        is_open_door: bool = False,
        seed: int = 1,
    ) -> None:
        self.allowed, self.tells = allowed, tells
        self._window_s, self._is_open_door = window_s, is_open_door
        self._random = random.Random(seed)
        self._opened, self._count, self._limit = -math.inf, 0, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self.trip()
        while self._is_open_door and self._is_full():  # noqa: ASYNC110 (others may have gone in before)
            await asyncio.sleep(self._opened + self._window_s - now())
        status, headers = self.count()
        await self.trip()
        return httpx.Response(status, headers=headers, json={})

    def count(self) -> tuple[int, dict[str, str]]:
        """Status and headers of one more request, also of another program's."""
        if now() >= self._opened + self._window_s:
            self._opened, self._count, self._limit = now(), 0, self.allowed(now())
        self._count += 1
        reset_s = max(1, math.ceil(self._opened + self._window_s - now()))
        told = {"count": self._count, "allowed": self._limit, "reset": reset_s} if self.tells == "count" else {}
        headers = {f"inin-ratelimit-{name}": str(value) for name, value in told.items()}
        if self._count <= self._limit:
            return 200, headers
        return 429, headers | ({} if self.tells == "nothing" else {"Retry-After": str(reset_s)})

    def _is_full(self) -> bool:
        return now() < self._opened + self._window_s and self._count >= self._limit

    async def trip(self) -> None:
        """One way."""
        await asyncio.sleep(self._random.lognormvariate(math.log(0.04), 0.3))


class Bucket(Server):
    """A token bucket that says no more than 429, or with Retry-After too."""

    def __init__(
        self, per_s: float, burst: int, *, tells: Literal["wait", "nothing"] = "nothing", seed: int = 1
    ) -> None:
        super().__init__(lambda _: 0, tells=tells, seed=seed)
        self._per_s, self._burst = per_s, burst
        self._level, self._at = float(burst), 0.0

    def count(self) -> tuple[int, dict[str, str]]:
        self._level, self._at = min(self._burst, self._level + (now() - self._at) * self._per_s), now()
        if self._level < 1:
            return 429, {"Retry-After": "1"} if self.tells == "wait" else {}
        self._level -= 1
        return 200, {}


def client_of(server: httpx.AsyncBaseTransport, gate: RateGate, *, deadline_s: float = 90.0) -> GenesysClient:
    """Our client on its whole stack, with the server in place of the connections. For the running event loop."""
    client = GenesysClient(
        "https://api.x", httpx.Auth(), Recorder(lambda kind, data: None), gate=gate, deadline_s=deadline_s
    )
    with mock.patch("opslib.genesys.transport.ByHost", return_value=server):
        client._http.get()
    return client


async def fleet(server: Server, requests: int, gate: RateGate | None = None) -> tuple[float, int]:
    """How long so many requests take that are all there at once (s), and how many of them failed."""
    client, start, failed = client_of(server, gate or RateGate()), now(), 0

    async def one(number: int) -> None:
        nonlocal failed
        with in_bulk(f"onboarding {number // 10}"):
            try:
                await client.request("PUT", "/api/v2/x")
            except OpslibError:
                failed += 1

    await asyncio.gather(*map(one, range(requests)))
    await client.aclose()
    return now() - start, failed


async def oracle(server: Server, requests: int) -> float:
    """How long they take for those who know the windows (s)."""
    start, slots, request = now(), asyncio.Semaphore(AT_ONCE), httpx.Request("PUT", "https://api.x/")

    async def one() -> None:
        async with slots:
            await server.handle_async_request(request)

    await asyncio.gather(*(one() for _ in range(requests)))
    return now() - start


async def beside(server: Server, work: Coroutine[Any, Any, T], *, per_s: float, seed: int = 1) -> T:
    """The work, while another program uses the same token."""
    at_random = random.Random(seed)

    async def ask() -> None:
        while True:
            await asyncio.sleep(at_random.expovariate(per_s))
            server.count()

    other = asyncio.create_task(ask())
    try:
        return await work
    finally:
        other.cancel()
