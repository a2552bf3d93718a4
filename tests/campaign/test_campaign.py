"""A small campaign, and the table of the large one."""

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import judge
from .disturbances import DISTURBANCES
from .faults import FAULTS
from .proxy import Place
from .runner import BEGIN, END, KINDS, PAGE, Case, Tried, all_cases, campaign, chosen, named, table
from .walks import WALKS, Ended, Usual


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that another user may look into; pytest's own is closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_kind_of_fault_once(folder: Path) -> None:
    """Whatever goes wrong, all that the campaign's judge asks for holds."""
    short = [walk for walk in WALKS if not walk.name.endswith("remove") and walk.name != "platform onboard"]
    tried = campaign(folder, lambda usual: chosen(usual, 1, len(FAULTS), 1, by_walk=True), walks=short, crowd=5)
    assert {one.case.kind for one in tried} == {*FAULTS, *DISTURBANCES}
    assert {str(one.case): one.wrong for one in tried if one.wrong} == {}


def test_the_page_has_the_table_of_the_whole_campaign() -> None:
    """With just the kinds that are known, each tried, and nothing failed."""
    said = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    rows = re.findall(r"(?m)^\| (.+) \| (\d+) \| (\d+) \|$", said)
    assert [kind for kind, _, _ in rows] == list(KINDS)
    assert all(int(tried) > 0 for _, tried, _ in rows)
    assert {failed for _, _, failed in rows} == {"0"}
    assert f"{sum(int(tried) for _, tried, _ in rows)} cases, 0 failed" in said


def test_a_failure_names_its_case() -> None:
    """What is printed is what `--only` takes, and the table counts it."""
    usual = {walk.name: Usual(walk, [Place("api GET /x", 2)], Ended(0, "{}", ""), b"") for walk in WALKS}
    cases = [*all_cases(usual), Case("kill -9", seed=7)]
    assert all(named(usual, str(case)) == case for case in (cases[0], cases[-2], cases[-1]))
    counted = table([Tried(cases[-1], ["wrong"]), Tried(cases[-1], [])])
    assert "| kill -9 | 2 | 1 |" in counted


@pytest.mark.parametrize(
    "done",
    [
        Ended(None, "", ""),
        Ended(2, "{}", ""),
        Ended(1, "{}", "Traceback (most recent call last):"),
        Ended(0, "", ""),
        Ended(0, "{}\n{}", ""),
        Ended(1, '{"error": "Defect", "title": "t", "cause": "c", "fix": "f"}', ""),
        Ended(1, '{"error": "OpslibError", "title": "t", "cause": "", "fix": "f"}', ""),
        Ended(0, '{"error": "OpslibError", "title": "t", "cause": "c", "fix": "f"}', ""),
    ],
)
def test_the_judge_sees_how_a_command_must_not_end(done: Ended) -> None:
    """Each in its own way."""
    assert list(judge.ended(done))
    assert not list(judge.ended(Ended(1, '{"error": "X", "title": "t", "cause": "c", "fix": "f"}', "")))


def test_the_judge_believes_no_pass_without_an_answer() -> None:
    """Neither one that the unbroken answers do not give, nor one that rests on what did not come."""

    def said(verdict: str) -> Ended:
        evidence = [{"call": "GetBucketLifecycleConfiguration"}]
        finding = {"check": "c", "verdict": verdict, "cause": "", "evidence": evidence}
        return Ended(1, json.dumps({"findings": [finding]}), "")

    lifecycle, policy = Place("s3 GET /b lifecycle", 1), Place("s3 GET /b policy", 1)
    assert list(judge.believed(said("PASS"), said("FAIL"), None))
    assert list(judge.believed(said("PASS"), said("PASS"), lifecycle))
    assert not list(judge.believed(said("PASS"), said("PASS"), policy))
    assert not list(judge.believed(said("UNKNOWN"), said("PASS"), lifecycle))
