"""What a bucket needs, to copy: the least IAM policies, the role's trust, and Terraform that passes its profile."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from opslib.credentials import RoleReference
from opslib.onboarding.models import DataLakeWebhook
from opslib.validator.aws_calls import actions_of
from opslib.validator.bucket import check_bucket
from opslib.validator.checks import CHECKS
from opslib.validator.documents.event_feed import commands
from opslib.validator.documents.iam import for_checks, for_writer, trust
from opslib.validator.documents.terraform import template
from opslib.validator.profile import BUILT_IN
from opslib.validator.profile_loader import load_profile
from opslib.validator.wanted import Wanted

from ..world import Sandbox
from .buckets import ACCOUNT, finding, keys_of, planted, role
from .terraformed import Terraformed, parsed

KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


def actions_in(document: dict[str, Any]) -> list[str]:
    return [action for one in document["Statement"] for action in one["Action"]]


@pytest.mark.parametrize("name", BUILT_IN)
async def test_the_policy_for_the_checks_is_enough(sandbox: Sandbox, name: str) -> None:
    """A user with just these actions gets an answer to every question of the profile."""
    profile = load_profile(name)
    with planted(sandbox) as bucket:
        bucket.kms()
        wanted = Wanted(bucket.name, sandbox["region"], place="recordings/", retention_days=365, owner=ACCOUNT)
        actions = actions_in(for_checks(wanted, profile))
        assert not [action for action in actions if "*" in action]
        keys = keys_of(sandbox, actions)
        report = await check_bucket(Wanted(**{**vars(wanted), "writer": keys}), profile, keys)
        refused = {one.check: one.action for one in report.findings if one.action}
        assert refused == {}
        assert {one.check for one in report.findings if one.verdict == "UNKNOWN"} <= {"object-lock"}


@pytest.mark.slow
async def test_the_policy_for_the_checks_is_no_more_than_needed(sandbox: Sandbox) -> None:
    """Without any one of its actions, just that one is refused to some check of the profile."""
    profile = load_profile("baseline")
    with planted(sandbox, "planted-logs") as logs, planted(sandbox) as bucket:
        bucket.kms()
        bucket.logging(logs.name)
        logs.acl("log-delivery-write")
        logs.s3.delete_bucket_policy(Bucket=logs.name)
        bucket.allow({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
        bucket.lifecycle({"NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
        bucket.versioning("Enabled")
        wanted = Wanted(bucket.name, sandbox["region"], retention_days=365)
        actions = actions_in(for_checks(wanted, profile))
        for left_out in [one for one in actions if not one.startswith(("iam:", "organizations:"))]:
            keys = keys_of(sandbox, [one for one in actions if one != left_out])
            report = await check_bucket(Wanted(**{**vars(wanted), "writer": keys}), profile, keys)
            refused = [one for finding in report.findings for one in finding.evidence if one.status == 403]
            assert {action for one in refused for action in actions_of([one.call])} == {left_out}


def test_resources_are_as_narrow_as_iam_allows() -> None:
    """The bucket, the canary's keys below the prefix, the key, the role; what is asked of the account has none.
    What is not asked needs no permission: with a role there is no canary, and with a key no role."""
    writer = RoleReference(role_arn=f"arn:aws:iam::{ACCOUNT}:role/R", external_id="org-1")
    wanted = Wanted("b", "us-east-1", place="rec/", kms_key=KEY, owner=ACCOUNT, writer=writer)
    found = {one["Sid"]: one["Resource"] for one in for_checks(wanted, load_profile("sec-17a-4"))["Statement"]}
    assert found == {
        "Bucket": "arn:aws:s3:::b",
        "OtherBuckets": "arn:aws:s3:::*",
        "Account": "*",
        "Key": KEY,
        "Role": writer.role_arn,
        "Simulation": [f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}", writer.role_arn],
    }
    without = for_checks(Wanted("b", "us-east-1", place="rec/"), load_profile("baseline"))
    found = {one["Sid"]: one["Resource"] for one in without["Statement"]}
    assert found.keys() == {"Bucket", "OtherBuckets", "Canary", "Account", "Key"}
    assert found["Canary"] == "arn:aws:s3:::b/rec/opslib-canary-*"
    china = for_checks(Wanted("b", "cn-north-1"), load_profile("baseline"))["Statement"]
    assert china[0]["Resource"] == "arn:aws-cn:s3:::b"
    assert {one["Resource"] for one in china if one["Sid"] == "Key"} == {"arn:aws-cn:kms:cn-north-1:*:key/*"}


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-central-1", "aws"),
        ("mx-central-1", "aws"),
        ("eusc-de-east-1", "aws-eusc"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
    ],
)
def test_arns_name_the_regions_part_of_aws(region: str, partition: str) -> None:
    """For the bucket, and for the feed; Genesys has a region in the European sovereign cloud."""
    assert Wanted("b", region).arn == f"arn:{partition}:s3:::b"
    feed = DataLakeWebhook(url="https://datalake.example.com/", account=ACCOUNT, region=region)
    assert f"arn:{partition}:events:{region}:{ACCOUNT}:api-destination/" in commands(feed, "org-1")
    assert f"arn:{partition}:iam::{ACCOUNT}:role/" in commands(feed, "org-1")


def test_a_prefix_is_no_pattern() -> None:
    """What IAM would read as a wildcard or a variable stands for itself."""
    (write, *_) = for_writer(Wanted("b", "us-east-1", place="a*b?/${aws:username}/"))["Statement"]
    assert write["Resource"] == "arn:aws:s3:::b/a${*}b${?}/${$}{aws:username}/*"


def test_the_writers_documents() -> None:
    """What Genesys documents, below the prefix only; KMS only with a key; the trust only with the external id."""
    wanted = Wanted("b", "us-east-1", place="recordings/")
    write, see = for_writer(wanted)["Statement"]
    assert write["Resource"] == "arn:aws:s3:::b/recordings/*"
    assert {"s3:PutObject", "s3:PutObjectAcl"} <= set(write["Action"])
    assert set(see["Action"]) == {"s3:GetBucketLocation", "s3:GetEncryptionConfiguration"}
    *_, use = for_writer(Wanted("b", "us-east-1", kms_key=KEY))["Statement"]
    assert (use["Action"], use["Resource"]) == (["kms:Decrypt", "kms:GenerateDataKey"], KEY)
    (statement,) = trust("org-1")["Statement"]
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "org-1"}}
    assert statement["Principal"] == {"AWS": "arn:aws:iam::765628985471:root"}


async def test_a_role_made_from_the_documents_passes(sandbox: Sandbox) -> None:
    """Its trust and its permissions, as IAM sees them."""
    with planted(sandbox) as bucket:
        key = bucket.kms()
        document = for_writer(Wanted(bucket.name, "us-east-1", kms_key=key))
        with role(sandbox, trust("org-1"), *document["Statement"]) as writer:
            for check in ("writer-role-trust", "writer-role-permissions"):
                found = await finding(sandbox, check, bucket.name, writer=writer)
                assert found.verdict == "PASS", found.cause


async def test_a_key_with_the_writers_policy_passes_the_canary(sandbox: Sandbox) -> None:
    """No action more is needed to write, and to take back what was begun."""
    with planted(sandbox) as bucket:
        keys = keys_of(sandbox, actions_in(for_writer(Wanted(bucket.name, "us-east-1"))))
        assert (await finding(sandbox, "writer", bucket.name, keys=keys)).verdict == "PASS"


@pytest.fixture
def emptied(sandbox: Sandbox) -> Iterator[list[str]]:
    """Buckets that a test makes, gone afterwards."""
    made: list[str] = []
    yield made
    for name in made:
        s3 = sandbox.s3()
        if "logs" not in name:
            s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={})
        s3.delete_bucket_policy(Bucket=name)
        for log in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=log["Key"])
        s3.delete_bucket(Bucket=name)


@pytest.mark.slow
@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
@pytest.mark.parametrize("name", BUILT_IN)
async def test_terraform_makes_a_bucket_that_passes(
    sandbox: Sandbox, emptied: list[str], name: str, encryption: str
) -> None:
    """Parsed as HCL, built on the sandbox, and held against the profile: no FAIL, no UNKNOWN, and the warnings are
    those that the template leaves to its reader."""
    profile = load_profile(name)
    days = profile.retention.min_days or 365
    wanted = Wanted(f"built-{name}", "us-east-1", encryption=encryption, retention_days=days, owner=ACCOUNT)
    emptied += [f"built-{name}", f"built-{name}-logs"]
    Terraformed(sandbox, template(wanted, profile)).apply()
    keys = keys_of(sandbox)
    report = await check_bucket(Wanted(**{**vars(wanted), "writer": keys}), profile, keys)
    wrong = {one.check: (one.verdict, one.cause) for one in report.findings if one.verdict in ("FAIL", "UNKNOWN")}
    assert wrong == {}
    left_to_the_reader = {"mfa-delete", "replication"} | (set() if profile.worm else {"object-lock"})
    assert {one.check for one in report.findings if one.verdict == "WARN"} <= left_to_the_reader


@pytest.mark.parametrize("name", BUILT_IN)
def test_terraform_is_whole(name: str) -> None:
    """No placeholder is left; every reference is to a block that is there; the lock only where the profile asks."""
    text = template(Wanted("our-recordings", "eu-west-1"), load_profile(name))
    blocks = parsed(text)
    assert not [word for word in ("BUCKET", "ARN", "REGION", "DAYS", "ACCOUNT", "KEY", "ROLE") if word in text]
    said = json.dumps(blocks)
    for address in ("aws_s3_bucket.recordings", "aws_s3_bucket.logs", "data.aws_iam_policy_document.recordings"):
        assert (f"{address}." in said) <= (address in blocks)
    assert ("object_lock_enabled" in said) == load_profile(name).worm
    assert 'region = "eu-west-1"' in text
    assert blocks["aws_s3_bucket_logging.recordings"]["depends_on"] == ["${aws_s3_bucket_policy.logs}"]


def test_every_fix_is_terraform() -> None:
    """Each check's snippet parses on its own; that of `owner` has a provider only."""
    assert [check.id for check in CHECKS.values() if check.terraform and not parsed(check.terraform)] == ["owner"]
