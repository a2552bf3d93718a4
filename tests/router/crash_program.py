"""A process that applies, resumes or rolls back, and kills itself at the k-th request to the API.

It is forked from a server that has imported opslib already: a kill is tried at every request of two applies.
"""

import asyncio
import functools
import os
import signal
import traceback
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import httpx

from opslib import Onboarding
from opslib.genesys import creations
from opslib.onboarding.models import Consent
from opslib.router.apply import Applier
from opslib.walk import context
from opslib.walk.steps import RECOVERY
from opslib.walk.walk import Walk

from ..forks import FORKS
from ..world import Sandbox, environment

How = Literal["apply", "resume", "rollback", "accept", "overwrite"]
When = Literal["before", "after"]


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (-9: killed), and, unless killed, what it said and how often it asked."""

    exit_code: int | None
    said: str = ""
    requests: int = 0


class Crasher:
    """Runs the program against a sandbox, in one workspace. Only requests of the methods `counted` count, if any."""

    def __init__(
        self,
        sandbox: Sandbox,
        home: Path,
        wanted: Onboarding,
        *,
        api_url: str = "",
        settles_within_s: float = 0.5,
        counted: Sequence[str] = (),
    ) -> None:
        self.home, self._limits = home, (settles_within_s, tuple(counted))
        # As a file says it: what was not set stays so.
        self._wanted = wanted.model_dump_json(exclude_unset=True)
        self._environment = environment(sandbox, home) | ({"OPSLIB_API_URL": api_url} if api_url else {})

    def at(self, home: Path) -> "Crasher":
        """The same in another workspace."""
        other = copy(self)
        other.home, other._environment = home, self._environment | {"OPSLIB_HOME": str(home)}
        return other

    def run(self, how: How, at: int = 0, when: When = "before") -> Ended:
        """Run it to its end; `at` is the request at which to die (0: none)."""
        ours, its = FORKS.Pipe(duplex=False)
        process = FORKS.Process(
            target=_program, args=(its, self._environment, self._wanted, how, at, when, *self._limits)
        )
        process.start()
        its.close()
        with ours:
            try:
                said, requests = ours.recv()
            except EOFError:  # it was killed
                said, requests = "", 0
        process.join()
        return Ended(process.exitcode, said, requests)


def _program(
    pipe: Connection,
    variables: dict[str, str],
    wanted: str,
    how: How,
    at: int,
    when: When,
    settles_within_s: float,
    methods: tuple[str, ...],
) -> None:
    for name in [name for name in os.environ if name.startswith(("OPSLIB_", "AWS_"))]:
        del os.environ[name]
    os.environ.update(variables)
    # How late the sandbox may be; opslib waits for as long where it cannot know.
    creations.SETTLES_WITHIN_S = settles_within_s
    context.Applier = functools.partial(Applier, settles_within_s=settles_within_s)  # type: ignore[misc, assignment]
    send, seen = httpx.AsyncHTTPTransport.handle_async_request, 0

    async def counted(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        nonlocal seen
        api = request.url.path.startswith("/api/") and (not methods or request.method in methods)
        seen += api
        this_one = api and seen == at
        if this_one and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        response = await send(self, request)
        if this_one:
            await response.aread()
            os.kill(os.getpid(), signal.SIGKILL)
        return response

    httpx.AsyncHTTPTransport.handle_async_request = counted  # type: ignore[method-assign]
    said = ""
    try:
        said = asyncio.run(_go(Onboarding.model_validate_json(wanted), how))
    except Exception:
        said = traceback.format_exc()
        raise
    finally:
        pipe.send((said, seen))


async def _go(wanted: Onboarding, how: How) -> str:
    async with Walk(wanted) as walk:
        if how in RECOVERY:
            return (await walk.run(how)).summary
        for step in ("connect", "validate_bucket", "plan", "approve", "apply"):
            if step == "approve":
                walk.consent = Consent(confirm=wanted.target.name, reason="test")
            await walk.run(step)
        return "applied"
