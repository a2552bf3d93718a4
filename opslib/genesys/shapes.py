"""Parts of an answer whose shape is not certain: what is of another shape is empty."""

from typing import Any

JSON = dict[str, Any]


def as_object(value: object) -> JSON:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def as_objects(value: object) -> list[JSON]:
    """The objects in a list."""
    return [item for item in as_list(value) if isinstance(item, dict)]
