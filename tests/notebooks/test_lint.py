"""Rules that notebooks and widgets keep, because what they forbid is lost, leaks or cannot be compared.

A callback's `print`, `with Output()`, `clear_output` and display updates show nothing, or break the stored outputs; an
exception in a task that nobody watches is shown nowhere. Some widgets tell a screen reader no name, state or role.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jupytext
import pytest

from .build import NOTEBOOKS, SOURCES

WIDGETS = NOTEBOOKS.parent / "opslib" / "widgets"
MAX_LINES = 6  # of code in a cell; comments and empty lines are free
MAX_WIDTH = 80  # of a line that is shown
MAX_FIRST = 50  # of the first line of a cell that is folded, which is shown beside a sign
# Sliders have no accessible name, progress bars no role; ToggleButtons do not say what is pressed, Valid is an icon.
UNHEARD = {"ToggleButtons", "Valid", "IntSlider", "FloatSlider", "IntProgress", "FloatProgress"}


def broken(code: str, *, prints: bool) -> list[str]:
    """What a piece of code does that it must not; `prints`: whether it may print outside of functions."""
    tree = ast.parse(code)
    for parent in ast.walk(tree):
        for child in ast.iter_child_nodes(parent):
            child.parent = parent  # type: ignore[attr-defined]
    return [words for node in ast.walk(tree) for words in _broken(node, prints)]


def _broken(node: ast.AST, prints: bool) -> Iterator[str]:
    if isinstance(node, ast.With | ast.AsyncWith):
        for item in node.items:
            if "output" in ast.unparse(item.context_expr).lower():
                yield "with Output"
    if isinstance(node, ast.Attribute | ast.alias):
        name = node.attr if isinstance(node, ast.Attribute) else node.name
        if name in UNHEARD:
            yield "unheard widget"
    if not isinstance(node, ast.Call):
        return
    name = ast.unparse(node.func).rpartition(".")[2]
    if name in ("clear_output", "update_display"):
        yield name
    if any(keyword.arg == "display_id" for keyword in node.keywords):
        yield "display_id"
    if name == "print" and (not prints or _inside_a_function(node)):
        yield "print in a callback"
    if name in ("create_task", "ensure_future", "run_coroutine_threadsafe") and not _supervised(node):
        yield "unsupervised task"


def _inside_a_function(node: ast.AST) -> bool:
    while node := getattr(node, "parent", None):  # type: ignore[assignment]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return True
    return False


def _supervised(call: ast.Call) -> bool:
    """Whether the task runs a method of its own class that catches every Exception."""
    wanted = ast.unparse(call.args[0].func) if call.args and isinstance(call.args[0], ast.Call) else ""
    node: ast.AST | None = call
    while node and not isinstance(node, ast.ClassDef):
        node = getattr(node, "parent", None)
    methods = [one for one in node.body if isinstance(one, ast.AsyncFunctionDef)] if node else []
    return any(f"self.{one.name}" == wanted and _catches_all(one) for one in methods)


def _catches_all(function: ast.AsyncFunctionDef) -> bool:
    handlers = [node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler)]
    return any(node.type is not None and ast.unparse(node.type) == "Exception" for node in handlers)


def cells(source: Path) -> list[str]:
    notebook = jupytext.read(source, fmt="py:percent")
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def too_wide(source: Path) -> list[str]:
    """Lines that a reader sees, and that are wider than a narrow window. Of a folded cell that is the first one."""
    cells = [cell for cell in jupytext.read(source, fmt="py:percent").cells if cell.cell_type == "code"]
    folded = [bool(cell.metadata.get("jupyter", {}).get("source_hidden")) for cell in cells]
    shown = [
        (line, MAX_FIRST if hidden else MAX_WIDTH)
        for cell, hidden in zip(cells, folded, strict=True)
        for line in cell.source.splitlines()[: 1 if hidden else None]
    ]
    return [line for line, width in shown if len(line) > width]


def wrapped(cell: str) -> str:
    """A cell may await at its top; the parser needs a function for that, and lines stay lines."""
    return cell if "await" not in cell else cell.replace("await ", "")


def lines(cell: str) -> int:
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.splitlines())


def test_notebooks_keep_the_rules() -> None:
    """Short cells; nothing that a kernel, nbval or a reader would lose."""
    sources = sorted(SOURCES.glob("[0-9]*.py"))
    assert len(sources) >= 4
    found = {
        (source.name, cell): [*broken(wrapped(cell), prints=True), *["long cell"] * (lines(cell) > MAX_LINES)]
        for source in sources
        for cell in cells(source)
    }
    assert not {where: words for where, words in found.items() if words}


def test_a_line_of_code_fits_a_narrow_window() -> None:
    """Before a cell has run, nothing wraps it."""
    found = {source.name: too_wide(source) for source in SOURCES.glob("[0-9]*.py")}
    assert not {name: lines for name, lines in found.items() if lines}


FRESH = """\
import sys
sys.addaudithook(lambda event, _: sys.exit("starts a process") if event == "subprocess.Popen" else None)
{0}
sys.exit(", ".join({{"pandas", "matplotlib", "boto3"}} & sys.modules.keys()))
"""


def first_cell(code: str) -> str:
    """What is slow in it, run in a process of its own."""
    command = [sys.executable, "-c", FRESH.format(code)]
    return subprocess.run(command, capture_output=True, text=True).stderr.strip()


def test_the_first_cell_is_quick() -> None:
    """Nobody waits for libraries that are needed later, or for the sandbox, before something is seen."""
    found = {source.name: first_cell(cells(source)[0]) for source in sorted(SOURCES.glob("[0-9]*.py"))}
    assert not {name: words for name, words in found.items() if words}
    assert first_cell("import boto3") == "boto3"
    assert first_cell("from opslib import launch\nlaunch.start_sandbox()") == "starts a process"


def test_widgets_keep_the_rules() -> None:
    """Feedback goes through traits, which everybody hears; the one task is supervised."""
    files = sorted(WIDGETS.glob("*.py"))
    assert any("create_task" in file.read_text() for file in files)
    found = {file.name: broken(file.read_text(), prints=False) for file in files}
    assert not {name: words for name, words in found.items() if words}


SUPERVISED = """\
class Card:
    def start(self):
        self.task = asyncio.create_task(self.run())
    async def run(self):
        try:
            pass
        except {0}:
            pass
"""


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("with widgets.Output():\n    pass", "with Output"),
        ("with self.output:\n    pass", "with Output"),
        ("from IPython.display import clear_output\nclear_output(wait=True)", "clear_output"),
        ("display(1, display_id='x')", "display_id"),
        ("button.on_click(lambda _: print('x'))", "print in a callback"),
        ("def handler(_):\n    print('x')", "print in a callback"),
        ("w.ToggleButtons(options=['a'])", "unheard widget"),
        ("import ipywidgets\nipywidgets.IntProgress", "unheard widget"),
        ("from ipywidgets import Valid as Icon", "unheard widget"),
        ("task = asyncio.create_task(work())", "unsupervised task"),
        (SUPERVISED.format("ValueError"), "unsupervised task"),
    ],
)
def test_every_rule_can_break(code: str, rule: str) -> None:
    """Planted in a notebook and in a widget; what is right passes."""
    assert broken(code, prints=True) == broken(code, prints=False) == [rule]
    assert broken(SUPERVISED.format("Exception"), prints=False) == []
    assert broken("print('x')", prints=True) == []
    assert broken("print('x')", prints=False) == ["print in a callback"]
    assert lines("# a\n\nx = 1\ny = 2") == 2
