"""Notebook 01 without a screen on both APIs: the same cells, whatever carries the onboarding."""

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from ..router.platform_shapes import OTHER, integrations, make_other
from ..world import Api, Sandbox, environment
from . import build
from .execute import execute
from .test_archive_notebook import shown as what_it_shows

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
    assert '"text/plain": "True"' in what_it_shows(notebook, "verify(")  # the record is intact
    assert outputs[-1]["data"]["text/plain"] == "7 of 7 steps done"
    name = "/api/v2/recording/storage/targets" if backend == "storage-targets" else "/api/v2/integrations"
    assert "ProdVoiceArchive" in [one["name"] for one in api("GET", f"{name}?pageSize=50").json()["entities"]]


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["role-in-credentials", "with-prefix", "without-prefix", "another-active"])
def test_the_whole_notebook_in_each_shape(sandbox: Sandbox, api: Api, tmp_path: Path, shape: str) -> None:
    """The same cells. Where another integration is active, the plan shows it, and the consent card's words allow it."""
    settings = {"backend": "platform", "rate_limit": 10_000, "integration_shape": shape}
    sandbox.control("PUT", "/settings", settings)
    notebook, another = build.read(SOURCE), shape == "another-active"
    changes, others = 3, {}
    if another:
        make_other(sandbox, api)
        place = next(place for place, cell in enumerate(notebook.cells) if 'cards.step("approve")' in cell.source)
        typed = "from opslib.onboarding.models import Consent\n"
        typed += "walk.consent = Consent(confirm='ProdVoiceArchive', reason='a test')"
        notebook.cells.insert(place, new_code_cell(typed))
        changes, others = 5, {OTHER: "INACTIVE"}
    known = build.kernel_environment(tmp_path) | environment(sandbox, tmp_path / "opslib")
    execute(notebook, folder=build.NOTEBOOKS, environment=known | {"OPSLIB_BACKEND": "platform"}, timeout_s=60)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = "\n".join("".join(output.get("data", {}).get("text/html", "")) for output in outputs)
    assert f"{changes} changes applied and read back" in shown
    assert "The data lake received" in shown
    assert ("Calls of another team (enabled)" in shown) == another
    assert ("replace-active-integration" in shown) == another
    assert '"text/plain": "True"' in what_it_shows(notebook, "verify(")  # the record is intact
    assert outputs[-1]["data"]["text/plain"] == "7 of 7 steps done"
    assert integrations(api) == {"ProdVoiceArchive": "ACTIVE", "DataLakeCatalogSync": "ACTIVE", **others}
