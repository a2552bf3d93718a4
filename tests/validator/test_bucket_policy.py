"""Whether plain HTTP is refused, on the policies that fool other checkers, and on generated ones."""

import fnmatch
import json
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from opslib.validator.bucket_policy import plain_http
from opslib.validator.wildcards import matches, ways

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
    "objects below a folder, and all others": [
        deny(Resource=[ARN, f"{ARN}/voice/*"]),
        deny(Resource=None, NotResource=[f"{ARN}/voice/*", "arn:aws:s3:::other"]),
    ],
    "keys of one character, and longer ones": [deny(Resource=[ARN, f"{ARN}/?", f"{ARN}/??*"])],
    "keys are not empty": [deny(Resource=[ARN, f"{ARN}/?*"])],
    "reading here, the rest there": [deny(Action="s3:Get*"), deny(Action=None, NotAction=["s3:Get*", "iam:*"])],
    "twice the same, in two operators": [deny(Condition={"Bool": FALSE, "BoolIfExists": FALSE})],
    "an old version, or none": [deny(Condition={"NumericLessThanIfExists": {"s3:TlsVersion": "1.2"}})],
    "an old version as a number": [deny(Condition={"NumericLessThanIfExists": {"s3:TlsVersion": 1.3}})],
    "an old version with a zero more": [deny(Condition={"NumericLessThanIfExists": {"s3:tlsversion": ["1.20"]}})],
    "without TLS, and apart from that an old version": [
        deny(),
        deny(Condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
    ],
    "the key, which is always there, and its value": [
        deny(Condition={"Null": {"aws:SecureTransport": "false"}, "Bool": FALSE})
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
    "a key that is never absent": [deny(Condition={"Null": {"aws:SecureTransport": "true"}})],
    "an old version or none, on a net": [
        deny(
            Condition={"NumericLessThanIfExists": {"s3:TlsVersion": "1.2"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
        )
    ],
    "a version that is no number": [deny(Condition={"NumericLessThan": {"s3:TlsVersion": "TLSv1.2"}})],
    "NotAction that exempts by a single wildcard": [deny(Action=None, NotAction="s3:?utBucketWebsite")],
    "two that exempt the same": [
        deny(Action=None, NotAction="s3:Get*"),
        deny(Action=None, NotAction="s3:*Object"),
    ],
    "two NotResources that both exempt one folder": [
        deny(Resource=None, NotResource=f"{ARN}/a*"),
        deny(Resource=None, NotResource=f"{ARN}/*b"),
    ],
    "everybody but one, and objects of that one": [
        deny(Principal=None, NotPrincipal={"AWS": "arn:aws:iam::123456789012:root"}),
        deny(Principal={"AWS": "arn:aws:iam::123456789012:root"}, Resource=f"{ARN}/*"),
    ],
    "a variable in the resource": [deny(Resource=[ARN, ARN + "/${aws:username}/*"])],
    "actions on the wrong place": [deny(Action="s3:*Object", Resource=ARN), deny(Action="s3:ListBucket*")],
    "reading in one folder, writing in another": [
        deny(Resource=ARN),
        deny(Action="s3:Get*", Resource=f"{ARN}/a/*"),
        deny(Action=None, NotAction="s3:Get*", Resource=f"{ARN}/b/*"),
    ],
    "a TLS version only": [deny(Condition={"Bool": FALSE, "NumericLessThan": {"s3:TlsVersion": "1.2"}})],
    "an empty list of values": [deny(Condition={"Bool": {"aws:SecureTransport": []}})],
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
    "no version": [deny(Condition={"Null": {"s3:TlsVersion": "true"}})],
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


def test_too_many_overlaps_are_unknown() -> None:
    """A policy that is made to take for ever is not guessed at."""
    policy = document(deny(Resource=[ARN, f"{ARN}/*a{'?' * 30}"]))
    assert plain_http(policy, ARN).denied is None


LETTERS = st.text(alphabet="abX*?", min_size=1, max_size=4)
ACTIONS = st.one_of(
    st.sampled_from(["*", "s3:*", "s3:Get*", "s3:*Object", "s3:PutObject", "S3:GETOBJECT", "iam:*", "s3:List?ucket"]),
    LETTERS.map(lambda text: f"s3:{text}"),
)
PLACES = st.one_of(
    st.sampled_from([ARN, f"{ARN}/*", f"{ARN}*", "*", f"{ARN}/a*", f"{ARN}/b/*", "arn:aws:s3:::other/*", f"{ARN}/?*"]),
    LETTERS.map(lambda text: f"{ARN}/{text}"),
    LETTERS.map(lambda text: f"arn:aws:s3:::{text}"),
)
CONDITIONS = st.sampled_from(
    [
        {"Bool": FALSE},
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
    one: dict[str, Any] = {"Effect": draw(st.sampled_from(["Deny", "Deny", "Deny", "Allow"]))}
    one[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(st.lists(ACTIONS, min_size=1, max_size=3))
    one[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(st.lists(PLACES, min_size=1, max_size=3))
    principal = draw(st.sampled_from(["*", "*", {"AWS": "*"}, {"AWS": "arn:aws:iam::1:root"}]))
    one[draw(st.sampled_from(["Principal", "Principal", "Principal", "NotPrincipal"]))] = principal
    if condition := draw(CONDITIONS):
        one["Condition"] = condition
    return one


@st.composite
def policies(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Any statements; or two that share everything between them, or almost."""
    if draw(st.booleans()):
        return draw(st.lists(statements(), min_size=1, max_size=4))
    element, patterns = draw(st.sampled_from([("Action", ACTIONS), ("Resource", PLACES)]))
    some, left_out = draw(st.lists(patterns, min_size=1, max_size=3)), draw(st.lists(patterns, max_size=1))
    halves = [deny(**{element: some}), deny(**{element: None, f"Not{element}": [*some, *left_out]})]
    return [*halves, *draw(st.lists(statements(), max_size=1))]


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


EVERYBODY = ("*", {"AWS": "*"})
SOMEBODY = "arn:aws:iam::2:user/x"
NAMES = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketPolicy", "s3:DeleteBucketWebsite"]
KEYS = ["a", "b", "ab", "aXb", "a/1", "b/2", "c", "recordings/voice/x.opus"]
REQUESTS = [(action, place) for action in NAMES for place in (ARN, *(f"{ARN}/{key}" for key in KEYS))]
TEXTS = st.text(alphabet="abXq", min_size=1, max_size=4)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, derandomize=True)
@given(policies(), st.lists(st.tuples(TEXTS, TEXTS), max_size=20))
def test_a_policy_passes_exactly_when_it_refuses_every_request(
    policy: list[dict[str, Any]], more: list[tuple[str, str]]
) -> None:
    """Over plain HTTP, judged by an evaluator of its own: none of the requests tried gets by a policy that passes, and
    the request that is named for a policy that fails does."""
    found = plain_http(document(*policy), ARN)
    event(str(found.denied))
    if found.denied:
        tried = [*REQUESTS, *((f"s3:{action}", f"{ARN}/{key}") for action, key in more)]
        assert all(refuses(policy, SOMEBODY, action, place) for action, place in tried)
        return
    assert found.denied is False
    # A statement that spares somebody counts for nothing, also when another one catches just those.
    policy = [one for one in policy if one.get("Principal") in EVERYBODY]
    if "such as" in found.why:
        action, _, place = found.why.split("such as ")[1].partition(" on ")
        assert action.lower().startswith("s3:")
        assert place == ARN or place.startswith(f"{ARN}/")
        assert not refuses(policy, SOMEBODY, action, place)
    else:
        assert not all(refuses(policy, SOMEBODY, action, place) for action, place in REQUESTS)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(LETTERS, min_size=1, max_size=4), TEXTS)
def test_every_way_to_match_is_found(patterns: list[str], text: str) -> None:
    """With an example that matches just these patterns; fnmatch judges."""

    def judged(one: str) -> frozenset[str]:
        return frozenset(pattern for pattern in patterns if fnmatch.fnmatchcase(one, pattern))

    found = ways(patterns, "")
    assert all(judged(example) == matched for matched, example in found.items())
    assert judged(text) in found
    assert judged(text) == {pattern for pattern in patterns if matches(pattern, text)}
