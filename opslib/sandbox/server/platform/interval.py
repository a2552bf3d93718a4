"""Intervals as Genesys writes them: two ISO 8601 moments with a slash between."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

DATE_ERROR = "invalid.date"


def moments(interval: str) -> tuple[datetime, datetime]:
    """Start and end, UTC where no zone is given. Raises ValueError unless it starts before it ends."""
    start, end = (_moment(part) for part in interval.split("/"))
    if start >= end:
        raise ValueError("an interval starts before it ends")
    return start, end


def _moment(text: str) -> datetime:
    if not re.match(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", text):
        raise ValueError("a date alone is no moment")
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _checked(text: str) -> str:
    try:
        moments(text)
    except ValueError:
        raise PydanticCustomError(
            DATE_ERROR, "Dates must be specified as ISO-8601 strings. For example: yyyy-MM-ddTHH:mm:ss.SSSZ"
        ) from None
    return text


Interval = Annotated[str, AfterValidator(_checked)]
