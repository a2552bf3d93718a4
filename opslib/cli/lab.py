import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from opslib.cli import options
from opslib.cli.output import say
from opslib.env_file import PLACE, env_file_path, env_file_values
from opslib.errors import InvalidInput
from opslib.sandbox.launch import use_sandbox_unless_configured
from opslib.settings import Settings
from opslib.suggestion import did_you_mean

_RECORDINGS = 400  # as in notebook 03, which verifies that they arrive
# What boto3 itself reads; of the rest, opslib reads in the file what it needs.
_FOR_BOTO3 = re.compile(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE|REGION|DEFAULT_REGION)")
_FOR_OPSLIB = re.compile(r"OPSLIB_\w+|\w*ACCESS_KEY\w*")


@click.command(epilog=options.examples("opslib lab", "opslib lab notebooks/01_onboard_storage.ipynb --no-browser"))
@click.argument("notebook", type=options.PathType(), default=Path("notebooks/00_start_here.ipynb"))
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def lab(notebook: Path, no_browser: bool) -> int:
    """Open JupyterLab on a notebook, with a sandbox unless an org is configured."""
    if not notebook.is_file():
        raise InvalidInput(
            f"There is no notebook {notebook}",
            cause=f"no such file.{did_you_mean(str(notebook), map(str, notebook.parent.glob('*.ipynb')))}".rstrip("."),
            fix="run it from the project folder",
        )
    _take_over_env_file()
    sandbox = use_sandbox_unless_configured(recordings=_RECORDINGS, planted=True)
    with sandbox or nullcontext(), tempfile.TemporaryDirectory() as config:
        environment = os.environ | {"JUPYTER_CONFIG_PATH": _config_path(Path(config))}
        process = subprocess.Popen(_command(notebook, no_browser), env=environment)  # noqa: S603 (our own command)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return _wait(process)


def _take_over_env_file() -> None:
    """Kernels run in the notebook's folder: tell them where the file is. An environment also decides which programs,
    proxies and certificates are used, so only what boto3 needs for its keys is set in it."""
    Settings.load()  # refuses a URL for a secret from elsewhere
    values = env_file_values()
    # Where AWS is may be said by the file whose key goes there.
    own_key = "AWS_SECRET_ACCESS_KEY" in values and not {"AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"} & os.environ.keys()
    taken = {name for name in values if _FOR_BOTO3.fullmatch(name) or (own_key and name.startswith("AWS_ENDPOINT_URL"))}
    left = [name for name in values if name not in taken | os.environ.keys() and not _FOR_OPSLIB.fullmatch(name)]
    if left:
        say(f"left out of {env_file_path()}; set them in the environment if you mean them: {', '.join(left)}", err=True)
    os.environ[PLACE] = str(env_file_path())
    for name in taken:
        os.environ.setdefault(name, values[name])


def _command(notebook: Path, no_browser: bool) -> list[str]:
    """The address that is printed opens the notebook too, for those whose browser does not open by itself."""
    return [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={notebook.resolve().parent}",
        f"--LabApp.default_url=/lab/tree/{notebook.name}",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",  # nothing leaves this machine
        *(["--no-browser"] if no_browser else []),
        # In a container there is often no other user.
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]


def _config_path(folder: Path) -> str:
    """JUPYTER_CONFIG_PATH with a folder of settings before it: no news is fetched, and a notebook is saved only when it
    is asked for, since the notebooks are under version control and the ledger keeps what was done."""
    (folder / "labconfig").mkdir()
    settings = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
        "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    }
    (folder / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(settings))
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_CONFIG_PATH")]))


def _wait(process: "subprocess.Popen[Any]") -> int:
    """Ctrl-C reaches JupyterLab too, which asks before it ends: so wait on."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            time.sleep(0.1)
