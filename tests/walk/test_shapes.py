"""The walk in every shape that an org's S3 integration may have, as the notebook's headless run makes it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opslib import errors
from opslib.audit.verify import verify
from opslib.onboarding.models import Consent
from opslib.sandbox.server.platform.shapes import SHAPES, Shape
from opslib.walk.walk import Walk

from ..router import platform_org as org
from ..router.platform_shapes import OTHER, integrations, make_other
from ..world import Api, Sandbox, environment

REPLACING = Consent(allow=("replace-active-integration",), reason="a test")


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest, sandbox: Sandbox, api: Api) -> Shape:
    """One shape after another, with another team's active integration where it has one."""
    sandbox.control("PUT", "/settings", {"rate_limit": 10_000, "stage_s": 0.0, "integration_shape": request.param})
    if SHAPES[request.param].another_active:
        make_other(sandbox, api)
    return SHAPES[request.param]


@pytest.fixture
async def walk(shape: Shape, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with Walk(org.onboarding(sandbox)) as walk:
        yield walk


async def test_the_whole_walk(walk: Walk, shape: Shape, api: Api, tmp_path: Path) -> None:
    """Every step ends done; with another integration active, by consent to replacing it and to nothing else."""
    if shape.another_active:
        with pytest.raises(errors.ConsentMissing, match="consent") as caught:
            await walk.run_all()
        assert "replace-active-integration" in caught.value.cause
        assert integrations(api) == {OTHER: "ACTIVE"}
    results = await walk.run_all(REPLACING if shape.another_active else None)
    assert [result.state for result in results] == ["done"] * 7
    others = {OTHER: "INACTIVE"} if shape.another_active else {}
    assert integrations(api) == {"T": "ACTIVE", "W": "ACTIVE", **others}
    await walk.aclose()
    assert verify(tmp_path).intact
