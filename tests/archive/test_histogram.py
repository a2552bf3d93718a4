"""The histogram: percentiles within 2.2 %, and counts that add up."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.archive.histogram import bucket, percentile
from opslib.ledger import statistics

SECONDS = st.lists(st.floats(0.001, 1e8), min_size=1, max_size=200)


@given(SECONDS, st.sampled_from([1, 50, 95, 99]))
def test_a_percentile_is_within_2_2_percent(seconds: list[float], percent: int) -> None:
    assert percentile(Counter(map(bucket, seconds)), percent) == pytest.approx(
        statistics.percentile(seconds, percent), rel=0.022
    )


@given(SECONDS, SECONDS)
def test_counts_of_two_parts_add_up(first: list[float], second: list[float]) -> None:
    added = Counter(map(bucket, first)) + Counter(map(bucket, second))
    assert percentile(added, 95) == percentile(Counter(map(bucket, first + second)), 95)


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 50) is None
    assert percentile({3: 0}, 50) is None


def test_an_object_older_than_the_end_counts_as_at_once() -> None:
    assert bucket(-5) == bucket(0) == bucket(0.001)
