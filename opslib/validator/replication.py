"""Which replication rules copy recordings, and where to. Pure functions.

Of rules with the same destination, the one with the highest priority decides for an object. Objects that are encrypted
with KMS are copied only by rules that select them and name a key for the copies (S3 User Guide, “Replicating encrypted
objects”).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opslib.validator.lifecycle import overlap, scope_of


@dataclass(frozen=True)
class Copies:
    """What the rules do with recordings.

    Attributes:
        destinations: the names of the buckets to which every recording is copied.
        gaps: why other rules that are enabled copy no recording, or only some.
        undecided: whether a gap may be none, because it is not known where Genesys writes.
    """

    destinations: tuple[str, ...]
    gaps: tuple[str, ...]
    undecided: bool = False


def copies(rules: Sequence[Mapping[str, Any]], place: str | None, *, kms: bool) -> Copies:
    """What the rules of GetBucketReplication's answer do with recordings below `place` (None: not known where), which
    are encrypted with KMS or not."""
    enabled = [rule for rule in rules if rule.get("Status") == "Enabled"]
    by_priority = sorted(enabled, key=lambda rule: int(rule.get("Priority") or 0), reverse=True)
    destinations, gaps = [], []
    for destination in dict.fromkeys(_bucket(rule) for rule in by_priority):
        complete, missed = _copied([rule for rule in by_priority if _bucket(rule) == destination], place, kms=kms)
        gaps += missed
        if complete:
            destinations.append(destination)
    undecided = place is None and any(scope_of(rule)[0] and not _tagged(rule) for rule in enabled)
    return Copies(tuple(destinations), tuple(gaps), undecided)


def _copied(rules: Sequence[Mapping[str, Any]], place: str | None, *, kms: bool) -> tuple[bool, list[str]]:
    """Whether these rules for one destination, the highest priority first, copy every recording; and the gaps."""
    gaps: list[str] = []
    holed = False
    for rule in rules:
        prefix, name = scope_of(rule)[0], f"rule {rule.get('ID') or 'without a name'}"
        if _tagged(rule):
            gaps.append(f"{name} copies only what has its tags")
        elif not overlap(prefix, place or ""):
            gaps.append(f"{name} copies only what goes below {prefix}, where no recording goes")
        elif broken := _not_with_kms(rule) if kms else "":
            gaps.append(f"{name} {broken}")
            holed = True
            if (place or "").startswith(prefix):
                return False, gaps
        elif (place or "").startswith(prefix):
            return not holed, gaps
        else:
            gaps.append(f"{name} copies only what goes below {prefix}")
    return False, gaps


def _bucket(rule: Mapping[str, Any]) -> str:
    return str(rule["Destination"]["Bucket"]).rpartition(":")[2]


def _tagged(rule: Mapping[str, Any]) -> bool:
    parts = scope_of(rule)[1]
    return bool(parts.get("Tag") or parts.get("Tags"))


def _not_with_kms(rule: Mapping[str, Any]) -> str:
    """Why the rule leaves out objects that are encrypted with KMS; empty when it copies them."""
    selected = (rule.get("SourceSelectionCriteria") or {}).get("SseKmsEncryptedObjects") or {}
    if selected.get("Status") != "Enabled":
        return "does not select objects that are encrypted with KMS (SseKmsEncryptedObjects), as recordings are"
    if not (rule["Destination"].get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID"):
        return "names no KMS key for the copies (ReplicaKmsKeyID), so S3 copies nothing that is encrypted with KMS"
    return ""
