"""Each notebook has the cells that its source gives today; what they show is nbval's to compare."""

import nbformat
import pytest

from . import build


@pytest.mark.parametrize("name", build.all_names())
def test_the_cells_are_those_of_the_source(name: str) -> None:
    """Text, order, tags and ids."""
    committed = nbformat.read(build.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for cell in committed.cells:
        cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
    assert committed.cells == build.read(build.SOURCES / f"{name}.py").cells
