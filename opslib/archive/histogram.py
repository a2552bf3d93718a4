"""Percentiles of times that may be millions, from counts that can be added up: of days, of parts, of machines.

A time of s seconds is in bucket floor(16·log₂ s), so a bucket is 4.4 % wide and its geometric middle is within 2.2 % of
all that it holds. Times up to a millisecond, also negative ones (an object older than the end of its conversation),
share the bucket of a millisecond.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

PER_OCTAVE: Final = 16
SHORTEST_S: Final = 0.001


def bucket(seconds: float) -> int:
    """The bucket of a time."""
    return math.floor(PER_OCTAVE * math.log2(max(seconds, SHORTEST_S)))


def percentile(counts: Mapping[int, int], percent: float) -> float | None:
    """The percentile in seconds; None without counts. Between ranks it is interpolated, as `ledger.statistics` does."""
    buckets = sorted(bucket for bucket, count in counts.items() if count)
    if not buckets:
        return None
    ends = list(accumulate(counts[bucket] for bucket in buckets))
    rank = (ends[-1] - 1) * percent / 100
    low, high = (_middle_s(buckets[bisect_right(ends, place)]) for place in (math.floor(rank), math.ceil(rank)))
    return low + (high - low) * (rank - math.floor(rank))


def _middle_s(bucket: int) -> float:
    return float(2 ** ((bucket + 0.5) / PER_OCTAVE))
