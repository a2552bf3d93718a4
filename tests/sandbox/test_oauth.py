"""Tokens and permissions."""

import pytest

from ..world import TARGETS, WEBHOOKS, target

GRANT = {"grant_type": "client_credentials"}


@pytest.mark.parametrize("door", ["api_url", "login_url"])
def test_both_doors_take_basic_and_form_credentials(sandbox, door):
    """Either URL gives a bearer token for either form of credentials."""
    url = sandbox[door] + "/oauth/token"
    pair = {name: sandbox[name] for name in ("client_id", "client_secret")}
    answers = [
        sandbox.http.post(url, data=GRANT, auth=tuple(pair.values())),
        sandbox.http.post(url, data={**GRANT, **pair}),
    ]
    for answer in answers:
        body = answer.raise_for_status().json()
        assert set(body) == {"access_token", "token_type", "expires_in"}
        assert (body["token_type"], body["expires_in"]) == ("bearer", 86400)
        assert len(body["access_token"]) >= 32
        assert "ININ-Correlation-Id" in answer.headers
        assert "inin-ratelimit-count" not in answer.headers


def test_wrong_credentials_are_refused_in_the_token_endpoints_own_shape(sandbox):
    """A wrong secret, a wrong id, no credentials and broken Basic are 401 invalid_client."""
    url = sandbox["login_url"] + "/oauth/token"
    answers = [
        sandbox.http.post(url, data=GRANT, auth=(sandbox["client_id"], "wrong")),
        sandbox.http.post(url, data=GRANT, auth=("wrong", sandbox["client_secret"])),
        sandbox.http.post(url, data=GRANT, auth=("wrong", "")),
        sandbox.http.post(url, data=GRANT),
        sandbox.http.post(url, data=GRANT, headers={"Authorization": "Basic ???"}),
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"
        assert answer.json()["description"] == answer.json()["error_description"]


def test_other_grants_are_refused(sandbox):
    """Only client credentials are served."""
    answer = sandbox.http.post(sandbox["login_url"] + "/oauth/token", data={"grant_type": "password"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_login_serves_nothing_but_tokens(sandbox):
    """The API's paths are not found at the login URL."""
    answer = sandbox.http.get(sandbox["login_url"] + TARGETS)
    assert (answer.status_code, answer.json()["code"]) == (404, "not.found")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "authentication.required"),
        ("Basic YTpi", "authentication.required"),
        ("Bearer", "authentication.required"),
        ("Bearer made-up", "bad.credentials"),
    ],
)
def test_api_wants_a_bearer_token_it_issued(sandbox, header, code):
    """No token, another scheme and an unknown token are 401, told apart by the code."""
    answer = sandbox.http.get(
        sandbox["api_url"] + TARGETS, headers={"Authorization": header} if header is not None else {}
    )
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (401, 401, code)
    assert body["contextId"] == answer.headers["ININ-Correlation-Id"]


def test_expired_tokens_are_refused(sandbox):
    """A token is worthless once its lifetime is over."""
    sandbox.control("PUT", "/settings", {"token_ttl_s": 0})
    answer = sandbox.api()("GET", TARGETS)
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials.expired")


def test_revoked_tokens_are_refused(sandbox):
    """Revoking ends every token issued so far; a new one works."""
    api = sandbox.api()
    assert api("GET", TARGETS).status_code == 200
    assert sandbox.control("POST", "/tokens/revoke").json()["revoked"] >= 1
    assert api("GET", TARGETS).status_code == 401
    assert sandbox.api()("GET", TARGETS).status_code == 200


def test_missing_permission_is_named(sandbox):
    """A client without the permission gets 403 with its name; what it may do it can do."""
    client = sandbox.control("POST", "/clients", {"scopes": ["recording:read"]}).json()
    api = sandbox.api(client)
    assert api("GET", TARGETS).status_code == 200
    for method, path, scope in [
        ("PUT", TARGETS + "/a", "recording:write"),
        ("DELETE", TARGETS + "/a", "recording:write"),
        ("GET", WEBHOOKS, "webhook:read"),
        ("PUT", WEBHOOKS + "/a", "webhook:write"),
    ]:
        answer = api(method, path, target())
        assert (answer.status_code, answer.json()["code"]) == (403, "missing.any.permissions")
        assert answer.json()["message"].endswith(scope)
        assert answer.json()["messageParams"] == {"permissions": scope}
