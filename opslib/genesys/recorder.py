import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from opslib.genesys.logs import log
from opslib.ledger.samples import NOT_OF_THE_API, Sample

_step: ContextVar[str] = ContextVar("step", default="")
_operation: ContextVar["Operation | None"] = ContextVar("operation", default=None)


@dataclass
class Operation:
    """What the caller asked for; it may take several attempts, which `recorder` records.

    `deadline_at` is in the event loop's time (s).
    """

    name: str
    deadline_at: float
    recorder: "Recorder | None" = None
    attempts: int = 0

    def seconds_left(self) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return self.deadline_at - asyncio.get_running_loop().time()


def current_operation() -> Operation | None:
    return _operation.get()


@contextmanager
def operation(name: str, deadline_s: float, recorder: "Recorder | None" = None) -> Iterator[Operation]:
    """Name the attempts made inside."""
    op = Operation(name, asyncio.get_running_loop().time() + deadline_s, recorder)
    token = _operation.set(op)
    try:
        yield op
    finally:
        _operation.reset(token)


class Recorder:
    """What one client did: counted here, and written with `write(kind, data)`, such as to the ledger.

    Attributes:
        latency_samples: seconds, one per attempt, those of `NOT_OF_THE_API` left out.
        success_count, failure_count: operations, however many attempts each took.
    """

    def __init__(self, write: Callable[[str, dict[str, Any]], object]) -> None:
        self._write = write
        self.latency_samples: list[float] = []
        self.success_count = 0
        self.failure_count = 0

    def sample(self, sample: Sample) -> None:
        """Keep one attempt."""
        data = sample.model_dump()
        self.recall("sample", data)
        log("debug", "attempt", **data)
        self._write("sample", data)

    def operation(self, op: Operation, error: BaseException | None) -> None:
        """Keep how an operation ended."""
        data = {
            "operation": op.name,
            "step": current_step(),
            "outcome": "failure" if error else "success",
            "error": type(error).__name__ if error else None,
            "attempts": op.attempts,
        }
        self.recall("operation", data)
        log("warning" if error else "info", "operation", **data)
        self._write("operation", data)

    def recall(self, kind: str, data: dict[str, Any]) -> None:
        """Count what was already written, such as by an earlier session; entries of other kinds are not counted."""
        if kind == "sample" and data["operation"] not in NOT_OF_THE_API:
            self.latency_samples.append(data["latency_s"])
        elif kind == "operation":
            self.success_count += data["outcome"] == "success"
            self.failure_count += data["outcome"] != "success"


def current_step() -> str:
    """The step that the running task belongs to, or an empty text."""
    return _step.get()


@contextmanager
def within_step(name: str) -> Iterator[None]:
    """Mark the attempts made inside as part of a step."""
    token = _step.set(name)
    try:
        yield
    finally:
        _step.reset(token)
