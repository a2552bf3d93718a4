"""A verdict for each control, with the ledger entries it rests on.

PASS needs an answer: a control whose main checks gave none is UNKNOWN or not checked, whatever else passed.
"""

from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from opslib.audit.facts import Facts
from opslib.ledger.chain import Entry
from opslib.ledger.statistics import PASS_AT_PERCENT, success_rate_percent
from opslib.router.apply import remaining_steps
from opslib.router.journal import Progress
from opslib.validator.check import Check, Control
from opslib.validator.checks import CHECKS
from opslib.validator.finding import SEVERITIES
from opslib.validator.wanted import WrittenWith
from opslib.verdict import WORST_FIRST, Verdict

_RECORD: dict[str, Verdict] = {"intact": "PASS", "unsigned": "UNKNOWN", "broken": "FAIL"}
_STATES: dict[str, Verdict] = {"done": "PASS", "failed": "FAIL"}

NOT_CHECKED = {
    "Recordings: they arrive in the bucket": "no archived recording was looked at",
    "Since then: what was registered is still there": "objects were read back right after they were written, not later",
}

ALL: Final = "all"


@dataclass(frozen=True)
class ControlResult:
    """One control's answer and the numbers of the ledger entries it rests on, or `ALL`."""

    control: str
    word: Verdict
    why: str
    entries: Sequence[int] | Literal["all"] = ()


# Which checks a control rests on, they say themselves. The last control also takes checks that this release does not
# know, so that none is lost.
TITLES: dict[Control, str] = {
    "storage": "Storage: the bucket is there, and recordings can be written",
    "encryption": "Encryption: recordings are encrypted at rest",
    "access": "Access: nobody unknown can reach recordings",
    "transport": "Transport: plain HTTP is refused",
    "retention": "Retention: nothing removes a recording before its time",
    "worm": "WORM: nobody can change or delete a recording before its time",
    "operation": "Operation: what else the profile asks of the bucket",
}


def checks_of(control: Control) -> list[Check]:
    """The checks that a control rests on: those that it requires, then the others, the gravest first."""
    checks = [check for check in CHECKS.values() if check.control == control]
    others = [check for check in checks if not check.required]
    others.sort(key=lambda check: (SEVERITIES.index(check.severity), check.id))
    return [*(check for check in checks if check.required), *others]


def _answered(control: Control, answers: Container[str]) -> bool:
    """Whether each required check has an answer. Recordings come with a key or with a role, never with both."""
    required = [check for check in checks_of(control) if check.required]
    return any(
        all(check.id in answers for check in required if check.written_with in (None, way))
        for way in get_args(WrittenWith)
    )


def results(facts: Facts) -> list[ControlResult]:
    """Each control, then what this release does not check."""
    return [
        _record(facts),
        _step(facts, "connect", "Connection: the org answers, and accepts our OAuth client"),
        *_bucket(facts),
        _step(facts, "plan", "Plan: what would change was read from the org and written down first"),
        _approval(facts),
        routing(facts),
        _step(facts, "see_event", "Change feed: a change was announced to the data lake"),
        *(ControlResult(control, "not_checked", why) for control, why in NOT_CHECKED.items()),
    ]


def compliance(results: Sequence[ControlResult]) -> ControlResult:
    """The worst of the controls that were checked."""
    worst = _worst([result.word for result in results])
    why = {
        "FAIL": f"failed: {_named(results, 'FAIL')}",
        "UNKNOWN": f"without an answer: {_named(results, 'UNKNOWN')}",
        "WARN": f"nothing failed; to be looked at: {_named(results, 'WARN')}",
        "PASS": "every control that was checked passed",
    }[worst]
    why += f"; not checked: {_named(results, 'not_checked')}"
    return ControlResult("Compliance, as far as it was checked", worst, why)


def http(facts: Facts) -> ControlResult:
    """How the calls to Genesys went. It says nothing about the bucket or the recordings."""
    good, bad = facts.call_statistics.operations()
    rate = success_rate_percent(good, bad)
    if rate is None:
        return ControlResult("HTTP operations", "UNKNOWN", "no data: there were no operations")
    word: Verdict = "PASS" if rate >= PASS_AT_PERCENT else "WARN"
    why = f"{good} of {good + bad} operations succeeded ({rate:.1f} %; PASS from {PASS_AT_PERCENT:.0f} %)"
    return ControlResult("HTTP operations", word, why)


def _named(results: Sequence[ControlResult], word: Verdict) -> str:
    """The controls with this verdict, each by the name before its colon."""
    return ", ".join(result.control.split(":")[0] for result in results if result.word == word)


def outcome(apply: Progress) -> str:
    """How an apply ended, in words."""
    if apply.ended == "done":
        done = "remove: all gone, as read back" if _removes(apply) else "change: all written and read back"
        accepted = "; ".join(difference.sentence for difference in apply.accepted.values())
        return f"{len(apply.plan.changes)} to {done}" + (f", except what was accepted: {accepted}" if accepted else "")
    if apply.ended:
        return f"undone, and each object read back: the org is as it was before{apply.kept} ({apply.reason})"
    return f"left half-done. {remaining_steps(apply)}"


