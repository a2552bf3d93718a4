"""Every check against real buckets: one that passes, one that fails, and one that we may not ask about."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from opslib.models import RoleReference
from opslib.validator.checks import CHECKS
from opslib.validator.look import CALLS, Aws

from ..world import Sandbox
from .buckets import ACTIONS, Planted, finding, keys_of, planted, role_of

Spoil = Callable[[Planted], Any]
SOON = {"Expiration": {"Days": 30}}


def nothing(bucket: Planted) -> None:
    """As it was made."""


# check, what makes it pass, what makes it fail, and what is wanted of the bucket.
CASES: list[tuple[str, Spoil, Spoil, dict[str, Any]]] = [
    ("public-access-block", lambda b: b.block(), lambda b: b.block("BlockPublicPolicy"), {}),
    ("policy-not-public", nothing, lambda b: b.allow("*"), {}),
    ("tls-only", lambda b: b.tls_only(), nothing, {}),
    (
        "cross-account",
        lambda b: b.allow({"AWS": "arn:aws:iam::123456789012:root"}),
        lambda b: b.allow({"AWS": "arn:aws:iam::210987654321:root"}),
        {},
    ),
    ("acls-off", lambda b: b.ownership("BucketOwnerEnforced"), lambda b: b.ownership("ObjectWriter"), {}),
    ("no-public-acl", nothing, lambda b: b.acl("public-read"), {}),
    ("encryption", lambda b: b.encryption("AES256"), nothing, {}),
    ("encryption", lambda b: b.kms(), lambda b: b.encryption("AES256"), {"encryption": "aws:kms"}),
    ("kms-key", lambda b: b.kms(), lambda b: b.kms(disabled=True), {}),
    ("kms-rotation", lambda b: b.kms(rotates=True), lambda b: b.kms(), {}),
    ("bucket-key", lambda b: b.kms(bucket_key=True), lambda b: b.kms(), {}),
    ("retention", nothing, lambda b: b.lifecycle(SOON), {"retention_days": 365}),
    (
        "retention",
        lambda b: b.lifecycle({"Expiration": {"Days": 365}}),
        lambda b: (b.versioning("Enabled"), b.lifecycle({"NoncurrentVersionExpiration": {"NoncurrentDays": 1}})),
        {"retention_days": 365},
    ),
    ("versioning", lambda b: b.versioning("Enabled"), lambda b: b.versioning("Suspended"), {}),
    (
        "object-lock",
        lambda b: b.lock("COMPLIANCE", 365),
        lambda b: b.lock("COMPLIANCE", 364),
        {"retention_days": 365, "lock": True},
    ),
]
WARNINGS: list[tuple[str, Spoil, Spoil, dict[str, Any]]] = [
    (
        "playable",
        nothing,
        lambda b: b.lifecycle({"Transitions": [{"Days": 30, "StorageClass": "DEEP_ARCHIVE"}]}),
        {"playable_days": 731},
    ),
    ("object-lock", lambda b: b.lock("COMPLIANCE", 1), lambda b: b.lock("GOVERNANCE", 1), {"lock": True}),
    (
        "incomplete-uploads",
        lambda b: b.lifecycle({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}),
        nothing,
        {},
    ),
    ("access-logging", lambda b: b.logging(b.sandbox["bucket"]), nothing, {}),
    ("replication", lambda b: b.replicate(b.sandbox["bucket"]), nothing, {}),
    ("notifications", lambda b: b.queue(), nothing, {}),
]


def _ids(cases: list[Any]) -> list[str]:
    return [case[0] for case in cases]


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


async def _both(sandbox: Sandbox, case: tuple[str, Spoil, Spoil, dict[str, Any]]) -> list[str]:
    name, good, bad, wanted = case
    wanted, words = dict(wanted), []
    lock = wanted.pop("lock", False)
    policy = sandbox.s3().get_bucket_policy(Bucket=sandbox["bucket"])["Policy"]
    for prepare in (good, bad):
        with planted(sandbox, lock=lock) as bucket:
            prepare(bucket)
            found = await finding(sandbox, name, bucket.name, **wanted)
            words.append(found.verdict)
            assert found.cause
            assert [one.call for one in found.evidence]
            assert all(one.request_id and one.status and one.at.endswith("Z") for one in found.evidence)
    sandbox.s3().put_bucket_policy(Bucket=sandbox["bucket"], Policy=policy)
    return words


@pytest.mark.parametrize("case", CASES, ids=_ids(CASES))
async def test_one_bucket_passes_and_one_fails(sandbox: Sandbox, case: Any) -> None:
    """With the answers of a real server, each kept with its request id and time."""
    assert await _both(sandbox, case) == ["PASS", "FAIL"]


@pytest.mark.parametrize("case", WARNINGS, ids=_ids(WARNINGS))
async def test_one_bucket_passes_and_one_warns(sandbox: Sandbox, case: Any) -> None:
    """What is worth a look, and wrong for nobody yet."""
    assert await _both(sandbox, case) == ["PASS", "WARN"]


# The permission that each check cannot do without, and what it says instead of an answer.
NEEDS = {
    "reachable": "s3:ListBucket",
    "public-access-block": "s3:GetBucketPublicAccessBlock",
    "policy-not-public": "s3:GetBucketPolicy",
    "tls-only": "s3:GetBucketPolicy",
    "cross-account": "s3:GetBucketPolicy",
    "acls-off": "s3:GetBucketOwnershipControls",
    "no-public-acl": "s3:GetBucketAcl",
    "encryption": "s3:GetEncryptionConfiguration",
    "kms-key": "kms:DescribeKey",
    "kms-rotation": "kms:GetKeyRotationStatus",
    "bucket-key": "s3:GetEncryptionConfiguration",
    "retention": "s3:GetLifecycleConfiguration",
    "playable": "s3:GetLifecycleConfiguration",
    "versioning": "s3:GetBucketVersioning",
    "object-lock": "s3:GetBucketObjectLockConfiguration",
    "incomplete-uploads": "s3:GetLifecycleConfiguration",
    "mfa-delete": "s3:GetBucketVersioning",
    "access-logging": "s3:GetBucketLogging",
    "replication": "s3:GetReplicationConfiguration",
    "notifications": "s3:GetBucketNotification",
    "owner": "s3:ListBucket",
}
# These ask nothing, or have a test of their own below.
APART = {
    "policy-within-target",
    "retention-bounds",
    "writer",
    "writer-role-trust",
    "writer-role-permissions",
    "own-permissions",
    "account-public-access-block",
}


@pytest.mark.parametrize("name", NEEDS)
async def test_a_refused_question_is_unknown_and_names_the_permission(sandbox: Sandbox, name: str) -> None:
    """Never PASS, never FAIL: all is well with this bucket, but we may not see it."""
    keys = keys_of(sandbox, [action for action in ACTIONS if action != NEEDS[name]])
    with planted(sandbox) as bucket:
        bucket.kms(rotates=True)
        found = await finding(
            sandbox, name, bucket.name, keys=keys, retention_days=365, playable_days=9, owner="123456789012"
        )
    assert (found.verdict, found.action) == ("UNKNOWN", NEEDS[name])
    assert NEEDS[name] in found.cause
    assert found.evidence[-1].status in (400, 403)


def test_every_check_is_tried() -> None:
    """None is left out of the tables, and each has what a reader needs."""
    assert set(CHECKS) == NEEDS.keys() | APART
    assert {case[0] for case in CASES + WARNINGS} | APART | {"reachable", "owner", "mfa-delete"} == set(CHECKS)
    for check in CHECKS.values():
        assert check.why
        assert check.fix
        assert check.source
        assert set(check.calls) <= set(CALLS)


async def test_the_region_is_compared_though_botocore_follows_redirects(sandbox: Sandbox) -> None:
    """S3 answers 200 with the bucket's own region."""
    found = await finding(sandbox, "reachable", sandbox["bucket"], region="eu-west-1")
    assert (found.verdict, "us-east-1" in found.cause) == ("FAIL", True)
    assert (await finding(sandbox, "reachable", sandbox["bucket"])).verdict == "PASS"
    absent = await finding(sandbox, "reachable", "no-such-bucket-anywhere")
    assert (absent.verdict, "404" in absent.cause) == ("UNKNOWN", True)


