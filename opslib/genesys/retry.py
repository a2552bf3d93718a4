"""What is tried again and when, and what Retry-After asks for."""

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

import httpx
from httpx_retries import Retry

from opslib.genesys.server_time import answered_at, http_date

# Genesys's own command line refuses longer waits (gc, "Retry-After").
MAX_RETRY_AFTER_S = 180.0
# All callers of a token are told the same Retry-After; without this they would come back as one herd.
_RETRY_AFTER_SPREAD_S = 1.0
_TRIES_AFTER_THE_FIRST = 4
_BACKOFF_S = 0.5

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")

# PUT and DELETE may be sent twice: the result is the same (RFC 9110, 9.2.2).
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


def spread(wait_s: float) -> float:
    return wait_s + random.uniform(0, _RETRY_AFTER_SPREAD_S)  # noqa: S311 (no secret)


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that an answer's Retry-After asks to wait; 0 for a time that has passed, or without that header.

    A date is compared with the answer's own Date, so that a clock that is off here does not matter (RFC 9110, sections
    10.2.3 and 6.6.1); with this machine's clock where the answer has none. Raises ValueError for anything else.
    """
    value = headers.get("Retry-After", "0").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        until = http_date(value)
    except ValueError:
        raise ValueError(f"Retry-After {value!r} is not a waiting time") from None
    return max(0.0, (until - (answered_at(headers) or datetime.now(UTC))).total_seconds())


_single: ContextVar[bool] = ContextVar("single", default=False)


@contextmanager
def tried_once() -> Iterator[None]:
    """What is sent inside is not repeated: who only asks whether a host is there wants to know it soon."""
    token = _single.set(True)
    try:
        yield
    finally:
        _single.reset(token)


class _Retry(Retry):
    """Retry-After as whole or decimal seconds or as a date, spread a little."""

    _headers: Mapping[str, str] = {}

    async def asleep(self, response: httpx.Response | Exception) -> None:
        """`parse_retry_after` gets the one header only, and a date needs the answer's Date."""
        self._headers = response.headers if isinstance(response, httpx.Response) else {}
        await super().asleep(response)

    def parse_retry_after(self, retry_after: str) -> float:
        return spread(retry_after_s(self._headers))


def retry_for(method: str, *, repeatable: bool | None = None) -> Retry:
    """How a request is retried: 429 always; 502, 503, 504 and lost connections only where repeating is harmless."""
    harmless = method in _IDEMPOTENT if repeatable is None else repeatable
    return _Retry(
        total=0 if _single.get() else _TRIES_AFTER_THE_FIRST,
        allowed_methods=[method],
        status_forcelist=[429, 502, 503, 504] if harmless else [429],
        retry_on_exceptions=None if harmless else [],
        backoff_factor=_BACKOFF_S,
        max_backoff_wait=MAX_RETRY_AFTER_S + _RETRY_AFTER_SPREAD_S,
    )
