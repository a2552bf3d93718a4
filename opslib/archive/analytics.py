"""Conversations with a recording, as the org's analytics has them: a folder of Parquet parts, each of an interval.

A part has what ended in its interval, and was asked for when the org's data was complete until its end. So parts never
overlap, a later run asks only for the intervals that it lacks, and one that was killed goes on there.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from opslib.archive.database import opened
from opslib.archive.missing import file_sha256
from opslib.archive.times import moment_ms, time_text
from opslib.genesys.conversation_jobs import Conversation
from opslib.new_files import part_folder

_SCHEMA: Final = pa.schema(
    [
        pa.field("conversation_id", pa.string(), nullable=False),
        pa.field("started_at", pa.int64(), nullable=False),
        pa.field("ended_at", pa.int64(), nullable=False),
        pa.field("media", pa.string()),
        pa.field("queue", pa.string()),
    ]
)
"""The columns of an expected file. Times are milliseconds; `queue` is the id of the first queue."""
_ABOUT: Final = b"opslib"
_ROWS_AT_ONCE: Final = 5_000

# A conversation that two parts have, because its end was corrected meanwhile, ended when the later one says.
_ONCE: Final = """
    COPY (
        SELECT conversation_id, arg_max(started_at, ended_at) AS started_at, max(ended_at) AS ended_at,
               arg_max(media, ended_at) AS media, arg_max(queue, ended_at) AS queue
        FROM read_parquet($1, hive_partitioning = false) GROUP BY conversation_id
        HAVING max(ended_at) >= $2 AND max(ended_at) < $3
        ORDER BY 3, 1
    ) TO $4 (FORMAT parquet, COMPRESSION zstd)
"""


@dataclass(frozen=True)
class Part:
    """What ended from `since_ms` to before `until_ms`, as the job found it when the org's data was complete until
    `available_ms`."""

    path: Path
    since_ms: int
    until_ms: int
    available_ms: int
    job_id: str
    rows: int

    def as_json(self) -> dict[str, Any]:
        """With the hash of the file, for the ledger."""
        return {
            "since": time_text(self.since_ms),
            "until": time_text(self.until_ms),
            "available_until": time_text(self.available_ms),
            "job_id": self.job_id,
            "rows": self.rows,
            "sha256": file_sha256(self.path),
        }


class AnalyticsParts:
    """The parts in a folder that one source gave: an org and a client. Those of others lie beside them."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder / blake2b(source.encode(), digest_size=8).hexdigest()
        self.folder.mkdir(parents=True, exist_ok=True)

    def within(self, since_ms: int, until_ms: int) -> list[Part]:
        """The parts that have something of the interval, in order."""
        parts = map(_part, self.folder.glob("part-*.parquet"))
        found = [one for one in parts if one.since_ms < until_ms and one.until_ms > since_ms]
        return sorted((one for one in found if one.available_ms >= one.until_ms), key=lambda one: one.since_ms)

    def lacking(self, since_ms: int, until_ms: int) -> list[tuple[int, int]]:
        """What of the interval no part has."""
        gaps, at_ms = list[tuple[int, int]](), since_ms
        for part in self.within(since_ms, until_ms):
            if part.since_ms > at_ms:
                gaps.append((at_ms, part.since_ms))
            at_ms = max(at_ms, part.until_ms)
        return [*gaps, (at_ms, until_ms)] if at_ms < until_ms else gaps

    async def add(
        self,
        since_ms: int,
        until_ms: int,
        conversations: AsyncIterator[Conversation],
        *,
        available_ms: int,
        job_id: str,
    ) -> None:
        """Keeps those that ended in the interval and of which audio was recorded. The part is there when this returns,
        or not at all. Only some rows are in memory at once."""
        about = {"since_ms": since_ms, "until_ms": until_ms, "available_ms": available_ms, "job_id": job_id}
        schema = _SCHEMA.with_metadata({_ABOUT: json.dumps(about)})
        name = f"part-{since_ms}-{until_ms}.parquet"
        with part_folder(self.folder) as unfinished:
            with pq.ParquetWriter(unfinished / name, schema, compression="zstd") as writer:
                rows: list[dict[str, Any]] = []
                async for one in conversations:
                    rows += _rows(one, since_ms, until_ms)
                    if len(rows) >= _ROWS_AT_ONCE:
                        writer.write_table(pa.Table.from_pylist(rows, schema))
                        rows = []
                writer.write_table(pa.Table.from_pylist(rows, schema))
            (unfinished / name).replace(self.folder / name)

    def write(self, since_ms: int, until_ms: int, path: Path) -> list[Part]:
        """The conversations that ended in the interval as an expected file, and the parts that they are from."""
        parts = self.within(since_ms, until_ms)
        with part_folder(path.parent) as unfinished, opened(unfinished) as database:
            file = unfinished / path.name
            database.execute(_ONCE, [[str(one.path) for one in parts], since_ms, until_ms, str(file)])
            file.replace(path)
        return parts


def split(gaps: Sequence[tuple[int, int]], longest_ms: int) -> Iterator[tuple[int, int]]:
    """The same intervals, each no longer than that."""
    for since_ms, until_ms in gaps:
        for start_ms in range(since_ms, until_ms, longest_ms):
            yield start_ms, min(start_ms + longest_ms, until_ms)


def _rows(one: Conversation, since_ms: int, until_ms: int) -> list[dict[str, Any]]:
    """None for a conversation that is not over, or is in another part."""
    if not one.audio or one.ended is None or not since_ms <= (ended_ms := moment_ms(one.ended)) < until_ms:
        return []
    media = "voice" if "voice" in one.media_types else next(iter(one.media_types), None)
    queue = next(iter(one.queue_ids), None)
    times = {"started_at": moment_ms(one.started), "ended_at": ended_ms}
    return [{"conversation_id": one.id, **times, "media": media, "queue": queue}]


def _part(path: Path) -> Part:
    with pq.ParquetFile(path) as file:
        about = json.loads(file.schema_arrow.metadata[_ABOUT])
        return Part(path, **about, rows=file.metadata.num_rows)
