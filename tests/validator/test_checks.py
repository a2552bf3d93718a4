"""Every check against real buckets: one that passes, one that fails, and one that we may not ask about."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from opslib.credentials import RoleReference
from opslib.validator.aws_calls import CALLS, actions_of
from opslib.validator.checks import CHECKS
from opslib.validator.documents.iam import trust
from opslib.validator.finding import Finding
from opslib.verdict import Verdict

from ..world import Sandbox
from .buckets import ACCOUNT, ACTIONS, Planted, finding, keys_of, kms_says, planted, role, role_of, writes

Spoil = Callable[[Planted], Any]
SOON = {"Expiration": {"Days": 30}}
COLD = {"Transitions": [{"Days": 30, "StorageClass": "DEEP_ARCHIVE"}]}
COPY_OF_LOGS = (  # moto forgets the filter
    "<ReplicationConfiguration><Role>r</Role><Rule><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter>"
    "<Destination><Bucket>arn:aws:s3:::{}</Bucket></Destination></Rule></ReplicationConfiguration>"
)
BY_DATE = {"Expiration": {"Date": "2099-01-01T00:00:00Z"}}
ABORT_LOGS = {"Filter": {"Prefix": "logs/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
NO_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
AS_TEXT = {"StringEquals": {"aws:SecureTransport": "false"}}
MFA = "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>"


def nothing(bucket: Planted) -> None:
    """As it was made."""


def copy_logs(bucket: Planted) -> None:
    bucket.answers(COPY_OF_LOGS.format(bucket.copy()), "replication")


@dataclass(frozen=True)
class Case:
    """A bucket that passes, one that fails, and the permission without which the check has no answer.

    `wanted` is what is wanted of both buckets, `but` what differs for the one that fails ("role": what Genesys writes
    with; "actions": all that the key may do). `refused` is the word without the permission, `lock` whether the buckets
    have Object Lock.
    """

    good: Spoil
    bad: Spoil
    needs: str
    wanted: dict[str, Any] = field(default_factory=dict)
    but: dict[str, Any] = field(default_factory=dict)
    refused: Verdict = "UNKNOWN"
    lock: bool = False


CASES: dict[str, Case] = {
    "reachable": Case(nothing, nothing, "s3:ListBucket", but={"region": "eu-west-1"}),
    "owner": Case(nothing, nothing, "s3:ListBucket", {"owner": ACCOUNT}, {"owner": "999999999999"}),
    "public-access-block": Case(
        lambda b: b.block(), lambda b: b.block("BlockPublicPolicy"), "s3:GetBucketPublicAccessBlock"
    ),
    "account-public-access-block": Case(
        lambda b: b.account_block(),
        lambda b: b.account_block("RestrictPublicBuckets"),
        "s3:GetAccountPublicAccessBlock",
    ),
    "policy-not-public": Case(lambda b: b.tls_only(), lambda b: b.allow("*"), "s3:GetBucketPolicy"),
    "tls-only": Case(lambda b: b.tls_only(), nothing, "s3:GetBucketPolicy"),
    "cross-account": Case(
        lambda b: b.allow({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        lambda b: b.allow({"AWS": "arn:aws:iam::210987654321:root"}),
        "s3:GetBucketPolicy",
    ),
    "acls-off": Case(
        lambda b: b.ownership("BucketOwnerEnforced"),
        lambda b: b.ownership("ObjectWriter"),
        "s3:GetBucketOwnershipControls",
    ),
    "no-public-acl": Case(nothing, lambda b: b.acl("public-read"), "s3:GetBucketAcl"),
    "encryption": Case(
        lambda b: b.kms(), lambda b: b.encryption("AES256"), "s3:GetEncryptionConfiguration", {"encryption": "aws:kms"}
    ),
    "kms-key": Case(lambda b: b.kms(), lambda b: b.kms(disabled=True), "kms:DescribeKey"),
    "kms-rotation": Case(lambda b: b.kms(rotates=True), lambda b: b.kms(), "kms:GetKeyRotationStatus"),
    "bucket-key": Case(lambda b: b.kms(bucket_key=True), lambda b: b.kms(), "s3:GetEncryptionConfiguration"),
    "retention": Case(
        lambda b: b.lifecycle({"Expiration": {"Days": 365}}),
        lambda b: b.lifecycle(SOON),
        "s3:GetLifecycleConfiguration",
        {"retention_days": 365},
    ),
    "policy-within-target": Case(
        nothing, nothing, "", {"retention_days": 365, "policy_days": 365}, {"policy_days": 366}
    ),
    "retention-bounds": Case(
        lambda b: b.lifecycle({"Expiration": {"Days": 90}}),
        nothing,
        "s3:GetBucketObjectLockConfiguration",
        {"retention_days": 90, "most": 100},
    ),
    "playable": Case(nothing, lambda b: b.lifecycle(COLD), "s3:GetLifecycleConfiguration", {"playable_days": 731}),
    "versioning": Case(
        lambda b: b.versioning("Enabled"), lambda b: b.versioning("Suspended"), "s3:GetBucketVersioning"
    ),
    "object-lock": Case(
        lambda b: b.lock("COMPLIANCE", 365),
        lambda b: b.lock("COMPLIANCE", 364),
        "s3:GetBucketObjectLockConfiguration",
        {"retention_days": 365},
        lock=True,
    ),
    "incomplete-uploads": Case(
        lambda b: b.lifecycle({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}),
        nothing,
        "s3:GetLifecycleConfiguration",
    ),
    "mfa-delete": Case(
        lambda b: b.answers(MFA, "versioning"), lambda b: b.versioning("Enabled"), "s3:GetBucketVersioning"
    ),
    "access-logging": Case(lambda b: b.logging("planted-logs"), lambda b: b.logging(b.name), "s3:GetBucketLogging"),
    "replication": Case(
        lambda b: b.replicate(),
        lambda b: b.replicate(b.sandbox["bucket"], "Disabled"),
        "s3:GetReplicationConfiguration",
    ),
    "notifications": Case(lambda b: b.events(), lambda b: b.queue("s3:ObjectRemoved:*"), "s3:GetBucketNotification"),
    # Here a refusal is the answer.
    "writer": Case(nothing, nothing, "s3:PutObject", but={"actions": ["s3:ListBucket"]}, refused="FAIL"),
    "writer-role-trust": Case(nothing, nothing, "iam:GetRole", {"role": None}, {"role": "not-yours"}),
    "writer-role-permissions": Case(
        lambda b: b.let_the_role_write(),
        lambda b: b.let_the_role_write("another-bucket"),
        "iam:SimulatePrincipalPolicy",
        {"role": None, "place": "org-1/"},
    ),
    # Whether we may ask is not checked where IAM does not tell, with the reason.
    "own-permissions": Case(
        nothing,
        nothing,
        "iam:SimulatePrincipalPolicy",
        {"beside": ["writer", "access-logging", "account-public-access-block"]},
        {"actions": [one for one in ACTIONS if one != "s3:PutObject"]},
        refused="not_checked",
    ),
}


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


async def found_of(sandbox: Sandbox, name: str, prepare: Spoil, wanted: dict[str, Any]) -> Finding:
    """What the check says of a bucket so prepared."""
    wanted = dict(wanted)
    if "role" in wanted:
        wanted["writer"] = role_of(sandbox, wanted.pop("role"))
    keys = keys_of(sandbox, wanted.pop("actions", None))
    with planted(sandbox, "planted-logs"), planted(sandbox, lock=CASES[name].lock) as bucket:
        prepare(bucket)
        return await finding(sandbox, name, wanted.pop("bucket", bucket.name), keys=keys, **wanted)


def test_every_check_has_its_three_cases() -> None:
    """A check without a bucket that passes, one that fails and one that is refused cannot be added."""
    assert list(CASES) == list(CHECKS)
    for name, check in CHECKS.items():
        assert bool(CASES[name].needs) == bool(check.calls)
        assert CASES[name].needs in ("", *actions_of(check.calls))


@pytest.mark.parametrize("name", CASES)
async def test_one_bucket_passes_and_one_fails(sandbox: Sandbox, name: str) -> None:
    """With the answers of a real server, each kept with its request id and time."""
    case = CASES[name]
    good = await found_of(sandbox, name, case.good, case.wanted)
    bad = await found_of(sandbox, name, case.bad, case.wanted | case.but)
    assert [(one.verdict, bool(one.cause)) for one in (good, bad)] == [("PASS", True), ("FAIL", True)], (good, bad)
    for one in (good, bad):
        assert {evidence.call for evidence in one.evidence} <= set(CHECKS[name].calls)
        assert bool(one.evidence) == bool(CHECKS[name].calls)
        assert all(each.request_id and each.status and each.at.endswith("Z") for each in one.evidence)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.needs])
async def test_a_refused_question_is_no_answer_and_names_the_permission(sandbox: Sandbox, name: str) -> None:
    """Neither PASS nor FAIL: something is wrong with this bucket, and we may not see it."""
    case = CASES[name]
    actions = [action for action in ACTIONS if action != case.needs]
    found = await found_of(sandbox, name, case.bad, case.wanted | {"actions": actions})
    assert (found.verdict, case.needs in found.cause) == (case.refused, True)
    assert {one.status for one in found.evidence} & {400, 403}
    if case.refused == "UNKNOWN":
        assert (found.action, found.cli, found.terraform) == (case.needs, "", "")
        assert f"Allow {case.needs}" in found.fix


def test_every_check_says_how_to_mend() -> None:
    """In words, as a command and as Terraform (where it is AWS that must change); with why, source and calls."""
    onboarding = {"policy-within-target", "retention-bounds"}
    for check in CHECKS.values():
        assert all((check.title, check.why, check.fix, check.cli, check.source))
        assert all(text.endswith(".") for text in (check.proves, check.not_proven))
        assert bool(check.terraform) == (check.id not in onboarding)
        assert set(check.calls) <= set(CALLS)


DELETED, CLOUDFRONT = "AROADBQP57FF2AEXAMPLE", {"Service": "cloudfront.amazonaws.com"}
IN_AN_ORG = {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}
NOT_OF_ORGS = {"actions": [one for one in ACTIONS if not one.startswith("organizations:")]}
OUR_DISTRIBUTIONS = {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/*"}}


MORE: list[tuple[str, Spoil, dict[str, Any], Verdict, str]] = [
    ("reachable", nothing, {"bucket": "no-such-bucket-anywhere"}, "FAIL", "there is no bucket"),
    (
        "owner",
        nothing,
        {"bucket": "no-such-bucket-anywhere", "owner": ACCOUNT},
        "UNKNOWN",
        "There is no bucket no-such-bucket-anywhere",
    ),
    ("owner", nothing, {}, "not_checked", "no account id"),
    ("public-access-block", nothing, {}, "FAIL", "BlockPublicAcls, IgnorePublicAcls"),
    ("policy-not-public", nothing, {}, "PASS", "no bucket policy"),
    ("tls-only", lambda b: b.tls_only(Action="s3:Get*"), {}, "FAIL", "s3:PutObject on arn:aws:s3:::planted-bucket"),
    ("tls-only", lambda b: b.tls_only(Condition=AS_TEXT), {}, "UNKNOWN", "does not document"),
    ("cross-account", nothing, {}, "PASS", "no account anything"),
    ("cross-account", lambda b: b.allow("*"), {}, "FAIL", "allowed: *"),
    ("cross-account", lambda b: b.allow({"AWS": DELETED}), {}, "FAIL", f"a deleted principal ({DELETED})"),
    (
        "cross-account",
        lambda b: b.allow("*", Condition=IN_AN_ORG),
        {},
        "FAIL",
        "allowed: the organisation o-abcdefghij",
    ),
    ("cross-account", lambda b: b.allow("*", Condition=IN_AN_ORG), NOT_OF_ORGS, "UNKNOWN", "o-abcdefghij is your own"),
    ("cross-account", lambda b: b.allow({"CanonicalUser": "0" * 64}), {}, "FAIL", "the canonical user 0000"),
    ("cross-account", lambda b: b.allow({"CanonicalUser": b.owner()}), {}, "PASS", f"only account {ACCOUNT}"),
    ("policy-not-public", lambda b: b.allow(CLOUDFRONT), {}, "FAIL", "lets cloudfront.amazonaws.com act for any AWS"),
    (
        "policy-not-public",
        lambda b: b.allow(CLOUDFRONT, Condition=OUR_DISTRIBUTIONS),
        {},
        "PASS",
        "no statement is open",
    ),
    ("policy-not-public", lambda b: b.policy_of_logs(b.name), {}, "WARN", "lets logging.s3.amazonaws.com act for any"),
    ("acls-off", nothing, {}, "FAIL", "not set"),
    ("no-public-acl", lambda b: b.acl("authenticated-read"), {}, "FAIL", "READ for AuthenticatedUsers"),
    ("encryption", nothing, {}, "FAIL", "no default"),
    ("encryption", lambda b: b.encryption("AES256"), {}, "PASS", "AES256"),
    ("encryption", lambda b: b.encryption("aws:kms:dsse"), {"encryption": "aws:kms"}, "PASS", "aws:kms:dsse"),
    ("kms-key", lambda b: b.encryption("AES256"), {}, "not_checked", "not encrypt with KMS"),
    ("kms-key", lambda b: b.encryption("aws:kms"), {}, "WARN", "aws/s3"),
    ("kms-key", lambda b: b.encryption("aws:kms", NO_KEY), {}, "FAIL", "no such key"),
    ("kms-key", lambda b: b.kms(region="eu-west-1"), {}, "FAIL", "the key is in eu-west-1"),
    ("kms-rotation", lambda b: b.encryption("aws:kms", NO_KEY), {}, "UNKNOWN", "no such key"),
    ("kms-rotation", nothing, {}, "not_checked", "no key of yours"),
    ("bucket-key", lambda b: b.encryption("aws:kms:dsse"), {}, "not_checked", "SSE-KMS"),
    ("retention", nothing, {}, "not_checked", "no retention was given"),
    ("retention", lambda b: b.lifecycle(BY_DATE), {"retention_days": 365}, "WARN", "on 2099-01-01"),
    ("policy-within-target", nothing, {"retention_days": 365}, "not_checked", "no policy"),
    ("retention-bounds", nothing, {"retention_days": 365}, "not_checked", "no bounds"),
    ("retention-bounds", nothing, {"retention_days": 365, "most": 364}, "FAIL", "more than"),
    ("retention-bounds", nothing, {"most": 100}, "FAIL", "never"),
    ("retention-bounds", nothing, {"retention_days": 90, "most": 100}, "FAIL", "never"),
    ("playable", nothing, {}, "not_checked", "states no time"),
    ("playable", lambda b: b.lifecycle(COLD), {"playable_days": 30}, "PASS", "within 30 days"),
    ("versioning", nothing, {}, "FAIL", "off"),
    ("object-lock", nothing, {}, "FAIL", "no default"),
    ("incomplete-uploads", lambda b: b.lifecycle(ABORT_LOGS), {"place": "recordings/"}, "FAIL", "no rule"),
    ("access-logging", nothing, {}, "FAIL", "off"),
    ("replication", nothing, {}, "FAIL", "no replication rule"),
    ("replication", copy_logs, {"place": "recordings/"}, "FAIL", "below logs/, where no recording"),
    ("replication", copy_logs, {"place": "logs/"}, "PASS", "planted-bucket-copy"),
    ("notifications", nothing, {}, "FAIL", "no new recording"),
    ("notifications", lambda b: b.queue(), {}, "PASS", "Queue"),
    ("notifications", lambda b: b.queue(prefix="logs/"), {"place": "recordings/"}, "FAIL", "no new recording"),
    ("writer", nothing, {"writer": None}, "not_checked", "only Genesys"),
    ("writer-role-trust", nothing, {}, "not_checked", "not write with a role"),
    ("writer-role-permissions", nothing, {}, "not_checked", "not write with a role"),
    ("own-permissions", nothing, {}, "not_checked", "nothing that can be simulated"),
]


@pytest.mark.parametrize(("name", "prepare", "wanted", "word", "says"), MORE)
async def test_the_other_answers(
    sandbox: Sandbox, name: str, prepare: Spoil, wanted: dict[str, Any], word: Verdict, says: str
) -> None:
    """What is absent fails; what does not apply or lacks an input is not checked, with the reason, and never passes."""
    found = await found_of(sandbox, name, prepare, wanted)
    assert (found.verdict, says in found.cause) == (word, True), found.cause


async def test_mfa_delete_and_lifecycle_rules_are_not_asked_for_together(sandbox: Sandbox) -> None:
    """S3 allows no lifecycle rule beside MFA delete: whichever is there answers for both."""
    with planted(sandbox) as bucket:
        bucket.answers(MFA, "versioning")
        on = [
            await finding(sandbox, name, bucket.name, beside=[other])
            for name, other in (("mfa-delete", "incomplete-uploads"), ("incomplete-uploads", "mfa-delete"))
        ]
        sandbox.control("DELETE", "/faults")
        off = await finding(sandbox, "mfa-delete", bucket.name, beside=["incomplete-uploads"])
        rule = await finding(sandbox, "incomplete-uploads", bucket.name, beside=["mfa-delete"])
    assert [one.verdict for one in on] == ["PASS", "not_checked"]
    assert (off.verdict, rule.verdict) == ("not_checked", "FAIL")


PART = "<All><Rule><Status>Enabled</Status><Filter>{}</Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>7"
PART += "</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></All>"


@pytest.mark.parametrize(
    "filter",
    [
        "<Tag><Key>k</Key><Value>v</Value></Tag>",
        "<ObjectSizeGreaterThan>1000</ObjectSizeGreaterThan>",
        "<And><Prefix></Prefix><ObjectSizeLessThan>9000</ObjectSizeLessThan></And>",
    ],
)
async def test_a_rule_for_a_part_leaves_other_uploads(sandbox: Sandbox, filter: str) -> None:
    """Tags and sizes narrow it."""
    with planted(sandbox) as bucket:
        bucket.answers(PART.format(filter), "lifecycle")
        assert (await finding(sandbox, "incomplete-uploads", bucket.name)).verdict == "FAIL"
        sandbox.control("DELETE", "/faults")
        bucket.answers(PART.format("<Prefix></Prefix>"), "lifecycle")
        assert (await finding(sandbox, "incomplete-uploads", bucket.name)).verdict == "PASS"


@pytest.mark.parametrize(
    ("mode", "days", "word"),
    [("COMPLIANCE", 365, "PASS"), ("GOVERNANCE", 365, "WARN"), ("COMPLIANCE", 0, "FAIL"), (None, 0, "FAIL")],
)
async def test_what_a_lock_is_worth(sandbox: Sandbox, mode: str | None, days: int, word: str) -> None:
    """GOVERNANCE can be bypassed; a lock without a default locks nothing, and most buckets have none."""
    with planted(sandbox, lock=mode is not None) as bucket:
        if mode:
            bucket.lock(mode, days)
        assert (await finding(sandbox, "object-lock", bucket.name, retention_days=365)).verdict == word


@pytest.mark.parametrize(("days", "word", "says"), [(100, "FAIL", "never"), (101, "FAIL", "nothing can be erased")])
async def test_a_lock_can_stand_against_a_maximum(sandbox: Sandbox, days: int, word: str, says: str) -> None:
    """What must be erased on day 100 may not be locked longer."""
    with planted(sandbox, lock=True) as bucket:
        bucket.lock("COMPLIANCE", days)
        found = await finding(sandbox, "retention-bounds", bucket.name, retention_days=90, most=100)
    assert (found.verdict, says in found.cause) == (word, True)


# What S3 says of versions and of rules at once; moto forgets NewerNoncurrentVersions.
KEEPS_SOME = (
    "<Both><Status>Enabled</Status><Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>"
    "<Expiration><Days>60</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>10</NoncurrentDays>"
    "{}</NoncurrentVersionExpiration></Rule></Both>"
)
NEWER = "<NewerNoncurrentVersions>5</NewerNoncurrentVersions>"


@pytest.mark.parametrize(("newer", "word"), [(NEWER, "FAIL"), ("", "PASS")])
async def test_versions_that_are_kept_keep_no_maximum(sandbox: Sandbox, newer: str, word: str) -> None:
    """The newest five stay for ever, and there are seldom more."""
    with planted(sandbox) as bucket:
        bucket.answers(KEEPS_SOME.format(newer), "versioning", "lifecycle")
        found = await finding(sandbox, "retention-bounds", bucket.name, retention_days=30, most=90)
    assert found.verdict == word, found.cause


@pytest.mark.parametrize(
    "rule",
    [
        {"Filter": {"Tag": {"Key": "erase", "Value": "yes"}}, "Expiration": {"Days": 80}},
        {"Filter": {"Prefix": "recordings/tests/"}, "Expiration": {"Days": 80}},
    ],
)
async def test_a_rule_for_a_part_keeps_no_maximum(sandbox: Sandbox, rule: dict[str, Any]) -> None:
    """What it leaves stays for ever; the same rule for all of them is enough."""
    wanted: dict[str, Any] = {"retention_days": 30, "most": 90, "place": "recordings/"}
    with planted(sandbox) as bucket:
        bucket.lifecycle(rule)
        found = await finding(sandbox, "retention-bounds", bucket.name, **wanted)
        assert (found.verdict, "never" in found.cause) == ("FAIL", True)
        bucket.lifecycle(rule, {"Expiration": {"Days": 85}})
        found = await finding(sandbox, "retention-bounds", bucket.name, **wanted)
    assert found.verdict == "PASS", found.cause


@pytest.mark.parametrize(("most", "word"), [(364, "FAIL"), (365, "UNKNOWN"), (366, "PASS")])
async def test_a_year_of_lock_may_be_a_day_longer(sandbox: Sandbox, most: int, word: str) -> None:
    """AWS does not say how many days its years have."""
    with planted(sandbox, lock=True) as bucket:
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1}}
        bucket.s3.put_object_lock_configuration(
            Bucket=bucket.name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
        bucket.lifecycle({"Expiration": {"Days": 60}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
        found = await finding(sandbox, "retention-bounds", bucket.name, retention_days=30, most=most)
    assert found.verdict == word, found.cause


NONCURRENT = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}


@pytest.mark.parametrize(("lock", "word"), [(None, "FAIL"), (364, "FAIL"), (365, "PASS")])
async def test_a_lock_saves_earlier_versions(sandbox: Sandbox, lock: int | None, word: str) -> None:
    """A rule for earlier versions removes none that is locked; without a lock that lasts, they are lost early."""
    with planted(sandbox, lock=lock is not None) as bucket:
        bucket.versioning("Enabled")
        bucket.lifecycle(NONCURRENT)
        if lock:
            bucket.lock("COMPLIANCE", lock)
        assert (await finding(sandbox, "retention", bucket.name, retention_days=365)).verdict == word


GENESYS = trust("org-1")["Statement"][0]
ROOT = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
COMMERCIAL, FEDRAMP = "765628985471", "325654371633"
NOBODY = {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}
NOT_ACTION = {"Effect": "Allow", "Principal": {"AWS": "*"}, "NotAction": "sts:TagSession"}
SERVICE = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
ON_A_NET = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
SAML = {
    "Effect": "Allow",
    "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"},
    "Action": "sts:AssumeRoleWithSAML",
}


def but(statement: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The statement without its Principal, and with these parts."""
    return {name: value for name, value in statement.items() if name != "Principal"} | parts


