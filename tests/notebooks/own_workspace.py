"""A pytest plugin: nbval runs each notebook as the builder did, in its own workspace, with no account of the user."""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from unittest import mock

import pytest

HOMES = pytest.StashKey[Path]()


def kernel_environment(home: Path) -> dict[str, str]:
    """This process's environment with its own workspace and key, and no account of the user; cards run themselves."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith(("OPSLIB_", "AWS_"))}
    kept.pop("MPLBACKEND", None)
    return kept | {
        "OPSLIB_HOME": str(home / "opslib"),
        "OPSLIB_SIGNING_KEY": str(home / "signing_key.pem"),
        "IPYTHONDIR": str(home / "ipython"),
        "OPSLIB_AUTO_RUN": "1",
    }


def pytest_configure(config: pytest.Config) -> None:
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    config.stash[HOMES] = Path(folder.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """The kernel starts inside the set-up of a notebook's first cell."""
    if item.path.suffix != ".ipynb":
        return (yield)
    home = item.config.stash[HOMES] / item.path.stem
    home.mkdir(exist_ok=True)  # Jupyter warns of an IPYTHONDIR that it cannot make
    with mock.patch.dict(os.environ, kernel_environment(home), clear=True):
        return (yield)
