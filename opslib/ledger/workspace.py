"""The workspace's ledger, kept apart: work on a sandbox and work on a live org never share one.

A reviewer reads one record of one kind. So each run says which kind it is, and a ledger of the other kind is refused
before anything is written to it.
"""

from typing import Any

from opslib.errors import InvalidInput
from opslib.ledger.ledger import Ledger
from opslib.settings import Settings, default_home

_WORDS = {True: "a sandbox", False: "a live org"}


def workspace_ledger(settings: Settings) -> Ledger:
    """The ledger in the settings' workspace. Raises InvalidInput where it is of the other kind, and LedgerError."""
    ledger = Ledger(settings.home, settings.signing_key)
    refuse_other_kind(ledger, settings)
    return ledger


def kind_of(settings: Settings) -> dict[str, Any]:
    """What a run says of itself; nothing while no org is configured."""
    return {"sandbox": settings.on_sandbox} if settings.api_url or settings.region else {}


def refuse_other_kind(ledger: Ledger, settings: Settings) -> None:
    """Raises InvalidInput where the ledger has work on a sandbox and the settings name a live org, or the other way
    round."""
    ours = kind_of(settings).get("sandbox")
    begun = (entry.data for entry in ledger.proved_entries("run.started"))
    connected = (entry.data["data"] for entry in ledger.proved_entries("step.done") if entry.data["step"] == "connect")
    kinds = {data["sandbox"] for data in (*begun, *connected) if "sandbox" in data}
    if ours is None or not kinds - {ours}:
        return
    raise InvalidInput(
        f"The workspace {settings.home} is for {_WORDS[not ours]}",
        cause=f"its ledger has work on {_WORDS[not ours]}, and this is {_WORDS[ours]} ({settings.api_base})",
        fix=f"unset OPSLIB_HOME, which then is {default_home(sandbox=ours)}, or set it to another folder; nothing was "
        "written",
    )
