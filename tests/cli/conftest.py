"""The command line on the sandbox, with a workspace and an onboarding file for each test."""

from pathlib import Path

import pytest

from ..world import Sandbox, environment, without_settings, write_onboarding


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return without_settings() | environment(sandbox, tmp_path / "home")


@pytest.fixture
def file(sandbox: Sandbox, tmp_path: Path) -> Path:
    return write_onboarding(tmp_path / "target.yaml", sandbox)
