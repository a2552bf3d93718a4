"""What a profile is: the checks a bucket is held to, how much each counts, and the retention that a rule asks for."""

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from opslib.validator.wanted import Wanted

Level = Literal["FAIL", "WARN"]
BuiltIn = Literal["baseline", "sec-17a-4", "mifid-ii", "cftc"]
BUILT_IN: tuple[BuiltIn, ...] = get_args(BuiltIn)
"""The profiles that come with the kit."""


PublicKey = Annotated[str, Field(pattern=r"^ed25519:[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(_Part):
    """One check of a profile: whether it fails the bucket or only warns, and where that is from."""

    level: Level
    source: str


class Retention(_Part):
    """Bounds in days; None where the rule has none."""

    min_days: Annotated[int, Field(ge=1)] | None = None
    max_days: Annotated[int, Field(ge=1)] | None = None
    playable_days: Annotated[int, Field(ge=1)] | None = None
    source: str


class Profile(_Part):
    """What one rule asks of a bucket. `as_of` is when its sources were read; `note` is what a bucket cannot show.

    With `worm`, a bucket without a lock is UNKNOWN: `instead` may take the lock's place. `approvers` are the public
    keys of which one must approve each plan; None where one person is enough.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    title: str
    as_of: date
    note: str
    worm: bool = False
    instead: str = "another safeguard"
    retention: Retention
    checks: dict[str, Row]
    approvers: Annotated[tuple[PublicKey, ...], Field(min_length=1)] | None = None

    def retention_days(self, wanted: Wanted) -> int | None:
        """How long recordings must be kept: as stated, or else the rule's own minimum."""
        return wanted.retention_days or self.retention.min_days
