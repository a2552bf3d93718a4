"""Who may do what on the platform API, which API the org serves, and what it says of itself."""

import pytest

from opslib.sandbox.server.platform.people_routes import QUEUES, TEAMS, USERS, WRAPUP_CODES

from ..world import INTEGRATIONS, RETENTION_POLICIES, TARGETS, running
from .platform import EVENTBRIDGE, add_policy, create

TOKEN = "/api/v2/tokens/me"
LIMITS = "/api/v2/organizations/limits/namespaces/platform.api"
QUERY = "/api/v2/audits/query"
RETENTION = "/api/v2/analytics/dataretention/settings"

NEEDED = [
    ("GET", f"{INTEGRATIONS}/types", "integrations:integration:view"),
    ("GET", f"{INTEGRATIONS}/types/{EVENTBRIDGE}", "integrations:integration:view"),
    ("GET", f"{INTEGRATIONS}/types/{EVENTBRIDGE}/configschemas/properties", "integrations:integration:view"),
    ("GET", INTEGRATIONS, "integrations:integration:view"),
    ("POST", INTEGRATIONS, "integrations:integration:add"),
    ("GET", INTEGRATIONS + "/{integration}", "integrations:integration:view"),
    ("PATCH", INTEGRATIONS + "/{integration}", "integrations:integration:edit"),
    ("GET", INTEGRATIONS + "/{integration}/config/current", "integrations:integration:view"),
    ("PUT", INTEGRATIONS + "/{integration}/config/current", "integrations:integration:edit"),
    ("DELETE", INTEGRATIONS + "/{integration}", "integrations:integration:delete"),
    ("GET", RETENTION_POLICIES, "recording:retentionPolicy:view"),
    ("POST", RETENTION_POLICIES, "recording:retentionPolicy:add"),
    ("DELETE", RETENTION_POLICIES, "recording:retentionPolicy:delete"),
    ("GET", RETENTION_POLICIES + "/{policy}", "recording:retentionPolicy:view"),
    ("PUT", RETENTION_POLICIES + "/{policy}", "recording:retentionPolicy:edit"),
    ("PATCH", RETENTION_POLICIES + "/{policy}", "recording:retentionPolicy:edit"),
    ("DELETE", RETENTION_POLICIES + "/{policy}", "recording:retentionPolicy:delete"),
    ("GET", f"{QUERY}/servicemapping", "audits:audit:view"),
    ("POST", QUERY, "audits:audit:view"),
    ("GET", f"{QUERY}/none", "audits:audit:view"),
    ("GET", f"{QUERY}/none/results", "audits:audit:view"),
    ("GET", RETENTION, "analytics:dataRetention:view"),
    ("GET", QUEUES, "routing:queue:view"),
    ("GET", USERS, "directory:user:view"),
    ("GET", TEAMS, "groups:team:view"),
    ("GET", WRAPUP_CODES, "routing:wrapupCode:view"),
]
"""Every method of every path that asks for a permission (reference, §7)."""


@pytest.fixture
def client(sandbox):
    """Makes an API client that has these permissions only."""
    return lambda *scopes: sandbox.api(sandbox.control("POST", "/clients", {"scopes": list(scopes)}).json())


@pytest.mark.parametrize(("method", "path", "permission"), NEEDED)
def test_each_endpoint_needs_its_permission(api, client, method, path, permission):
    """Without its permission 403 names it; with it alone the request is taken, whatever else is wrong with it."""
    path = path.format(integration=create(api, EVENTBRIDGE)["id"], policy=add_policy(api)["id"])
    everything_else = {needed for _, _, needed in NEEDED} - {permission}
    refused = client(*everything_else)(method, path, {})
    assert (refused.status_code, refused.json()["code"]) == (403, "missing.permissions")
    assert refused.json()["messageParams"] == {"permissions": permission}
    assert refused.json()["message"].endswith(f"missing the following permission(s): {permission}")
    assert refused.json()["contextId"] == refused.headers["ININ-Correlation-Id"]
    assert client(permission)(method, path, {}).status_code in (200, 400, 404)


