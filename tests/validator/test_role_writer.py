"""What can forbid the role to write, one by one, as people met it; the name of what does is in the answer."""

from typing import Any

import pytest

from .account_by_hand import ARN, KEY, OTHER, OWN, PLACE, Combination, outcome
from .buckets import writes

ROLE, PATH = f"arn:aws:iam::{OWN}:role/genesys-recordings", f"arn:aws:iam::{OWN}:role/integrations/genesys-recordings"
THEIRS, ADMIN = f"arn:aws:iam::{OTHER}:role/genesys-recordings", f"arn:aws:iam::{OWN}:role/admin"
ROOT, SESSION = f"arn:aws:iam::{OWN}:root", f"arn:aws:sts::{OWN}:assumed-role/genesys-recordings"
USES_KEY = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": KEY}
MAY = [*writes(ARN), USES_KEY]
SSE, KEY_ID = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def deny(
    condition: Any = None, *, action: Any = "s3:PutObject", resource: Any = f"{ARN}/*", **who: Any
) -> dict[str, Any]:
    """A statement of the bucket policy, against everybody unless `who` says otherwise."""
    one = {"Sid": "No", "Effect": "Deny", "Action": action, "Resource": resource} | (who or {"Principal": "*"})
    return one | ({"Condition": condition} if condition else {})


DENIES = "statement No of the bucket policy denies s3:PutObject"
DEPENDS = "whether statement No of the bucket policy denies s3:PutObject depends on "


