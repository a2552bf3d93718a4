"""Every number on the page is traced to a query over the ledger."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from opslib.audit.report import RECORDED

from .tracing import CONSTANTS, Ledger, Page, Place, has_number


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger(RECORDED.parent)


@pytest.fixture(scope="module")
def places(recorded: Path) -> list[Place]:
    return [place for place in Page((recorded / "audit.html").read_text()).places if has_number(place)]


def _with_another_digit(place: Place) -> Iterator[Place]:
    caption, cells = place
    for number, text in enumerate(cells):
        for digit in re.finditer(r"\d", text):
            other = text[: digit.start()] + str((int(digit[0]) + 1) % 10) + text[digit.end() :]
            yield caption, (*cells[:number], other, *cells[number + 1 :])


def test_every_number_is_what_a_query_gives(ledger: Ledger, places: list[Place]) -> None:
    """In tables row by row, in captions, prose, and the words of pictures; constants are listed in tracing.py."""
    assert len(places) > 100
    assert Counter(places) - ledger.places == Counter()


def test_no_constant_is_listed_in_vain(places: list[Place]) -> None:
    """What does not stand on the page any more would only weaken the test."""
    assert {cells[0] for caption, cells in places if not caption} >= CONSTANTS


def test_a_wrong_figure_fails(ledger: Ledger, places: list[Place]) -> None:
    """Whichever digit of the page is another one, in whichever place, the trace finds it."""
    tried = 0
    for place in places:
        for wrong in _with_another_digit(place):
            changed = Counter(places) - Counter([place]) + Counter([wrong])
            assert changed - ledger.places != Counter(), wrong
            tried += 1
    assert tried > 1500
