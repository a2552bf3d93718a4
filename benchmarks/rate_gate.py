"""How long many requests of one token take within its rate limit, beside those who know the windows.

    .venv/bin/python benchmarks/rate_gate.py [--rounds 3]

First in virtual time: 60 s windows as Genesys has, and servers that tell no limit. Then in real time on the sandbox, in
a short window: the tutorial's pattern, one shared client that obeys Retry-After, and opslib's client.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from opslib import GenesysAuthManager
from opslib.errors import OpslibError
from opslib.genesys.client import GenesysClient
from opslib.genesys.gate import RateGate, in_bulk
from opslib.genesys.limiter import AT_ONCE
from opslib.genesys.recorder import Recorder
from opslib.sandbox.launch import start_sandbox
from opslib.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.genesys.virtual import Bucket, Server, beside, fleet, in_virtual_time, oracle

PATH = "/api/v2/recording/storage/targets"
REQUESTS, LIMIT, WINDOW_S = 200, 60, 4.0
Ask = Callable[[], Awaitable[int]]
"""Sends one request; returns how often it was refused with 429."""

WINDOWS: dict[str, tuple[Callable[[float], int], float]] = {
    "300 a window": (lambda at: 300, 0.0),
    "180 a window": (lambda at: 180, 0.0),
    "300, halved after 90 s": (lambda at: 300 if at < 90 else 150, 0.0),
    "300, another program sends 2 a second": (lambda at: 300, 2.0),
}
SILENT: dict[str, Callable[[int], Server]] = {
    "token bucket, 5 a second, burst 30": lambda seed: Bucket(5, 30, seed=seed),
    "the same, with Retry-After": lambda seed: Bucket(5, 30, tells="wait", seed=seed),
    "300 a window, with Retry-After": lambda seed: Server(lambda at: 300, tells="wait", seed=seed),
    "300 a window, only 429": lambda seed: Server(lambda at: 300, tells="nothing", seed=seed),
}


def spread(values: list[float], form: str) -> str:
    return " / ".join(format(value, form) for value in (min(values), statistics.median(values), max(values)))


def in_windows(allowed: Callable[[float], int], others_per_s: float, seed: int) -> tuple[float, int]:
    """Makespan beside the oracle's, and how many were refused."""

    async def run(server: Server, work: Any) -> Any:
        return await (beside(server, work, per_s=others_per_s, seed=seed) if others_per_s else work)

    gate, server, door = RateGate(), Server(allowed, seed=seed), Server(allowed, seed=seed, is_open_door=True)
    took_s, _ = in_virtual_time(run(server, fleet(server, 1000, gate)))
    return took_s / in_virtual_time(run(door, oracle(door, 1000))), gate.rate_limited


def virtual(rounds: int) -> None:
    print("1,000 requests in virtual time: makespan by the oracle's (min / median / max), refused in all")
    for name, (allowed, others_per_s) in WINDOWS.items():
        runs = [in_windows(allowed, others_per_s, seed) for seed in range(1, rounds + 1)]
        print(f"  {name:40} {spread([ratio for ratio, _ in runs], '.4f')}   {sum(refused for _, refused in runs)}")
    print("the same where no answer tells the limit: refused of all attempts, requests that failed")
    for name, make in SILENT.items():
        gates = [RateGate() for _ in range(rounds)]
        failed = [in_virtual_time(fleet(make(seed), 1000, gate))[1] for seed, gate in enumerate(gates, 1)]
        print(f"  {name:40} {spread([gate.rate_limited / gate.attempts for gate in gates], '.1%')}   {sum(failed)}")


async def twenty_at_once(ask: Ask, requests: int) -> int:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one() -> int:
        async with slots:
            return await ask()

    return sum(await asyncio.gather(*(one() for _ in range(requests))))


async def who_knows_the_windows(shared: httpx.AsyncClient) -> int:
    async def ask() -> int:
        return (await shared.get(PATH)).status_code == 429

    refused, left = 0, REQUESTS
    while left:
        start, batch = time.monotonic(), min(left, LIMIT)
        refused += await twenty_at_once(ask, batch)
        left -= batch
        if left:
            await asyncio.sleep(start + WINDOW_S + 0.03 - time.monotonic())
    return refused


async def tutorial(shared: httpx.AsyncClient) -> int:
    """A client for each request, three tries, each waits on its own."""

    async def ask() -> int:
        for refused in range(3):
            async with httpx.AsyncClient(headers=shared.headers) as client:
                response = await client.get(f"{shared.base_url}{PATH.lstrip('/')}")
            if response.status_code != 429:
                return refused
            await asyncio.sleep(float(response.headers.get("Retry-After", 2**refused)))
        return 3

    return await twenty_at_once(ask, REQUESTS)


async def retry_after_only(shared: httpx.AsyncClient) -> int:
    refused = 0

    class Counting(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal refused
            response = await super().handle_async_request(request)
            refused += response.status_code == 429
            return response

    transport = RetryTransport(Counting(), retry=Retry(total=10, max_backoff_wait=60))
    async with httpx.AsyncClient(transport=transport, headers=shared.headers, base_url=shared.base_url) as client:

        async def ask() -> int:
            await client.get(PATH)
            return 0

        await twenty_at_once(ask, REQUESTS)
    return refused


async def opslib(auth: GenesysAuthManager) -> int:
    client = GenesysClient(auth.base_url, auth, Recorder(lambda kind, data: None), gate=auth.gate)

    async def one(number: int) -> None:
        with in_bulk(f"onboarding {number}"):
            try:
                await client.request("GET", PATH)
            except OpslibError as error:
                print(error)

    await asyncio.gather(*map(one, range(REQUESTS)))
    await client.aclose()
    return auth.gate.rate_limited


async def real(rounds: int) -> None:
    options = ("--rate-limit", str(LIMIT), "--rate-window-s", str(WINDOW_S))
    took: dict[str, list[float]] = {}
    refused: dict[str, list[float]] = {}
    with start_sandbox(options=options) as sandbox:
        names = ("api_url", "login_url", "client_id", "client_secret")
        settings = Settings.load(**{name: sandbox.info[name] for name in names})
        for _ in range(rounds):
            for policy in (who_knows_the_windows, tutorial, retry_after_only, opslib):
                auth = GenesysAuthManager(
                    settings.client_id, settings.client_secret, settings.org_id, settings=settings
                )
                headers = {"Authorization": f"Bearer {await auth.get_access_token()}"}
                async with httpx.AsyncClient(headers=headers, base_url=auth.base_url, timeout=30) as shared:
                    start = time.perf_counter()
                    times = await policy(auth if policy is opslib else shared)  # type: ignore[operator]
                    took.setdefault(policy.__name__, []).append(time.perf_counter() - start)
                    refused.setdefault(policy.__name__, []).append(times)
                await auth.aclose()
    print(f"{REQUESTS} requests to the sandbox, {LIMIT} in each {WINDOW_S:g} s (min / median / max of {rounds} rounds)")
    for name, seconds in took.items():
        ratios = [mine / best for mine, best in zip(seconds, took["who_knows_the_windows"], strict=True)]
        print(
            f"  {name.replace('_', ' '):22} {spread(seconds, '.1f')} s   {spread(ratios, '.2f')} of the first   "
            f"refused {spread(refused[name], '.0f')}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    virtual(rounds)
    asyncio.run(real(rounds))
