"""What a folder, a file or a server cannot make the command line do or show; each command is a process."""

import json
import os
import subprocess
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from ..forks import opslib
from ..hostile import WIPE, acting
from ..world import TARGETS, Sandbox, environment, target, without_settings, write_onboarding


class Shell:
    """A folder of somebody else, and opslib's command line in it, connected to the sandbox by the environment."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.env = without_settings() | environment(sandbox, folder / "home")
        self.file = write_onboarding(folder / "onboarding.yaml", sandbox)

    def run(self, *words: str | Path, code: int | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        with chdir(self.folder):
            ended = opslib(self.env | env, *words)
        assert code in (None, ended.returncode), ended.stdout + ended.stderr
        return ended

    def json(self, *words: str | Path, code: int = 0, **env: str) -> Any:
        return json.loads(self.run(*words, "--json", code=code, **env).stdout)


@pytest.fixture
def shell(sandbox: Sandbox, tmp_path: Path) -> Shell:
    sandbox.control("DELETE", "/requests")
    return Shell(sandbox, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "lines",
    [
        "OPSLIB_LOGIN_URL={login_url}",
        "OPSLIB_ALLOW_ANY_HOST=true",
        "OPSLIB_LOGIN_URL={login_url}\nOPSLIB_CLIENT_SECRET=a-decoy-of-the-folder",
    ],
)
def test_a_folder_does_not_redirect_the_secret(shell: Shell, lines: str) -> None:
    """The error names the setting, the file and what to do; no host is asked, nor AWS."""
    (shell.folder / ".env").write_text(lines.format(**shell.sandbox.facts))
    del shell.env["OPSLIB_LOGIN_URL"]
    for command in (["plan", shell.file], ["doctor"], ["apply", shell.file, "--yes"]):
        error = shell.json(*command, code=1)
        assert error["error"] == "InvalidInput"
        assert str(shell.folder / ".env") in error["cause"]
        assert "nothing was sent" in error["fix"]
        assert shell.sandbox["client_secret"] not in json.dumps(error)
    assert shell.sandbox.requests() == []


@pytest.mark.slow
def test_the_aws_key_does_not_go_where_only_a_dotenv_says(shell: Shell) -> None:
    """An API of the folder's choice, with an OAuth client of its own: the target's secret would be its own, too. With
    the key in the same file, or the URL in the environment, it may be sent."""
    moved = ("OPSLIB_API_URL", "OPSLIB_LOGIN_URL", "OPSLIB_CLIENT_ID", "OPSLIB_CLIENT_SECRET")
    given = {name: shell.env.pop(name) for name in moved}
    dotenv = shell.folder / ".env"
    dotenv.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    for command in (["plan", shell.file], ["apply", shell.file, "--yes"]):
        error = shell.json(*command, code=1)
        assert error["title"] == "The AWS key is not sent to the API that .env names"
        assert str(dotenv) in error["cause"]
    assert {request["method"] for request in shell.sandbox.requests("api")} <= {"GET"}
    shell.run("plan", shell.file, code=2, OPSLIB_API_URL=given["OPSLIB_API_URL"])
    keys = {name: shell.env.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    dotenv.write_text("".join(f"{name}={value}\n" for name, value in (given | keys).items()))
    shell.run("plan", shell.file, code=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["OPSLIB_CLIENT_SECRET", "SOME_TOKEN", "HOME"])
def test_an_onboarding_file_shows_no_variable_that_is_not_an_access_key_id(shell: Shell, name: str) -> None:
    """In no output, no ledger and no request."""
    shell.env["SOME_TOKEN"] = "trust-canary-token-of-the-environment"
    credentials = f"credentials: {{access_key_id_env: {name}, secret_access_key_env: AWS_SECRET_ACCESS_KEY}}"
    shell.file.write_text(
        shell.file.read_text().replace("retention_days: 365}", f"retention_days: 365, {credentials}}}", 1)
    )
    said = shell.run("plan", shell.file, code=1)
    assert shell.env[name] not in (said.stdout + said.stderr).replace(str(shell.folder), "")
    assert name in said.stderr or "opslib's own" in said.stderr
    for file in (shell.folder / "home").glob("*"):
        assert shell.env[name].encode() not in file.read_bytes().replace(str(shell.folder).encode(), b"")
    assert all(request["method"] != "PUT" for request in shell.sandbox.requests())


@pytest.mark.slow
def test_what_the_server_says_acts_on_no_terminal(shell: Shell) -> None:
    """A name, and an error's own words: in plan, doctor, changes and errors."""
    api = shell.sandbox.api()
    assert api("PUT", f"{TARGETS}/t-1", target(name=f"T{WIPE}")).status_code in (200, 201)
    said = [shell.run("plan", shell.file, code=2)]
    subject = {"organization": {"id": "o", "name": WIPE}, "OAuthClient": {"id": WIPE, "name": "n"}}
    fault = {"path_regex": "/tokens/me$", "status": 200, "body": subject}
    shell.sandbox.control("POST", "/faults", fault).raise_for_status()
    said += [shell.run("doctor"), shell.run("changes")]
    refusal = {"message": WIPE, "contextId": WIPE, "code": WIPE}
    fault = {"path_regex": "/targets", "status": 403, "body": refusal}
    shell.sandbox.control("POST", "/faults", fault).raise_for_status()
    said += [shell.run("plan", shell.file, code=1), shell.run("drift", shell.folder, code=1)]
    for run in said:
        lines = (run.stdout + run.stderr).split("\n")
        assert [acting(line) for line in lines] == [""] * len(lines)
        assert not any(line.startswith("intact") for line in lines)
    assert "U+001B[2J" in said[0].stdout
    assert "U+001B[2J" in said[1].stdout
    assert "U+001B[2J" in said[3].stderr


