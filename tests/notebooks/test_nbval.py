"""nbval, as `make test` calls it, sees a changed output; and the committed notebooks are fit to be read."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import build
import nbformat

NOTEBOOKS = Path(build.__file__).parent
PYPROJECT = NOTEBOOKS.parent / "pyproject.toml"
COMMITTED = sorted(NOTEBOOKS.glob("*.ipynb"))
HOME_PATH = ("/home/", "/Users/", "C:\\Users", str(Path.home()) + "/")


def nbval(notebook: Path) -> subprocess.CompletedProcess[str]:
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=60", f"--rootdir={notebook.parent}"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", PYPROJECT, *options, notebook],
        capture_output=True,
        text=True,
        cwd=notebook.parent,
        env=os.environ | {"CI": ""},
    )


def test_an_untouched_notebook_passes_and_a_changed_output_fails(tmp_path: Path) -> None:
    source = tmp_path / "00_tiny.py"
    source.write_text('# %%\n6 * 7\n\n# %% tags=["volatile"]\nimport time\n\ntime.perf_counter_ns()\n')
    notebook = source.with_suffix(".ipynb")
    notebook.write_text(text := build.build(source))
    passed = nbval(notebook)
    assert passed.returncode == 0, passed.stdout
    assert "2 passed" in passed.stdout

    notebook.write_text(text.replace('"42"', '"41"'))
    failed = nbval(notebook)
    assert failed.returncode == 1, failed.stdout
    assert "1 failed, 1 passed" in failed.stdout


def unfit(notebook: nbformat.NotebookNode, source_hash: str) -> list[str]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
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
        "another source": notebook.metadata.get("opslib", {}).get("source_sha256") != source_hash,
    }
    return [rule for rule, broken in rules.items() if broken]


def test_every_rule_can_break() -> None:
    cell = nbformat.v4.new_code_cell("1", execution_count=2)
    cell.outputs = [nbformat.v4.new_output("error", ename="E", evalue="/home/someone/x", traceback=[])]
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}})
    assert len(unfit(notebook, "a hash")) == 5


# One test, not one per file: an empty parametrisation would be a skipped test.
def test_the_committed_notebooks_are_fit() -> None:
    found = {
        path.name: unfit(nbformat.read(path, as_version=4), sha256(path.with_suffix(".py").read_bytes()).hexdigest())
        for path in COMMITTED
    }
    assert not {name: broken for name, broken in found.items() if broken}
