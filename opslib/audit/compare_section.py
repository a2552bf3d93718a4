"""What differs between two audits: verdicts, findings, outcome and rates."""

from collections.abc import Sequence
from typing import Any

from opslib.audit import controls
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
    if verdicts:
        compared.append(Table("Verdicts that changed", ("Control", "Before", "Now", "Why now"), verdicts, (4, 2, 2, 5)))
    else:
        compared.append(Prose("No verdict changed."))
    if findings:
        compared.append(Table("Findings that changed", ("Check", "Before", "Now", "Why now"), findings, (4, 2, 2, 5)))
    else:
        compared.append(Prose("No finding about the bucket changed."))
    return [*compared, Table("Outcome and rates", ("What", "Before", "Now"), rows, (2, 3, 3))]


def _results(facts: Facts) -> Sequence[controls.ControlResult]:
    results = controls.results(facts)
    return [controls.compliance(results), controls.http(facts), *results]


def _findings(now: Facts, before: Facts) -> list[list[Cell]]:
    old, new = _by_check(before), _by_check(now)
    return [
        [(new.get(check) or old[check])["title"], _mark(old.get(check)), _mark(new.get(check)), _cause(new.get(check))]
        for check in dict.fromkeys([*new, *old])
        if _mark(old.get(check)) != _mark(new.get(check))
    ]


def _by_check(facts: Facts) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in facts.findings()}


def _mark(finding: dict[str, Any] | None) -> Mark:
    return Mark(finding["verdict"] if finding else "not_checked")


def _cause(finding: dict[str, Any] | None) -> str:
    return finding["cause"] if finding else "not in the profile, or the bucket was not looked at"


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
    p95 = facts.call_statistics.percentiles_ms()[95]
    return "no data" if p95 is None else f"{p95:.1f} ms"


_VALUES = {
    "Bucket, profile": _bucket,
    "Outcome of the plan": _outcome,
    "Operations that succeeded": _rate,
    "Latency p95": _p95,
}
