"""What counts as an answer: the ones that only AWS gives, through botocore's Stubber, and none at all."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from opslib.validator import aws
from opslib.validator.aws import Aws, Unanswered
from opslib.validator.aws_calls import CALLS
from opslib.validator.finding import ASK_AGAIN, Finding

from ..world import Sandbox
from .buckets import finding, keys_of


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("where", ["environment", "profile"])
async def test_a_proxy_is_not_asked_for_this_machine(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, where: str
) -> None:
    """Behind a company's proxy the sandbox works, also where a profile's configuration names its address."""
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    if where == "profile":
        monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
        (tmp_path / "config").write_text(f"[default]\nendpoint_url = {sandbox['s3_url']}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which has read the file already
    assert (await finding(sandbox, "reachable", sandbox["bucket"])).verdict == "PASS"


async def test_a_proxy_is_asked_for_another_machine(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where AWS itself is meant; nothing listens at the port that is named."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.test")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    found = await finding(sandbox, "reachable", sandbox["bucket"])
    assert (found.verdict, "ProxyConnectionError" in found.cause) == ("UNKNOWN", True)


async def answered(name: str, call: str, code: str, status: int, sandbox: Sandbox, **headers: str) -> Finding:
    """What a check says when AWS refuses its call so."""
    of = CALLS[call]
    client: Any = boto3.client(of.service, region_name="us-east-1", aws_access_key_id="A", aws_secret_access_key="x")
    meta = {"HTTPHeaders": {key.replace("_", "-"): value for key, value in headers.items()}}
    with pytest.MonkeyPatch.context() as patch, Stubber(client) as stub:
        if call != "HeadBucket":  # which comes first
            stub.add_response("head_bucket", {"BucketRegion": "us-east-1"})
        stub.add_client_error(of.method, code, http_status_code=status, response_meta=meta)
        patch.setattr(Aws, "_client", lambda self, service, region: client)
        return await finding(sandbox, name, sandbox["bucket"], retention_days=365)


# A HEAD has no body: its code is the status.
@pytest.mark.parametrize(
    ("code", "status"),
    [("301", 301), ("307", 307), ("400", 400), ("403", 403), ("503", 503), ("SlowDown", 503), ("InternalError", 500)],
)
async def test_a_head_without_an_answer_is_unknown(sandbox: Sandbox, code: str, status: int) -> None:
    """Redirects, throttling, a refusal: nothing is concluded from them, and the status is kept."""
    found = await answered("reachable", "HeadBucket", code, status, sandbox)
    assert (found.verdict, found.evidence[0].status) == ("UNKNOWN", status)


@pytest.mark.parametrize(("code", "status"), [("301", 301), ("400", 400), ("403", 403)])
async def test_a_refusal_may_still_tell_the_region(sandbox: Sandbox, code: str, status: int) -> None:
    """S3 names the bucket's region also to those whom it lets see nothing else."""
    found = await answered("reachable", "HeadBucket", code, status, sandbox, x_amz_bucket_region="eu-west-1")
    assert (found.verdict, "the bucket is in eu-west-1" in found.cause) == ("FAIL", True)
    same = await answered("reachable", "HeadBucket", code, status, sandbox, x_amz_bucket_region="us-east-1")
    assert same.verdict == "UNKNOWN"


MENDS = {
    "NoSuchBucket": "Correct the bucket's name, or make the bucket; then ask again.",
    "ExpiredToken": "Get new temporary credentials, as with `aws sso login`, and set all three variables of them.",
    "InvalidAccessKeyId": "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or make a new key pair.",
}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("SlowDown", 503),
        ("ThrottlingException", 400),
        ("RequestTimeout", 400),
        ("PermanentRedirect", 301),
        ("TemporaryRedirect", 307),
        ("ExpiredToken", 400),
        ("InvalidAccessKeyId", 403),
        ("NoSuchBucket", 404),
        ("404", 404),
        ("MethodNotAllowed", 405),
        ("InternalError", 500),
    ],
)
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("policy-not-public", "GetBucketPolicy"),
        ("retention", "GetBucketLifecycleConfiguration"),
        ("public-access-block", "GetPublicAccessBlock"),
    ],
)
async def test_only_not_configured_is_an_answer(sandbox: Sandbox, name: str, call: str, code: str, status: int) -> None:
    """A bucket without a policy or rules passes; one of which S3 says nothing does not, nor does it fail."""
    found = await answered(name, call, code, status, sandbox)
    assert (found.verdict, code in found.cause, found.action) == ("UNKNOWN", True, "")
    assert found.fix == MENDS.get(code, "Ask again; until then nothing is known.")


def stuck(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(aws, "_READ_TIMEOUT_S", 0.2)
    sandbox.control("POST", "/faults", {"path_regex": sandbox["bucket"], "delay_s": 0.6})


def cut(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    sandbox.control("POST", "/faults", {"path_regex": sandbox["bucket"], "drop": True})


def nobody(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")


def no_url(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not a url")


def no_s3(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["datalake_url"])


@pytest.mark.parametrize("spoil", [stuck, cut, nobody, no_url, no_s3])
@pytest.mark.parametrize("name", ["encryption", "policy-not-public"])
async def test_no_answer_is_unknown(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, spoil: Any, name: str) -> None:
    """A timeout, a cut line, nobody there, somebody else there: never PASS, never FAIL, never a traceback."""
    spoil(sandbox, monkeypatch)
    found = await finding(sandbox, name, sandbox["bucket"])
    fix = "Check the network, the proxy, the region and AWS_ENDPOINT_URL_S3, then try again."
    assert (found.verdict, found.fix) == ("UNKNOWN", fix if spoil is not no_s3 else ASK_AGAIN), found.cause
    assert "not as AWS documents it" not in found.cause


async def test_an_answer_out_of_shape_is_unknown(sandbox: Sandbox) -> None:
    """An S3 that is not AWS's may answer otherwise; then nothing is known."""
    policy = '{"Version": "2012-10-17"}'
    fault = {"method": "GET", "path_regex": sandbox["bucket"], "body": policy}
    sandbox.control("POST", "/faults", fault).raise_for_status()
    found = await finding(sandbox, "tls-only", sandbox["bucket"])
    assert (found.verdict, "the answer is not AWS's" in found.cause) == ("UNKNOWN", True)


def test_a_wrong_key_is_no_answer(sandbox: Sandbox) -> None:
    """AWS says which half is wrong; the text never holds the secret."""
    right = keys_of(sandbox)
    for wrong, code in (
        (right.model_copy(update={"access_key_id": "AKIANOBODYATALL00000"}), "InvalidAccessKeyId"),
        (keys_of(sandbox, ["s3:*"]).model_copy(update={"access_key_id": right.access_key_id}), "SignatureDoesNotMatch"),
    ):
        with pytest.raises(Unanswered, match=code) as caught:
            Aws(wrong).call("us-east-1", "GetBucketPolicy", {"Bucket": sandbox["bucket"]})
        assert caught.value.action == ""
        assert wrong.secret_access_key.get_secret_value() not in str(caught.value)
