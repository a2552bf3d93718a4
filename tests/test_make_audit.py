"""`make audit`, the shortest way to a reviewer's page."""

import subprocess
import sys
from pathlib import Path

from opslib.audit.folder_files import FILES

from .world import without_settings

MAKEFILE = Path(__file__).parents[1] / "Makefile"


def test_it_onboards_on_a_sandbox_writes_the_audit_and_verifies_it(tmp_path: Path) -> None:
    """Its three commands as they stand there, in another folder and with no account of the user. The folder holds the
    audit alone: no ledger."""
    installed = ["--old-file=.venv/.installed", f"BIN={Path(sys.executable).parent}"]
    command = ["make", f"--makefile={MAKEFILE}", *installed, "audit"]
    done = subprocess.run(command, cwd=tmp_path, env=without_settings(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("3 changes applied and read back", "written: out/audit.html", "intact: all 11 files"):
        assert words in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == sorted(FILES)
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "all written and read back" in page
    assert "recorded example" not in page
