"""AWS's sentences about a denial: which action, on what, by which kind of policy, and what to do."""

import pytest

from opslib.validator.denial import Denial, denial_in, quoted

from ..world import Sandbox
from .buckets import finding, planted

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OBJECT = "arn:aws:s3:::recordings/a/opslib-canary-1"
USER = "User: arn:aws:iam::123456789012:user/writer is not authorized to perform: "
OWN = "the policies of the user or role that asks"
BOUNDARY = "the permissions boundary of the user or role that asks"
NETWORK = "the policy of the VPC endpoint that the request came through"


@pytest.mark.parametrize(
    ("message", "denial", "fix"),
    [
        (
            f"kms:GenerateDataKey on resource: {KEY} because no identity-based policy allows the kms:GenerateDataKey "
            "action",
            Denial("kms:GenerateDataKey", KEY, OWN),
            f"Allow kms:GenerateDataKey on {KEY} in {OWN}.",
        ),
        (
            f"kms:Decrypt on resource: {KEY} because no resource-based policy allows the kms:Decrypt action",
            Denial("kms:Decrypt", KEY, "the key policy"),
            f"Allow kms:Decrypt on {KEY} in the key policy.",
        ),
        (
            f's3:PutObject on resource: "{OBJECT}" with an explicit deny in a resource-based policy',
            Denial("s3:PutObject", OBJECT, "the bucket policy", explicit=True),
            f"Change the bucket policy: it denies s3:PutObject on {OBJECT}, and an Allow elsewhere does not help.",
        ),
        (
            f's3:PutObject on resource: "{OBJECT}" with an explicit deny in a service control policy: '
            "arn:aws:organizations::987654321098:policy/o-1/service_control_policy/p-1",
            Denial("s3:PutObject", OBJECT, "a service control policy of your AWS organization", explicit=True),
            "Change a service control policy of your AWS organization: it denies s3:PutObject on "
            f"{OBJECT}, and an Allow elsewhere does not help.",
        ),
        (
            f"s3:PutObject on resource: {OBJECT} with an explicit deny in a resource control policy",
            Denial("s3:PutObject", OBJECT, "a resource control policy of your AWS organization", explicit=True),
            "Change a resource control policy of your AWS organization: it denies s3:PutObject on "
            f"{OBJECT}, and an Allow elsewhere does not help.",
        ),
        (
            f"s3:PutObject on resource: {OBJECT} because no permissions boundary allows the s3:PutObject action",
            Denial("s3:PutObject", OBJECT, BOUNDARY),
            f"Allow s3:PutObject on {OBJECT} in {BOUNDARY}.",
        ),
        (
            f"s3:PutObject on resource: {OBJECT} because no session policy allows the s3:PutObject action",
            Denial("s3:PutObject", OBJECT, "the policy of the session that asks"),
            f"Allow s3:PutObject on {OBJECT} in the policy of the session that asks.",
        ),
        (
            f"s3:PutObject on resource: {OBJECT} because no VPC endpoint policy allows the s3:PutObject action",
            Denial("s3:PutObject", OBJECT, NETWORK),
            f"Allow s3:PutObject on {OBJECT} in {NETWORK}.",
        ),
        (
            "s3:GetBucketPolicy with an explicit deny in an identity-based policy",
            Denial("s3:GetBucketPolicy", "", OWN, explicit=True),
            f"Change {OWN}: it denies s3:GetBucketPolicy, and an Allow elsewhere does not help.",
        ),
        (
            "kms:Decrypt on this resource because the resource does not exist in this Region, no resource-based "
            "policies allow access, or a resource-based policy explicitly denies access",
            Denial("kms:Decrypt"),
            "Allow kms:Decrypt to the key that asks.",
        ),
        ("s3:ListBucket", Denial("s3:ListBucket"), "Allow s3:ListBucket to the key that asks."),
    ],
)
def test_the_sentence_is_understood(message: str, denial: Denial, fix: str) -> None:
    """As the IAM User Guide gives them, with and without resource, reason and the policy's ARN."""
    assert denial_in(USER + message) == denial
    assert denial.fix == fix


@pytest.mark.parametrize("message", ["", "Access Denied", "Forbidden", "You are not allowed here"])
def test_other_words_name_nothing(message: str) -> None:
    """Then the action that the call needs is all that is known."""
    assert denial_in(message) is None


def test_what_only_aws_can_read_is_cut() -> None:
    """An encoded message has thousands of characters."""
    encoded = "You may not. Encoded authorization failure message: " + 3000 * "aB3-_"
    assert quoted(encoded) == "You may not. Encoded authorization failure message: (cut)"
    assert len(quoted(3000 * "x")) == 701


@pytest.mark.parametrize(
    ("method", "sentence", "action", "fix"),
    [
        (
            "POST",
            f"kms:GenerateDataKey on resource: {KEY} because no identity-based policy allows the kms:GenerateDataKey "
            "action",
            "kms:GenerateDataKey",
            f"Allow kms:GenerateDataKey on {KEY} in {OWN}.",
        ),
        (
            "PUT",
            f"kms:Decrypt on resource: {KEY} with an explicit deny in a resource-based policy",
            "kms:Decrypt",
            f"Change the key policy: it denies kms:Decrypt on {KEY}, and an Allow elsewhere does not help.",
        ),
        (
            "POST",
            f's3:PutObject on resource: "{OBJECT}" with an explicit deny in a service control policy',
            "s3:PutObject",
            f"Change a service control policy of your AWS organization: it denies s3:PutObject on {OBJECT}, and an "
            "Allow elsewhere does not help.",
        ),
    ],
)
async def test_a_writer_that_aws_denies_says_why(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, method: str, sentence: str, action: str, fix: str
) -> None:
    """In AWS's own words, with the fix for the policy that denies, and no other permission blamed."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])
    body = f"<Error><Code>AccessDenied</Code><Message>{USER}{sentence}</Message></Error>".replace('"', "&quot;")
    with planted(sandbox) as bucket:
        fault = {"method": method, "path_regex": "canary", "status": 403, "body": body, "times": 1}
        sandbox.control("POST", "/faults", fault).raise_for_status()
        found = await finding(sandbox, "writer", bucket.name)
    assert (found.verdict, found.fix, found.cli) == ("FAIL", fix, "")
    assert f"{USER}{sentence}" in found.cause
    assert f"{action} is missing" not in found.cause


async def test_a_question_that_aws_denies_names_what_it_denies(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the action that the call usually needs."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])
    sentence = f"{USER}s3:GetBucketVersioning on resource: arn:aws:s3:::b with an explicit deny in a session policy"
    with planted(sandbox) as bucket:
        body = f"<Error><Code>AccessDenied</Code><Message>{sentence}</Message></Error>"
        fault = {"method": "GET", "path_regex": f"/{bucket.name}$", "status": 403, "body": body}
        sandbox.control("POST", "/faults", fault).raise_for_status()
        found = await finding(sandbox, "retention", bucket.name, retention_days=30)
    assert (found.verdict, found.action) == ("UNKNOWN", "s3:GetBucketVersioning")
    assert sentence in found.cause
    assert found.fix == (
        "Change the policy of the session that asks: it denies s3:GetBucketVersioning on arn:aws:s3:::b, and an Allow "
        "elsewhere does not help. Then ask again."
    )
