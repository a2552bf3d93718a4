"""What a bucket policy allows and denies, as far as a check needs to know. Pure functions over the policy document.

IAM's rules that matter here (IAM User Guide, policy elements): actions and condition keys are compared without regard
to case; `*` and `?` are wildcards; all operators and keys of a condition must hold, one of a key's values is enough.
`aws:SecureTransport` is a Boolean that every request has, so Bool and BoolIfExists are the same for it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Statement = Mapping[str, Any]

# Statements cover all actions if they cover these, one that AWS has not invented yet, and one for each pattern in them.
_NEW = "s3:NotInventedYet"
_ACTIONS = (
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectVersion",
    "s3:PutObject",
    "s3:PutObjectAcl",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
    "s3:RestoreObject",
    "s3:BypassGovernanceRetention",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:GetBucketPolicy",
    "s3:PutBucketPolicy",
    "s3:PutLifecycleConfiguration",
    "s3:DeleteBucket",
    _NEW,
)

# Condition keys that tie a grant to somebody known (S3 User Guide, “The meaning of public”).
_RESTRICTING = frozenset(
    {
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceaccount",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourceowner",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:userid",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)

_Guard = Literal["yes", "no", "unclear"]


def statements(policy: str | None) -> list[Statement]:
    """The statements of a policy document; none when there is no policy."""
    found = json.loads(policy)["Statement"] if policy else []
    return [found] if isinstance(found, dict) else list(found)


@dataclass(frozen=True)
class Transport:
    """Whether plain HTTP is denied to everybody, for everything; None when that cannot be told. `why` in words."""

    denied: bool | None
    why: str


def plain_http(policy: str | None, arn: str) -> Transport:
    """Whether the policy of the bucket `arn` denies every request without TLS: all principals, actions, both ARNs."""
    deny = [one for one in statements(policy) if one.get("Effect") == "Deny"]
    guards = [(one, _guards_transport(one)) for one in deny]
    sure = [one for one, guard in guards if guard == "yes"]
    unclear = [one for one, guard in guards if guard == "unclear"]
    open_places = _not_covered(sure, arn)
    if not open_places:
        return Transport(True, "the policy denies every request without TLS")
    if not _not_covered([*sure, *unclear], arn):
        return Transport(None, "the policy compares aws:SecureTransport in a way whose effect AWS does not document")
    if not sure:
        return Transport(False, "no statement denies requests without TLS to everybody, without further conditions")
    return Transport(False, f"requests without TLS are still possible: {', '.join(open_places)}")


def _not_covered(deny: Sequence[Statement], arn: str) -> list[str]:
    """What the statements together leave open, in words."""
    everybody = [one for one in deny if _everybody(one)]
    found: list[str] = []
    for what, place in (("the bucket", arn), ("its objects", f"{arn}/*")):
        there = [one for one in everybody if _covers_place(one, place)]
        left = [name for name in _actions(everybody) if not any(_covers_action(one, name) for one in there)]
        if left:
            found.append(f"{'everything' if _NEW in left and len(left) > 5 else ', '.join(left)} on {what}")
    return found


def _actions(deny: Sequence[Statement]) -> list[str]:
    patterns = [str(one) for each in deny for key in ("Action", "NotAction") for one in _list(each.get(key, []))]
    named = [re.sub(r"[*?]+", "Zz", one) for one in patterns if re.match(r"s3:.", one, re.IGNORECASE)]
    return [*_ACTIONS, *named]


def _guards_transport(statement: Statement) -> _Guard:
    """Whether a Deny holds for every request without TLS: no condition, or just `aws:SecureTransport` is false."""
    parts = [
        (operator.lower(), key.lower(), [str(one).lower() for one in _list(values)])
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, values in keys.items()
    ]
    if not parts:
        return "yes"
    if len(parts) > 1 or parts[0][1] != "aws:securetransport":
        return "no"
    operator, _, values = parts[0]
    if operator.removesuffix("ifexists") != "bool" or len(values) > 1:
        return "unclear"
    return "yes" if values == ["false"] else "no"


def _everybody(statement: Statement) -> bool:
    """NotPrincipal exempts somebody, so it is never everybody."""
    principal = statement.get("Principal")
    return principal == "*" or (isinstance(principal, Mapping) and "*" in _list(principal.get("AWS", [])))


def _covers_action(statement: Statement, action: str) -> bool:
    if "Action" in statement:
        return any(_matches(one, action, re.IGNORECASE) for one in _list(statement["Action"]))
    return not any(_matches(one, action, re.IGNORECASE) for one in _list(statement.get("NotAction", ["*"])))


def _covers_place(statement: Statement, place: str) -> bool:
    if "Resource" in statement:
        return any(_covers(one, place) for one in _list(statement["Resource"]))
    exempt = _list(statement.get("NotResource", ["*"]))
    bucket = place.removesuffix("/*")
    return not any(_touches(one, bucket) for one in exempt)


def _covers(pattern: str, place: str) -> bool:
    """Whether a pattern matches the bucket's ARN, or, for ARN/*, every object in it."""
    if not place.endswith("/*"):
        return _matches(pattern, place)
    if not pattern.endswith("*"):
        return False
    start, stem = place[:-1], pattern.rstrip("*")
    return any(_matches(stem, start[:length]) for length in range(len(start) + 1))


def _touches(pattern: str, bucket: str) -> bool:
    """Whether a pattern may match the bucket or anything in it."""
    literal = re.split(r"[*?]", pattern, maxsplit=1)[0]
    return (
        literal.startswith(f"{bucket}/")
        or _matches(pattern, bucket)
        or (literal != pattern and f"{bucket}/".startswith(literal))
    )


def _matches(pattern: str, text: str, flags: int = 0) -> bool:
    regex = "".join(".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    return re.fullmatch(regex, text, flags | re.DOTALL) is not None


def public_grants(policy: str | None) -> list[str]:
    """The statements that allow somebody unknown something, each by its Sid or number."""
    return [
        str(one.get("Sid") or f"statement {number}")
        for number, one in enumerate(statements(policy), 1)
        if one.get("Effect") == "Allow" and (_everybody(one) or "NotPrincipal" in one) and not _restricted(one)
    ]


def _restricted(statement: Statement) -> bool:
    keys = {
        key.lower()
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, values in keys.items()
        if not operator.lower().startswith(("stringnot", "arnnot", "notip", "null"))
        and "*" not in [str(one) for one in _list(values)]
    }
    return bool(keys & _RESTRICTING)


def accounts_allowed(policy: str | None) -> set[str]:
    """The ids of the AWS accounts that the policy allows anything; "*" for everybody."""
    return {
        account
        for one in statements(policy)
        if one.get("Effect") == "Allow" and not (_everybody(one) and _restricted(one))
        for account in _accounts(one.get("Principal"))
    }


def _accounts(principal: Any) -> Iterator[str]:
    names = _list(principal.get("AWS", [])) if isinstance(principal, Mapping) else _list(principal or [])
    for name in names:
        yield name.split(":")[4] if name.startswith("arn:") else name


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