@pytest.mark.parametrize(
    ("statement", "verdict", "says"),
    [
        (deny(Principal={"AWS": ROLE}), "FAIL", DENIES),
        (deny(Principal={"AWS": OWN}), "FAIL", DENIES),
        (deny(Principal={"AWS": [ADMIN, ROOT]}), "FAIL", DENIES),
        (deny(Principal={"AWS": ADMIN}), "PASS", "allow it all"),
        (deny(Principal={"AWS": PATH}), "PASS", "allow it all"),
        (deny(Principal={"AWS": "AROADBQP57FF2AEXAMPLE"}), "PASS", "allow it all"),
        (deny(Principal={"Service": "logging.s3.amazonaws.com"}), "PASS", "allow it all"),
        (
            deny(Principal={"AWS": f"{SESSION}/genesys"}),
            "UNKNOWN",
            f"{DEPENDS}who asks, since it names {SESSION}/genesys",
        ),
        (deny(NotPrincipal={"AWS": ADMIN}), "FAIL", DENIES),
        (deny(NotPrincipal={"AWS": ROLE}), "FAIL", DENIES),
        (deny(NotPrincipal={"AWS": [ROLE, ROOT]}), "UNKNOWN", f"{DEPENDS}the name of the session"),
        (
            deny({"ArnNotLike": {"aws:PrincipalArn": [ADMIN, f"arn:aws:iam::{OWN}:user/*"]}}, action="s3:*"),
            "FAIL",
            DENIES,
        ),
        (deny({"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{OWN}:role/genesys-*"}}), "PASS", "allow it all"),
        (deny({"StringNotLike": {"aws:PrincipalArn": [ROLE, ADMIN]}}), "PASS", "allow it all"),
        (deny({"StringNotEquals": {"aws:PrincipalAccount": OTHER}}), "FAIL", DENIES),
        (
            deny({"StringNotLike": {"aws:userId": "AROAEXAMPLE:*"}}),
            "UNKNOWN",
            f"{DEPENDS}StringNotLike aws:userId AROA",
        ),
        (
            deny({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}),
            "UNKNOWN",
            f"{DEPENDS}StringNotEquals aws:SourceVpce vpce-1",
        ),
        (deny({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}), "UNKNOWN", "NotIpAddress aws:SourceIp"),
        (deny({"StringNotEquals": {SSE: "aws:kms"}}), "UNKNOWN", f"{DEPENDS}StringNotEquals {SSE} aws:kms"),
        (deny({"Null": {SSE: "true"}}), "UNKNOWN", f"{DEPENDS}Null {SSE} true"),
        (deny({"StringNotEqualsIfExists": {KEY_ID: KEY}}), "UNKNOWN", KEY_ID),
        (deny({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}), "UNKNOWN", "aws:PrincipalOrgID o-1"),
        (
            deny({"StringNotEquals": {SSE: "aws:kms"}}, action="s3:Get*", resource="*"),
            "FAIL",
            "denies s3:GetBucketLocation",
        ),
        (deny({"Bool": {"aws:SecureTransport": "false"}}, action="s3:*", resource="*"), "PASS", "allow it all"),
        (deny({"NumericLessThan": {"s3:TlsVersion": "1.2"}}), "PASS", "allow it all"),
        (deny({"NumericLessThan": {"s3:TlsVersion": 1.3}}), "UNKNOWN", "s3:TlsVersion"),
        (deny({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}), "FAIL", DENIES),
        (deny({"StringNotEqualsIfExists": {"aws:SourceAccount": OWN}}), "FAIL", DENIES),
        (deny({"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}), "PASS", "allow it all"),
        (deny(action="s3:PutObjectAcl"), "FAIL", "denies s3:PutObjectAcl"),
        (deny(resource=f"{ARN}/{PLACE}*"), "FAIL", DENIES),
        (deny(resource=f"{ARN}/other/*"), "PASS", "allow it all"),
        (deny(resource=f"{ARN}/*.exe"), "UNKNOWN", f"{DEPENDS}the object's key"),
        (deny(resource=f"{ARN}/${{aws:PrincipalTag/team}}/*"), "UNKNOWN", f"{DEPENDS}the variable"),
        (deny(action=["s3:getbucketlocation"], resource=ARN), "FAIL", "denies s3:GetBucketLocation"),
    ],
)
async def test_what_the_bucket_policy_denies(statement: dict[str, Any], verdict: str, says: str) -> None:
    """An explicit Deny fails by its name; a condition that nobody can decide is named; what spares the role passes."""
    found = await outcome(Combination(ROLE, document(*MAY), document(statement)))
    assert (found.verdict, says in found.why) == (verdict, True), found.why
    refused = frozenset({"SimulatePrincipalPolicy"})
    silent = await outcome(Combination(ROLE, document(*MAY), document(statement), refused=refused))
    assert silent.verdict == ("FAIL" if verdict == "FAIL" else "UNKNOWN")


@pytest.mark.parametrize(
    ("statements", "place", "verdict", "says"),
    [
        (writes(ARN, PLACE), PLACE, "PASS", "allow it all"),
        (writes(ARN), None, "PASS", "allow it all"),
        (writes(ARN, PLACE), None, "UNKNOWN", "where Genesys writes is not known"),
        (writes(ARN, "recordings/voice/"), PLACE, "FAIL", "not allowed: s3:PutObject, s3:PutObjectAcl"),
        (writes(ARN, f"{PLACE}year="), PLACE, "UNKNOWN", "for a part of the bucket at most"),
        (writes("arn:aws:s3:::*"), PLACE, "PASS", "allow it all"),
        (writes(ARN)[:1], PLACE, "FAIL", "not allowed: s3:GetBucketLocation, s3:GetEncryptionConfiguration"),
        (
            [{"Effect": "Allow", "Action": "s3:*", "Resource": f"{ARN}/*"}],
            PLACE,
            "FAIL",
            "not allowed: s3:GetBucketLocation",
        ),
        ([{"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{ARN}/*"}], "", "FAIL", "s3:PutObjectAcl"),
        ([*writes(ARN), deny()], PLACE, "FAIL", "a policy of the role denies s3:PutObject"),
        ([*writes(ARN), deny({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}})], PLACE, "UNKNOWN", "aws:sourcevpc"),
        ([one | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}} for one in writes(ARN)], PLACE, "PASS", "all"),
    ],
)
async def test_what_the_roles_own_policies_allow(statements: Any, place: str | None, verdict: str, says: str) -> None:
    """All four actions that Genesys documents, on the bucket and where it writes."""
    found = await outcome(Combination(ROLE, document(*statements), document()), place)
    assert (found.verdict, says in found.why) == (verdict, True), found.why


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}}, "permissions boundary"),
        ({"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}, "service control policy"),
        (
            {
                "ResourceSpecificResults": [
                    {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}}
                ]
            },
            "boundary",
        ),
    ],
)
async def test_what_stands_above_the_roles_policies(limits: dict[str, Any], says: str) -> None:
    """IAM's simulation names it, also where the bucket policy allows the role by name."""
    limits = {"EvalDecision": "implicitDeny", **limits}
    grant = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": {"AWS": ROLE}}
    found = await outcome(Combination(ROLE, document(*MAY), document(grant), limits=limits))
    assert (found.verdict, says in found.why) == ("FAIL", True), found.why


def by_key(*, action: Any = "kms:*", effect: str = "Allow", condition: Any = None, **who: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": "*", **who} | (
        {"Condition": condition} if condition else {}
    )


