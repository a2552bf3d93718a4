"""Faults: which requests they meet and what they do to them."""

import time

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.exceptions import ConnectionError as BotoConnectionError

from ..world import TARGET_ID, TARGETS, target


def fault(sandbox, **body):
    answer = sandbox.control("POST", "/faults", body)
    assert answer.status_code == 201, answer.text


def test_a_status_stands_for_so_many_requests(sandbox, api):
    """A status alone answers `times` requests in Genesys's shape, with correlation id; then all is well."""
    fault(sandbox, status=503, times=2)
    answers = [api("GET", TARGETS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json()["code"] == "service.unavailable"
    assert answers[0].json()["contextId"] == answers[0].headers["ININ-Correlation-Id"]


def test_a_fault_without_times_lasts_until_cleared(sandbox, api):
    """Without `times` it stays until DELETE clears it."""
    fault(sandbox, status=500, method="get")
    assert {api("GET", TARGETS).status_code for _ in range(5)} == {500}
    assert sandbox.control("DELETE", "/faults").status_code == 204
    assert api("GET", TARGETS).status_code == 200


def test_method_and_path_narrow_it(sandbox, api):
    """Only requests of the method whose path matches are met, the token endpoint like any other."""
    fault(sandbox, method="PUT", path_regex=f"targets/{TARGET_ID}$", status=502)
    fault(sandbox, path_regex="^/oauth/token$", status=500, times=1)
    assert api("GET", f"{TARGETS}/{TARGET_ID}").status_code == 404
    assert api("PUT", f"{TARGETS}/other", target()).status_code == 201
    assert api("PUT", f"{TARGETS}/{TARGET_ID}", target()).status_code == 502
    with pytest.raises(httpx.HTTPStatusError):
        sandbox.token()
    assert sandbox.token()


def test_a_parameter_narrows_it(sandbox, api):
    """One that the request has, with any value or none; on both servers, and not a part of its name or value."""
    fault(sandbox, query="pageSize", status=502)
    fault(sandbox, query="lifecycle", status=500)
    queries = ("?pageSize=5", "?pageNumber=1&pageSize=5", "", "?pageSizes=5", "?x=pageSize")
    assert [api("GET", f"{TARGETS}{query}").status_code for query in queries] == [502, 502, 200, 200, 200]
    s3, bucket = sandbox.s3(), sandbox["bucket"]
    with pytest.raises(ClientError, match="InternalError"):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert s3.get_bucket_versioning(Bucket=bucket)


def test_body_and_headers_are_given_as_told(sandbox, api):
    """An object body is JSON, a text stays text, headers come along; headers alone dress the real answer."""
    fault(sandbox, status=429, headers={"Retry-After": "7"}, body={"code": "x"}, times=1)
    fault(sandbox, body="<html>proxy</html>", times=1)
    fault(sandbox, headers={"X-Odd": "1"}, times=1)
    one, two, three = (api("GET", TARGETS) for _ in range(3))
    assert (one.status_code, one.headers["Retry-After"], one.json()) == (429, "7", {"code": "x"})
    assert (two.status_code, two.text) == (200, "<html>proxy</html>")
    assert (three.status_code, three.headers["X-Odd"], three.json()["total"]) == (200, "1", 0)


def test_delay_alone_serves_normally_later(sandbox, api):
    """With only a delay the real answer comes, so many seconds later."""
    fault(sandbox, delay_s=0.3, times=1)
    started = time.monotonic()
    assert api("GET", TARGETS).status_code == 200
    assert time.monotonic() - started >= 0.3


def test_drop_closes_the_connection_without_an_answer(sandbox, api):
    """A dropped request gets no byte, has no effect and is still in the log; the next one is served."""
    fault(sandbox, drop=True, times=1)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        api("PUT", f"{TARGETS}/{TARGET_ID}", target())
    assert api("GET", f"{TARGETS}/{TARGET_ID}").status_code == 404
    assert [request["method"] for request in sandbox.requests()] == ["PUT", "GET"]


def test_when_after_the_request_takes_effect_and_only_the_answer_is_lost(sandbox, api):
    """With when=after the write happens, then the answer is dropped or replaced."""
    fault(sandbox, drop=True, when="after", times=1)
    fault(sandbox, status=504, when="after", times=1)
    fault(sandbox, headers={"X-Odd": "1"}, when="after", times=1)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        api("PUT", f"{TARGETS}/{TARGET_ID}", target())
    assert api("PUT", f"{TARGETS}/{TARGET_ID}", target()).status_code == 504
    dressed = api("PUT", f"{TARGETS}/{TARGET_ID}", target())
    assert (dressed.status_code, dressed.headers["X-Odd"]) == (200, "1")
    assert api("GET", f"{TARGETS}/{TARGET_ID}").json()["version"] == 3


@pytest.mark.parametrize(
    "body",
    [
        {"path_regex": "("},
        {"surprise": 1},
        {"status": "500"},
        {"status": 99},
        {"times": 0},
        {"delay_s": -1},
        {"when": "later"},
        [],
    ],
)
def test_invalid_faults_are_refused(sandbox, body):
    """A bad regex, an unknown key and a value out of range are 400 and leave nothing behind."""
    assert sandbox.control("POST", "/faults", body).status_code == 400
    assert sandbox.api()("GET", TARGETS).status_code == 200


def test_s3_meets_faults_too(sandbox):
    """S3 answers the fault's status or XML, drops for real, and a fault after leaves the object written."""
    s3, bucket = sandbox.s3(), sandbox["bucket"]
    xml = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
    fault(sandbox, path_regex=f"^/{bucket}", status=503, body=xml, times=1)
    fault(sandbox, path_regex=f"^/{bucket}", status=403, times=1)
    fault(sandbox, path_regex=f"^/{bucket}", drop=True, times=1)
    fault(sandbox, path_regex=f"^/{bucket}", status=500, when="after", times=1)
    fault(sandbox, path_regex=f"^/{bucket}", delay_s=0.2, times=1)
    for code in ("SlowDown", "AccessDenied"):
        with pytest.raises(ClientError, match=code):
            s3.list_objects_v2(Bucket=bucket)
    with pytest.raises((ConnectionClosedError, BotoConnectionError)):
        s3.put_object(Bucket=bucket, Key="faults/dropped", Body=b"x")
    with pytest.raises(ClientError, match="InternalError"):
        s3.put_object(Bucket=bucket, Key="faults/written", Body=b"x")
    started = time.monotonic()
    found = s3.list_objects_v2(Bucket=bucket, Prefix="faults/")["Contents"]
    assert time.monotonic() - started >= 0.2
    assert [one["Key"] for one in found] == ["faults/written"]
    assert len(sandbox.requests("s3")) == 5


def test_datalake_meets_faults_too(sandbox):
    """The data lake fails when told to."""
    fault(sandbox, path_regex="^/ingest", status=500, times=1)
    url = sandbox["datalake_url"] + "/ingest"
    assert [sandbox.http.post(url, json={}).status_code for _ in range(2)] == [500, 202]
