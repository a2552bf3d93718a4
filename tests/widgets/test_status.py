"""The status of a card: never colour alone."""

from typing import get_args

from opslib.walk.state_machine import State
from opslib.widgets.status import COLOURS, ICONS, icon_and_word


def test_every_status_has_an_icon_and_a_colour() -> None:
    """Icons can be told apart, and the word stands beside them."""
    states = {*get_args(State), "cancelled"}
    assert set(ICONS) == set(COLOURS) == states
    assert len(set(ICONS.values())) == len(ICONS)
    assert icon_and_word("stale") == '<span aria-hidden="true">↻</span> <strong>stale</strong>'
