"""Every request that our platform backend sends is one that the official SDK knows: path, query names, body, enums."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from opslib.onboarding.models import Consent
from opslib.router.org_changes import find_org_changes
from opslib.walk.steps import STEPS
from opslib.walk.walk import Walk

from ..router import platform_org as org
from ..world import Api, Json, Sandbox, environment
from . import oracle

Sent = list[tuple[str, str, dict[str, str], Json | None]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The requests to the API as they go to the wire: method, path, query, body."""
    seen: Sent = []
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def noted(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/api/"):
            body = json.loads(request.content) if request.content else None
            seen.append((request.method, request.url.path, dict(request.url.params), body))
        return await send(self, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", noted)
    return seen


@pytest.fixture
async def walk(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    # The other API's paths are asked once, by the question which of the two is served.
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0, "backend": "platform"})
    async with Walk(org.onboarding(sandbox)) as walk:
        yield walk


def wrong(sent: Sent) -> list[str]:
    """What the SDK does not know of what was sent; the storage-targets probe is no part of the platform backend."""
    found = []
    for method, path, query, body in sent:
        if not path.startswith("/api/v2/recording/storage/"):
            try:
                found += [f"{method} {path}: {one}" for one in oracle.request_problems(method, path, query, body)]
            except KeyError as error:
                found.append(str(error))
    return found


@pytest.mark.slow
async def test_a_whole_life(walk: Walk, sent: Sent, sandbox: Sandbox, api: Api) -> None:
    """Created, changed in every field, adopted, exported and removed: nothing that Genesys does not know."""
    await walk.run_all()
    everything = {
        "recording_types": ["voice", "chat", "email", "message", "screen"],
        "retention_days": 30,
        "conditions": {
            "queues": [org.QUEUE],
            "users": [org.QUEUE],
            "teams": [org.QUEUE],
            "wrapup_codes": [org.QUEUE],
            "date_ranges": ["2026-01-01T00:00:00.000Z/2026-02-01T00:00:00.000Z"],
        },
    }
    directions = {"conditions": {"directions": ["INBOUND", "OUTBOUND"]}}
    for policy in (everything, directions):
        walk.onboarding = org.onboarding(sandbox, target={"enabled": False}, policy=policy)
        await _carry_out(walk)
    await walk.backend.adopt("T", None, None)
    assert not (await find_org_changes(walk.session.client, walk.backend, walk.journal, None)).failed
    org.clear(api)
    org.seed(sandbox, api)
    await _carry_out(walk)
    walk.removal = True
    await _carry_out(walk)
    methods = {(method, path.split("/")[3]) for method, path, *_ in sent}
    assert {
        *((method, "integrations") for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
        *((method, "recording") for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
        *((method, "audits") for method in ("GET", "POST")),
        ("GET", "tokens"),
        ("GET", "organizations"),
    } <= methods
    assert wrong(sent) == []


def test_the_oracle_would_see_a_mistake() -> None:
    """A path, a query name, a field and an enum that Genesys does not have: each is named."""
    policies = "/api/v2/recording/mediaretentionpolicies"
    medium = {"callPolicy": {"conditions": {"directions": ["SIDEWAYS"]}}}
    mistakes: Sent = [
        ("PUT", "/api/v2/webhooks/1", {}, {}),
        ("GET", policies, {"pageToken": "1"}, None),
        ("POST", policies, {}, {"name": "P", "storageTargetId": "1"}),
        ("POST", policies, {}, {"name": "P", "mediaPolicies": medium}),
        ("PATCH", "/api/v2/integrations/1", {}, {"intendedState": "ON"}),
    ]
    assert [len(wrong([mistake])) for mistake in mistakes] == [1] * len(mistakes)


async def _carry_out(walk: Walk) -> None:
    walk.consent = Consent()
    for name in list(STEPS)[: list(STEPS).index("approve")]:
        await walk.run(name)
    walk.consent = Consent(confirm="T", reason="test")
    for name in ("approve", "apply"):
        await walk.run(name)
