"""A fleet's plan, its progress and how it ended, as HTML and as DataFrames."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opslib.errors import OpslibError
from opslib.html import Html, table, text
from opslib.router.unsafe_changes import UNSAFE
from opslib.walk.fleet_plan import FleetPlan, FleetRow
from opslib.walk.fleet_progress import FleetProgress
from opslib.walk.fleet_result import FleetResult, FleetTarget, Outcome
from opslib.widgets.fleet_work import SHOWN
from opslib.widgets.receipt import labelled_lines

if TYPE_CHECKING:
    import pandas as pd

_FILES_NAMED = 10
# Sign and words: colour is not needed.
_OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "done": ("✔", "done"),
    "unchanged": ("✔", "as it was: nothing to change"),
    "rolled_back": ("✖", "failed and rolled back"),
    "half_done": ("✖", "left half-done"),
    "refused": ("✖", "refused, nothing was written"),
    "not_started": ("…", "not started"),
}


def plan_summary(plan: FleetPlan) -> str:
    """The totals."""
    told = plan.as_json()
    actions = ", ".join(f"{count} {action}" for action, count in told["actions"].items() if count)
    unsafe = sum(bool(row.unsafe) for row in plan.rows)
    parts = [
        f"{told['changed']} to change" + (f" ({actions})" if actions else ""),
        *([f"{unsafe} of them unsafe"] if unsafe else []),
        f"{told['unchanged']} as wanted",
        f"{told['refused']} refused",
    ]
    return f"{count_of(len(plan.rows))}: {', '.join(parts)}"


def plan_table(plan: FleetPlan, details: Mapping[str, Html], *, measured: bool) -> str:
    """The rows, unsafe ones first, and below them each plan field by field. `measured`: with the checksum."""
    rows = [(_wide(row.file), _wide(row.target), _wide(org_words(row.org)), _planned(row)) for row in plan.rows[:SHOWN]]
    shown = table(_first("Plans", len(plan.rows)), ("File", "Target", "Org", "Plan"), rows).html
    folds = "".join(
        f"<details><summary>{text(row.file)}: field by field</summary>{details[row.file].html}</details>"
        for row in plan.rows[:SHOWN]
        if row.file in details
    )
    checksum = table("", (), [("Checksum", plan.checksum)]).html if measured else ""
    return shown + folds + checksum


def result_summary(result: FleetResult) -> str:
    ended = ", ".join(f"{count} {_OUTCOMES[name][1]}" for name, count in _in_order(result))
    stopped = f"; {result.stopped}" if result.stopped else ""
    return f"{result.done:,} of {count_of(len(result.targets))} are as wanted ({ended}){stopped}"


def result_table(plan: FleetPlan, result: FleetResult) -> str:
    """The failures by cause, then how each file ended, those that are not as wanted first."""
    about = {row.file: (_wide(row.target), _wide(org_words(row.org))) for row in plan.rows}
    good = ("done", "unchanged")
    in_order = sorted(result.targets, key=lambda target: (target.outcome in good, target.file))
    rows = [(_wide(target.file), *about[target.file], outcome_words(target.outcome)) for target in in_order[:SHOWN]]
    listed = table(_first("Outcomes", len(in_order)), ("File", "Target", "Org", "Outcome"), rows).html
    return _causes(result) + listed


def outcomes_frame(plan: FleetPlan | None, result: FleetResult | None) -> "pd.DataFrame":
    """A row for each file: file, target, org, outcome, cause, fix. Without rows while nothing has ended."""
    import pandas as pd

    about = {row.file: row for row in plan.rows} if plan else {}
    rows = [_outcome(about[target.file], target) for target in (result.targets if result else ())]
    return pd.DataFrame(rows, columns=["file", "target", "org", "outcome", "cause", "fix"])


def outcome_words(outcome: Outcome) -> Html:
    sign, words = _OUTCOMES[outcome]
    return Html(f'<span aria-hidden="true">{sign}</span> {text(words)}', words)


def progress_details(progress: FleetProgress, *, stopping: bool) -> str:
    """Who is at work, who waits for what, and how long it will take."""
    ended = ", ".join(f"{count} {_words(name)}" for name, count in progress.outcomes.items())
    stop = (
        "no other onboarding begins; those at work go on to their end. Stop again ends them after the change in flight"
    )
    lines = {
        "Stopping": stop if stopping else "",
        "At work": some(progress.running),
        "Waiting": "; ".join(progress.waits),
        "Ended": ended,
        "Time left": progress.time_left,
    }
    return labelled_lines(lines)


def count_of(onboardings: int) -> str:
    return f"{onboardings:,} onboarding{'s' * (onboardings != 1)}"


def some(files: Sequence[str]) -> str:
    """The first of them by name, and how many more."""
    more = f" and {len(files) - _FILES_NAMED:,} more" if len(files) > _FILES_NAMED else ""
    return ", ".join(files[:_FILES_NAMED]) + more


def org_words(org: str) -> str:
    """The API's host, and the start of the OAuth client's id: two orgs of one region have the same host."""
    address, _, client = org.partition(" as ")
    return f"{urlsplit(address).hostname}, client {client[:8]}" if client else "–"


def _wide(name: str) -> Html:
    """A name in a column wide enough for it to break in few places."""
    return Html(f'<span style="display:inline-block;min-width:9em">{text(name or "–")}</span>', name)


def _planned(row: FleetRow) -> Html:
    if row.error:
        title, why, fix = _error(row.error, row.file)
        said = f'<span aria-hidden="true">✖</span> <strong>Refused:</strong> {text(title)}. Cause: {text(why)}'
        return Html(f"{said}. Fix: {text(fix)}", title)
    if not row.changes:
        return Html("As wanted: nothing to change", "as wanted")
    changes = text(", ".join(f"{change.action} {change.kind} {change.name}" for change in row.changes))
    risks = "".join(
        f'<br><span aria-hidden="true">⚠</span> <strong>Unsafe: {text(name)}</strong>: {text(UNSAFE[name])}'
        for name in row.unsafe
    )
    return Html(changes + risks, changes)


def _causes(result: FleetResult) -> str:
    by_file = {target.file: target for target in result.targets}
    return "".join(_cause(error, files, by_file[files[0]].outcome) for error, files in result.by_cause())


def _cause(error: OpslibError, files: Sequence[str], outcome: Outcome) -> str:
    title, why, fix = _error(error, files[0])
    count = count_of(len(files))
    lines = {
        "Files": some(files),
        "Cause": why,
        "Fix": fix,
        "Correlation id": error.correlation_id or "",
    }
    head = f'<p style="margin:0"><span aria-hidden="true">✖</span> <strong>{count} {text(_words(outcome))}:</strong> '
    body = f"{head}{text(title)}</p>{labelled_lines(lines)}"
    return f'<div style="border:1px solid;padding:6px 10px;margin:6px 0">{body}</div>'


def _error(error: OpslibError, file: str) -> tuple[str, str, str]:
    """Title, cause and fix, with the file's name for its path."""
    return _short(error.title, file), _short(error.cause, file), error.fix


def _short(words: str, file: str) -> str:
    return " ".join(Path(word).name if word.endswith(f"/{file}") else word for word in words.split(" "))


def _outcome(row: FleetRow, target: FleetTarget) -> tuple[str, ...]:
    title, why, fix = _error(target.error, target.file) if target.error else ("", "", "")
    return target.file, row.target, row.org, target.outcome, f"{title}: {why}" if title else "", fix


def _in_order(result: FleetResult) -> Iterator[tuple[Outcome, int]]:
    counts = Counter(target.outcome for target in result.targets)
    return ((name, counts[name]) for name in _OUTCOMES if counts[name])


def _words(outcome: str) -> str:
    return next((words for name, (_, words) in _OUTCOMES.items() if name == outcome), outcome)


def _first(what: str, count: int) -> str:
    return what if count <= SHOWN else f"{what}: the first {SHOWN} of {count:,}"
