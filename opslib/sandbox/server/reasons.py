"""Why a planted recording is missing from the bucket, and what becomes of the ones that are exported later.

All of it follows from the order in which they are missing, so that it is the same whenever it is asked.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle

NEVER_EXPORTED = "never_exported"
SCHEDULED = "export_scheduled"
EXPORTED = "exported_not_in_bucket"
UPLOADING = "still_uploading"
ORPHANED = "orphaned"
DELETED = "deleted_at_source"
REASONS = (NEVER_EXPORTED, SCHEDULED, EXPORTED, UPLOADING, ORPHANED, DELETED)
"""Each missing recording has one of them."""

DUE = "due_for_deletion"
"""Missing, at risk by the expected file and still at the source, which deletes it within days."""

SENSITIVE, FAILS, LOST = "sensitive", "export_fails", "export_lost"
"""Of the never exported: with sensitive data, refused by a job, and exported by a job in vain. The others arrive."""

_ORDER = (NEVER_EXPORTED, EXPORTED, DELETED, SCHEDULED, NEVER_EXPORTED, UPLOADING, ORPHANED)
_FATES = (None, SENSITIVE, FAILS, LOST, None, None, None)


def reasons(missing: Sequence[str], at_risk: Sequence[str]) -> dict[str, list[str]]:
    """Ids by reason, and by what is special about them."""
    by_reason = dict(zip(missing, cycle(_ORDER)))
    never = _with(by_reason, NEVER_EXPORTED)
    fates = dict(zip(never, cycle(_FATES)))
    return {
        **{reason: list(_with(by_reason, reason)) for reason in REASONS},
        DUE: [name for name in at_risk if by_reason[name] != DELETED],
        **{fate: list(_with(fates, fate)) for fate in (SENSITIVE, FAILS, LOST)},
    }


def _with(values: dict[str, str] | dict[str, str | None], wanted: str) -> Iterator[str]:
    return (name for name, value in values.items() if value == wanted)
