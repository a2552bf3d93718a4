"""Checks an integration's properties against its type's JSON schema, before anything is sent.

A schema comes from the server, so nothing in it is run: no code is made of it, no reference is fetched, and patterns
are matched in linear time. Keywords that are not read here, such as `oneOf`, are left to Genesys, which checks again.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from opslib.errors import InvalidInput
from opslib.genesys.answers import JSON, Count, Shape

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


class PropertySchema(Shape):
    """The keywords that are read; `required: true` within a property is JSON Schema draft 3, and is not."""

    type: str | list[str] | None = None
    title: str | None = None
    enum: list[Any] | None = None
    required: list[str] | bool | None = None
    properties: "dict[str, PropertySchema | bool] | None" = None
    additionalProperties: "PropertySchema | bool | None" = None
    items: "PropertySchema | bool | list[Any] | None" = None
    minItems: Count | None = None
    maxItems: Count | None = None
    minLength: Count | None = None
    maxLength: Count | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    default: Any = None


class Schema(PropertySchema):
    """The schema of all properties of a type."""

    properties: dict[str, PropertySchema | bool]


def checked_properties(properties: JSON, schema: JSON, type_id: str) -> JSON:
    """The properties with the schema's defaults. Raises InvalidInput when they do not fit the schema."""
    parsed = Schema.model_validate(schema)
    whole = _with_defaults(properties, parsed)
    if problem := next(_problems(whole, parsed, "properties"), ""):
        raise InvalidInput(
            f"The properties do not fit integration type {type_id}",
            cause=problem,
            fix="correct the onboarding, or give target.properties in the schema's own names; nothing was written to "
            "the org",
        )
    return whole


def _with_defaults(properties: JSON, schema: PropertySchema) -> JSON:
    defaults = {
        name: copy.deepcopy(spec.default)
        for name, spec in (schema.properties or {}).items()
        if isinstance(spec, PropertySchema) and spec.default is not None
    }
    return defaults | properties


def _problems(value: Any, schema: PropertySchema, at: str) -> Iterator[str]:
    """What does not fit, in words. `at` is the value's path."""
    types = [schema.type] if isinstance(schema.type, str) else schema.type or []
    if types and not any(_is(value, name) for name in types):
        yield f"{at} must be {' or '.join(types)}"
    if schema.enum is not None and not any(value == one and type(value) is type(one) for one in schema.enum):
        yield f"{at} must be one of {', '.join(map(str, schema.enum))}"
    if isinstance(value, str):
        yield from _of_text(value, schema, at)
    elif isinstance(value, list):
        yield from _outside(len(value), schema.minItems, schema.maxItems, f"{at} must have", "items")
        if isinstance(schema.items, PropertySchema):
            for place, item in enumerate(value):
                yield from _problems(item, schema.items, f"{at}[{place}]")
    elif isinstance(value, dict):
        yield from _of_object(value, schema, at)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _outside(value, schema.minimum, schema.maximum, f"{at} must be", "")


def _of_text(value: str, schema: PropertySchema, at: str) -> Iterator[str]:
    yield from _outside(len(value), schema.minLength, schema.maxLength, f"{at} must have", "characters")
    if schema.pattern is not None and not _matches(value, schema.pattern):
        yield f"{at} must match pattern {schema.pattern}"


def _of_object(value: JSON, schema: PropertySchema, at: str) -> Iterator[str]:
    known = schema.properties or {}
    if isinstance(schema.required, list) and (missing := [name for name in schema.required if name not in value]):
        yield f"{at} must contain {', '.join(missing)}"
    if schema.additionalProperties is False and (unknown := sorted(value.keys() - known.keys())):
        yield f"{at} must not contain {', '.join(unknown)}"
    for name, field in value.items():
        spec = known.get(name, schema.additionalProperties)
        if isinstance(spec, PropertySchema):
            yield from _problems(field, spec, f"{at}.{name}")


def _is(value: Any, name: str) -> bool:
    """Whether a value has a JSON type; a type that JSON Schema does not know fits everything."""
    if name not in _TYPES:
        return True
    return isinstance(value, _TYPES[name]) and (not isinstance(value, bool) or name == "boolean")


def _outside(size: float, least: float | None, most: float | None, must: str, unit: str) -> Iterator[str]:
    if least is not None and size < least:
        yield f"{must} at least {least:g} {unit}".strip()
    if most is not None and size > most:
        yield f"{must} at most {most:g} {unit}".strip()


def _matches(value: str, pattern: str) -> bool:
    """By Rust's regular expressions, which take linear time; a pattern that they do not know matches everything."""
    try:
        TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)]).validate_python(value)
    except SchemaError:
        return True
    except ValidationError:
        return False
    return True
