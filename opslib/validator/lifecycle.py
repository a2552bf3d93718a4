"""Four clocks that must agree: the policy's retention, the target's, the bucket's lifecycle rules and its Object Lock.

Pure functions; `today` is given. What S3 does (S3 User Guide, “Lifecycle and other bucket configurations”):

- Without versioning, an expiration deletes the object for good. With it, an expiration places a delete marker: the
  object looks gone, and its bytes live on as a noncurrent version until a noncurrent expiration takes them. With
  versioning suspended, the null version is deleted for good.
- Object Lock keeps a version's bytes, not its visibility: a delete marker is placed all the same. No lifecycle rule
  removes a version before its lock ends.
- A date in the past takes effect at once, and again for every new object. Disabled rules count for nothing. Of rules
  that overlap, the earliest expiration wins.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

Versioning = Literal["Enabled", "Suspended", "Off"]
Kind = Literal["deleted", "hidden", "noncurrent deleted", "archived"]

# Classes from which a recording must be restored, for hours, before it can be played.
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True)
class When:
    """A number of days after an object's creation, or a date."""

    days: int | None = None
    on: date | None = None

    def day(self, today: date) -> int:
        """On which day of its life this meets a recording that is made today."""
        return self.days or 0 if self.on is None else max((self.on - today).days, 0)


@dataclass(frozen=True)
class Rule:
    """One lifecycle rule. `part` says in words which recordings it covers, empty for all of the prefix."""

    id: str
    enabled: bool
    prefix: str = ""
    part: str = ""
    expires: When | None = None
    noncurrent_days: int | None = None
    kept_versions: int = 0
    archives: tuple[When, ...] = ()
    tiers: tuple[When, ...] = ()
    aborts_uploads_after_days: int | None = None


@dataclass(frozen=True)
class Lock:
    """The bucket's default Object Lock: how it is held, and for how many days; 0 without a default.

    A lock in years has `days` if each has 365, and `most_days` if they are calendar years: AWS does not say which.
    `hold_days` is 0 without a default event hold. With one, a new version is protected until somebody releases the
    hold, and at least so many days (a year: 365) after that.
    """

    mode: Literal["GOVERNANCE", "COMPLIANCE", ""] = ""
    days: int = 0
    most_days: int = 0
    hold_days: int = 0


@dataclass(frozen=True)
class Loss:
    """What happens to a recording that is made today: on which day of its life, by which rule, to which recordings.

    For an earlier version the days count from when it was replaced or deleted. `on` is the rule's date, where it has
    one: recordings that are made later meet it earlier in their lives.
    """

    kind: Kind
    day: int
    rule: str
    part: str = ""
    on: str | None = None

    def words(self) -> str:
        """One sentence."""
        which = f"recordings {self.part}" if self.part else "every recording"
        when = (
            f"on day {self.day}" if self.on is None else f"made until then, on {self.on} (from today: day {self.day})"
        )
        said = {
            "deleted": "deletes {which} {when}",
            "hidden": "hides {which} {when} behind a delete marker",
            "noncurrent deleted": "deletes the earlier version of {which} {day} days after it was replaced or deleted",
            "archived": "moves {which} {when} to an archive class, where nobody can play it at once",
        }[self.kind]
        return f"rule {self.rule} {said.format(which=which, when=when, day=self.day)}"


def parse_rules(configuration: Mapping[str, Any] | None) -> list[Rule]:
    """The rules of GetBucketLifecycleConfiguration's answer; none when there is no configuration."""
    rules = (configuration or {}).get("Rules", [])
    return [_rule(number, rule) for number, rule in enumerate(rules, 1)]


