"""Whether a bucket lets S3 deliver server access logs into it. Pure functions.

S3 writes them as the service logging.s3.amazonaws.com, which a bucket policy allows, or as the group LogDelivery, which
an ACL allows (S3 User Guide, “Enabling Amazon S3 server access logging”).
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from opslib.validator.wildcards import matches

_SERVICE = "logging.s3.amazonaws.com"
_GROUP = "http://acs.amazonaws.com/groups/s3/LogDelivery"
_EXAMPLE = "2026-01-01-00-00-00-0123456789ABCDEF"


def acl_lets_in(acl: Mapping[str, Any] | None) -> bool:
    """Whether GetBucketAcl's answer lets the log delivery group write."""
    grants = (acl or {}).get("Grants", [])
    return any(
        grant.get("Grantee", {}).get("URI") == _GROUP and grant.get("Permission") in ("WRITE", "FULL_CONTROL")
        for grant in grants
    )


Answer = Literal["allows", "denies", "is silent", "is undecided"]


def policy_on_logs(policy: str | None, *, place: str, source: str, account: str | None) -> Answer:
    """What a bucket policy says of the service that writes logs; undecided where a condition leaves it open.

    `place` is the ARN that the logs' keys begin with, `source` the ARN of the bucket that is logged, and `account` the
    account that it belongs to, None when it is not known.
    """
    statements = json.loads(policy)["Statement"] if policy else []
    decided: dict[str, set[bool | None]] = {"Allow": {False}, "Deny": {False}}
    for statement in statements if isinstance(statements, list) else [statements]:
        if _meets(statement, f"{place}{_EXAMPLE}"):
            decided[statement["Effect"]].add(_holds(statement.get("Condition", {}), source, account))
    if True in decided["Deny"]:
        return "denies"
    if None in decided["Deny"]:
        return "is undecided"
    if True in decided["Allow"]:
        return "allows"
    return "is undecided" if None in decided["Allow"] else "is silent"


def _meets(statement: Mapping[str, Any], arn: str) -> bool:
    """Whether the statement is about the service, s3:PutObject and this key; NotPrincipal and the like are, too."""
    principal = statement.get("Principal", "*")
    services = (
        _listed(principal.get("Service", [])) + _listed(principal.get("AWS", []))
        if isinstance(principal, dict)
        else ["*"]
    )
    return (
        bool({_SERVICE, "*"} & set(services))
        and any(matches(str(one).lower(), "s3:putobject") for one in _listed(statement.get("Action", "*")))
        and any(matches(str(one), arn) for one in _listed(statement.get("Resource", "*")))
    )


def _holds(condition: Mapping[str, Mapping[str, Any]], source: str, account: str | None) -> bool | None:
    """Whether the condition holds when S3 delivers logs, which it does over TLS; None where that cannot be decided."""
    found: set[bool | None] = {True}
    for operator, keys in condition.items():
        for key, values in keys.items():
            found.add(_one_holds(operator.lower(), key.lower(), _listed(values), source, account))
    return False if False in found else None if None in found else True


def _one_holds(operator: str, key: str, values: list[Any], source: str, account: str | None) -> bool | None:
    base = operator.removesuffix("ifexists")
    if key == "aws:sourcearn" and base in ("arnlike", "arnequals", "stringlike", "stringequals"):
        return any(matches(str(value), source) for value in values)
    if key == "aws:sourceaccount" and base in ("stringequals", "stringlike"):
        return None if account is None else any(matches(str(value), account) for value in values)
    if key == "aws:securetransport" and base == "bool":
        return any(str(value).lower() == "true" for value in values)
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
