from pathlib import Path

from opslib.ledger.ledger import Ledger
from opslib.walk.what_changed import NOTHING, what_changed


def test_a_ledger_that_cannot_be_read_leaves_open_what_was_changed(tmp_path: Path) -> None:
    """Never "nothing was changed"."""
    run = Ledger(tmp_path).start_run("walk")
    assert what_changed(run, "apply") == [NOTHING]
    run.ledger.close()
    assert what_changed(run, "apply") == ["Not known what was changed: the ledger cannot be read."]