async def test_mfa_delete_off_is_a_warning(sandbox: Sandbox) -> None:
    """moto cannot switch it on; AWS's answer says it in one field."""
    assert (await finding(sandbox, "mfa-delete", sandbox["bucket"])).verdict == "WARN"
    on = {"Status": "Enabled", "MFADelete": "Enabled"}
    assert await stubbed(sandbox, "mfa-delete", "get_bucket_versioning", on) == "PASS"


async def stubbed(sandbox: Sandbox, name: str, method: str, answer: dict[str, Any], **wanted: Any) -> str:
    """The verdict on one answer that only AWS gives."""
    call = next(call for call in CALLS.values() if call.method == method)
    client = boto3.client(call.service, region_name="us-east-1", aws_access_key_id="AKIA", aws_secret_access_key="x")
    with pytest.MonkeyPatch.context() as patch, Stubber(client) as stub:
        stub.add_response(method, answer)
        patch.setattr(Aws, "_client", lambda self, service: client)
        return (await finding(sandbox, name, sandbox["bucket"], **wanted)).verdict


@pytest.mark.parametrize(("off", "word"), [((), "PASS"), (("RestrictPublicBuckets",), "FAIL")])
async def test_the_accounts_public_access_block(sandbox: Sandbox, off: tuple[str, ...], word: str) -> None:
    """Its host name has the account in front, which loopback does not resolve: AWS's answer, and no answer."""
    flags = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    answer = {"PublicAccessBlockConfiguration": {flag: flag not in off for flag in flags}}
    name, method = "account-public-access-block", "get_public_access_block"
    client = boto3.client("s3control", region_name="us-east-1", aws_access_key_id="A", aws_secret_access_key="x")
    with pytest.MonkeyPatch.context() as patch, Stubber(client) as stub:
        stub.add_response(method, answer, {"AccountId": "123456789012"})
        patch.setattr(Aws, "_client", lambda self, service: client)
        found = await finding(sandbox, name, sandbox["bucket"], owner="123456789012")
        assert found.verdict == word
        stub.add_client_error(method, "AccessDenied", http_status_code=403)
        refused = await finding(sandbox, name, sandbox["bucket"], owner="123456789012")
    assert (refused.verdict, refused.action) == ("UNKNOWN", "s3:GetAccountPublicAccessBlock")


