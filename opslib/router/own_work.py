"""What opslib itself wrote to an org, from the ledger: so that a look at the org can tell it from what others did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opslib.genesys.backend import JSON, Kind
from opslib.ledger.chain import Entry
from opslib.ledger.ledger import Ledger
from opslib.ledger.samples import TOKEN_OPERATION
from opslib.onboarding.models import BackendName
from opslib.router.journal import DONE, INTENT, KINDS, MADE, STARTED, UNDONE
from opslib.router.plan import Change, Plan

_WRITES = ("PUT", "POST", "PATCH", "DELETE")
# How far the time of an entry in the org's audit may be from our own note of the write, beside the clocks' difference.
_ABOUT = timedelta(seconds=2)


@dataclass(frozen=True)
class Write:
    """One object that an apply wrote or put back: its id in the org, and its body before and after; None for absent.

    `before` is None also where it is not known.
    """

    run_id: str
    kind: Kind
    id: str
    before: JSON | None
    after: JSON | None


class OwnWork:
    """The writes of this ledger's applies to one org. Raises LedgerNotProved for a ledger that was changed."""

    def __init__(self, ledger: Ledger, where: str, backend: BackendName) -> None:
        self._ledger = ledger
        self._writes = list(_writes(ledger.proved_entries(*KINDS), where, backend))

    def since(self, seq: int) -> list[Write]:
        """Those that the ledger notes after an entry, in order."""
        return [write for noted, write in self._writes if noted > seq]

    def run_of(self, entry: JSON, client_id: str, skew_s: float) -> str:
        """The run that did what an entry of the org's audit says; empty where this ledger did not.

        It names our OAuth client and an object that we wrote, at a time at which a run of ours was writing.
        """
        ids = {write.id for _, write in self._writes}
        if not client_id or entry["client_id"] != client_id or entry["entity_id"] not in ids or not entry["at"]:
            return ""
        at = datetime.fromisoformat(entry["at"]) - timedelta(seconds=skew_s)
        return next((run for run, begun, ended in self._spans() if begun - _ABOUT <= at <= ended + _ABOUT), "")

    def _spans(self) -> Iterator[tuple[str, datetime, datetime]]:
        """Run, begin and end of each request that wrote.

        An intent stands for its request where the process was killed before that was recorded.
        """
        for entry in self._ledger.proved_entries(INTENT):
            at = datetime.fromisoformat(entry.at)
            yield entry.run_id, at, at
        for entry in self._ledger.proved_entries("sample"):
            data = entry.data
            if data["method"] in _WRITES and data["operation"] != TOKEN_OPERATION:
                begun = datetime.fromisoformat(data["started_at"])
                yield entry.run_id, begun, begun + timedelta(seconds=data["latency_s"])


def _writes(entries: Sequence[Entry], where: str, backend: BackendName) -> Iterator[tuple[int, Write]]:
    plans, done = dict[str, Plan](), set[tuple[str, int]]()
    ids = dict[tuple[str, Kind, str], str]()
    for entry in entries:
        data = entry.data
        if entry.kind == STARTED:
            plan = plans[str(entry.seq)] = Plan.model_validate(data["plan"])
            for place, id in (data.get("server_ids") or {}).items():
                ids[_key(str(entry.seq), plan.changes[int(place)])] = id
            continue
        plan = plans[data["apply"]]
        if "place" not in data or plan.where != where or plan.backend != backend:
            continue
        change = plan.changes[data["place"]]
        key = _key(data["apply"], change)
        if entry.kind == MADE and data["object"] == change.kind:
            ids[key] = data["server_id"]
        elif entry.kind == DONE:
            done.add((data["apply"], data["place"]))
            yield entry.seq, Write(entry.run_id, change.kind, ids.get(key, change.id), change.before, change.after)
        elif entry.kind == UNDONE:
            # One that was begun only may have taken effect or not.
            before = change.after if (data["apply"], data["place"]) in done else None
            yield entry.seq, Write(entry.run_id, change.kind, ids.get(key, change.id), before, change.before)


def _key(apply: str, change: Change) -> tuple[str, Any, str]:
    return apply, change.kind, change.id
