"""IAM in small, written apart from the code under test: every concrete request is decided with yes or no.

What is not known of a request is tried out: each value that a policy mentions, another one, and none at all. A question
is then answered by all of the worlds so made, or depends on which of them is real.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

World = Mapping[str, tuple[str, ...]]
"""The condition keys that a request has, in small letters, with their values; `session` is the name of the session."""

NUMERIC = {
    "lessthan": float.__lt__,
    "lessthanequals": float.__le__,
    "greaterthan": float.__gt__,
    "equals": float.__eq__,
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def conditions(policies: Sequence[dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    """Operator, key in small letters and values of everything that the policies look at."""
    return [
        (operator, key.lower(), [str(value) for value in as_list(values)])
        for policy in policies
        for statement in policy["Statement"]
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    ]


def worlds(policies: Sequence[dict[str, Any]], known: Mapping[str, Sequence[tuple[str, ...]]]) -> Iterator[World]:
    """Everything that may be true of a request, given what is `known`: ways to be for each key, () being absent."""
    open_keys: dict[str, list[tuple[str, ...]]] = {"session": [("genesys",), ("audit",)]}
    for _, key, values in conditions(policies):
        if key in known:
            open_keys[key] = list(known[key])
            continue
        examples = [value.replace("*", "q").replace("?", "q") for value in values if "${" not in value]
        ways = open_keys.setdefault(key, [(), ("zz-another",)])
        ways += [(example,) for example in examples if (example,) not in ways]
        if key.endswith("orgpaths"):
            ways += [(example, "zz-another") for example in examples]
    base = {key: ways[0] for key, ways in known.items() if len(ways) == 1}
    for values_of_all in itertools.product(*open_keys.values()):
        yield {**base, **dict(zip(open_keys, values_of_all, strict=True))}


@cache
def like(pattern: str, text: str) -> bool:
    parts = (".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def filled(text: str, world: World) -> str | None:
    """With its variables; None where the request lacks one."""
    for name in re.findall(r"\$\{(.*?)\}", text):
        values = world.get(name.lower(), ())
        if len(values) != 1:
            return None
        text = text.replace("${" + name + "}", values[0])
    return text


def compare(operator: str, wanted: str, value: str) -> bool:
    if operator.startswith("numeric"):
        return NUMERIC[operator.removeprefix("numeric")](float(value), float(wanted))
    if operator.startswith("arn"):
        ours, theirs = value.split(":"), wanted.split(":")
        return len(ours) == len(theirs) and all(map(like, theirs, ours))
    return {
        "stringequals": wanted == value,
        "stringequalsignorecase": wanted.casefold() == value.casefold(),
        "stringlike": like(wanted, value),
        "bool": wanted.casefold() == value.casefold(),
    }[operator]


def meets(operator: str, wanted: list[str], values: tuple[str, ...], world: World) -> bool:
    """One line of a condition."""
    name = operator.lower()
    if name == "null":
        return (not values) == (wanted[0].lower() == "true")
    quantifier = ""
    if ":" in name:
        quantifier, name = name.split(":")
    if name.endswith("ifexists"):
        name = name[: -len("ifexists")]
        if not values:
            return True
    negative = "not" in name
    name = name.replace("not", "")
    if not values:
        return quantifier == "forallvalues" or (negative and quantifier == "")
    texts = [text for text in (filled(one, world) for one in wanted) if text is not None]
    each = [any(compare(name, text, value) for text in texts) != negative for value in values]
    return all(each) if quantifier == "forallvalues" else any(each)


def about(statement: dict[str, Any], action: str, resource: str, world: World) -> bool:
    """Action, resource and condition of a statement."""
    if "Action" in statement:
        acts = any(like(one.lower(), action.lower()) for one in as_list(statement["Action"]))
    else:
        acts = not any(like(one.lower(), action.lower()) for one in as_list(statement["NotAction"]))
    named = statement.get("Resource", statement.get("NotResource"))
    places = [text for text in (filled(one, world) for one in as_list(named)) if text is not None]
    there = any(like(one, resource) for one in places) == ("Resource" in statement)
    holds = (
        meets(operator, values, world.get(key, ()), world)
        for operator, key, values in conditions([{"Statement": [statement]}])
    )
    return acts and there and all(holds)


def caller(role: str, world: World) -> tuple[str, str, str]:
    """Account, role and session, as principals name them."""
    account, name = role.split(":")[4], role.split("/")[-1]
    return account, role, f"arn:aws:sts::{account}:assumed-role/{name}/{world['session'][0]}"


def named(principal: Any, who: tuple[str, str, str]) -> set[str]:
    """Which of account, role, session and everybody the element names."""
    account, role, session = who
    names = [principal] if isinstance(principal, str) else as_list(principal.get("AWS", []))
    words = {"*": "everybody", account: "account", f"arn:aws:iam::{account}:root": "account"}
    words |= {role: "role", session: "session"}
    return {words[name] for name in names if name in words}


def says(policy: dict[str, Any], role: str, action: str, resource: str, world: World) -> set[str]:
    """What a document says to one request: deny, allow, and delegate where it allows the account."""
    said = set()
    for statement in policy["Statement"]:
        if not about(statement, action, resource, world):
            continue
        if "NotPrincipal" in statement:
            exempt = named(statement["NotPrincipal"], caller(role, world))
            spared = "everybody" in exempt or {"account", "role", "session"} <= exempt
            said |= {"deny"} if statement["Effect"] == "Deny" and not spared else set()
            continue
        hit = named(statement.get("Principal", "*"), caller(role, world))
        if hit and statement["Effect"] == "Deny":
            said.add("deny")
        elif hit:
            said |= {"delegate" if one == "account" else "allow" for one in hit}
    return said


def allowed(identity: set[str], resource: set[str], *, same_account: bool, leaves_to_iam: bool) -> bool:
    """The decision over both sides."""
    if "deny" in identity | resource:
        return False
    if same_account:
        by_iam = "allow" in identity and (leaves_to_iam or "delegate" in resource)
        return "allow" in resource or by_iam
    return "allow" in identity and bool(resource & {"allow", "delegate"})
