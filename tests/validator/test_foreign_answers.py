"""What answers with status 200 and is not AWS: no check concludes anything from it."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from opslib.credentials import AwsKeys, RoleReference
from opslib.onboarding.models import DataLakeWebhook
from opslib.validator.aws_calls import CALLS, FIELDS, ROOTS
from opslib.validator.bucket import check_bucket
from opslib.validator.event_feed import EventFeed
from opslib.validator.wanted import Wanted

from ..local_server import QuietHandler, serving
from .buckets import only

KEYS = AwsKeys(access_key_id="AKIAEXAMPLE", secret_access_key=SecretStr("foreign-answers-secret"))
ROLE = RoleReference(role_arn="arn:aws:iam::123456789012:role/R", external_id="org-id")
# What no answer can change: it compares two numbers of the onboarding.
ASKS_NOTHING = "policy-within-target"


@contextmanager
def answering(body: bytes, endless: bytes = b"", **headers: str) -> Iterator[str]:
    """An address where every request is answered with 200 and this body; then with `endless`, until nobody reads."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.0"  # an answer without an end has no length

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            if not endless:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(body)
            try:
                while endless:
                    self.wfile.write(endless)
            except OSError:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

    with serving(Handler) as url:
        yield url


def test_every_call_says_what_its_answer_has() -> None:
    """All but the one whose answer is empty."""
    assert set(CALLS) - set(FIELDS) - set(ROOTS) == {"AbortMultipartUpload"}


S3 = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"", {"x_amz_bucket_region": "us-east-1"}),
        (b"<html><body>Sign in</body></html>", {}),
        (b"<!doctype html><p>Sign in", {}),
        (b"<LifecycleConfiguration/>", {}),
        (b"<PublicAccessBlockConfiguration " + S3 + b"/>", {}),
        (b"<VersioningConfiguration " + S3 + b"><Status>Ena", {}),
        (b"<PolicyStatus " + S3 + b"/>", {}),
        (b"<LifecycleConfiguration " + S3 + b"><Rule><Expiration><Days>soon</Days></Expiration></Rule>"
         b"</LifecycleConfiguration>", {}),
        (b"{}", {}),
        (b'{"KeyMetadata": 5, "Policy": []}', {}),
        (b"[" * 50_000, {}),
        (gzip.compress(b"<LifecycleConfiguration/>", mtime=0), {"Content_Encoding": "gzip"}),
        (b"\xff\xfe\x00", {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("writer", [KEYS, ROLE], ids=["key", "role"])
async def test_nothing_is_concluded_from_what_is_not_aws(
    body: bytes, headers: dict[str, str], writer: AwsKeys | RoleReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a proxy or a wrong address answers, each check that asks is UNKNOWN, none is PASS or FAIL."""
    wanted = Wanted("recordings", "us-east-1", writer=writer, owner="123456789012", retention_days=365, policy_days=365)
    profile = only()
    bounds = profile.retention.model_copy(update={"playable_days": 100, "max_days": 5000})
    with answering(body, **headers) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        report = await check_bucket(wanted, profile.model_copy(update={"retention": bounds}), KEYS)
    asked = {
        finding.check: (finding.verdict, finding.cause)
        for finding in report.findings
        if finding.evidence and finding.check != ASKS_NOTHING
    }
    head_is_right = {"reachable", "owner"} if "x_amz_bucket_region" in headers else set()
    wrong = {check: said for check, said in asked.items() if said[0] not in ("UNKNOWN", "not_checked")}
    # Root elements of one call are wrong for every other one, so at most the checks of that call may conclude.
    assert wrong.keys() <= head_is_right, wrong
    # Where the first question is not answered, it is the one finding.
    assert "UNKNOWN" in [verdict for verdict, _ in asked.values()]
    if head_is_right:
        assert {"retention", "playable", "policy-not-public", "versioning", "no-public-acl"} <= asked.keys()


async def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 8 MB, which is more than any answer of AWS."""
    wanted = Wanted("recordings", "us-east-1", writer=KEYS, retention_days=365)
    with answering(b"<LifecycleConfiguration>", b"<!-- and so on -->" * 10_000, x_amz_bucket_region="us-east-1") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        report = await check_bucket(wanted, only("retention"), KEYS)
    found = next(finding for finding in report.findings if finding.check == "retention")
    assert (found.verdict, "more than 8 MB" in found.cause) == ("UNKNOWN", True)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"5", b'{"Name": "x", "State": {}}', b'{"Name": "x", "Rules": 5}'])
def test_a_foreign_answer_ends_the_feed_s_check(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link of which something else answers is not PASS, and the check itself never ends in an exception."""
    webhook = DataLakeWebhook(
        id="w", name="W", url="https://d.example.com/in", account="123456789012", region="us-east-1"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "foreign-answers-secret")
    with answering(body) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        links = EventFeed(webhook, "org").check()
    assert links[-1].word in ("UNKNOWN", "FAIL")
    assert all(link.word == "PASS" for link in links[:-1])
