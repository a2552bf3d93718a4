"""How long the archive's answer takes, against the best SQL that we could write for DuckDB, and against pandas.

    .venv/bin/python benchmarks/archive.py [--recordings 1000000 10000000] [--rounds 3] [--folder DIR]
    .venv/bin/python benchmarks/archive.py --engine both --recordings 1000000 10000000 50000000 [--rounds 1]

With `--engine both`, opslib on DuckDB beside opslib on Spark, on this machine: Spark with its start, since each answer
has one, and with the memory and the processor's time of Java.

Each recording has a row in the expected file, and, with planted faults, a media object and a sidecar in the bucket. All
ways read the same Parquet files and give the same counts, which is checked; opslib and SQL also give the groups by
day, media and queue, the histogram, the arrivals by hour and the first missing ones. SQL has the same memory limit as
opslib. Each run is a process; the ways take turns, and the median counts. A busy machine changes the wall time more
than the processor's time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))
from opslib.archive.arrived import ArrivedParts
from opslib.archive.database import opened
from opslib.archive.engines import engine
from opslib.archive.expected import ExpectedFile
from opslib.archive.report import verify

START_MS, MONTH_MS, DAY_MS = 1_735_689_600_000, 30 * 86_400_000, 86_400_000
NOW = datetime(2025, 3, 1, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
COUNTS = ("expected", "arrived", "late", "missing", "duplicate", "empty", "without_sidecar", "extra")

# Two halves of a UUID: all bits of the first, and the variant of the second.
_HALVES = ", ".join(
    f"(hash(i * 4 + {n})::HUGEINT - 9223372036854775808)::BIGINT AS {name}_hi, "
    f"((hash(i * 4 + {n + 1}) >> 2)::HUGEINT - 9223372036854775808)::BIGINT AS {name}_lo"
    for n, name in ((0, "conv"), (2, "rec"))
)
_EXPECTED = f"""
    SELECT {_HALVES}, {START_MS} + (hash(i, 7) % {MONTH_MS})::BIGINT AS ended_at_ms, NULL::BIGINT AS started_at_ms,
           {NOW_MS} + (hash(i, 8) % {100 * DAY_MS})::BIGINT AS delete_at_ms,
           ['voice', 'chat', 'screen'][1 + i % 3] AS media, 'queue ' || (hash(i, 9) % 40) AS queue,
           md5(i::VARCHAR)::UUID::VARCHAR AS conversation_id, md5('r' || i)::UUID::VARCHAR AS recording_id, i AS row
    FROM range({{first}}, {{end}}) AS numbers(i)
"""
# One in 200 is missing, one in 300 is late, one in 1000 empty; one in 500 has no sidecar, one in 700 has two objects.
_ARRIVED = """
    SELECT conv_hi, conv_lo, rec_hi, rec_lo, kind::TINYINT AS kind, ended_at_ms // 3600000 * 3600000 AS hour_start_ms,
           (hash(row, object) >> 1)::BIGINT AS object,
           ended_at_ms + CASE WHEN row % 300 = 1 THEN 200000000 ELSE 1000 + (hash(row, 3) % 3600000)::BIGINT END
               AS last_modified_ms,
           CASE WHEN row % 1000 = 2 THEN 0 ELSE 40000 + row % 1000 END AS size,
           NULL::VARCHAR AS encryption, 'STANDARD' AS storage_class,
           'org/conversation_id=' || conversation_id || '/' || recording_id || '.opus' AS key
    FROM ({rows}), (VALUES (0, 0), (1, 1), (0, 2)) AS objects(kind, object)
    WHERE row % 200 <> 0 AND NOT (object = 1 AND row % 500 = 3) AND (object <> 2 OR row % 700 = 4)
"""
# What pandas gets: it has no integers of 128 bits, so a user joins on the texts.
_TEXTS = """
    split_part(split_part(key, '=', 2), '/', 1) AS conversation_id, split_part(split_part(key, '/', 3), '.', 1)
    AS recording_id, kind, object, last_modified_ms, size
