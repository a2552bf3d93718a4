"""What a reader has to do: each control or check of the bucket that did not pass, and whom to ask for what.

A control that only repeats the answer of another one is listed with that one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from opslib.audit import controls
from opslib.audit.control_result import ALL, ControlResult
from opslib.audit.facts import Facts, once
from opslib.audit.headline import bucket_of
from opslib.audit.words import sentence
from opslib.validator.finding import SEVERITIES
from opslib.verdict import TO_MEND, WORST_FIRST, Verdict, in_words

_TITLE = 100


class Question(NamedTuple):
    """Why an open item matters, whom to ask for what, and when it is closed."""

    matters: str
    ask: str
    what: str
    closed_when: str


@dataclass(frozen=True)
class OpenItem:
    """One thing to do: `claim` is what was to be shown, `found` what was found instead. `severity` is empty where the
    item is not a check of the bucket. `also`: the other controls that this decides."""

    claim: str
    control: str
    verdict: Verdict
    severity: str
    found: str
    question: Question
    entries: Sequence[int]
    also: Sequence[str] = ()

    @property
    def title(self) -> str:
        """The first part of what was found; where that is long, what was to be shown."""
        first = re.split(r"[;:.] |\.$", self.found)[0]
        return first if len(first) <= _TITLE else f"Not shown: {self.claim[:1].lower()}{self.claim[1:]}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": in_words(self.verdict), "question": self.question._asdict()}


_ENGINEER = "The engineer who ran opslib"
_GENESYS = "The Genesys Cloud administrator"
_QUESTIONS = {
    "record": Question(
        "Every other answer in this report rests on the ledger.",
        "The owner of the signing key",
        "The public key, by another way than this report, and an untouched copy of the ledger.",
        "“opslib verify LEDGER --key KEY” says that all entries are as they were signed.",
    ),
    "connection": Question(
        "Without an answer of the org, nothing in this report shows how it is set up.",
        _GENESYS,
        "Whether the org is in service, and whether the OAuth client has its permissions.",
        "A new run connects to the org.",
    ),
    "plan": Question(
        "Without a plan, nobody could know what would be changed before it was changed.",
        _ENGINEER,
        "What was to be changed, and why no plan was made.",
        "A new run makes a plan.",
    ),
    "approval": Question(
        "A change that was not approved may not be what the organization wants.",
        _ENGINEER,
        "Who approved this plan, when, and where that is on record.",
        "The approval is found elsewhere, or a new run is approved before it is applied.",
    ),
    "separation_of_duties": Question(
        "Nobody else has looked at the change, as far as keys show it.",
        _ENGINEER,
        "Who else agreed to this change, and with which key. For the next one, a second approval: “opslib approve”.",
        "The approval is found elsewhere, or a new run is approved by a listed key that takes no other part in it.",
    ),
    "exceptions": Question(
        "A risky change without a reason, or past its date, is not covered by an exception.",
        "The person who approved it",
        "The reason, and until when the exception is needed.",
        "A new approval gives a reason and a date, or the change is undone.",
    ),
    "routing": Question(
        "Recordings may not go where the plan says.",
        _ENGINEER,
        "Why the org is not as planned, and whether “opslib resume” or “opslib rollback” was run.",
        "A new run ends with all changes written and read back.",
    ),
    "removal": Question(
        "Recordings may still be routed.",
        _ENGINEER,
        "Why the objects were not removed.",
        "A new run ends with all objects gone, as read back.",
    ),
    "change_feed": Question(
        "The data lake may not learn of changes in the org.",
        "The owner of the data lake",
        "Whether events of this org arrive, and since when.",
        "A new run sees an event arrive.",
    ),
    "since_then": Question(
        "What is in force now may not be what was approved.",
        _GENESYS,
        "The org's audit log of these objects: who changed what, when, and under which ticket.",
        "A recheck finds the approved values, or a new approval covers the new ones.",
    ),
    "recordings": Question(
        "A recording that is missing in the archive is lost once Genesys deletes it.",
        _ENGINEER,
        "The list of missing and empty recordings, why they are missing, and how they are to be brought back.",
        "A new verification of the archive passes.",
    ),
    "clock": Question(
        "Dates in the ledger, and rules that count days, depend on this clock.",
        _ENGINEER,
        "Whether the machine's clock was wrong, from when until when.",
        "A new run finds the two clocks less than a minute apart.",
    ),
    "age": Question(
        "The bucket or the org may have changed since they were read.",
        _ENGINEER,
        "A recheck: “opslib audit --recheck”.",
        "Every reading is recent enough, and none is from before the last change.",
    ),
}
_BUCKET = Question(
    "Recordings may be lost, read by others, or deleted early.",
    "",
    "What the check found, and a bucket that passes it.",
    "A new check of the bucket passes.",
)


@once
def open_items(facts: Facts) -> list[OpenItem]:
    """What is left to do, worst first."""
    results = controls.results(facts)
    to_mend = {result.id: result for result in results if result.word in TO_MEND}
    items = [
        item
        for result in to_mend.values()
        for item in [*_of_findings(facts, result), *_of_control(facts, result, to_mend)]
    ]
    return sorted(items, key=lambda item: (WORST_FIRST.index(item.verdict), _gravity(item)))


def _gravity(item: OpenItem) -> int:
    """The place among severities; what is not a check of the bucket comes first."""
    severities: list[str] = ["", *SEVERITIES]
    return severities.index(item.severity)


def _of_findings(facts: Facts, result: ControlResult) -> list[OpenItem]:
    """Each check that a control of the bucket rests on and that did not pass."""
    return [
        _of_finding(facts, result, finding)
        for finding in facts.findings()
        if controls.title_of(finding) == result.control and finding["verdict"] in TO_MEND
    ]


def _of_control(facts: Facts, result: ControlResult, to_mend: Mapping[str, ControlResult]) -> Iterator[OpenItem]:
    """The control itself, unless another one or its checks say what is to be done."""
    if result.follows in to_mend or _of_findings(facts, result):
        return
    question = _QUESTIONS.get(result.id) or _BUCKET._replace(ask=_owner(facts))
    entries = [] if result.entries == ALL else list(result.entries)
    also = [other.claim for other in to_mend.values() if other.follows == result.id]
    yield OpenItem(result.claim, result.id, result.word, "", sentence(result.why), question, entries, also)


def _of_finding(facts: Facts, result: ControlResult, finding: dict[str, Any]) -> OpenItem:
    question = Question(
        finding["risk"], _owner(facts), finding["fix"], "The check passes when the bucket is checked again."
    )
    found = sentence(finding["cause"])
    return OpenItem(
        finding["title"], result.id, finding["verdict"], finding["severity"], found, question, [finding["entry"]]
    )


def _owner(facts: Facts) -> str:
    bucket = bucket_of(facts)
    return f"The owner of bucket {bucket}" if bucket else "The owner of the bucket"
