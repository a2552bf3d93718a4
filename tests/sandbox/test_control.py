"""The control endpoint's own manners."""

import pytest


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/clients", {"scope": []}),
        ("POST", "/clients", {"scopes": "recording:read"}),
        ("POST", "/aws-users", {"actions": []}),
        ("POST", "/aws-users", {}),
        ("PUT", "/settings", {"rate_limit": 0}),
        ("PUT", "/settings", {"surprise": 1}),
    ],
)
def test_invalid_bodies_are_refused(sandbox, method, path, body):
    """Unknown keys and values out of range are 400, with the problem named."""
    answer = sandbox.control(method, path, body)
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["loc"]


def test_settings_change_one_by_one(sandbox):
    """A setting not named keeps its value."""
    before = sandbox.control("PUT", "/settings", {"token_ttl_s": 30}).json()
    after = sandbox.control("PUT", "/settings", {"rate_limit": 5}).json()
    assert after == {**before, "rate_limit": 5}
    assert after["token_ttl_s"] == 30


def test_control_is_neither_logged_nor_faulted(sandbox):
    """A fault for everything leaves the control endpoint usable, and its requests are not listed."""
    sandbox.control("POST", "/faults", {"status": 500})
    assert sandbox.control("DELETE", "/faults").status_code == 204
    assert sandbox.requests("all") == []
