"""The rule of the run, and which rules and frameworks the checks of the bucket are named by."""

from collections.abc import Sequence

from opslib.audit.document import Block, Cell, Mark, Prose, Table
from opslib.audit.facts import Facts
from opslib.audit.rule import rule_of

_LEAD = (
    "This table helps to file the evidence. A check that passes can serve as evidence for the points named beside it;"
    " it does not mean that a requirement as a whole is met. The points are as the checks' sources name them. opslib"
    " has not compared each with the text of its standard: let counsel confirm them before you rely on them."
)


def blocks(facts: Facts) -> Sequence[Block]:
    """What the profile asks, and a row for each check that names a rule."""
    rule, report = rule_of(facts), facts.bucket_report() or {}
    said = [Prose(rule.sentence)] if rule else [Prose("The rule of this run is not known: no bucket was checked.")]
    if note := report.get("note"):
        said.append(Prose(str(note)))
    rows: list[list[Cell]] = [
        [finding["title"], Mark(finding["verdict"]), finding["rule"]]
        for finding in facts.findings()
        if finding.get("rule")  # older ledgers do not have it
    ]
    if not rows:
        return said
    head = ("Check", "Verdict", "Named by")
    return [*said, Prose(_LEAD), Table("Which points the checks are named by", head, rows, (33, 17, 50))]
