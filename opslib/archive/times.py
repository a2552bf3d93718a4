"""Times as milliseconds since 1970 in UTC, from ISO 8601 with an offset or from milliseconds; and as text."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from opslib.archive.expected_rows import Batch
from opslib.ledger.moment import utc_text

# From March 1973 to the end of 9999: seconds since 1970 are smaller, microseconds larger.
_EARLIEST_MS: Final = 100_000_000_000
_LATEST_MS: Final = 253_402_300_799_999
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_FIX: Final = "write it as 2025-01-31T09:30:00Z, with another offset, or as milliseconds since 1970"


def milliseconds(batch: Batch, name: str) -> pa.Array:
    """A column of times; null where it is empty, or not in the file. Raises InvalidInput and names the row."""
    values = batch.columns.get(name)
    if values is None or values.null_count == len(values):
        return pa.nulls(len(batch), pa.int64())
    if pa.types.is_timestamp(values.type):
        times_ms = _of_timestamps(batch, name, values)
    elif pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        times_ms = values.cast(pa.int64(), safe=False)  # what does not fit comes out as no time
    else:
        times_ms = _of_text(batch, name)
    outside = pc.or_(pc.less(times_ms, _EARLIEST_MS), pc.greater(times_ms, _LATEST_MS))
    if (at := pc.index(outside, True).as_py()) >= 0:
        batch.refuse(at, f"{name} is not between 1973 and 9999, read as milliseconds since 1970", _FIX)
    return times_ms


def time_text(time_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return utc_text(moment_of(time_ms))


def time_words(time_ms: int) -> str:
    """To the minute, for a sentence."""
    return f"{moment_of(time_ms):%Y-%m-%d %H:%M} UTC"


def moment_of(time_ms: int) -> datetime:
    """Milliseconds since 1970 as a moment in UTC."""
    return _EPOCH + timedelta(milliseconds=time_ms)


def moment_ms(moment: datetime) -> int:
    """A moment with an offset in milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def _of_timestamps(batch: Batch, name: str, values: pa.Array) -> pa.Array:
    if values.type.tz is None:
        batch.refuse(0, f"the times of {name} have no zone", "store them with a zone")
    return values.cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64())


def _of_text(batch: Batch, name: str) -> pa.Array:
    texts = batch.text(name)
    digits = pc.match_substring_regex(texts, r"^[0-9]{1,18}(\.0*)?$")  # pandas writes 1735725600000.0 beside gaps
    numbers = pc.replace_substring_regex(pc.if_else(digits, texts, None), r"\..*", "").cast(pa.int64())
    moments = pc.if_else(digits, None, texts)
    try:
        moments_ms = pc.divide(moments.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), 1000)
    except pa.ArrowInvalid:  # a fault, or a form that only Python reads
        read = [_moment_ms(batch, name, at, text) for at, text in enumerate(moments.to_pylist())]
        moments_ms = pa.array(read, pa.int64())
    return pc.coalesce(numbers, moments_ms)


def _moment_ms(batch: Batch, name: str, at: int, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        batch.refuse(at, f"{name} is not a time", _FIX)
    if moment.tzinfo is None:
        batch.refuse(at, f"{name} has no offset from UTC", _FIX)
    return moment_ms(moment)
