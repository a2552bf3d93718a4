"""Each notebook has the cells that its source gives today; what they show is nbval's to compare."""

import re

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


RECORD = re.compile("RECORDED EXAMPLE|This is the recorded example")  # of a card; of the audit's report
# A card that has done nothing, and the onboarding as a file.
NO_RESULT = re.compile("<strong>(waiting|ready)</strong>|The onboarding as a file")
AUDIT = "02_audit_report"


@pytest.mark.parametrize("name", build.all_names())
def test_no_stored_result_looks_like_the_reader_s_own(name: str) -> None:
    """The first output says so of all below it, and each result that is more than a text says so itself. The audit is
    one document, and its cover says it."""
    notebook = nbformat.read(build.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output.get("data", {}).get("text/html", "") for output in outputs]
    results = [html for html in shown if html and not NO_RESULT.search(html)]
    assert RECORD.search(shown[0])
    assert [html for html in (results[:2] if name == AUDIT else results) if not RECORD.search(html)] == []