@pytest.mark.slow
def test_doctor_says_where_each_setting_comes_from_and_who_can_write_them(shell: Shell) -> None:
    """As text and as JSON; what everybody can write is a warning of every command, too."""
    dotenv = shell.folder / ".env"
    dotenv.write_text("OPSLIB_TIMEOUT_S=9\n")
    dotenv.chmod(0o666)
    report = shell.json("doctor")
    assert report["settings"]["api_url"] == "the environment"
    assert report["settings"]["timeout_s"] == ".env"
    assert report["settings"]["deadline_s"] == "the default"
    assert {"question": "The .env file is safe", "word": "WARN"}.items() <= report["rows"][1].items()
    (shell.folder / "home").chmod(0o777)
    said = shell.run("doctor", code=0)
    assert f"OPSLIB_TIMEOUT_S from {dotenv}" in said.stdout
    open_to_all = f"every user of this machine can write {shell.folder / 'home'}"
    assert f"WARN     The workspace is safe: {open_to_all}" in said.stdout
    warned = shell.run("plan", shell.file, "--json", code=2)
    assert json.loads(warned.stdout)["checksum"]
    assert f"warning: every user of this machine can write {dotenv}; " in warned.stderr
    assert f"warning: {open_to_all}; " in warned.stderr


EMPTY = [
    ["audit", "--out", ""],
    ["audit", "--out", " "],
    ["export-ledger", "--out", ""],
    ["export", "t-1", "--out", ""],
    ["verify", ""],
    ["plan", ""],
    ["drift", ""],
    ["init", ""],
]


@pytest.mark.parametrize("words", EMPTY, ids=" ".join)
def test_an_empty_path_is_not_this_folder(shell: Shell, words: list[str]) -> None:
    """As `--out "$UNSET"` leaves it: refused, and nothing is written."""
    before = sorted(os.listdir(shell.folder))
    assert "the path is empty" in shell.run(*words, code=1).stderr
    assert sorted(os.listdir(shell.folder)) == before


@pytest.mark.slow
def test_an_export_of_an_onboarding_follows_no_link(shell: Shell) -> None:
    """A link that leads nowhere yet is one that is there."""
    shell.run("apply", shell.file, "--yes", code=0)
    (shell.folder / "out.yaml").symlink_to(shell.folder / "elsewhere")
    assert "exists already" in shell.run("export", "t-1", "--out", "out.yaml", code=1).stderr
    assert not (shell.folder / "elsewhere").exists()
    shell.run("export", "t-1", "--out", "new.yaml", code=0)
