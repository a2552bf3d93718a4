"""The answer against one that is worked out in plain Python, for worlds that nobody would plant."""

import random
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.archive.report import Verification, verify

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


def answered(expected: list[Row], objects: list[list[Object]], folder: Path) -> Verification:
    return verify(expected_file(folder, expected), parts(folder, *objects), folder, now=NOW)


@settings(max_examples=30)
@given(st.lists(ROWS, max_size=12).map(once), st.lists(OBJECTS, max_size=25))
def test_the_answer_is_that_of_the_definitions(expected: list[Row], objects: list[Object]) -> None:
    with TemporaryDirectory() as folder:
        found = answered(expected, [objects], Path(folder))
    ends = [row.ended_at_ms for row in expected]
    since_ms, until_ms = (min(ends), max(ends) + 1) if ends else (0, NOW_MS)
    assert found.counts == count(expected, objects, since_ms, until_ms)
    assert found.counts["expected"] == sum(found.counts[name] for name in ("arrived", "missing", "not_due"))


@settings(max_examples=10)
@given(st.lists(ROWS, max_size=12).map(once), st.lists(OBJECTS, max_size=25), st.randoms(use_true_random=False))
def test_order_and_parts_make_no_difference(expected: list[Row], objects: list[Object], chance: random.Random) -> None:
    """Other orders, other parts, parts that overlap, rows twice, a second run: byte for byte the same document."""
    with TemporaryDirectory() as folder:
        first = answered(expected, [objects], Path(folder) / "first").as_json()
        again = answered(expected, [objects], Path(folder) / "first").as_json()
        rows, found = chance.sample(expected * 2, len(expected) * 2), chance.sample(objects, len(objects))
        cut = chance.randint(0, len(found))
        other = answered(rows, [found[:cut], found[cut:], found[: cut // 2]], Path(folder) / "other").as_json()
    assert again == first
    assert other.pop("rows_repeated") == len(expected)
    first.pop("rows_repeated")
    assert other == first
