"""The rate gate, where the requests of a token wait for their turn."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

import httpx

from opslib.errors import RateLimited
from opslib.genesys.deadline import deadlines_stopped, extend_deadlines
from opslib.genesys.limiter import Attempt, Limiter
from opslib.genesys.recorder import current_operation
from opslib.genesys.retry import MAX_RETRY_AFTER_S, retry_after_s

CORRELATION_HEADER = "ININ-Correlation-Id"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_bulk: ContextVar[str] = ContextVar("bulk", default="")


@contextmanager
def in_bulk(name: str) -> Iterator[None]:
    """Requests inside belong to one of many pieces of work, which go on together, such as an onboarding of a fleet.

    They let the token's other requests go first, and wait for as many windows of the limit as it takes: that time does
    not count against their deadlines.
    """
    token = _bulk.set(name)
    try:
        yield
    finally:
        _bulk.reset(token)


@dataclass(frozen=True)
class GateState:
    """Who waits for which limit.

    Attributes:
        waiting: requests in the queue.
        opens_in_s: seconds until the next one may go; 0 when it may go now, or once an answer came.
        allowed, used: requests of the limit's window; None while they are not known.
    """

    waiting: int
    opens_in_s: float
    allowed: int | None
    used: int | None


class _Waiter:
    """A request in the queue. `may_go` becomes False where the wait would be too long."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.may_go: asyncio.Future[bool] = self.loop.create_future()
        self.is_bulk = bool(_bulk.get())
        self.wait_until = math.inf if self.is_bulk else self.loop.time() + _longest_wait_s()
        self.attempt: Attempt | None = None


class RateGate:
    """Lets a token's requests through while there is room in its limit, so that the server refuses none.

    First come, first served; those of a fleet (`in_bulk`) after all others. Serves one event loop after another.
    """

    def __init__(self) -> None:
        self._limiter = Limiter()
        self._queues = deque[_Waiter](), deque[_Waiter]()  # the second one is the fleet's
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def attempts(self) -> int:
        """Requests let through."""
        return self._limiter.attempts

    @property
    def rate_limited(self) -> int:
        """Those of them that were answered with 429."""
        return self._limiter.rate_limited

    def state(self) -> GateState:
        """How it is now; in a running event loop."""
        now = asyncio.get_running_loop().time()
        opens_at, window = self._limiter.opens_at(now), self._limiter.window
        known = window if window and now < window.ends_by < math.inf else None
        return GateState(
            waiting=sum(map(len, self._queues)),
            opens_in_s=max(0.0, opens_at - now) if opens_at < math.inf else 0.0,
            allowed=int(known.allowed) if known else None,
            used=known.used if known else None,
        )

    async def send(self, request: httpx.Request, inner: httpx.AsyncBaseTransport) -> httpx.Response:
        """The answer to a request, once it had its turn.

        Raises RateLimited when the wait is longer than the operation may take; what is refused later is not sent.
        """
        async with self._turn() as attempt:
            try:
                response = await inner.handle_async_request(request)
            except _NEVER_SENT:
                attempt.is_accounted = True
                raise
            self._heed(attempt, response)
        return response

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[Attempt]:
        """However it ends, its place is free again."""
        waiter = _Waiter()
        queue = self._queues[waiter.is_bulk]
        queue.append(waiter)
        try:
            self._let_through()
            if not waiter.may_go.done():
                with deadlines_stopped() if waiter.is_bulk else nullcontext():
                    await waiter.may_go
            if waiter.attempt is None:
                raise self._too_long(waiter)
            yield waiter.attempt
        finally:
            if waiter.attempt:
                self._limiter.end(waiter.attempt)
            elif waiter in queue:
                queue.remove(waiter)
            self._let_through()

    def _let_through(self) -> None:
        """Those in front that may go now; and again when the next one may."""
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        while waiter := self._first():
            now = waiter.loop.time()
            opens_at = self._limiter.opens_at(now)
            if opens_at <= now:
                self._queues[waiter.is_bulk].popleft()
                waiter.attempt = self._limiter.start(now)
                waiter.may_go.set_result(True)
            elif not self._turned_away(opens_at):
                if opens_at < math.inf:
                    self._alarm = waiter.loop.call_at(opens_at, self._let_through)
                return

    def _first(self) -> _Waiter | None:
        for queue in self._queues:
            while queue and (queue[0].may_go.done() or queue[0].loop.is_closed()):  # those that were cancelled
                queue.popleft()
            if queue:
                return queue[0]
        return None

    def _turned_away(self, opens_at: float) -> bool:
        """Whether some were that cannot wait so long. An answer that is under way may open the gate earlier."""
        if self._limiter.under_way:
            return False
        queue, _ = self._queues
        too_long = [waiter for waiter in queue if waiter.wait_until < opens_at and not waiter.may_go.done()]
        for waiter in too_long:
            queue.remove(waiter)
            waiter.may_go.set_result(False)
        return bool(too_long)

    def _heed(self, attempt: Attempt, response: httpx.Response) -> None:
        """Learn from an answer. Raises RateLimited where it asks for too long a wait; beyond the cap no other waits."""
        wait_s = _asked_to_wait_s(response)
        if _bulk.get() and wait_s <= MAX_RETRY_AFTER_S:
            extend_deadlines(wait_s)
        heeded_s = wait_s if wait_s <= MAX_RETRY_AFTER_S else 0.0
        self._limiter.hear(attempt, response, heeded_s, asyncio.get_running_loop().time())
        if wait_s > (left_s := _longest_wait_s()):
            raise _refusal(_asked(response), left_s, response)

    def _too_long(self, waiter: _Waiter) -> RateLimited:
        now, shut_by = waiter.loop.time(), self._limiter.shut_by
        left_s = waiter.wait_until - now
        if shut_by and self._limiter.shut_until > now:
            return _refusal(_asked(shut_by), left_s, shut_by)
        state = self.state()
        return _refusal(f"its limit of {state.allowed} requests is used up for {state.opens_in_s:.0f} s", left_s)


class Gated(httpx.AsyncBaseTransport):
    """Lets requests through a gate that other clients of the same token may share."""

    def __init__(self, inner: httpx.AsyncBaseTransport, gate: RateGate) -> None:
        self._inner = inner
        self._gate = gate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._gate.send(request, self._inner)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _longest_wait_s() -> float:
    operation = current_operation()
    return min(MAX_RETRY_AFTER_S, max(0.0, operation.seconds_left())) if operation else MAX_RETRY_AFTER_S


def _asked_to_wait_s(response: httpx.Response) -> float:
    try:
        return retry_after_s(response.headers)
    except ValueError:
        return 0.0  # not understood: the usual backoff applies


def _asked(response: httpx.Response) -> str:
    asked = response.headers.get("Retry-After")
    return f"the server said Retry-After: {asked}" if asked else f"the server said {response.status_code}"


def _refusal(why: str, left_s: float, response: httpx.Response | None = None) -> RateLimited:
    """A long sleep could only end in an error."""
    return RateLimited(
        "Genesys asks us to wait longer than this operation may take",
        cause=f"{why}; {left_s:.0f} s are left",
        fix="try again later; if it happens often, other programs share this OAuth client: give each its own",
        status=response.status_code if response else None,
        correlation_id=response.headers.get(CORRELATION_HEADER) if response else None,
    )
