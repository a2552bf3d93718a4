"""The reviewer's page: notebook 02, run and rendered as one HTML file without script or network."""

import os
import re
from pathlib import Path
from typing import Any

from opslib.errors import OpslibError
from opslib.execute import execute
from opslib.redact import redact

PAGE_NAME = "audit.html"

_HERE = Path(__file__).parent
_NOTEBOOK = "02_audit_report.ipynb"
_RUN_WITHIN_S = 120
_ANCHOR = re.compile(r'<a class="anchor-link"[^>]*>.*?</a>')


class AuditNotRendered(OpslibError):
    """The audit notebook did not run to its end."""


def write_page(out: Path, *, home: Path, run_id: str | None = None) -> Path:
    """Run the audit notebook on a workspace's ledger and write `audit.html` into `out`; returns its path.

    Raises AuditNotRendered with what the notebook said.
    """
    page = render(_executed(home, run_id))
    out.mkdir(parents=True, exist_ok=True)
    file = out / PAGE_NAME
    partial = file.with_suffix(".part")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, file)
    return file


def render(notebook: Any) -> str:
    """A notebook with outputs as one HTML page. Code is left out; secrets are hidden once more on the way out."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="template",
        extra_template_basedirs=[str(_HERE)],
        filters={"strip_anchors": lambda html: _ANCHOR.sub("", html)},
    )
    page, _ = exporter.from_notebook_node(notebook, resources={"title": "Audit of one storage onboarding"})
    return redact(str(page))


def _executed(home: Path, run_id: str | None) -> Any:
    import nbformat
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(_notebook(), as_version=4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source = f"RUN_ID = {run_id!r}\nHOME = {str(home.resolve())!r}"
    try:
        execute(notebook, folder=_HERE, timeout_s=_RUN_WITHIN_S)
    except CellExecutionError as error:
        raise AuditNotRendered(
            "The audit could not be made",
            cause=f"{error.ename}: {error.evalue}",
            fix="correct the cause and run it again",
        ) from None
    return notebook


def _notebook() -> Path:
    """In an installed package the notebook stands beside this file; in a checkout, in notebooks/."""
    packaged = _HERE / _NOTEBOOK
    return packaged if packaged.exists() else _HERE.parents[1] / "notebooks" / _NOTEBOOK
