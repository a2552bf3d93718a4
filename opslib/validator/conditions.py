"""Whether a policy's Condition holds for a request: yes, no, or not told by what is known of the request.

IAM's rules (IAM User Guide, condition operators, multivalued context keys, policy variables): all operators and keys of
a condition must hold, and one of a key's values is enough, or none of them for a negated operator. A key that the
request lacks fails an operator, and meets one that is negated or ends in IfExists.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opslib.validator.wildcards import matches

Context = Mapping[str, Sequence[tuple[str, ...]]]
"""What is known of a request: for a key in small letters, the values that it may have, each way a tuple that is empty
where the request lacks the key. Nothing is known of a key that is not named."""

ABSENT: Sequence[tuple[str, ...]] = ((),)
"""The request lacks the key."""


@dataclass(frozen=True)
class Truth:
    """`holds` is None where it cannot be told; `why` then names what decides, and else what it rests on."""

    holds: bool | None
    why: str = ""


YES, NO = Truth(True), Truth(False)


def every(parts: Iterable[Truth]) -> Truth:
    """Whether all hold."""
    return _joined(list(parts), decisive=False)


def either(parts: Iterable[Truth]) -> Truth:
    """Whether one holds."""
    return _joined(list(parts), decisive=True)


def _joined(parts: Sequence[Truth], *, decisive: bool) -> Truth:
    holds = next((holds for holds in (decisive, None) if any(part.holds is holds for part in parts)), not decisive)
    whys = dict.fromkeys(part.why for part in parts if part.holds is holds)
    return Truth(holds, " and ".join(filter(None, whys)))


def listed(value: Any) -> list[Any]:
    """A policy may leave out the brackets of a list of one."""
    return list(value) if isinstance(value, list | tuple) else [value]


def holds(condition: Mapping[str, Any] | None, context: Context) -> Truth:
    """Whether the request meets the Condition of a statement; None is no condition."""
    return every(_holds(*part, context) for part in parts_of(condition))


def parts_of(condition: Mapping[str, Any] | None) -> list[tuple[str, str, list[str]]]:
    """Operator, key and values of each part, as written."""
    return [
        (operator, key, [str(value).lower() if isinstance(value, bool) else str(value) for value in listed(values)])
        for operator, keys in (condition or {}).items()
        for key, values in keys.items()
    ]


def _holds(operator: str, key: str, values: Sequence[str], context: Context) -> Truth:
    wanted = [resolved(value, context) for value in values]
    # Of an unknown key: it may be absent, or have some value.
    possible: Sequence[tuple[str, ...] | None] = context.get(key.lower(), ((), None))
    results = {_decide(operator.lower(), wanted, present) for present in possible}
    if len(results) == 1 and None not in results:
        return YES if True in results else NO
    return Truth(None, f"{operator} {key} {', '.join(values)}")


def _decide(operator: str, wanted: Sequence[str | None], present: tuple[str, ...] | None) -> bool | None:
    quantifier, _, name = operator.rpartition(":")
    optional, name = name.endswith("ifexists"), name.removesuffix("ifexists")
    if name == "null":
        return {"true": present == (), "false": present != ()}.get(str(wanted[0]).lower()) if len(wanted) == 1 else None
    positive = name.replace("not", "", 1)
    negated = positive != name
    if present == ():
        return optional or quantifier == "forallvalues" or (negated and quantifier != "foranyvalue")
    if present is None:
        return not negated if positive == "stringlike" and "*" in wanted else None
    results = [_among(positive, value, wanted) for value in present]
    results = [None if result is None else result is not negated for result in results]
    decisive = quantifier != "forallvalues"
    return decisive if decisive in results else None if None in results else not decisive


def _among(operator: str, value: str, wanted: Sequence[str | None]) -> bool | None:
    """Whether the value meets the operator with one of those wanted; None among these is one that is not known."""
    results: set[bool | None] = set()
    for other in wanted:
        try:
            results.add(None if other is None else _OPERATORS[operator](value, other))
        except (KeyError, ValueError):  # an operator that we do not know, or a value that does not fit it
            results.add(None)
    return True if True in results else None if None in results else False


def _same_arn(value: str, pattern: str) -> bool:
    """Each of an ARN's six parts is compared for itself; ArnEquals and ArnLike are the same (IAM User Guide)."""
    parts = zip(pattern.split(":", 5), value.split(":", 5), strict=True)
    return all(matches(wanted, literal(part)) for wanted, part in parts)


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "stringequals": lambda value, wanted: value == _plain(wanted),
    "stringequalsignorecase": lambda value, wanted: value.lower() == _plain(wanted).lower(),
    "stringlike": lambda value, wanted: matches(wanted, literal(value)),
    "arnequals": _same_arn,
    "arnlike": _same_arn,
    "bool": lambda value, wanted: value.lower() == wanted.lower(),
    "numericequals": lambda value, wanted: float(value) == float(wanted),
    "numericlessthan": lambda value, wanted: float(value) < float(wanted),
    "numericlessthanequals": lambda value, wanted: float(value) <= float(wanted),
    "numericgreaterthan": lambda value, wanted: float(value) > float(wanted),
    "numericgreaterthanequals": lambda value, wanted: float(value) >= float(wanted),
    "ipaddress": lambda value, wanted: ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False),
}
"""The operators without Not, IfExists and quantifier. Nothing is ever known of a date or a binary value."""

# `${*}` means the character itself (IAM User Guide, policy variables); characters of private use keep it apart.
_LITERAL = {ord("*"): 0xE000, ord("?"): 0xE001}


def resolved(value: str, context: Context) -> str | None:
    """The value as a pattern, its policy variables filled in; None where one of them is not known."""
    parts: list[str | None] = list(re.split(r"\$\{([^}]*)\}", value))
    parts[1::2] = [_variable(str(name), context) for name in parts[1::2]]
    return None if None in parts else "".join(filter(None, parts))


def _variable(name: str, context: Context) -> str | None:
    if name in ("*", "?", "$"):
        return literal(name)
    possible = context.get(name.lower(), ())
    return literal(possible[0][0]) if len(possible) == 1 and len(possible[0]) == 1 else None


def literal(text: str) -> str:
    """The text as a pattern that matches nothing else, and as a text to be matched."""
    return text.translate(_LITERAL)


def _plain(pattern: str) -> str:
    """The text that a pattern means to an operator without wildcards."""
    return pattern.translate({mark: chr(wildcard) for wildcard, mark in _LITERAL.items()})
