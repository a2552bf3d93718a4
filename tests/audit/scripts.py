"""The scripts in docs/, which need no opslib."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parents[2] / "docs"


def script(name: str) -> ModuleType:
    """The script as a module, so that a test can call it often."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_script(name: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """The script as a process."""
    command = [sys.executable, "-I", DOCS / f"{name}.py", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)
