"""What a verdict is worth where the ledger is not as it was signed.

What rests on a changed entry, or on one after it in the chain, is not known.
"""

from dataclasses import replace

from opslib.audit.control_result import ALL, ControlResult
from opslib.ledger.chain import Verification


def as_far_as_signed(result: ControlResult, ledger: Verification) -> ControlResult:
    """The same, or UNKNOWN. The control about the ledger itself keeps its word."""
    if ledger.state != "broken" or result.id == "record" or (result.word == "not_checked" and not result.entries):
        return result
    first = ledger.bad_seq or 0
    entries = [] if result.entries == ALL else result.entries
    if entries and max(entries) < first:
        return result
    why = f"it rests on entries that are not proved to be as they were signed, from entry {first or 1} on"
    return replace(result, word="UNKNOWN", why=f"{why}: {ledger.reason}", follows="record")
