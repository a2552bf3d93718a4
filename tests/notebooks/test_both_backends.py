"""Notebook 01 without a screen on both APIs: the same cells, whatever carries the onboarding."""

from pathlib import Path

import pytest

from ..world import Api, Sandbox, environment
from . import build
from .execute import execute

SOURCE = build.SOURCES / "01_onboard_storage.py"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["storage-targets", "platform"])
def test_the_whole_notebook(sandbox: Sandbox, api: Api, tmp_path: Path, backend: str) -> None:
    """Every card ends done, no cell fails, the record is intact, and the org that it ran on has the objects."""
    sandbox.control("PUT", "/settings", {"backend": backend, "rate_limit": 10_000})
    notebook = build.read(SOURCE)
    known = build.kernel_environment(tmp_path) | environment(sandbox, tmp_path / "opslib")
    execute(notebook, folder=build.NOTEBOOKS, environment=known | {"OPSLIB_BACKEND": backend}, timeout_s=60)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = "\n".join("".join(output.get("data", {}).get("text/html", "")) for output in outputs)
    words = {"storage-targets": "the org serves storage targets", "platform": "the org serves the platform API"}
    assert words[backend] in shown
    assert "3 changes applied and read back" in shown
    assert "The data lake received" in shown
    assert outputs[-1]["data"]["text/plain"] == "True"  # the record is intact
    name = "/api/v2/recording/storage/targets" if backend == "storage-targets" else "/api/v2/integrations"
    assert "ProdVoiceArchive" in [one["name"] for one in api("GET", f"{name}?pageSize=50").json()["entities"]]
