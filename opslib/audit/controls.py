"""A verdict for each control, with the ledger entries it rests on.

PASS needs an answer: a control whose main checks gave none is UNKNOWN or not checked, whatever else passed. It also
needs an answer that is recent, a clock that was right where the answer depends on it, and entries as they were signed.
"""

from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from opslib.audit import age, exceptions, reads, recordings
from opslib.audit.clock import Doubt, clock
from opslib.audit.control_result import ALL as ALL
from opslib.audit.control_result import ControlResult as ControlResult
from opslib.audit.facts import Facts, once
from opslib.audit.kind import kind_of, removes, was_refused
from opslib.audit.looks import Look
from opslib.audit.rule import days_words, rule_of
from opslib.audit.separation import separation
from opslib.audit.since_then import Since, since_then
from opslib.audit.tampered import as_far_as_signed
from opslib.audit.words import moment_words
from opslib.ledger.chain import Entry
from opslib.ledger.statistics import PASS_AT_PERCENT, success_rate_percent
from opslib.router.apply import remaining_steps
from opslib.router.approval import terms
from opslib.router.journal import PLAN_MADE, Progress
from opslib.router.plan import checksum_of
from opslib.validator.check import Check, Control
from opslib.validator.checks import CHECKS
from opslib.validator.finding import SEVERITIES
from opslib.validator.wanted import WrittenWith
from opslib.verdict import WORST_FIRST, Verdict

_RECORD: dict[str, Verdict] = {"intact": "PASS", "unsigned": "UNKNOWN", "broken": "FAIL"}
_STATES: dict[str, Verdict] = {"done": "PASS", "failed": "FAIL"}

# Which checks a control rests on, they say themselves. The last control also takes checks that this release does not
# know, so that none is lost.
TITLES: dict[Control, str] = {
    "storage": "Storage: the bucket is the right one, and Genesys can write to it",
    "encryption": "Encryption: new recordings are encrypted as the target says",
    "access": "Access: no public or unexpected cross-account access",
    "transport": "Transport: unencrypted connections are refused",
    "retention": "Retention: nothing removes a recording early",
    "minimum": "Minimum: the target's retention meets the rule's minimum",
    "worm": "WORM: recordings cannot be altered or deleted early",
    "operation": "Operation: housekeeping of the bucket",
}


def checks_of(control: Control) -> list[Check]:
    """The checks that a control rests on: those that it requires, then the others, the gravest first."""
    checks = [check for check in CHECKS.values() if check.control == control]
    others = [check for check in checks if not check.required]
    others.sort(key=lambda check: (SEVERITIES.index(check.severity), check.id))
    return [*(check for check in checks if check.required), *others]


def title_of(finding: Mapping[str, Any]) -> str:
    """The control that a finding about the bucket belongs to; the last one for a check that this release does not
    know."""
    known = CHECKS.get(finding["check"])
    return TITLES[known.control if known else "operation"]


def _answered(control: Control, answers: Container[str]) -> bool:
    """Whether each required check has an answer. Recordings come with a key or with a role, never with both."""
    required = [check for check in checks_of(control) if check.required]
    return any(
        all(check.id in answers for check in required if check.written_with in (None, way))
        for way in get_args(WrittenWith)
    )


@once
def results(facts: Facts) -> list[ControlResult]:
    """Each control, then what this release does not check."""
    doubt, since = clock(facts), since_then(facts)
    judged = [
        _record(facts),
        _connection(facts),
        *_bucket_or_removed(facts),
        _plan(facts),
        _refusal(facts) or _approval(facts),
        separation(facts),
        _exceptions(facts),
        _removal(facts) if kind_of(facts) == "offboarding" else _routing(facts, since),
        _event(facts),
        ControlResult(SINCE_THEN, since.word, since.why, since.entries, follows="age" if since.stale else ""),
        ControlResult("Clock: this machine's clock agrees with the org's", doubt.word, doubt.why, doubt.entries),
        _age(facts),
        _recordings(facts),
        _anchor(facts),
    ]
    register = exceptions.register(facts)
    doubted = [_doubted(_overtaken(result, since), doubt) for result in judged]
    tagged = [replace(result, exceptions=exceptions.beside(result.id, register)) for result in doubted]
    return [as_far_as_signed(result, facts.ledger) for result in tagged]


