"""Whatever is wanted next, planning and applying it leaves nothing to plan."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..world import Sandbox
from .org import clear, onboarding, operator

DAYS = st.integers(1, 400)
TYPES = st.lists(st.sampled_from(["voice", "chat", "email", "message", "screen"]), min_size=1, unique=True)
EVENTS = st.permutations(["routing.recording.storage.updated", "routing.recording.policy.updated"])


@st.composite
def edits(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """One valid onboarding: every field that a user may change."""
    days = draw(DAYS)
    return {
        "target": {
            "name": draw(st.sampled_from(["T", "Archiv für Sprache"])),
            "path_prefix": draw(st.sampled_from(["", "recordings/voice", "a/b"])),
            "encryption": draw(st.sampled_from(["AES256", "aws:kms"])),
            "retention_days": days,
            "enabled": draw(st.booleans()),
        },
        "policy": {
            "recording_types": tuple(draw(TYPES)),
            "retention_days": draw(st.integers(1, days)),
            "enabled": draw(st.booleans()),
        },
        "webhook": {
            "url": draw(st.sampled_from(["https://a.example.com/in", "https://b.example.com/in/2"])),
            "events": tuple(draw(EVENTS)[: draw(st.integers(1, 2))]),
            "enabled": draw(st.booleans()),
        },
    }


def test_any_sequence_of_edits_ends_with_an_empty_plan(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever order retention grows and shrinks, the server accepts each change, and nothing is left to do."""
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000})
    api = sandbox.api()

    async def apply_all(sequence: list[dict[str, dict[str, Any]]]) -> None:
        async with operator(sandbox, tmp_path, monkeypatch) as ops:
            for edit in sequence:
                wanted = onboarding(sandbox, **edit)
                await ops.apply(wanted)
                assert (await ops.plan(wanted)).changes == ()

    @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(edits(), min_size=1, max_size=4))
    def check(sequence: list[dict[str, dict[str, Any]]]) -> None:
        clear(api)
        asyncio.run(apply_all(sequence))

    check()
