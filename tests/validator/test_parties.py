"""Who is let in by a policy, named as what he is."""

import json
from typing import Any

import pytest

from opslib.validator.parties import OWN, open_grants, strangers

ARN = "arn:aws:s3:::recordings"
OURS, THEIRS = "1" * 12, "2" * 12
CANONICAL = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
GRANT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{ARN}/*"}
SERVICE = {"Principal": {"Service": "cloudfront.amazonaws.com"}}
OAI = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"


def granting(statement: dict[str, Any]) -> str:
    """A policy of one statement, which allows reading unless it says otherwise."""
    return json.dumps({"Statement": [{**GRANT, **statement}]})


def everybody(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Principal": "*", "Condition": {operator: {key: value}}}


def service(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {**SERVICE, "Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("statement", "is_open"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        (everybody("IpAddress", "aws:SourceIp", "0.0.0.0/0"), True),
        (everybody("StringLike", "aws:PrincipalOrgID", "*"), True),
        (everybody("StringNotEquals", "aws:PrincipalOrgID", "o-1"), True),
        (everybody("StringEquals", "aws:principalorgid", "o-1"), False),
        (everybody("StringEquals", "aws:PrincipalOrgID", ["o-1", "o-2"]), False),
        (everybody("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-1/r-2/ou-3/*"), False),
        (everybody("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", ["o-1/*", "o-2/*"]), False),
        (everybody("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "*/r-2/*"), True),
        (everybody("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-*/r-2/*"), True),
        (everybody("StringEquals", "aws:SourceVpce", "vpce-1"), False),
        (everybody("StringEqualsIfExists", "aws:PrincipalOrgID", "o-1"), True),
        (everybody("ForAllValues:StringEquals", "aws:PrincipalOrgID", "o-1"), True),
        (everybody("ForAnyValue:StringEquals", "aws:PrincipalOrgID", "o-1"), False),
        (everybody("StringLike", "aws:PrincipalOrgID", "o-*"), True),
        (everybody("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/x"), True),
        (everybody("ArnLike", "aws:SourceArn", f"arn:aws:sns:*:{OURS}:*"), False),
        (everybody("StringEquals", "aws:userid", "${aws:userid}"), True),
        (everybody("StringEquals", "aws:PrincipalAccount", "${aws:ResourceAccount}"), False),
        (everybody("IpAddress", "aws:SourceIp", "203.0.113.0/24"), False),
        (everybody("IpAddress", "aws:SourceIp", ["203.0.113.0/24", "0.0.0.0/1"]), True),
        (everybody("IpAddress", "aws:SourceIp", "10.0.0.0/8"), False),
        (everybody("IpAddress", "aws:SourceIp", "2000::/3"), True),
        (everybody("IpAddress", "aws:SourceIp", "2600::/31"), True),
        (everybody("IpAddress", "aws:SourceIp", "2600::/32"), False),
        (everybody("IpAddress", "aws:SourceIp", "fc00::/7"), False),
        (everybody("IpAddress", "aws:SourceIp", "8.0.0.0/7"), True),
        (everybody("IpAddress", "aws:SourceIp", "9.0.0.0/8"), False),
        (everybody("IpAddress", "aws:SourceIp", "203.0.113.7/24"), False),
        (everybody("IpAddress", "aws:SourceIp", "somewhere"), True),
        (everybody("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-1/${aws:userid}/*"), True),
        (everybody("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"), True),
        (everybody("Bool", "aws:SecureTransport", "true"), True),
        ({"Principal": {"AWS": f"arn:aws:iam::{OURS}:root"}}, False),
        ({"NotPrincipal": {"AWS": f"arn:aws:iam::{OURS}:root"}}, True),
        (SERVICE, True),
        ({"Principal": {"Service": ["logging.s3.amazonaws.com", "sns.amazonaws.com"]}}, True),
        (service("StringEquals", "aws:SourceArn", f"arn:aws:cloudfront::{OURS}:distribution/E1"), False),
        (service("ArnLike", "AWS:SourceArn", f"arn:aws:cloudfront::{OURS}:distribution/*"), False),
        (service("ArnLike", "aws:SourceArn", "arn:aws:cloudfront::*:distribution/*"), True),
        (service("ArnLike", "aws:SourceArn", "arn:aws:s3:::source"), False),
        (service("StringEquals", "aws:SourceAccount", OURS), False),
        (service("StringEqualsIfExists", "aws:SourceAccount", OURS), True),
        (service("StringEquals", "aws:SourceOrgID", "o-1"), False),
        (service("StringEquals", "aws:PrincipalOrgID", "o-1"), True),
    ],
)
def test_what_anybody_can_make_use_of(statement: dict[str, Any], is_open: bool) -> None:
    """Everybody, or a service for any of its customers, without a condition that ties it to somebody known."""
    assert bool(list(open_grants(granting(statement)))) is is_open
    assert list(open_grants(granting({**statement, "Effect": "Deny"}))) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({"Principal": {"AWS": [f"arn:aws:iam::{OURS}:role/x", THEIRS]}}, {THEIRS}),
        ({"Principal": {"AWS": f"arn:aws:sts::{THEIRS}:assumed-role/x/y"}}, {THEIRS}),
        (SERVICE, set()),
        (service("StringEquals", "aws:SourceAccount", OURS), set()),
        (service("StringEquals", "aws:SourceAccount", [OURS, THEIRS]), {THEIRS}),
        (service("ArnLike", "aws:SourceArn", f"arn:aws:cloudfront::{THEIRS}:distribution/*"), {THEIRS}),
        (service("ArnLike", "aws:SourceArn", ARN), set()),
        (service("ArnLike", "aws:SourceArn", "arn:aws:s3:::source"), {"whoever has aws:sourcearn arn:aws:s3:::source"}),
        ({"Principal": {"CanonicalUser": CANONICAL}}, {f"the canonical user {CANONICAL}"}),
        ({"Principal": {"AWS": OAI}}, {"the CloudFront Origin Access Identity E1, whose account cannot be told"}),
        (
            {"Principal": {"AWS": "AROADBQP57FF2AEXAMPLE"}},
            {"a deleted principal (AROADBQP57FF2AEXAMPLE), whose account cannot be told"},
        ),
        ({"Principal": {"Federated": "accounts.google.com"}}, {"the identity provider accounts.google.com"}),
        ({"Principal": "*"}, {"*"}),
        ({"NotPrincipal": {"AWS": THEIRS}}, {"*"}),
        (everybody("StringEquals", "aws:PrincipalAccount", OURS), set()),
        (everybody("StringEquals", "aws:PrincipalAccount", "${aws:ResourceAccount}"), set()),
        (everybody("StringEquals", "aws:PrincipalAccount", THEIRS), {THEIRS}),
        (everybody("StringEquals", "aws:userid", "AROAEXAMPLE"), set()),
        (everybody("StringEquals", "aws:userid", "aroaexample"), {"whoever has aws:userid aroaexample"}),
        (everybody("ArnEquals", "aws:PrincipalArn", f"arn:aws:iam::{THEIRS}:user/x"), {THEIRS}),
        (everybody("StringEquals", "aws:PrincipalOrgID", "o-1"), set()),
        (
            everybody("StringEquals", "aws:PrincipalOrgID", ["o-1", "o-2"]),
            {"the organisation o-2"},
        ),
        (everybody("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-1/r-1/*"), set()),
        (everybody("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-2/*"), {"the organisation o-2"}),
        (
            {
                "Principal": "*",
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-2", "aws:PrincipalAccount": OURS}},
            },
            set(),
        ),
        ({"Effect": "Deny", "Principal": {"AWS": THEIRS}}, set()),
    ],
)
def test_who_is_a_stranger(statement: dict[str, Any], words: set[str]) -> None:
    """Accounts from ARNs, ids and conditions; of several conditions one is enough; what has no account is named."""
    assert {party.words for party in strangers(granting(statement), {OURS, "o-1", ARN, "AROAEXAMPLE", *OWN})} == words
    assert strangers(None, ()) == set()
    assert all(party.words for party in strangers(granting(statement), {""}))
