"""What is assumed of a live org: each assumption as the sandbox's answers decide it, and as other answers would."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from opslib.auth import GenesysAuthManager
from opslib.errors import InvalidInput
from opslib.genesys.assumptions import ASSUMPTIONS, Judgement, Org
from opslib.genesys.read_only import ReadOnlyClient
from opslib.genesys.recorder import Recorder
from opslib.onboarding.models import Onboarding
from opslib.settings import Settings

from ..router import platform_org
from ..world import Api, Json, Sandbox

# The question that decides each assumption; the last three are decided by what every answer has.
ASKED = {
    "org-id": "/tokens/me",
    "external-id": "/tokens/me",
    "client-has-roles": "/tokens/me",
    "own-roles": "/subjects/me",
    "permissions": "/mediaretentionpolicies$",
    "permission-questions": "/recording/jobs",
    "rate-limit": "/limits/namespaces/platform.api",
    "max-retention": "/dataretention/settings",
    "numbered-lists": "/integrations/types$",
    "s3-type": "/integrations/types$",
    "s3-properties": "/configschemas/properties",
    "integration-credentials": "/integrations/credentials",
    "one-active-s3": "/integrations$",
    "integration-configuration": "/config/current",
    "integration-state": "/integrations$",
    "feed-properties": "/configschemas/properties",
    "feed-state": "/integrations$",
    "policy-shape": "/mediaretentionpolicies",
    "audit-services": "/servicemapping",
    "analytics-availability": "/jobs/availability",
}
HEADERS = {"rate-limit-headers", "correlation-id", "date"}
OTHER = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"

# A 404 says that the org has no such API; every other failure, and every other shape, says nothing.
FAULTS: dict[str, tuple[Json, str]] = {
    "refused": ({"status": 403}, "not_known"),
    "not there": ({"status": 404}, "no"),
    "failed": ({"status": 500}, "not_known"),
    "empty": ({"body": {}}, "not_known"),
    "another shape": ({"body": {"unexpected": [1]}}, "not_known"),
    "a page of a proxy": ({"body": "<html>"}, "not_known"),
}
# A refusal shows that a permission is missing, and that the question is served.
OTHERWISE = {
    "permissions": {"refused": "no", "not there": "not_known"},
    "permission-questions": {"refused": "yes", "empty": "yes", "another shape": "yes"},
}


@pytest.fixture
async def org(sandbox: Sandbox, api: Api) -> AsyncIterator[Org]:
    """An org with an integration, a policy and an event feed."""
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    platform_org.seed(sandbox, api)
    sandbox.control("DELETE", "/requests")
    settings = Settings.load(**{name: sandbox[name] for name in ("api_url", "login_url", "client_id", "client_secret")})
    auth = GenesysAuthManager(settings.client_id, settings.client_secret, settings.org_id, settings=settings)
    client = ReadOnlyClient(auth.base_url, auth, Recorder(lambda kind, data: None))
    yield Org(client, platform_org.onboarding(sandbox), asyncio.get_running_loop().time() + 30)
    await client.aclose()
    await auth.aclose()


async def judged(org: Org, id: str) -> Judgement:
    return await ASSUMPTIONS[id].judge(org)


def inject(sandbox: Sandbox, id: str, **fault: Any) -> None:
    sandbox.control("POST", "/faults", {"method": "GET", "path_regex": ASKED[id], **fault})


async def test_the_sandbox_is_as_assumed(org: Org, sandbox: Sandbox) -> None:
    """All of them hold there, and nothing but GET was sent."""
    holds = {id: (await one.judge(org)).holds for id, one in ASSUMPTIONS.items()}
    assert holds == dict.fromkeys(ASSUMPTIONS, "yes")
    assert {request["method"] for request in sandbox.requests("api")} == {"GET"}


def test_every_assumption_is_tried_here() -> None:
    """One that is added needs its question."""
    assert set(ASSUMPTIONS) == ASKED.keys() | HEADERS


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("id", ASKED)
async def test_an_answer_that_does_not_come_decides_nothing(org: Org, sandbox: Sandbox, id: str, fault: str) -> None:
    """Nor does one of another shape; only that there is no such API is a no."""
    answer, holds = FAULTS[fault]
    inject(sandbox, id, **answer)
    found = await judged(org, id)
    assert found.holds == OTHERWISE.get(id, {}).get(fault, holds), found
    assert found.evidence


CONTRADICTED: list[tuple[str, Json]] = [
    ("org-id", {"organization": {"id": "acme"}}),
    ("external-id", {"organization": {"id": OTHER}}),
    ("client-has-roles", {"authorizedScope": ["recording"]}),
    ("own-roles", {"grants": []}),
    ("own-roles", {"grants": [{"role": None}, 7]}),
    ("rate-limit", {"entities": []}),
    ("rate-limit", {"entities": [{"key": "client.credentials.token.rate.per.minute", "value": "300"}]}),
    ("numbered-lists", {"entities": [{"id": "a"}], "total": 3, "pageCount": 1}),
    ("s3-type", {"entities": [], "total": 0, "pageCount": 0}),
    ("s3-type", {"entities": [{"id": "s3-recording-a"}, {"id": "s3-recording-b"}], "total": 2, "pageCount": 1}),
    ("s3-properties", {"properties": {}}),
    ("s3-properties", {"properties": {"bucketA": {}, "bucketB": {}, "roleArn": {}}}),
    ("integration-configuration", {"version": "1", "properties": {}, "credentials": {}}),
    ("integration-configuration", {"version": 1, "properties": {}}),
    ("feed-properties", {"properties": {"eventSourceSuffix": {}, "account": {}}}),
    ("audit-services", {"services": [{"name": "Quality", "entities": [{"name": "Recording"}, None]}]}),
]


@pytest.mark.parametrize(("id", "body"), CONTRADICTED)
async def test_an_answer_that_contradicts_is_a_no(org: Org, sandbox: Sandbox, id: str, body: Json) -> None:
    """With what was found instead."""
    inject(sandbox, id, body=body)
    found = await judged(org, id)
    assert (found.holds, bool(found.evidence)) == ("no", True), found


def listed(*entities: Json) -> Json:
    return {"entities": [{"id": f"i-{number}", **one} for number, one in enumerate(entities)], "pageCount": 1}


S3: Json = {"integrationType": {"id": "s3-recording"}, "intendedState": "ENABLED", "reportedState": {"code": "ACTIVE"}}
FEED: Json = {**S3, "integrationType": {"id": "amazon-eventbridge-source"}}


@pytest.mark.parametrize(
    ("id", "integrations", "holds"),
    [
        ("one-active-s3", [S3, S3], "no"),
        ("one-active-s3", [S3, {**S3, "intendedState": "DISABLED"}], "yes"),
        ("integration-state", [{**S3, "reportedState": {"code": "DREAMING"}}], "no"),
        ("integration-state", [{**S3, "reportedState": None}], "not_known"),
        ("integration-state", [], "not_known"),
        ("integration-configuration", [], "not_known"),
        ("feed-state", [{**FEED, "reportedState": {"code": "ERROR"}}], "no"),
        ("feed-state", [S3], "not_known"),
        ("feed-state", [{**FEED, "intendedState": "DISABLED"}], "not_known"),
    ],
)
async def test_what_the_org_s_integrations_show(
    org: Org, sandbox: Sandbox, id: str, integrations: list[Json], holds: str
) -> None:
    """Where there is none yet, nothing is shown."""
    sandbox.control("POST", "/faults", {"path_regex": "/integrations$", "body": listed(*integrations)})
    assert (await judged(org, id)).holds == holds


@pytest.mark.parametrize(
    ("policy", "holds"),
    [
        ({"enabled": True, "actions": {}}, "yes"),
        ({"enabled": True, "mediaPolicies": {"callPolicy": {"actions": {}}}}, "yes"),
        ({"enabled": "yes", "actions": {}}, "no"),
        ({"enabled": True, "mediaPolicies": ["callPolicy"]}, "no"),
        ({"id": "another"}, "not_known"),
    ],
)
async def test_what_a_policy_of_the_org_shows(org: Org, sandbox: Sandbox, policy: Json, holds: str) -> None:
    """Its actions stand by medium or beside them, and enabled is yes or no."""
    sandbox.control("POST", "/faults", {"path_regex": "/mediaretentionpolicies$", "body": listed({"name": "P"})})
    sandbox.control("POST", "/faults", {"path_regex": "/mediaretentionpolicies/i-0$", "body": {"id": "i-0"} | policy})
    assert (await judged(org, "policy-shape")).holds == holds


async def test_without_a_role_the_external_id_is_not_known(org: Org) -> None:
    """As in an example with a placeholder, or an onboarding with keys."""
    role = {"role_arn": "arn:aws:iam::123456789012:role/R", "external_id": "your-genesys-organization-id"}
    values = org.onboarding.values()
    org.onboarding = Onboarding.model_validate(values | {"target": values["target"] | {"credentials": role}})
    assert (await judged(org, "external-id")).holds == "not_known"


@pytest.mark.parametrize("id", sorted(HEADERS))
async def test_headers_are_known_by_every_answer(org: Org, id: str) -> None:
    """None came: not known. One without: no."""
    assert (await judged(org, id)).holds == "not_known"
    await org.get("/api/v2/tokens/me")
    assert (await judged(org, id)).holds == "yes"
    org.client.heard.append(frozenset({"content-type"}))
    assert (await judged(org, id)).holds == "no"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD"])
async def test_the_client_sends_nothing_but_get(org: Org, sandbox: Sandbox, method: str) -> None:
    """Whatever it is asked for."""
    with pytest.raises(InvalidInput, match="was not sent"):
        await org.client.request(method, "/api/v2/integrations")
    assert sandbox.requests("api") == []


def test_the_page_lists_exactly_these() -> None:
    """docs/platform.md: id, statement, and what rests on it."""
    page = (Path(__file__).parents[2] / "docs" / "platform.md").read_text()
    section = page.partition("## Assumptions")[2].partition("\n### ")[0]
    rows = re.findall(r"(?m)^\| `([\w-]+)` \| (.+?) \| (.+) \|$", section)
    assert rows == [(one.id, one.statement, one.rests_on) for one in ASSUMPTIONS.values()]
