"""What the key of an object says about a recording.

Genesys writes `{organization}/year=2025/month=1/day=1/hour=0/conversation_id={conversation}/{recording}.opus`, and
beside it a sidecar, `{recording}.opus_metadata.json`. The hour is the start of the conversation in UTC. The parts of
the date have leading zeros in some buckets and none in others, so both are read. Everything else is malformed: a folder
marker, a transcript, a day that does not exist, a file that is not of a recording's type.

A prefix ends in `/`, so `voice` does not reach into `voice2/`. It may also reach into the layout: below
`{organization}/year=2025/`, keys are read as if the whole bucket was listed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from opslib.archive.ids import halves

MEDIA: Final = 0
SIDECAR: Final = 1
MALFORMED: Final = 2
KINDS: Final = ("media", "sidecar", "malformed")

HOUR_MS: Final = 3_600_000

EXTENSIONS: Final = frozenset(
    (
        *("opus", "wav", "webm", "zip", "txt"),  # seen in exports
        *("aac", "amr", "flac", "gsm", "m4a", "mka", "mp3", "oga", "ogg", "weba", "wma"),
        *("3gp", "avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "wmv"),
        *("eml", "htm", "html", "pdf", "png"),
    )
)
"""The types of recordings. A half-written `.tmp` is not one, nor is a transcript in JSON."""

_FOLDER = re.compile(
    r"(?P<root>(?:[^/]*/)*)(?P<organization>[^/]+)"
    r"/year=(?P<year>[0-9]{4})/month=(?P<month>[0-9]{1,2})/day=(?P<day>[0-9]{1,2})/hour=(?P<hour>[0-9]{1,2})"
)
_CONVERSATION: Final = "conversation_id="
_SIDECAR: Final = "_metadata.json"
_BARE_SIDECAR: Final = "_metadata"
"""Before `.json`, in the name of a sidecar that leaves out its recording's extension."""

COLUMNS: Final = pa.schema(
    [
        pa.field("conv_hi", pa.int64()),
        pa.field("conv_lo", pa.int64()),
        pa.field("rec_hi", pa.int64()),
        pa.field("rec_lo", pa.int64()),
        pa.field("kind", pa.int8(), nullable=False),
        pa.field("hour_start_ms", pa.int64()),
    ]
)
"""What `columns` gives. All but `kind` are null where the key is malformed."""


@dataclass(frozen=True)
class ParsedKey:
    """One key. The rest is None where `kind` is MALFORMED; a sidecar may leave out its recording's extension."""

    kind: int
    organization_id: str | None = None
    conversation_id: str | None = None
    recording_id: str | None = None
    extension: str | None = None
    hour_start_ms: int | None = None


def below(prefix: str) -> str:
    """A prefix as S3 is asked for it: empty, or with `/` at its end."""
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def root_of(key: str) -> str | None:
    """The folders before the organization, where a key is of the layout at all; empty where there are none.

    >>> root_of("recordings/voice/o-1/year=2025/month=1/day=1/hour=0/conversation_id=c/r.opus")
    'recordings/voice/'
    """
    found = _FOLDER.match(key)
    return found["root"] if found else None


def parse(key: str, prefix: str = "") -> ParsedKey:
    """One key, as `columns` reads it."""
    read = _read(pa.array([key], pa.large_string()), below(prefix))
    if (kind := int(read.kind[0])) == MALFORMED:
        return ParsedKey(MALFORMED)
    return ParsedKey(
        kind=kind,
        organization_id=key[: key.index("/year=")].rpartition("/")[2],
        conversation_id=read.conversation[0].as_py(),
        recording_id=read.recording[0].as_py(),
        extension=read.extension[0].as_py(),
        hour_start_ms=int(read.hour_start_ms[0]),
    )


def columns(keys: pa.Array | pa.ChunkedArray, prefix: str = "") -> pa.Table:
    """The keys of objects as COLUMNS, in the same order. `prefix` is the one that was listed."""
    texts = keys.cast(pa.large_string())
    read = _read(texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts, below(prefix))
    malformed = read.kind == MALFORMED
    ids = [*halves(_where(~malformed, read.conversation)), *halves(_where(~malformed, read.recording))]
    kind, hour_start_ms = pa.array(read.kind), pa.array(read.hour_start_ms, mask=malformed)
    return pa.Table.from_arrays([*ids, kind, hour_start_ms], schema=COLUMNS)


