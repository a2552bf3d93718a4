"""One notebook, three ways: built on its own, Run All by a person, and under papermill; each with its own sandbox."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter

from opslib.walk.steps import STEPS

from ..notebooks import build

SOURCE = """\
# %% tags=["parameters"]
from opslib.widgets import WalkCards, auto_run

AUTO_RUN = auto_run()

# %%
from opslib import Walk, launch

sandbox = launch.use_sandbox_unless_configured()
walk = Walk()
cards = WalkCards(walk)
cards
""" + "".join(
    f"""
# %%
if AUTO_RUN:
    await cards["{name}"].click()
cards["{name}"]
"""
    for name in STEPS
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cards") / ".source" / "00_cards.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def built(source: Path) -> str:
    """The notebook as a build stores it, with its own walk."""
    return built_with(source, "1")


def built_with(source: Path, auto_run: str) -> str:
    environment = build.kernel_environment
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "kernel_environment", lambda home: environment(home) | {"OPSLIB_AUTO_RUN": auto_run})
        return build.build(source)


def bundles(notebook: str) -> list[dict[str, Any]]:
    outputs = [output for cell in json.loads(notebook)["cells"] for output in cell.get("outputs", ())]
    assert {output["output_type"] for output in outputs} == {"execute_result"}
    return [{kind: "".join(data) for kind, data in output["data"].items()} for output in outputs]


@pytest.mark.slow
def test_a_build_walks_through_and_stores_receipts(built: str) -> None:
    """Every card is done and readable without a kernel; no widget state is stored."""
    assert "widgets" not in json.loads(built)["metadata"]
    overview, *cards = bundles(built)
    assert overview["text/plain"] == "0 of 7 steps done"
    assert [card["text/plain"] for card in cards] == [f"{step.title}: done" for step in STEPS.values()]
    assert all("<strong>done</strong>" in card["text/html"] for card in cards)
    assert all(build.WIDGET_VIEW in card for card in cards)


@pytest.mark.slow
def test_a_second_build_is_the_same(source: Path, built: str) -> None:
    """On another sandbox with other ports: byte for byte, and nothing is tagged volatile."""
    assert built_with(source, "1") == built


@pytest.mark.slow
def test_run_all_by_a_person_raises_nothing(source: Path) -> None:
    """Fresh kernel, nobody has clicked: every card shows what it waits for."""
    _, first, *others = bundles(built_with(source, ""))
    assert first["text/plain"] == "Connect: ready"
    assert {card["text/plain"].split(": ")[1] for card in others} == {"waiting"}


@pytest.mark.parametrize("template", ["lab", "basic"])
def test_nbconvert_shows_the_receipts(built: str, template: str) -> None:
    """Without widget state, as after a clone."""
    page, _ = HTMLExporter(template_name=template).from_notebook_node(nbformat.reads(built, as_version=4))
    for step in STEPS.values():
        assert f">{step.title}</h3>" in page
    assert "3 changes applied and read back" in page


@pytest.mark.slow
def test_papermill_walks_through_by_parameter(built: str, source: Path, tmp_path: Path) -> None:
    """The same handlers; the parameter wins over the environment."""
    given, done = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    given.write_text(built)
    run(tmp_path, "papermill", str(given), str(done), "-p", "AUTO_RUN", "True", "--no-progress-bar")
    text = [o["data"]["text/plain"] for cell in json.loads(done.read_text())["cells"] for o in cell.get("outputs", ())]
    assert "".join(text[-1]) == "Report: done"


@pytest.mark.slow
def test_nbval_compares_the_receipts(built: str, tmp_path: Path) -> None:
    """Green on what was built; red, in that cell only, when a receipt was changed."""
    (tmp_path / "good.ipynb").write_text(built)
    (tmp_path / "changed.ipynb").write_text(built.replace("the default is AES256", "the default is nothing"))
    command = ("pytest", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-rf")
    said = run(tmp_path, *command, str(tmp_path), status=1, OPSLIB_AUTO_RUN="1")
    assert "1 failed, 17 passed" in said
    assert "FAILED changed.ipynb::Cell 3" in said


def run(home: Path, module: str, *words: str, status: int = 0, **more: str) -> str:
    environment = build.kernel_environment(home) | more
    done = subprocess.run(
        [sys.executable, "-m", module, *words], env=environment, cwd=home, capture_output=True, text=True
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_step_that_fails_fails_the_cell_without_a_traceback(tmp_path: Path) -> None:
    """A run on its own does not go green, and what it shows is cause and fix."""
    failing = tmp_path / "00_fails.py"
    failing.write_text(
        SOURCE.split("# %%\nif AUTO_RUN")[0] + '# %% tags=["raises-exception"]\nawait cards["report"].click()\n'
    )
    (cell,) = [cell for cell in json.loads(built_with(failing, "1"))["cells"] if "click" in "".join(cell["source"])]
    (output,) = cell["outputs"]
    assert output["ename"] == "StepBlocked"
    assert [line.split(":")[0].strip() for line in output["traceback"]] == ["StepBlocked", "Cause", "Fix"]
    assert os.sep not in "".join(output["traceback"])
