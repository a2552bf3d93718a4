import pytest

from opslib.archive.words import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "no data"),
        (-3, "-3.0 s"),
        (120.5, "120.5 s"),
        (600, "10.0 min"),
        (7200, "2.0 h"),
        (3 * 86400, "3.0 days"),
        (9e8, "10,416.7 days"),
    ],
)
def test_a_time_is_given_in_a_unit_that_suits_it(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words
