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
