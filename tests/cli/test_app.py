"""The command line as a user runs it: a process, its exit code, stdout and stderr."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from opslib.cli.app import cli
from opslib.onboarding.models import EXCEPTION_DAYS
from opslib.sandbox.launch import start_sandbox

from ..world import Sandbox, environment, without_settings, write_onboarding

README = Path(__file__).parents[2] / "README.md"


def _opslib(*words: str | Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "opslib.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=without_settings() | (env or {}), timeout=60)


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return environment(sandbox, tmp_path / "home")


@pytest.fixture
def file(sandbox: Sandbox, tmp_path: Path) -> Path:
    return write_onboarding(tmp_path / "target.yaml", sandbox)


def test_help_says_how_long_a_consent_holds() -> None:
    """The number is the model's, which is not imported for the help."""
    for command in ("apply", "onboard", "offboard"):
        shown = " ".join(_opslib(command, "--help").stdout.split())
        assert f"by default {EXCEPTION_DAYS} days from now" in shown


@pytest.mark.slow
def test_onboard_and_verify(env: dict[str, str], file: Path, tmp_path: Path) -> None:
    """The same steps as the notebook; then the ledger proves itself, and tampering shows in the exit code."""
    done = _opslib("onboard", file, "--yes", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    steps = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert [step.split()[0] for step in steps] == ["done"] * 7
    assert "         + create target T (t-1)" in done.stdout
    found = _opslib("verify", tmp_path / "home", "--json")
    assert (found.returncode, json.loads(found.stdout)["intact"]) == (0, True)
    ledger = tmp_path / "home" / "ledger.sqlite3"
    with sqlite3.connect(ledger) as db:
        db.execute("UPDATE entries SET body = replace(body, 'success', 'failure') WHERE kind = 'sample'")
    db.close()
    found = _opslib("verify", ledger)
    assert found.returncode == 1
    assert "NOT INTACT" in found.stdout


def test_onboard_json_is_one_document(env: dict[str, str], file: Path) -> None:
    """Seven steps, each with its state."""
    done = _opslib("onboard", file, "--yes", "--json", env=env)
    assert [step["state"] for step in json.loads(done.stdout)["steps"]] == ["done"] * 7


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"OPSLIB_CLIENT_SECRET": "cli-canary-wrong-secret-0123456789"}, "AuthenticationFailed"),
        ({"OPSLIB_API_URL": "http://evil.example"}, "InvalidInput"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "AwsCredentialsInvalid"),
        ({"OPSLIB_API_URL": "", "OPSLIB_LOGIN_URL": ""}, "InvalidInput"),
    ],
)
def test_errors_are_cause_and_fix_and_exit_1(env: dict[str, str], file: Path, change: Any, error: str) -> None:
    """On stderr as text, with --json on stdout as one document; never a traceback, never a secret."""
    text = _opslib("onboard", file, "--yes", env=env | change)
    document = _opslib("onboard", file, "--yes", "--json", env=env | change)
    assert (text.returncode, document.returncode, document.stderr) == (1, 1, "")
    assert json.loads(document.stdout)["error"] == error
    assert json.loads(document.stdout)["fix"]
    assert "Fix:" in text.stderr
    for shown in (text.stdout, text.stderr, document.stdout):
        assert "Traceback" not in shown
        assert "cli-canary" not in shown


@pytest.mark.parametrize("words", [["nothing"], ["audit"], ["verify", "--what"], ["sandbox", "--rate-limit", "0"]])
def test_usage_errors_exit_1(words: list[str]) -> None:
    """Also with --json, where stdout stays one document."""
    text, document = _opslib(*words), _opslib(*words, "--json")
    assert (text.returncode, document.returncode) == (1, 1)
    assert "Usage error" in text.stderr
    assert json.loads(document.stdout)["error"] == "InvalidInput"


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_an_error_in_words(env: dict[str, str], file: Path, tmp_path: Path) -> None:
    """In a folder that is not there, or below a plain file; with --json as one document."""
    assert _opslib("onboard", file, "--yes", env=env).returncode == 0
    out = tmp_path / "nodir" / "x.yaml"
    text = _opslib("export", "t-1", "--out", out, env=env)
    assert (text.returncode, text.stdout) == (1, "")
    assert text.stderr.startswith(f"{out} cannot be used\n  Cause: No such file or directory\n  Fix: check the path")
    below = file / "audit"
    for words in ("audit", "export-ledger"):
        document = _opslib(words, "--out", below, "--json", env=env)
        assert (document.returncode, document.stderr) == (1, ""), words
        answer = json.loads(document.stdout)
        assert answer["title"].startswith(str(file)), words
        assert answer["cause"] in ("Not a directory", "File exists")  # mkdir says it of either, the path or its parent


