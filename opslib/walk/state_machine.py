"""Steps with needs and states, and the machine that runs them; it knows nothing of what a step does.

A step's inputs are hashed together with those of the steps it needs. When an input changes later, the hash no longer
matches, and the step with all that depend on it is stale: nothing has to be reset by hand. The same holds for what
depends on a step that is run again, until that is done. A step that is running already is joined, never started twice.
Every start and end is in the ledger.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import rfc8785

from opslib.errors import InvalidInput, LedgerError, OpslibError, StepBlocked
from opslib.genesys.recorder import within_step
from opslib.ledger.chain import Entry
from opslib.ledger.ledger import Run
from opslib.suggestion import did_you_mean

JSON = dict[str, Any]
State = Literal["waiting", "ready", "running", "done", "failed", "unknown", "stale"]
_DONE: tuple[State, ...] = ("done",)
_ENDED: tuple[State, ...] = ("done", "failed", "unknown")
# Why a step that was run does not count; one that was never run needs no reason.
_WHY: Mapping[State, str] = {
    "running": "; it is running",
    "failed": "; it has failed",
    "unknown": "; its result is not known",
    "stale": ": an input has changed since",
}


@dataclass(frozen=True)
class Result:
    """How a step ended: one line for people, data for programs, and the error if it failed.

    `recalled` is when it ended (UTC) for a result that an earlier session left in the ledger, else empty.
    """

    step: str
    state: Literal["done", "failed", "unknown"]
    summary: str
    data: JSON = field(default_factory=dict)
    error: OpslibError | None = None
    input_hash: str = ""
    recalled: str = ""


@dataclass(frozen=True)
class Step:
    """One stage. `inputs` returns everything that its outcome depends on; `act` does it. Both are given the machine.

    The steps in `needs` must be done. Those in `after` must have ended, well or not: `act` decides what follows.
    `typed_at` names the steps on whose forms its inputs are typed; by default its own.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    inputs: Callable[[Any], JSON]
    act: Callable[[Any], Awaitable[Result]]
    after: tuple[str, ...] = ()
    typed_at: tuple[str, ...] = ()


