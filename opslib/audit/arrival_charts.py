"""Charts of the recordings in the bucket: when they arrived, and how long after their conversations."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from opslib.archive.histogram import PER_OCTAVE, percentile
from opslib.archive.words import duration
from opslib.audit.call_statistics import telling_percents
from opslib.audit.distribution import distribution
from opslib.audit.drawing import SCALE, Chart, legend, svg
from opslib.audit.words import counted

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_HOURS = 24
_MOST_COLUMNS = 60  # more would be narrower than they are high
_LEAST_COLUMNS = 14  # fewer days do not fill the width
_MOST_DATES = 5
_NOTHING = "No recording arrived, so there is no data to show"


def arrivals_chart(arrivals: Mapping[int, int]) -> Chart:
    """A heat map by day and hour, in UTC; `arrivals` has for the start of an hour (ms) how many recordings arrived."""
    title = "When recordings arrived"
    if not arrivals:
        return Chart(title, _NOTHING)
    moments = {datetime.fromtimestamp(start / 1000, UTC): count for start, count in arrivals.items()}
    first, last = min(moments).date(), max(moments).date()
    days_wide = math.ceil(((last - first).days + 1) / _MOST_COLUMNS)
    columns = (last - first).days // days_wide + 1
    cells = Counter[tuple[int, int]]()
    for moment, count in moments.items():
        cells[(moment.date() - first).days // days_wide, moment.hour] += count
    starts, most = _classes(cells.values()), max(cells.values())

    def draw(axes: "Axes") -> None:
        shown: dict[str, Artist] = {}
        for place, (colour, words) in enumerate(zip(SCALE, _in_words(starts, most), strict=False)):
            inside = [cell for cell, count in cells.items() if bisect_right(starts, count) == place + 1]
            shown[words] = _filled(axes, sorted(inside), colour)
        places = range(0, columns, math.ceil(max(columns, _LEAST_COLUMNS) / _MOST_DATES))
        axes.set_xticks(
            [place + 0.5 for place in places], [f"{first + timedelta(days=place * days_wide)}" for place in places]
        )
        axes.set_yticks(range(0, _HOURS + 1, 6), [f"{hour}:00" for hour in range(0, _HOURS + 1, 6)])
        axes.set(
            xlim=(0, max(columns, _LEAST_COLUMNS)), ylim=(_HOURS, 0), title="hour of the day (UTC); blank: no recording"
        )
        axes.set_xlabel("day" if days_wide == 1 else f"{days_wide} days to a column, from this one on", loc="left")
        axes.spines["bottom"].set_bounds(0, columns)
        legend(shown)

    alt = _arrivals_in_words(moments, first, last)
    return Chart(title, alt, svg(draw, heights=(6.5,), salt=alt))


def _filled(axes: "Axes", cells: Sequence[tuple[int, int]], colour: str) -> "Artist":
    """All cells of a colour as one shape, of a box for each run of hours: an SVG of single cells would be long."""
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path

    boxes: list[list[int]] = []  # column, first hour, hours
    for column, hour in cells:
        if boxes and boxes[-1][0] == column and sum(boxes[-1][1:]) == hour:
            boxes[-1][2] += 1
        else:
            boxes.append([column, hour, 1])
    patches = [Rectangle((column, hour), 1, hours) for column, hour, hours in boxes]
    shape = Path.make_compound_path(*(one.get_transform().transform_path(one.get_path()) for one in patches))
    return axes.add_patch(PathPatch(shape, facecolor=colour, linewidth=0))


def _classes(counts: Iterable[int]) -> list[int]:
    """From how many on a cell has the next colour: round numbers, so that about as many cells have each."""
    ordered = sorted(counts)
    if ordered[-1] <= len(SCALE):
        return list(range(1, ordered[-1] + 1))
    quartiles = (ordered[len(ordered) * part // len(SCALE)] for part in range(1, len(SCALE)))
    return sorted({1, *(int(float(f"{count:.1g}")) for count in quartiles)})


def _in_words(starts: Sequence[int], most: int) -> Sequence[str]:
    """
    >>> _in_words([1, 2, 5, 20], 31)
    ['1', '2–4', '5–19', '20 or more recordings']
    """
    ends = [start - 1 for start in starts[1:]]
    words = [f"{low:,}" if low == high else f"{low:,}–{high:,}" for low, high in zip(starts, ends, strict=False)]
    last = f"{starts[-1]:,} or more recordings" if most > starts[-1] else counted(most, "recording")
    return [*words, last]


def _arrivals_in_words(moments: Mapping[datetime, int], first: date, last: date) -> str:
    hours = Counter[int]()
    for moment, count in moments.items():
        hours[moment.hour] += count
    days, of_days = len({moment.date() for moment in moments}), counted((last - first).days + 1, "day")
    ((busiest, most),) = hours.most_common(1)
    return (
        f"{counted(sum(moments.values()), 'recording')} arrived on {days:,} of {of_days} from {first} to {last}; the"
        f" busiest hour of the day, with {most:,}, is {busiest}:00 to {busiest + 1}:00 UTC"
    )


def archival_latency_chart(buckets: Mapping[int, int], longest_s: float | None, within_s: float) -> Chart:
    """How long after the end of its conversation each recording arrived, by S3's clock: how many, and the share that
    was at least as fast. `buckets` are those of `opslib.archive.histogram`; later than `within_s` is late.

    With few recordings there are no percentiles, and each is a dot.
    """
    title = "From the end of the conversation to S3"
    counts = {bucket: count for bucket, count in buckets.items() if count}
    if not counts or longest_s is None:
        return Chart(title, _NOTHING)
    total = sum(counts.values())
    marks = {percent: min(percentile(counts, percent) or 0.0, longest_s) for percent in telling_percents(total)}
    lines = {f"p{percent} {duration(value)}": value for percent, value in marks.items()}
    told = [*lines, f"the longest {duration(longest_s)}", f"late is more than {within_s / 3600:g} h"]
    alt = f"{total:,} recordings: {', '.join(told)}"
    times = {float(2 ** ((bucket + 1) / PER_OCTAVE)): count for bucket, count in counts.items()}
    axis = "from the end of the conversation to S3"
    late = f"late after {within_s / 3600:g} h", within_s
    return Chart(title, alt, distribution(times, lines, what="recording", axis=axis, late=late, salt=alt))
