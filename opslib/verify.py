"""Prove a ledger, or what was made from it: `verify` takes whatever PATH is and checks it without changing it."""

from collections.abc import Sequence
from pathlib import Path

from opslib.chain import Checkpoint, Verification, check
from opslib.ledger_export import is_export, open_export
from opslib.ledger_file import reading, record


def verify(path: Path, pinned: str | None = None, anchors: Sequence[Checkpoint] | None = None) -> Verification:
    """Check a workspace folder, a ledger file or an export; `pinned` and `anchors` as in opslib.chain.check.

    Raises LedgerError when PATH is none of these.
    """
    if is_export(path):
        with open_export(path) as exported:
            return check(exported, pinned, anchors)
    with reading(path) as db:
        return check(record(db), pinned, anchors)