@dataclass(frozen=True)
class _Read:
    """A row for each key. What a malformed one holds has no meaning."""

    kind: NDArray[np.int8]
    hour_start_ms: NDArray[np.int64]
    conversation: pa.LargeStringArray
    recording: pa.LargeStringArray
    extension: pa.LargeStringArray


def _read(keys: pa.LargeStringArray, prefix: str) -> _Read:
    """Folders and types repeat, so each is read once; what differs from key to key is cut, not matched."""
    folder, conversation, name = _split(keys, "/", 3, reverse=True)
    recording, suffix = _split(name, ".", 2)
    bare = _true(pc.and_(pc.equal(suffix, "json"), pc.ends_with(recording, _BARE_SIDECAR)))
    recording = pc.if_else(pa.array(bare), pc.utf8_slice_codeunits(recording, 0, -len(_BARE_SIDECAR)), recording)

    hour_start_ms = _each(folder, lambda text: _hour_start_ms(text, prefix), -1)
    kind = _each(suffix, _kind, MALFORMED).astype(np.int8)
    kind[bare] = SIDECAR
    fits = (hour_start_ms >= 0) & _true(pc.starts_with(keys, prefix)) & _true(pc.not_equal(recording, ""))
    fits &= _true(pc.starts_with(conversation, _CONVERSATION)) & _true(pc.not_equal(conversation, _CONVERSATION))
    kind[~fits] = MALFORMED
    extension = pc.replace_substring(suffix, _SIDECAR, "")
    return _Read(
        kind,
        hour_start_ms,
        pc.utf8_slice_codeunits(conversation, len(_CONVERSATION)),
        recording,
        _where(~bare, extension),
    )


def _split(texts: pa.LargeStringArray, at: str, count: int, *, reverse: bool = False) -> list[pa.LargeStringArray]:
    """The parts of each text as `count` columns, null where it has fewer."""
    parts = pc.split_pattern(texts, at, max_splits=count - 1, reverse=reverse)
    whole = pc.equal(pc.list_value_length(parts), count)
    nothing = pa.scalar([None] * count, parts.type)
    flat = pc.if_else(pc.fill_null(whole, False), parts, nothing).flatten()
    rows = np.arange(len(texts)) * count
    return [flat.take(pa.array(rows + part)) for part in range(count)]


def _each(texts: pa.LargeStringArray, number: Callable[[str], int], otherwise: int) -> NDArray[np.int64]:
    """A number for each text, worked out once for each that differs."""
    encoded = texts.dictionary_encode()
    numbers = np.array([*map(number, encoded.dictionary.to_pylist()), otherwise], np.int64)
    rows: NDArray[np.int64] = numbers[pc.fill_null(encoded.indices, len(numbers) - 1).to_numpy(zero_copy_only=False)]
    return rows


def _kind(suffix: str) -> int:
    extension = suffix.removesuffix(_SIDECAR)
    if extension.lower() not in EXTENSIONS:
        return MALFORMED
    return MEDIA if extension == suffix else SIDECAR


def _hour_start_ms(folder: str, prefix: str) -> int:
    """The hour's start, or -1 for a folder that is not an hour's, or not where the prefix says.

    The layout begins where the prefix ends, or the prefix reaches into it, at least past the organization.
    """
    match = _FOLDER.fullmatch(folder)
    if not match or (match["root"] != prefix and len(f"{match['root']}{match['organization']}/") > len(prefix)):
        return -1
    try:
        hour = datetime(*(int(match[part]) for part in ("year", "month", "day", "hour")), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:  # the 31st of April, or hour 24
        return -1
    return int(hour.timestamp()) * 1000


def _where(flags: NDArray[np.bool_], texts: pa.LargeStringArray) -> pa.LargeStringArray:
    return pc.if_else(pa.array(flags), texts, None)


def _true(flags: pa.BooleanArray) -> NDArray[np.bool_]:
    values: NDArray[np.bool_] = pc.fill_null(flags, False).to_numpy(zero_copy_only=False)
    return values
