"""Notebook 06 without a screen: on both APIs, after notebook 01 in one workspace, and where it must not delete."""

from pathlib import Path

import pytest
from nbclient.exceptions import CellExecutionError

from opslib.onboarding.file import as_yaml

from ..forks import opslib
from ..router.platform_shapes import integrations
from ..walk.test_steps import onboarding
from ..world import TARGETS, Api, Sandbox, environment
from . import build
from .test_archive_notebook import changes, run, shown

NAME = "06_drift_and_offboard"


def targets(api: Api, backend: str) -> list[str]:
    if backend == "platform":
        return sorted(integrations(api))
    return [one["name"] for one in api("GET", TARGETS).json()["entities"]]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["storage-targets", "platform"])
def test_what_01_made_is_compared_and_removed(sandbox: Sandbox, api: Api, tmp_path: Path, backend: str) -> None:
    """Nothing is onboarded again before; afterwards the org is empty. The next time it begins by onboarding."""
    sandbox.control("PUT", "/settings", {"backend": backend, "rate_limit": 10_000})
    run("01_onboard_storage", sandbox, tmp_path, OPSLIB_BACKEND=backend)
    assert targets(api, backend) != []
    sandbox.control("DELETE", "/requests")
    first = run(NAME, sandbox, tmp_path, OPSLIB_BACKEND=backend)
    assert shown(first, "onboard_on_sandbox") == "[]"
    assert "The org is as the onboarding says" in shown(first, 'drift.step("compare")')
    assert "This is the first look" in shown(first, 'drift.step("changes")')
    assert "3 removed, and read back as gone" in shown(first, 'cards.step("apply")')
    assert targets(api, backend) == []
    again = run(NAME, sandbox, tmp_path, OPSLIB_BACKEND=backend)
    assert "3 changes applied and read back" in shown(again, "onboard_on_sandbox")
    assert "3 removed, and read back as gone" in shown(again, 'cards.step("apply")')
    assert targets(api, backend) == []


@pytest.mark.slow
def test_nothing_is_removed_from_a_live_org_without_a_reason(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """Where nothing says that it is a sandbox, a notebook that runs by itself ends at the consent; nothing is sent."""
    sandbox.control("PUT", "/settings", {"rate_limit": 10_000})
    file = tmp_path / "onboarding.yaml"
    file.write_text(as_yaml(onboarding(sandbox)))
    as_live = {"OPSLIB_ONBOARDING": str(file), "OPSLIB_SANDBOX_BUCKET": ""}
    known = build.kernel_environment(tmp_path) | environment(sandbox, tmp_path / "opslib") | as_live
    onboarded = opslib(known, "onboard", file, "--yes")
    assert onboarded.returncode == 0, onboarded.stderr
    before = targets(api, "storage-targets")
    assert before != []
    sandbox.control("DELETE", "/requests")
    with pytest.raises(CellExecutionError, match="ConsentMissing"):
        run(NAME, sandbox, tmp_path, **as_live)
    assert changes(sandbox) == []
    assert targets(api, "storage-targets") == before
