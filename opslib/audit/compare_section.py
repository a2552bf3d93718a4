"""What differs between two audits: verdicts, findings, outcome and rates."""

from collections.abc import Sequence
from typing import Any

from opslib.audit import calls_section, controls
from opslib.audit.document import Block, Cell, Mark, Prose, Table
from opslib.audit.facts import Facts, another, walks_before
from opslib.ledger.statistics import success_rate_percent


def earlier(facts: Facts, run_id: str | None = None) -> Facts | None:
    """The run named, or else the last walk before this one that did something; None when there is none.

    Raises LedgerError when there is no such run.
    """
    if run_id:
        return another(facts, run_id)
    for walk in reversed(walks_before(facts.path, facts.started.seq - 1)):
        other = another(facts, walk)
        if any(entry.kind != "step.started" for entry in other.steps()):
            return other
    return None


def blocks(now: Facts, before: Facts | None) -> Sequence[Block]:
    """Tables of what differs; the outcome and the rates always."""
    if before is None:
        return [Prose("There is no earlier walk in this ledger to compare with.")]
    old = {result.control: result.word for result in _results(before)}
    verdicts: list[list[Cell]] = [
        [result.control, Mark(old[result.control]), Mark(result.word), result.why]
        for result in _results(now)
        if result.word != old[result.control]
    ]
    findings = _findings(now, before)
    rows: list[list[Cell]] = [[name, value_of(before), value_of(now)] for name, value_of in _VALUES.items()]
    compared: list[Block] = [Prose(f"Compared with run {before.run_id}, started at {before.started.at}.")]
    for caption, what, changed, none in (
        ("Verdicts that changed", "Control", verdicts, "No verdict changed."),
        ("Findings that changed", "Check", findings, "No finding about the bucket changed."),
    ):
        table = Table(caption, (what, "Before", "Now", "Why now"), changed, (4, 2, 2, 5))
        compared.append(table if changed else Prose(none))
    return [*compared, Table("Outcome and rates", ("What", "Before", "Now"), rows, (2, 3, 3))]


def _results(facts: Facts) -> Sequence[controls.ControlResult]:
    results = controls.results(facts)
    return [controls.compliance(results), controls.http(facts), *results]


def _findings(now: Facts, before: Facts) -> list[list[Cell]]:
    old, new = _by_check(before), _by_check(now)
    pairs = [(old.get(check, _NONE), new.get(check, _NONE)) for check in dict.fromkeys([*new, *old])]
    return [
        [(then | found)["title"], Mark(then["verdict"]), Mark(found["verdict"]), found["cause"]]
        for then, found in pairs
        if then["verdict"] != found["verdict"]
    ]


def _by_check(facts: Facts) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in facts.findings()}


# In place of a finding that a run does not have.
_NONE = {"verdict": "not_checked", "cause": "not in the profile, or the bucket was not looked at"}


def _bucket(facts: Facts) -> str:
    report = facts.bucket_report()
    return f"{report['bucket']}, {report['profile']}" if report else "not looked at"


def _outcome(facts: Facts) -> str:
    if facts.applies:
        return controls.outcome(facts.applies[-1])
    end = facts.last_end("apply")
    return str(end.data.get("summary", "not known")) if end else "nothing was applied"


def _rate(facts: Facts) -> str:
    good, bad = facts.call_statistics.operations()
    rate = success_rate_percent(good, bad)
    return "no data" if rate is None else f"{good} of {good + bad} ({rate:.1f} %)"


def _p95(facts: Facts) -> str:
    return calls_section.latency(facts.call_statistics, 95)


_VALUES = {
    "Bucket, profile": _bucket,
    "Outcome of the plan": _outcome,
    "Operations that succeeded": _rate,
    "Latency p95": _p95,
}