def asking(operator: str, external_id: Any) -> dict[str, Any]:
    """Genesys's statement with another condition on the external id."""
    return GENESYS | {"Condition": {operator: {"sts:ExternalId": external_id}}}


def also(operator: str, key: str, value: str) -> dict[str, Any]:
    """Genesys's statement with a further condition."""
    condition = GENESYS["Condition"]
    return GENESYS | {"Condition": {**condition, operator: {**condition.get(operator, {}), key: value}}}


@pytest.mark.parametrize(
    ("statements", "word", "says"),
    [
        ([GENESYS], "PASS", "external id org-1"),
        ([GENESYS | {"Action": "sts:*"}], "PASS", "external id org-1"),
        ([GENESYS | {"Condition": {}}], "FAIL", "without your external id"),
        ([asking("StringLike", "*")], "FAIL", "another external id than yours"),
        ([asking("StringLike", "org-*")], "FAIL", "another external id than yours, such as org-x"),
        ([asking("StringNotEquals", "org-2")], "FAIL", "without your external id"),
        ([asking("StringEqualsIfExists", "org-1")], "FAIL", "without your external id"),
        ([asking("ForAllValues:StringEquals", "org-1")], "FAIL", "without your external id"),
        ([asking("StringEquals", "org-2")], "FAIL", "does not let Genesys"),
        ([asking("StringLike", "org-1")], "PASS", "external id org-1"),
        ([asking("StringEqualsIgnoreCase", "ORG-1")], "PASS", "external id org-1"),
        ([asking("ForAnyValue:StringEquals", "org-1")], "PASS", "external id org-1"),
        ([asking("StringEquals", ["org-1", "org-2"])], "WARN", "org-2, which must be that of another organisation"),
        ([GENESYS, ROOT], "WARN", f"your own account {ACCOUNT}"),
        ([GENESYS, SERVICE], "WARN", "by lambda.amazonaws.com"),
        ([GENESYS, SERVICE | {"Principal": {"Service": ["ec2.amazonaws.com"]}}], "WARN", "by ec2.amazonaws.com"),
        ([GENESYS, GENESYS | {"Principal": {"AWS": DELETED}}], "WARN", f"a deleted principal ({DELETED})"),
        ([GENESYS | {"Principal": {"AWS": [f"arn:aws:iam::{COMMERCIAL}:root", DELETED]}}], "WARN", "deleted"),
        ([GENESYS | {"Principal": {"AWS": DELETED}}], "FAIL", "does not let Genesys"),
        ([GENESYS | {"Action": "sts:TagSession"}], "FAIL", "does not let Genesys"),
        ([GENESYS | {"Principal": {"AWS": "arn:aws:iam::210987654321:root"}}], "FAIL", "does not let Genesys"),
        ([GENESYS | {"Effect": "Deny"}], "FAIL", "does not let Genesys"),
        ([GENESYS, NOBODY], "FAIL", "statement 2 of the trust policy denies sts:AssumeRole"),
        ([GENESYS, NOBODY | {"Principal": GENESYS["Principal"]}], "FAIL", "statement 2 of the trust policy denies"),
        ([GENESYS, NOBODY | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}], "PASS", "external id org-1"),
        ([GENESYS, NOBODY | {"Condition": ON_A_NET}], "UNKNOWN", "IpAddress aws:SourceIp 10.0.0.0/8"),
        ([GENESYS, NOT_ACTION | {"Effect": "Deny"}], "FAIL", "denies sts:AssumeRole"),
        ([GENESYS, NOBODY | {"Action": "sts:TagSession"}], "PASS", "external id org-1"),
        ([GENESYS, NOBODY | {"Principal": {"AWS": "210987654321"}}], "PASS", "external id org-1"),
        ([GENESYS, but(NOBODY, NotPrincipal={"AWS": "210987654321"})], "FAIL", "denies sts:AssumeRole"),
        ([GENESYS, but(NOBODY, NotPrincipal={"AWS": COMMERCIAL})], "UNKNOWN", "NotPrincipal"),
        ([GENESYS, NOT_ACTION], "FAIL", "also be assumed by: *"),
        ([GENESYS, GENESYS | {"Principal": {"AWS": "*"}}], "FAIL", "also be assumed by: *"),
        ([GENESYS, but(GENESYS, NotPrincipal={"AWS": "210987654321"})], "FAIL", "also be assumed by: *"),
        ([GENESYS, GENESYS | {"Principal": {"AWS": "210987654321"}}], "FAIL", "also be assumed by: 210987654321"),
        ([GENESYS | {"Principal": {"AWS": [COMMERCIAL, "210987654321"]}}], "FAIL", "also be assumed by: 210987654321"),
        ([GENESYS, SAML], "FAIL", "also be assumed by: the identity provider arn:"),
        ([GENESYS, ROOT | {"Condition": GENESYS["Condition"]}], "PASS", "external id org-1"),
        ([GENESYS | {"Principal": {"AWS": COMMERCIAL}}], "PASS", "external id org-1"),
        ([GENESYS | {"Principal": {"AWS": f"arn:aws:iam::{COMMERCIAL}:user/one"}}], "UNKNOWN", "user/one"),
        ([GENESYS | {"Condition": GENESYS["Condition"] | ON_A_NET}], "UNKNOWN", "aws:SourceIp"),
        (
            [GENESYS, GENESYS | {"Condition": ON_A_NET}],
            "UNKNOWN",
            "allows sts:AssumeRole depends on IpAddress aws:SourceIp",
        ),
        ([also("StringEquals", "aws:PrincipalOrgID", "o-genesys")], "UNKNOWN", "aws:PrincipalOrgID o-genesys"),
        ([also("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{COMMERCIAL}:role/*")], "UNKNOWN", "aws:PrincipalArn"),
        ([also("StringEquals", "aws:PrincipalAccount", COMMERCIAL)], "PASS", "external id org-1"),
        ([also("StringEquals", "aws:PrincipalAccount", ACCOUNT)], "FAIL", "does not let Genesys"),
    ],
)
async def test_whom_a_role_trusts(sandbox: Sandbox, statements: list[Any], word: str, says: str) -> None:
    """Genesys's account and nobody else, with just this external id."""
    with role(sandbox, {"Version": "2012-10-17", "Statement": statements}) as writer:
        found = await finding(sandbox, "writer-role-trust", sandbox["bucket"], writer=writer)
    assert (found.verdict, says in found.cause) == (word, True), found.cause


