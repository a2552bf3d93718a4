"""Walks that share a session: one token, one rate gate, and each its own record."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opslib.genesys.recorder import Recorder
from opslib.ledger.samples import TOKEN_OPERATION
from opslib.settings import Settings
from opslib.walk.session import Session
from opslib.walk.walk import Walk

from ..world import Sandbox, environment
from .test_steps import onboarding

OTHER = {"target": {"id": "t-2", "name": "T2"}, "policy": {"id": "p-2", "name": "P2"}}


@pytest.fixture
async def walks(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Walk, Walk]]:
    """Two walks to one org, on one session."""
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with (
        Session(Settings.load(), Recorder(lambda kind, data: None)) as session,
        Walk(onboarding(sandbox), session=session) as first,
        Walk(onboarding(sandbox, **OTHER), session=session) as second,
    ):
        yield first, second


def attempts(walk: Walk, key: str) -> list[str]:
    """One field of every attempt that the walk recorded."""
    return [entry.data[key] for entry in walk.journal.entries("sample")]


async def test_walks_on_one_session_fetch_one_token(walks: tuple[Walk, Walk], sandbox: Sandbox) -> None:
    """Also when both connect at once; each records its own attempts, and the token is recorded once."""
    await asyncio.gather(*(walk.run("connect") for walk in walks))
    assert [request["path"] for request in sandbox.requests()].count("/oauth/token") == 1
    assert sum(attempts(walk, "operation").count(TOKEN_OPERATION) for walk in walks) == 1
    for walk in walks:
        assert walk.recorder.success_count >= 1
        assert set(attempts(walk, "step")) == {"connect"}


async def test_a_walk_that_ends_leaves_the_shared_session_open(walks: tuple[Walk, Walk], sandbox: Sandbox) -> None:
    """The other one continues with the same token."""
    first, second = walks
    await first.run("connect")
    await first.aclose()
    await second.run("connect")
    await second.run("plan")
    assert [request["path"] for request in sandbox.requests()].count("/oauth/token") == 1


async def test_walks_on_one_session_wait_at_one_gate(walks: tuple[Walk, Walk], sandbox: Sandbox) -> None:
    """After one walk used up the token's limit, the other one waits for the next window, and none is refused."""
    first, second = walks
    sandbox.control("PUT", "/settings", {"rate_limit": 4, "rate_window_s": 3.0})
    for _ in range(4):
        await first.backend.read("target", "t-1")
    await asyncio.gather(*(second.backend.read("target", "t-2") for _ in range(2)))
    assert "rate_limited" not in attempts(first, "outcome")
    assert attempts(second, "outcome") == ["not_found", "not_found"]
    assert first.session.auth.gate.state().used == 2


async def test_a_walk_with_other_settings_does_not_use_the_shared_session(
    walks: tuple[Walk, Walk], sandbox: Sandbox
) -> None:
    """A token goes to no other org and serves no other client."""
    first, second = walks
    await first.run("connect")
    second.settings = second.settings.model_copy(update={"org_id": "another"})
    await second.run("connect")
    assert [request["path"] for request in sandbox.requests()].count("/oauth/token") == 2
