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
    assert f"Recordings missing: {len(truth['missing'])}." in shown(notebook, "ArchiveCard.of(")
    assert all(name in shown(notebook, "card.missing") for name in truth["missing"])
    assert notebook.cells[-2].outputs[0]["data"]["text/plain"] == "True"  # the record is intact


@pytest.mark.slow
def test_after_notebook_01_nothing_is_routed_again(recorded: Sandbox, tmp_path: Path) -> None:
    """What 01 did comes back from the ledger, and 03 writes nothing to the org, however often it runs."""
    run("01_onboard_storage", recorded, tmp_path)
    recorded.control("DELETE", "/requests")
    first, second = (run("03_verify_archive", recorded, tmp_path) for _ in range(2))
    assert changes(recorded) == []
    assert shown(first, "onboard_on_sandbox") == "[]"
    lists = [json.loads(shown(one, "card.missing"))[0]["data"]["text/html"] for one in (first, second)]
    assert lists[0] == lists[1] != ""
    assert "FAIL: 39 of 40" in shown(second, "ArchiveCard.of(")
