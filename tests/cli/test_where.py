"""`opslib where`, and workspaces: everybody sees which ledger they see, and a sandbox's is never a live org's."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opslib.ledger.ledger import Ledger
from opslib.settings import Settings

from ..children import started
from ..forks import opslib
from ..world import Sandbox, environment, without_settings, write_onboarding

LIVE = {"OPSLIB_REGION": "eu-central-1", "OPSLIB_CLIENT_ID": "c", "OPSLIB_CLIENT_SECRET": "where-canary-0123456789"}


@pytest.fixture
def base(tmp_path: Path) -> dict[str, str]:
    """No account and no workspace, in a home folder of its own."""
    return without_settings() | {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}


def where(env: dict[str, str], *words: str) -> Any:
    done = opslib(env, "where", "--json", *words)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout)


def test_it_names_org_workspace_runs_and_sources(base: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    """As text and as JSON, without asking anybody; no secret, and a look makes no ledger."""
    env = base | environment(sandbox, tmp_path / "home")
    here = where(env)
    assert (here["kind"], here["api_url"], here["org_id"]) == ("sandbox", sandbox["api_url"], sandbox["org_id"])
    assert (here["backend"], here["workspace"], here["runs"]) == ("storage-targets", str(tmp_path / "home"), [])
    assert not (tmp_path / "home").exists()
    assert sandbox.requests() == []
    sources = {one["name"]: one["source"] for one in here["settings"]}
    assert (sources["OPSLIB_API_URL"], sources["OPSLIB_TIMEOUT_S"]) == ("the environment", "the default")
    assert {name.removeprefix("OPSLIB_").lower() for name in sources} == set(Settings.model_fields)
    assert opslib(env, "plan", write_onboarding(tmp_path / "t.yaml", sandbox)).returncode == 2
    (run,) = where(env)["runs"]
    assert run["command"] == "plan"
    said = opslib(env, "where").stdout
    assert said.startswith("SANDBOX: ")
    for words in (run["id"], str(tmp_path / "home"), "OPSLIB_API_URL: http", "(from the environment)"):
        assert words in said
    assert where(env, "--runs", "0")["run_count"] == 1
    for secret in ("client_secret", "aws_secret_access_key"):
        assert sandbox[secret] not in said + json.dumps(here)


def test_live_sandbox_or_neither(base: dict[str, str], sandbox: Sandbox) -> None:
    """A sandbox that was named earlier makes no live org a sandbox; without an org there is none."""
    assert where(base)["kind"] == "none"
    assert where(base | LIVE)["kind"] == where(base | LIVE | {"OPSLIB_SANDBOX_BUCKET": "b"})["kind"] == "live"
    assert opslib(base | LIVE, "where").stdout.startswith("LIVE: ")


def test_a_dotenv_is_named_as_the_source(base: dict[str, str], tmp_path: Path) -> None:
    """By its path: the file of another folder is another one."""
    (tmp_path / ".env").write_text("OPSLIB_TIMEOUT_S=9\n")
    env = base | {"OPSLIB_ENV_FILE": str(tmp_path / ".env")}
    assert f"OPSLIB_TIMEOUT_S: 9.0 (from {tmp_path / '.env'})" in opslib(env, "where").stdout


def test_typing_errors_in_names_of_settings_are_reported(base: dict[str, str], tmp_path: Path) -> None:
    """Of the environment and of .env, by every command that reads settings; what is right is not."""
    (tmp_path / ".env").write_text("OPSLIB_BAKEND=platform\n")
    env = (
        base | LIVE | {"OPSLIB_ENV_FILE": str(tmp_path / ".env"), "OPSLIB_REGOIN": "eu-west-1", "OPSLIB_AUTO_RUN": "1"}
    )
    for command in (["where"], ["init", tmp_path / "x.yaml"], ["audit", "--out", tmp_path / "out"]):
        said = opslib(env, *command).stderr
        assert (
            "warning: OPSLIB_REGOIN, in the environment, is not a setting of opslib. Did you mean 'OPSLIB_REGION'?"
            in said
        )
        assert "warning: OPSLIB_BAKEND, in .env, is not a setting of opslib. Did you mean 'OPSLIB_BACKEND'?" in said
        assert said.count("is not a setting") == 2
    assert where(env)["unknown"] == ["OPSLIB_REGOIN", "OPSLIB_BAKEND"]


@pytest.mark.slow
def test_a_sandbox_and_a_live_org_do_not_share_a_ledger(base: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    """By default they have two workspaces. In one that is named for both, the second is refused, whichever it is, and
    not one entry is written."""
    own = environment(sandbox, tmp_path / "home")
    named, unnamed = base | own, {name: value for name, value in (base | own).items() if name != "OPSLIB_HOME"}
    file = write_onboarding(tmp_path / "t.yaml", sandbox)
    live = {"OPSLIB_SANDBOX_BUCKET": ""}  # the same org, as a gateway on this machine: it may be a live one
    first, second = where(unnamed)["workspace"], where(unnamed | live)["workspace"]
    assert first != second
    assert where(base)["workspace"] == first  # without an org, opslib works on a sandbox
    for before, after in ((named, named | live), (named | live, named)):
        home = tmp_path / f"of {'live' if after is named else 'sandbox'}"
        before, after = (env | {"OPSLIB_HOME": str(home)} for env in (before, after))
        assert opslib(before, "plan", file).returncode == 2
        entries = list(Ledger(home).entries())
        for command in (["plan", file], ["apply", file, "--yes"], ["onboard", file, "--yes"], ["doctor"], ["resume"],
                        ["changes"]):  # fmt: skip
            refused = opslib(after, *command)
            assert refused.returncode == 1
            assert f"The workspace {home} is for " in refused.stderr
            assert "OPSLIB_HOME" in refused.stderr
        assert list(Ledger(home).entries()) == entries
        assert "so other commands refuse it here" in opslib(after, "where").stdout
        assert where(before)["workspace_fits"]
    refused = opslib(base | live | {"OPSLIB_HOME": str(home)}, "onboard", "--sandbox")
    assert "is for a live org" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["both", "storage-targets", "platform"])
def test_the_sandbox_s_lines_set_everything(base: dict[str, str], backend: str, tmp_path: Path) -> None:
    """The README's promise: paste the lines, and the file that `init` writes fits this sandbox, to the end of the walk.
    What the terminal was set to before does not count: another org, backend, workspace, profile or session."""
    command = [sys.executable, "-m", "opslib.cli", "sandbox", "--backend", backend]
    with started(command, env=base, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("Then: "):
                    break
            pasted = "".join(line for line in lines if line.startswith(("export ", "unset ")))
            assert re.findall(r"^export (OPSLIB_BACKEND|OPSLIB_HOME)=", pasted, re.MULTILINE)
            file, opslib_ = tmp_path / "new.yaml", f"{sys.executable} -m opslib.cli"
            script = (
                f"{pasted}\nset -e\n{opslib_} init {file}\n{opslib_} onboard {file} --yes\n{opslib_} where --json\n"
            )
            other = {"OPSLIB_BACKEND": "platform", "OPSLIB_ONBOARDING": "/nowhere.yaml"}
            other |= {"OPSLIB_HOME": str(tmp_path / "x"), "AWS_PROFILE": "none", "AWS_SESSION_TOKEN": "another's"}
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=base | LIVE | other)
            assert done.returncode == 0, done.stdout + done.stderr
            here = json.loads(done.stdout.splitlines()[-1])
            assert here["kind"] == "sandbox"
            assert here["backend"] == ("platform" if backend == "platform" else "storage-targets")
            assert not (tmp_path / "x").exists()
        finally:
            process.terminate()
