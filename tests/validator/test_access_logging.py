"""Whether the bucket that is named for the logs can take them."""

import json
from typing import Any

import pytest

from opslib.validator.log_delivery import policy_on_logs

from ..world import Sandbox
from .buckets import ACCOUNT, ACTIONS, Planted, finding, keys_of, planted, tls_only

LOGS = "planted-logs"
SOURCE = "arn:aws:s3:::planted-bucket"
PLACE = f"arn:aws:s3:::{LOGS}/logs/"
ALLOW = {
    "Effect": "Allow",
    "Principal": {"Service": "logging.s3.amazonaws.com"},
    "Action": "s3:PutObject",
    "Resource": f"arn:aws:s3:::{LOGS}/*",
}
DENY = ALLOW | {"Effect": "Deny", "Principal": "*"}


def when(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("statements", "answer"),
    [
        ([ALLOW], "allows"),
        ([ALLOW | {"Action": ["s3:Put*"]}], "allows"),
        ([ALLOW | {"Resource": [f"{PLACE}*"]}], "allows"),
        ([ALLOW | {"Resource": f"arn:aws:s3:::{LOGS}/other/*"}], "is silent"),
        ([ALLOW | {"Resource": f"arn:aws:s3:::{LOGS}"}], "is silent"),
        ([ALLOW | {"Action": "s3:GetObject"}], "is silent"),
        ([ALLOW | {"Principal": {"Service": "cloudtrail.amazonaws.com"}}], "is silent"),
        ([ALLOW | {"Principal": {"AWS": ACCOUNT}}], "is silent"),
        ([ALLOW | when("ArnLike", "aws:SourceArn", SOURCE)], "allows"),
        ([ALLOW | when("ArnLike", "AWS:SourceArn", "arn:aws:s3:::planted-*")], "allows"),
        ([ALLOW | when("ArnLike", "aws:SourceArn", "arn:aws:s3:::another")], "is silent"),
        ([ALLOW | when("StringEquals", "aws:SourceAccount", ACCOUNT)], "allows"),
        ([ALLOW | when("StringEquals", "aws:SourceAccount", "210987654321")], "is silent"),
        ([ALLOW | when("StringEquals", "s3:x-amz-acl", "bucket-owner-full-control")], "is undecided"),
        ([ALLOW, tls_only(LOGS)], "allows"),
        ([ALLOW, DENY], "denies"),
        ([ALLOW, DENY | when("StringNotEquals", "s3:x-amz-server-side-encryption", "AES256")], "is undecided"),
        ([ALLOW, DENY | {"Action": "s3:DeleteObject"}], "allows"),
        ([], "is silent"),
    ],
)
def test_whether_a_policy_lets_logs_in(statements: list[Any], answer: str) -> None:
    """For the service that delivers them, from this bucket, below the prefix; or what is left open."""

    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    assert policy_on_logs(policy, place=PLACE, source=SOURCE, account=ACCOUNT) == answer


def test_an_account_that_is_not_known_decides_nothing() -> None:
    """Nor does a bucket without a policy let anybody in."""

    statement = ALLOW | when("StringEquals", "aws:SourceAccount", ACCOUNT)
    assert (
        policy_on_logs(json.dumps({"Statement": statement}), place=PLACE, source=SOURCE, account=None) == "is undecided"
    )
    assert policy_on_logs(None, place=PLACE, source=SOURCE, account=None) == "is silent"


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


def to(bucket: str) -> str:
    """As GetBucketLogging answers it: moto accepts no logging that could not work."""
    return (
        f"<BucketLoggingStatus><LoggingEnabled><TargetBucket>{bucket}</TargetBucket><TargetPrefix>logs/</TargetPrefix>"
        "</LoggingEnabled></BucketLoggingStatus>"
    )


def by_acl(logs: Planted) -> None:
    group = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}
    grants = [{"Grantee": group, "Permission": permission} for permission in ("WRITE", "READ_ACP")]
    acl = logs.s3.get_bucket_acl(Bucket=logs.name)
    logs.s3.put_bucket_acl(Bucket=logs.name, AccessControlPolicy={"Owner": acl["Owner"], "Grants": grants})


def encrypted(logs: Planted) -> None:
    logs.policy(ALLOW)
    logs.encryption("aws:kms")


@pytest.mark.parametrize(
    ("prepare", "lock", "word", "says"),
    [
        (lambda logs: logs.policy(ALLOW), False, "PASS", f"access is logged in {LOGS}"),
        (lambda logs: logs.policy(ALLOW, tls_only(LOGS)), False, "PASS", "logged in"),
        (by_acl, False, "PASS", "logged in"),
        (lambda logs: None, False, "FAIL", "neither its policy nor its ACL allows it"),
        (lambda logs: logs.policy(ALLOW, DENY), False, "FAIL", "its policy denies it"),
        (lambda logs: (by_acl(logs), logs.policy(DENY)), False, "FAIL", "its policy denies it"),
        (lambda logs: logs.policy(ALLOW | when("Bool", "aws:x", "true")), False, "UNKNOWN", "conditions"),
        (lambda logs: logs.policy(ALLOW), True, "FAIL", "has Object Lock"),
        (encrypted, False, "FAIL", "encrypts with aws:kms by default"),
    ],
)
async def test_whether_logs_can_arrive(sandbox: Sandbox, prepare: Any, lock: bool, word: str, says: str) -> None:
    """S3 User Guide, enabling server access logging: what the destination must be."""
    with planted(sandbox, LOGS, lock=lock) as logs, planted(sandbox) as bucket:
        prepare(logs)
        bucket.answers(to(LOGS), "logging")
        found = await finding(sandbox, "access-logging", bucket.name)
    assert (found.verdict, says in found.cause) == (word, True), found.cause


async def test_logs_for_a_bucket_that_is_not_there_or_elsewhere(sandbox: Sandbox) -> None:
    """S3 delivers within a region, and drops what it cannot deliver."""
    with planted(sandbox) as bucket:
        bucket.answers(to("no-such-bucket-anywhere"), "logging")
        found = await finding(sandbox, "access-logging", bucket.name)
        assert (found.verdict, "is not there" in found.cause) == ("FAIL", True), found.cause
        sandbox.control("DELETE", "/faults")
        bucket.answers(to(bucket.copy("eu-west-1")), "logging")
        found = await finding(sandbox, "access-logging", bucket.name)
    assert (found.verdict, "is in eu-west-1" in found.cause) == ("FAIL", True), found.cause


@pytest.mark.parametrize(
    "action", ["s3:GetBucketLocation", "s3:GetBucketObjectLockConfiguration", "s3:GetEncryptionConfiguration"]
)
async def test_what_we_may_not_ask_about_the_log_bucket_is_unknown(sandbox: Sandbox, action: str) -> None:
    """Logging is on, and that is not enough."""
    with planted(sandbox, LOGS) as logs, planted(sandbox) as bucket:
        logs.policy(ALLOW)
        bucket.answers(to(LOGS), "logging")
        keys = keys_of(sandbox, [one for one in ACTIONS if one != action])
        found = await finding(sandbox, "access-logging", bucket.name, keys=keys)
    assert (found.verdict, found.action) == ("UNKNOWN", action), found
