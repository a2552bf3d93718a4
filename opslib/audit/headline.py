"""The verdict at the top: what the run was, the rule with its days, and how old the evidence is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from opslib.audit import age, controls
from opslib.audit.exceptions import Exempted, register
from opslib.audit.facts import Facts, once
from opslib.audit.kind import Kind, is_undo, kind_of
from opslib.audit.reads import where
from opslib.audit.rule import Rule, rule_of
from opslib.audit.words import moment_words as moment_words
from opslib.settings import is_loopback
from opslib.verdict import WORST_FIRST, Verdict, in_words

Environment = Literal["sandbox", "live", "not known"]

_TITLES: Mapping[Kind, str] = {
    "onboarding": "Call recordings of {org}, routed to S3",
    "offboarding": "Call recordings of {org}: routing removed",
    "undone": "Call recordings of {org}: change undone",
    "unfinished": "Call recordings of {org}: left half-done",
    "refused": "Call recordings of {org}: plan refused, nothing applied",
    "not applied": "Call recordings of {org}: nothing applied",
    "recheck": "Call recordings of {org}: recheck",
}
_WORDS: Mapping[Verdict, str] = {
    "FAIL": "DOES NOT MEET THE RULE",
    "UNKNOWN": "CANNOT BE DECIDED",
    "WARN": "NEEDS REVIEW",
    "PASS": "MEETS THE RULE, AS FAR AS CHECKED",
}
_REMOVED: Mapping[Verdict, str] = {
    "FAIL": "REMOVED, BUT THE BUCKET DOES NOT MEET THE RULE",
    "UNKNOWN": "REMOVED, THE REST CANNOT BE DECIDED",
    "WARN": "REMOVED, NEEDS REVIEW",
    "PASS": "REMOVED, READ BACK AS GONE",
}
_ENDED: Mapping[Kind, str] = {
    "undone": "CHANGE UNDONE, READ BACK AS BEFORE",
    "unfinished": "LEFT HALF-DONE",
    "refused": "PLAN REFUSED, NOTHING APPLIED",
    "not applied": "NOTHING APPLIED",
}
_SENTENCES: Mapping[Verdict, str] = {
    "FAIL": "Does not meet {rule}",
    "UNKNOWN": "Cannot be decided whether it meets {rule}",
    "WARN": "Meets {rule}, but needs review",
    "PASS": "Meets {rule}",
}


@dataclass(frozen=True)
class Headline:
    """`word` is the verdict in capitals, `verdict` the worst of the controls. `environment`: whose org it was."""

    title: str
    kind: Kind
    word: str
    verdict: Verdict
    sentence: str
    environment: Environment
    org: str
    org_id: str
    bucket: str
    rule: Rule | None
    evidence: Sequence[age.Evidence]
    oldest: age.Evidence | None
    age_days: int | None
    controls: Mapping[Verdict, int]
    findings: Mapping[str, Mapping[Verdict, int]]
    exceptions: Sequence[Exempted]

    def as_json(self) -> dict[str, Any]:
        """The keys that report.json has besides those of the contract."""
        rule = self.rule
        return {
            "title": self.title,
            "kind": self.kind,
            "verdict": {"word": self.word, "verdict": in_words(self.verdict), "sentence": self.sentence},
            "environment": self.environment,
            "rule": {**vars(rule), "words": rule.words} if rule else None,
            "retention_days": rule.days if rule else None,
            "evidence": [vars(one) for one in self.evidence],
            "evidence_as_of": self.oldest.at if self.oldest else None,
            "evidence_age_days": self.age_days,
            "control_counts": {in_words(word): count for word, count in self.controls.items()},
            "finding_counts": {
                severity: {in_words(word): count for word, count in found.items()}
                for severity, found in self.findings.items()
            },
            "exceptions": [one.as_json() for one in self.exceptions],
        }


@once
def headline(facts: Facts) -> Headline:
    """The verdict of a run, by everything that the ledger knows."""
    results, kind = controls.results(facts), kind_of(facts)
    worst, oldest, rule = controls.compliance(results), age.oldest(facts), rule_of(facts)
    return Headline(
        title=_TITLES["undone" if is_undo(facts) else kind].format(org=org_of(facts)),
        kind=kind,
        word=_word(kind, worst.word, results),
        verdict=worst.word,
        sentence=_sentence(facts, worst.word, rule, oldest, removed=kind == "offboarding" and _is_removed(results)),
        environment=environment(facts),
        org=org_of(facts),
        org_id=str(facts.connected().get("org_id") or ""),
        bucket=bucket_of(facts),
        rule=rule,
        evidence=age.evidence(facts),
        oldest=oldest,
        age_days=age.age_days(facts, oldest.at) if oldest else None,
        controls=controls.counts(results),
        findings=_by_severity(facts),
        exceptions=register(facts),
    )


def environment(facts: Facts) -> Environment:
    """A sandbox is on the machine itself; a ledger may also not say where the org was."""
    host = urlsplit(where(facts) or str((facts.given.get("org") or {}).get("api_url") or "")).hostname
    return ("sandbox" if is_loopback(host) else "live") if host else "not known"


def org_of(facts: Facts) -> str:
    """The org's name as it says itself, else its id, else where its API is."""
    data = facts.connected()
    name = ((data.get("doctor") or {}).get("organization") or {}).get("name")
    return str(name or data.get("org_id") or urlsplit(where(facts)).netloc or "an org that is not named")


def bucket_of(facts: Facts) -> str:
    report = facts.bucket_report() or {}
    return str(report.get("bucket") or (facts.given.get("onboarding") or {}).get("target", {}).get("bucket") or "")


def _word(kind: Kind, worst: Verdict, results: Sequence[controls.ControlResult]) -> str:
    if kind == "offboarding":
        return _REMOVED[worst] if _is_removed(results) else "NOT REMOVED"
    return _ENDED.get(kind) or _WORDS[worst]


def _is_removed(results: Sequence[controls.ControlResult]) -> bool:
    return any(result.id == "removal" and result.word in ("PASS", "WARN") for result in results)


def _sentence(facts: Facts, worst: Verdict, rule: Rule | None, oldest: age.Evidence | None, *, removed: bool) -> str:
    """The rule and the moment always stand beside the verdict."""
    said = _SENTENCES[worst].format(rule=rule.words if rule else "the rule, which is not known")
    when = f"as of {moment_words(oldest.at)}" if oldest else "without evidence"
    bucket = f"bucket {bucket_of(facts)}" if bucket_of(facts) else "no bucket"
    if removed:
        said = f"Routing removed. When the bucket was last read: {said[0].lower()}{said[1:]}"
    return f"{said}, {when}: {bucket}, org {org_of(facts)} ({environment(facts)})."


def _by_severity(facts: Facts) -> dict[str, dict[Verdict, int]]:
    """How many findings of each severity have each verdict."""
    found: dict[str, dict[Verdict, int]] = {}
    for finding in facts.findings():
        counts = found.setdefault(finding["severity"], dict.fromkeys(WORST_FIRST, 0))
        counts[finding["verdict"]] += 1
    return found