"""


def make(folder: Path, recordings: int, *, texts: bool) -> None:
    """The files of this many recordings, and one extra recording for each 1000; with `texts`, what pandas gets, too."""
    extra = recordings // 1000
    to = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    folder.mkdir(exist_ok=True)
    with opened(folder) as database:
        expected = _EXPECTED.format(first=0, end=recordings)
        database.execute(f"COPY ({expected}) TO '{folder / 'expected.parquet'}' {to}")
        arrived = ArrivedParts(folder / "arrived", "benchmark")
        found = _ARRIVED.format(rows=_EXPECTED.format(first=0, end=recordings + extra))
        database.execute(f"COPY ({found}) TO '{folder / 'found'}' {to[:-1]}, FILE_SIZE_BYTES '100MB')")
        for part, path in enumerate(sorted((folder / "found").iterdir())):
            path.rename(arrived.folder / f"part-{part}.parquet")
        arrived.finish()
        if texts:
            database.execute(f"COPY (SELECT {_TEXTS} FROM ({found})) TO '{folder / 'texts.parquet'}' {to}")


def by_opslib(folder: Path, name: str = "duckdb") -> dict[str, int]:
    file = pq.read_metadata(folder / "expected.parquet")
    place = file.schema.names.index("ended_at_ms")
    ends = [file.row_group(part).column(place).statistics for part in range(file.num_row_groups)]
    rows, first, last = file.num_rows, min(one.min for one in ends), max(one.max for one in ends)
    columns = frozenset({"recording_id", "media", "queue", "delete_at"})
    expected = ExpectedFile(folder / "expected.parquet", rows, 0, 0, columns, first, last)
    found = verify(expected, ArrivedParts(folder / "arrived", "benchmark"), folder, now=NOW, engine=engine(name))
    return found.counts


def by_spark(folder: Path) -> dict[str, int]:
    return by_opslib(folder, "spark")


_IDS = ("conv_hi", "conv_lo", "rec_hi", "rec_lo")
_ON = " AND ".join(f"e.{name} = o.{name}" for name in _IDS)
_SQL_JOINED = f"""
    CREATE TABLE joined AS
    SELECT e.row, e.ended_at_ms, e.delete_at_ms, e.media, e.queue, o.first_ms, o.largest = 0 AS empty,
           o.several, o.sidecar, o.hour_ms,
           {", ".join(f"CASE WHEN e.row IS NULL THEN o.{name} END AS {name}" for name in _IDS)}
    FROM expected AS e FULL JOIN (
        SELECT {", ".join(_IDS)}, min(CASE WHEN kind = 0 THEN last_modified_ms END) AS first_ms,
               max(CASE WHEN kind = 0 THEN size END) AS largest,
               min(CASE WHEN kind = 0 THEN object END) <> max(CASE WHEN kind = 0 THEN object END) AS several,
               max(kind) = 1 AS sidecar, min(hour_start_ms) AS hour_ms
        FROM arrived WHERE kind < 2 GROUP BY ALL
    ) AS o ON {_ON} WHERE e.row IS NOT NULL OR o.first_ms IS NOT NULL
"""
_SQL_GROUPS = f"""
    SELECT ended_at_ms // {DAY_MS} AS day, media, queue, count(*) AS expected, count(first_ms) AS arrived,
           count(CASE WHEN first_ms - ended_at_ms > {DAY_MS} THEN 1 END) AS late,
           count(CASE WHEN first_ms IS NULL AND {NOW_MS} - ended_at_ms > {DAY_MS} THEN 1 END) AS missing,
           count(CASE WHEN first_ms IS NULL AND {NOW_MS} - ended_at_ms <= {DAY_MS} THEN 1 END) AS not_due,
           count(CASE WHEN first_ms IS NULL AND {NOW_MS} - ended_at_ms > {DAY_MS}
                 AND delete_at_ms <= {NOW_MS + 30 * DAY_MS} THEN 1 END) AS at_risk,
           count(CASE WHEN several THEN 1 END) AS duplicate, count(CASE WHEN empty THEN 1 END) AS empty,
           count(CASE WHEN first_ms IS NOT NULL AND NOT sidecar THEN 1 END) AS without_sidecar
    FROM joined WHERE row IS NOT NULL AND ended_at_ms < {NOW_MS} GROUP BY ALL