def _overtaken(result: ControlResult, since: Since) -> ControlResult:
    """What was found with the bucket, by what the org was found to have later."""
    own = [value for value in since.values if result.id in value.controls]
    if not own or result.word == "FAIL":
        return result
    why = f"found later: {'; '.join(value.words for value in own)}; before: {result.why}"
    return replace(result, word="FAIL", why=why, entries=sorted({value.entry for value in own}), follows="since_then")


SINCE_THEN = "Since then: later changes were approved, and the rule still holds"

# Their answers depend on what time it was: rules by date, and how old the evidence is.
_TIMED = ("retention", "age")


def _doubted(result: ControlResult, doubt: Doubt) -> ControlResult:
    """A PASS that depends on a clock that was wrong is none."""
    if result.id not in _TIMED or result.word != "PASS" or doubt.word not in ("WARN", "UNKNOWN"):
        return result
    why = f"{doubt.why}, and this depends on the time; else: {result.why}"
    return replace(result, word=doubt.word, why=why, follows="clock")


def compliance(results: Sequence[ControlResult]) -> ControlResult:
    """The worst of the controls that were checked. Its reason names every control that did not pass, not only the
    worst."""
    worst = _worst([result.word for result in results])
    said: dict[Verdict, str] = {
        "FAIL": "failed",
        "UNKNOWN": "without an answer",
        "WARN": "to be looked at",
        "not_checked": "not checked",
    }
    named = [f"{words}: {_named(results, word)}" for word, words in said.items() if _named(results, word)]
    passed = ["every control that was checked passed"] if worst == "PASS" else []
    return ControlResult("Compliance, as far as it was checked", worst, "; ".join([*passed, *named]))


def counts(results: Sequence[ControlResult]) -> Mapping[Verdict, int]:
    """How many controls have each verdict, worst first; also those that none has."""
    found = Counter(result.word for result in results)
    return {word: found[word] for word in WORST_FIRST}


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
        done = "remove: all gone, as read back" if removes(apply) else "change: all written and read back"
        if undoes := apply.plan.undoes:
            done += f", which undoes the apply of run {undoes.run_id}, entry {undoes.entry}"
        accepted = "; ".join(difference.sentence for difference in apply.accepted.values())
        return f"{len(apply.plan.changes)} to {done}" + (f", except what was accepted: {accepted}" if accepted else "")
    if apply.ended:
        return f"undone, and each object read back: the org is as it was before{apply.kept} ({apply.reason})"
    return f"left half-done. {remaining_steps(apply)}"


def _record(facts: Facts) -> ControlResult:
    control = "Record: the ledger is intact and signed"
    ledger, own = facts.ledger, facts.own_key
    if ledger.intact and own is not None and ledger.key != own:
        # Anybody can sign a ledger of their own; only its owner can say that this key is theirs.
        other = f"; this report's own key is {own}" if own else ""
        why = (
            f"the signing key is not confirmed: {ledger.reason}, with {ledger.key}{other}. Compare it with the one that"
        )
        why += " its owner gave you (opslib verify --key)"
        return ControlResult(control, "WARN", why, entries=ALL)
    return ControlResult(control, _RECORD[ledger.state], ledger.reason, entries=ALL)


def _step(facts: Facts, step: str, control: str) -> ControlResult:
    end = facts.last_end(step)
    if end is None:
        return ControlResult(control, "UNKNOWN", "this step was not run")
    word = _STATES.get(end.kind.removeprefix("step."), "UNKNOWN")
    return ControlResult(control, word, _summary(end), [end.seq])


