"""Four clocks that must agree: the policy's retention, the target's, the bucket's lifecycle rules and its Object Lock.

Pure functions; `today` is given. What S3 does (S3 User Guide, “Lifecycle and other bucket configurations”):

- Without versioning, an expiration deletes the object for good. With it, an expiration places a delete marker: the
  object looks gone, and its bytes live on as a noncurrent version until a noncurrent expiration takes them. With
  versioning suspended, the null version is deleted for good.
- Object Lock keeps a version's bytes, not its visibility: a delete marker is placed all the same.
- A date in the past takes effect at once, and again for every new object. Disabled rules count for nothing. Of rules
  that overlap, the earliest expiration wins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

Versioning = Literal["Enabled", "Suspended", "Off"]
Kind = Literal["deleted", "hidden", "noncurrent deleted", "archived"]

# Classes from which a recording must be restored, for hours, before it can be played.
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True)
class Rule:
    """One lifecycle rule, in days. `part` says in words which recordings it covers, empty for all of the prefix."""

    id: str
    enabled: bool
    prefix: str = ""
    part: str = ""
    expire_days: int | None = None
    expire_on: date | None = None
    noncurrent_days: int | None = None
    archive_days: int | None = None
    aborts_uploads_after_days: int | None = None


@dataclass(frozen=True)
class Lock:
    """The bucket's default Object Lock: how it is held, and for how many days; 0 without a default."""

    mode: Literal["GOVERNANCE", "COMPLIANCE", ""] = ""
    days: int = 0


@dataclass(frozen=True)
class Loss:
    """What happens to a recording, on which day of its life, by which rule, and to which recordings."""

    kind: Kind
    day: int
    rule: str
    part: str

    def words(self) -> str:
        """One sentence."""
        which = f"recordings {self.part}" if self.part else "every recording"
        said = {
            "deleted": "deletes {which} on day {day}",
            "hidden": "hides {which} behind a delete marker on day {day}",
            "noncurrent deleted": "deletes the earlier version of {which} {day} days after it was replaced or deleted",
            "archived": "moves {which} to an archive class on day {day}, where nobody can play it at once",
        }[self.kind]
        return f"rule {self.rule} {said.format(which=which, day=self.day)}"


def parse_rules(configuration: Mapping[str, Any] | None) -> list[Rule]:
    """The rules of GetBucketLifecycleConfiguration's answer; none when there is no configuration."""
    rules = (configuration or {}).get("Rules", [])
    return [_rule(number, one) for number, one in enumerate(rules, 1)]


def _rule(number: int, rule: Mapping[str, Any]) -> Rule:
    chosen = rule.get("Filter") or {}
    parts = {**chosen, **(chosen.get("And") or {})}
    expiration = rule.get("Expiration") or {}
    archive = [
        int(one.get("Days", 0)) for one in rule.get("Transitions", []) if one.get("StorageClass") in ARCHIVE_CLASSES
    ]
    on = expiration.get("Date")
    return Rule(
        id=str(rule.get("ID") or f"number {number}"),
        enabled=rule.get("Status") == "Enabled",
        prefix=str(parts.get("Prefix") or rule.get("Prefix") or ""),
        part=_part(parts),
        expire_days=expiration.get("Days"),
        expire_on=date.fromisoformat(str(on)[:10]) if on else None,
        noncurrent_days=(rule.get("NoncurrentVersionExpiration") or {}).get("NoncurrentDays"),
        archive_days=min(archive, default=None),
        aborts_uploads_after_days=(rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation"),
    )


def _part(parts: Mapping[str, Any]) -> str:
    tags = [*parts.get("Tags", []), *([parts["Tag"]] if parts.get("Tag") else [])]
    words = [f"tagged {tag['Key']}={tag['Value']}" for tag in tags]
    if parts.get("ObjectSizeGreaterThan"):
        words.append(f"larger than {parts['ObjectSizeGreaterThan']} bytes")
    if parts.get("ObjectSizeLessThan"):
        words.append(f"smaller than {parts['ObjectSizeLessThan']} bytes")
    return " and ".join(words)


def losses(rules: Sequence[Rule], prefix: str, versioning: Versioning, today: date) -> list[Loss]:
    """Everything that the rules do to a recording below `prefix`, earliest first."""
    found = [
        loss
        for rule in rules
        if rule.enabled and (rule.prefix.startswith(prefix) or prefix.startswith(rule.prefix))
        for loss in _of_rule(rule, prefix, versioning, today)
    ]
    return sorted(found, key=lambda loss: (loss.day, loss.rule))


def _of_rule(rule: Rule, prefix: str, versioning: Versioning, today: date) -> list[Loss]:
    narrower = f"below {rule.prefix}" if len(rule.prefix) > len(prefix) else ""
    part = " and ".join(words for words in (narrower, rule.part) if words)
    found: list[Loss] = []
    day = rule.expire_days
    if rule.expire_on:
        # A recording made the day before the date lives for one day; once it is past, for none.
        day = 0 if rule.expire_on <= today else 1
    if day is not None:
        found.append(Loss("hidden" if versioning == "Enabled" else "deleted", day, rule.id, part))
    if rule.noncurrent_days is not None and versioning != "Off":
        found.append(Loss("noncurrent deleted", rule.noncurrent_days, rule.id, part))
    if rule.archive_days is not None:
        found.append(Loss("archived", rule.archive_days, rule.id, part))
    return found


def too_early(found: Sequence[Loss], retention_days: int) -> list[Loss]:
    """Those by which a recording is lost, or looks lost, before its time."""
    return [loss for loss in found if loss.kind != "archived" and loss.day < retention_days]


def archived_early(found: Sequence[Loss], playable_days: int) -> list[Loss]:
    """Those by which a recording cannot be played at once while it must be."""
    return [loss for loss in found if loss.kind == "archived" and loss.day < playable_days]


def parse_lock(configuration: Mapping[str, Any] | None) -> Lock | None:
    """The default of GetObjectLockConfiguration's answer; None without Object Lock. A year counts as 365 days, since
    AWS does not say how it counts: the shorter reading is the safe one."""
    lock = (configuration or {}).get("ObjectLockConfiguration") or {}
    if lock.get("ObjectLockEnabled") != "Enabled":
        return None
    default = (lock.get("Rule") or {}).get("DefaultRetention") or {}
    days = int(default.get("Days") or 365 * int(default.get("Years") or 0))
    return Lock(default.get("Mode", ""), days) if days else Lock()


@dataclass(frozen=True)
class Clocks:
    """All four, in days; None where one does not run, or is not known.

    `removed` is the day on which the bytes of a recording that nobody touches are gone.
    """

    policy_days: int | None
    target_days: int | None
    lock: Lock | None
    losses: tuple[Loss, ...]
    removed: int | None


def removal_day(found: Sequence[Loss], lock: Lock | None, versioning: Versioning) -> int | None:
    """The first day on which a recording's bytes are gone when nobody touches it; None: never."""
    gone = [loss.day for loss in found if loss.kind == "deleted"]
    if versioning == "Enabled":
        hidden = [loss.day for loss in found if loss.kind == "hidden"]
        later = [loss.day for loss in found if loss.kind == "noncurrent deleted"]
        gone += [first + after for first in hidden[:1] for after in later[:1]]
    if not gone:
        return None
    return max(min(gone), lock.days if lock else 0)
