from pathlib import Path

import pytest

from opslib import errors
from opslib.ledger.ledger import Ledger
from opslib.walk.walk import Walk
from opslib.walk.what_changed import NOTHING, what_changed

from ..world import Sandbox, environment
from .test_steps import onboarding


def test_a_ledger_that_cannot_be_read_leaves_open_what_was_changed(tmp_path: Path) -> None:
    """Never "nothing was changed"."""
    run = Ledger(tmp_path).start_run("walk")
    assert what_changed(run, "apply") == [NOTHING]
    run.ledger.close()
    assert what_changed(run, "apply") == ["Not known what was changed: the ledger cannot be read."]


async def test_a_test_upload_is_not_denied(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A validation writes to the bucket, and not to the org: only the latter is said to have no write."""
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with Walk(onboarding(sandbox, target={"encryption": "aws:kms"})) as walk:
        await walk.run("connect")
        sandbox.control("DELETE", "/requests")
        with pytest.raises(errors.BucketUnfit):
            await walk.run("validate_bucket")
        assert what_changed(walk.journal, "validate_bucket") == [NOTHING]
    reads = ("GET", "HEAD")
    assert [one for one in sandbox.requests("s3") if one["method"] not in reads and "opslib-canary" in one["path"]]
    assert [one for one in sandbox.requests("genesys") if one["method"] not in reads] == []
    assert NOTHING == "This step changed nothing in the org: it sent no write there."
