"""What a bucket policy allows and denies, as far as a check needs to know. Pure functions over the policy document.

IAM's rules that matter here (IAM User Guide, policy elements): actions and condition keys are compared without regard
to case; `*` and `?` are wildcards; all operators and keys of a condition must hold, one of a key's values is enough.
`aws:SecureTransport` is a Boolean that every request has, so Bool and BoolIfExists are the same for it.
"""

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from opslib.validator.wildcards import TooManyWays, matches, ways

Statement = Mapping[str, Any]

# Named first when they are open: a reader knows them.
_WELL_KNOWN = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetBucketPolicy")

# Condition keys that tie a grant to somebody known (S3 User Guide, “The meaning of public”).
_RESTRICTING = frozenset(
    {
        "aws:sourceip",
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceaccount",
        "aws:sourceorgid",
        "aws:sourceowner",
        "aws:principalorgid",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:userid",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
# Operators that a request without the key does not meet: not the negated ones, IfExists or ForAllValues.
_POSITIVE = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"})
_ACCOUNT_IN_ARN = re.compile(r"arn:[^:*?]*:[^:*?]+:[^:]*:\d{12}:.*")

_Guard = Literal["yes", "no", "unclear"]


def statements(policy: str | None) -> list[Statement]:
    """The statements of a policy document; none when there is no policy."""
    return listed(json.loads(policy)["Statement"]) if policy else []


@dataclass(frozen=True)
class Transport:
    """Whether plain HTTP is denied to everybody, for everything; None when that cannot be told. `why` in words."""

    denied: bool | None
    why: str


def plain_http(policy: str | None, arn: str) -> Transport:
    """Whether the policy of the bucket `arn` denies every request without TLS: all principals, actions, both ARNs.

    Several statements may do it together. Actions that S3 does not have yet count, and so do keys that nobody uses yet.
    """
    deny = [
        statement for statement in statements(policy) if statement.get("Effect") == "Deny" and _everybody(statement)
    ]
    guards = [(statement, _guards_transport(statement)) for statement in deny]
    sure = [statement for statement, guard in guards if guard == "yes"]
    try:
        still_open = _not_covered(sure, arn)
        maybe_open = _not_covered([statement for statement, guard in guards if guard != "no"], arn)
    except TooManyWays:
        return Transport(None, "the policy's wildcards overlap in too many ways to tell")
    if still_open is None:
        return Transport(True, "the policy denies every request without TLS")
    if maybe_open is None:
        return Transport(None, "the policy compares aws:SecureTransport in a way whose effect AWS does not document")
    if not sure:
        return Transport(False, "no statement denies requests without TLS to everybody, without further conditions")
    return Transport(False, f"requests without TLS are still possible, such as {still_open}")


def _not_covered(deny: Sequence[Statement], arn: str) -> str | None:
    """A request that none of the statements covers, in words; None when there is none. Raises TooManyWays."""
    actions = ways(_action_patterns(deny), "s3:")
    resources = [pattern for statement in deny for pattern in patterns_of(statement, "Resource")]
    places = {frozenset(pattern for pattern in resources if matches(pattern, arn)): arn} | ways(resources, f"{arn}/")
    for action in sorted(actions, key=lambda matched: len(matched)):
        for place, example in places.items():
            if not any(_applies(statement, action, place) for statement in deny):
                return f"{_well_known(action, deny) or actions[action]} on {example}"
    return None


def _applies(statement: Statement, actions: frozenset[str], places: frozenset[str]) -> bool:
    """Whether a statement covers a request, told by the patterns that its action and its resource match."""
    action = any(pattern in actions for pattern in _action_patterns([statement]))
    place = any(pattern in places for pattern in patterns_of(statement, "Resource"))
    return action is ("Action" in statement) and place is ("Resource" in statement)


def _well_known(matched: frozenset[str], deny: Sequence[Statement]) -> str | None:
    """An action with a name, of those that match just these patterns."""
    patterns = set(_action_patterns(deny))
    for action in _WELL_KNOWN:
        if {pattern for pattern in patterns if matches(pattern, action.lower())} == matched:
            return action
    return None


def _action_patterns(among: Sequence[Statement]) -> list[str]:
    """In small letters: IAM compares actions without regard to case."""
    return [pattern.lower() for statement in among for pattern in patterns_of(statement, "Action")]


def patterns_of(statement: Statement, element: str) -> list[str]:
    """The patterns of the element, or of its negation."""
    return [str(pattern) for pattern in listed(statement.get(element, statement.get(f"Not{element}", [])))]


def _guards_transport(statement: Statement) -> _Guard:
    """Whether a Deny holds for every request without TLS: no condition, or only `aws:SecureTransport` is false."""
    parts = [
        (operator.lower(), key.lower(), [str(value).lower() for value in listed(values)])
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, values in keys.items()
    ]
    guards: set[_Guard] = {_guard(*part) for part in parts}
    return "no" if "no" in guards else "unclear" if "unclear" in guards else "yes"


def _guard(operator: str, key: str, values: list[str]) -> _Guard:
    if key != "aws:securetransport":
        return "no"
    if operator.removesuffix("ifexists") != "bool" or len(values) > 1:
        return "unclear"
    return "yes" if values == ["false"] else "no"


def _everybody(statement: Statement) -> bool:
    """NotPrincipal exempts somebody, so it is never everybody."""
    principal = statement.get("Principal")
    return principal == "*" or (isinstance(principal, Mapping) and "*" in listed(principal.get("AWS", [])))


def public_grants(policy: str | None) -> list[str]:
    """The statements that allow somebody unknown something, each by its Sid or number."""
    return [
        str(statement.get("Sid") or f"statement {number}")
        for number, statement in enumerate(statements(policy), 1)
        if statement.get("Effect") == "Allow"
        and (_everybody(statement) or "NotPrincipal" in statement)
        and not _known_by(statement)
    ]


def _known_by(statement: Statement) -> list[tuple[str, str]]:
    """The conditions that tie a grant to somebody known: key and value, pair by pair."""
    return [
        (key.lower(), str(value))
        for operator, keys in (statement.get("Condition") or {}).items()
        if operator.lower().removeprefix("foranyvalue:") in _POSITIVE
        for key, values in keys.items()
        if key.lower() in _RESTRICTING and all(_is_fixed(key.lower(), str(value)) for value in listed(values))
        for value in listed(values)
    ]


def _is_fixed(key: str, value: str) -> bool:
    """Not anybody's to choose: no wildcard or variable but behind an account's id, no large part of the internet."""
    if key == "aws:sourceip":
        return _is_narrow(value)
    return not re.search(r"[*?]|\$\{", value) or bool(_ACCOUNT_IN_ARN.fullmatch(value))


def _is_narrow(cidr: str) -> bool:
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return False
    # Wider than this counts as public (S3 User Guide, “The meaning of public”); private ranges do not.
    return network.is_private or network.prefixlen >= (8 if network.version == 4 else 32)


def allowed_parties(policy: str | None) -> set[str]:
    """Whom the policy allows anything: ids of AWS accounts, canonical user ids, "*" for everybody, and in words those
    who are known by a condition only. AWS's own services are none."""
    return {
        party
        for statement in statements(policy)
        if statement.get("Effect") == "Allow"
        for party in (_known_parties(statement) if _everybody(statement) else _named(statement.get("Principal", "*")))
    }


def _known_parties(statement: Statement) -> Iterator[str]:
    """Of a grant to everybody: the accounts that its conditions name, or the condition itself."""
    known = _known_by(statement)
    if not known:
        yield "*"
    for key, value in known:
        account = value.split(":")[4] if _ACCOUNT_IN_ARN.fullmatch(value) else value
        yield account if re.fullmatch(r"\d{12}", account) else f"whoever has {key} {value}"


def _named(principal: Any) -> Iterator[str]:
    named = principal if isinstance(principal, Mapping) else {"AWS": principal}
    for kind, names in named.items():
        for name in listed(names):
            if kind == "AWS":
                yield name.split(":")[4] if name.startswith("arn:") else name
            elif kind != "Service":
                yield name


def listed(value: Any) -> list[Any]:
    """A policy may leave out the brackets of a list of one."""
    return list(value) if isinstance(value, list | tuple) else [value]
