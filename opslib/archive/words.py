"""A verification's figures in words, the same on the card and in the audit."""

from typing import Final

COUNTS: Final = {
    "expected": "Expected",
    "arrived": "Arrived",
    "missing": "Missing",
    "at_risk": "Missing, and deleted in Genesys within 30 days",
    "not_due": "Not due yet",
    "late": "Arrived late",
    "empty": "Arrived empty",
    "without_sidecar": "Arrived without a sidecar",
    "duplicate": "Arrived more than once",
    "extra": "In the bucket, and not expected",
    "malformed_keys": "Objects that are no recordings",
}

CLOCKS: Final = (
    "Latency is from the end of the conversation, by the expected list, to the time at which S3 last modified the first"
    " object. It includes the difference between the two clocks. Percentiles are within 2.2 %; the longest is exact."
)

# Up to how many of a unit a time is given in it.
_UNITS: Final = (("s", 1, 600), ("min", 60, 120), ("h", 3600, 72), ("days", 86400, float("inf")))


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "no data"
    name, unit_s = next(unit for unit in _UNITS if seconds < unit[2] * unit[1])[:2]
    return f"{seconds / unit_s:,.1f} {name}"