TO_IAM = by_key(Principal={"AWS": ROOT})
TO_ROLE = by_key(Principal={"AWS": ROLE})
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:CallerAccount": OWN}}
VIA_EC2 = {"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}
GRANT = {"GranteePrincipal": ROLE, "Operations": ["Decrypt", "GenerateDataKey"]}
NEITHER = "the key policy allows kms:Decrypt neither to the role nor to its account"


@pytest.mark.parametrize(
    ("statements", "grants", "verdict", "says"),
    [
        ([TO_IAM], [], "PASS", "allow it all"),
        ([TO_ROLE], [], "PASS", "allow it all"),
        ([by_key(Principal="*", condition=VIA_S3)], [], "PASS", "allow it all"),
        ([by_key(Principal="*", condition=VIA_EC2)], [], "FAIL", NEITHER),
        ([by_key(Principal={"AWS": ADMIN})], [], "FAIL", NEITHER),
        ([by_key(Principal={"AWS": PATH})], [], "FAIL", NEITHER),
        ([by_key(Principal={"AWS": ADMIN})], [GRANT], "PASS", "allow it all"),
        ([by_key(Principal={"AWS": ADMIN})], [GRANT | {"GranteePrincipal": ADMIN}], "FAIL", NEITHER),
        ([by_key(Principal={"AWS": ADMIN})], [GRANT | {"Constraints": {"a": {}}}], "UNKNOWN", "its constraints"),
        (
            [TO_IAM, by_key(effect="Deny", action="kms:Decrypt", Principal="*")],
            [GRANT],
            "FAIL",
            "of the key policy denies",
        ),
        (
            [
                TO_IAM,
                by_key(effect="Deny", Principal="*", condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}),
            ],
            [],
            "UNKNOWN",
            "o-1",
        ),
        ([by_key(action="kms:Decrypt", Principal={"AWS": ROLE})], [], "FAIL", "kms:GenerateDataKey neither"),
        ([by_key(action="kms:GenerateDataKey*", Principal={"AWS": OWN})], [], "FAIL", NEITHER),
    ],
)
async def test_what_the_key_policy_says(statements: Any, grants: Any, verdict: str, says: str) -> None:
    """Without it, IAM policies have no effect; a grant stands in for it."""
    found = await outcome(Combination(ROLE, document(*MAY), document(), key=document(*statements), grants=grants))
    assert (found.verdict, says in found.why) == (verdict, True), found.why


ALL_OF_IT = {"Effect": "Allow", "Action": "s3:*", "Resource": [ARN, f"{ARN}/*"]}


@pytest.mark.parametrize(
    ("bucket", "key", "verdict", "says"),
    [
        ([], None, "FAIL", "the bucket policy does not allow s3:PutObject to the role, which is in account 2109"),
        ([ALL_OF_IT | {"Principal": {"AWS": THEIRS}}], None, "not_checked", "in account 210987654321"),
        ([ALL_OF_IT | {"Principal": {"AWS": OTHER}}], None, "not_checked", "in account 210987654321"),
        ([ALL_OF_IT | {"Principal": {"AWS": ROLE}}], None, "FAIL", "does not allow s3:PutObject to the role"),
        ([ALL_OF_IT | {"Principal": {"AWS": THEIRS}}, deny(Principal={"AWS": OTHER})], None, "FAIL", DENIES),
        ([ALL_OF_IT | {"Principal": {"AWS": THEIRS}}], [TO_IAM], "FAIL", NEITHER),
        ([ALL_OF_IT | {"Principal": {"AWS": THEIRS}}], [by_key(Principal={"AWS": OTHER})], "not_checked", "the key"),
    ],
)
async def test_a_role_of_another_account(bucket: Any, key: Any, verdict: str, says: str) -> None:
    """The bucket's side must allow it; what the role's own account says cannot be asked, and is not passed."""
    found = await outcome(Combination(THEIRS, document(), document(*bucket), key=document(*key) if key else None))
    assert (found.verdict, says in found.why) == (verdict, True), found.why


@pytest.mark.parametrize(("role", "verdict"), [(ROLE, "PASS"), (THEIRS, "FAIL")])
async def test_awss_own_key_is_for_one_account(role: str, verdict: str) -> None:
    """Its policy lets in whoever writes through S3, and nobody else's role."""
    bucket = document(ALL_OF_IT | {"Principal": {"AWS": role}})
    found = await outcome(Combination(role, document(*MAY), bucket, key=document(), key_manager="AWS"))
    assert found.verdict == verdict, found.why


@pytest.mark.parametrize(
    "call",
    ["GetBucketPolicy", "GetBucketEncryption", "DescribeKey", "GetKeyPolicy", "ListGrants", "SimulatePrincipalPolicy"],
)
async def test_what_aws_does_not_say_is_not_passed(call: str) -> None:
    """Each of them can forbid it."""
    key = document(by_key(Principal={"AWS": ADMIN})) if call == "ListGrants" else document(TO_IAM)
    found = await outcome(Combination(ROLE, document(*MAY), document(), key=key, refused=frozenset({call})))
    assert (found.verdict, call in found.why) == ("UNKNOWN", True), found.why