def test_bad_file_sends_nothing(env: dict[str, str], file: Path, sandbox: Sandbox) -> None:
    """A mistake in the file is named with its line before anything is sent."""
    file.write_text(file.read_text().replace("retention_days: 365}\nwebhook", "retention_days: 500}\nwebhook"))
    done = _opslib("onboard", file, "--yes", env=env)
    assert done.returncode == 1
    assert "500 days" in done.stderr
    assert sandbox.requests() == []


def test_no_ledger_to_verify(tmp_path: Path) -> None:
    """A missing ledger is an error, not an intact one."""
    assert _opslib("verify", tmp_path).returncode == 1


def test_the_sandbox_ends_with_its_starter() -> None:
    """A starter that dies without a word leaves nothing running."""
    code = (
        "import os; from opslib.sandbox.launch import start_sandbox\n"
        "print(start_sandbox(seed=3).process.pid, flush=True); os._exit(9)"
    )
    pid = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True).stdout)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            return
        subprocess.run(["sleep", "0.1"], check=True)
    raise AssertionError(f"the sandbox {pid} is still running")


def test_start_and_stop_from_python() -> None:
    """`start_sandbox` gives the environment that opslib needs, and stops cleanly. Shown, it hides the secrets."""
    with start_sandbox(seed=5) as sandbox:
        environment = sandbox.environment()
        assert environment["OPSLIB_API_URL"].startswith("http://127.0.0.1:")
        for name in ("client_secret", "aws_secret_access_key"):
            assert sandbox.info[name] not in repr(sandbox)
        process = sandbox.process
        assert os.getpgid(process.pid) == process.pid  # Ctrl-C, or an interrupt of the kernel, does not reach it
    assert process.returncode == 0


def test_every_command_is_documented() -> None:
    """The README names each command."""
    documented = set(re.findall(r"`opslib ([a-z-]+)", README.read_text()))
    assert set(cli.commands) <= documented


def test_the_help_lists_every_command_in_its_group() -> None:
    """In the order in which they are needed, with whole sentences."""
    shown = _opslib("--help").stdout
    groups = ["Try:", "Change:", "Check:", "Prove:", "  Examples:"]
    assert sorted(groups, key=shown.index) == groups
    listed = re.findall(r"^  ([a-z][a-z-]+)  ", shown, re.MULTILINE)
    assert listed == list(cli.commands)
    assert "..." not in shown.partition("Try:")[2]


@pytest.mark.parametrize("name", [*cli.commands, "archive verify"])
def test_every_command_has_an_example_and_the_names_that_it_takes(name: str) -> None:
    """An example is a line to copy, and its options are ones that there are."""
    command = cli.commands[name.split()[0]].load()
    if name == "archive verify":
        command = command.commands["verify"]
    elif isinstance(command, click.Group):
        return
    shown = _opslib(*name.split(), "--help").stdout
    examples = re.findall(rf"^    (opslib {name}\b.*)$", shown, re.MULTILINE)
    assert examples
    options = [option for parameter in command.params for option in parameter.opts]
    for example in examples:
        assert set(re.findall(r"--[a-z-]+", example)) <= set(options), example
    names = [
        one
        for parameter in command.params
        if isinstance(parameter.type, click.Choice)
        for one in parameter.type.choices
    ]
    assert [one for one in names if one not in "".join(shown.split())] == []


def test_every_command_in_the_list_can_be_imported() -> None:
    """And is called what the list calls it."""
    assert [command.load().name for command in cli.commands.values()] == list(cli.commands)


def test_the_list_of_commands_is_light() -> None:
    """What a command needs is imported when that command runs: `opslib --version` waits for none of it."""
    heavy = {"pandas", "matplotlib", "boto3", "httpx", "pydantic", "ipywidgets", "moto", "structlog"}
    code = f"import sys, opslib.cli.app; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
