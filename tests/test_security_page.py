"""docs/security.md: each claim names the test that shows it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text()


def claims(page: str) -> dict[str, str]:
    """The rows of the tables that say what shows a claim: the claim, and what is named."""
    tables = re.findall(r"(?m)^\| claim \| shown by \|\n\|---\|---\|\n((?:\|.*\n)+)", page)
    return dict(re.fullmatch(r"\| (.+) \| (.+) \|", row).groups() for table in tables for row in table.splitlines())


def exists(named: str) -> bool:
    """Whether `tests/…py::test_…`, in backticks, is a test."""
    file, _, name = named.strip("`").partition("::")
    if not (ROOT / file).is_file():
        return False
    tree = ast.parse((ROOT / file).read_text())
    return name.startswith("test_") and name in {getattr(node, "name", "") for node in tree.body}


def test_each_claim_names_a_test_that_exists() -> None:
    """A claim without a test, or whose test was renamed, fails here."""
    named = claims(PAGE)
    assert len(named) == PAGE.count("`tests/") > 25
    assert [test for test in named.values() if not exists(test)] == []


def test_a_claim_without_its_test_is_seen() -> None:
    """A file, or a name in it, that is not there."""
    assert exists("`tests/test_security_page.py::test_a_claim_without_its_test_is_seen`")
    assert not exists("`tests/test_security_page.py::test_nothing_of_the_kind`")
    assert not exists("`tests/no_such_file.py::test_x`")
    assert claims("| claim | shown by |\n|---|---|\n| It holds | `tests/x.py::test_y` |\n") == {
        "It holds": "`tests/x.py::test_y`"
    }


def test_the_page_is_short() -> None:
    """One sitting."""
    assert len(PAGE.splitlines()) <= 150