"""
_SQL_REST = (
    "SELECT floor(16 * log2(greatest(first_ms - ended_at_ms, 1) / 1000)) AS bucket, count(*),"
    " max(first_ms - ended_at_ms) FROM joined WHERE row IS NOT NULL AND first_ms IS NOT NULL GROUP BY 1",
    "SELECT first_ms // 3600000, count(*) FROM joined WHERE row IS NOT NULL AND first_ms IS NOT NULL GROUP BY 1",
    "SELECT count(DISTINCT object) FROM arrived WHERE kind = 2",
    "SELECT DISTINCT encryption, storage_class FROM arrived WHERE kind = 0",
    "SELECT conversation_id, recording_id, j.ended_at_ms FROM joined AS j JOIN expected AS e USING (row)"
    f" WHERE first_ms IS NULL AND {NOW_MS} - j.ended_at_ms > {DAY_MS} ORDER BY 3, 1, 2 LIMIT 100",
)
_SQL_EXTRA = f"""
    WITH alone AS (SELECT * FROM joined WHERE row IS NULL),
         known AS (SELECT conv_hi, conv_lo, bool_or(rec_lo IS NULL) AS whole FROM expected
                   SEMI JOIN alone USING (conv_hi, conv_lo) GROUP BY ALL),
         extra AS (SELECT {", ".join(f"alone.{name}" for name in _IDS)} FROM alone
                   LEFT JOIN known USING (conv_hi, conv_lo)
                   WHERE whole IS NOT true AND (whole IS NOT NULL OR hour_ms BETWEEN $1 AND $2))
    SELECT count(DISTINCT object) FROM arrived SEMI JOIN extra USING ({", ".join(_IDS)}) WHERE kind = 0