@pytest.mark.parametrize(
    ("domain", "account", "word"),
    [
        (None, COMMERCIAL, "PASS"),
        (None, FEDRAMP, "PASS"),
        ("mypurecloud.de", COMMERCIAL, "PASS"),
        ("mypurecloud.de", FEDRAMP, "FAIL"),
        ("use2.us-gov-pure.cloud", COMMERCIAL, "FAIL"),
        ("use2.us-gov-pure.cloud", FEDRAMP, "PASS"),
    ],
)
async def test_genesys_is_the_account_of_the_orgs_region(
    sandbox: Sandbox, domain: str | None, account: str, word: str
) -> None:
    """FedRAMP's orgs come from an account of their own."""
    statement = GENESYS | {"Principal": {"AWS": f"arn:aws:iam::{account}:root"}}
    with role(sandbox, {"Version": "2012-10-17", "Statement": [statement]}) as writer:
        bucket = sandbox["bucket"]
        found = await finding(sandbox, "writer-role-trust", bucket, writer=writer, genesys_domain=domain)
    assert found.verdict == word, found.cause


async def test_a_role_that_is_not_there_or_not_ours(sandbox: Sandbox) -> None:
    """The first is wrong; about the second, IAM cannot be asked."""
    for account, word in ((ACCOUNT, "FAIL"), ("210987654321", "not_checked")):
        writer = RoleReference(role_arn=f"arn:aws:iam::{account}:role/none", external_id="e-1")
        assert (await finding(sandbox, "writer-role-trust", sandbox["bucket"], writer=writer)).verdict == word


