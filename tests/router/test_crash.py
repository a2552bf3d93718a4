"""kill -9 before and after every request of an apply and of a rollback, found by counting requests.

A small program applies a change and kills itself at the k-th request to the API. Then another resumes or rolls back.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opslib.ledger import verify

from ..world import Api, Sandbox, environment
from .org import changed, clear, seed, state

# argv: what to do (apply, resume, rollback), the request at which to die (0: none), before or after it.
PROGRAM = """
import asyncio, os, signal, sys
import httpx
from opslib import Onboarding
from opslib.steps import Walk

how, at, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
send, seen = httpx.AsyncHTTPTransport.handle_async_request, 0

async def counted(self, request):
    global seen
    api = request.url.path.startswith("/api/")
    seen += api
    this_one = api and seen == at
    if this_one and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    response = await send(self, request)
    if this_one:
        await response.aread()
        os.kill(os.getpid(), signal.SIGKILL)
    return response

httpx.AsyncHTTPTransport.handle_async_request = counted

async def main():
    async with Walk(Onboarding.model_validate_json(sys.argv[4])) as walk:
        if how != "apply":
            print(await getattr(walk, how)())
            return
        from opslib.models import Consent
        walk.consent = Consent(confirm=walk.onboarding.target.name, reason="test")
        for step in ("connect", "validate_bucket", "plan", "approve", "apply"):
            await walk.run(step)

try:
    asyncio.run(main())
finally:
    print("requests", seen, flush=True)
"""


class Crasher:
    """Runs the program against the shared sandbox."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.home = home
        self._wanted = changed(sandbox).model_dump_json()
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("OPSLIB_", "AWS_"))}
        self._env = mine | environment(sandbox, home)

    def run(self, how: str, at: int = 0, when: str = "before") -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", PROGRAM, how, str(at), when, self._wanted]
        return subprocess.run(command, capture_output=True, text=True, env=self._env, timeout=60)

    def requests(self, how: str) -> int:
        """How many requests it takes, when it is not killed."""
        return int(self.run(how).stdout.split()[-1])


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
    total = crasher.requests("apply")
    asked = [r["method"] for r in sandbox.requests("api") if r["path"].startswith("/api/")]
    after = state(api)
    assert before != after
    first = asked.index("PUT") + 1
    assert total - first + 1 >= 2 * 3  # for each change a write and a read; before them are reads only
    for number in range(first - 1, total + 1):
        for when, recovery in (("before", "resume"), ("after", "rollback")):
            assert _start_anew(api, crasher) == before
            assert crasher.run("apply", number, when).returncode == -9
            moved = state(api) != before
            recovered = crasher.run(recovery)
            assert recovered.returncode == 0, recovered.stderr
            nothing = "nothing to" in recovered.stdout
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
    total = crasher.requests("apply")
    asked = [(r["method"], r["path"]) for r in sandbox.requests("api") if r["path"].startswith("/api/")]
    assert state(api) == before
    first = next(place for place, (method, path) in enumerate(asked, 1) if method == "PUT" and "webhooks" in path)
    assert total - first >= 4  # at least a write and a read for each of the two changes undone
    for number in range(first + 1, total + 1):
        for when in ("before", "after"):
            sandbox.control("DELETE", "/faults")
            assert _start_anew(api, crasher) == before
            sandbox.control("POST", "/faults", refused)
            assert crasher.run("apply", number, when).returncode == -9
            recovered = crasher.run("resume")
            assert recovered.returncode == 0, recovered.stderr
            assert state(api) == before, (number, when)
            assert verify(crasher.home).intact
