"""Charts of the recordings in the bucket: when they arrived, and how long after their conversations."""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

from opslib.archive.histogram import PER_OCTAVE, percentile
from opslib.archive.words import duration
from opslib.audit.call_statistics import telling_percents
from opslib.audit.charts import BLUE, GREY, ORANGE, Chart, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HOURS = 24
_MOST_COLUMNS = 200  # more would be thinner than a pixel or two
_MOST_DATES = 7
_BUCKETS_OF_A_BAR = 4
_LINE_STYLES = {50: "-", 95: "--", 99: ":"}
_MARKS_S = {
    0.001: "1 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 6 * 3600: "6 h",
    86400: "1 day", 7 * 86400: "7 days", 30 * 86400: "30 days", 365 * 86400: "1 year",
}  # fmt: skip


def arrivals_chart(arrivals: Mapping[int, int]) -> Chart:
    """A heat map by day and hour, in UTC; `arrivals` has for the start of an hour (ms) how many recordings arrived."""
    title = "When recordings arrived"
    if not arrivals:
        return _nothing(title)
    moments = {datetime.fromtimestamp(start / 1000, UTC): count for start, count in arrivals.items()}
    first, last = min(moments).date(), max(moments).date()
    days_wide = math.ceil(((last - first).days + 1) / _MOST_COLUMNS)
    columns = (last - first).days // days_wide + 1
    cells = Counter[tuple[int, int]]()
    for moment, count in moments.items():
        cells[moment.hour, (moment.date() - first).days // days_wide] += count
    grid = [[cells[hour, column] or math.nan for column in range(columns)] for hour in range(_HOURS)]

    def draw(axes: "Axes") -> None:
        # An hour without a recording has no colour; with one, the palest is still seen on white.
        most = max(cells.values())
        image = axes.imshow(
            grid,
            cmap="Blues",
            vmin=-most / 4,
            vmax=most,
            extent=(-0.5, columns - 0.5, _HOURS, 0),
            aspect="auto",
            interpolation="nearest",
        )
        bar = axes.figure.colorbar(image, ax=axes, label="recordings")
        fewest = min(1, most - 1)
        bar.ax.set(ylim=(fewest, most), yticks=sorted({fewest, (fewest + most) // 2, most}))
        step = math.ceil(columns / _MOST_DATES)
        places = range(0, columns, step)
        axes.set_xticks(places, [f"{first + timedelta(days=place * days_wide)}" for place in places])
        axes.set_yticks(range(0, _HOURS + 1, 6))
        axes.set(
            ylabel="hour of the day (UTC)", xlabel="day" if days_wide == 1 else f"{days_wide} days, from this one on"
        )

    return Chart(title, _arrivals_in_words(moments, first, last), png(draw, columns=1, rows=8))


def _arrivals_in_words(moments: Mapping[datetime, int], first: date, last: date) -> str:
    hours = Counter[int]()
    for moment, count in moments.items():
        hours[moment.hour] += count
    days = len({moment.date() for moment in moments})
    ((busiest, most),) = hours.most_common(1)
    return (
        f"{sum(moments.values()):,} recordings arrived on {days:,} of {(last - first).days + 1:,} days from {first} to "
        f"{last}; most of them, {most:,}, between {busiest}:00 and {busiest + 1}:00 UTC"
    )


def archival_latency_chart(buckets: Mapping[int, int], longest_s: float | None, within_s: float) -> Chart:
    """How long after the end of its conversation each recording arrived, by S3's clock: how many, and the share that
    was at least as fast. `buckets` are those of `opslib.archive.histogram`; later than `within_s` is late.

    With few recordings there are no percentiles, and each is a dot.
    """
    title = "From the end of the conversation to S3"
    counts = {bucket: buckets[bucket] for bucket in sorted(buckets) if buckets[bucket]}
    if not counts or longest_s is None:
        return _nothing(title)
    total = sum(counts.values())
    marks = {percent: min(percentile(counts, percent) or 0.0, longest_s) for percent in telling_percents(total)}
    labels = {percent: f"p{percent} {duration(value)}" for percent, value in marks.items()}
    told = [*labels.values(), f"the longest {duration(longest_s)}", f"late is more than {within_s / 3600:g} h"]

    def draw(histogram: "Axes", shares: "Axes") -> None:
        bars = Counter[int]()
        for bucket, count in counts.items():
            bars[bucket // _BUCKETS_OF_A_BAR] += count
        lefts = [_start_s(bar * _BUCKETS_OF_A_BAR) for bar in bars]
        widths = [_start_s((bar + 1) * _BUCKETS_OF_A_BAR) - left for bar, left in zip(bars, lefts, strict=True)]
        histogram.bar(lefts, list(bars.values()), widths, align="edge", color=BLUE)
        histogram.set(ylabel="recordings", title="how many")
        ends = [_start_s(bucket + 1) for bucket in counts]
        shares.step(
            [_start_s(min(counts)), *ends],
            [0, *(sum_ / total for sum_ in accumulate(counts.values()))],
            color=BLUE,
            where="post",
        )
        shares.set(ylabel="share of recordings", title="share at least as fast", ylim=(0, 1.02))
        for axes in (histogram, shares):
            for percent, value in marks.items():
                axes.axvline(value, color=ORANGE, linestyle=_LINE_STYLES[percent], label=labels[percent])
            _time_axis(axes, counts, within_s)
        shares.legend(loc="lower right", fontsize=9)

    def draw_few(axes: "Axes") -> None:
        dots = [(_start_s(bucket), height + 1) for bucket, count in counts.items() for height in range(count)]
        axes.scatter([x for x, _ in dots], [y for _, y in dots], s=70, color=BLUE)
        axes.set(title="each dot is a recording", yticks=[], ylim=(0, max(counts.values()) + 1))
        _time_axis(axes, counts, within_s)

    drawn = png(draw, columns=2) if marks else png(draw_few, columns=1)
    return Chart(title, f"{total:,} recordings: {', '.join(told)}", drawn)


def _start_s(bucket: int) -> float:
    return float(2 ** (bucket / PER_OCTAVE))


def _time_axis(axes: "Axes", counts: Mapping[int, int], within_s: float) -> None:
    """A logarithmic axis of times that people know, and the limit."""
    low, high = _start_s(min(counts)) / 1.5, max(_start_s(max(counts) + 1), within_s) * 1.5
    axes.axvline(within_s, color=GREY, linewidth=1, label=f"late after {within_s / 3600:g} h")
    axes.set(xscale="log", xlim=(low, high), xlabel="time from the end of the conversation to S3")
    shown = {second: words for second, words in _MARKS_S.items() if low <= second <= high}
    axes.set_xticks(list(shown), list(shown.values()))
    axes.minorticks_off()


def _nothing(title: str) -> Chart:
    def draw(axes: "Axes") -> None:
        axes.text(0.5, 0.5, "no data", ha="center", va="center")
        axes.set_axis_off()

    return Chart(title, "No recording arrived, so there is no data to show", png(draw, columns=1))
