"""Who arrived, late, empty, twice, or not at all: one query in narwhals, which DuckDB or Spark carries out.

1. Objects are grouped by recording: the first arrival, the largest size, whether there are several, whether a sidecar.
2. The expected recordings are joined with them once, fully: a row without an object did not arrive, an object without a
   row is extra. A row that stands for its conversation is joined with all recordings of the conversation.
3. What was joined is kept, narrow: ids only for extras, since `row` leads back to the expected file. Counts, histogram
   and lists are worked out from it.

Every step gives the same answer on both, whatever the order of the rows: integers, minima, maxima and counts, no
ranks. An object that was found twice has one hash, so it is not taken for several.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import narwhals as nw

from opslib.archive.arrived import ArrivedParts
from opslib.archive.database import Frame
from opslib.archive.engines import Engine, Tables
from opslib.archive.expected import ExpectedFile
from opslib.archive.histogram import PER_OCTAVE
from opslib.archive.keys import HOUR_MS, MALFORMED, MEDIA, SIDECAR, root_of
from opslib.archive.words import wrong_storage

DAY_MS: Final = 24 * HOUR_MS
AT_RISK_MS: Final = 30 * DAY_MS
"""A missing recording that Genesys deletes within this time is at risk."""

COUNTED: Final = (
    "expected", "arrived", "late", "not_due", "missing", "duplicate", "empty", "without_sidecar", "at_risk",
)  # fmt: skip
"""What is counted of the expected recordings, by day, media and queue."""

LISTS: Final = ("missing", "not_due", "late", "empty", "without_sidecar", "duplicate", "extra", "malformed_keys")
FIRST_MISSING: Final = 100

_CONVERSATION: Final = ["conv_hi", "conv_lo"]
_RECORDING: Final = [*_CONVERSATION, "rec_hi", "rec_lo"]


@dataclass(frozen=True)
class Question:
    """What is asked, in milliseconds since 1970. Judged is what ended from `since_ms` to before `judged_until_ms`."""

    now_ms: int
    within_ms: int
    since_ms: int | None
    until_ms: int | None

    @property
    def judged_until_ms(self) -> int:
        return self.now_ms if self.until_ms is None else min(self.until_ms, self.now_ms)


@dataclass(frozen=True)
class Group:
    """The counts of the recordings of a day, of one kind of media and one queue."""

    day_ms: int
    media: str | None
    queue: str | None
    counts: dict[str, int]


@dataclass(frozen=True)
class Answer:
    """The figures; `report.Verification` judges them."""

    question: Question
    groups: list[Group]
    extra: int
    malformed_keys: int
    latency_buckets: dict[int, int]
    latency_max_ms: int | None
    arrivals: dict[int, int]
    """How many recordings arrived first in each hour, by its start in milliseconds."""
    storage: list[dict[str, Any]]
    """Each encryption and storage class of media objects, null where the source does not tell; where they differ or
    one is wrong, also how many `objects` have them."""
    missing: list[dict[str, Any]] = field(default_factory=list)
    """The first ones by end, conversation and recording."""
    elsewhere: str | None = None
    """Where no object is of the layout: a folder below which one is."""

    @cached_property
    def counts(self) -> dict[str, int]:
        totals = {name: sum(group.counts[name] for group in self.groups) for name in COUNTED}
        return totals | {"extra": self.extra, "malformed_keys": self.malformed_keys}


def question(
    expected: ExpectedFile,
    now: datetime,
    *,
    within_hours: float = 24,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Question:
    """Without `since` and `until`, the whole file is asked for."""
    last = expected.last_ended_at_ms
    return Question(
        now_ms=_ms(now),
        within_ms=round(within_hours * HOUR_MS),
        since_ms=expected.first_ended_at_ms if since is None else _ms(since),
        until_ms=(last if last is None else last + 1) if until is None else _ms(until),
    )


def answer(
    asked: Question,
    expected: ExpectedFile,
    arrived: ArrivedParts,
    folder: Path,
    engine: Engine,
    *,
    lists: Path | None = None,
    missing: Path | None = None,
) -> Answer:
    """Asks. What does not fit into memory goes to `folder`; all lists go to `lists`, as Parquet, if it is given, and
    what is missing to the file `missing`."""
    with engine.opened(folder) as tables:
        return _Query(tables, asked, expected, arrived).answer(lists, missing)


class _Query:
    def __init__(self, tables: Tables, asked: Question, expected: ExpectedFile, arrived: ArrivedParts) -> None:
        self._tables, self._asked = tables, asked
        self._expected = tables.read([str(expected.path)])
        self._arrived = tables.read(arrived.tables())
        self._by_conversation = expected.conversations > 0

    def answer(self, lists: Path | None, missing: Path | None) -> Answer:
        joined = self._tables.keep(self._joined(), "joined")
        judged = self._judged(joined)
        extra = self._extra(joined)
        if lists is not None:  # then it is used twice
            extra = self._tables.keep(extra, "extra")
        extra_objects = self._arrived.filter(_kind(MEDIA)).join(extra, on=_RECORDING, how="semi")
        buckets, longest_ms = self._latencies(judged)
        storage = self._storage()
        if lists is not None:
            self._write(judged, extra_objects, lists)
        if missing is not None:
            self._tables.write(self._named(judged.filter(nw.col("missing"))), missing)
        return Answer(
            question=self._asked,
            groups=self._groups(judged),
            extra=_number(extra_objects.group_by("object").agg().select(nw.len())),
            malformed_keys=_number(self._malformed().group_by("object").agg().select(nw.len())),
            latency_buckets=buckets,
            latency_max_ms=longest_ms,
            arrivals=self._arrivals(judged),
            storage=storage,
            missing=self._first_missing(judged),
            elsewhere=None if storage else self._elsewhere(),
        )

    def _joined(self) -> Frame:
        recordings = self._expected.filter(~nw.col("rec_lo").is_null())
        joined = recordings.join(_objects(self._arrived), on=_RECORDING, how="full", suffix="_found")
        extra = nw.col("row").is_null()
        narrow = joined.filter(~extra | ~nw.col("first_ms").is_null()).select(
            *_KEPT, *(nw.when(extra).then(nw.col(f"{name}_found")).alias(name) for name in _RECORDING), "hour_ms"
        )
        return nw.concat([narrow, self._joined_conversations(narrow)]) if self._by_conversation else narrow

    def _joined_conversations(self, like: Frame) -> Frame:
        """Any recording of the conversation counts. One with several objects, or without a sidecar, marks the whole."""
        conversations = self._expected.filter(nw.col("rec_lo").is_null())
        theirs = self._arrived.join(conversations.select(_CONVERSATION), on=_CONVERSATION, how="semi")
        found = (
            _objects(theirs)
            .group_by(_CONVERSATION)
            .agg(nw.col("first_ms", "hour_ms").min(), nw.col("largest", "several", "bare", "sidecar").max())
        )
        joined = conversations.join(found, on=_CONVERSATION, how="left")
        none = (nw.lit(None).cast(nw.Int64).alias(name) for name in _RECORDING)
        return joined.with_columns(*none).select(like.columns)

    def _judged(self, joined: Frame) -> Frame:
        """The expected recordings of the interval, with a flag for each thing that is counted."""
        asked, ended = self._asked, nw.col("ended_at_ms")
        absent, old = nw.col("first_ms").is_null(), ended < asked.now_ms - asked.within_ms
        here = ~absent
        rows = joined.filter(~nw.col("row").is_null(), ended < asked.judged_until_ms)
        rows = rows if asked.since_ms is None else rows.filter(ended >= asked.since_ms)
        return rows.with_columns(
            expected=nw.lit(True),
            arrived=here,
            late=here & (_latency_ms() > asked.within_ms),
            not_due=absent & ~old,
            missing=absent & old,
            duplicate=here & (nw.col("several") == 1),
            empty=here & (nw.col("largest") == 0),
            without_sidecar=here & (nw.col("bare") == 1),
            at_risk=absent & old & (nw.col("delete_at_ms") <= asked.now_ms + AT_RISK_MS),
        )

    def _groups(self, judged: Frame) -> list[Group]:
        counts = (nw.when(nw.col(name)).then(1).count().alias(name) for name in COUNTED)
        table = _rows(judged.group_by(_floor("ended_at_ms", DAY_MS).alias("day"), "media", "queue").agg(*counts))
        groups = [
            Group(row["day"] * DAY_MS, row["media"], row["queue"], {name: row[name] for name in COUNTED})
            for row in table
        ]
        return sorted(groups, key=lambda group: (group.day_ms, group.media or "", group.queue or ""))

    def _latencies(self, judged: Frame) -> tuple[dict[int, int], int | None]:
        """The histogram, and the longest latency exactly."""
        arrived = judged.filter(nw.col("arrived")).select(_latency_ms().alias("latency_ms"))
        seconds = nw.max_horizontal("latency_ms", nw.lit(1)) / 1000.0
        bucket = (seconds.log(2) * PER_OCTAVE).floor().cast(nw.Int64).alias("bucket")
        rows = _rows(arrived.group_by(bucket).agg(nw.len().alias("rows"), nw.col("latency_ms").max().alias("longest")))
        return {row["bucket"]: row["rows"] for row in rows}, max((row["longest"] for row in rows), default=None)

    def _arrivals(self, judged: Frame) -> dict[int, int]:
        hours = judged.filter(nw.col("arrived")).group_by(_floor("first_ms", HOUR_MS).alias("hour"))
        return {
            row["hour"] * HOUR_MS: row["rows"] for row in sorted(_rows(hours.agg(nw.len().alias("rows"))), key=_hour)
        }

    def _storage(self) -> list[dict[str, Any]]:
        """To count each object once takes long, and says nothing where all are kept alike."""
        names = ["encryption", "storage_class"]
        media = self._arrived.filter(_kind(MEDIA))
        kinds = [{name: row[name] for name in names} for row in _rows(media.group_by(names).agg(nw.len()))]
        if len(kinds) > 1 or any(map(wrong_storage, kinds)):
            kinds = _rows(media.group_by(names).agg(nw.col("object").n_unique().alias("objects")))
        return sorted(kinds, key=lambda row: [row[name] or "" for name in names])

    def _extra(self, joined: Frame) -> Frame:
        """The recordings of the interval that have a media object and no row.

        A conversation that has rows is in the interval if one of them is. Of any other, the key tells the hour in which
        it started, and that hour counts.
        """
        recordings = joined.filter(nw.col("row").is_null())
        theirs = self._expected.join(recordings.select(_CONVERSATION), on=_CONVERSATION, how="semi")
        ended = nw.col("ended_at_ms")
        inside = ended < self._asked.judged_until_ms
        inside = inside if self._asked.since_ms is None else inside & (ended >= self._asked.since_ms)
        known = theirs.group_by(_CONVERSATION).agg(
            nw.when(inside).then(1).count().alias("inside"),
            nw.when(nw.col("rec_lo").is_null()).then(1).count().alias("whole"),
        )
        hour = nw.col("hour_ms") < self._asked.judged_until_ms
        hour = hour if self._asked.since_ms is None else hour & (nw.col("hour_ms") > self._asked.since_ms - HOUR_MS)
        chosen = recordings.join(known, on=_CONVERSATION, how="left").filter(
            ((nw.col("inside") > 0) & (nw.col("whole") == 0)) | (nw.col("inside").is_null() & hour)
        )
        return chosen.select(_RECORDING)

    def _malformed(self) -> Frame:
        return self._arrived.filter(_kind(MALFORMED))

    def _elsewhere(self) -> str | None:
        if _number(self._arrived.filter(nw.col("kind") < MALFORMED).select(nw.len())):
            return None
        first = _rows(self._arrived.filter(nw.col("key").str.contains("/year=")).select(nw.col("key").min()))[0]["key"]
        return None if first is None else root_of(first)

    def _first_missing(self, judged: Frame) -> list[dict[str, Any]]:
        order = ["ended_at_ms", "conversation_id", "recording_id"]
        missing = judged.filter(nw.col("missing")).select("row", "ended_at_ms", "delete_at_ms", "sidecar")
        return _rows(missing.join(self._names(), on="row").sort(order, nulls_last=False).head(FIRST_MISSING))

    def _names(self) -> Frame:
        """The ids of each row as the file spells them."""
        return self._expected.select("row", "conversation_id", "recording_id")

    def _named(self, judged: Frame) -> Frame:
        columns = ["ended_at_ms", "delete_at_ms", "media", "queue", "first_ms", "latency_ms", "sidecar", "at_risk"]
        named = judged.with_columns(latency_ms=_latency_ms()).join(self._names(), on="row")
        return named.select("conversation_id", "recording_id", *columns, "row")

    def _write(self, judged: Frame, extra_objects: Frame, folder: Path) -> None:
        frames = {name: self._named(judged.filter(nw.col(name))) for name in LISTS if name in COUNTED}
        frames["extra"] = _objects_once(extra_objects)
        frames["malformed_keys"] = _objects_once(self._malformed())
        for name, frame in frames.items():
            self._tables.write(frame, folder / f"{name}.parquet")


def _objects(arrived: Frame) -> Frame:
    """One row for each recording of which there is an object. `bare` has media and no sidecar; flags are 0 and 1."""
    media = {name: nw.when(_kind(MEDIA)).then(nw.col(name)) for name in ("last_modified_ms", "size", "object")}
    grouped = (
        arrived.filter(nw.col("kind") < MALFORMED)
        .group_by(_RECORDING)
        .agg(
            media["last_modified_ms"].min().alias("first_ms"),
            media["size"].max().alias("largest"),
            media["object"].min().alias("lowest"),
            media["object"].max().alias("highest"),
            nw.col("kind").max().alias("last_kind"),
            nw.col("hour_start_ms").min().alias("hour_ms"),
        )
    )
    sidecar, here = nw.col("last_kind") == SIDECAR, ~nw.col("first_ms").is_null()
    return grouped.select(
        *_RECORDING,
        "first_ms",
        "hour_ms",
        "largest",
        (nw.col("lowest") != nw.col("highest")).cast(nw.Int8).alias("several"),
        sidecar.cast(nw.Int8).alias("sidecar"),
        (here & ~sidecar).cast(nw.Int8).alias("bare"),
    )


def _objects_once(objects: Frame) -> Frame:
    return objects.group_by("object").agg(nw.col("key", "last_modified_ms", "size").min())


_KEPT: Final = (
    "row", "ended_at_ms", "delete_at_ms", "media", "queue", "first_ms", "largest", "several", "sidecar", "bare",
)  # fmt: skip


def _latency_ms() -> nw.Expr:
    return nw.col("first_ms") - nw.col("ended_at_ms")


def _kind(kind: int) -> nw.Expr:
    return nw.col("kind") == kind


def _floor(name: str, width: int) -> nw.Expr:
    """How many whole widths. A float holds every millisecond of the calendar exactly, and `//` is slow in SQL."""
    return (nw.col(name) / width).floor().cast(nw.Int64)


def _rows(frame: Frame) -> list[dict[str, Any]]:
    return frame.collect("pyarrow").to_native().to_pylist()  # type: ignore[no-any-return]


def _number(frame: Frame) -> int:
    return int(next(iter(_rows(frame)[0].values())))


def _hour(row: dict[str, Any]) -> int:
    return int(row["hour"])


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