def _record(facts: Facts) -> ControlResult:
    control = "Record: the ledger is as it was signed"
    ledger, own = facts.ledger, facts.own_key
    if ledger.intact and own is not None and ledger.key != own:
        # Anybody can sign a ledger of their own; only its owner can say that this key is theirs.
        whose = f"another key than this report's, {own}" if own else "a key that this report cannot compare with one"
        why = f"{ledger.reason}, but {ledger.key} is {whose}: be sure that it is the owner's (opslib verify --key)"
        return ControlResult(control, "WARN", why, entries=ALL)
    return ControlResult(control, _RECORD[ledger.state], ledger.reason, entries=ALL)


def _step(facts: Facts, step: str, control: str) -> ControlResult:
    end = facts.last_end(step)
    if end is None:
        return ControlResult(control, "UNKNOWN", "this step was not run")
    word = _STATES.get(end.kind.removeprefix("step."), "UNKNOWN")
    return ControlResult(control, word, _summary(end), [end.seq])


def _summary(end: Entry) -> str:
    if end.kind == "step.started":
        return "it was begun, and how it ended is not recorded"
    return str(end.data.get("summary", "it was cancelled or broke off before it ended"))


def _bucket(facts: Facts) -> Iterator[ControlResult]:
    report, end = facts.bucket_report(), facts.last_end("validate_bucket")
    first, *others = TITLES.values()
    if report is None or end is None:
        # Without findings one thing may be known all the same: that there is no bucket to look at.
        reached = _step(facts, "validate_bucket", first)
        yield reached
        why = f"not looked at: {reached.why}"
        yield from (ControlResult(title, "UNKNOWN", why, reached.entries) for title in others)
        return
    findings = {finding["check"]: finding for finding in facts.findings()}
    *named, last = TITLES
    for control in named:
        own = [findings.pop(check.id) for check in checks_of(control) if check.id in findings]
        yield _of_checks(control, own, end.seq)
    yield _of_checks(last, list(findings.values()), end.seq)


def _of_checks(control: Control, findings: Sequence[dict[str, Any]], seq: int) -> ControlResult:
    answers = {finding["check"]: finding["verdict"] for finding in findings if finding["verdict"] != "not_checked"}
    word = _worst(answers.values())
    if not answers or (word not in ("FAIL", "UNKNOWN") and not _answered(control, answers)):
        word = "not_checked"
    reasons = [
        finding["title"] if word == "PASS" else f"{finding['title']}: {finding['cause']}"
        for finding in findings
        if finding["verdict"] == word
    ]
    return ControlResult(TITLES[control], word, "; ".join(reasons) or "the profile does not ask for it", [seq])


def _approval(facts: Facts) -> ControlResult:
    control = "Approval: just that plan was approved before anything was written"
    if not facts.applies:
        return _step(facts, "approve", control)
    approvals = [(apply, facts.approval(apply)) for apply in facts.applies]
    missing = [apply.id for apply, approval in approvals if approval is None]
    if missing:
        why = f"the apply that entry {missing[0]} begins has no approval, neither in this run nor in an earlier one"
        return ControlResult(control, "FAIL", why, [int(id) for id in missing])
    given = {approval.seq: approval for _, approval in approvals if approval}
    elsewhere = [
        f"; approved in run {approval.run_id} by {facts.actor(approval)}"
        for approval in given.values()
        if approval.run_id != facts.run_id
    ]
    why = "each apply carries the checksum of a plan approved before it"
    return ControlResult(control, "PASS", why + "".join(elsewhere), sorted(given))


def routing(facts: Facts) -> ControlResult:
    """Whether the org has what was planned, as the last apply left it. A removal that succeeded leaves nothing that
    could be routed to."""
    applied = _applied(facts, "Routing: target, policy and webhook are in the org as planned, written and read back")
    if applied.word == "PASS" and _removal(facts):
        why = f"this run was to remove them, so there is no routing to judge: {applied.why}"
        return ControlResult(applied.control, "not_checked", why, applied.entries)
    return applied


def _applied(facts: Facts, control: str) -> ControlResult:
    end = facts.last_end("apply")
    if facts.applies and not (end and end.kind == "step.done"):
        last = facts.applies[-1]
        as_planned: Verdict = "WARN" if last.accepted else "PASS"
        word = as_planned if last.ended == "done" else "FAIL"
        return ControlResult(control, word, outcome(last), [int(last.id), last.last_seq])
    return _step(facts, "apply", control)


def _removal(facts: Facts) -> bool:
    """Whether the last apply was to remove what the org has, also where it had nothing any more."""
    begun = [entry.data.get("given", {}) for entry in facts.entries("step.started") if entry.data["step"] == "apply"]
    return any(map(_removes, facts.applies[-1:])) or any(given.get("removal") for given in begun[-1:])


def _removes(apply: Progress) -> bool:
    return any(change.action == "delete" for change in apply.plan.changes)


def _worst(words: Collection[Verdict]) -> Verdict:
    """UNKNOWN where nothing was answered; what was not checked counts neither way."""
    return next((word for word in WORST_FIRST if word in words and word != "not_checked"), "UNKNOWN")
