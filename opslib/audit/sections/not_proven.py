"""What the report does not show, so that nobody takes silence for an answer."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from opslib.audit import controls
from opslib.audit.actors import RESUMED
from opslib.audit.contents import reference
from opslib.audit.document import Block, Prose, Table
from opslib.audit.facts import Facts
from opslib.audit.headline import environment
from opslib.audit.reads import last_read
from opslib.audit.recordings import last_verified
from opslib.audit.separation import not_two_people
from opslib.audit.words import counted, sentence


class NotProven(NamedTuple):
    """What was not shown, why, and what would show it."""

    what: str
    why: str
    proof: str


# A control that does not apply proves nothing and lacks nothing.
_NEEDLESS = ("exceptions", "approval", "separation_of_duties")
_PROOFS = {
    "recordings": "A list of the recordings that should exist, compared with the bucket: opslib archive verify",
    "since_then": "A recheck: opslib audit --recheck",
    "anchor": "An anchor in a locked bucket after each run: opslib anchor",
    "minimum": "A profile with a minimum, or the paper that says which minimum applies",
    "change_feed": "A run that looks for an event: opslib onboard FILE",
    "clock": "A new run with an org that dates its answers",
    "age": "A run that reads the bucket and the org",
}


def blocks(facts: Facts) -> Sequence[Block]:
    """A row for each."""
    lead = Prose("This report does not show the following. Draw no conclusion from what it does not mention.")
    return [lead, Table("Not proven", ("Not proven", "Why", "What would prove it"), not_proven(facts), (4, 4, 3))]


def not_proven(facts: Facts) -> list[NotProven]:
    """What nobody may conclude from this report, the gravest first."""
    return [*_of_controls(facts), *_always(facts), *_of_checks(facts)]


def _of_controls(facts: Facts) -> Iterator[NotProven]:
    order = list(_PROOFS)
    left = [result for result in controls.results(facts) if result.word == "not_checked"]
    left.sort(key=lambda result: order.index(result.id) if result.id in order else len(order))
    for result in left:
        if result.id not in _NEEDLESS:
            proof = _PROOFS.get(result.id, "A new run that checks it")
            yield NotProven(result.claim, sentence(result.why), proof)


def _always(facts: Facts) -> Iterator[NotProven]:
    if environment(facts) == "sandbox":
        yield NotProven("Anything about a live org", "This run used a sandbox.", "The same run with the live org")
    yield NotProven(
        "Who held each key",
        "A signature names a key, not a person. A user name is what the machine says.",
        "A register of keys, signed by each holder",
    )
    if facts.applies and (why := not_two_people(facts)):
        yield NotProven("A second person approved the plan", why, "An approval by another key: opslib approve")
    if any(facts.entries(RESUMED)):
        yield NotProven(
            "Every HTTP attempt is listed",
            "The run was taken up again. A process that is killed does not record the attempts of its last 0.1 s.",
            "The org's audit log",
        )
    if last_read(facts):
        yield NotProven(
            "Nothing was changed and set back between two readings",
            "The org and the bucket were read at single moments.",
            "The org's audit log, and AWS CloudTrail",
        )
    if found := last_verified(facts):
        yield _of_list(found.expected)
    if facts.bucket_report():
        yield NotProven(
            "Older recordings are encrypted and locked",
            "Settings of a bucket hold for objects that are written after them.",
            "A list of the objects with their encryption and lock dates",
        )


def _of_list(expected: dict[str, Any]) -> NotProven:
    what = "The list of expected recordings is complete"
    if "available_until" in expected:
        why = "It has the calls that the org's analytics says were recorded, and no screens, chats and emails."
        return NotProven(what, why, "A list from another system")
    return NotProven(
        what,
        f"It comes from {expected['name']}, which this report cannot check.",
        "The same list from the org itself: opslib archive verify --expected analytics",
    )


def _of_checks(facts: Facts) -> Iterator[NotProven]:
    left = [finding for finding in facts.findings() if finding["verdict"] == "not_checked"]
    if left:
        yield NotProven(
            f"What {counted(len(left), 'check')} of the bucket would show",
            f"They do not apply, or lack an input: {reference('bucket')} lists them.",
            "A new check of the bucket, with the inputs that are missing",
        )
