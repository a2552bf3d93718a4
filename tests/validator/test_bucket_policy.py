"""Who is let in and what is refused, on the policies that fool other checkers, and on generated ones."""

import fnmatch
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.validator.bucket_policy import accounts_allowed, plain_http, public_grants

from .buckets import tls_only

BUCKET = "recordings"
ARN = f"arn:aws:s3:::{BUCKET}"
BOTH = [ARN, f"{ARN}/*"]
FALSE = {"aws:SecureTransport": "false"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def deny(**changes: Any) -> dict[str, Any]:
    found = tls_only(BUCKET, **changes)
    return {key: value for key, value in found.items() if value is not None}


PROTECTS = {
    "as AWS documents it": [deny()],
    "one statement that is no list": [deny()],
    "value as a list": [deny(Condition={"Bool": {"aws:SecureTransport": ["false"]}})],
    "value as a JSON boolean": [deny(Condition={"Bool": {"aws:SecureTransport": False}})],
    "key in other case": [deny(Condition={"Bool": {"aws:securetransport": "false"}})],
    "value in other case": [deny(Condition={"bool": {"AWS:SECURETRANSPORT": "False"}})],
    "BoolIfExists": [deny(Condition={"BoolIfExists": FALSE})],
    "principal as AWS star": [deny(Principal={"AWS": "*"})],
    "principal as a list": [deny(Principal={"AWS": ["*"]})],
    "every action": [deny(Action="*")],
    "action in other case": [deny(Action=["S3:*"])],
    "every resource": [deny(Resource="*")],
    "a pattern over both ARNs": [deny(Resource=f"{ARN}*")],
    "NotAction that exempts no S3 action": [deny(Action=None, NotAction="iam:*")],
    "NotResource that exempts another bucket": [deny(Resource=None, NotResource="arn:aws:s3:::other/*")],
    "bucket and objects in two statements": [deny(Resource=ARN), deny(Resource=f"{ARN}/*")],
    "what one exempts, another denies": [
        deny(Action=None, NotAction="s3:GetObject"),
        deny(Action="s3:GetObject"),
    ],
    "no condition at all": [deny(Condition=None)],
    "an allow beside it": [deny(), {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": BOTH}],
}
DOES_NOT = {
    "one principal only": [deny(Principal={"AWS": "arn:aws:iam::123456789012:root"})],
    "NotPrincipal": [deny(Principal=None, NotPrincipal={"AWS": "arn:aws:iam::123456789012:root"})],
    "a narrow prefix": [deny(Resource=[ARN, f"{ARN}/public/*"])],
    "objects only": [deny(Resource=f"{ARN}/*")],
    "the bucket only": [deny(Resource=ARN)],
    "another bucket": [deny(Resource=["arn:aws:s3:::other", "arn:aws:s3:::other/*"])],
    "reading only": [deny(Action="s3:Get*")],
    "one ACL action": [deny(Action="s3:PutObjectAcl")],
    "writing only": [deny(Action=["s3:PutObject"])],
    "all actions of today by name": [deny(Action=["s3:Get*", "s3:Put*", "s3:Delete*", "s3:List*", "s3:Abort*"])],
    "a further operator": [deny(Condition={"Bool": FALSE, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})],
    "a second key": [deny(Condition={"Bool": {**FALSE, "aws:ViaAWSService": "false"}})],
    "the wrong way round": [deny(Condition={"Bool": {"aws:SecureTransport": "true"}})],
    "another key": [deny(Condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}})],
    "NotAction that exempts reading": [deny(Action=None, NotAction="s3:GetObject")],
    "NotAction that exempts an action nobody thinks of": [deny(Action=None, NotAction="s3:PutBucketWebsite")],
    "NotResource that exempts a folder": [deny(Resource=None, NotResource=f"{ARN}/public/*")],
    "NotResource that exempts all": [deny(Resource=None, NotResource="*")],
    "an allow": [{**deny(), "Effect": "Allow"}],
    "nothing": [],
}
UNCLEAR = {
    "compared as a text": [deny(Condition={"StringEquals": FALSE})],
    "both values": [deny(Condition={"Bool": {"aws:SecureTransport": ["true", "false"]}})],
    "a set operator": [deny(Condition={"ForAnyValue:Bool": FALSE})],
    "compared as not a text": [deny(Condition={"StringNotEquals": {"aws:SecureTransport": "true"}})],
}


@pytest.mark.parametrize("name", PROTECTS)
def test_policies_that_refuse_plain_http(name: str) -> None:
    """Three of them fail in other checkers."""
    policy = document(*PROTECTS[name])
    if name == "one statement that is no list":
        policy = json.dumps({"Statement": PROTECTS[name][0]})
    assert plain_http(policy, ARN).denied is True


@pytest.mark.parametrize("name", DOES_NOT)
def test_policies_that_do_not(name: str) -> None:
    """Eight of them pass in other checkers; each says what is open."""
    found = plain_http(document(*DOES_NOT[name]), ARN)
    assert (found.denied, bool(found.why)) == (False, True)


@pytest.mark.parametrize("name", UNCLEAR)
def test_policies_whose_effect_aws_does_not_document(name: str) -> None:
    """Neither PASS nor FAIL."""
    assert plain_http(document(*UNCLEAR[name]), ARN).denied is None


def test_no_policy_refuses_nothing() -> None:
    """An absent policy is an answer."""
    assert plain_http(None, ARN).denied is False


PATTERNS = st.sampled_from(
    ["*", "s3:*", "s3:Get*", "s3:*Object", "s3:PutObject", "S3:GETOBJECT", "iam:*", "s3:List?ucket"]
)
PLACES = st.sampled_from(
    [ARN, f"{ARN}/*", f"{ARN}*", "*", f"{ARN}/a*", f"{ARN}/b/*", "arn:aws:s3:::other/*", f"{ARN}/?*"]
)
CONDITIONS = st.sampled_from(
    [
        {"Bool": FALSE},
        {"BoolIfExists": {"aws:securetransport": [False]}},
        {"Bool": {"aws:SecureTransport": "true"}},
        {"Bool": FALSE, "StringEquals": {"aws:PrincipalAccount": "1"}},
        None,
    ]
)


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    """A statement with any of the elements that change what it covers."""
    one: dict[str, Any] = {"Effect": draw(st.sampled_from(["Deny", "Deny", "Allow"]))}
    one[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(st.lists(PATTERNS, min_size=1, max_size=2))
    one[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(st.lists(PLACES, min_size=1, max_size=2))
    principal = draw(st.sampled_from(["*", {"AWS": "*"}, {"AWS": "arn:aws:iam::1:root"}]))
    one[draw(st.sampled_from(["Principal", "Principal", "Principal", "NotPrincipal"]))] = principal
    if condition := draw(CONDITIONS):
        one["Condition"] = condition
    return one


def refuses(policy: list[dict[str, Any]], who: str, action: str, place: str) -> bool:
    """IAM in small, written apart from the code under test: is this request over plain HTTP denied explicitly?"""

    def among(values: list[str], text: str, *, case: bool) -> bool:
        pairs = [(one, text) if case else (one.lower(), text.lower()) for one in values]
        return any(fnmatch.fnmatchcase(value, pattern.replace("[", "[[]")) for pattern, value in pairs)

    def applies(one: dict[str, Any]) -> bool:
        named = one.get("Principal", one.get("NotPrincipal"))
        names = [named] if isinstance(named, str) else [named["AWS"]]
        hit = "*" in names or who in names
        if ("Principal" in one) != hit:
            return False
        actions, resources = one.get("Action", one.get("NotAction")), one.get("Resource", one.get("NotResource"))
        if ("Action" in one) != among(actions, action, case=False):
            return False
        if ("Resource" in one) != among(resources, place, case=True):
            return False
        for operator, keys in one.get("Condition", {}).items():
            for key, value in keys.items():
                values = [str(v).lower() for v in (value if isinstance(value, list) else [value])]
                have = {"aws:securetransport": "false", "aws:principalaccount": "2"}[key.lower()]
                if have not in values:
                    return False
                assert operator
        return True

    return any(one["Effect"] == "Deny" and applies(one) for one in policy)


REQUESTS = [
    (who, action, place)
    for who in ("arn:aws:iam::1:root", "arn:aws:iam::2:user/x")
    for action in ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketPolicy", "s3:DeleteBucketWebsite")
    for place in (ARN, f"{ARN}/a/1", f"{ARN}/b/2", f"{ARN}/c", f"{ARN}/recordings/voice/x.opus")
]


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.lists(statements(), min_size=1, max_size=4))
def test_a_policy_that_passes_refuses_every_request_over_plain_http(policy: list[dict[str, Any]]) -> None:
    """And one whose every statement applies to everybody, everywhere passes: judged by an evaluator of its own."""
    found = plain_http(document(*policy), ARN).denied
    refused = all(refuses(policy, *request) for request in REQUESTS)
    if found:
        assert refused
    if not refused:
        assert found is False


GRANT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{ARN}/*"}


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Principal": "*", "Condition": {"StringLike": {"aws:PrincipalOrgID": "*"}}}, True),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:principalorgid": "o-1"}}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Principal": {"Service": "logging.s3.amazonaws.com"}}, False),
        ({"NotPrincipal": {"AWS": "arn:aws:iam::123456789012:root"}}, True),
    ],
)
def test_public_grants(statement: dict[str, Any], public: bool) -> None:
    """Everybody, without a condition that ties it to somebody known."""
    assert bool(public_grants(document({**GRANT, **statement}))) is public
    assert public_grants(document({**GRANT, **statement, "Effect": "Deny"})) == []


def test_accounts_that_are_allowed() -> None:
    """From ARNs and bare ids; services and denials are none."""
    policy = document(
        {**GRANT, "Principal": {"AWS": ["arn:aws:iam::111111111111:role/x", "222222222222"]}},
        {**GRANT, "Principal": {"Service": "logging.s3.amazonaws.com"}},
        {**GRANT, "Effect": "Deny", "Principal": {"AWS": "333333333333"}},
    )
    assert accounts_allowed(policy) == {"111111111111", "222222222222"}
    assert accounts_allowed(None) == set()
