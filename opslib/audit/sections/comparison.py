"""What differs between two audits of one target: verdicts, findings, values, outcome and rates."""

from collections.abc import Sequence
from typing import Any

from opslib.audit import controls, reads
from opslib.audit.control_result import ControlResult
from opslib.audit.document import Block, Cell, Mark, Prose, Table
from opslib.audit.facts import Facts, another
from opslib.audit.rule import rule_of
from opslib.audit.sections import calls
from opslib.audit.words import sentence
from opslib.errors import InvalidInput
from opslib.genesys.backend import JSON, leaves
from opslib.ledger.statistics import success_rate_percent
from opslib.router.render import show
from opslib.verdict import Verdict


def earlier(facts: Facts, run_id: str | None = None) -> Facts | None:
    """The run named, or else the last walk of the same target before this one that did something; None when there is
    none.

    Raises LedgerError when there is no such run, and InvalidInput when it is of another target.
    """
    if run_id is None:
        before = facts.runs.walks_before(facts.run_id)
        return another(facts, before[-1]) if before else None
    other = another(facts, run_id)
    if not facts.runs.are_of_one_target(facts.run_id, run_id):
        known = facts.runs.walks_before(facts.run_id)[-3:]
        raise InvalidInput(
            f"Run {run_id} is of another target",
            cause=f"run {facts.run_id} is of target {facts.runs.name(facts.run_id) or 'not known'}, and only runs of "
            "one target can be compared",
            fix=f"name an earlier walk of this target: {', '.join(known) or 'the ledger has none'}",
        )
    return other


def blocks(now: Facts, before: Facts | None) -> Sequence[Block]:
    """Tables of what differs; the outcome and the rates always."""
    if before is None:
        return [Prose("There is no earlier walk of this target in this ledger to compare with.")]
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
    compared: list[Block] = [Prose(f"Compared with {_named(now, before)}, started at {before.started.at}.")]
    for caption, what, changed, none in (
        ("Verdicts that changed", "Control", verdicts, "No verdict changed."),
        ("Findings that changed", "Check", findings, "No finding about the bucket changed."),
    ):
        table = Table(caption, (what, "Before", "Now", "Why now"), changed, (4, 2, 2, 5))
        compared.append(table if changed else Prose(none))
    if values := _changed_values(now, before):
        table = Table("Values that changed, also where no verdict did", _VALUES_HEAD, values, (3, 4, 3, 3))
        compared.append(table)
    else:
        compared.append(Prose("No value changed: neither what was asked for, nor what was left in the org."))
    return [*compared, Table("Outcome and rates", ("What", "Before", "Now"), rows, (2, 3, 3))]


_VALUES_HEAD = ("Of what", "Value", "Before", "Now")


def _named(now: Facts, before: Facts) -> str:
    """The previous walk is called that; another run may have been asked for."""
    is_previous = now.runs.walks_before(now.run_id)[-1:] == [before.run_id]
    return f"the previous walk, run {before.run_id}" if is_previous else f"run {before.run_id}"


def _changed_values(now: Facts, before: Facts) -> list[list[Cell]]:
    """What was asked for, the bucket's days, and what the two runs left in the org, where one differs."""
    old, new = _asked(before), _asked(now)
    left, found = reads.registered(before), reads.registered(now)
    compared: list[tuple[str, JSON | None, JSON | None]] = [(of, old[of], new[of]) for of in old if old[of] and new[of]]
    compared += [
        (f"{key[0]} {found[key].name}", left[key].body, found[key].body) for key in sorted(left.keys() & found.keys())
    ]
    return [
        [of, path, show(one.get(path)), show(two.get(path))]
        for of, then, is_now in compared
        for one, two in [(dict(leaves(then)), dict(leaves(is_now)))]
        for path in sorted(one.keys() | two.keys())
        if one.get(path) != two.get(path)
    ]


def _asked(facts: Facts) -> dict[str, dict[str, Any]]:
    """What each run was to do, by whose word, and the clocks of its bucket; empty where the ledger does not say."""
    clocks = (facts.bucket_report() or {}).get("clocks") or {}
    known = {
        name: clocks[name] for name in ("policy_days", "target_days", "org_days", "lock", "removed") if name in clocks
    }
    return {"the onboarding": facts.wanted, "the bucket, in days": known}


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
