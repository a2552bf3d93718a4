"""The one type for verdicts, and how each looks."""

from typing import get_args

import pytest

from opslib import html
from opslib.verdict import ICONS, TO_MEND, WORST_FIRST, Verdict, in_words


def test_every_verdict_has_its_place_and_icon() -> None:
    """None is forgotten where people look for the worst, and the icons can be told apart."""
    assert sorted(WORST_FIRST) == sorted(get_args(Verdict)) == sorted(ICONS)
    assert WORST_FIRST[: len(TO_MEND)] == TO_MEND
    assert len(set(ICONS.values())) == len(ICONS)


@pytest.mark.parametrize("verdict", WORST_FIRST)
def test_a_verdict_is_icon_and_words_beside_its_colour(verdict: Verdict) -> None:
    """In words as people read it, also where there is no HTML."""
    shown = html.verdict(verdict)
    assert shown.plain == in_words(verdict)
    assert f"{ICONS[verdict]}</span> <strong>{in_words(verdict)}</strong>" in shown.html
    assert "_" not in shown.html