@pytest.mark.parametrize(
    ("name", "silent"),
    [
        ("writer-role-trust", "IAM"),
        ("writer-role-trust", "STS"),
        ("writer-role-permissions", "IAM"),
        ("own-permissions", "IAM"),
    ],
)
async def test_iam_without_an_answer_is_unknown(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str, silent: str
) -> None:
    """Only who is denied the question has not checked it: a dead endpoint says nothing of the role."""
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{silent}", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    wanted = {"beside": ["reachable"]} if name == "own-permissions" else {"writer": role_of(sandbox)}
    found = await finding(sandbox, name, sandbox["bucket"], **wanted)
    assert (found.verdict, "no answer" in found.cause) == ("UNKNOWN", True), found


async def test_a_simulation_without_results_is_unknown(sandbox: Sandbox) -> None:
    """IAM answered, and not to the question."""
    body = "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult/></SimulatePrincipalPolicyResponse>"
    fault = {"method": "POST", "path_regex": "^/$", "body": body}
    sandbox.control("POST", "/faults", fault).raise_for_status()
    found = await finding(sandbox, "writer-role-permissions", sandbox["bucket"], writer=role_of(sandbox))
    sandbox.control("DELETE", "/faults")
    assert found.verdict == "UNKNOWN", found


async def test_whether_a_key_is_needed_must_be_known(sandbox: Sandbox) -> None:
    """Without the bucket's encryption, nobody can say that the role may write."""
    keys = keys_of(sandbox, [one for one in ACTIONS if one != "s3:GetEncryptionConfiguration"])
    found = await finding(sandbox, "writer-role-permissions", sandbox["bucket"], keys=keys, writer=role_of(sandbox))
    assert (found.verdict, found.action) == ("UNKNOWN", "s3:GetEncryptionConfiguration")


