"""What many walks have in common, so that it is opened, asked or checked once: see `Shared`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opslib.ledger.ledger import Ledger, Run

T = TypeVar("T")

# How long an answer counts (s): a bucket that many onboardings share is looked at again after this.
_COUNTS_FOR_S = 600.0


@dataclass
class Answers:
    """Answers to questions, each asked once however many ask it at the same time; an error is not kept.

    An answer counts for `counts_for_s` seconds.
    """

    counts_for_s: float = _COUNTS_FOR_S
    _asked: dict[Hashable, tuple[float, asyncio.Task[Any]]] = field(default_factory=dict)

    async def once(self, question: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question. Raises what `ask` raises."""
        at, task = self._asked.get(question, (0.0, None))
        if task is None or (task.done() and (_failed(task) or time.monotonic() - at > self.counts_for_s)):
            task = asyncio.ensure_future(ask())
            self._asked[question] = time.monotonic(), task
        # Shielded: who gives up does not take the answer from the others.
        answer: T = await asyncio.shield(task)
        return answer

    async def aclose(self) -> None:
        """End what is still being asked."""
        tasks = [task for _, task in self._asked.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None


@dataclass
class Shared:
    """The workspace's ledger, what each run in it says of itself, the answers of the org and of AWS, and the lock of an
    apply: who shares holds it for all."""

    ledger: Ledger
    about: Mapping[str, str] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)
    lock: Callable[[Run], AbstractContextManager[None]] = lambda run: nullcontext()
