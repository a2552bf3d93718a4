"""The charts of arrivals say in words what they show, and show it."""

import io
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from opslib.archive.histogram import bucket
from opslib.audit.arrival_charts import archival_latency_chart, arrivals_chart

from .test_charts import figures as figures

DAY_S = 86400.0
FIRST = datetime(2026, 1, 30, tzinfo=UTC)


def arrivals(*hours: int) -> dict[int, int]:
    """Recordings that arrived so many hours after the first day began."""
    starts = Counter(FIRST + timedelta(hours=hour) for hour in hours)
    return {round(start.timestamp() * 1000): count for start, count in starts.items()}


def test_the_heat_map_has_each_recording_on_its_day_and_hour(figures: list[Figure]) -> None:
    """Hours without a recording have no colour; the busiest hour is told."""
    chart = arrivals_chart(arrivals(0, 5, 5, 24 + 5, 72 + 23))
    assert chart.alt == (
        "5 recordings arrived on 3 of 4 days from 2026-01-30 to 2026-02-02; most of them, 3, between 5:00 and 6:00 UTC"
    )
    (image,) = figures[0].axes[0].images
    shown = np.nan_to_num(np.asarray(image.get_array(), float))
    assert shown.shape == (24, 4)
    assert {(hour, day): shown[hour, day] for hour, day in zip(*shown.nonzero(), strict=True)} == {
        (0, 0): 1, (5, 0): 2, (5, 1): 1, (23, 3): 1,
    }  # fmt: skip
    assert Image.open(io.BytesIO(chart.png)).size[0] <= 1000


def test_years_are_drawn_several_days_to_a_column(figures: list[Figure]) -> None:
    """And none is lost."""
    arrivals_chart(arrivals(*(24 * day for day in range(1000))))
    image = np.nan_to_num(np.asarray(figures[0].axes[0].images[0].get_array(), float))
    assert image.shape == (24, 200)
    assert image.sum() == 1000
    assert figures[0].axes[0].get_xlabel() == "5 days, from this one on"


def test_the_distribution_names_percentiles_the_longest_and_the_limit(figures: list[Figure]) -> None:
    """p99 from 100 recordings on; bars and steps hold every recording."""
    seconds = [60.0 * minute for minute in range(1, 100)] + [3 * DAY_S]
    chart = archival_latency_chart(Counter(map(bucket, seconds)), max(seconds), DAY_S)
    assert chart.alt.startswith("100 recordings: p50 ")
    assert "p99" in chart.alt
    assert chart.alt.endswith("the longest 3.0 days, late is more than 24 h")
    histogram, shares = figures[0].axes
    assert sum(bar.get_height() for bar in histogram.patches) == 100
    assert max(shares.lines[0].get_ydata()) == 1
    assert [axes.get_xscale() for axes in (histogram, shares)] == ["log", "log"]


@pytest.mark.parametrize("count", [1, 19])
def test_few_recordings_are_dots(figures: list[Figure], count: int) -> None:
    """No percentile of so few."""
    chart = archival_latency_chart(Counter(map(bucket, [10.0] * count)), 10.0, DAY_S)
    assert chart.alt == f"{count} recordings: the longest 10.0 s, late is more than 24 h"
    (dots,) = figures[0].axes[0].collections
    assert len(dots.get_offsets()) == count


def test_without_an_arrival_a_sentence_and_no_axes(figures: list[Figure]) -> None:
    for chart in (arrivals_chart({}), archival_latency_chart({}, None, DAY_S)):
        assert chart.alt == "No recording arrived, so there is no data to show"
    assert [figure.axes[0].axison for figure in figures] == [False, False]
