"""What time it is at the server, by the Date of its answers (RFC 9110, sections 5.6.7 and 6.6.1)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

# AWS refuses signatures that are 15 minutes off; a minute off is a clock that is not kept (s).
SKEW_FAILS_S, SKEW_WARNS_S = 900, 60


@lru_cache(maxsize=16)  # the answers of one second have one date
def http_date(value: str) -> datetime:
    """A date in any of HTTP's three formats, in UTC. Raises ValueError."""
    try:
        moment = parsedate_to_datetime(value)
    except OverflowError as error:  # a year that no calendar has
        raise ValueError(str(error)) from None
    # The asctime format names no zone: it is always UTC.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def answered_at(headers: Mapping[str, str]) -> datetime | None:
    """When the server answered, by its own clock; None for an answer without a date that HTTP knows."""
    try:
        return http_date(headers["Date"])
    except (KeyError, ValueError):
        return None


def clock_skew_s(headers: Mapping[str, str]) -> float | None:
    """How far the server's clock is ahead of ours (s, to the second); None where it does not say."""
    there = answered_at(headers)
    return (there - datetime.now(UTC)).total_seconds() if there else None
