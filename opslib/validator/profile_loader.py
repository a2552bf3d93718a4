"""Loads a profile: one that comes with the kit by its name, or a YAML file by its path.

The checks of a built-in profile say themselves that they belong to it (see `check.py`); the rest of it is a file in
`profile_files`. A profile of your own is one YAML file with everything. No profile is legal advice.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError, field_validator

from opslib.errors import InvalidInput
from opslib.onboarding.values import invalid_input
from opslib.onboarding.yaml_file import read_text, read_yaml
from opslib.suggestion import did_you_mean
from opslib.validator.checks import CHECKS
from opslib.validator.profile import BUILT_IN, BuiltIn, Profile, Row


class _OwnProfile(Profile):
    """A user's profile, whose checks must be ones that there are."""

    @field_validator("checks")
    @classmethod
    def _known(cls, rows: dict[str, Row]) -> dict[str, Row]:
        if unknown := sorted(rows.keys() - CHECKS.keys()):
            meant = "".join(did_you_mean(name, CHECKS) for name in unknown)
            raise ValueError(f"no such check: {', '.join(unknown)}.{meant} There are {', '.join(CHECKS)}")
        return rows


def load_profile(name: str) -> Profile:
    """A profile by name, or from a YAML file by path. Raises InvalidInput."""
    for built_in in BUILT_IN:
        if name == built_in:
            return _built_in(built_in)
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return _own(name, path)
    raise InvalidInput(
        f"There is no profile {name}",
        cause=f"it is neither a profile of the kit nor a YAML file.{did_you_mean(name, BUILT_IN)}".rstrip("."),
        fix=f"choose one of {', '.join(BUILT_IN)}, or give the path of a YAML file; nothing was written",
    )


@cache
def _built_in(name: BuiltIn) -> Profile:
    text = files("opslib.validator").joinpath("profile_files", f"{name}.yaml").read_text("utf-8")
    rows = {check.id: check.profiles[name] for check in CHECKS.values() if name in check.profiles}
    return Profile.model_validate(_values(name, text) | {"checks": rows})


def _own(name: str, path: Path) -> Profile:
    try:
        return _OwnProfile.model_validate(_values(name, read_text(path)))
    except ValidationError as error:
        raise invalid_input(f"Profile {name}", error) from None


def _values(name: str, text: str) -> dict[str, Any]:
    values: dict[str, Any] = read_yaml(text, f"profile {name}")[0]
    return values
