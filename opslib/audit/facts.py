"""What the ledger says about one run, as plain values. Nothing here asks Genesys, AWS or the clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opslib.chain import Entry, Verification
from opslib.errors import LedgerError
from opslib.ledger_file import read_entries
from opslib.router.apply import remaining_steps
from opslib.router.journal import Progress, applies
from opslib.samples import frame, percentile, success_rate_percent
from opslib.verify import verify

if TYPE_CHECKING:
    import pandas as pd

Word = Literal["PASS", "FAIL", "WARN", "UNKNOWN", "not checked"]

# The contract's threshold for HTTP operations, in percent.
HTTP_PASS_AT_PERCENT = 95.0

_RECORD: dict[str, Word] = {"intact": "PASS", "unsigned": "UNKNOWN", "broken": "FAIL"}
_STATES: dict[str, Word] = {"done": "PASS", "failed": "FAIL", "unknown": "UNKNOWN"}

# What each step proves when it is done, and no more than that.
_CONTROLS = {
    "connect": "The org answers, and accepts our OAuth client",
    "validate_bucket": "The bucket passes every check of its profile",
    "plan": "What would change was read from the org and written down first",
    "approve": "Just that plan was approved before anything was written",
    "apply": "Target, policy and webhook are in the org as planned: written, and read back",
    "see_event": "A change was announced to the data lake",
}

_COMPLIANCE = "Compliance, as far as it was checked"

NOT_CHECKED = {
    "Recordings arrive in the bucket": "no archived recording was looked at",
    "What was registered is still there": "objects were read back right after they were written, and not later",
}


@dataclass(frozen=True)
class Verdict:
    """One control's answer and the ledger entries it rests on (their numbers)."""

    control: str
    word: Word
    why: str
    entries: Sequence[int] = ()


@dataclass(frozen=True)
class Problem:
    """Something that went wrong: an attempt that failed, or a step's error."""

    entry: int
    at: str
    where: str
    what: str
    cause: str
    correlation_id: str


