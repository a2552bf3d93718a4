"""Reads the file of recordings that should be in the bucket: CSV or Parquet, from any system.

| column            |          | content                                                           |
|-------------------|----------|-------------------------------------------------------------------|
| `conversation_id` | required |                                                                   |
| `ended_at`        | required | when the conversation ended                                       |
| `recording_id`    | optional | a row without it stands for its conversation                      |
| `started_at`      | optional | when it started                                                   |
| `media`, `queue`  | optional | what the answer is also given by                                  |
| `delete_at`       | optional | when Genesys deletes the recording                                |

A time is ISO 8601 with an offset, or milliseconds since 1970. The header decides the delimiter of a CSV. Other columns
are left out. The first row that cannot be read ends the reading with an error: nothing is judged on half a file. The
header of a CSV is row 1; blank lines are not counted. The first row of a Parquet file is row 1.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from opslib.archive.database import opened
from opslib.archive.expected_rows import Batch, batches, refuse
from opslib.archive.ids import halves
from opslib.archive.times import milliseconds
from opslib.new_files import part_folder

SCHEMA: Final = pa.schema(
    [
        pa.field("conv_hi", pa.int64(), nullable=False),
        pa.field("conv_lo", pa.int64(), nullable=False),
        pa.field("rec_hi", pa.int64()),
        pa.field("rec_lo", pa.int64()),
        pa.field("ended_at_ms", pa.int64(), nullable=False),
        pa.field("started_at_ms", pa.int64()),
        pa.field("delete_at_ms", pa.int64()),
        pa.field("media", pa.string()),
        pa.field("queue", pa.string()),
        pa.field("conversation_id", pa.string(), nullable=False),
        pa.field("recording_id", pa.string()),
        pa.field("row", pa.int64(), nullable=False),
    ]
)
"""One row for each recording, or for a conversation where `rec_hi` and `rec_lo` are null. Times are milliseconds."""

_NAMED: Final = 5
"""How many of the rows that contradict each other are named."""

_REPEATED: Final = """
    CREATE TEMP TABLE repeated AS
    SELECT conv_hi, conv_lo, rec_hi, rec_lo, min(row) AS first_row, count(*) - 1 AS left_out,
           min(media) AS media, min(queue) AS queue,
           min(ended_at_ms) <> max(ended_at_ms)
               OR count(started_at_ms) NOT IN (0, count(*)) OR min(started_at_ms) <> max(started_at_ms)
               OR count(delete_at_ms) NOT IN (0, count(*)) OR min(delete_at_ms) <> max(delete_at_ms) AS clash
    FROM read_parquet(?, hive_partitioning = false) GROUP BY ALL HAVING count(*) > 1
"""
_SAME: Final = """
    rows.conv_hi = repeated.conv_hi AND rows.conv_lo = repeated.conv_lo
    AND rows.rec_hi IS NOT DISTINCT FROM repeated.rec_hi AND rows.rec_lo IS NOT DISTINCT FROM repeated.rec_lo
"""
_CLASH: Final = f"""
    SELECT list(rows.row ORDER BY rows.row)
    FROM read_parquet(?, hive_partitioning = false) AS rows JOIN repeated ON {_SAME}
    WHERE repeated.clash GROUP BY repeated.first_row ORDER BY repeated.first_row LIMIT 1
"""  # noqa: S608 (constants of this file)
_ONCE: Final = f"""
    COPY (
        SELECT rows.* REPLACE (
            coalesce(repeated.media, rows.media) AS media, coalesce(repeated.queue, rows.queue) AS queue
        )
        FROM read_parquet($1, hive_partitioning = false) AS rows LEFT JOIN repeated ON {_SAME}
        WHERE repeated.first_row IS NULL OR repeated.first_row = rows.row
    ) TO $2 (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)
"""  # noqa: S608 (constants of this file)


@dataclass(frozen=True)
class ExpectedFile:
    """The file as it was read: `path` is Parquet of SCHEMA, each recording once."""

    path: Path
    rows: int
    conversations: int
    """Rows that stand for a conversation: its recordings cannot be counted."""
    repeated: int
    """Rows that were left out because an earlier one is for the same recording and the same times."""
    columns: frozenset[str]
    """The optional columns that the file has."""
    first_ended_at_ms: int | None
    last_ended_at_ms: int | None


def read_expected(source: Path, folder: Path) -> ExpectedFile:
    """Reads and checks the file, and keeps it as `expected.parquet` in `folder`.

    Raises InvalidInput, and names the row, for whatever cannot be read or contradicts itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "expected.parquet"
    with part_folder(folder) as part:
        read, columns = part / "read.parquet", set[str]()
        with pq.ParquetWriter(read, SCHEMA, compression="zstd", compression_level=1) as writer:
            for batch in batches(source):
                columns |= batch.columns.keys()
                writer.write_table(_table(batch))
        repeated = _once(source, read, part / path.name)
        (part / path.name).replace(path)
    return _described(path, repeated, frozenset(columns - {"conversation_id", "ended_at"}))


def _table(batch: Batch) -> pa.Table:
    conversation, recording = batch.text("conversation_id"), batch.text("recording_id")
    batch.require("conversation_id", conversation)
    ended_at_ms = milliseconds(batch, "ended_at")
    batch.require("ended_at", ended_at_ms)
    values = [
        *halves(conversation),
        *halves(recording),
        ended_at_ms,
        milliseconds(batch, "started_at"),
        milliseconds(batch, "delete_at"),
        batch.text("media"),
        batch.text("queue"),
        conversation,
        recording,
        batch.row_numbers(),
    ]
    return pa.Table.from_arrays(
        [value.cast(field.type) for value, field in zip(values, SCHEMA, strict=True)], schema=SCHEMA
    )


def _once(source: Path, read: Path, path: Path) -> int:
    """Writes each recording once, and gives the number of rows left out. Raises InvalidInput for different times.

    Most files repeat no id: then what was read is the answer.
    """
    with opened(read.parent) as database:
        database.execute(_REPEATED, [str(read)])
        if clash := database.execute(_CLASH, [str(read)]).fetchone():
            rows = ", ".join(map(str, clash[0][:_NAMED]))
            cause = f"rows {rows}: they are for the same recording and have different times"
            refuse(source, cause, "leave only the row that is right")
        left_out = int(database.execute("SELECT coalesce(sum(left_out), 0) FROM repeated").fetchall()[0][0])
        if left_out:
            database.execute(_ONCE, [str(read), str(path)])
        else:
            read.rename(path)
    return left_out


def _described(path: Path, repeated: int, columns: frozenset[str]) -> ExpectedFile:
    with opened(path.parent) as database:
        facts = database.execute(
            "SELECT count(*), count(*) - count(rec_lo), min(ended_at_ms), max(ended_at_ms)"
            " FROM read_parquet(?, hive_partitioning = false)",
            [str(path)],
        ).fetchall()[0]
    rows, conversations, first, last = facts
    return ExpectedFile(path, rows, conversations, repeated, columns, first, last)
