"""The orgs that a plan is made for, and an operator in each."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from ..world import Sandbox
from . import org as storage_targets
from . import platform_org as platform
from .org import Operator, operator
from .platform_shapes import CREDENTIAL, Shaped


def name_of(org: ModuleType | Shaped) -> str:
    return org.shape if isinstance(org, Shaped) else org.NAME


@pytest.fixture(params=[storage_targets, platform, CREDENTIAL], ids=name_of)
def org(request: pytest.FixtureRequest) -> ModuleType | Shaped:
    """One of them: `onboarding`, `changed`, `seed`, `clear` and `state` for its API and its shape."""
    return request.param


@pytest.fixture
async def ops(
    org: ModuleType | Shaped, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Operator]:
    shape = {"integration_shape": org.shape} if isinstance(org, Shaped) else {}
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0, **shape})
    async with operator(sandbox, tmp_path / "home", monkeypatch, org.NAME) as ops:
        yield ops
