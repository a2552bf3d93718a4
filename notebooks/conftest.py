"""nbval runs each notebook as the builder did: in a workspace of its own, with no account of the user."""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from unittest import mock

import pytest
from build import kernel_environment

HOMES = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    config.stash[HOMES] = Path(folder.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """The kernel starts inside the set-up of a notebook's first cell."""
    home = item.config.stash[HOMES] / item.path.stem
    with mock.patch.dict(os.environ, kernel_environment(home), clear=True):
        return (yield)
