"""The facts that a check carries."""

from collections.abc import Iterator
from typing import Any

import pytest

from opslib.validator import profile_loader as profiles
from opslib.validator.check import CONTROLS, Check, asked_by
from opslib.validator.checks import CHECKS
from opslib.validator.finding import Outcome, passed
from opslib.validator.inspection import Inspection
from opslib.validator.profile import BUILT_IN


async def always(inspection: Inspection) -> Outcome:
    return passed("always")


def added(id: str = "of-a-test", **facts: Any) -> None:
    """Make `always` a check, with facts that would do unless others are given."""
    text = dict.fromkeys(("why", "fix", "cli", "source", "proves", "not_proven"), "a test")
    rows = asked_by("a test", regulated="WARN")
    Check(id, "Always", "low", **{"control": "operation", "profiles": rows, "calls": (), **text, **facts})(always)


def test_a_check_needs_a_control_that_exists() -> None:
    """At import, so that no check is left out of the audit; and no check replaces another."""
    before = dict(CHECKS)
    with pytest.raises(ValueError, match="there is no control housekeeping"):
        added(control="housekeeping")
    with pytest.raises(ValueError, match="there are two checks tls-only"):
        added("tls-only")
    with pytest.raises(TypeError, match="control"):
        Check(
            "of-a-test",
            "Always",
            "low",
            profiles={},
            why="",
            calls=(),
            fix="",
            cli="",
            source="",
            proves="",
            not_proven="",
        )  # type: ignore[call-arg]
    assert before == CHECKS
    assert {check.control for check in CHECKS.values()} == set(CONTROLS)


@pytest.fixture
def _no_trace() -> Iterator[None]:
    """The registry as it was, and profiles made from it."""
    before = dict(CHECKS)
    profiles._built_in.cache_clear()
    yield
    CHECKS.clear()
    CHECKS.update(before)
    profiles._built_in.cache_clear()


@pytest.mark.usefixtures("_no_trace")
def test_one_function_is_all_that_a_check_needs() -> None:
    """With its decorator it belongs to the profiles that it names, after the checks that were there before."""
    added()
    asked = {name for name in BUILT_IN if "of-a-test" in profiles.load_profile(name).checks}
    assert asked == {"sec-17a-4", "mifid-ii", "cftc"}
    assert list(profiles.load_profile("cftc").checks)[-1] == "of-a-test"
