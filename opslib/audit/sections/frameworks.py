"""The rule of the run, what the evidence supports of three frameworks, and which points the checks are named by."""

from collections.abc import Iterator, Sequence

from opslib.audit import controls
from opslib.audit.control_result import ControlResult
from opslib.audit.document import Block, Cell, Mark, Prose, Table
from opslib.audit.facts import Facts
from opslib.audit.frameworks import NOT_IN_THIS_RUN, NOT_READ, Framework, Paragraph, frameworks, own, support
from opslib.audit.rule import rule_of
from opslib.verdict import in_words

_LEAD = (
    "These tables help you to file the evidence; no row says that a requirement is met. “Supports”: this report can"
    " serve as evidence for the paragraph. “Supports in part”: for a part of it, or for fewer days. “Does not support”:"
    " a control failed, or has no clear answer. “Not covered”: no control is about it."
    f" “{NOT_IN_THIS_RUN}”: the controls about it were not checked, or not for as many days as this rule asks."
    f" “{NOT_READ}”: we could not read its text, and the row repeats what others say of it; read it"
    " before you rely on the row. Let counsel confirm every row."
)
_HEAD = ("Paragraph", "What it asks, in our words", "This record", "Controls it rests on", "Still missing")
_WIDTHS = (13, 26, 14, 24, 23)
_CHECKS_LEAD = "The checks of the bucket name other points, too. We did not compare each with the text of its standard."


def blocks(facts: Facts) -> Sequence[Block]:
    """What the profile asks, a table for each framework, the run's own first, then the points of the checks."""
    rule, report = rule_of(facts), facts.bucket_report() or {}
    said = [Prose(rule.sentence)] if rule else [Prose("The rule of this run is not known: no bucket was checked.")]
    if note := report.get("note"):
        said.append(Prose(str(note)))
    profile, results = rule.profile if rule else "none", controls.results(facts)
    ordered = sorted(frameworks(), key=lambda one: one.profile != profile)
    tables = [block for one in ordered for block in _framework(one, results, is_rule=one.profile == profile)]
    return [*said, Prose(_LEAD), *tables, *_checks(facts)]


def _framework(framework: Framework, results: Sequence[ControlResult], *, is_rule: bool) -> Iterator[Block]:
    suffix = "" if is_rule else " (not the rule of this run)"
    by_its_days = is_rule or not framework.profile
    rows = [_row(paragraph, results, by_its_days=by_its_days) for paragraph in framework.paragraphs]
    yield Prose(f"Read for the next table: {framework.texts}")
    yield Table(f"{framework.name}{suffix}", _HEAD, rows, _WIDTHS, folded=not is_rule)


def _row(paragraph: Paragraph, results: Sequence[ControlResult], *, by_its_days: bool) -> list[Cell]:
    asks = paragraph.asks if paragraph.read else f"{NOT_READ}. It is said that {paragraph.asks}"
    rests = "; ".join(f"{in_words(result.word)}: {result.claim}" for result in own(paragraph, results))
    return [
        paragraph.paragraph,
        asks,
        support(paragraph, results, by_its_days=by_its_days),
        rests or "–",
        paragraph.missing,
    ]


def _checks(facts: Facts) -> Iterator[Block]:
    rows: list[list[Cell]] = [
        [finding["title"], Mark(finding["verdict"]), finding["rule"]]
        for finding in facts.findings()
        if finding.get("rule")  # older ledgers do not have it
    ]
    if rows:
        yield Prose(_CHECKS_LEAD)
        head = ("Check", "Verdict", "Named by")
        yield Table("Which points the checks are named by", head, rows, (33, 17, 50), folded=True)
