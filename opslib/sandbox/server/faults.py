"""Faults: what to do to which requests instead of, before or after serving them."""

import json
import threading
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opslib.sandbox.server.path_pattern import PathPattern

_compiled = lru_cache(PathPattern)


def _pattern(pattern: str) -> str:
    _compiled(pattern)
    return pattern


class Fault(BaseModel):
    """One fault; every field is optional and narrows or shapes it.

    - `method` (any case) and `path_regex` (see opslib.sandbox.server.path_pattern; found anywhere in the path as on the
      wire, without the query) say which requests, and `query` a parameter that they have, such as S3's `lifecycle`;
      `times` how many of them, all until cleared when absent.
    - `status` and `body` (an object or a text) replace the answer; a body alone comes with 200, a status
      alone with an error body of the service's own shape. `headers` are set on whatever answer is given.
    - `delay_s` holds the answer back; alone it serves normally, later. `drop` cuts the connection.
    - `when`: "before", the request has no effect; "after", it takes effect and only its answer is lost.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    method: str | None = None
    path_regex: Annotated[str, AfterValidator(_pattern)] = ""
    query: str | None = None
    times: int | None = Field(default=None, ge=1)
    status: int | None = Field(default=None, ge=200, le=599)
    headers: dict[str, str] = {}
    body: dict[str, Any] | str | None = None
    delay_s: float = Field(default=0.0, ge=0, le=3600)
    drop: bool = False
    when: Literal["before", "after"] = "before"

    @property
    def answers(self) -> bool:
        """Whether this fault's answer replaces the service's own."""
        return self.status is not None or self.body is not None

    def matches(self, method: str, path: str, query: str) -> bool:
        right_method = self.method is None or self.method.upper() == method.upper()
        right_query = self.query is None or self.query in parse_qs(query, keep_blank_values=True)
        return right_method and right_query and _compiled(self.path_regex).found_in(path)

    def payload(self) -> tuple[str, bytes]:
        """Content type and bytes of `body`; not to be asked when there is none."""
        if isinstance(self.body, str):
            return "text/plain; charset=utf-8", self.body.encode()
        return "application/json", json.dumps(self.body).encode()


class Faults:
    """The faults in force. A request meets the first that matches it, in the order they were set."""

    def __init__(self) -> None:
        self._left: list[tuple[Fault, int | None]] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._left.append((fault, fault.times))

    def clear(self) -> None:
        with self._lock:
            self._left.clear()

    def take(self, method: str, path: str, query: str) -> Fault | None:
        """The fault this request meets, used up by one."""
        with self._lock:
            for place, (fault, left) in enumerate(self._left):
                if fault.matches(method, path, query):
                    if left == 1:
                        del self._left[place]
                    elif left is not None:
                        self._left[place] = (fault, left - 1)
                    return fault
        return None
