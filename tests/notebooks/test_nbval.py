"""nbval, as anybody calls it, sees a changed output; and the committed notebooks are fit to be read."""

import os
import re
import subprocess
import sys
import tomllib
from datetime import date
from hashlib import sha256
from pathlib import Path

import nbformat
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from opslib.walk.steps import STEPS

from . import build

PYPROJECT = build.NOTEBOOKS.parent / "pyproject.toml"
PROJECT = tomllib.loads(PYPROJECT.read_text())["project"]
PINS = dict(re.findall(r"(?m)^(\S+)==(\S+)", PYPROJECT.with_name("constraints.txt").read_text()))
VERSIONS = {name: {**PINS, "opslib": PROJECT["version"]}[name] for name in build.STAMPED}
WALK, LESSONS = "01_onboard_storage.ipynb", "05_troubleshooting.ipynb"
COMMITTED = sorted(build.NOTEBOOKS.glob("*.ipynb"))
HOME_PATH = ("/home/", "/Users/", "C:\\Users", str(Path.home()) + "/")


def nbval(notebook: Path) -> subprocess.CompletedProcess[str]:
    """`pytest --nbval`, without any option of ours; the rest is the project's own configuration."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", PYPROJECT, f"--rootdir={notebook.parent}", "--nbval", notebook],
        capture_output=True,
        text=True,
        cwd=notebook.parent,
        env=os.environ | {"CI": ""},
    )


def test_an_untouched_notebook_passes_and_a_changed_output_fails(tmp_path: Path) -> None:
    source = tmp_path / ".source" / "00_tiny.py"
    source.parent.mkdir()
    source.write_text('# %%\n6 * 7\n\n# %% tags=["volatile"]\nimport time\n\ntime.perf_counter_ns()\n')
    notebook = build.built_from(source)
    notebook.write_text(text := build.build(source))
    passed = nbval(notebook)
    assert passed.returncode == 0, passed.stdout
    assert "2 passed" in passed.stdout

    notebook.write_text(text.replace('"42"', '"41"'))
    failed = nbval(notebook)
    assert failed.returncode == 1, failed.stdout
    assert "1 failed, 1 passed" in failed.stdout


def other_versions(versions: dict[str, str]) -> set[str]:
    """What is not opslib's version, a pinned package, or a Python that is supported and exists.

    Tests may run on another Python than the build did. Since 3.11, of 2022, there is one minor version a year.
    """
    python = Version(versions.get("python", "0"))
    known = python in SpecifierSet(PROJECT["requires-python"]) and python.minor <= date.today().year - 2011
    return {name for name in VERSIONS if versions.get(name) != VERSIONS[name]} | (set() if known else {"python"})


def unfit(notebook: nbformat.NotebookNode, source_hash: str) -> list[str]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    stamp = notebook.metadata.get("opslib", {})
    rules = {
        "not run in order": [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)),
        "an error shown": any(
            output.output_type == "error"
            for cell in cells
            if "raises-exception" not in cell.metadata.get("tags", ())
            for output in cell.outputs
        ),
        "widget state stored": "widgets" in notebook.metadata,
        "a home path shown": any(path in nbformat.writes(notebook) for path in HOME_PATH),
        "another source": stamp.get("source_sha256") != source_hash,
        "other versions": bool(other_versions(stamp.get("versions", {}))),
        "another run": stamp.get("run") != build.run_shown(notebook),
    }
    return [rule for rule, broken in rules.items() if broken]


def test_every_rule_can_break() -> None:
    cell = nbformat.v4.new_code_cell("1", execution_count=2)
    cell.outputs = [nbformat.v4.new_output("error", ename="E", evalue="/home/someone/x", traceback=[])]
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}, "opslib": {"run": "none shown"}})
    assert len(unfit(notebook, "a hash")) == 7


def test_wrong_versions_are_named() -> None:
    """Of Python, another one that there is passes."""
    versions = VERSIONS | {"python": "3.12.0"}
    assert other_versions(versions) == set()
    for name in versions:
        assert other_versions(versions | {name: "3.99.0"}) == {name}
        assert other_versions({one: versions[one] for one in versions if one != name}) == {name}
    assert other_versions(versions | {"python": "3.10.9"}) == {"python"}


# One test, not one per file: an empty parametrisation would be a skipped test.
def test_the_committed_notebooks_are_fit() -> None:
    """Those that show a run have it in their stamp; the walk, which shows its cards instead, went to its end; and the
    last lesson's chart has its rate limits."""
    notebooks = {path.name: nbformat.read(path, as_version=4) for path in COMMITTED}
    found = {
        path.name: unfit(notebooks[path.name], sha256((build.SOURCES / f"{path.stem}.py").read_bytes()).hexdigest())
        for path in COMMITTED
    }
    assert not {name: broken for name, broken in found.items() if broken}
    without = [name for name, one in notebooks.items() if "run" not in one.metadata.opslib]
    assert without == ["00_start_here.ipynb", WALK]
    outputs = [output for cell in notebooks[WALK].cells for output in cell.get("outputs", ())]
    said = [output.get("data", {}).get("text/plain", "") for output in outputs]
    assert [words for words in said if words.endswith(": done")] == [f"{step.title}: done" for step in STEPS.values()]
    assert said[-2:] == ["True", f"{len(STEPS)} of {len(STEPS)} steps done"]  # the record is intact
    assert re.search(r'alt=\\"\d+ attempts [^"]* [1-9]\d* rate limited \(429\)', nbformat.writes(notebooks[LESSONS]))