@pytest.mark.parametrize("named", ["Arn", "KeyId", "alias/recordings", "alias ARN"])
async def test_a_role_needs_the_buckets_key_too(sandbox: Sandbox, named: str) -> None:
    """With KMS, a role that may write objects but not use the key writes nothing, however the bucket names its key."""
    kms, alias = sandbox.s3(service="kms"), "alias/recordings"
    with planted(sandbox) as bucket:
        key = kms.create_key()["KeyMetadata"]
        kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
        bucket.undo.append(lambda: kms.delete_alias(AliasName=alias))
        bucket.encryption(
            "aws:kms", {"alias ARN": f"arn:aws:kms:us-east-1:{ACCOUNT}:{alias}"}.get(named) or key.get(named, named)
        )
        write = writes(bucket.arn)
        use, both = (
            {"Effect": "Allow", "Action": actions, "Resource": key["Arn"]}
            for actions in ("kms:GenerateDataKey", ["kms:GenerateDataKey", "kms:Decrypt"])
        )
        for allowed, says in (
            (write, "not allowed: kms:Decrypt, kms:GenerateDataKey"),
            ([*write, use], "not allowed: kms:Decrypt"),
            ([*write, both], "allow it all"),
        ):
            with role(sandbox, trust("org-1"), *allowed) as writer:
                found = await finding(sandbox, "writer-role-permissions", bucket.name, writer=writer, place="")
            assert (found.verdict == "PASS", found.cause.endswith(says)) == (both in allowed, True), found.cause


