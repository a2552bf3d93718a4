"""Build notebooks/*.ipynb, with outputs, from the percent-format sources notebooks/.source/NN_*.py.

    python -m tests.notebooks.build [NAME…]            build in place
    python -m tests.notebooks.build --check [NAME…]    build in memory and compare with what is committed

A build is byte-identical to the last one, but for the outputs of cells tagged `volatile`: there only
the types of the outputs must stay. The metadata hold a stamp: the hash of the source, the versions it was
built with, and the run that its cells show, another in each build; a check refuses a notebook without it,
or of another source. Three tags matter here:
`volatile`, `stderr` (this cell may write to stderr) and `raises-exception` (this cell shows an error).
"""

import argparse
import difflib
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from .execute import execute
from .own_workspace import kernel_environment

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = NOTEBOOKS / ".source"
CELL_TIMEOUT_S = 60  # as nbval's, in pyproject.toml
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "name": "python", "pygments_lexer": "ipython3"},
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
STAMPED = ("opslib", "ipykernel", "ipywidgets", "matplotlib", "nbclient", "pandas")
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}\b")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")


class BuildError(Exception):
    """This notebook cannot be built; the words say which cell and why."""


def build(source: Path) -> str:
    """The notebook as text: the source read, executed in the current interpreter, normalised."""
    notebook = read(source)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        try:
            execute(
                notebook,
                folder=built_from(source).parent,
                environment=kernel_environment(Path(home)),
                timeout_s=CELL_TIMEOUT_S,
            )
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise BuildError(str(error)) from None
    normalise(notebook)
    notebook.metadata["opslib"] = stamp(source, notebook)
    if found := list(problems(notebook)):
        raise BuildError("\n".join(found))
    return text(notebook)


def built_from(source: Path) -> Path:
    """Where the notebook of a source is: beside the folder of sources."""
    return source.parents[1] / f"{source.stem}.ipynb"


def read(source: Path) -> NotebookNode:
    notebook: NotebookNode = jupytext.read(source, fmt="py:percent")
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02}"
        cell.metadata.pop("lines_to_next_cell", None)
        if cell.cell_type == "code" and "volatile" in tags(cell):
            cell.metadata.tags = [*tags(cell), "nbval-ignore-output"]
    return notebook


def normalise(notebook: NotebookNode) -> None:
    """Fixed metadata, and widget models numbered in order of appearance."""
    notebook.metadata = nbformat.from_dict(METADATA)
    cells = json.dumps(notebook.cells)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    views = [output.get("data", {}).get(WIDGET_VIEW) for output in outputs]
    for number, model in enumerate(dict.fromkeys(view["model_id"] for view in views if view), 1):
        cells = cells.replace(model, f"{number:032x}")
    notebook.cells = nbformat.from_dict(json.loads(cells))


def stamp(source: Path, notebook: NotebookNode) -> dict[str, Any]:
    """Where a notebook comes from, and the run that it shows, if any."""
    run = run_shown(notebook)
    return {
        "source": source.name,
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in STAMPED}},
        **({"run": run} if run else {}),
    }


def run_shown(notebook: NotebookNode) -> str | None:
    """The first run's id in the outputs."""
    found = RUN_ID.search(json.dumps([cell.get("outputs", ()) for cell in notebook.cells]))
    return found[0] if found else None