@pytest.mark.parametrize(("method", "path"), [("GET", TOKEN), ("GET", LIMITS), ("GET", f"{LIMITS}/defaults")])
def test_any_token_may_ask_about_itself(client, method, path):
    """Whose token this is and what the limits are needs no permission, but a token."""
    api = client()
    assert api(method, path).status_code == 200
    refused = api.sandbox.http.request(method, api.sandbox["api_url"] + path)
    assert (refused.status_code, refused.json()["code"]) == (401, "authentication.required")


def test_whose_token_this_is(sandbox, client):
    """The org and the client, and no scope: a client with credentials of its own has permissions instead."""
    about = client()("GET", TOKEN).json()
    assert about["organization"]["id"] == about["homeOrganization"]["id"] == sandbox["org_id"]
    assert about["OAuthClient"]["id"] != sandbox["client_id"]
    assert about["authorizedScope"] == []


def test_a_token_checked_and_revoked(client):
    """HEAD says whether it is valid without a word; after DELETE this token, and no other, is refused."""
    api, other = client(), client()
    head = api("HEAD", TOKEN)
    assert (head.status_code, head.content) == (200, b"")
    assert api("DELETE", TOKEN).status_code == 200
    assert [api("HEAD", TOKEN).status_code, other("HEAD", TOKEN).status_code] == [401, 200]


def test_limits_are_those_in_force(sandbox, api):
    """The limit per token and minute follows the setting; the defaults do not. Other namespaces are not found."""
    sandbox.control("PUT", "/settings", {"rate_limit": 50, "rate_window_s": 30.0})
    key = "token.rate.per.minute"
    values = [
        {one["key"]: one["value"] for one in api("GET", path).json()["entities"]}
        for path in (LIMITS, f"{LIMITS}/defaults")
    ]
    assert [one[key] for one in values] == [100, 300]
    assert api("GET", LIMITS.replace("platform.api", "weather")).status_code == 404


def test_every_answer_has_the_rate_headers(api):
    """Served or refused, an answer says how many requests the token has made of how many, and until when."""
    answers = [api("GET", RETENTION_POLICIES), api("GET", f"{RETENTION_POLICIES}/none")]
    assert [int(one.headers["inin-ratelimit-count"]) for one in answers] == [1, 2]
    for answer in answers:
        assert answer.headers["inin-ratelimit-allowed"] == "300"
        assert 1 <= int(answer.headers["inin-ratelimit-reset"]) <= 60


def test_beyond_the_limit(sandbox, api):
    """The request after the last one allowed is 429 with Retry-After, in Genesys's words."""
    sandbox.control("PUT", "/settings", {"rate_limit": 1})
    assert api("GET", INTEGRATIONS).status_code == 200
    refused = api("GET", INTEGRATIONS)
    assert (refused.status_code, refused.json()["code"]) == (429, "too.many.requests")
    assert int(refused.headers["Retry-After"]) >= 1


def test_the_org_serves_what_it_is_set_to(sandbox, api):
    """With one backend the other's paths are 404 in Genesys's shape, by any method; the own ones answer."""
    served = {"both": (200, 200), "storage-targets": (200, 404), "platform": (404, 200)}
    for backend, statuses in served.items():
        sandbox.control("PUT", "/settings", {"backend": backend})
        answers = [api("GET", TARGETS), api("GET", RETENTION_POLICIES)]
        assert tuple(one.status_code for one in answers) == statuses
        for answer in answers:
            if answer.status_code == 404:
                assert answer.json()["code"] == "not.found"
                assert answer.json()["contextId"] == answer.headers["ININ-Correlation-Id"]
    assert api("PUT", f"{TARGETS}/x", {}).status_code == 404
    assert sandbox.control("PUT", "/settings", {"backend": "neither"}).status_code == 400


@pytest.mark.parametrize(("backend", "statuses"), [("platform", [404, 200]), ("storage-targets", [200, 404])])
def test_backend_by_option(backend, statuses):
    """`--backend` sets it from the start; the token endpoint is there either way."""
    with running("--backend", backend) as sandbox:
        api = sandbox.api()
        assert [api("GET", path).status_code for path in (TARGETS, RETENTION_POLICIES)] == statuses


def test_the_orgs_retention_of_data(api):
    """At least the 90 days that Genesys never goes below."""
    assert api("GET", RETENTION).json()["retentionDays"] >= 90