def _plan(facts: Facts) -> ControlResult:
    """By the plan that was applied: what became of a later one says nothing about it."""
    control = "Plan: the plan was written down before it was applied"
    result, last = _step(facts, "plan", control), facts.applies[-1:]
    made = [
        entry
        for entry in facts.entries(PLAN_MADE)
        if last and entry.seq < int(last[0].id) and checksum_of(entry.data["plan"]) == last[0].checksum
    ]
    if result.word == "PASS" or not made:
        return result
    why = f"the plan that entry {last[0].id} begins to apply was written down"
    return ControlResult(control, "PASS", why, [made[-1].seq])


def _summary(end: Entry) -> str:
    if end.kind == "step.started":
        return "it was begun, and how it ended is not recorded"
    return str(end.data.get("summary", "it was cancelled or broke off before it ended"))


def _connection(facts: Facts) -> ControlResult:
    control = "Connection: the org answers and accepts the client"
    result = _step(facts, "connect", control)
    read = reads.last_read(facts)
    stale = age.too_old(facts, read.at) if read and result.word == "PASS" else ""
    return replace(result, word="UNKNOWN", why=f"stale: {stale}", follows="age") if stale else result


def _bucket_or_removed(facts: Facts) -> list[ControlResult]:
    """Of a removal, who writes is no question any more, and a bucket that was not looked at is not needed."""
    found = list(_bucket(facts))
    if kind_of(facts) != "offboarding":
        return found
    why = "this run removes the routing, so nothing new is written there"
    return [
        replace(result, word="not_checked", why=why)
        if result.id in ("storage", "minimum") or result.word == "UNKNOWN"
        else result
        for result in found
    ]


def _bucket(facts: Facts) -> Iterator[ControlResult]:
    report, last = facts.bucket_report(), facts.looks[-1:]
    first, *others = TITLES.values()
    if report is None:
        # Without findings one thing may be known all the same: that there is no bucket to look at.
        reached = _not_reached(first, last)
        yield reached
        why = f"not looked at: {reached.why}"
        yield from (ControlResult(title, "UNKNOWN", why, reached.entries, follows=reached.id) for title in others)
        return
    findings = {finding["check"]: finding for finding in map(_Fresh(facts), facts.findings())}
    *named, rest = TITLES
    for control in named:
        own = [findings.pop(check.id) for check in checks_of(control) if check.id in findings]
        result = _of_checks(control, own, report["entry"])
        yield _minimum(facts, result) if control == "minimum" else result
    yield _of_checks(rest, list(findings.values()), report["entry"])


# Errors of a look that say that nothing is known; others say what is wrong with the bucket.
_UNANSWERED = ("BucketUnreachable", "BucketAccessDenied", "AwsCredentialsInvalid")


def _not_reached(control: str, last: Sequence[Look]) -> ControlResult:
    for look in last:
        failed = look.state == "failed" and look.error not in _UNANSWERED
        return ControlResult(control, "FAIL" if failed else "UNKNOWN", look.summary, [look.seq])
    return ControlResult(control, "UNKNOWN", "this step was not run")


class _Fresh:
    """A finding as it counts now: a PASS from too long ago, or from before the change it should protect, is UNKNOWN."""

    def __init__(self, facts: Facts) -> None:
        self._at = {look.seq: look.report.get("at", look.at) for look in facts.looks}
        self._facts, self._protects = facts, kind_of(facts) != "offboarding"

    def __call__(self, finding: dict[str, Any]) -> dict[str, Any]:
        entry = finding["entry"]
        early = age.too_early(self._facts, entry) if self._protects else ""
        stale = age.too_old(self._facts, self._at[entry]) or early
        if finding["verdict"] != "PASS" or not stale:
            return finding
        return {**finding, "verdict": "UNKNOWN", "stale": stale}


def _missing(apply: Progress, approval: Entry | None) -> list[str]:
    """What is unsafe in an apply and was not agreed to."""
    agreed = approval.data.get("unsafe", ()) if approval else ()
    return [name for name in apply.plan.unsafe if name not in agreed]


def _minimum(facts: Facts, result: ControlResult) -> ControlResult:
    rule = rule_of(facts)
    if result.word != "not_checked" or rule is None or not rule.is_own:
        return result
    why = f"profile {rule.profile} sets no minimum; {days_words(rule.days)} are what the onboarding itself says"
    return replace(result, why=why)


