"""docs/lifecycle.md is the map of the code: it names every room, and every module in it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "lifecycle.md"
PACKAGE = ROOT / "opslib"


def named(page: str) -> set[str]:
    """The modules that the page names, as paths below opslib/: in each room's row, the words in backticks."""
    rows = re.findall(r"(?m)^\| `([\w/]+)/` \| .+? \| (.+) \|$", page)
    return {f"{room}/{name}".removeprefix("opslib/") for room, names in rows for name in re.findall(r"`(\w+)`", names)}


def modules() -> set[str]:
    paths = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return {path.as_posix() for path in paths if not path.name.startswith("__")}


def test_the_page_covers_every_module_and_names_no_other() -> None:
    """A module that is added, moved or removed without a word on the page fails here."""
    page = named(PAGE.read_text())
    assert modules() - page == set()
    assert page - modules() == set()


def test_a_module_that_is_not_covered_is_seen() -> None:
    """The row of its room must name it; another room's row does not count."""
    page = "| `opslib/` | the top | `errors` · `html` |\n| `ledger/` | what happened | `chain` · `file` |\n"
    assert named(page) == {"errors", "html", "ledger/chain", "ledger/file"}
