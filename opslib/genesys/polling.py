import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def poll_until(
    ask: Callable[[], Awaitable[T]],
    is_final: Callable[[T], object] = bool,
    *,
    deadline_s: float,
    wait_s: float,
    longest_wait_s: float | None = None,
    first_wait_s: float = 0.0,
) -> T:
    """Ask until an answer is final, by default a truthy one, and return it. After the deadline return the last answer,
    whatever it is: it is asked at least once, and a call is never cut off.

    Args:
        wait_s: between two calls (seconds).
        longest_wait_s: where each wait is twice the one before: how long it may become.
        first_wait_s: before the first call.
    """
    now = asyncio.get_running_loop().time
    until = now() + deadline_s
    if first_wait_s:
        await asyncio.sleep(first_wait_s)
    while not is_final(answer := await ask()) and now() <= until:
        await asyncio.sleep(wait_s)
        if longest_wait_s is not None:
            wait_s = min(2 * wait_s, longest_wait_s)
    return answer