def _of_checks(control: Control, findings: Sequence[dict[str, Any]], seq: int) -> ControlResult:
    answers = {finding["check"]: finding["verdict"] for finding in findings if finding["verdict"] != "not_checked"}
    word = _worst(answers.values())
    if not answers or (word not in ("FAIL", "UNKNOWN") and not _answered(control, answers)):
        word = "not_checked"
    deciding = [finding for finding in findings if finding["verdict"] == word]
    reasons = dict.fromkeys(_reason(finding) for finding in deciding)
    entries = sorted({finding["entry"] for finding in findings} or {seq})
    why = "; ".join(reasons) or "the profile does not ask for it"
    stale = bool(deciding) and all("stale" in finding for finding in deciding)
    return ControlResult(TITLES[control], word, why, entries, follows="age" if stale else "")


def _reason(finding: Mapping[str, Any]) -> str:
    """Of findings that are stale for one reason, that is said once."""
    if stale := finding.get("stale"):
        return f"what was found is stale: {stale}"
    return finding["title"] if finding["verdict"] == "PASS" else f"{finding['title']}: {finding['cause']}"


def _refusal(facts: Facts) -> ControlResult | None:
    """A plan that was refused needs no approval: nothing was applied."""
    refused = was_refused(facts)
    if refused is None:
        return None
    why = f"the plan was refused, and nothing was applied: {_summary(refused)}"
    return ControlResult(APPROVAL_TITLE, "not_checked", why, [refused.seq])


APPROVAL_TITLE = "Approval: exactly this plan was approved before it was applied"


def _exceptions(facts: Facts) -> ControlResult:
    control = "Exceptions: a risky change has its own approval"
    risky = [(apply, facts.approval(apply)) for apply in facts.applies if apply.plan.unsafe]
    entries = [int(apply.id) for apply, _ in risky]
    missing = [f"entry {apply.id}: {', '.join(names)}" for apply, given in risky if (names := _missing(apply, given))]
    if missing:
        return ControlResult(control, "FAIL", f"applied without consent: {'; '.join(missing)}", entries)
    reasons = [terms(given.data, name)[0] for apply, given in risky if given for name in apply.plan.unsafe]
    if not all(reason.strip() for reason in reasons):
        return ControlResult(control, "WARN", "consent was given without a reason", entries)
    own = [one for one in exceptions.register(facts) if one.state not in ("undone", "not applied")]
    if expired := [one for one in own if one.state == "expired"]:
        ended = "; ".join(f"{one.tag} expired on {one.until}" for one in expired)
        why = f"it no longer covers what was found: {ended}"
        return ControlResult(control, "WARN", why, [one.entry for one in expired])
    if not own:
        return ControlResult(control, "not_checked", "nothing unsafe was applied")
    said = "; ".join(f"{one.tag}: {one.name}, {_until(one)}" for one in own)
    return ControlResult(control, "PASS", said, sorted({one.entry for one in own}))


def _until(one: exceptions.Exempted) -> str:
    return one.state if one.state in ("renewed", "ended") else f"until {one.until}"


def _approval(facts: Facts) -> ControlResult:
    control = APPROVAL_TITLE
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
    """Whether the org has what was planned: as the last apply left it, and by everything that is known since. A removal
    that succeeded leaves nothing that could be routed to."""
    if kind_of(facts) == "offboarding":
        removed = _removal(facts)
        why = f"this run was to remove it, so there is no routing to judge: {removed.why}"
        return ControlResult(ROUTING, "not_checked", why, removed.entries) if removed.word == "PASS" else removed
    return as_far_as_signed(_routing(facts, since_then(facts)), facts.ledger)


ROUTING = "Routing: the org has what was planned, as last read"


