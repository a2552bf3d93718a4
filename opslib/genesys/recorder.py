import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from opslib.genesys.deadline import Deadline
from opslib.genesys.logs import log
from opslib.ledger.chain import Entry
from opslib.ledger.moment import utc_now
from opslib.ledger.samples import NOT_OF_THE_API, Sample

_step: ContextVar[str] = ContextVar("step", default="")
_operation: ContextVar["Operation | None"] = ContextVar("operation", default=None)


@dataclass
class Operation:
    """What the caller asked for; it may take several attempts, which `recorder` records.

    `entries` are the numbers of its attempts in the ledger. `duration_s` includes what a sample does not: waiting for
    the rate gate, for a token and between attempts.
    """

    name: str
    deadline: Deadline
    recorder: "Recorder | None" = None
    attempts: int = 0
    entries: list[int] = field(default_factory=list)
    started_at: str = field(default_factory=utc_now)
    _started_s: float = field(default_factory=time.perf_counter)

    def duration_s(self) -> float:
        """Seconds since it was begun."""
        return time.perf_counter() - self._started_s

    def seconds_left(self) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return self.deadline.seconds_left()


def current_operation() -> Operation | None:
    return _operation.get()


@contextmanager
def operation(name: str, deadline_s: float, recorder: "Recorder | None" = None) -> Iterator[Operation]:
    """Name the attempts made inside."""
    op = Operation(name, Deadline(asyncio.get_running_loop().time() + deadline_s), recorder)
    token = _operation.set(op)
    try:
        yield op
    finally:
        _operation.reset(token)


class Recorder:
    """What one client did: counted here, and written with `write(kind, data)`, which returns its entry in the ledger,
    where there is one.

    Attributes:
        latency_samples: seconds, one per attempt, those of `NOT_OF_THE_API` left out.
        success_count, failure_count: operations, however many attempts each took.
    """

    def __init__(self, write: Callable[[str, dict[str, Any]], Entry | None]) -> None:
        self._write = write
        self.latency_samples: list[float] = []
        self.success_count = 0
        self.failure_count = 0

    def sample(self, sample: Sample) -> None:
        """Keep one attempt."""
        data = sample.model_dump()
        self.recall("sample", data)
        log("debug", "attempt", **data)
        entry, op = self._write("sample", data), current_operation()
        if entry and op and sample.operation not in NOT_OF_THE_API:
            op.entries.append(entry.seq)

    def operation(self, op: Operation, error: BaseException | None) -> None:
        """Keep how an operation ended."""
        data = {
            "operation": op.name,
            "step": current_step(),
            "outcome": "failure" if error else "success",
            "error": type(error).__name__ if error else None,
            "attempts": op.attempts,
            "entries": op.entries,
            "started_at": op.started_at,
            "duration_s": op.duration_s(),
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