"""


def by_sql(folder: Path) -> dict[str, int]:
    """Joined once, kept in memory, aggregated from there."""
    with opened(folder) as database:
        database.execute(f"CREATE VIEW expected AS FROM '{folder / 'expected.parquet'}'")
        database.execute(f"CREATE VIEW arrived AS FROM '{folder / 'arrived' / '*.parquet'}'")
        first, last = database.execute("SELECT min(ended_at_ms), max(ended_at_ms) FROM expected").fetchall()[0]
        database.execute(_SQL_JOINED)
        groups = database.execute(_SQL_GROUPS)
        names = [column[0] for column in groups.description]
        rows = [dict(zip(names, row, strict=True)) for row in groups.fetchall()]
        for query in _SQL_REST:
            database.execute(query).fetchall()
        extra = database.execute(_SQL_EXTRA, [first - 3_600_000 + 1, min(last, NOW_MS - 1)]).fetchall()[0][0]
    return {name: sum(row[name] for row in rows) for name in COUNTS if name != "extra"} | {"extra": extra}


def by_pandas(folder: Path) -> dict[str, int]:
    """The merge that a user would write, for the counts only, on the ids as texts, cut out of the keys already."""
    import pandas as pd

    ids = ["conversation_id", "recording_id"]
    expected = pd.read_parquet(folder / "expected.parquet", columns=[*ids, "ended_at_ms"])
    found = pd.read_parquet(folder / "texts.parquet", columns=[*ids, "kind", "object", "last_modified_ms", "size"])
    media, sidecars = found[found["kind"] == 0], found.loc[found["kind"] == 1, ids].drop_duplicates()
    recordings = media.groupby(ids, as_index=False).agg(
        first_ms=("last_modified_ms", "min"), largest=("size", "max"), objects=("object", "nunique")
    )
    recordings = recordings.merge(sidecars.assign(sidecar=True), on=ids, how="left")
    joined = expected.merge(recordings, on=ids, how="outer", indicator=True)
    here, extra = joined[joined["_merge"] == "both"], joined[joined["_merge"] == "right_only"]
    return {
        "expected": len(expected),
        "arrived": len(here),
        "late": int((here["first_ms"] - here["ended_at_ms"] > DAY_MS).sum()),
        "missing": int((joined["_merge"] == "left_only").sum()),
        "duplicate": int((here["objects"] > 1).sum()),
        "empty": int((here["largest"] == 0).sum()),
        "without_sidecar": int(here["sidecar"].isna().sum()),
        "extra": int(extra["objects"].sum()),
    }


WARM = "warm"
SPARK, PANDAS = "on Spark", "pandas merge"
WAYS = {"opslib": by_opslib, "SQL by hand": by_sql, PANDAS: by_pandas, SPARK: by_spark}
OF_ENGINE = {"duckdb": ["opslib", "SQL by hand", PANDAS], "both": ["opslib", SPARK]}


def run(way: str, folder: Path) -> dict[str, Any]:
    """One run in a process: its time, its processor's time, its peak of memory, its counts."""
    done = subprocess.run(
        [sys.executable, __file__, "--way", way, "--folder", str(folder)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def measure(way: str, folder: Path) -> None:
    """A thousand recordings come first, so that what is imported on first use is in no time. Of Spark, its start is a
    part of the time."""
    if way != SPARK:
        WAYS[way](folder / WARM)
    started, cpu = time.perf_counter(), sum(os.times()[:4])
    counts = WAYS[way](folder)
    of_each = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    result = {
        "wall_s": time.perf_counter() - started,
        "cpu_s": sum(os.times()[:4]) - cpu,
        "peak_mb": sum(resource.getrusage(who).ru_maxrss for who in of_each) / 1024,
        "counts": {name: counts[name] for name in COUNTS},
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--engine", choices=OF_ENGINE, default="duckdb")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        return measure(arguments.way, arguments.folder)
    ways = OF_ENGINE[arguments.engine]
    per_million: dict[str, list[float]] = {way: [] for way in ways}
    print(
        f"{'recordings':>12}  {'way':14} {'wall s':>8} {'cpu s':>8} {'peak MB':>8}  {'wall':>7} {'cpu':>7}  of opslib's"
    )
    for recordings in arguments.recordings:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            make(Path(name), recordings, texts=PANDAS in ways)
            make(Path(name) / WARM, 1000, texts=PANDAS in ways)
            runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
            for turn in range(arguments.rounds):
                for way in ways if turn == 0 else ways[:2]:  # pandas takes minutes: once
                    runs[way].append(run(way, Path(name)))
        counts = [one["counts"] for ones in runs.values() for one in ones]
        if any(one != counts[0] for one in counts):
            raise SystemExit(f"the answers differ: {runs}")
        middle = {
            way: {name: statistics.median(one[name] for one in ones) for name in ("wall_s", "cpu_s", "peak_mb")}
            for way, ones in runs.items()
        }
        ours = middle["opslib"]
        for way, times in middle.items():
            per_million[way].append(times["cpu_s"] / recordings * 1e6)
            print(
                f"{recordings:12,}  {way:14} {times['wall_s']:8.1f} {times['cpu_s']:8.1f} {times['peak_mb']:8.0f}"
                f"  {times['wall_s'] / ours['wall_s']:7.2f} {times['cpu_s'] / ours['cpu_s']:7.2f}",
                flush=True,
            )
    for way, times in per_million.items():
        print(f"{way}: cpu s per million " + " → ".join(f"{one:.2f}" for one in times))


if __name__ == "__main__":
    main()
