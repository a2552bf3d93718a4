"""What is unsafe in going from one meaning of an object to another, whatever the API."""

from dataclasses import replace
from typing import Any

import pytest

from opslib.genesys.backend import Meaning
from opslib.router.unsafe_changes import UNSAFE, shrinks, unsafe_changes

WAS = Meaning(bucket="b", region="r", access=("k",), retention_days=365, foreign=frozenset({"theirs"}))


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ({}, {}, []),
        ({}, {"bucket": "c"}, ["bucket-change"]),
        ({}, {"region": "s"}, ["region-change"]),
        ({}, {"retention_days": 364}, ["shorter-retention"]),
        ({}, {"retention_days": 366}, []),
        ({}, {"access": ("l",)}, ["credential-change"]),
        ({}, {"enabled": False}, ["disable"]),
        ({"enabled": False}, {"enabled": False}, []),
        ({"enabled": False}, {}, []),
        ({}, {"everything": True}, ["all-interactions"]),
        ({"everything": True}, {"everything": True}, []),
        ({"everything": True}, {}, []),
        ({}, {"foreign": frozenset()}, ["foreign-removal"]),
        ({}, {"foreign": frozenset({"theirs", "more"})}, []),
        ({"ours": False}, {}, ["adopt"]),
        ({"ours": False}, {"bucket": "c", "enabled": False}, ["adopt", "bucket-change", "disable"]),
    ],
)
def test_each_unsafe_change_has_its_name(before: dict[str, Any], after: dict[str, Any], names: list[str]) -> None:
    """The way back of most is safe."""
    assert list(unsafe_changes(replace(WAS, **before), replace(WAS, **after))) == names
    assert set(names) <= set(UNSAFE)


def test_what_is_made_or_removed() -> None:
    """Nothing is unsafe in a new object but that it matches everything; to remove one is, also another's."""
    assert list(unsafe_changes(None, WAS)) == []
    assert list(unsafe_changes(None, replace(WAS, everything=True))) == ["all-interactions"]
    assert list(unsafe_changes(WAS, None)) == ["delete"]
    assert list(unsafe_changes(replace(WAS, ours=False), None)) == ["delete", "adopt"]


@pytest.mark.parametrize(
    ("old", "new", "less"), [(2, 1, True), (1, 1, False), (1, 2, False), (None, 1, False), (1, None, False)]
)
def test_a_retention_that_is_not_known_does_not_shrink(old: int | None, new: int | None, less: bool) -> None:
    """There is nothing to compare."""
    assert shrinks(Meaning(retention_days=old), Meaning(retention_days=new)) is less
