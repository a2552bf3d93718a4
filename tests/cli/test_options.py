"""Options that several commands take: what cannot be meant is refused before anything is sent."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opslib.onboarding.models import EXCEPTION_DAYS
from opslib.router.unsafe_changes import UNSAFE

from ..forks import opslib
from ..world import without_settings

CONSENTING = ("apply", "offboard", "onboard", "resume")


def said(command: str, *words: str) -> str:
    """What a usage error says; nothing is configured, so nothing could be sent."""
    file = [] if command == "resume" else ["target.yaml"]
    ended = opslib(without_settings(), command, *file, *words)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Usage error")
    return ended.stderr


@pytest.mark.parametrize("command", CONSENTING)
def test_a_day_that_is_over_ends_no_exception(command: str) -> None:
    """It would be refused later, as if nothing had been agreed to."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    assert f"{yesterday} is over" in said(command, "--allow", "delete", "--reason", "a test", "--until", yesterday)


@pytest.mark.parametrize("command", CONSENTING)
def test_a_name_that_allows_nothing_is_refused(command: str) -> None:
    """With the names that there are."""
    refused = said(command, "--allow", "everything", "--reason", "a test")
    assert [name for name in UNSAFE if f"'{name}'" not in refused] == []


@pytest.mark.parametrize("command", CONSENTING)
def test_the_help_has_the_names_and_the_days(command: str, tmp_path: Path) -> None:
    """So that nobody has to look for them."""
    text = "".join(opslib(without_settings(), command, "--help").stdout.split())
    assert [name for name in UNSAFE if name not in text] == []
    assert f"bydefault{EXCEPTION_DAYS}daysfromnow" in text