async def test_a_role_needs_no_leave_for_awss_own_key(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its policy lets in whoever writes through S3; a key that is not there lets in nobody."""
    write = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    with planted(sandbox) as bucket, role(sandbox, trust("org-1"), write) as writer:
        bucket.encryption("aws:kms", NO_KEY)
        found = await finding(sandbox, "writer-role-permissions", bucket.name, writer=writer)
        assert (found.verdict, "not there" in found.cause) == ("FAIL", True)
        own = {"KeyMetadata": {"KeyId": NO_KEY[-36:], "Arn": NO_KEY, "KeyManager": "AWS"}}
        kms_says(monkeypatch, ("describe_key", own, {"KeyId": NO_KEY}))
        found = await finding(sandbox, "writer-role-permissions", bucket.name, writer=writer)
    assert found.verdict == "PASS", found.cause


OTHERS = f"arn:aws:kms:us-east-1:210987654321:key/{NO_KEY[-36:]}"


@pytest.mark.parametrize(
    ("status", "word", "says"),
    [
        ({"KeyRotationEnabled": True, "RotationPeriodInDays": 365}, "PASS", "is on"),
        ({"KeyRotationEnabled": True}, "PASS", "is on"),
        ({"KeyRotationEnabled": True, "RotationPeriodInDays": 2560}, "FAIL", "every 2560 days"),
        ({"KeyRotationEnabled": False}, "FAIL", "is off"),
        ("NotFoundException", "UNKNOWN", "says nothing"),
    ],
)
async def test_how_a_key_is_rotated(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, status: Any, word: str, says: str
) -> None:
    """As KMS says of the key by its ARN, here one of another account."""
    others = {"KeyMetadata": {"KeyId": OTHERS[-36:], "Arn": OTHERS}}
    asked = {"KeyId": OTHERS}
    kms_says(monkeypatch, ("describe_key", others, asked), ("get_key_rotation_status", status, asked))
    with planted(sandbox) as bucket:
        bucket.encryption("aws:kms", OTHERS)
        found = await finding(sandbox, "kms-rotation", bucket.name)
    assert (found.verdict, says in found.cause) == (word, True), found.cause
