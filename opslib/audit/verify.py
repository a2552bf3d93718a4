"""Verify a ledger, an export, an audit folder or its zip, without changing it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from opslib.audit.manifest import check_audit, is_audit
from opslib.audit.zipped import is_zip, unpacked
from opslib.ledger.chain import Checkpoint, Verification, check
from opslib.ledger.database import flaw, reading, record
from opslib.ledger.export import is_export, open_export


def verify(path: Path, pinned: str | None = None, anchors: Sequence[Checkpoint] | None = None) -> Verification:
    """Check a workspace folder, a ledger file, an export, the folder of an audit or its zip.

    `pinned` is the public key that it must be signed with. `anchors`, of a ledger or export, as in
    opslib.ledger.chain.check. Raises LedgerError when PATH is none of these.
    """
    if is_audit(path):
        return check_audit(path, pinned)
    if is_zip(path):
        with unpacked(path) as folder:
            return check_audit(folder, pinned)
    if is_export(path):
        with open_export(path) as exported:
            return check(exported, pinned, anchors)
    with reading(path) as db:
        verification = check(record(db), pinned, anchors)
        if verification.state != "broken" and (wrong := flaw(db)):
            why = f"every entry is as it was written, but the file that holds them is damaged or was changed: {wrong}"
            return replace(verification, state="broken", reason=why, not_proved=())
        return verification
