"""How long things took, as a chart: the share that was at least as fast, and how many; of few, a dot for each."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from opslib.audit.drawing import BLUE, GREY, ORANGE, legend, svg
from opslib.audit.time_axis import drawn_s, time_axis

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_STYLES = ("-", "--", ":")
_BARS = 30


def distribution(
    counts: Mapping[float, int],
    percentiles: Mapping[str, float],
    *,
    what: str,
    axis: str,
    salt: str,
    late: tuple[str, float] | None = None,
) -> str:
    """As SVG. `counts` has how many took so many seconds; without `percentiles`, in words and seconds, each is a dot.
    `late` is a limit in words and seconds."""
    times = {drawn_s(seconds): counts[seconds] for seconds in sorted(counts)}
    ends = min(times), max([*times, *([late[1]] if late else [])])
    heights = (3.5, 2) if percentiles else (min(4, 1 + 0.4 * max(times.values())),)

    def draw(*all_axes: "Axes") -> None:
        for axes in all_axes:
            time_axis(axes, *ends)
        if percentiles:
            _many(*all_axes, times=times, what=what)
        else:
            _few(*all_axes, times=times, what=what)
        all_axes[-1].set_xlabel(axis)
        shown: dict[str, Artist] = {}
        for axes in all_axes:
            for (words, seconds), style in zip(percentiles.items(), _STYLES, strict=False):
                shown[words] = axes.axvline(drawn_s(seconds), color=ORANGE, linestyle=style)
            if late:
                shown[late[0]] = axes.axvline(late[1], color=GREY, linewidth=3)
        if shown:
            legend(shown)

    return svg(draw, heights=heights, salt=salt)


def _many(shares: "Axes", histogram: "Axes", *, times: Mapping[float, int], what: str) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

    shares.ecdf(list(times), list(times.values()), color=BLUE, linewidth=2)
    shares.set(title=f"share of {what}s that took at most so long", ylim=(0, 1.03), yticks=(0, 0.5, 1))
    shares.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    low, high = (math.log(end) for end in histogram.get_xlim())
    edges = [math.exp(low + (high - low) * bar / _BARS) for bar in range(_BARS + 1)]
    histogram.hist(list(times), edges, weights=list(times.values()), color=BLUE, rwidth=0.9)
    histogram.set_title(f"number of {what}s")
    histogram.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    histogram.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _few(axes: "Axes", *, times: Mapping[float, int], what: str) -> None:
    dots = [(time, height + 1) for time, count in times.items() for height in range(count)]
    axes.scatter([time for time, _ in dots], [height for _, height in dots], s=50, color=BLUE)
    axes.set(title=f"each dot is one {what}", yticks=[], ylim=(0, max(times.values()) + 1))
    axes.spines["left"].set_visible(False)
