"""docs/situations.md says what the audit says in each situation. Remake it:
.venv/bin/python -m tests.audit.test_situations_page"""

from pathlib import Path

from opslib.verdict import in_words

from .test_situations import GOOD, SITUATIONS, Situation

PAGE = Path(__file__).parents[2] / "docs" / "situations.md"
HEAD = """\
# What the audit says in which situation

This page is made from the situations that the tests tell, each as a ledger; a test compares them. It is for whoever
must know how far a verdict can be trusted: no green word for what is not so, and no alarm where nothing is wrong.

A good walk under profile mifid-ii, which nobody has looked after since, has these verdicts:

"""
MIDDLE = """
In each other situation, the controls that are named have another verdict, and all others have the same. The word is
that at the top of the page. A situation tells of that walk, and of what the same ledger holds besides.

| situation | word | controls with another verdict |
|---|---|---|
"""


def as_page() -> str:
    """The page as it should be."""
    good = ["| control | verdict |", "|---|---|", *(f"| `{name}` | {in_words(word)} |" for name, word in GOOD.items())]
    return HEAD + "\n".join(good) + "\n" + MIDDLE + "\n".join(map(_row, SITUATIONS)) + "\n"


def _row(situation: Situation) -> str:
    by_word: dict[str, list[str]] = {}
    for name, word in situation.differs.items():
        by_word.setdefault(in_words(word), []).append(f"`{name}`")
    differs = "; ".join(f"{word}: {', '.join(names)}" for word, names in by_word.items())
    return f"| {situation.name} | {situation.word} | {differs or 'none'} |"


def test_the_page_is_up_to_date() -> None:
    """A situation that is added or changed is documented."""
    assert PAGE.read_text(encoding="utf-8") == as_page()


if __name__ == "__main__":
    PAGE.write_text(as_page(), encoding="utf-8")
