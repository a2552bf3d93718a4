"""Notebooks with parameters, and one after the other. The whole walk of notebook 01 is in tests/test_canary.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat

from opslib.audit.report import RECORDED
from opslib.ledger.ledger import Ledger

from . import build
from .execute import execute

AUDIT = build.NOTEBOOKS / "02_audit_report.ipynb"


def papermill(folder: Path, **parameters: str) -> subprocess.CompletedProcess[str]:
    given = [word for name, value in parameters.items() for word in ("-p", name, value)]
    command = [sys.executable, "-m", "papermill", str(AUDIT), str(folder / "done.ipynb"), *given]
    options = ["-k", "python3", "--cwd", str(folder), "--no-progress-bar"]
    environment = os.environ | build.kernel_environment(folder)
    return subprocess.run([*command, *options], capture_output=True, text=True, env=environment)


def test_the_audit_of_a_run_that_is_named(tmp_path: Path) -> None:
    """Its own page, and not the recorded example's; another run's name ends with cause and fix."""
    ledger = Ledger(tmp_path / "home", tmp_path / "key.pem")
    first = ledger.start_run("walk", backend="storage-targets")
    second = ledger.start_run("walk", backend="storage-targets")
    for run in (first, second):
        run.append("step.done", {"step": "plan", "summary": f"{run.id} planned", "data": {}, "error": None})
    done = papermill(tmp_path, RUN_ID=first.id, HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr[-2000:]
    shown = json.dumps(nbformat.read(tmp_path / "done.ipynb", as_version=4).cells)
    assert f"{first.id} planned" in shown
    assert "comes with the kit" not in shown
    failed = papermill(tmp_path, RUN_ID="no-such-run", HOME=str(RECORDED.parent))
    assert failed.returncode == 1
    assert "There is no such run" in failed.stderr


def test_the_audit_after_the_first_notebook_shows_the_recorded_example(tmp_path: Path) -> None:
    """In one workspace: to look whether the machine is ready begins no record."""
    for name in ("00_start_here", "02_audit_report"):
        notebook = build.read(build.SOURCES / f"{name}.py")
        execute(notebook, folder=AUDIT.parent, environment=build.kernel_environment(tmp_path))
    assert "recorded example that comes with opslib" in json.dumps(notebook.cells)
