"""What differs between two audits: verdicts, findings, outcome and rates."""

from collections.abc import Sequence
from typing import Any

from opslib.audit import controls, reads
from opslib.audit.control_result import ControlResult
from opslib.audit.document import Block, Cell, Mark, Prose, Table
from opslib.audit.facts import Facts, another, walks_before
from opslib.audit.rule import rule_of
from opslib.audit.sections import calls
from opslib.audit.words import sentence
from opslib.genesys.backend import leaves
from opslib.ledger.statistics import success_rate_percent
from opslib.router.render import show
from opslib.verdict import Verdict


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
    old: dict[str, Verdict] = {result.control: result.word for result in controls.results(before)}
    pairs = [(result, old.pop(result.control, "not_checked")) for result in controls.results(now)]
    verdicts: list[list[Cell]] = [
        [result.claim, Mark(word), Mark(result.word), sentence(result.why)]
        for result, word in pairs
        if result.word != word
    ]
    verdicts += [
        [ControlResult(control, word, "").claim, Mark(word), Mark("not_checked"), "This run does not judge it."]
        for control, word in old.items()
        if word != "not_checked"
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
    if registered := _registered(now, before):
        compared.append(
            Table(
                "What the two runs left in the org, where it differs",
                ("Object", "Value", "Before", "Now"),
                registered,
                (3, 4, 3, 3),
            )
        )
    return [*compared, Table("Outcome and rates", ("What", "Before", "Now"), rows, (2, 3, 3))]


def _registered(now: Facts, before: Facts) -> list[list[Cell]]:
    """Values of the same objects that the two runs left otherwise, also where no verdict changed."""
    old, new = reads.registered(before), reads.registered(now)
    return [
        [f"{key[0]} {new[key].name}", path, show(then.get(path)), show(found.get(path))]
        for key in sorted(old.keys() & new.keys())
        for then, found in [(dict(leaves(old[key].body)), dict(leaves(new[key].body)))]
        for path in sorted(then.keys() | found.keys())
        if then.get(path) != found.get(path)
    ]


def _rule(facts: Facts) -> str:
    rule = rule_of(facts)
    return rule.words if rule else "not known"


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
    return calls.latency(facts.call_statistics, 95)


_VALUES = {
    "Rule": _rule,
    "Bucket, profile": _bucket,
    "Outcome of the plan": _outcome,
    "Operations that succeeded": _rate,
    "Latency p95": _p95,
}
