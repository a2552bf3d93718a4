import asyncio
from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import httpx
import pytest
import respx

from opslib import errors
from opslib.auth import GenesysAuthManager
from opslib.genesys.answers import Page
from opslib.genesys.client import GenesysClient
from opslib.genesys.recorder import Recorder

API = "https://api.mypurecloud.de"
ENDPOINT = "/api/v2/recording/storage/targets/{id}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[respx.MockRouter]:
    monkeypatch.setattr("httpx_retries.retry.Retry.backoff_strategy", lambda self: 0.0)
    with respx.mock(assert_all_called=False) as router:
        router.post("https://login.mypurecloud.de/oauth/token").respond(
            json={"access_token": "client-test-token", "expires_in": 3600}
        )
        yield router


@pytest.fixture
def kept() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def client(kept: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> GenesysClient:
    for name in ("OPSLIB_API_URL", "OPSLIB_LOGIN_URL", "OPSLIB_REGION"):
        monkeypatch.delenv(name, raising=False)
    auth = GenesysAuthManager("client", "client-test-secret", "org", region="eu-central-1")
    return GenesysClient(auth.base_url, auth, Recorder(lambda kind, data: kept.append((kind, data))))


BODY = {"message": "Words of the server", "code": "x", "contextId": "ctx-1", "errors": [{"message": "a detail"}]}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.InvalidRequest),
        (401, errors.AuthenticationFailed),
        (403, errors.PermissionMissing),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (429, errors.RateLimited),
        (418, errors.UnexpectedAnswer),
        (500, errors.ServerFailure),
        (503, errors.ServerFailure),
        (302, errors.UnexpectedAnswer),
    ],
)
async def test_each_status_is_an_error_with_the_server_s_words(
    client: GenesysClient, server: respx.MockRouter, kept: list[Any], status: int, error: type[errors.ApiError]
) -> None:
    """Cause, fix, status and correlation id; the operation is counted as a failure."""
    server.get(url__startswith=API).respond(status, json=BODY)
    with pytest.raises(error) as caught:
        await client.request("GET", ENDPOINT, ids={"id": "t"})
    assert caught.value.cause == "Words of the server; a detail"
    assert (caught.value.status, caught.value.correlation_id) == (status, "ctx-1")
    assert caught.value.fix
    assert (client.recorder.success_count, client.recorder.failure_count) == (0, 1)
    attempts = [data for kind, data in kept if kind == "sample" and data["operation"] == f"GET {ENDPOINT}"]
    assert {one["status"] for one in attempts} == {status}
    assert "success" not in [one["outcome"] for one in attempts]
    assert kept[-1] == (
        "operation",
        {"operation": f"GET {ENDPOINT}", "step": "", "outcome": "failure", "error": error.__name__,
         "attempts": len(attempts), "entries": [], "started_at": ANY, "duration_s": ANY},
    )  # fmt: skip
    assert kept[-1][1]["started_at"] <= attempts[0]["started_at"]
    assert kept[-1][1]["duration_s"] >= sum(attempt["latency_s"] for attempt in attempts)
    await client.aclose()


@pytest.mark.parametrize("content", [b"", b"[1]", b"<html>", b"{"])
async def test_errors_without_a_readable_body_still_explain(
    client: GenesysClient, server: respx.MockRouter, content: bytes
) -> None:
    """A proxy's page instead of Genesys's error is no traceback."""
    server.get(url__startswith=API).respond(400, content=content)
    with pytest.raises(errors.InvalidRequest, match="HTTP 400"):
        await client.request("GET", ENDPOINT, ids={"id": "t"})
    await client.aclose()


@pytest.mark.parametrize("content", [b"[1]", b"<html>", b'"x"'])
async def test_success_that_is_no_object_is_unexpected(
    client: GenesysClient, server: respx.MockRouter, content: bytes
) -> None:
    """200 from something that is not Genesys is no success."""
    server.get(url__startswith=API).respond(200, content=content)
    with pytest.raises(errors.UnexpectedAnswer, match="proxy"):
        await client.request("GET", ENDPOINT, ids={"id": "t"})
    await client.aclose()


async def test_ids_are_quoted_into_the_path(client: GenesysClient, server: respx.MockRouter) -> None:
    """Even an id that slipped through stays one path segment."""
    route = server.put(url__startswith=API).respond(204)
    assert await client.request("PUT", ENDPOINT, ids={"id": "../policies/1"}, json={}) == {}
    assert route.calls.last.request.url.raw_path == b"/api/v2/recording/storage/targets/..%2Fpolicies%2F1"
    await client.aclose()


async def test_lost_connection_has_no_request_in_its_error(client: GenesysClient, server: respx.MockRouter) -> None:
    """The body with the AWS secret stays out of the error and of what it is chained to."""
    server.put(url__startswith=API).mock(side_effect=httpx.ReadError("lost"))
    with pytest.raises(errors.ConnectionFailed, match="lost") as caught:
        await client.request("PUT", ENDPOINT, ids={"id": "t"}, json={"secretAccessKey": "client-body-canary"})
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert client.recorder.failure_count == 1
    assert len(client.recorder.latency_samples) == 5
    await client.aclose()


async def test_deadline_per_operation(client: GenesysClient, server: respx.MockRouter, kept: list[Any]) -> None:
    """An operation ends when its time is up; the attempt under way is kept as cancelled."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)

    server.get(url__startswith=API).mock(side_effect=never)
    client.deadline_s = 0.05
    with pytest.raises(errors.DeadlineExceeded, match="OPSLIB_DEADLINE_S"):
        await client.request("GET", ENDPOINT, ids={"id": "t"})
    assert [data["outcome"] for _, data in kept[-2:]] == ["cancelled", "failure"]
    await client.aclose()


async def test_pages_are_followed_and_loops_refused(client: GenesysClient, server: respx.MockRouter) -> None:
    """Each nextPageToken is sent; a token that comes twice ends the list with an error."""
    route = server.get(url__startswith=API).mock(
        side_effect=[
            httpx.Response(200, json={"entities": [1], "nextPageToken": "a&b"}),
            httpx.Response(200, json={"entities": [2]}),
        ]
    )
    assert [page["entities"] async for page in client.pages("/list", Page[Any], page_size=50)] == [[1], [2]]
    assert [dict(call.request.url.params) for call in route.calls] == [
        {"pageSize": "50"},
        {"pageSize": "50", "pageToken": "a&b"},
    ]
    server.get(url__startswith=API).respond(json={"entities": [], "nextPageToken": "same"})
    with pytest.raises(errors.UnexpectedAnswer, match="never ends"):
        _ = [page async for page in client.pages("/list", Page[Any], page_size=50)]
    await client.aclose()


async def test_inner_requests_join_the_outer_operation(
    client: GenesysClient, server: respx.MockRouter, kept: list[Any]
) -> None:
    """Several requests of one operation are one operation in the count."""
    server.get(url__startswith=API).respond(json={})
    async with client.operation("read_both"):
        await client.request("GET", ENDPOINT, ids={"id": "1"})
        await client.request("GET", ENDPOINT, ids={"id": "2"})
    assert client.recorder.success_count == 1
    assert [data["operation"] for kind, data in kept if kind == "sample"][-2:] == ["read_both"] * 2
    await client.aclose()
