"""One HTTP attempt as a sample."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from opslib.logs import log

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

Outcome = Literal[
    "success",
    "redirect",
    "not_found",
    "client_error",
    "rate_limited",
    "server_error",
    "timeout",
    "connection_error",
    "cancelled",
]

COLUMNS = (
    "run_id",
    "operation",
    "step",
    "method",
    "endpoint",
    "attempt",
    "status",
    "outcome",
    "latency_s",
    "started_at",
    "correlation_id",
)

TOKEN_OPERATION = "get_access_token"
CATALOGUE_OPERATION = "read_catalogue"
# Samples of these are kept, but say nothing of the org's API: no figure counts them.
NOT_OF_THE_API = (TOKEN_OPERATION, CATALOGUE_OPERATION)

# A 404 to one of these is an answer: there is no such object, or it is gone already. To a write it is a failure.
MAY_BE_GONE = ("GET", "DELETE")

_step: ContextVar[str] = ContextVar("step", default="")
_operation: ContextVar["Operation | None"] = ContextVar("operation", default=None)


class Sample(BaseModel):
    """One HTTP attempt. `latency_s` is wire time: from sending until the whole answer was read, without queueing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str
    step: str
    method: str
    endpoint: str
    attempt: int
    status: int | None
    outcome: Outcome
    latency_s: float
    started_at: str
    correlation_id: str | None


@dataclass
class Operation:
    """What the caller asked for; it may take several attempts. `deadline_at` is in the event loop's time (s)."""

    name: str
    deadline_at: float
    attempts: int = field(default=0)

    def seconds_left(self) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return self.deadline_at - asyncio.get_running_loop().time()


def current_operation() -> Operation | None:
    """The operation that the running task works for."""
    return _operation.get()


@contextmanager
def operation(name: str, deadline_s: float) -> "Iterator[Operation]":
    """Name the attempts made inside."""
    op = Operation(name, asyncio.get_running_loop().time() + deadline_s)
    token = _operation.set(op)
    try:
        yield op
    finally:
        _operation.reset(token)


class Recorder:
    """What one client did: counted here, kept by `write(kind, data)`, which is the ledger's.

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
        """Count what is written already, such as by an earlier session; entries of other kinds count nothing."""
        if kind == "sample" and data["operation"] not in NOT_OF_THE_API:
            self.latency_samples.append(data["latency_s"])
        elif kind == "operation":
            self.success_count += data["outcome"] == "success"
            self.failure_count += data["outcome"] != "success"


def current_step() -> str:
    """The step that the running task belongs to, or an empty text."""
    return _step.get()


@contextmanager
def step(name: str) -> "Iterator[None]":
    """Mark the attempts made inside as part of a step."""
    token = _step.set(name)
    try:
        yield
    finally:
        _step.reset(token)


def outcome_of(status: int) -> Outcome:
    """The outcome that an HTTP status stands for."""
    if 200 <= status < 300:
        return "success"
    if status < 400:  # nobody follows it, so what was asked for was not done
        return "redirect"
    if status == 404:
        return "not_found"
    if status == 429:
        return "rate_limited"
    return "client_error" if status < 500 else "server_error"


def frame(rows: Iterable[dict[str, Any]]) -> "pd.DataFrame":
    """A DataFrame with one row per attempt and the columns of `COLUMNS`, also when there are no rows."""
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    return table.astype({"attempt": "int64", "status": "Int64", "latency_s": "float64"}).assign(
        started_at=pd.to_datetime(table["started_at"], utc=True)
    )
