"""The recorded run's audit, written once."""

from pathlib import Path

import pytest

from opslib.audit.folder import write_audit
from opslib.audit.report import RECORDED

from ..world import own_key


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an audit of the recorded run."""
    out = tmp_path_factory.mktemp("recorded")
    write_audit(out, home=RECORDED.parent, signing_key=own_key())
    return out
