"""Statistics of samples and operations: each method is stated here once and used everywhere.

percentile  linear interpolation between closest ranks (Hyndman & Fan 1996, type 7; the default of NumPy and
            pandas). With few samples a nearest-rank p95 is simply the maximum; this one is not.
success     operations that ended well, divided by all operations. Zero operations have no rate.
interval    Wilson's score interval of a rate, at 95 %.
"""

import math
import statistics
from collections.abc import Sequence

PASS_AT_PERCENT = 95.0
"""The success rate from which the contract calls HTTP operations PASS."""

# 95 % of a normal distribution lies within this many standard deviations.
_Z_95 = 1.959964


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The percentile (1 to 99) in the unit of the values; None without values."""
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def success_rate_percent(successes: int, failures: int) -> float | None:
    """Percent of operations that ended well; None when there were none."""
    total = successes + failures
    return 100.0 * successes / total if total else None


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a rate (0 to 1), right also for few samples and for rates of 0 and 1."""
    rate, z2 = successes / total, _Z_95**2
    centre = (rate + z2 / (2 * total)) / (1 + z2 / total)
    spread = _Z_95 / (1 + z2 / total) * math.sqrt(rate * (1 - rate) / total + z2 / (4 * total**2))
    return max(0.0, centre - spread), min(1.0, centre + spread)
