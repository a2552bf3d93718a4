"""What AWS and Genesys call a process: asked once, noted in its run, and never in the way of the walk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.ledger.actor import IDENTITY
from opslib.walk.walk import Walk

from ..world import Sandbox, environment
from .test_steps import onboarding, up_to


@pytest.fixture(autouse=True)
def workspace(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def said(walk: Walk) -> Iterator[tuple[str, str, str]]:
    """Who vouches, whether there is a name, and why not, of each identity in the run."""
    for entry in walk.journal.entries(IDENTITY):
        yield entry.data["vouched_by"], "named" if entry.data["id"] else "UNKNOWN", entry.data["why"]


def asked(sandbox: Sandbox) -> int:
    return sum(one["path"].endswith("/tokens/me") for one in sandbox.requests())


async def test_each_is_asked_once(sandbox: Sandbox) -> None:
    """By connect and by the validation; neither the apply nor another validation asks again."""
    async with Walk(onboarding(sandbox)) as walk:
        await walk.run_all()
        await walk.run("validate_bucket")
        assert [one[:2] for one in said(walk)] == [("Genesys", "named"), ("AWS", "named")]
    assert asked(sandbox) == 1


async def test_a_process_that_only_applies_asks_before_it_changes_anything(sandbox: Sandbox) -> None:
    """It has no connect of its own, and its own token; the answer stands before the apply."""
    async with Walk(onboarding(sandbox)) as walk:
        await up_to(walk, "apply")
    async with Walk(onboarding(sandbox), resume=True) as walk:
        await walk.run("apply")
        actors = [entry.seq for entry in walk.journal.entries("actor")]
        *_, last = [entry for entry in walk.journal.entries(IDENTITY) if entry.data["vouched_by"] == "Genesys"]
        (apply,) = walk.journal.entries("apply.started")
    assert (last.data["vouched_by"], last.data["actor"], apply.data["actor"]) == ("Genesys", actors[1], actors[1])
    assert last.seq < apply.seq


@pytest.mark.parametrize("answer", [{"status": 403}, {"status": 404}, {"body": {}}, {"body": {"OAuthClient": ["x"]}}])
async def test_an_org_that_does_not_say_who_we_are_stops_nothing(sandbox: Sandbox, answer: Any) -> None:
    """The reason is there in place of a name, for connect and for an apply without it."""
    sandbox.control("POST", "/faults", {"path_regex": "/tokens/me", **answer})
    async with Walk(onboarding(sandbox)) as walk:
        await up_to(walk, "apply")
        assert [(who, named) for who, named, why in said(walk)] == [("Genesys", "UNKNOWN"), ("AWS", "named")]
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert (await walk.run("apply")).data == {"changes": 3}
        assert [named for who, named, why in said(walk) if who == "Genesys" and why] == ["UNKNOWN", "UNKNOWN"]
