"""Whether a bucket policy denies plain HTTP to everybody, for everything. Pure functions over the policy document.

`aws:SecureTransport` is a Boolean that every request has, so Bool and BoolIfExists are the same for it. Whether a
request without TLS has no `s3:TlsVersion`, or 0, AWS does not document.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from opslib.validator.conditions import ABSENT, holds, parts_of
from opslib.validator.policy import Statement, names_in, patterns_of, statements
from opslib.validator.wildcards import TooManyWays, matches, ways

# Named first when they are open: a reader knows them.
_WELL_KNOWN = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetBucketPolicy")

_Guard = Literal["yes", "no", "unclear"]


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
        return Transport(
            None, "the policy looks at aws:SecureTransport or s3:TlsVersion in a way whose effect AWS does not document"
        )
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


def _guards_transport(statement: Statement) -> _Guard:
    """Whether a Deny holds for every request without TLS, whatever else is true of it."""
    guards = {_guard(*part) for part in parts_of(statement.get("Condition"))}
    return "no" if "no" in guards else "unclear" if "unclear" in guards else "yes"


def _guard(operator: str, key: str, values: list[str]) -> _Guard:
    documented = operator.lower().removesuffix("ifexists") in ("bool", "null") and len(values) < 2
    if key.lower() == "aws:securetransport" and not documented:
        return "unclear"
    without_version, with_zero = (
        holds({operator: {key: values}}, {"aws:securetransport": (("false",),), "s3:tlsversion": version}).holds
        for version in (ABSENT, (("0",),))
    )
    return "no" if not without_version else "yes" if with_zero else "unclear"


def _everybody(statement: Statement) -> bool:
    """NotPrincipal exempts somebody, so it is never everybody."""
    return ("AWS", "*") in names_in(statement.get("Principal", {}))
