"""The conversations of analytics as parts: what a part has, what is lacking, and the list that is made of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from opslib.archive.analytics import AnalyticsParts, split
from opslib.archive.expected import read_expected
from opslib.archive.times import moment_of
from opslib.genesys.conversation_jobs import Conversation

from .world import START_MS, conversation

ONE = Conversation(
    id=conversation(1),
    started=moment_of(START_MS + 1),
    ended=moment_of(START_MS + 2),
    audio=True,
    screen=False,
    snippet=False,
    media_types=("chat", "voice"),
    queue_ids=("first", "second"),
)


def added(parts: AnalyticsParts, since: int, until: int, *found: Conversation, available: int = 10_000) -> None:
    async def stream() -> AsyncIterator[Conversation]:
        for one in found:
            yield one

    times = {"available_ms": START_MS + available, "job_id": f"job {since}"}
    asyncio.run(parts.add(START_MS + since, START_MS + until, stream(), **times))


def ended(number: int, after: int) -> Conversation:
    return replace(ONE, id=conversation(number), ended=moment_of(START_MS + after))


def listed(parts: AnalyticsParts, folder: Path, since: int, until: int) -> list[dict]:
    parts.write(START_MS + since, START_MS + until, folder / "expected.parquet")
    rows: list[dict] = pq.read_table(folder / "expected.parquet").to_pylist()
    return rows


@pytest.fixture
def parts(tmp_path: Path) -> AnalyticsParts:
    return AnalyticsParts(tmp_path, "org client")


def test_a_part_has_what_ended_in_it_and_was_recorded(parts: AnalyticsParts, tmp_path: Path) -> None:
    """Once, whatever its sessions and queues; not what lasts, ended in another part, or has no recording."""
    silent, lasting = replace(ended(5, 20), audio=False), replace(ended(6, 0), ended=None)
    added(parts, 0, 100, ONE, ended(2, 99), ended(3, 100), ended(4, -1), silent, lasting)
    first, second = listed(parts, tmp_path, 0, 100)
    assert first == {
        "conversation_id": conversation(1),
        "started_at": START_MS + 1,
        "ended_at": START_MS + 2,
        "media": "voice",
        "queue": "first",
    }
    assert second["conversation_id"] == conversation(2)


def test_the_list_is_an_expected_file(parts: AnalyticsParts, tmp_path: Path) -> None:
    added(parts, 0, 100, ONE, replace(ended(2, 50), media_types=(), queue_ids=()))
    listed(parts, tmp_path, 0, 100)
    read = read_expected(tmp_path / "expected.parquet", tmp_path / "read")
    assert (read.rows, read.conversations, read.first_ended_at_ms) == (2, 2, START_MS + 2)


@pytest.mark.parametrize(
    ("kept", "gaps"),
    [
        ([], [(0, 100)]),
        ([(0, 100)], []),
        ([(-50, 150)], []),
        ([(20, 40), (60, 80)], [(0, 20), (40, 60), (80, 100)]),
        ([(0, 40), (40, 80)], [(80, 100)]),
        ([(30, 70), (20, 90)], [(0, 20), (90, 100)]),
        ([(100, 200), (-9, 0)], [(0, 100)]),
    ],
)
def test_what_is_lacking_is_what_no_part_has(
    parts: AnalyticsParts, kept: list[tuple[int, int]], gaps: list[tuple[int, int]]
) -> None:
    for since, until in kept:
        added(parts, since, until)
    expected = [(START_MS + since, START_MS + until) for since, until in gaps]
    assert parts.lacking(START_MS, START_MS + 100) == expected


def test_a_part_counts_only_with_data_that_was_complete(parts: AnalyticsParts, tmp_path: Path) -> None:
    """An answer that came before is as if it were not there."""
    added(parts, 0, 100, ONE, available=99)
    assert parts.lacking(START_MS, START_MS + 100) == [(START_MS, START_MS + 100)]


def test_another_source_has_parts_of_its_own(parts: AnalyticsParts, tmp_path: Path) -> None:
    added(parts, 0, 100)
    assert AnalyticsParts(tmp_path, "another org").lacking(START_MS, START_MS + 100) != []


def test_only_what_ended_in_the_interval_is_listed(parts: AnalyticsParts, tmp_path: Path) -> None:
    """A conversation whose end was corrected between two parts is there once, with the later one."""
    added(parts, 0, 50, ended(1, 10), ended(2, 30))
    added(parts, 50, 100, ended(2, 60), ended(3, 90))
    rows = listed(parts, tmp_path, 20, 90)
    assert [(row["conversation_id"], row["ended_at"] - START_MS) for row in rows] == [(conversation(2), 60)]


def test_a_stream_that_breaks_leaves_no_part(parts: AnalyticsParts) -> None:
    async def broken() -> AsyncIterator[Conversation]:
        yield ONE
        raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(parts.add(START_MS, START_MS + 100, broken(), available_ms=START_MS + 100, job_id="j"))
    assert parts.lacking(START_MS, START_MS + 100) == [(START_MS, START_MS + 100)]
    assert list(parts.folder.iterdir()) == []


def test_no_interval_is_longer_than_a_job_may_ask_for() -> None:
    assert list(split([(0, 25), (30, 40)], 10)) == [(0, 10), (10, 20), (20, 25), (30, 40)]
