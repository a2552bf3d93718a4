"""After how many days Genesys really deletes its own copy of a recording (platform only).

An org's maximum counts over every policy and for what no policy matches, and a screen recording lives a year at most
(Genesys help, 278459). Of policies that match one interaction the longest counts, where each sets its days (17591).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from opslib.errors import OpslibError
from opslib.genesys.backend import JSON
from opslib.genesys.shapes import as_list, as_object, as_objects
from opslib.onboarding.models import RecordingPolicy

SETTINGS = "/api/v2/analytics/dataretention/settings"
SCREEN_DAYS = 365

# A policy's own conditions name the medium otherwise than its parts do.
_MEDIA_TYPES = {"CALL": "callPolicy", "CHAT": "chatPolicy"}
# An interaction has several of these, as after a transfer.
_REFERENCES = ("forQueues", "forUsers", "teams", "wrapupCodes")
_NAMES_AT_MOST = 3
_NEVER_ENDS = datetime.max.replace(tzinfo=UTC)

Days = int | Literal["none said", "deletes"]
# Whether two policies match one interaction: never, only one that meets both, as after a transfer, or any.
Overlap = Literal["never", "after a transfer", "maybe"]


@dataclass(frozen=True)
class Maximum:
    """After how many days an org deletes every recording; None where that is not known, for the reason `why`."""

    days: int | None
    why: str = ""

    def cap(self, days: int) -> int:
        return days if self.days is None else min(days, self.days)


def maximum_of(answer: JSON | OpslibError) -> Maximum:
    """The maximum in an answer to `SETTINGS`, or in the error that came instead."""
    if isinstance(answer, OpslibError):
        return Maximum(None, f"{answer.title}: {answer.cause}")
    days = answer.get("retentionDays")
    if isinstance(days, int) and not isinstance(days, bool) and days > 0:
        return Maximum(days)
    return Maximum(None, "the answer has no retentionDays that is a number of days")


def warnings(policy: RecordingPolicy, maximum: Maximum) -> Iterator[str]:
    """Where Genesys keeps recordings for other days than the policy says, or may; of a policy that is switched on."""
    if not policy.enabled:
        return
    days, said = policy.retention_days, f"policy.retention_days: {policy.retention_days}"
    if maximum.days is None:
        yield f"{said}, and whether they stay that long is UNKNOWN: the org's maximum is not known ({maximum.why})"
    elif days > maximum.days:
        yield (
            f"{said}, but this org deletes recordings after {maximum.days} days, so they go after {maximum.days} days; "
            "from then on the bucket has the only copy"
        )
    if "screen" in policy.recording_types and maximum.cap(days) > SCREEN_DAYS:
        yield f"{said}, but Genesys deletes screen recordings after a year, so those go after {SCREEN_DAYS} days"


def notes(policy: RecordingPolicy, maximum: Maximum) -> Iterator[str]:
    """After how many days Genesys deletes its own copy."""
    unmatched = "at the org's maximum, which is not known"
    if maximum.days is not None:
        unmatched = f"after {maximum.days} days, the org's maximum"
    yield f"policy: recordings that no policy matches, or only one that is switched off, are deleted {unmatched}"
    if not policy.enabled:
        return
    days = f"{maximum.cap(policy.retention_days)} days"
    if maximum.days is None:
        days += ", or at the org's maximum if that is earlier"
    yield f"policy.retention_days: Genesys deletes its own copy after {days}; what is in the bucket stays"


class Other(NamedTuple):
    """Another policy that is switched on and may match the same interactions."""

    name: str
    days: Days
    overlap: Overlap


def others(body: JSON, policies: Sequence[JSON], now: datetime) -> list[Other]:
    """How each of the policies meets the one with this body, which is not among them. None does where it is off."""
    if not body.get("enabled"):
        return []
    met = [
        Other(str(policy.get("name")), _days(theirs), overlap)
        for policy in policies
        if policy.get("enabled")
        for theirs in _parts(policy)
        for ours in _parts(body)
        if (overlap := _overlap(ours, theirs, now)) != "never" and _acts(theirs)
    ]
    return list(dict.fromkeys(met))


def warnings_of_others(policy: RecordingPolicy, maximum: Maximum, met: Sequence[Other]) -> Iterator[str]:
    """What other policies do to the interactions that this one matches."""
    said = "policy.retention_days"
    same = [other for other in met if other.overlap == "maybe"]
    if longest := _longest(policy, maximum, same):
        yield (
            f"{said}: {policy.retention_days}, but policy {longest.name} may match the same interactions and keeps "
            f"them {longest.days} days; the longest counts, so those go after {_capped(longest, maximum)}"
        )
    if names := _names(same, "none said"):
        yield (
            f"{said}: {policy.retention_days}, but {names} may match the same interactions and set no days of their "
            "own; which days count for those is UNKNOWN: Genesys says it only for policies that set them"
        )
    if names := _names(met, "deletes"):
        yield (
            f"{said}: {policy.retention_days}, but {names} may match the same interactions and delete their "
            "recordings; whether those are kept is UNKNOWN"
        )


def notes_of_others(policy: RecordingPolicy, maximum: Maximum, met: Sequence[Other]) -> Iterator[str]:
    """What happens to an interaction that meets another policy's conditions, too."""
    elsewhere = [other for other in met if other.overlap == "after a transfer"]
    if longest := _longest(policy, maximum, elsewhere):
        yield (
            f"policy.retention_days: policy {longest.name} keeps {longest.days} days; an interaction that meets its "
            f"conditions, too, as after a transfer, goes after {_capped(longest, maximum)}"
        )


