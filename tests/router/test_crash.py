"""kill -9 before and after every request of an apply and of a rollback, found by counting requests.

A process applies a change and kills itself at the k-th request to the API. Then another resumes or rolls back.
"""

from pathlib import Path

import pytest

from opslib.verify import verify

from ..world import Api, Sandbox
from .crash_program import Crasher
from .org import clear, seed, state


@pytest.fixture
def crasher(sandbox: Sandbox, tmp_path: Path) -> Crasher:
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000})
    return Crasher(sandbox, tmp_path)


def _start_anew(api: Api, crasher: Crasher) -> bytes:
    clear(api)
    seed(api.sandbox, api)
    for path in crasher.home.glob("*"):
        path.unlink()
    return state(api)


@pytest.mark.timeout(600)
def test_kill_9_at_every_request_of_an_apply(crasher: Crasher, sandbox: Sandbox, api: Api) -> None:
    """Before and after each request from the first write on: resume completes, rollback restores, byte for byte."""
    before = _start_anew(api, crasher)
    sandbox.control("DELETE", "/requests")
    total = crasher.run("apply").requests
    asked = [r["method"] for r in sandbox.requests("api") if r["path"].startswith("/api/")]
    after = state(api)
    assert before != after
    first = asked.index("PUT") + 1
    assert total - first + 1 >= 2 * 3  # for each change a write and a read; before them are reads only
    for number in range(first - 1, total + 1):
        for when, recovery in (("before", "resume"), ("after", "rollback")):
            assert _start_anew(api, crasher) == before
            assert crasher.run("apply", number, when).exit_code == -9
            moved = state(api) != before
            recovered = crasher.run(recovery)
            assert recovered.exit_code == 0, recovered.said
            nothing = "Nothing to" in recovered.said
            assert not (nothing and moved and state(api) != after), (number, when)
            if not nothing:
                assert state(api) == (after if recovery == "resume" else before), (number, when)
            assert verify(crasher.home).intact


@pytest.mark.timeout(600)
def test_kill_9_at_every_request_of_a_rollback(crasher: Crasher, sandbox: Sandbox, api: Api) -> None:
    """An apply that fails is killed inside its rollback: resume goes on undoing, and the state before is restored."""
    before = _start_anew(api, crasher)
    refused = {"method": "PUT", "path_regex": "webhooks", "status": 400, "times": 1}
    sandbox.control("POST", "/faults", refused)
    sandbox.control("DELETE", "/requests")
    total = crasher.run("apply").requests
    asked = [(r["method"], r["path"]) for r in sandbox.requests("api") if r["path"].startswith("/api/")]
    assert state(api) == before
    first = next(place for place, (method, path) in enumerate(asked, 1) if method == "PUT" and "webhooks" in path)
    assert total - first >= 4  # at least a write and a read for each of the two changes undone
    for number in range(first + 1, total + 1):
        for when in ("before", "after"):
            sandbox.control("DELETE", "/faults")
            assert _start_anew(api, crasher) == before
            sandbox.control("POST", "/faults", refused)
            assert crasher.run("apply", number, when).exit_code == -9
            recovered = crasher.run("resume")
            assert recovered.exit_code == 0, recovered.said
            assert state(api) == before, (number, when)
            assert verify(crasher.home).intact
