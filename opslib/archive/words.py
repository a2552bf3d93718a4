"""A verification's figures in words, the same on the card and in the audit."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

COUNTS: Final = {
    "expected": "Expected",
    "arrived": "Arrived",
    "missing": "Missing",
    "at_risk": "Missing, and deleted within 30 days by the expected list",
    "not_due": "Not due yet",
    "late": "Arrived late",
    "empty": "Arrived empty",
    "without_sidecar": "Arrived without a sidecar",
    "duplicate": "Arrived more than once",
    "extra": "In the bucket, and not expected",
    "malformed_keys": "Objects that are not recordings",
}

CLOCKS: Final = (
    "Latency is from the end of the conversation, by the expected list, to the time at which S3 last modified the first"
    " object. It includes the difference between the two clocks. Percentiles are within 2.2 %; the longest is exact."
)

# Up to how many of a unit a time is given in it.
_UNITS: Final = (("s", 1, 600), ("min", 60, 120), ("h", 3600, 72), ("days", 86400, float("inf")))


_NOT_ENCRYPTED: Final = "are not encrypted at rest (NOT-SSE): copy each of them over itself, and S3 encrypts it"
_ARCHIVED: Final = ("GLACIER", "DEEP_ARCHIVE")
"""What must be restored first. Which archive tier of INTELLIGENT_TIERING an object is in, S3 does not list."""


def wrong_storage(kind: Mapping[str, Any]) -> list[str]:
    """What is wrong with objects of this `encryption` and `storage_class`; nothing where the source does not tell."""
    wrong = [_NOT_ENCRYPTED] if kind["encryption"] == "NOT-SSE" else []
    if (name := kind["storage_class"]) in _ARCHIVED:
        wrong.append(f"are in {name}: each of them has to be restored before anybody can play it")
    return wrong


def storage_sentences(storage: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong with how objects are stored, and how many; `storage` is that of the document."""
    counts: Counter[str] = Counter()
    for kind in storage:
        counts.update(dict.fromkeys(kind.get("wrong", ()), kind.get("objects", 0)))
    return [f"{objects:,} media objects {words}." for words, objects in counts.items()]


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "no data"
    name, unit_s = next(unit for unit in _UNITS if seconds < unit[2] * unit[1])[:2]
    return f"{seconds / unit_s:,.1f} {name}"