class StateMachine:
    """Runs steps in the order that their needs allow, and keeps how each ended.

    A subclass names the `steps`, and sets `journal` before the first one is run. `on_change` callbacks are called,
    without arguments, whenever a state may have changed.
    """

    steps: Mapping[str, Step]
    journal: Run

    def __init__(self) -> None:
        self.on_change: list[Callable[[], None]] = []
        # By step, what is typed in its form and is not valid. What a user sees there is not what would be used, so
        # nothing that rests on it runs, or still counts as done.
        self.problems: dict[str, Callable[[], Sequence[str]]] = {}
        self._results: dict[str, Result] = {}
        self._tasks: dict[str, asyncio.Task[Result]] = {}
        # Inputs hashed while listeners are told: each of them asks for the state of every step.
        self._hashes: dict[str, str] | None = None

    def state(self, name: str) -> State:
        """Where a step stands now."""
        if name in self._tasks:
            return "running"
        if result := self._results.get(name):
            return result.state if self._holds(result) else "stale"
        return "waiting" if self.blockers(name) else "ready"

    def _holds(self, result: Result) -> bool:
        """Whether a result still says how things are: no input has changed, and what it rests on holds, too."""
        if self._not_valid(result.step) or result.input_hash != self._input_hash(result.step):
            return False
        return all(self.state(need) == "done" for need in self.steps[result.step].needs)

    def _not_valid(self, name: str) -> list[str]:
        forms = self.steps[name].typed_at or (name,)
        return [
            problem if form == name else f"“{self.steps[form].title}”: {problem}"
            for form in forms
            if form in self.problems
            for problem in self.problems[form]()
        ]

    def blockers(self, name: str) -> list[str]:
        """Why a step cannot run yet, in words; empty when it can."""
        step = self.steps[name]
        rules = [(need, "done", _DONE) for need in step.needs] + [(need, "run", _ENDED) for need in step.after]
        return self._not_valid(name) + [
            f"“{self.steps[need].title}” must be {verb} {'again' if state == 'stale' else 'first'}"
            + _WHY.get(state, "")
            for need, verb, enough in rules
            if (state := self.state(need)) not in enough
        ]

    def result(self, name: str) -> Result | None:
        """How a step last ended."""
        return self._results.get(name)

    def given(self) -> JSON:
        """Everything that a user has chosen, without secrets; written with each start of a step."""
        return {}

    def recall(self, ends: Mapping[str, Entry]) -> None:
        """Restore how steps ended in an earlier session, where their inputs are still the same."""
        for name in self.steps:
            if (end := ends.get(name)) and end.data["input_hash"] == self._input_hash(name):
                self._results[name] = _recalled(end)
        self.changed()

    async def run(self, name: str) -> Result:
        """Run a step, or join it when it is running already.

        Raises InvalidInput for a step that there is not, StepBlocked when something it needs is not done, and the
        step's own error when it fails.
        """
        if name not in self.steps:
            raise InvalidInput(
                f"There is no step {name}",
                cause=f"the steps are {', '.join(self.steps)}.{did_you_mean(name, self.steps)}".rstrip("."),
                fix="name one of these; nothing was sent",
            )
        if name not in self._tasks:
            if blockers := self.blockers(name):
                raise StepBlocked(
                    f"“{self.steps[name].title}” cannot run yet",
                    cause="; ".join(blockers),
                    fix="run the steps named, in order; nothing was sent",
                )
            task = self._tasks[name] = asyncio.create_task(self._perform(self.steps[name]))
            # A task that is cancelled before it starts never reaches its own end.
            task.add_done_callback(lambda _: self._ended(name, task))
            self.changed()
        # Shielded: a caller that gives up does not end the step; `cancel` does.
        result = await asyncio.shield(self._tasks[name])
        if result.error:
            raise result.error
        return result

    def cancel(self, name: str) -> None:
        """Stop a running step. What it had sent stays sent; the ledger says that it was cancelled."""
        if task := self._tasks.get(name):
            task.cancel()

    async def _perform(self, step: Step) -> Result:
        input_hash = self._input_hash(step.name)
        try:
            # Kept before it ends, so that a step always either runs or has its result.
            return self._keep(await self._attempt(step, input_hash), input_hash)
        finally:
            self._ended(step.name, asyncio.current_task())

    async def _attempt(self, step: Step, input_hash: str) -> Result:
        self.journal.append("step.started", {"step": step.name, "input_hash": input_hash, "given": self.given()})
        try:
            with within_step(step.name):
                return await step.act(self)
        except OpslibError as error:
            return Result(step.name, "failed", error.title, error=error)
        except BaseException as error:
            # An earlier result no longer holds: how far this run came is not known.
            self._results.pop(step.name, None)
            kind = "step.cancelled" if isinstance(error, asyncio.CancelledError) else "step.crashed"
            with suppress(LedgerError):  # the error that ended the step says more
                self.journal.append(kind, {"step": step.name, "input_hash": input_hash, "error": type(error).__name__})
            raise

    def _ended(self, name: str, task: asyncio.Task[Any] | None) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]
            self.changed()

    def _keep(self, result: Result, input_hash: str) -> Result:
        kept = replace(result, input_hash=input_hash)
        self._results[result.step] = kept
        try:
            self._note(kept)
        except LedgerError:
            if not kept.error:  # which says more
                raise
        return kept

    def _note(self, result: Result) -> None:
        """Write down how a step ended. Raises LedgerError."""
        self.journal.append(
            f"step.{result.state}",
            {
                "step": result.step,
                "input_hash": result.input_hash,
                "summary": result.summary,
                "data": result.data,
                "error": result.error.as_json() if result.error else None,
            },
        )
        self.journal.ledger.checkpoint()

    def changed(self) -> None:
        """Tell the listeners. One that changes an input calls this again, and what was hashed before is dropped."""
        outermost = self._hashes is None
        self._hashes = {}
        try:
            for callback in self.on_change:
                callback()
        finally:
            self._hashes = None if outermost else {}

    def _input_hash(self, name: str) -> str:
        if self._hashes is None:
            return self._hash_inputs(name)
        if name not in self._hashes:
            self._hashes[name] = self._hash_inputs(name)
        return self._hashes[name]

    def _hash_inputs(self, name: str) -> str:
        step = self.steps[name]
        earlier = [self._input_hash(need) for need in (*step.needs, *step.after)]
        return hash_of({"inputs": step.inputs(self), "needs": earlier})


def hash_of(value: Any) -> str:
    """SHA-256 over a JSON value in its canonical form."""
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def _recalled(end: Entry) -> Result:
    data = end.data
    failure = data["error"] or {}
    error = OpslibError(**{key: failure[key] for key in failure if key != "error"}) if failure else None
    state = cast(Literal["done", "failed", "unknown"], end.kind.removeprefix("step."))
    return Result(data["step"], state, data["summary"], data["data"], error, data["input_hash"], end.at)
