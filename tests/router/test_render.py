"""The API's fields in people's words."""

from typing import Any

import pytest

from opslib.router.render import sentence

DAYS = "retentionPeriodDays"


@pytest.mark.parametrize(
    ("action", "field", "words"),
    [
        ("update", (DAYS, 365, 30), "delete after 365 days → 30 days"),
        ("Update", (DAYS, ["1"], ["30"]), "delete after 1 day → 30 days"),  # as Genesys's audit has it
        ("Update", ("enabled", ["true"], ["false"]), "switched on: yes → no"),
        ("Update", ("description", [], ["x"]), "description: – → x"),
        ("Create", ("enabled", [], ["true"]), "switched on: yes"),
        ("Delete", ("enabled", True, None), "switched on: yes"),
        (None, (None, [], ["x"]), "None: – → x"),
        ("update", ("new.field", True, None), "new.field: yes → –"),
    ],
)
def test_a_field_is_a_sentence(action: str | None, field: tuple[Any, Any, Any], words: str) -> None:
    """Of a plan, of a comparison and of Genesys's own audit, which has texts in lists."""
    assert sentence(action, dict(zip(("path", "before", "after"), field, strict=True))) == words
