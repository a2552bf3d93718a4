"""Profiles: which checks a bucket is held to, how much each counts, and which retention a rule asks for.

A profile is a YAML file. Those that come with the kit stand in `profile_files`; another is named by its path. Every row
names its source. No profile is legal advice.
"""

from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from opslib.errors import InvalidInput
from opslib.onboarding.values import invalid_input
from opslib.onboarding.yaml_file import read_text, read_yaml
from opslib.validator.checks import CHECKS

BUILT_IN = ("baseline", "sec-17a-4", "mifid-ii", "cftc")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(_Part):
    """One check of a profile: whether it fails the bucket or only warns, and where that is from."""

    level: Literal["FAIL", "WARN"]
    source: str


class Retention(_Part):
    """Bounds in days; None where the rule has none."""

    min_days: Annotated[int, Field(ge=1)] | None = None
    max_days: Annotated[int, Field(ge=1)] | None = None
    playable_days: Annotated[int, Field(ge=1)] | None = None
    source: str


class Profile(_Part):
    """What one rule asks of a bucket. `as_of` is when its sources were read; `note` is what a bucket cannot show."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    title: str
    as_of: date
    note: str
    worm: bool = False
    retention: Retention
    checks: dict[str, Row]

    def calls(self, *, role: bool) -> frozenset[str]:
        """The AWS calls that its checks may make when Genesys writes with a role, or with the key that checks."""
        idle = {"writer"} if role else {"writer-role-trust", "writer-role-permissions"}
        return frozenset(call for name in self.checks.keys() - idle for call in CHECKS[name].calls)

    @field_validator("checks")
    @classmethod
    def _known(cls, rows: dict[str, Row]) -> dict[str, Row]:
        if unknown := sorted(rows.keys() - CHECKS.keys()):
            raise ValueError(f"no such check: {', '.join(unknown)}; there are {', '.join(CHECKS)}")
        return rows


def profiles_of(check: str) -> dict[str, str]:
    """The kit's profiles that a check belongs to, with its level there."""
    found = ((name, load_profile(name).checks.get(check)) for name in BUILT_IN)
    return {name: row.level for name, row in found if row}


def load_profile(name: str) -> Profile:
    """A profile by name, or from a YAML file by path. Raises InvalidInput."""
    path = Path(name)
    if name in BUILT_IN:
        return _built_in(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        text = read_text(path)
    else:
        raise InvalidInput(
            f"There is no profile {name}",
            cause="neither a profile of the kit nor a YAML file",
            fix=f"choose one of {', '.join(BUILT_IN)}, or give the path of a YAML file; nothing was sent",
        )
    return _parsed(name, text)


@cache
def _built_in(name: str) -> Profile:
    return _parsed(name, files("opslib.validator").joinpath("profile_files", f"{name}.yaml").read_text("utf-8"))


def _parsed(name: str, text: str) -> Profile:
    try:
        return Profile.model_validate(read_yaml(text, f"profile {name}")[0])
    except ValidationError as error:
        raise invalid_input(f"Profile {name}", error) from None
