"""What a step changed in the org and what it did not, read from the ledger and nowhere else."""

from collections.abc import Iterable, Iterator

from opslib.chain import Entry
from opslib.errors import LedgerError
from opslib.ledger import Run
from opslib.router.journal import FINISHED
from opslib.samples import TOKEN_OPERATION

_WRITES = frozenset({"PUT", "POST", "PATCH", "DELETE"})
# The server may have done what was asked: its answer is missing, or speaks of itself and not of the request.
_OPEN = frozenset({"timeout", "connection_error", "cancelled", "server_error"})

NOTHING = "Nothing was changed: no write was sent."
NOT_STARTED = "Nothing was changed: the step did not start."


def what_changed(run: Run, step: str) -> list[str]:
    """One sentence for each write of the step's last run; a write without a final answer is not known, never "no"."""
    try:
        return list(_sentences(_last_run(run.entries(), step))) or [NOTHING]
    except LedgerError:
        return ["Not known what was changed: the ledger cannot be read."]


def _last_run(entries: Iterable[Entry], step: str) -> list[Entry]:
    found: list[Entry] = []
    for entry in entries:
        if entry.kind == "step.started" and entry.data.get("step") == step:
            found = []
        elif entry.kind == FINISHED or (entry.kind in ("sample", "operation") and entry.data.get("step") == step):
            found.append(entry)
    return found


def _sentences(entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        if entry.kind == FINISHED and entry.data["how"] == "rolled back":
            yield f"Undone: the org is as it was before{entry.data['kept']}. Each object was read back."
            return
    operations = {entry.data["operation"]: entry.data for entry in entries if entry.kind == "operation"}
    writes: dict[str, list[dict[str, object]]] = {}
    for entry in entries:
        data = entry.data
        if entry.kind == "sample" and data["method"] in _WRITES and data["operation"] != TOKEN_OPERATION:
            writes.setdefault(data["operation"], []).append(data)
    for name, attempts in writes.items():
        last = attempts[-1]
        what = f"{name} ({last['method']})"
        if operations.get(name, {}).get("outcome") == "success":
            yield f"Changed: {what} succeeded."
        elif any(attempt["outcome"] in _OPEN for attempt in attempts):
            yield (
                f"Not known: {what} got no final answer ({str(last['outcome']).replace('_', ' ')}), "
                "so the change may have taken effect or not. Running the step again sends the same content."
            )
        else:
            yield f"Not changed: {what} was refused with HTTP {last['status']}."
