from datetime import UTC, datetime

import pytest

from opslib.ledger.moment import parse_moment


@pytest.mark.parametrize(
    "text", ["2026-01-31T00:00:00Z", "2026-01-31T01:00:00+01:00", "20260131T000000Z", "1769817600000"]
)
def test_one_moment_in_several_forms(text: str) -> None:
    assert parse_moment(text) == datetime(2026, 1, 31, tzinfo=UTC)


def test_before_1970() -> None:
    assert parse_moment("-1000") == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-31T00:00:00", "2026-01-31", "9" * 30, "²"])
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time; write|has no offset; write"):
        parse_moment(text)


def test_what_is_proposed_for_a_day_can_be_written() -> None:
    with pytest.raises(ValueError, match="write 2026-01-31T00:00:00Z for UTC"):
        parse_moment("2026-01-31")
