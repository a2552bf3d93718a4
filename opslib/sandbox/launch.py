"""Start the sandbox as a process of its own, and point this process at it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opslib.env_file import env_file_values
from opslib.errors import ConsentMissing, SandboxError

if TYPE_CHECKING:
    from opslib.walk.walk import Walk

VARIABLES = {
    "OPSLIB_API_URL": "api_url",
    "OPSLIB_LOGIN_URL": "login_url",
    "OPSLIB_CLIENT_ID": "client_id",
    "OPSLIB_CLIENT_SECRET": "client_secret",
    "OPSLIB_ORG_ID": "org_id",
    "OPSLIB_CATALOGUE_URL": "datalake_url",
    "OPSLIB_SANDBOX_BUCKET": "bucket",
    "OPSLIB_SANDBOX_ROLE_ARN": "role_arn",
    "OPSLIB_SANDBOX_EXTERNAL_ID": "external_id",
    "OPSLIB_SANDBOX_EXPECTED_FILE": "expected_file",
    "OPSLIB_SANDBOX_TRUTH_FILE": "truth_file",
    "AWS_ENDPOINT_URL_S3": "s3_url",
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_DEFAULT_REGION": "region",
}
"""The variables that point opslib and boto3 at a sandbox, each with its name in what the sandbox prints; it has the two
files only with recordings."""

_STOPS_WITHIN_S = 30.0


@dataclass
class Sandbox(AbstractContextManager["Sandbox"]):
    """A running sandbox. `info` is what it printed when it was ready; see `opslib sandbox --json`.

    It ends with this process, however that ends: it watches its standard input.
    """

    info: dict[str, str] = field(repr=False)  # it has secrets
    process: "subprocess.Popen[str]"

    def __exit__(self, *_: object) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """The variables that point opslib and boto3 at this sandbox."""
        return variables(self.info)

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request to its control endpoint, such as to set a fault. Raises SandboxError."""
        url = urlsplit(self.info["control_url"])
        with closing(HTTPConnection(str(url.hostname), url.port)) as connection:  # http.client uses no proxy
            content = json.dumps(body) if body is not None else None
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        if answer.status >= 400:
            raise SandboxError("The sandbox refused this", cause=text, fix="correct the request", status=answer.status)
        return dict(json.loads(text)) if text else {}

    def stop(self) -> None:
        """End the sandbox and wait for its process; one that does not end by itself is killed."""
        try:
            self.process.communicate(timeout=_STOPS_WITHIN_S)  # closes its standard input first
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


def variables(info: Mapping[str, str]) -> dict[str, str]:
    """The variables that point opslib and boto3 at the sandbox that printed `info`."""
    return {name: info[fact] for name, fact in VARIABLES.items() if fact in info}


def start_sandbox(
    *, seed: int | None = None, recordings: int = 0, planted: bool = False, options: tuple[str, ...] = ()
) -> Sandbox:
    """Start one, with options of `opslib sandbox`, and wait until it is ready. Raises SandboxError.

    `recordings` arrive in its bucket once they are routed there, with `planted` not all as they should.
    """
    seeded = () if seed is None else ("--seed", str(seed))
    recorded = ("--recordings", str(recordings)) if recordings else ()
    defects = ("--planted",) if planted else ()
    process = subprocess.Popen(  # noqa: S603 (our own command)
        [
            sys.executable,
            "-m",
            "opslib.cli",
            "sandbox",
            "--json",
            "--until-stdin-closes",
            *seeded,
            *recorded,
            *defects,
            *options,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C, and an interrupt of the kernel, are meant for others
    )
    assert process.stdout  # noqa: S101 (a pipe)
    line = process.stdout.readline()
    try:
        info: dict[str, str] = json.loads(line)
    except ValueError:
        process.kill()
        raise SandboxError(
            "The sandbox did not start",
            cause=line.strip() or f"it ended with exit code {process.wait()}",
            fix="run `opslib sandbox` in a terminal to see its messages",
        ) from None
    return Sandbox(info, process)


def use_sandbox_unless_configured(*, recordings: int = 0, planted: bool = False) -> Sandbox | None:
    """For notebooks: when no org is configured, start a sandbox and set this process's environment to it."""
    configured = {**env_file_values(), **os.environ}
    if configured.get("OPSLIB_API_URL") or configured.get("OPSLIB_REGION"):
        return None
    sandbox = start_sandbox(seed=7, recordings=recordings, planted=planted)
    os.environ.update(sandbox.environment())
    return sandbox


def on_sandbox() -> bool:
    """Whether this process works on a sandbox."""
    from opslib.settings import Settings  # a second of imports, for the first cell of a notebook

    return Settings.load().on_sandbox


async def onboard_on_sandbox(walk: "Walk") -> list[str]:
    """On a sandbox, the first steps of a walk up to “apply” unless that is done, and what each said; then close it.

    A live org is left as it is, and so is a plan that needs somebody's consent.
    """
    said = []
    async with walk:
        if walk.settings.on_sandbox and walk.state("apply") != "done":
            try:
                said = [step.summary async for step in walk.in_order(until="apply")]
            except ConsentMissing as refused:
                said = [f"Nothing was onboarded here. {refused.title}: {refused.cause}"]
    return said


def example_reason() -> str:
    """A reason for an unsafe change that a notebook makes by itself; empty for a live org, where a person says it."""
    return "an example on a sandbox" if on_sandbox() else ""


def expected_file() -> str:
    """The list of the sandbox's recordings; empty without a sandbox, or when it has none."""
    return os.environ.get("OPSLIB_SANDBOX_EXPECTED_FILE", "")
