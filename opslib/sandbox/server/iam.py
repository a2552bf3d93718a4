"""How IAM decides over policy documents, where moto knows no conditions, no NotResource and no principals."""

import fnmatch
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Context = Mapping[str, str]
"""Condition keys in small letters, each with its value."""


def decide(
    documents: Iterable[str], action: str, resource: str, context: Context, principal: str = ""
) -> tuple[str, list[str]]:
    """`explicitDeny`, `allowed` or `implicitDeny`, as IAM's simulation names them; and the condition keys that the
    documents look at and that `context` lacks. A statement that names principals counts for `principal` only."""
    statements = [statement for document in documents for statement in statements_of(document)]
    effects = {one["Effect"] for one in statements if _applies(one, action, resource, context, principal)}
    keys = {key for one in statements for _, key, _ in _parts(one)}
    missing = sorted(key for key in keys if key.lower() not in context)
    return "explicitDeny" if "Deny" in effects else "allowed" if effects else "implicitDeny", missing


def statements_of(document: str | bytes) -> list[dict[str, Any]]:
    """The statements of a policy."""
    return listed(json.loads(document)["Statement"])


def listed(value: Any) -> list[Any]:
    """A policy may leave out the brackets of a list of one."""
    return value if isinstance(value, list) else [value]


def _applies(statement: dict[str, Any], action: str, resource: str, context: Context, principal: str) -> bool:
    return (
        _hits(statement, "Action", action.lower(), lower=True)
        and _hits(statement, "Resource", resource)
        and _names(statement, principal)
        and all(_met(operator, context.get(key.lower()), values) for operator, key, values in _parts(statement))
    )


def _hits(statement: dict[str, Any], element: str, value: str, *, lower: bool = False) -> bool:
    patterns = listed(statement.get(element, statement.get(f"Not{element}", "*")))
    hit = any(_like(value, pattern.lower() if lower else pattern) for pattern in patterns)
    return hit is (f"Not{element}" not in statement)


def _names(statement: dict[str, Any], principal: str) -> bool:
    """Whether the statement is about the principal, by its ARN or its account."""
    named = statement.get("Principal", statement.get("NotPrincipal", "*"))
    names = listed(named.get("AWS", []) if isinstance(named, dict) else named)
    account = principal.split(":")[4] if principal else ""
    hit = not {"*", principal, account, f"arn:aws:iam::{account}:root"}.isdisjoint(names)
    return hit is ("NotPrincipal" not in statement)


def _parts(statement: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield operator.lower(), key, [str(value) for value in listed(values)]


def _met(operator: str, value: str | None, wanted: list[str]) -> bool:
    """Texts, ARNs and Booleans, with Not, IfExists and Null. Of other operators, none is met."""
    name = operator.removesuffix("ifexists")
    if name == "null":
        return (value is None) is (wanted[0].lower() == "true")
    negated = "not" in name
    if value is None:
        return negated or name != operator
    if name.startswith(("string", "arn")):
        alike = _like if "like" in name or "arn" in name else str.__eq__
        return any(alike(value, one) for one in wanted) is not negated
    return name == "bool" and value.lower() in [one.lower() for one in wanted]


def _like(value: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))
