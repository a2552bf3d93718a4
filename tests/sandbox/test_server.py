"""The process: what it prints, how it stops."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from opslib.sandbox.launch import Sandbox as Launched

from ..children import started
from ..world import Sandbox, eventually, running

KEYS = {
    "api_url",
    "login_url",
    "s3_url",
    "datalake_url",
    "downloads_url",
    "control_url",
    "client_id",
    "client_secret",
    "org_id",
    "aws_access_key_id",
    "aws_secret_access_key",
    "region",
    "bucket",
    "role_arn",
    "external_id",
}
SEEDED = {"client_id", "org_id", "bucket", "role_arn", "external_id", "region"}
SECRETS = {"client_secret", "aws_secret_access_key"}


@contextmanager
def served(*arguments: str, **popen: Any) -> Iterator[Sandbox]:
    """`opslib sandbox` as a user starts it, with pipes of the test's own."""
    command = [sys.executable, "-m", "opslib.cli", "sandbox", "--json", *arguments]
    popen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True, **popen}
    with started(command, **popen) as process:
        try:
            sandbox = Sandbox(Launched(json.loads(process.stdout.readline()), process))
            with sandbox.http:
                yield sandbox
        finally:
            process.terminate()


def is_open(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as one:
        return one.connect_ex((parts.hostname, parts.port)) == 0


def test_prints_exactly_the_promised_keys(shared):
    """The ready line holds the promised keys and no other, every URL on 127.0.0.1 at a port of its own."""
    assert set(shared.facts) == KEYS
    urls = [urlsplit(value) for name, value in shared.facts.items() if name.endswith("_url")]
    assert {url.hostname for url in urls} == {"127.0.0.1"}
    assert len({url.port for url in urls}) == 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_cleanly_on_a_signal(number, tmp_path):
    """A signal ends it with exit code 0: one line on stdout, none on stderr, ports closed, no file left."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with served(stderr=subprocess.PIPE, env=environment) as sandbox:
        sandbox.s3().put_object(Bucket=sandbox["bucket"], Key="a", Body=b"a")
        sandbox.api()("GET", "/api/v2/webhooks")
        assert any(tmp_path.iterdir())
        sandbox.process.send_signal(number)
        rest, errors = sandbox.process.communicate(timeout=10)
    assert sandbox.process.returncode == 0
    assert (rest, errors) == ("", "")
    assert not any(is_open(url) for name, url in sandbox.facts.items() if name.endswith("_url"))
    assert list(tmp_path.iterdir()) == []


def test_a_held_back_answer_does_not_hold_back_the_stop():
    """With a request waiting out a long delay it still stops, silently and with exit code 0."""
    with served(stderr=subprocess.PIPE) as sandbox:
        sandbox.control("POST", "/faults", {"delay_s": 600})
        with socket.create_connection(("127.0.0.1", urlsplit(sandbox["api_url"]).port)) as waiting:
            waiting.sendall(b"GET /held HTTP/1.1\r\nHost: sandbox\r\n\r\n")
            eventually(sandbox.requests)
            sandbox.process.terminate()
            _, errors = sandbox.process.communicate(timeout=10)
    assert (sandbox.process.returncode, errors) == (0, "")


def test_stops_at_the_end_of_stdin_when_asked():
    """With --until-stdin-closes the end of stdin stops it as a signal would."""
    with served("--until-stdin-closes", stdin=subprocess.PIPE) as sandbox:
        assert sandbox.process.poll() is None
        sandbox.process.stdin.close()
        assert sandbox.process.wait(timeout=10) == 0


def test_one_that_does_not_end_is_killed(monkeypatch):
    """Its process is not left behind."""
    monkeypatch.setattr("opslib.sandbox.launch._STOPS_WITHIN_S", 0.2)
    with served("--until-stdin-closes", stdin=subprocess.PIPE) as sandbox:
        os.kill(sandbox.process.pid, signal.SIGSTOP)
        sandbox.launched.stop()
        assert sandbox.process.returncode == -signal.SIGKILL


def test_same_seed_same_names_other_secrets(shared):
    """The same seed gives the same ids and names; secrets differ and have at least 32 characters."""
    with running("--seed", "7") as twin:
        assert {name: twin[name] for name in SEEDED} == {name: shared[name] for name in SEEDED}
        for name in SECRETS:
            assert twin[name] != shared[name]
            assert len(twin[name]) >= 32


def test_options_set_read_lag_and_rate_limit():
    """--read-lag-s, --rate-limit and --rate-window-s hold from the first request on."""
    with running("--seed", "8", "--read-lag-s", "60", "--rate-limit", "2", "--rate-window-s", "90") as sandbox:
        api = sandbox.api()
        body = {
            "name": "hook",
            "targetUrl": "http://127.0.0.1:9/",
            "events": ["routing.recording.policy.updated"],
            "enabled": True,
            "authentication": {"type": "none"},
        }
        assert api("PUT", "/api/v2/webhooks/w", body).status_code == 201
        assert api("GET", "/api/v2/webhooks/w").status_code == 404
        refused = api("GET", "/api/v2/webhooks/w")
        assert refused.status_code == 429
        assert 60 < int(refused.headers["inin-ratelimit-reset"]) <= 90


def test_human_text_says_how_to_point_opslib_at_it():
    """Without --json the text exports what `opslib lab` sets for its notebooks."""
    command = [sys.executable, "-m", "opslib.cli", "sandbox"]
    with started(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline()]
        while not lines[-1].startswith("export AWS_DEFAULT_REGION="):
            lines.append(process.stdout.readline())
        process.terminate()
    names = {line.removeprefix("export ").partition("=")[0] for line in lines if line.startswith("export")}
    assert names == set(Launched(dict.fromkeys(KEYS, ""), process).environment())


def test_imports_nothing_else_of_opslib():
    """The room is self-contained: of opslib it loads only itself."""
    code = (
        "import sys, json, opslib.sandbox.server.serve; "
        "print(json.dumps([m for m in sys.modules if m.startswith('opslib.')]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = [name for name in json.loads(answer.stdout) if not name.startswith("opslib.sandbox")]
    assert others == []


def test_files_stay_small():
    """One noun per module: no file of the room reaches 400 lines."""
    import opslib.sandbox.server

    for path in Path(opslib.sandbox.server.__file__).parent.glob("*.py"):
        assert len(path.read_text().splitlines()) < 400, path.name