def _longest(policy: RecordingPolicy, maximum: Maximum, met: Sequence[Other]) -> Other | None:
    """The policy that keeps longest, if that is longer than this one really keeps."""
    kept = maximum.cap(policy.retention_days)
    longer = [other for other in met if isinstance(other.days, int) and maximum.cap(other.days) > kept]
    return max(longer, key=lambda other: (other.days, other.name), default=None)


def _capped(other: Other, maximum: Maximum) -> str:
    assert isinstance(other.days, int)  # noqa: S101 (held by `_longest`)
    days = f"{maximum.cap(other.days)} days"
    return days if maximum.days is not None else f"{days}, or at the org's maximum, which is not known"


def _names(met: Sequence[Other], days: Days) -> str:
    names = list(dict.fromkeys(other.name for other in met if other.days == days))
    more = f" and {len(names) - _NAMES_AT_MOST} more" if len(names) > _NAMES_AT_MOST else ""
    return (names and f"{'policies' if len(names) > 1 else 'policy'} {', '.join(names[:_NAMES_AT_MOST])}{more}") or ""


class _Part(NamedTuple):
    """What a policy says of one medium; None: of any."""

    medium: str | None
    conditions: JSON
    actions: JSON


def _parts(policy: JSON) -> Iterator[_Part]:
    """The parts by medium, and what stands beside them for all media."""
    for medium, part in as_object(policy.get("mediaPolicies")).items():
        if part := as_object(part):
            yield _Part(medium, as_object(part.get("conditions")), as_object(part.get("actions")))
    if actions := as_object(policy.get("actions")):
        conditions = as_object(policy.get("conditions"))
        for name in _list(conditions, "mediaTypes") or [""]:
            yield _Part(_MEDIA_TYPES.get(name), conditions, actions)


def _acts(part: _Part) -> bool:
    """Whether it says what becomes of a recording: to retain it is the default."""
    return part.actions.get("retainRecording") is not False or _days(part) == "deletes"


def _days(part: _Part) -> Days:
    actions = part.actions
    if actions.get("alwaysDelete") or (actions.get("deleteRecording") and actions.get("retainRecording") is False):
        return "deletes"
    days = as_object(as_object(actions.get("retentionDuration")).get("deleteRetention")).get("days")
    return days if isinstance(days, int) and days > 0 else "none said"


def _overlap(ours: _Part, theirs: _Part, now: datetime) -> Overlap:
    """Disjoint only where that is certain: a condition that is not known here may hold for any interaction."""
    if None not in (ours.medium, theirs.medium) and ours.medium != theirs.medium:
        return "never"
    a, b = ours.conditions, theirs.conditions
    if _apart(_list(a, "directions"), _list(b, "directions")) or not _at_one_time(a, b, now):
        return "never"
    return "after a transfer" if any(_apart(_ids(a, name), _ids(b, name)) for name in _REFERENCES) else "maybe"


def _apart(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether both are named, and nothing is in both."""
    return bool(a and b) and not set(a) & set(b)


def _ids(conditions: JSON, name: str) -> list[str]:
    return [str(entity.get("id")) for entity in as_objects(conditions.get(name))]


def _at_one_time(a: JSON, b: JSON, now: datetime) -> bool:
    """Whether a time from now on is in both: a policy matches new interactions only."""
    return any(
        max(start, other_start, now) <= min(end, other_end)
        for start, end in _times(a, now)
        for other_start, other_end in _times(b, now)
    )


def _times(conditions: JSON, now: datetime) -> list[tuple[datetime, datetime]]:
    return [_interval(text, now) for text in _list(conditions, "dateRanges")] or [(now, _NEVER_ENDS)]


def _interval(text: str, now: datetime) -> tuple[datetime, datetime]:
    """Start and end; any time where that cannot be read."""
    try:
        start, end = (datetime.fromisoformat(part) for part in text.split("/"))
    except ValueError:
        return now, _NEVER_ENDS
    return (start, end) if start.tzinfo and end.tzinfo else (now, _NEVER_ENDS)


def _list(conditions: JSON, name: str) -> list[str]:
    return [str(item) for item in as_list(conditions.get(name))]