@pytest.mark.parametrize(
    ("code", "status"), [("SlowDown", 503), ("301", 301), ("307", 307), ("InternalError", 500), ("403", 403)]
)
async def test_answers_that_only_aws_gives_are_unknown(sandbox: Sandbox, code: str, status: int) -> None:
    """Throttling, redirects, a HEAD without a body: nothing is concluded from them."""
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="AKIA", aws_secret_access_key="x")
    with pytest.MonkeyPatch.context() as patch, Stubber(client) as stub:
        stub.add_client_error("head_bucket", code, http_status_code=status)
        patch.setattr(Aws, "_client", lambda self, service: client)
        found = await finding(sandbox, "reachable", sandbox["bucket"])
    assert (found.verdict, found.evidence[0].status) == ("UNKNOWN", status)


async def test_no_network_is_unknown(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no error that ends the walk."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    found = await finding(sandbox, "encryption", sandbox["bucket"])
    assert found.verdict == "UNKNOWN"
    assert "no answer" in found.cause


async def test_the_role_that_genesys_assumes(sandbox: Sandbox) -> None:
    """Trust and permissions are read through IAM; what cannot be read is not checked, with the reason."""
    bucket = sandbox["bucket"]
    trust, may = "writer-role-trust", "writer-role-permissions"
    good = role_of(sandbox)
    assert (await finding(sandbox, trust, bucket, writer=good)).verdict == "PASS"
    assert (await finding(sandbox, may, bucket, writer=good)).verdict == "PASS"
    assert (await finding(sandbox, may, "another-bucket", writer=good)).verdict == "FAIL"
    other_id = await finding(sandbox, trust, bucket, writer=role_of(sandbox, "not-yours"))
    assert (other_id.verdict, "external id" in other_id.cause) == ("FAIL", True)
    absent = RoleReference(role_arn="arn:aws:iam::123456789012:role/none", external_id="e-1")
    assert (await finding(sandbox, trust, bucket, writer=absent)).verdict == "FAIL"
    for name, action in ((trust, "iam:GetRole"), (may, "iam:SimulatePrincipalPolicy")):
        keys = keys_of(sandbox, [one for one in ACTIONS if one != action])
        found = await finding(sandbox, name, bucket, keys=keys, writer=good)
        assert (found.verdict, action in found.cause) == ("not_checked", True)
        assert (await finding(sandbox, name, bucket)).verdict == "not_checked"  # a key pair is no role


async def test_our_own_permissions_are_predicted(sandbox: Sandbox) -> None:
    """Those missing are named; where IAM does not let us ask, that is said."""
    assert (await finding(sandbox, "own-permissions", sandbox["bucket"])).verdict == "PASS"
    fewer = keys_of(sandbox, [one for one in ACTIONS if one != "s3:GetBucketLogging"])
    found = await finding(sandbox, "own-permissions", sandbox["bucket"], keys=fewer)
    assert (found.verdict, found.cause) == ("FAIL", "not allowed: s3:GetBucketLogging")
    blind = keys_of(sandbox, [one for one in ACTIONS if one != "iam:SimulatePrincipalPolicy"])
    assert (await finding(sandbox, "own-permissions", sandbox["bucket"], keys=blind)).verdict == "not_checked"


@pytest.mark.parametrize(
    ("name", "wanted", "word"),
    [
        ("policy-within-target", {"retention_days": 365, "policy_days": 365}, "PASS"),
        ("policy-within-target", {"retention_days": 365, "policy_days": 366}, "FAIL"),
        ("policy-within-target", {"retention_days": 365}, "not_checked"),
        ("retention", {}, "not_checked"),
        ("retention-bounds", {"retention_days": 365}, "not_checked"),
        ("owner", {}, "not_checked"),
        ("owner", {"owner": "123456789012"}, "PASS"),
        ("kms-key", {}, "not_checked"),
        ("playable", {}, "not_checked"),
        ("writer", {"writer": None}, "not_checked"),
    ],
)
async def test_what_does_not_apply_is_not_checked(
    sandbox: Sandbox, name: str, wanted: dict[str, Any], word: str
) -> None:
    """With the reason; never PASS."""
    assert (await finding(sandbox, name, sandbox["bucket"], **wanted)).verdict == word
