"""kill -9 before and after every request of an apply and of a rollback that writes, found by counting requests.

A process applies a change and kills itself at the k-th request to the API. Then another resumes or rolls back. What is
killed at a read leaves org and ledger as they are between the writes around it.
"""

import re
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest

from opslib.audit.verify import verify

from ..rewriting import rewriting
from ..world import Api, Json, Sandbox
from . import org as storage_targets
from .conftest import name_of
from .crash_program import Crasher
from .org import WRITES
from .platform_shapes import ANOTHER_ACTIVE, Shaped

# The last one has its role in a credential, and another integration active.
every_org = pytest.mark.parametrize("org", [storage_targets, ANOTHER_ACTIVE], ids=name_of, indirect=True)


@pytest.fixture
def crasher(org: ModuleType, sandbox: Sandbox, tmp_path: Path) -> Crasher:
    shape = {"integration_shape": org.shape} if isinstance(org, Shaped) else {}
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0, **shape})
    return Crasher(sandbox, tmp_path, org.changed(sandbox))


def _start_anew(org: ModuleType, api: Api, crasher: Crasher, *, empty: bool = False) -> bytes:
    org.clear(api)
    if not empty:
        org.seed(api.sandbox, api)
    for path in crasher.home.glob("*"):
        path.unlink()
    return org.state(api)


@pytest.mark.slow
@pytest.mark.timeout(900)
@every_org
@pytest.mark.parametrize("empty", [False, True], ids=["update", "create"])
def test_kill_9_at_every_write_of_an_apply(
    org: ModuleType, crasher: Crasher, sandbox: Sandbox, api: Api, empty: bool
) -> None:
    """Before and after each write: resume completes, rollback restores, byte for byte."""
    state = org.state
    before = _start_anew(org, api, crasher, empty=empty)
    sandbox.control("DELETE", "/requests")
    total = crasher.run("apply").requests
    asked = [r["method"] for r in sandbox.requests("api") if r["path"].startswith("/api/")]
    after = state(api)
    assert before != after
    first = next(place for place, method in enumerate(asked, 1) if method in WRITES)
    assert total - first + 1 >= 2 * 3  # for each change a write and a read; before them are reads only
    for number in _writes(asked, range(first, total + 1)):
        for when, recovery in (("before", "resume"), ("after", "rollback")):
            assert _start_anew(org, api, crasher, empty=empty) == before
            assert crasher.run("apply", number, when).exit_code == -9
            moved = state(api) != before
            recovered = crasher.run(recovery)
            assert recovered.exit_code == 0, recovered.said
            nothing = "Nothing to" in recovered.said
            assert not (nothing and moved and state(api) != after), (number, when)
            if not nothing:
                assert state(api) == (after if recovery == "resume" else before), (number, when)
            assert verify(crasher.home).intact


@pytest.mark.slow
@pytest.mark.timeout(600)
@every_org
def test_kill_9_at_every_write_of_a_rollback(org: ModuleType, crasher: Crasher, sandbox: Sandbox, api: Api) -> None:
    """An apply that fails is killed inside its rollback: resume goes on undoing, and the state before is restored."""
    state = org.state
    before = _start_anew(org, api, crasher)
    refused = {"method": org.REFUSED[0], "path_regex": org.REFUSED[1], "status": 400, "times": 1}
    sandbox.control("POST", "/faults", refused)
    sandbox.control("DELETE", "/requests")
    total = crasher.run("apply").requests
    asked = [(r["method"], r["path"]) for r in sandbox.requests("api") if r["path"].startswith("/api/")]
    assert state(api) == before
    first = next(place for place, request in enumerate(asked, 1) if _is(request, org.REFUSED))
    assert total - first >= 4  # at least a write and a read for each of the two changes undone
    for number in _writes([method for method, _ in asked], range(first + 1, total + 1)):
        for when in ("before", "after"):
            sandbox.control("DELETE", "/faults")
            assert _start_anew(org, api, crasher) == before
            sandbox.control("POST", "/faults", refused)
            assert crasher.run("apply", number, when).exit_code == -9
            recovered = crasher.run("resume")
            assert recovered.exit_code == 0, recovered.said
            assert state(api) == before, (number, when)
            assert verify(crasher.home).intact


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("decision", ["accept", "rollback"])
def test_kill_9_at_every_request_of_a_decision(
    sandbox: Sandbox, api: Api, tmp_path: Path, decision: Literal["accept", "rollback"]
) -> None:
    """A server keeps a policy otherwise than it was sent. The decision is killed, and asked for again: it ends as if it
    had not been killed."""
    org = storage_targets
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})

    def keep_30_days(path: str, body: Json) -> None:
        if "policies" in path:
            body["retentionPeriodDays"] = 30

    with rewriting(sandbox["api_url"], keep_30_days) as url:
        crasher = Crasher(sandbox, tmp_path, org.onboarding(sandbox), api_url=url)

        def stand_before_the_decision() -> None:
            _start_anew(org, api, crasher, empty=True)
            assert "ServerKeptOther" in crasher.run("apply").said

        stand_before_the_decision()
        sandbox.control("DELETE", "/requests")
        ended = crasher.run(decision)
        assert ended.exit_code == 0, ended.said
        asked = [r["method"] for r in sandbox.requests("api") if r["path"].startswith("/api/")]
        decided = org.state(api)
        assert len(asked) == ended.requests >= 5
        for number, method in enumerate(asked, 1):
            for when in ("before", "after") if method in WRITES else ("before",):
                stand_before_the_decision()
                assert crasher.run(decision, number, when).exit_code == -9
                again = crasher.run(decision)
                assert again.exit_code == 0, again.said
                assert org.state(api) == decided, (number, when)
                assert verify(crasher.home).intact


def _writes(asked: list[str], numbers: range) -> list[int]:
    return [number for number in numbers if asked[number - 1] in WRITES]


def _is(request: tuple[str, str], refused: tuple[str, str]) -> bool:
    return request[0] == refused[0] and re.search(refused[1], request[1]) is not None
