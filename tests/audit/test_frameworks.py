"""The framework tables: what a record supports, in words that never say that a requirement is met."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from opslib.audit.control_result import ControlResult
from opslib.audit.document import Table
from opslib.audit.facts import load
from opslib.audit.frameworks import NOT_READ, Paragraph, frameworks, support
from opslib.audit.report import RECORDED, AuditReport
from opslib.audit.sections import frameworks as section
from opslib.verdict import Verdict

from ..world import own_key
from .ledgers import Story, strict_report
from .test_situations import with_look


@pytest.mark.parametrize(
    ("read", "words", "said"),
    [
        (True, ["PASS", "PASS"], "Supports"),
        (True, ["PASS", "WARN"], "Supports in part"),
        (True, ["PASS", "not_checked"], "Supports in part"),
        (True, ["PASS", "UNKNOWN"], "Supports in part"),
        (True, ["PASS", "FAIL"], "Does not support"),
        (True, ["WARN"], "Does not support"),
        (True, ["UNKNOWN"], "Does not support"),
        (True, ["not_checked"], "Not checked in this run"),
        (True, [], "Not checked in this run"),
        (False, ["PASS"], NOT_READ),
        (False, ["FAIL"], NOT_READ),
    ],
)
def test_only_what_passed_supports_a_paragraph_that_was_read(read: bool, words: Sequence[Verdict], said: str) -> None:
    """A FAIL speaks against it, whatever passed beside it; what has no answer leaves a part open."""
    results = [ControlResult(f"C{number}: it is so", word, "") for number, word in enumerate(words)]
    paragraph = Paragraph(paragraph="1", read=read, whole=True, asks="", controls=["c0", "c1"], missing="")
    assert support(paragraph, results) == said
    part = paragraph.model_copy(update={"whole": False})
    assert support(part, results) == ("Supports in part" if said == "Supports" else said)


def test_a_rule_by_which_the_run_was_not_judged_supports_nothing_about_a_period() -> None:
    """A minimum of another rule says nothing of this one's years, and a lock may end too early; a FAIL still counts."""
    lock, minimum = (
        Paragraph(paragraph="1", read=True, whole=True, asks="", controls=[name], missing="")
        for name in ("c", "minimum")
    )
    for word, locked, kept in (
        ("PASS", "Supports in part", "Not checked in this run"),
        ("FAIL", "Does not support", "Does not support"),
    ):
        results: list[ControlResult] = [ControlResult(f"{name}: so", word, "") for name in ("C", "Minimum")]  # type: ignore[arg-type]
        assert support(lock, results, by_its_days=False) == locked
        assert support(minimum, results, by_its_days=False) == kept


def test_only_the_rule_of_the_run_is_judged_by_its_own_days(tmp_path: Path) -> None:
    """Five years under mifid-ii are no evidence for the SEC's six; under another profile, none for MiFID's five."""
    rows = {str(row[0]): row for table in _tables(_mifid(tmp_path)) for row in _cells(table)}
    said = {name: rows[name][2] for name in ("Art. 72(1)(c)", "Art. 76(8)", "(f)(2)(i)(B)")}
    assert said == {
        "Art. 72(1)(c)": "Supports",
        "Art. 76(8)": "Supports in part",
        "(f)(2)(i)(B)": "Supports in part",
    }
    recorded = {str(row[0]): row for table in _tables(AuditReport.open(home=RECORDED.parent)) for row in _cells(table)}
    assert recorded["Art. 76(8)"][2] == "Not checked in this run"


def test_a_paragraph_that_no_control_covers_says_so() -> None:
    """Most of a law is about documents and people."""
    assert support(Paragraph(paragraph="1", read=True, asks="", controls=[], missing=""), []) == "Not covered"


def _tables(report: AuditReport) -> list[Table]:
    return [block for block in report.section("frameworks").blocks if isinstance(block, Table)]


def test_each_control_that_is_named_is_one_that_there_is() -> None:
    """Those of every kind of run; a name that is misspelled would count as not covered by anything."""
    known = {result.id for result in section.controls.results(load(RECORDED.parent))} | {"removal"}
    named = {control for one in frameworks() for paragraph in one.paragraphs for control in paragraph.controls}
    assert named - known <= {"separation_of_duties"}


def test_the_rule_of_the_run_comes_first_and_open(tmp_path: Path) -> None:
    """Under mifid-ii it is MiFID II; the others are folded, and say that they are not the rule."""
    first, *others = _tables(_mifid(tmp_path))
    assert (first.caption[:8], first.folded) == ("MiFID II", False)
    assert [one.folded for one in others] == [True, True]
    assert all(one.caption.endswith("(not the rule of this run)") for one in others)
    assert all(one.folded for one in _tables(AuditReport.open(home=RECORDED.parent)))


def test_a_control_that_failed_stands_there_as_failed_and_supports_nothing(tmp_path: Path) -> None:
    """A lock that is too short: Article 72(1)(c), and SEC 17a-4(f)(2)(i)(B)."""
    rows = {str(row[0]): row for table in _tables(_mifid(tmp_path, object_lock="FAIL")) for row in _cells(table)}
    for name in ("Art. 72(1)(c)", "(f)(2)(i)(B)"):
        assert rows[name][2] == "Does not support"
        assert rows[name][3] == "FAIL: Recordings cannot be altered or deleted early"
    assert rows["Art. 76(10)"][1].startswith("Paragraph not checked. It is said that ")
    assert rows["Art. 76(10)"][2] == NOT_READ
    assert "FAIL: " in rows["Art. 76(10)"][3]


def test_no_table_says_that_a_requirement_is_met() -> None:
    """Nor that anybody complies; each text that was read has a source and a day."""
    for one in frameworks():
        assert re.search(r"Read on \d+ \w+ 2026", one.texts)
        said = " ".join(f"{row.asks} {row.missing}" for row in one.paragraphs)
        assert not re.search(r"compl(y|ies|iant)|is met|satisf", said, re.IGNORECASE)
        assert all(row.missing and row.asks for row in one.paragraphs)


def _mifid(home: Path, **verdicts: str) -> AuditReport:
    """A walk under mifid-ii, and a later look with these verdicts."""
    story = Story(home)
    run = story.run.id
    with_look(lambda: strict_report(at=story.now(), **verdicts))(story)
    return AuditReport.open(run, home, signing_key=own_key())


def _cells(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows if isinstance(row, list)]
