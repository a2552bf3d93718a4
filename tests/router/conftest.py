"""The two orgs that a plan is made for, and an operator in each."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from ..world import Sandbox
from . import org as storage_targets
from . import platform_org as platform
from .org import Operator, operator


@pytest.fixture(params=[storage_targets, platform], ids=lambda org: org.NAME)
def org(request: pytest.FixtureRequest) -> ModuleType:
    """One of the two: `onboarding`, `changed`, `seed`, `clear` and `state` for its API."""
    return request.param


@pytest.fixture
async def ops(
    org: ModuleType, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Operator]:
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    async with operator(sandbox, tmp_path / "home", monkeypatch, org.NAME) as ops:
        yield ops
