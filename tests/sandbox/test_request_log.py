"""Correlation ids, the request log and the rate limit."""

import uuid

from ..world import TARGETS, running


def test_every_answer_has_its_own_correlation_id(sandbox, api):
    """Success, error and token answers carry a UUID each, the same one as in the request log."""
    answers = [api("GET", TARGETS), api("GET", TARGETS + "/none"), sandbox.http.get(sandbox["api_url"] + "/no")]
    ids = [answer.headers["ININ-Correlation-Id"] for answer in answers]
    assert len({uuid.UUID(one) for one in ids}) == 3
    assert [request["correlation_id"] for request in sandbox.requests()] == ids


def test_log_lists_requests_in_order_as_on_the_wire(sandbox, api):
    """Method, encoded path, query and service are logged, the Genesys side by default, until cleared."""
    api("GET", TARGETS + "?pageSize=5&x=%2F")
    api("GET", TARGETS + "/a%2Fb")
    sandbox.token()
    sandbox.http.post(sandbox["datalake_url"] + "/ingest", json={})
    sandbox.s3().list_buckets()
    seen = [(one["method"], one["path"], one["query"], one["service"]) for one in sandbox.requests()]
    assert seen == [
        ("GET", TARGETS, "pageSize=5&x=%2F", "api"),
        ("GET", TARGETS + "/a%2Fb", "", "api"),
        ("POST", "/oauth/token", "", "login"),
    ]
    assert [one["service"] for one in sandbox.requests("s3")] == ["s3"]
    assert [one["path"] for one in sandbox.requests("datalake")] == ["/ingest"]
    assert len(sandbox.requests("all")) == 5
    sandbox.control("DELETE", "/requests")
    assert sandbox.requests("all") == []


def test_rate_limit_is_told_and_held_per_token(sandbox):
    """The headers count up; above the limit 429 with Retry-After; another token has its own window."""
    sandbox.control("PUT", "/settings", {"rate_limit": 3})
    api, other = sandbox.api(), sandbox.api()
    answers = [api("GET", TARGETS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["inin-ratelimit-count"] for answer in answers] == ["1", "2", "3", "4"]
    assert {answer.headers["inin-ratelimit-allowed"] for answer in answers} == {"3"}
    refused = answers[-1]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Retry-After"] == refused.headers["inin-ratelimit-reset"]
    assert refused.json()["code"] == "too.many.requests"
    assert other("GET", TARGETS).headers["inin-ratelimit-count"] == "1"


def test_rate_window_opens_anew(sandbox):
    """Once the window is over the count starts again; an error answer counts and tells it too."""
    sandbox.control("PUT", "/settings", {"rate_limit": 1, "rate_window_s": 0.05})
    api = sandbox.api()
    first = api("GET", TARGETS + "/none")
    assert (first.status_code, first.headers["inin-ratelimit-count"]) == (404, "1")
    while api("GET", TARGETS).status_code == 429:
        pass
    sandbox.control("PUT", "/settings", {"rate_limit": 300, "rate_window_s": 60.0})
    assert api("GET", TARGETS).status_code == 200


def test_the_same_seed_gives_the_same_correlation_ids():
    """So that a lesson reads the same each time; without a seed they are new."""

    def ids(*arguments):
        with running(*arguments) as sandbox:
            sandbox.http.get(sandbox["datalake_url"] + "/events")
            answers = [sandbox.http.get(sandbox["api_url"] + "/no") for _ in range(2)]
            return [answer.headers["ININ-Correlation-Id"] for answer in answers]

    assert ids("--seed", "7") == ids("--seed", "7")
    assert ids() != ids()