def _rule(number: int, rule: Mapping[str, Any]) -> Rule:
    prefix, parts = scope_of(rule)
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    return Rule(
        id=str(rule.get("ID") or f"number {number}"),
        enabled=rule.get("Status") == "Enabled",
        prefix=prefix,
        part=part_of(parts),
        expires=_when(rule.get("Expiration") or {}),
        noncurrent_days=noncurrent.get("NoncurrentDays"),
        kept_versions=int(noncurrent.get("NewerNoncurrentVersions") or 0),
        archives=_transitions(rule, ARCHIVE_CLASSES),
        tiers=_transitions(rule, {"INTELLIGENT_TIERING"}),
        aborts_uploads_after_days=(rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation"),
    )


def _transitions(rule: Mapping[str, Any], classes: Set[str]) -> tuple[When, ...]:
    return tuple(
        when
        for transition in rule.get("Transitions", [])
        if transition.get("StorageClass") in classes and (when := _when({"Days": 0, **transition}))
    )


def scope_of(rule: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The prefix of a rule for lifecycle, replication or Intelligent-Tiering, and everything in its filter."""
    chosen = rule.get("Filter") or {}
    parts = {**chosen, **(chosen.get("And") or {})}
    return str(parts.get("Prefix") or rule.get("Prefix") or ""), parts


def _when(action: Mapping[str, Any]) -> When | None:
    if on := action.get("Date"):
        return When(on=date.fromisoformat(str(on)[:10]))
    return None if action.get("Days") is None else When(days=int(action["Days"]))


def part_of(parts: Mapping[str, Any]) -> str:
    """Which objects a filter covers by tag and size, in words; empty for all."""
    tags = [*parts.get("Tags", []), *([parts["Tag"]] if parts.get("Tag") else [])]
    words = [f"tagged {tag['Key']}={tag['Value']}" for tag in tags]
    if parts.get("ObjectSizeGreaterThan"):
        words.append(f"larger than {parts['ObjectSizeGreaterThan']} bytes")
    if parts.get("ObjectSizeLessThan"):
        words.append(f"smaller than {parts['ObjectSizeLessThan']} bytes")
    return " and ".join(words)


def overlap(prefix: str, other: str) -> bool:
    """Whether a key can begin with both."""
    return prefix.startswith(other) or other.startswith(prefix)


def losses_by(rules: Sequence[Rule], folder: str, versioning: Versioning, today: date) -> list[Loss]:
    """Everything that the rules do to a recording that is made today in `folder`, earliest first."""
    in_force = (rule for rule in rules if rule.enabled and overlap(rule.prefix, folder))
    losses = [loss for rule in in_force for loss in _of_rule(rule, folder, versioning, today)]
    return sorted(losses, key=lambda loss: (loss.day, loss.rule))


def _of_rule(rule: Rule, folder: str, versioning: Versioning, today: date) -> list[Loss]:
    narrower = f"below {rule.prefix}" if len(rule.prefix) > len(folder) else ""

    def loss(kind: Kind, day: int, when: When | None = None, more: str = "") -> Loss:
        part = " and ".join(words for words in (narrower, rule.part, more) if words)
        on = when.on.isoformat() if when and when.on and when.on > today else None
        return Loss(kind, day, rule.id, part, on)

    losses: list[Loss] = []
    if rule.expires:
        kind: Kind = "hidden" if versioning == "Enabled" else "deleted"
        losses.append(loss(kind, rule.expires.day(today), rule.expires))
    if rule.noncurrent_days is not None and versioning != "Off":
        newer = f"with more than {rule.kept_versions} earlier versions" if rule.kept_versions else ""
        losses.append(loss("noncurrent deleted", rule.noncurrent_days, more=newer))
    losses += [loss("archived", when.day(today), when) for when in rule.archives]
    return losses


def too_early(losses: Sequence[Loss], retention_days: int, lock: Lock | None) -> list[Loss]:
    """Those by which a recording that is made today is lost, or looks lost, before its time.

    An earlier version is one from its first day on, if somebody replaces or deletes the recording then; a lock that
    lasts keeps it all the same.
    """
    held = lock is not None and max(lock.days, lock.hold_days) >= retention_days
    return [
        loss
        for loss in losses
        if loss.day < retention_days and (loss.kind == "hidden" or (loss.kind != "archived" and not held))
    ]


def too_early_later(losses: Sequence[Loss], retention_days: int) -> list[Loss]:
    """Those by date that spare what is made today, and not what is made nearer to that date."""
    return [loss for loss in losses if loss.kind != "archived" and loss.on and loss.day >= retention_days]


def archived_early(losses: Sequence[Loss], playable_days: int) -> list[Loss]:
    """Those by which a recording cannot be played at once while it must be."""
    return [loss for loss in losses if loss.kind == "archived" and loss.day < playable_days]


def parse_lock(configuration: Mapping[str, Any] | None) -> Lock | None:
    """The default of GetObjectLockConfiguration's answer; None without Object Lock."""
    lock = (configuration or {}).get("ObjectLockConfiguration") or {}
    if lock.get("ObjectLockEnabled") != "Enabled":
        return None
    default = (lock.get("Rule") or {}).get("DefaultRetention") or {}
    held = default.get("DefaultEventHold") or {}
    hold_days = int(held.get("Days") or 0) + 365 * int(held.get("Years") or 0)
    days, years = int(default.get("Days") or 0), int(default.get("Years") or 0)
    if not days and not years:
        return Lock(hold_days=hold_days)
    leap_days = (years + 3) // 4  # at most, in as many years one after another
    return Lock(default.get("Mode", ""), days + 365 * years, days + 365 * years + leap_days, hold_days)


@dataclass(frozen=True)
class Clocks:
    """All four, in days; None where one does not run, or is not known.

    `early` are the losses that come before the target's retention has ended. `removed` is the day by which the bytes
    of every recording that nobody touches are gone.
    """

    policy_days: int | None
    target_days: int | None
    lock: Lock | None
    losses: tuple[Loss, ...]
    early: tuple[Loss, ...]
    removed: int | None


def removal_day(losses: Sequence[Loss], lock: Lock | None) -> int | None:
    """The day by which the bytes of every recording are gone when nobody touches it; None: never.

    A rule for a part of the recordings leaves the others, so it does not count; nor does one that keeps some versions.
    With a default event hold, nothing goes before somebody releases it.
    """
    if lock and lock.hold_days:
        return None
    whole = [loss for loss in losses if not loss.part]
    gone = [loss.day for loss in whole if loss.kind == "deleted"]
    gone += [
        first.day + after.day
        for first in whole
        for after in whole
        if (first.kind, after.kind) == ("hidden", "noncurrent deleted")
    ]
    return max(min(gone), lock.most_days if lock else 0) if gone else None
