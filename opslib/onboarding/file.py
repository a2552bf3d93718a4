import re
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from opslib.credentials import KeyReference, RoleReference
from opslib.errors import InvalidInput
from opslib.onboarding.models import Onboarding
from opslib.onboarding.yaml_file import Lines, read_text, read_yaml
from opslib.settings import Settings
from opslib.suggestion import did_you_mean
from opslib.visible import visible_text


def load_onboarding(path: Path) -> Onboarding:
    """Read and check one file; one that names no backend is for that of OPSLIB_BACKEND.

    Raises InvalidInput; nothing else is read or sent.
    """
    return parse_onboarding(read_text(path), str(path))


def parse_onboarding(text: str, name: str) -> Onboarding:
    """Check the text of a file; `name` is what errors call it. Raises InvalidInput."""
    values, lines = read_yaml(text, name)
    values.setdefault("backend", Settings.load().backend)
    try:
        return Onboarding.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        problems = [_problem(item, lines, values) for item in found if _not_meant(values) not in item["loc"]]
    raise InvalidInput(
        f"{name} is not a valid onboarding file",
        cause="; ".join(problems),
        fix="correct the lines named; nothing was sent",
    )


def as_yaml(onboarding: Onboarding) -> str:
    """The onboarding as a file that `load_onboarding` reads back to an equal value."""
    text = yaml.safe_dump(onboarding.values(), sort_keys=False, allow_unicode=True)
    # YAML's own escapes, where a character cannot be seen: they read back to the same text.
    return text if visible_text(text) == text else yaml.safe_dump(onboarding.values(), sort_keys=False)


def _not_meant(values: Any) -> str:
    """Of a role and a key, the class that the file does not mean: pydantic tries both, and reports both."""
    target = values.get("target")
    given = target.get("credentials") if isinstance(target, dict) else None
    is_role = isinstance(given, dict) and not given.keys().isdisjoint(RoleReference.model_fields)
    return (KeyReference if is_role else RoleReference).__name__


def _problem(item: Any, lines: Lines, values: Any) -> str:
    where = tuple(part for part in item["loc"] if not str(part)[:1].isupper())  # a union names its class
    known = where
    while known and known not in lines:
        known = known[:-1]
    field = ".".join(str(part) for part in where) or "onboarding"
    why = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        why = f"there is no such field.{did_you_mean(str(where[-1]), _fields_beside(where))}".rstrip(".")
    elif item["type"] == "literal_error":
        names = re.findall(r"'([^']*)'", item["ctx"]["expected"])
        why = f"{why}.{did_you_mean(str(_value_at(where, values)), names)}".rstrip(".")
    return f"line {lines.get(known, 1)}, {field}: {why}"


def _fields_beside(where: tuple[str | int, ...]) -> list[str]:
    """The fields that may stand where this one does."""
    models = [Onboarding]
    for part in where[:-1]:
        inner = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        models = [one for kind in inner for one in (kind, *get_args(kind)) if hasattr(one, "model_fields")]
    return [name for model in models for name in model.model_fields]


def _value_at(where: tuple[str | int, ...], values: Any) -> Any:
    for part in where:
        values = values[part]
    return values