@dataclass(frozen=True)
class Facts:
    """One run. `entries` are its ledger entries in order; `ledger` is what a check of the whole chain found;
    `applies` are those that this run began, to their end, also where a later run finished or undid them."""

    run_id: str
    entries: Sequence[Entry]
    ledger: Verification
    applies: Sequence[Progress] = ()

    @property
    def started(self) -> Entry:
        """The entry that says who, when and with what."""
        return self.entries[0]

    def of(self, kind: str) -> list[Entry]:
        """The run's entries of one kind."""
        return [entry for entry in self.entries if entry.kind == kind]

    def samples(self) -> "pd.DataFrame":
        """One row per HTTP attempt to Genesys; see opslib.samples_frame. Reads of the catalogue are left out."""
        rows = ({"run_id": self.run_id, **entry.data} for entry in self.of("sample"))
        return frame(row for row in rows if row["operation"] != "read_catalogue")

    def operations(self) -> tuple[int, int]:
        """How many operations ended well, and how many did not."""
        outcomes = [entry.data["outcome"] for entry in self.of("operation")]
        return outcomes.count("success"), len(outcomes) - outcomes.count("success")

    def latency_ms(self) -> dict[str, float | None]:
        """p50, p95 and p99 of the attempts' wire time (type 7); None without attempts."""
        values = [float(seconds) * 1000 for seconds in self.samples()["latency_s"]]
        return {f"p{percent}": percentile(values, percent) for percent in (50, 95, 99)}

    def verdicts(self) -> list[Verdict]:
        """Each control, then what was not checked."""
        record = Verdict("The record is intact", _RECORD[self.ledger.state], self.ledger.reason)
        steps = [self._step_verdict(step, control) for step, control in _CONTROLS.items()]
        return [record, *steps, *(Verdict(what, "not checked", why) for what, why in NOT_CHECKED.items())]

    def compliance(self) -> Verdict:
        """The worst of the controls that were checked; a control whose step never ran counts as UNKNOWN."""
        words = [verdict.word for verdict in self.verdicts()[: len(_CONTROLS) + 1]]
        if "FAIL" in words:
            return Verdict(_COMPLIANCE, "FAIL", "a control failed")
        if set(words) != {"PASS"}:
            return Verdict(_COMPLIANCE, "UNKNOWN", "a control has no answer")
        return Verdict(_COMPLIANCE, "PASS", "every control that was checked passed; see also what was not checked")

    def http(self) -> Verdict:
        """How the calls to Genesys went. It says nothing about the bucket or the recordings."""
        good, bad = self.operations()
        rate = success_rate_percent(good, bad)
        entries = [entry.seq for entry in self.of("operation")]
        if rate is None:
            return Verdict("HTTP operations", "UNKNOWN", "no data: there were no operations")
        word: Word = "PASS" if rate >= HTTP_PASS_AT_PERCENT else "WARN"
        why = f"{good} of {good + bad} operations succeeded ({rate:.1f} %; PASS from {HTTP_PASS_AT_PERCENT:.0f} %)"
        return Verdict("HTTP operations", word, why, entries)

    def problems(self) -> list[Problem]:
        """Attempts that failed, retried or not, and the errors of steps, in order. A 404 to a question is none."""
        return [problem for entry in self.entries if (problem := _problem(entry))]

    def findings(self) -> dict[str, Any] | None:
        """The last report on the bucket; None when there is none."""
        reports = [
            e.data["data"] for e in self.entries if e.data.get("step") == "validate_bucket" and e.data.get("data")
        ]
        return reports[-1] if reports else None

    def last_end(self, step: str) -> Entry | None:
        """The last end of a step, if it ran."""
        ends = [
            entry
            for entry in self.entries
            if entry.kind in ("step.done", "step.failed", "step.unknown", "step.cancelled", "step.crashed")
            and entry.data["step"] == step
        ]
        return ends[-1] if ends else None

    def approval(self, apply: Progress) -> Entry | None:
        """The approval that an apply rests on."""
        given = [e for e in self.of("approval") if e.seq < int(apply.id) and e.data["checksum"] == apply.plan.checksum]
        return given[-1] if given else None

    def _step_verdict(self, step: str, control: str) -> Verdict:
        end = self.last_end(step)
        if step == "apply" and self.applies and not (end and end.kind == "step.done"):
            last = self.applies[-1]
            return Verdict(
                control, "PASS" if last.ended == "done" else "FAIL", outcome(last), [int(last.id), last.last_seq]
            )
        if end is None:
            return Verdict(control, "UNKNOWN", "this step was not run")
        word = _STATES.get(end.kind.removeprefix("step."), "UNKNOWN")
        return Verdict(control, word, end.data.get("summary", "cancelled before it ended"), [end.seq])


def load(ledger: Path, run_id: str | None = None) -> Facts:
    """The facts of a run, by default the last walk. Reads only. Raises LedgerError when there is no such run."""
    found = verify(ledger)
    entries = list(read_entries(ledger))
    walks = [entry.run_id for entry in entries if entry.kind == "run.started" and entry.data["command"] == "walk"]
    wanted = run_id or (walks[-1] if walks else None)
    of_run = [entry for entry in entries if entry.run_id == wanted]
    if not of_run or wanted is None:
        raise LedgerError(
            "There is no such run" if run_id else "The ledger holds no walk yet",
            cause=f"{ledger} has {len(walks)} walks" + (f", none is {run_id}" if run_id else ""),
            fix="run notebook 01 or `opslib onboard FILE` first, or leave out --run",
        )
    own = {str(entry.seq) for entry in of_run}
    return Facts(wanted, of_run, found, [apply for apply in applies(entries) if apply.id in own])


def outcome(apply: Progress) -> str:
    """How an apply ended, in words."""
    if apply.ended == "done":
        return f"{len(apply.plan.changes)} to change: all written and read back"
    if apply.ended:
        return f"undone, and each object read back: the org is as it was before{apply.kept} ({apply.reason})"
    return f"left half-done. {remaining_steps(apply)}"


def _problem(entry: Entry) -> Problem | None:
    data: dict[str, Any] = entry.data
    if entry.kind == "sample" and data["outcome"] not in ("success", "not_found"):
        what = f"attempt {data['attempt']}: {data['outcome'].replace('_', ' ')}"
        cause = f"HTTP {data['status']}" if data["status"] else "no answer"
        return Problem(entry.seq, entry.at, data["operation"], what, cause, data["correlation_id"] or "")
    if entry.kind == "step.failed":
        error = data["error"]
        return Problem(entry.seq, entry.at, data["step"], error["title"], error["cause"], error["correlation_id"] or "")
    return None
