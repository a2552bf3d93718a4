"""What is tried again and when, and what Retry-After asks for."""

import random

from httpx_retries import Retry

# Genesys's own command line refuses longer waits (gc, "Retry-After").
MAX_RETRY_AFTER_S = 180.0
# All callers of a token are told the same Retry-After; without this they would come back as one herd.
_RETRY_AFTER_SPREAD_S = 1.0
_TRIES_AFTER_THE_FIRST = 4
_BACKOFF_S = 0.5

# PUT and DELETE may be sent twice: the result is the same (RFC 9110, 9.2.2).
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


def spread(wait_s: float) -> float:
    return wait_s + random.uniform(0, _RETRY_AFTER_SPREAD_S)  # noqa: S311 (no secret)


def retry_after_s(value: str) -> float:
    """Seconds that a Retry-After header asks for. Raises ValueError when it is neither a number nor a date."""
    try:
        seconds = float(value)
    except ValueError:
        return Retry().parse_retry_after(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"Retry-After {value!r} is no waiting time")
    return seconds


class _Retry(Retry):
    """Retry-After as whole or decimal seconds or as a date, spread a little."""

    def parse_retry_after(self, retry_after: str) -> float:
        return spread(retry_after_s(retry_after))


def retry_for(method: str, *, repeatable: bool | None = None) -> Retry:
    """How a request is retried: 429 always; 502, 503, 504 and lost connections only where repeating is harmless."""
    harmless = method in _IDEMPOTENT if repeatable is None else repeatable
    return _Retry(
        total=_TRIES_AFTER_THE_FIRST,
        allowed_methods=[method],
        status_forcelist=[429, 502, 503, 504] if harmless else [429],
        retry_on_exceptions=None if harmless else [],
        backoff_factor=_BACKOFF_S,
        max_backoff_wait=MAX_RETRY_AFTER_S + _RETRY_AFTER_SPREAD_S,
    )
