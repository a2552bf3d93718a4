"""When S3 Intelligent-Tiering archives recordings, from which they must be restored before anybody can play them.

Only objects of the storage class INTELLIGENT_TIERING are meant, of 128 KB or more, and only after so many days on which
nobody has opened them (S3 User Guide, “How S3 Intelligent-Tiering works”). Genesys writes into the standard class, so
recordings get there by a lifecycle rule. Pure functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from opslib.validator.lifecycle import Rule, overlap, part_of, scope_of


@dataclass(frozen=True)
class Archived:
    """From which day of its life a recording that nobody opens is archived, by which configuration and rule.

    `part` says in words which recordings, empty for all; `tagged` whether only those with tags, which Genesys is not
    known to set.
    """

    day: int
    configuration: str
    rule: str
    part: str
    tagged: bool

    def words(self) -> str:
        """One sentence."""
        which = f"recordings {self.part}" if self.part else "recordings of 128 KB or more"
        return (
            f"rule {self.rule} moves {which} to INTELLIGENT_TIERING, and configuration {self.configuration} archives "
            f"from day {self.day} on what nobody has opened"
        )


def archived_by(
    configurations: Sequence[Mapping[str, Any]], rules: Sequence[Rule], place: str | None, today: date
) -> list[Archived]:
    """What the configurations do to a recording that is made today below `place` (None: not known where), earliest
    first."""
    found = [
        Archived(when.day(today) + min(_days(one)), str(one["Id"]), rule.id, _part(one, rule, place), _tagged(one))
        for one in configurations
        if one.get("Status") == "Enabled" and _days(one)
        for rule in rules
        if rule.enabled and _meet([scope_of(one)[0], rule.prefix, place or ""])
        for when in rule.tiers
    ]
    return sorted(found, key=lambda one: one.day)


def _days(configuration: Mapping[str, Any]) -> list[int]:
    return [int(tier["Days"]) for tier in configuration.get("Tierings", [])]


def _tagged(configuration: Mapping[str, Any]) -> bool:
    parts = scope_of(configuration)[1]
    return bool(parts.get("Tag") or parts.get("Tags"))


def _meet(prefixes: Sequence[str]) -> bool:
    return all(overlap(one, other) for one in prefixes for other in prefixes)


def _part(configuration: Mapping[str, Any], rule: Rule, place: str | None) -> str:
    prefix, parts = scope_of(configuration)
    longest = max(prefix, rule.prefix, key=len)
    below = f"below {longest}" if len(longest) > len(place or "") else ""
    return " and ".join(dict.fromkeys(filter(None, (below, rule.part, part_of(parts)))))
