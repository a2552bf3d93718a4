"""What stops every question is one finding with one fix; the other checks were not asked, and say so."""

from typing import Any

import pytest
from pydantic import SecretStr

from opslib import errors
from opslib.credentials import AwsKeys
from opslib.validator.bucket import Report, check_bucket
from opslib.validator.profile_loader import load_profile
from opslib.validator.render import as_text
from opslib.validator.wanted import Wanted

from ..world import Sandbox
from .buckets import ACTIONS, keys_of, only


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


async def report_of(sandbox: Sandbox, keys: AwsKeys | None, **changes: Any) -> Report:
    wanted = Wanted(**{"bucket": sandbox["bucket"], "region": sandbox["region"], "retention_days": 365, **changes})
    return await check_bucket(wanted, load_profile("sec-17a-4"), keys)


def one_finding(report: Report, word: str, cause: str, fix: str, *, check: str = "reachable") -> None:
    """One check says it; nothing else has a verdict, a fix or an answer from AWS."""
    (found,) = [one for one in report.findings if one.verdict != "not_checked"]
    assert (found.check, found.verdict, report.verdict) == (check, word, word)
    assert cause in found.cause, found.cause
    assert fix in found.fix, found.fix
    rest = [one for one in report.findings if one is not found]
    asking = [one for one in rest if one.actions]
    assert len(asking) > 20
    assert all(one.cause.startswith("not asked: ") and one.evidence == [] for one in asking)
    lines = as_text(report.as_json()).splitlines()
    assert [line for line in lines if "Fix: " in line] == [line for line in lines if found.fix in line]
    assert len(lines) < 8
    assert "more checks" in as_text(report.as_json())


def wrong_secret(sandbox: Sandbox) -> AwsKeys:
    return keys_of(sandbox).model_copy(update={"secret_access_key": SecretStr("not-the-secret-of-this-key-0123456789")})


def unknown_key(sandbox: Sandbox) -> AwsKeys:
    return keys_of(sandbox).model_copy(update={"access_key_id": "AKIANOBODYATALL00000"})


@pytest.mark.parametrize(
    ("keys", "cause"),
    [(wrong_secret, "does not belong to the access key id"), (unknown_key, "does not know this access key id")],
)
async def test_a_key_that_aws_does_not_accept(sandbox: Sandbox, keys: Any, cause: str) -> None:
    """A HEAD has no body: the next question tells a wrong secret from a missing permission."""
    sandbox.control("DELETE", "/requests")
    report = await report_of(sandbox, keys(sandbox))
    one_finding(report, "UNKNOWN", cause, "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    assert isinstance(report.trouble, errors.AwsCredentialsInvalid)
    assert [one["method"] for one in sandbox.requests("s3")] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    ("code", "cause", "fix"),
    [
        ("ExpiredToken", "have expired", "Get new temporary credentials"),
        ("InvalidToken", "not valid", "Get new temporary credentials"),
        ("RequestTimeTooSkewed", "clock", "Set the clock"),
    ],
)
async def test_a_refusal_that_only_a_body_explains(sandbox: Sandbox, code: str, cause: str, fix: str) -> None:
    """To HEAD, S3 answers 400 or 403, whatever it is."""
    body = f"<Error><Code>{code}</Code><Message>m</Message></Error>"
    for method in ("HEAD", "GET"):
        fault = {"method": method, "path_regex": f"/{sandbox['bucket']}$", "status": 400, "body": body}
        sandbox.control("POST", "/faults", fault).raise_for_status()
    report = await report_of(sandbox, keys_of(sandbox))
    sandbox.control("DELETE", "/faults")
    one_finding(report, "UNKNOWN", cause, fix)


async def test_no_credentials(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    sandbox.control("DELETE", "/requests")
    one_finding(await report_of(sandbox, None), "UNKNOWN", "no access key was given", "Set AWS_ACCESS_KEY_ID")
    assert sandbox.requests("s3") == []


async def test_an_absent_bucket(sandbox: Sandbox) -> None:
    """That is an answer, and the only one."""
    sandbox.control("DELETE", "/requests")
    report = await report_of(sandbox, keys_of(sandbox), bucket="no-such-bucket-anywhere")
    one_finding(report, "FAIL", "there is no bucket no-such-bucket-anywhere", "Check the name in the AWS console")
    assert [one["method"] for one in sandbox.requests("s3") if one["path"] != "/"] == ["HEAD"]


async def test_another_region(sandbox: Sandbox) -> None:
    """Every other answer would be about a bucket that Genesys would not write to."""
    report = await report_of(sandbox, keys_of(sandbox), region="eu-west-1")
    one_finding(report, "FAIL", "the bucket is in us-east-1", "State region us-east-1")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "not a url"])
async def test_nobody_answers(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """A dead endpoint, or none."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    report = await report_of(sandbox, keys_of(sandbox))
    one_finding(report, "UNKNOWN", "S3 did not answer", "Check the network")


async def test_a_bucket_of_another_account(sandbox: Sandbox) -> None:
    """S3 refuses every call that expects another owner."""
    report = await report_of(sandbox, keys_of(sandbox), owner="210987654321")
    one_finding(report, "FAIL", "not as a bucket of account 210987654321", "Use a bucket of your own", check="owner")


async def test_a_denied_head_says_nothing_about_the_rest(sandbox: Sandbox) -> None:
    """Who lacks s3:ListBucket gets every other answer."""
    keys = keys_of(sandbox, [action for action in ACTIONS if action != "s3:ListBucket"])
    report = await report_of(sandbox, keys, writer=keys)
    words = {one.check: one.verdict for one in report.findings}
    assert (words["reachable"], words["versioning"], words["writer"]) == ("UNKNOWN", "PASS", "PASS")
    assert isinstance(report.trouble, errors.BucketAccessDenied)


async def test_a_profile_without_reachable_has_one_finding_too(sandbox: Sandbox) -> None:
    """The first check that asks S3 carries the cause; it cannot FAIL for what it did not see."""
    wanted = Wanted("no-such-bucket-anywhere", sandbox["region"], retention_days=30)
    report = await check_bucket(wanted, only("versioning", "encryption", "replication"), keys_of(sandbox))
    found = {one.check: (one.verdict, one.cause) for one in report.findings}
    assert found["encryption"][0] == "UNKNOWN"
    assert {verdict for verdict, _ in found.values()} == {"UNKNOWN", "not_checked"}
    assert found["versioning"][1] == "not asked: there is no bucket no-such-bucket-anywhere"
    elsewhere = Wanted(sandbox["bucket"], "eu-west-1", retention_days=30)
    report = await check_bucket(elsewhere, only("versioning", "encryption"), keys_of(sandbox))
    assert report.verdict == "UNKNOWN"
