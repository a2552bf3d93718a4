"""What the official SDK knows of the API: paths, query names, JSON fields, types, enum values.

Read from the SDK's source, which is generated from the live specification; importing it would take seconds.
What it does not record: which fields are required, and the enum of a field that is a list (see `LIST_ENUMS`).
"""

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "PureCloudPlatformClientV2"

LIST_ENUMS = {
    ("PolicyConditions", "directions"): ["INBOUND", "OUTBOUND"],
    ("CallMediaPolicyConditions", "directions"): ["INBOUND", "OUTBOUND"],
    ("PolicyConditions", "mediaTypes"): ["CALL", "CHAT"],
}
"""Enums of lists, which the Python SDK drops; from the .NET SDK (Model/PolicyConditions.cs and its like)."""

SCALARS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "datetime": str,
    "date": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "object": object,
}


@dataclass(frozen=True)
class Operation:
    """One method of one path. `query` has the names as on the wire; `body` and `answer` are model names or None."""

    method: str
    path: str
    query: frozenset[str]
    body: str | None
    answer: str | None


@dataclass(frozen=True)
class Field:
    """A JSON field of a model. `type` is the SDK's: str, int, datetime, list[Queue], dict(str, str), Policy, …"""

    type: str
    allowed: list[str] | None


def operation(method: str, path: str) -> Operation:
    """The operation for a path, which may have its parameters filled in or named otherwise. KeyError if none."""
    sent = _segments(path)
    fitting = [one for one in operations() if one.method == method and _fits(_segments(one.path), sent)]
    if not fitting:
        raise KeyError(f"the SDK has no {method} {path}")
    return max(fitting, key=lambda one: sum(not part.startswith("{") for part in _segments(one.path)))


def paths() -> set[str]:
    return {one.path for one in operations()}


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(one for file in sorted(folder("apis").glob("*_api.py")) for one in _operations_in(file.read_text()))


@cache
def model(name: str) -> Mapping[str, Field]:
    """The fields of a model by JSON name. KeyError if the SDK has no such model."""
    (klass,) = (node for node in ast.parse(_model_files()[name].read_text()).body if isinstance(node, ast.ClassDef))
    types, names = _constant(klass, "swagger_types"), _constant(klass, "attribute_map")
    return {
        names[attribute]: Field(kind, LIST_ENUMS.get((name, names[attribute]), _allowed(klass, attribute)))
        for attribute, kind in types.items()
    }


def problems(kind: str | None, value: Any, at: str = "body") -> list[str]:
    """What a JSON value has that a type of the SDK has not: unknown fields, wrong types, values outside an enum."""
    if kind is None:
        return [] if value in (None, {}, "") else [f"{at}: nothing was expected"]
    return list(_problems(kind, value, at, None))


def request_problems(method: str, path: str, query: Mapping[str, Any], body: Any = None) -> list[str]:
    """What is wrong with a request, by the SDK: its path, query names and body."""
    known = operation(method, path)
    wrong = [f"query: {name} is not a parameter of {method} {known.path}" for name in query.keys() - known.query]
    return wrong + problems(known.body, body)


def _problems(kind: str, value: Any, at: str, allowed: list[str] | None) -> Iterator[str]:
    inner = re.fullmatch(r"list\[(.+)\]|dict\(str, (.+)\)", kind)
    if inner and inner[1]:
        if not isinstance(value, list):
            yield f"{at}: {kind} was expected"
            return
        for place, one in enumerate(value):
            yield from _problems(inner[1], one, f"{at}[{place}]", allowed)
    elif not isinstance(value, dict) and (inner or kind not in SCALARS):
        yield f"{at}: {kind} was expected"
    elif inner:
        for key, one in value.items():
            yield from _problems(inner[2], one, f"{at}.{key}", None)
    elif kind in SCALARS:
        if not isinstance(value, SCALARS[kind]) or (isinstance(value, bool) and kind in ("int", "float")):
            yield f"{at}: {kind} was expected"
        elif allowed is not None and value not in allowed:
            yield f"{at}: {value} is none of {', '.join(allowed)}"
    else:
        fields = model(kind)
        for name, one in value.items():
            if name not in fields:
                yield f"{at}.{name}: {kind} has no such field"
            elif one is not None:
                yield from _problems(fields[name].type, one, f"{at}.{name}", fields[name].allowed)


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _fits(known: list[str], sent: list[str]) -> bool:
    return len(known) == len(sent) and all(
        one == other or one.startswith("{") for one, other in zip(known, sent, strict=True)
    )


def folder(name: str) -> Path:
    """A folder of the SDK's source."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / name


def _operations_in(source: str) -> Iterator[Operation]:
    for text in re.split(r"\n    def ", source):
        call = re.search(r"call_api\(resource_path, '([A-Z]+)'", text)
        if not call:
            continue
        path = re.search(r"resource_path = '([^']+)'", text)
        body = re.search(r":param (.+) body:", text)
        answer = re.search(r"response_type=(?:'([^']+)'|None)", text)
        assert path
        assert answer
        query = frozenset(re.findall(r"query_params\['([^']+)'\]", text))
        yield Operation(call[1], path[1], query, body[1] if body else None, answer[1])


@cache
def _model_files() -> Mapping[str, Path]:
    models = folder("models")
    imports = re.findall(r"^from \.(\w+) import (\w+)", (models / "__init__.py").read_text(), re.MULTILINE)
    return {name: models / f"{module}.py" for module, name in imports}


def _constant(klass: ast.ClassDef, attribute: str) -> dict[str, str]:
    """The literal that `self.<attribute>` is set to."""
    for node in ast.walk(klass):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"self.{attribute}":
            return ast.literal_eval(node.value)
    raise KeyError(attribute)


def _allowed(klass: ast.ClassDef, attribute: str) -> list[str] | None:
    """The `allowed_values` in the attribute's setter."""
    for node in klass.body:
        if not (isinstance(node, ast.FunctionDef) and node.name == attribute and len(node.args.args) == 2):
            continue
        for line in ast.walk(node):
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "allowed_values":
                return ast.literal_eval(line.value)
    return None
