"""The rule that CI holds tests to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_skipped_test_fails_only_in_ci(tmp_path: Path, ci: str) -> None:
    (tmp_path / "conftest.py").write_text(Path(__file__).with_name("no_skips.py").read_text())
    (tmp_path / "test_x.py").write_text("import pytest\ndef test_runs(): pass\ndef test_skips(): pytest.skip()\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir=.", "-c", PYPROJECT, "."],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"CI": ci},
    )
    assert "1 passed, 1 skipped" in run.stdout
    assert (run.returncode, "a skipped test is a failure" in run.stdout) == (int(bool(ci)), bool(ci))
