"""Asks for the names that a form offers: in the background, once for each connection, in bounded time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

from opslib.errors import OpslibError
from opslib.walk.context import WalkContext
from opslib.walk.state_machine import Result

WITHIN_S = 15.0


class Lookup:
    """`ask` asks and shows what came; `failed` is told, in words, why nothing did. The form can be used meanwhile."""

    def __init__(self, walk: WalkContext, ask: Callable[[], Awaitable[None]], failed: Callable[[str], None]) -> None:
        self._walk, self._ask, self._failed = walk, ask, failed
        self._asked_by: Result | None = None  # the connection
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Ask, once the walk is connected, unless that was done."""
        connection = self._walk.result("connect")
        if self._walk.state("connect") != "done" or connection is self._asked_by:
            return
        self._asked_by = connection
        if self._task:
            self._task.cancel()
        # In a context of its own: it belongs to no step and no operation that happens to redraw the card.
        self._task = asyncio.create_task(self._look_up(), context=Context())

    async def _look_up(self) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._ask()
        except TimeoutError:
            self._failed(f"no answer within {WITHIN_S:.0f} s")
        except OpslibError as error:
            self._failed(error.cause)
        except Exception as error:  # noqa: BLE001 (supervision: a form without names can be used all the same)
            self._failed(type(error).__name__)