def problems(notebook: NotebookNode) -> Iterator[str]:
    """What must not be in a committed notebook."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        where = label(number, cell)
        if cell.execution_count is None:
            yield f"{where}: was not run; remove the cell or give it code"
        if address := ADDRESS.search(json.dumps(cell.outputs)):
            yield f"{where}: shows a memory address ({address[0]}), which changes with every run"
        if "stderr" not in tags(cell):
            for output in cell.outputs:
                if output.get("name") == "stderr":
                    yield f"{where}: writes to stderr (tag it `stderr` if it should): {output.text.strip()}"


def difference(committed: str, built: str) -> str:
    """What differs, in words; empty when equal but for the outputs of volatile cells."""
    old, new = json.loads(committed), json.loads(built)
    for before, after in zip(old["cells"], new["cells"], strict=False):
        if "nbval-ignore-output" in tags(after) and types(before) == types(after):
            after["outputs"] = before.get("outputs", [])
    # Other versions may build the same, and each build has a run of its own; that they were named is what counts.
    given, ours = (notebook["metadata"].get("opslib", {}) for notebook in (old, new))
    if given.get("versions", {}).keys() == ours["versions"].keys():
        ours["versions"] = given["versions"]
    if "run" in ours and RUN_ID.fullmatch(given.get("run", "")):
        ours["run"] = given["run"]
    if committed == text(nbformat.from_dict(new)):
        return ""
    none: dict[str, Any] = {}
    parts = [
        f"{label(number, after or before)}\n{changes(before, after)}"
        for number, (before, after) in enumerate(zip_longest(old["cells"], new["cells"], fillvalue=none), 1)
        if before != after
    ]
    return "\n".join(parts) or changes(old, new) or "the same content in another layout of JSON"


def changes(before: Any, after: Any) -> str:
    old, new = (json.dumps(part, indent=1, ensure_ascii=False).splitlines() for part in (before, after))
    lines = list(difflib.unified_diff(old, new, "expected (committed)", "actual (built)", n=1, lineterm=""))
    more = [f"    … {len(lines) - 40} more lines"] if len(lines) > 40 else []
    return "\n".join([f"    {line if len(line) <= 160 else line[:160] + '…'}" for line in lines[:40]] + more)


def types(cell: Mapping[str, Any]) -> list[Any]:
    """What kinds of outputs a cell has, without their content."""
    return [[o["output_type"], o.get("name"), sorted(o.get("data", ()))] for o in cell.get("outputs", ())]


def text(notebook: NotebookNode) -> str:
    return str(nbformat.writes(notebook)) + "\n"


def tags(cell: Mapping[str, Any]) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", ()))


def label(number: int, cell: Mapping[str, Any]) -> str:
    first = next(iter("".join(cell.get("source", "")).splitlines()), "")
    return f"cell {number} ({first})"


def all_names(folder: Path = NOTEBOOKS) -> list[str]:
    """In order. A notebook that lost its source is in the list too: it cannot be built."""
    return sorted({path.stem for kind in (".source/[0-9]*.py", "[0-9]*.ipynb") for path in folder.glob(kind)})


def main(argv: Sequence[str] | None = None, folder: Path = NOTEBOOKS) -> int:
    parser = argparse.ArgumentParser(description="Build the notebooks from their sources.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 00_start_here; all when none is given")
    parser.add_argument("--check", action="store_true", help="build in memory and compare; write nothing")
    options = parser.parse_args(argv)
    names = [Path(name).stem for name in options.names]
    names = names or all_names(folder)
    failed = False
    for name in names:
        trouble = build_or_check(folder / ".source" / f"{name}.py", check=options.check)
        failed = failed or bool(trouble)
        print(f"{name}: {trouble or ('as committed' if options.check else 'built')}", flush=True)
    return int(failed)


def build_or_check(source: Path, *, check: bool) -> str:
    """Build or check one notebook; what went wrong, or nothing."""
    target = built_from(source)
    if not source.exists():
        return f"there is no {source.name}"
    if check and not target.exists():
        return f"there is no {target.name}; run: make notebooks"
    try:
        built = build(source)
    except BuildError as error:
        return f"not built\n{error}"
    if check:
        found = difference(target.read_text(encoding="utf-8"), built)
        return found and f"differs from what is committed; if that is right, run: make notebooks\n{found}"
    partial = target.with_name(target.name + ".part")
    partial.write_text(built, encoding="utf-8")
    os.replace(partial, target)
    return ""


if __name__ == "__main__":
    sys.exit(main())
