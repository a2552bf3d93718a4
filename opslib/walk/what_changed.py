from collections.abc import Iterable, Iterator

from opslib.errors import LedgerError, LedgerNotProved
from opslib.ledger.chain import Entry
from opslib.ledger.ledger import Run
from opslib.ledger.samples import TOKEN_OPERATION
from opslib.router.journal import KINDS, STARTED, Progress, all_applies
from opslib.walk.steps import CHANGING

_WRITES = frozenset({"PUT", "POST", "PATCH", "DELETE"})
# The server may have done what was asked: its answer is missing, or speaks of itself and not of the request.
_OPEN = frozenset({"timeout", "connection_error", "cancelled", "server_error"})

NOTHING = "This step changed nothing in the org: it sent no write there."
NOT_STARTED = "Nothing was changed: the step did not start."


def what_changed(run: Run, step: str) -> list[str]:
    """One sentence for each change of the apply that the step's last run worked on, else for each of its writes.

    A write without a final answer is "not known", never "not changed".
    """
    try:
        entries = _last_run(run.entries(), step)
        moves = [entry for entry in entries if entry.kind in KINDS]
        apply = _apply(run, moves[0]) if moves else None
        return list(_of_apply(apply) if apply else _of_attempts(entries)) or [NOTHING]
    except LedgerNotProved:
        return ["Not known what was changed: the ledger was changed from outside."]
    except LedgerError:
        return ["Not known what was changed: the ledger cannot be read."]


def _last_run(entries: Iterable[Entry], step: str) -> list[Entry]:
    """The step's entries from its last start to its end. Only one step at a time makes or undoes changes."""
    last, running = list[Entry](), False
    for entry in entries:
        own = entry.data.get("step") == step
        if own and entry.kind == "step.started":
            last, running = [], True
        elif own and entry.kind.startswith("step."):
            running = False
        elif running and (own or (step in CHANGING and entry.kind in KINDS)):
            last.append(entry)
    return last


def _apply(run: Run, move: Entry) -> Progress | None:
    """The apply as it is now: a later step may have finished or undone it."""
    id = str(move.seq) if move.kind == STARTED else move.data["apply"]
    return next((apply for apply in all_applies(run.ledger) if apply.id == id), None)


def _of_apply(apply: Progress) -> Iterator[str]:
    if apply.ended == "rolled back":
        yield f"Undone: the org is as it was before{apply.kept}. Each object was read back."
        return
    for place, change in enumerate(apply.plan.changes):
        words = f"{change.action} {change.kind} {change.name}"
        difference = apply.differences.get(place)
        if place in apply.undone:
            yield f"As before: {words} is undone, or never took effect."
        elif difference and difference.choice == "accepted":
            yield f"Accepted as it is: {difference.sentence}."
        elif difference:
            yield f"Not as it was sent: {difference.sentence}."
        elif place in apply.done:
            yield f"Changed: {words}{', and not undone yet' * apply.rolling_back}."
        elif place in apply.intended:
            yield f"Not known: {words} was begun, so it may have taken effect or not."
        else:
            yield f"Not changed: {words} was not begun."


def _of_attempts(entries: list[Entry]) -> Iterator[str]:
    operations = {entry.data["operation"]: entry.data for entry in entries if entry.kind == "operation"}
    writes: dict[str, list[dict[str, object]]] = {}
    for entry in entries:
        data = entry.data
        if entry.kind == "sample" and data["method"] in _WRITES and data["operation"] != TOKEN_OPERATION:
            writes.setdefault(data["operation"], []).append(data)
    for name, attempts in writes.items():
        last = attempts[-1]
        words = f"{name} ({last['method']})"
        if operations.get(name, {}).get("outcome") == "success":
            yield f"Changed: {words} succeeded."
        elif any(attempt["outcome"] in _OPEN for attempt in attempts):
            yield (
                f"Not known: {words} got no final answer ({str(last['outcome']).replace('_', ' ')}), "
                "so the change may have taken effect or not. Running the step again sends the same content."
            )
        else:
            yield f"Not changed: {words} was refused with HTTP {last['status']}."
