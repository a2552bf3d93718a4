import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def together(*work: Awaitable[T]) -> list[T]:
    """All at once, as `asyncio.gather`; but where one fails, the others are ended before its error is raised.

    gather leaves them running until the event loop is closed, and then cancels them. What they raise instead, because a
    ledger cannot be written, say, is printed as a traceback.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
