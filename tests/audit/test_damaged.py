"""Evidence whose bytes are damaged or forged: a verdict or a LedgerError, whatever they have become."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opslib.audit.folder import write_audit
from opslib.audit.manifest import check_audit
from opslib.audit.report import RECORDED
from opslib.audit.verify import verify
from opslib.errors import LedgerError
from opslib.ledger.chain import Verification
from opslib.ledger.database import FILE_NAME, reading, record
from opslib.ledger.export import write_export
from opslib.ledger.ledger import Ledger

from ..world import own_key

# Where, what is put there, and how many bytes go; several times over. The places are parts of the whole.
DAMAGE = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=8), st.integers(0, 64)), min_size=1, max_size=4
)
each = settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def damaged(content: bytes, damage: list[tuple[float, bytes, int]]) -> bytes:
    for place, new, gone in damage:
        at = int(place * len(content))
        content = content[:at] + new + content[at + gone :]
    return content


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    ledger = Ledger(home)
    for number in range(20):
        ledger.append("run-1", "note", {"number": number, "text": "line\nbreak ü" * 20})
    ledger.checkpoint()
    ledger.close()
    return home / FILE_NAME


def is_intact(check: Callable[[Path], Verification], path: Path) -> bool:
    """Any other exception than a LedgerError fails the test."""
    try:
        return check(path).state == "intact"
    except LedgerError:
        return False


def content_of(path: Path) -> list[object]:
    with reading(path) as db:
        return [tuple(row) for row in record(db).entries]


@each
@given(DAMAGE)
def test_a_damaged_ledger_is_seen_or_says_the_same(
    ledger: Path, tmp_path: Path, damage: list[tuple[float, bytes, int]]
) -> None:
    """Where the damage is in a place that SQLite does not use, every entry is still what it was."""
    path = tmp_path / FILE_NAME
    path.write_bytes(damaged(ledger.read_bytes(), damage))
    assert not is_intact(verify, path) or content_of(path) == content_of(ledger)


@each
@given(DAMAGE)
def test_a_damaged_export_is_seen(ledger: Path, tmp_path: Path, damage: list[tuple[float, bytes, int]]) -> None:
    """Every byte of it counts."""
    whole, path = tmp_path / "whole.jsonl", tmp_path / "export.jsonl"
    if not whole.exists():
        write_export(ledger, whole)
    path.write_bytes(damaged(whole.read_bytes(), damage))
    assert not is_intact(verify, path) or path.read_bytes() == whole.read_bytes()


@each
@given(DAMAGE)
def test_a_damaged_manifest_is_seen(tmp_path: Path, damage: list[tuple[float, bytes, int]]) -> None:
    """Whatever it is then: the folder is not called intact."""
    folder = tmp_path / "audit"
    kept = tmp_path / "manifest.json"
    if not kept.exists():
        write_audit(folder, home=RECORDED.parent, signing_key=own_key())
        kept.write_bytes((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_bytes(damaged(kept.read_bytes(), damage))
    assert not is_intact(check_audit, folder) or (folder / "manifest.json").read_bytes() == kept.read_bytes()
