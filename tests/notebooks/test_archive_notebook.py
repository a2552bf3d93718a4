"""Notebook 03 without a screen: on both APIs, and after notebook 01 in one workspace."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode

from ..world import Sandbox, environment, running
from . import build
from .execute import execute


@pytest.fixture
def recorded() -> Iterator[Sandbox]:
    with running("--seed", "7", "--recordings", "40", "--planted", "--rate-limit", "10000") as sandbox:
        yield sandbox


def run(name: str, sandbox: Sandbox, folder: Path, **more: str) -> NotebookNode:
    notebook = build.read(build.SOURCES / f"{name}.py")
    known = build.kernel_environment(folder) | environment(sandbox, folder / "opslib") | more
    execute(notebook, folder=build.NOTEBOOKS, environment=known, timeout_s=60)
    return notebook


def shown(notebook: NotebookNode, source: str) -> str:
    """The outputs of the cell that has this in its source."""
    (cell,) = [cell for cell in notebook.cells if source in cell.source and cell.cell_type == "code"]
    return json.dumps(cell.outputs)


def changes(sandbox: Sandbox) -> list[str]:
    asked = sandbox.requests()
    return [one["path"] for one in asked if one["method"] not in ("GET", "HEAD") and one["path"].startswith("/api/")]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["storage-targets", "platform"])
def test_it_routes_first_and_finds_what_is_planted(recorded: Sandbox, tmp_path: Path, backend: str) -> None:
    notebook = run("03_verify_archive", recorded, tmp_path, OPSLIB_BACKEND=backend)
    truth = json.loads(Path(recorded["truth_file"]).read_text())
    assert "3 changes applied and read back" in shown(notebook, "onboard_on_sandbox")
    assert f"Recordings missing: {len(truth['missing'])}." in shown(notebook, "card = ArchiveCard.of(")
    assert all(name in shown(notebook, "card.missing") for name in truth["missing"])
    exported = len(truth["never_exported"])
    assert f"export dates are set for {exported} of {exported} recordings" in shown(notebook, "BackfillCard.of(")
    assert exported == len(truth["missing"])
    assert "40 of 40 recordings that were due arrived" in shown(notebook, "again = ")
    assert notebook.cells[-2].outputs[0]["data"]["text/plain"] == "True"  # the record is intact


@pytest.mark.slow
def test_after_notebook_01_nothing_is_routed_again(recorded: Sandbox, tmp_path: Path) -> None:
    """What 01 did comes back from the ledger. 03 exports what never was, and the next time there is nothing to do."""
    run("01_onboard_storage", recorded, tmp_path)
    recorded.control("DELETE", "/requests")
    first = run("03_verify_archive", recorded, tmp_path)
    assert {path.split("/")[3:5] == ["recording", "jobs"] for path in changes(recorded)} == {True}
    assert shown(first, "onboard_on_sandbox") == "[]"
    assert "FAIL: 39 of 40" in shown(first, "card = ArchiveCard.of(")
    recorded.control("DELETE", "/requests")
    second = run("03_verify_archive", recorded, tmp_path)
    assert changes(recorded) == []
    assert "40 of 40" in shown(second, "card = ArchiveCard.of(")
