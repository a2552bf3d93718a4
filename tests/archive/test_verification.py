"""The answer against one that is worked out in plain Python, for worlds that nobody would plant, on both engines."""

import random
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.archive.database import DuckDB
from opslib.archive.engines import Engine
from opslib.archive.histogram import PER_OCTAVE, bucket
from opslib.archive.report import Verification, verify
from opslib.archive.verification import LISTS

from .world import HOUR_MS, NOW, START_MS, Object, Row, expected_file, parts

NOW_MS = int(NOW.timestamp() * 1000)
WITHIN_MS = 24 * HOUR_MS

TIMES = st.integers(0, 40 * 24).map(lambda hours: START_MS + hours * HOUR_MS)
ROWS = st.builds(
    Row,
    conversation=st.integers(0, 4),
    recording=st.none() | st.integers(0, 3),
    ended_at_ms=TIMES,
    delete_at_ms=st.none() | st.integers(0, 80 * 24).map(lambda hours: START_MS + hours * HOUR_MS),
    media=st.sampled_from([None, "voice", "chat"]),
)
OBJECTS = st.builds(
    Object,
    conversation=st.integers(0, 5),
    recording=st.integers(0, 3),
    last_modified_ms=TIMES,
    size=st.sampled_from([0, 1, 40_000]),
    suffix=st.sampled_from([".opus", ".wav", ".opus_metadata.json", "_metadata.json", ".tmp"]),
    hour_ms=TIMES,
    key=st.sampled_from([None, None, None, "readme.txt", "a/b/"]),
)


def count(expected: list[Row], objects: list[Object], since_ms: int, until_ms: int) -> dict[str, int]:
    """The definitions of the interface, one by one."""
    found: dict[str, list[Object]] = defaultdict(list)
    for one in objects:
        found[one.path].append(one)
    first = {path: min(one.last_modified_ms for one in same) for path, same in found.items()}
    size = {path: max(one.size for one in same) for path, same in found.items()}
    unique = {path: same[0] for path, same in found.items()}
    malformed = {path for path, one in unique.items() if one.key is not None or one.suffix == ".tmp"}
    sidecars = {path for path in unique if path not in malformed and path.endswith("_metadata.json")}
    media = unique.keys() - malformed - sidecars
    until_ms = min(until_ms, NOW_MS)
    judged = [row for row in expected if since_ms <= row.ended_at_ms < until_ms]
    counts = dict.fromkeys(
        ("expected", "arrived", "late", "not_due", "missing", "duplicate", "empty", "without_sidecar", "at_risk"), 0
    )
    for row in judged:
        theirs = [
            path for path in media
            if unique[path].conversation == row.conversation and row.recording in (None, unique[path].recording)
        ]  # fmt: skip
        with_sidecar = {unique[path].recording for path in sidecars if unique[path].conversation == row.conversation}
        old = NOW_MS - row.ended_at_ms > WITHIN_MS
        recordings = [unique[path].recording for path in theirs]
        counts["expected"] += 1
        counts["arrived"] += bool(theirs)
        counts["not_due"] += not theirs and not old
        counts["missing"] += not theirs and old
        counts["at_risk"] += (
            not theirs and old and row.delete_at_ms is not None and row.delete_at_ms <= NOW_MS + 30 * 24 * HOUR_MS
        )
        if theirs:
            counts["late"] += min(first[path] for path in theirs) - row.ended_at_ms > WITHIN_MS
            counts["empty"] += max(size[path] for path in theirs) == 0
            counts["duplicate"] += len(set(recordings)) < len(recordings)
            counts["without_sidecar"] += not with_sidecar.issuperset(recordings)
    return counts | {
        "extra": sum(_is_extra(unique[path], expected, media, unique, since_ms, until_ms) for path in media),
        "malformed_keys": len(malformed),
    }


def _is_extra(
    one: Object, expected: list[Row], media: set[str], unique: dict[str, Object], since_ms: int, until_ms: int
) -> bool:
    rows = [row for row in expected if row.conversation == one.conversation]
    if any(row.recording in (None, one.recording) for row in rows):
        return False
    if rows:
        return any(since_ms <= row.ended_at_ms < until_ms for row in rows)
    # Objects of one recording stand together, at the earliest hour of any of them, its sidecars included.
    layout = [other for other in unique.values() if other.key is None and other.suffix != ".tmp"]
    same = (one.conversation, one.recording)
    hour_ms = min(other.hour_ms for other in layout if (other.conversation, other.recording) == same)
    return since_ms - HOUR_MS < hour_ms < until_ms


