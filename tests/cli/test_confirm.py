"""y/N before a write: asked on a real terminal, elsewhere `--yes` is needed; nothing is sent without a yes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .. import terminal
from ..children import started
from ..forks import opslib
from ..terminal import INTERRUPT, PROMPT
from ..world import TARGETS, Api, Sandbox, eventually, without_settings

REMOVAL = ("--allow", "delete", "--reason", "a test")


def written(sandbox: Sandbox) -> list[str]:
    return [request["path"] for request in sandbox.requests("api") if request["method"] in ("PUT", "POST", "DELETE")]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["apply", "onboard"])
def test_it_asks_before_it_writes(env: dict[str, str], file: Path, sandbox: Sandbox, api: Api, command: str) -> None:
    """The question says what is written and where: how much, to which org, sandbox or live. Only y is a yes."""
    for answer in ("n", "", "N", INTERRUPT):
        said = terminal.opslib(env, command, file, answers=[answer])
        assert said.code == (1 if answer == INTERRUPT else 2), said.text
        assert "nothing was written" in said.text
        assert f"{PROMPT}Interrupted" not in said.text
    assert written(sandbox) == []
    question = " ".join(said.text.partition("Apply 3 changes")[2].partition(PROMPT)[0].split())
    for words in ("create target T", "create policy P", "SANDBOX", sandbox["org_id"], sandbox["api_url"]):
        assert words in question
    done = terminal.opslib(env, command, file, answers=["y"])
    assert done.code == 0, done.text
    assert done.text.count("+ create target T (t-1)") == 1
    assert api("GET", f"{TARGETS}/t-1").is_success


def test_a_live_org_is_called_live(env: dict[str, str], file: Path, sandbox: Sandbox) -> None:
    """An org that is not known to be a sandbox is live, also on this machine."""
    said = terminal.opslib(env | {"OPSLIB_SANDBOX_BUCKET": ""}, "apply", file, answers=["n"])
    question = " ".join(said.text.partition("Apply 3 changes")[2].split())
    assert ("the LIVE org" in question, "SANDBOX" in question) == (True, False)


@pytest.mark.slow
def test_yes_asks_nothing(env: dict[str, str], file: Path) -> None:
    """Also on a terminal; and nobody is asked about nothing."""
    assert terminal.opslib(env, "apply", file, "--yes").code == 0
    again = terminal.opslib(env, "apply", file)
    assert (again.code, "Nothing to do" in again.text) == (0, True)


@pytest.mark.slow
def test_a_removal_asks_once_it_is_allowed(env: dict[str, str], file: Path, sandbox: Sandbox, api: Api) -> None:
    """Without consent it says what is needed, and asks nothing that would be refused."""
    assert opslib(env, "apply", file, "--yes").returncode == 0
    refused = terminal.opslib(env, "offboard", file)
    assert (refused.code, '--allow delete --reason "…"' in refused.text) == (2, True)
    assert terminal.opslib(env, "offboard", file, *REMOVAL, answers=["n"]).code == 2
    assert api("GET", f"{TARGETS}/t-1").is_success
    assert terminal.opslib(env, "offboard", file, *REMOVAL, answers=["y"]).code == 0
    assert api("GET", f"{TARGETS}/t-1").status_code == 404


def test_where_nobody_can_be_asked_yes_is_needed(env: dict[str, str], file: Path, sandbox: Sandbox) -> None:
    """In a pipe, and with --json also on a terminal: apply and offboard show the plan, onboard is refused at once."""
    for command, code in (("apply", 2), ("onboard", 1)):
        done = opslib(env, command, file)
        assert (done.returncode, "--yes" in done.stderr) == (code, True)
    for command, code in (("apply", 2), ("onboard", 1)):
        said = terminal.opslib(env, command, file, "--json")
        assert said.code == code
        assert json.loads(said.text)
    assert written(sandbox) == []


@pytest.mark.slow
@pytest.mark.parametrize("recovery", ["resume", "rollback"])
def test_a_recovery_says_what_is_unfinished_and_asks(
    env: dict[str, str], file: Path, sandbox: Sandbox, recovery: str
) -> None:
    """No leaves it half-done (exit code 3); off a terminal it does not ask; with nothing to do neither."""
    nothing = terminal.opslib(env, recovery)
    assert (nothing.code, "no apply is unfinished" in nothing.text) == (0, True)
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies", "delay_s": 30})
    command = [sys.executable, "-m", "opslib.cli", "apply", str(file), "--yes"]
    process = started(command, env=env, stdout=subprocess.DEVNULL)
    eventually(lambda: any("policies" in path for path in written(sandbox)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.control("DELETE", "/faults")
    before = written(sandbox)
    declined = terminal.opslib(env, recovery, answers=["n"])
    assert declined.code == 3
    assert "create target T: done" in declined.text
    assert "create webhook" in declined.text
    assert written(sandbox) == before
    done = terminal.opslib(env, recovery, answers=["y"]) if recovery == "resume" else opslib(env, recovery)
    assert (done.code if recovery == "resume" else done.returncode) == 0


@pytest.mark.slow
def test_a_sandbox_of_its_own_asks_on_a_terminal_only(tmp_path: Path) -> None:
    """`onboard --sandbox` needs no --yes in a pipe; on a terminal it asks like any command that writes."""
    env = without_settings() | {"OPSLIB_HOME": str(tmp_path)}
    said = terminal.opslib(env, "onboard", "--sandbox", answers=["n"])
    assert (said.code, "in the SANDBOX" in " ".join(said.text.split())) == (2, True)
    assert opslib(env, "onboard", "--sandbox").returncode == 0
