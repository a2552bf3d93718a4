"""The charts of arrivals say in words what they show, and show it."""

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from matplotlib.figure import Figure

from opslib.archive.histogram import bucket
from opslib.audit.arrival_charts import archival_latency_chart, arrivals_chart

from .test_charts import figures as figures

DAY_S = 86400.0
FIRST = datetime(2026, 1, 30, tzinfo=UTC)


def arrivals(*hours: int) -> dict[int, int]:
    """Recordings that arrived so many hours after the first day began."""
    starts = Counter(FIRST + timedelta(hours=hour) for hour in hours)
    return {round(start.timestamp() * 1000): count for start, count in starts.items()}


def cells(figure: Figure) -> dict[tuple[int, int], int]:
    """For each cell of a day and an hour, which colour it has, from few to many."""
    (axes,) = figure.axes
    inside = itertools.product(range(-1, 70), range(24))
    return {
        (day, hour): colour
        for day, hour in inside
        for colour, patch in enumerate(axes.patches)
        if patch.get_path().contains_point((day + 0.5, hour + 0.5))
    }


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].texts]


def test_the_heat_map_has_each_hour_on_its_day(figures: list[Figure]) -> None:
    """Hours without a recording have no colour; the busiest hour is told."""
    chart = arrivals_chart(arrivals(0, 5, 5, 24 + 5, 72 + 23))
    assert chart.alt == (
        "5 recordings arrived on 3 of 4 days from 2026-01-30 to 2026-02-02; the busiest hour of the day, with 3, is "
        "5:00 to 6:00 UTC"
    )
    assert cells(figures[0]) == {(0, 0): 0, (0, 5): 1, (1, 5): 0, (3, 23): 0}
    assert legend(figures[0]) == ["1", "2 recordings"]


def test_years_are_drawn_several_days_to_a_column(figures: list[Figure]) -> None:
    """And none is lost; millions are told apart by round numbers, and dates do not run into each other."""
    days = {hour * 3_600_000: 10 ** (hour // 24 % 7) for hour in range(0, 24 * 1000, 24)}
    chart = arrivals_chart(days)
    assert chart.alt.startswith(f"{sum(days.values()):,} recordings arrived on 1,000 of 1,000 days")
    assert set(cells(figures[0])) == {(column, 0) for column in range(59)}
    (axes,) = figures[0].axes
    assert axes.get_xlabel() == "17 days to a column, from this one on"
    assert len(axes.get_xticks()) <= 5
    assert legend(figures[0])[-1].endswith(" or more recordings")
    assert len(chart.svg) < 20_000


def test_one_recording_is_one_cell(figures: list[Figure]) -> None:
    """A day is as narrow as where there are two weeks."""
    chart = arrivals_chart(arrivals(7))
    assert chart.alt.startswith("1 recording arrived on 1 of 1 day from")
    assert cells(figures[0]) == {(0, 7): 0}
    assert legend(figures[0]) == ["1 recording"]
    assert figures[0].axes[0].get_xlim() == (0, 14)


def test_the_distribution_names_percentiles_the_longest_and_the_limit(figures: list[Figure]) -> None:
    """p99 from 100 recordings on; bars and steps hold every recording."""
    seconds = [60.0 * minute for minute in range(1, 100)] + [3 * DAY_S]
    chart = archival_latency_chart(Counter(map(bucket, seconds)), max(seconds), DAY_S)
    assert chart.alt.startswith("100 recordings: p50 ")
    assert "p99" in chart.alt
    assert chart.alt.endswith("the longest 3.0 days, late is more than 24 h")
    shares, histogram = figures[0].axes
    assert sum(bar.get_height() for bar in histogram.patches) == 100
    assert max(shares.lines[0].get_ydata()) == pytest.approx(1)
    assert legend(figures[0])[-1] == "late after 24 h"
    assert [axes.get_xscale() for axes in (histogram, shares)] == ["log", "log"]


@pytest.mark.parametrize("count", [1, 19])
def test_few_recordings_are_dots(figures: list[Figure], count: int) -> None:
    """No percentile of so few."""
    chart = archival_latency_chart(Counter(map(bucket, [10.0] * count)), 10.0, DAY_S)
    assert chart.alt == f"{count} recordings: the longest 10.0 s, late is more than 24 h"
    (dots,) = figures[0].axes[0].collections
    assert len(dots.get_offsets()) == count


def test_without_an_arrival_a_sentence_and_no_axes() -> None:
    for chart in (arrivals_chart({}), archival_latency_chart({}, None, DAY_S)):
        assert chart.alt == "No recording arrived, so there is no data to show"
        assert chart.svg == ""
