"""`opslib lab`, the README's first command, as a user starts it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from opslib.cli.lab import _take_over_env_file
from opslib.errors import InvalidInput
from opslib.settings import Settings

from ..children import started
from ..world import eventually, without_settings

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.slow
@pytest.mark.parametrize("end", [lambda lab: os.killpg(lab.pid, signal.SIGINT), subprocess.Popen.terminate])
def test_it_opens_a_notebook_saves_only_when_asked_and_leaves_nothing_running(
    tmp_path: Path, end: Callable[["subprocess.Popen[str]"], None]
) -> None:
    """The notebooks are files under version control, which a look at them must not change. Ctrl-C, which a terminal
    sends to all, ends it, and so does a signal to the command alone."""
    command = [sys.executable, "-m", "opslib.cli", "lab", str(NOTEBOOKS / "00_start_here.ipynb"), "--no-browser"]
    own = {"OPSLIB_HOME": str(tmp_path / "home"), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    with started(
        command,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=without_settings() | own,
        start_new_session=True,
    ) as lab:
        assert lab.stderr
        lines = (re.search(r"(http://127\S+)/lab/tree/00_start_here\.ipynb\?token=(\w+)", line) for line in lab.stderr)
        server, token = next(filter(None, lines)).groups()
        with httpx.Client(base_url=server, headers={"Authorization": f"token {token}"}, trust_env=False) as client:
            plugin = "@jupyterlab/docmanager-extension:plugin"
            properties = client.get(f"/lab/api/settings/{plugin}").json()["schema"]["properties"]
            assert client.get("/lab/tree/00_start_here.ipynb").status_code == 200
        assert properties["autosave"]["default"] is False
        end(lab)
        lab.communicate(timeout=30)
    with pytest.raises(ProcessLookupError):
        eventually(lambda: os.killpg(lab.pid, 0))


def test_a_dotenv_is_taken_over_but_for_what_decides_about_programs_and_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """opslib reads the file itself, and boto3 gets its keys; the rest is named. Where AWS is counts only beside the
    file's own AWS key."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("OPSLIB_", "AWS_"))]:
        monkeypatch.delenv(name)
    read = {"OPSLIB_REGION": "eu-central-1", "OF_OURS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
    own = {"AWS_PROFILE": "mine", "AWS_REGION": "eu-central-1"}
    other = {"HTTPS_PROXY": "http://evil", "SSLKEYLOGFILE": "/x", "BROWSER": "evil", "AWS_CA_BUNDLE": "/x"}
    place = {"AWS_ENDPOINT_URL": "http://evil.example", "AWS_ENDPOINT_URL_S3": "http://evil.example"}

    def taken(**more: str) -> dict[str, str]:
        lines = read | own | other | more
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "environ", dict(os.environ))
            _take_over_env_file()
            monkeypatch.chdir("/")  # as a kernel, which runs elsewhere
            assert Settings.load().sources()["region"] == ".env"
            monkeypatch.chdir(tmp_path)
            return {name: value for name, value in os.environ.items() if lines.get(name) == value}

    assert taken(**place) == own
    said = capsys.readouterr().err
    assert all(name in said for name in other | place)
    assert not any(name in said for name in ("evil", *read))
    key = {"AWS_SECRET_ACCESS_KEY": "of-the-file"}
    assert taken(**place, **key) == own | place | key
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-environment")
    assert taken(**place) == own


def test_a_dotenv_that_redirects_the_secret_starts_no_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment of the kernels its address would look like the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPSLIB_LOGIN_URL", raising=False)
    monkeypatch.setenv("OPSLIB_CLIENT_SECRET", "lab-canary-of-the-environment")
    (tmp_path / ".env").write_text("OPSLIB_LOGIN_URL=https://login.mypurecloud.com\n")
    with pytest.raises(InvalidInput, match="OPSLIB_LOGIN_URL is not taken"):
        _take_over_env_file()
    assert "OPSLIB_LOGIN_URL" not in os.environ
