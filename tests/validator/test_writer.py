"""The canary: shows that the key can write, and leaves nothing behind, whatever goes wrong on the way."""

import asyncio
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from opslib.validator.aws import Aws

from ..world import Sandbox, eventually
from .buckets import ACTIONS, Planted, finding, keys_of, planted

PREFIX = "recordings/voice"


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


def left(bucket: Planted) -> list[Any]:
    """Objects, versions, delete markers and uploads in the bucket."""
    versions = bucket.s3.list_object_versions(Bucket=bucket.name)
    uploads = bucket.s3.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
    objects = bucket.s3.list_objects_v2(Bucket=bucket.name).get("Contents", [])
    return [*objects, *versions.get("Versions", []), *versions.get("DeleteMarkers", []), *uploads]


@pytest.mark.parametrize("lock", [False, True])
async def test_nothing_is_left(sandbox: Sandbox, lock: bool) -> None:
    """No object, no version, no upload: also where COMPLIANCE would keep an object for years."""
    with planted(sandbox, lock=lock) as bucket:
        if lock:
            bucket.lock("COMPLIANCE", 3650)
        found = await finding(sandbox, "writer", bucket.name, place=f"{PREFIX}/", encryption="AES256")
        assert (found.verdict, "taken back" in found.cause, left(bucket)) == ("PASS", True, [])
    calls = ["CreateMultipartUpload", "UploadPart", "AbortMultipartUpload", "ListParts", "ListMultipartUploads"]
    assert [one.call for one in found.evidence] == calls


async def test_it_writes_as_genesys_does(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the prefix, with the target's encryption and the bucket's owner."""
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="AKIA", aws_secret_access_key="x")
    place = {"Bucket": sandbox["bucket"], "Key": ANY, "ExpectedBucketOwner": "123456789012"}
    with Stubber(s3) as stub:
        stub.add_response("head_bucket", {"BucketRegion": "us-east-1"})
        stub.add_response("create_multipart_upload", {"UploadId": "u-1"}, place | {"ServerSideEncryption": "aws:kms"})
        part = place | {"UploadId": "u-1"}
        stub.add_response("upload_part", {"ETag": "e"}, part | {"PartNumber": 1, "Body": ANY})
        stub.add_response("abort_multipart_upload", {}, part)
        stub.add_client_error("list_parts", "NoSuchUpload", http_status_code=404, expected_params=part)
        listed = {key: value for key, value in place.items() if key != "Key"} | {"Prefix": ANY}
        stub.add_response("list_multipart_uploads", {}, listed)
        monkeypatch.setattr(Aws, "_client", lambda self, service, region: s3)
        wanted = {"place": f"{PREFIX}/", "encryption": "aws:kms", "owner": "123456789012"}
        assert (await finding(sandbox, "writer", sandbox["bucket"], **wanted)).verdict == "PASS"
        stub.assert_no_pending_responses()


async def test_an_upload_that_cannot_be_taken_back_is_named(sandbox: Sandbox) -> None:
    """By its id and key, so that somebody who may can end it."""
    stuck = keys_of(sandbox, [one for one in ACTIONS if one != "s3:AbortMultipartUpload"])
    with planted(sandbox) as bucket:
        found = await finding(sandbox, "writer", bucket.name, keys=stuck)
        (upload,) = left(bucket)
        bucket.s3.abort_multipart_upload(Bucket=bucket.name, Key=upload["Key"], UploadId=upload["UploadId"])
    assert (found.verdict, "could not be taken back" in found.cause) == ("FAIL", True)
    assert upload["UploadId"] in found.cause
    assert upload["Key"] in found.cause
    assert "s3:AbortMultipartUpload is missing" in found.cause


async def test_who_may_not_list_still_writes(sandbox: Sandbox) -> None:
    """The abort was confirmed; looking again is not needed to know that the key writes."""
    blind = keys_of(sandbox, [one for one in ACTIONS if "Multipart" not in one or "Abort" in one])
    with planted(sandbox) as bucket:
        found = await finding(sandbox, "writer", bucket.name, keys=blind)
        assert (found.verdict, left(bucket)) == ("PASS", [])


@pytest.mark.parametrize("attempts", ["1", "3"])
async def test_a_lost_answer_leaves_no_upload(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, attempts: str) -> None:
    """S3 began an upload, and its answer was lost on the way: the upload is found by its key, and taken back. Repeated
    by boto3, the question is answered; without, whether the key writes is not known."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", attempts)
    with planted(sandbox) as bucket:
        fault = {"method": "POST", "path_regex": "canary", "drop": True, "when": "after", "times": 1}
        sandbox.control("POST", "/faults", fault).raise_for_status()
        found = await finding(sandbox, "writer", bucket.name)
        assert (found.verdict, left(bucket)) == ("UNKNOWN" if attempts == "1" else "PASS", []), found


async def test_a_throttled_write_is_unknown(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 was busy: that says nothing about the key. What was begun is taken back."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with planted(sandbox) as bucket:
        for method in ("PUT", "POST"):
            fault = {"method": method, "path_regex": "canary", "status": 503, "times": 1}
            sandbox.control("POST", "/faults", fault).raise_for_status()
            found = await finding(sandbox, "writer", bucket.name)
            assert (found.verdict, "SlowDown" in found.cause, left(bucket)) == ("UNKNOWN", True, [])
            assert found.fix == "Ask again; until then nothing is known."


async def test_a_key_that_kms_refuses_fails(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """As S3 says it when the bucket's key is disabled."""
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="AKIA", aws_secret_access_key="x")
    with Stubber(s3) as stub:
        stub.add_response("head_bucket", {"BucketRegion": "us-east-1"})
        stub.add_client_error("create_multipart_upload", "KMS.DisabledException", http_status_code=400)
        monkeypatch.setattr(Aws, "_client", lambda self, service, region: s3)
        found = await finding(sandbox, "writer", sandbox["bucket"])
    assert (found.verdict, "KMS.DisabledException" in found.cause) == ("FAIL", True)


async def test_cancelled_between_two_calls_it_still_cleans_up(sandbox: Sandbox) -> None:
    """Whoever presses Cancel leaves nothing behind either."""
    with planted(sandbox) as bucket:
        sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "canary", "delay_s": 0.3})
        sandbox.control("DELETE", "/requests")
        task = asyncio.create_task(finding(sandbox, "writer", bucket.name))
        await asyncio.to_thread(eventually, lambda: left(bucket))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(eventually, lambda: not left(bucket))
        assert "PUT" in {one["method"] for one in sandbox.requests("s3")}
