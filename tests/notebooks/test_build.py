"""The builder on tiny notebooks: the same twice, strict about what changes, careful with what is there."""

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from . import build

SOURCE = """\
# %% [markdown]
# # Hello

# %%
import os
import time

import ipywidgets

print(os.environ["OPSLIB_HOME"] != os.getcwd(), "OPSLIB_CLIENT_SECRET" in os.environ)
6 * 7

# %% tags=["volatile"]
time.perf_counter_ns()

# %%
ipywidgets.VBox([ipywidgets.Password(value="hunter2")])
"""
SUM, VOLATILE, WIDGET = 1, 2, 3


def write(folder: Path, source: str, name: str = "00_tiny.py") -> Path:
    path = folder / ".source" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    source = write(tmp_path_factory.mktemp("tiny"), SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSLIB_CLIENT_SECRET", "the user's own")
        return build.build(source), build.build(source)


def edited(text: str, edit: Callable[[list[Any]], object]) -> str:
    notebook = json.loads(text)
    edit(notebook["cells"])
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def test_two_builds_differ_only_in_volatile_outputs(built: tuple[str, str]) -> None:
    first, second = (json.loads(text)["cells"] for text in built)
    assert first.pop(VOLATILE)["outputs"] != second.pop(VOLATILE)["outputs"]
    assert first == second
    assert build.difference(*built) == ""


def test_what_is_stored_is_small_and_fixed(built: tuple[str, str]) -> None:
    notebook = json.loads(built[0])
    assert {name: part for name, part in notebook["metadata"].items() if name != "opslib"} == build.METADATA
    assert [cell["id"] for cell in notebook["cells"]] == ["cell-01", "cell-02", "cell-03", "cell-04"]
    assert [cell.get("execution_count") for cell in notebook["cells"]] == [None, 1, 2, 3]
    assert [cell["metadata"] for cell in notebook["cells"] if cell["metadata"]] == [
        {"tags": ["volatile", "nbval-ignore-output"]}
    ]


def test_widgets_are_numbered_and_their_values_stay_out(built: tuple[str, str]) -> None:
    (output,) = json.loads(built[0])["cells"][WIDGET]["outputs"]
    assert output["data"][build.WIDGET_VIEW]["model_id"] == f"{1:032x}"
    assert "hunter2" not in built[0].replace('value=\\"hunter2\\"', "")


def test_the_kernel_sees_none_of_the_users_settings(built: tuple[str, str]) -> None:
    assert json.loads(built[0])["cells"][SUM]["outputs"][0]["text"] == ["True False\n"]


def test_a_changed_output_is_shown_with_its_cell(built: tuple[str, str]) -> None:
    committed = edited(built[0], lambda cells: cells[SUM]["outputs"][1]["data"].update({"text/plain": ["41"]}))
    found = build.difference(committed, built[1])
    assert "cell 2 (import os)" in found
    assert '-     "41"' in found
    assert '+     "42"' in found
    assert "cell 3" not in found


def test_a_volatile_cell_must_keep_its_source_and_its_output_types(built: tuple[str, str]) -> None:
    more = {"name": "stdout", "output_type": "stream", "text": ["hello\n"]}
    assert "cell 3" in build.difference(
        edited(built[0], lambda cells: cells[VOLATILE]["outputs"].append(more)), built[1]
    )
    assert "cell 3" in build.difference(edited(built[0], lambda cells: cells[VOLATILE].update(source=["1"])), built[1])


def test_the_stamp_names_source_and_versions_and_a_check_holds_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another source, also one that gives the same outputs, another hash and a missing stamp are refused."""
    source = write(tmp_path, "# %%\n6 * 7\n")
    assert build.main([], tmp_path) == 0
    target = build.built_from(source)
    notebook = json.loads(target.read_text())
    stamp = notebook["metadata"]["opslib"]
    assert stamp["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (stamp["source"], stamp["versions"]["opslib"]) == ("00_tiny.py", version("opslib"))
    stamp["versions"]["python"] = "3.99.0"
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    assert build.main(["--check"], tmp_path) == 0
    source.write_text("# %%\n6 * 7\n# the same, said longer\n".replace("\n# the", "  # the"))
    assert build.main(["--check"], tmp_path) == 1
    write(tmp_path, "# %%\n6 * 7\n")
    notebook["metadata"]["opslib"] = {"run": "20261124T224738Z-95204a", **stamp}  # but none was shown
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    assert build.main(["--check"], tmp_path) == 1
    del notebook["metadata"]["opslib"]
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    assert build.main(["--check"], tmp_path) == 1
    assert "source_sha256" in capsys.readouterr().out


def test_the_stamp_names_the_run_that_the_cells_show(tmp_path: Path) -> None:
    """Each build has another; a check refuses a stamp without it, and one that does not look like a run's id."""
    source = write(tmp_path, "# %%\nfrom opslib import Walk\n\n# %% tags=['volatile']\nprint(f'\\n{Walk().run_id}')\n")
    first, second = build.build(source), build.build(source)
    run = json.loads(first)["metadata"]["opslib"]["run"]
    assert json.loads(first)["cells"][1]["outputs"][0]["text"] == ["\n", f"{run}\n"]
    assert run not in second
    assert build.difference(first, second) == ""
    entry = f'"run": "{run}",\n   '
    assert entry in first
    for wrong in ("", entry.replace(run, "some run")):
        assert '"run": "20' in build.difference(first.replace(entry, wrong), second)


def test_a_missing_cell_other_metadata_and_another_layout_are_differences(built: tuple[str, str]) -> None:
    assert "cell 4" in build.difference(edited(built[0], lambda cells: cells.pop()), built[1])
    assert "python4" in build.difference(built[0].replace('"python3"', '"python4"'), built[1])
    assert build.difference(built[0] + "\n", built[1])


def test_in_place_then_check_then_an_error_that_leaves_the_old_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path, "# %%\nprint(1)\n")
    assert build.main(["00_tiny"], tmp_path) == 0
    target = tmp_path / "00_tiny.ipynb"
    old = target.read_text()
    assert build.main(["--check"], tmp_path) == 0

    target.write_text(old.replace("1\\n", "2\\n"))
    assert build.main(["--check"], tmp_path) == 1
    assert "make notebooks" in capsys.readouterr().out

    target.write_text(old)
    source.write_text("# %%\nprint(1)\n\n# %%\n1 / 0\n")
    assert build.main([], tmp_path) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert target.read_text() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == [".source", "00_tiny.ipynb"]


def test_addresses_stderr_and_cells_without_code_are_refused(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        "# %%\nimport sys\n\nobject()\n\n# %%\nprint('careful', file=sys.stderr)\n\n"
        "# %% tags=['stderr']\nprint('meant', file=sys.stderr)\n\n# %%\n\n# %% [markdown]\n# End\n",
    )
    with pytest.raises(build.BuildError) as caught:
        build.build(source)
    address, stderr, empty = str(caught.value).splitlines()
    assert address.startswith("cell 1 (import sys): shows a memory address")
    assert stderr.startswith("cell 2")
    assert stderr.endswith("careful")
    assert empty.startswith("cell 4 (): was not run")


def test_a_notebook_without_its_source_or_not_built_yet_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "00_lost.ipynb").write_text("{}")
    write(tmp_path, "# %%\n1\n", "01_new.py")
    assert build.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == [
        "00_lost: there is no 00_lost.py",
        "01_new: there is no 01_new.ipynb; run: make notebooks",
    ]