def _routing(facts: Facts, since: Since) -> ControlResult:
    applied, read = _applied(facts, ROUTING), reads.last_read(facts)
    if applied.word not in ("PASS", "WARN"):
        return applied
    if since.word == "FAIL":
        why, entries = f"{applied.why}; since then {since.why}", sorted({*applied.entries, *since.entries})
        return ControlResult(ROUTING, "FAIL", why, entries, follows="since_then")
    stale = age.too_old(facts, read.at) if read else ""
    if since.word == "UNKNOWN" or stale:
        why = f"{applied.why}; since then {stale or since.why}"
        return ControlResult(
            ROUTING, "UNKNOWN", why, applied.entries, follows="age" if stale or since.stale else "since_then"
        )
    return applied


def _removal(facts: Facts) -> ControlResult:
    return _applied(facts, "Removal: what the plan removes is gone, as read back")


def _applied(facts: Facts, control: str) -> ControlResult:
    end = facts.last_end("apply")
    if facts.applies and not (end and end.kind == "step.done"):
        last = facts.applies[-1]
        as_planned: Verdict = "WARN" if last.accepted else "PASS"
        word = as_planned if last.ended == "done" else "FAIL"
        return ControlResult(control, word, outcome(last), [int(last.id), last.last_seq])
    if refused := was_refused(facts):
        return ControlResult(control, "UNKNOWN", f"nothing was applied: {_summary(refused)}", [refused.seq])
    if end and facts.given.get("undo") and not facts.applies:
        return ControlResult(control, "not_checked", _summary(end), [end.seq])
    return _step(facts, "apply", control)


def _event(facts: Facts) -> ControlResult:
    """Not every command looks for an event, and a removal leaves none to come."""
    control, end = "Change feed: a change event reached the data lake", facts.last_end("see_event")
    if end is None:
        return ControlResult(control, "not_checked", "this run did not look for one; “opslib onboard FILE” does")
    if (end.data.get("data") or {}).get("asked") is False:
        return ControlResult(control, "not_checked", _summary(end), [end.seq])
    return _step(facts, "see_event", control)


def _age(facts: Facts) -> ControlResult:
    control = "Age: the evidence is recent"
    found = age.evidence(facts)
    if not found:
        return ControlResult(control, "not_checked", "neither the bucket nor the org was read")
    protects = kind_of(facts) != "offboarding"
    early = [age.too_early(facts, one.entry) for one in found if one.what != "org" and protects]
    stale = [f"{one.what}: {why}" for one in found if (why := age.too_old(facts, one.at))] + list(filter(None, early))
    entries = sorted({one.entry for one in found})
    if stale:
        return ControlResult(control, "UNKNOWN", "; ".join(stale), entries)
    said = "; ".join(f"{one.what} read {moment_words(one.at)}" for one in found)
    return ControlResult(control, "PASS", f"{said}; evidence up to {facts.evidence_days} days old counts", entries)


RECORDINGS = "Recordings: recordings arrive in the bucket"


def _recordings(facts: Facts) -> ControlResult:
    """By the newest verification of the archive."""
    found = recordings.last_verified(facts)
    if found is None:
        return ControlResult(RECORDINGS, "not_checked", "nobody has verified the archive; “opslib archive verify” does")
    why = f"{found.summary}, as of {found.answer['now']}"
    if stale := age.too_old(facts, found.at):
        return ControlResult(RECORDINGS, "UNKNOWN", f"{why}; stale: {stale}", [found.entry], follows="age")
    return ControlResult(RECORDINGS, found.verdict, why, [found.entry])


def _anchor(facts: Facts) -> ControlResult:
    control = "Anchor: the ledger is anchored outside"
    made = list(facts.everywhere("anchor.done"))
    if not made:
        return ControlResult(control, "not_checked", "no anchor was written")
    last = made[-1]
    bucket, until = last.data["bucket"], last.data["seq"]
    why = f"an anchor in bucket {bucket} covers entries 1 to {until}; compare: opslib verify --anchor {bucket}"
    return ControlResult(control, "not_checked", why, [last.seq])


def _worst(words: Collection[Verdict]) -> Verdict:
    """UNKNOWN where nothing was answered; what was not checked counts neither way."""
    return next((word for word in WORST_FIRST if word in words and word != "not_checked"), "UNKNOWN")