def once(expected: list[Row]) -> list[Row]:
    """No id has two times: that is refused when the file is read."""
    return list({(row.conversation, row.recording): row for row in expected}.values())


def answered(
    engine: Engine, expected: list[Row], objects: list[list[Object]], folder: Path, out: Path | None = None
) -> Verification:
    expected_list, arrived = expected_file(folder, expected), parts(folder, *objects)
    return verify(expected_list, arrived, folder, now=NOW, out=out, engine=engine)


def on_each_engine(duckdb: int, spark: int) -> pytest.MarkDecorator:
    """With so many examples: one takes Spark a hundred times as long."""
    cases = [pytest.param("duckdb", duckdb), pytest.param("spark", spark, marks=pytest.mark.spark)]
    return pytest.mark.parametrize(("engine", "examples"), cases, indirect=["engine"])


EXPECTED, OBJECTS_FOUND = st.lists(ROWS, max_size=12).map(once), st.lists(OBJECTS, max_size=25)


@on_each_engine(30, 3)
def test_the_answer_is_that_of_the_definitions(engine: Engine, examples: int) -> None:
    @settings(max_examples=examples)
    @given(EXPECTED, OBJECTS_FOUND)
    def check(expected: list[Row], objects: list[Object]) -> None:
        with TemporaryDirectory() as folder:
            found = answered(engine, expected, [objects], Path(folder))
        ends = [row.ended_at_ms for row in expected]
        since_ms, until_ms = (min(ends), max(ends) + 1) if ends else (0, NOW_MS)
        assert found.counts == count(expected, objects, since_ms, until_ms)
        assert found.counts["expected"] == sum(found.counts[name] for name in ("arrived", "missing", "not_due"))

    check()


def lists(folder: Path) -> dict[str, list[str]]:
    """The rows of each list, in any order; `row` leads back to the expected file, whose order may differ."""
    tables = {name: pq.read_table(folder / f"{name}.parquet", partitioning=None) for name in LISTS}
    return {name: sorted(str(row | {"row": 0}) for row in table.to_pylist()) for name, table in tables.items()}


@on_each_engine(10, 2)
def test_order_parts_and_engine_make_no_difference(engine: Engine, examples: int) -> None:
    """Beside DuckDB's answer: a second one, and the engine's for other orders and parts, parts that overlap, rows
    twice. Byte for byte the same document, and row for row the same lists."""

    @settings(max_examples=examples)
    @given(EXPECTED, OBJECTS_FOUND, st.randoms(use_true_random=False))
    def check(expected: list[Row], objects: list[Object], chance: random.Random) -> None:
        with TemporaryDirectory() as name:
            one, other = Path(name, "one"), Path(name, "other")
            first = answered(DuckDB(), expected, [objects], one, one / "lists").as_json()
            again = answered(DuckDB(), expected, [objects], one).as_json()
            rows, found = chance.sample(expected * 2, len(expected) * 2), chance.sample(objects, len(objects))
            cut = chance.randint(0, len(found))
            overlapping = [found[:cut], found[cut:], found[: cut // 2]]
            theirs = answered(engine, rows, overlapping, other, other / "lists").as_json()
            assert lists(other / "lists") == lists(one / "lists")
        assert again == first
        assert theirs.pop("rows_repeated") == len(expected)
        first.pop("rows_repeated")
        assert theirs == first

    check()


def test_a_latency_on_the_edge_is_in_the_same_bucket_everywhere(engine: Engine, tmp_path: Path) -> None:
    """Around the edges of all buckets up to months, to the millisecond; the engines' logarithms may differ by a bit."""
    edges = {round(2 ** (at / PER_OCTAVE) * 1000) + near for at in range(-160, 16 * 22) for near in (-1, 0, 1)}
    latencies_ms = [0, -HOUR_MS, *(2**octave * 1000 for octave in range(22)), *edges]
    rows = [Row(number, number, START_MS) for number in range(len(latencies_ms))]
    objects = [Object(number, number, START_MS + latency_ms) for number, latency_ms in enumerate(latencies_ms)]
    found = answered(engine, rows, [objects], tmp_path).answer.latency_buckets
    assert found == Counter(bucket(latency_ms / 1000) for latency_ms in latencies_ms)
