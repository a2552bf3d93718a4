"""The controls in seven groups, each with what it rests on."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from opslib.audit import controls
from opslib.audit.control_result import ALL, ControlResult
from opslib.audit.document import Block, Cell, Group, Mark, Prose, Table
from opslib.audit.facts import Facts
from opslib.audit.words import sentence
from opslib.validator.finding import SEVERITIES
from opslib.verdict import WORST_FIRST, in_words

_GROUPS: Mapping[str, Sequence[str]] = {
    "Storage": ("storage", "operation"),
    "Access": ("access", "transport"),
    "Encryption": ("encryption",),
    "Retention": ("retention", "minimum", "worm"),
    "Change control": ("plan", "approval", "separation_of_duties", "exceptions", "routing", "removal", "since_then"),
    "Connection and arrival": ("connection", "change_feed", "recordings"),
    "Record integrity": ("record", "anchor", "clock", "age"),
}
_LEAD = (
    "Each verdict rests on numbered entries of the ledger. “Checks” counts the checks of the bucket behind it, by"
    " severity; where it is empty, the control rests on the ledger alone. A tag such as E-1 names an exception: it"
    " changes no verdict."
)


def blocks(facts: Facts) -> Sequence[Block]:
    """Each control with its verdict, reason, checks and ledger entries."""
    results = {result.id: result for result in controls.results(facts)}
    checks = _checks(facts)
    rows: list[Sequence[Cell] | Group] = []
    for title, ids in _GROUPS.items():
        own = [results[id] for id in ids if id in results]
        rows += [Group(title), *(_row(result, checks.get(result.control, "")) for result in own)]
    head = ("Control", "Verdict", "Why", "Checks", "Entries")
    table = Table(f"{len(results)} controls in {len(_GROUPS)} groups", head, rows, (28, 17, 31, 15, 9))
    return [Prose(_LEAD), table]


def _row(result: ControlResult, checks: str) -> list[Cell]:
    mark = Mark(result.word, result.exceptions)
    return [result.claim, mark, sentence(result.why), checks, _entries(result)]


def _entries(result: ControlResult) -> str:
    return "all" if result.entries == ALL else ", ".join(map(str, result.entries)) or "–"


def _checks(facts: Facts) -> dict[str, str]:
    """For each control of the bucket, how many findings of each verdict and severity it rests on."""
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for finding in facts.findings():
        counts.setdefault(controls.title_of(finding), Counter())[finding["verdict"], finding["severity"]] += 1
    return {title: "; ".join(_words(count)) for title, count in counts.items()}


def _words(count: Mapping[tuple[str, str], int]) -> Iterator[str]:
    for word in WORST_FIRST:
        own = [f"{count[word, severity]} {severity}" for severity in SEVERITIES if count.get((word, severity))]
        if own:
            yield f"{in_words(word)}: {', '.join(own)}"
