"""Axes for times that may differ by orders of magnitude: logarithmic, so that one slow value squeezes no other, and
with a few marks that people know."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST_S = 1e-4  # a logarithm has no zero
_LEAST_SPAN = 8  # from the left end to the right one, so that two marks are seen
_MOST_MARKS = 8
# Those that are shown rather than others come first.
_MARKS_S = {
    0.001: "1 ms", 0.01: "10 ms", 0.1: "100 ms", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h",
    86400: "1 day", 7 * 86400: "7 days", 30 * 86400: "30 days", 365 * 86400: "1 year", 0.0001: "0.1 ms",
    0.005: "5 ms", 0.05: "50 ms", 0.5: "500 ms", 5: "5 s", 6 * 3600: "6 h", 30: "30 s", 300: "5 min", 1800: "30 min",
    0.002: "2 ms", 0.02: "20 ms", 0.2: "200 ms", 2: "2 s", 20: "20 s", 120: "2 min", 2 * 3600: "2 h", 12 * 3600: "12 h",
    2 * 86400: "2 days", 90 * 86400: "90 days",
}  # fmt: skip


def time_axis(axes: "Axes", low_s: float, high_s: float, *, vertical: bool = False) -> None:
    """From a little below `low_s` to a little above `high_s`."""
    low, high = max(low_s, _LEAST_S) / 1.3, max(high_s, _LEAST_S) * 1.3
    more = max(1.0, math.sqrt(_LEAST_SPAN * low / high))
    low, high = low / more, high * more
    apart = math.log(high / low) / (_MOST_MARKS / 2 if vertical else _MOST_MARKS)
    shown: list[float] = []
    for mark in _MARKS_S:
        if low <= mark <= high and all(abs(math.log(mark / other)) >= apart for other in shown):
            shown.append(mark)
    axis = axes.yaxis if vertical else axes.xaxis
    axes.set(**{"yscale" if vertical else "xscale": "log", "ylim" if vertical else "xlim": (low, high)})
    axis.set_ticks(sorted(shown), [_MARKS_S[mark] for mark in sorted(shown)])
    axes.minorticks_off()


def drawn_s(seconds: float) -> float:
    """Where a time stands on such an axis."""
    return max(seconds, _LEAST_S)
