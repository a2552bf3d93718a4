"""Deadlines whose clock stands still while the fleet waits for its turn."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

_entered: ContextVar[tuple["Deadline", ...]] = ContextVar("entered", default=())


class Deadline:
    """`asyncio.timeout_at` that can be stopped: `async with Deadline(at): …` raises TimeoutError after it.

    `at` is in the event loop's time (s).
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self._timeout = asyncio.timeout_at(at)
        # A deadline holds for several requests at once, and each of them may stop it.
        self._stops, self._stopped_at = 0, 0.0

    def seconds_left(self) -> float:
        """Seconds until then; negative once it has passed."""
        return self.at - (self._stopped_at if self._stops else asyncio.get_running_loop().time())

    async def __aenter__(self) -> "Deadline":
        await self._timeout.__aenter__()
        self._token = _entered.set((*_entered.get(), self))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _entered.reset(self._token)
        await self._timeout.__aexit__(kind, error, trace)

    def stop(self) -> None:
        """Let its clock stand still, until it goes on as often as it was stopped."""
        if not self._stops:
            self._stopped_at = asyncio.get_running_loop().time()
        self._stops += 1
        self._reschedule()

    def go_on(self) -> None:
        """Let its clock go on; what passed meanwhile does not count."""
        self._stops -= 1
        if not self._stops:
            self.extend(asyncio.get_running_loop().time() - self._stopped_at)

    def extend(self, seconds: float) -> None:
        """Give it that much more time."""
        self.at += seconds
        self._reschedule()

    def _reschedule(self) -> None:
        if not self._timeout.expired():
            self._timeout.reschedule(None if self._stops else self.at)


@contextmanager
def deadlines_stopped() -> Iterator[None]:
    """The time spent inside does not count against any deadline around it."""
    deadlines = _entered.get()
    for deadline in deadlines:
        deadline.stop()
    try:
        yield
    finally:
        for deadline in deadlines:
            deadline.go_on()


def extend_deadlines(seconds: float) -> None:
    """Give all deadlines around the caller that much more time."""
    for deadline in _entered.get():
        deadline.extend(seconds)
