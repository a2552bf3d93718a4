import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx

from opslib.errors import RateLimited
from opslib.genesys.recorder import current_operation
from opslib.genesys.retry import MAX_RETRY_AFTER_S, retry_after_s, spread

CORRELATION_HEADER = "ININ-Correlation-Id"


class GateState(NamedTuple):
    """How many wait, and the seconds until the gate opens; how many requests are allowed and used in this window."""

    waiting: int
    opens_in_s: float
    allowed: int | None
    used: int | None


@contextmanager
def in_bulk(name: str) -> Iterator[None]:
    """Mark the requests made inside as bulk work."""
    yield


class RateGate:
    """Where every request of a token waits after a 429 asked one of them to: the others would meet the same limit.

    A Retry-After beyond the cap or beyond the operation's deadline is an error at once, not a long sleep that ends
    in one; it does not shut the gate, since no request here waits for its end.
    """

    def __init__(self) -> None:
        # In the clock of event loops, and the answer that said so.
        self._shut_until = 0.0
        self._shut_by: httpx.Response | None = None
        self.attempts = self.rate_limited = self._waiting = 0

    def state(self) -> GateState:
        left_s = self._shut_until - asyncio.get_running_loop().time() if self._shut_by else 0.0
        return GateState(self._waiting, max(0.0, left_s), None, None)

    async def wait(self) -> None:
        """Wait until the gate is open. Raises RateLimited when that would take too long."""
        now = asyncio.get_running_loop().time
        while self._shut_by and (left_s := self._shut_until - now()) > 0:
            _refuse_long_wait(left_s, self._shut_by)
            self._waiting += 1
            try:
                await asyncio.sleep(spread(left_s))
            finally:
                self._waiting -= 1

    def heed(self, response: httpx.Response) -> None:
        """Shut the gate where the answer asks for it. Raises RateLimited when it asks for too long a wait."""
        if wait_s := _asked_to_wait_s(response):
            _refuse_long_wait(wait_s, response)
            until = asyncio.get_running_loop().time() + wait_s
            if response.status_code == 429 and until > self._shut_until:
                self._shut_until, self._shut_by = until, response


class Gated(httpx.AsyncBaseTransport):
    """Lets requests through a gate that other clients of the same token may share."""

    def __init__(self, inner: httpx.AsyncBaseTransport, gate: RateGate) -> None:
        self._inner = inner
        self._gate = gate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._gate.wait()
        self._gate.attempts += 1
        response = await self._inner.handle_async_request(request)
        self._gate.rate_limited += response.status_code == 429
        self._gate.heed(response)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _asked_to_wait_s(response: httpx.Response) -> float:
    try:
        return retry_after_s(response.headers)
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
