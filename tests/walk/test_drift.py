"""Has somebody changed the org? Two looks that write nothing there, and say what they found."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opslib import errors
from opslib.walk.drift import Drift
from opslib.walk.walk import Walk

from .. import world
from ..world import POLICIES, WEBHOOKS, Api, Sandbox, environment
from .test_steps import onboarding


@pytest.fixture
async def drift(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Drift]:
    """After an onboarding, in the same workspace."""
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with Walk(onboarding(sandbox)) as walk:
        async for _ in walk.in_order(until="apply"):
            pass
    sandbox.control("DELETE", "/requests")
    async with Drift(onboarding(sandbox), command="drift") as drift:
        yield drift


def shorten(api: Api, policy: str) -> None:
    kept = api("GET", f"{POLICIES}/{policy}").json()
    body = {name: kept[name] for name in world.policy()} | {"retentionPeriodDays": 30}
    assert api("PUT", f"{POLICIES}/{policy}", body).is_success


def writes(sandbox: Sandbox) -> list[str]:
    asked = [one for one in sandbox.requests() if one["path"].startswith("/api/")]
    return [f"{one['method']} {one['path']}" for one in asked if one["method"] != "GET"]


async def test_an_org_as_it_was_left_is_as_wanted(drift: Drift, sandbox: Sandbox) -> None:
    """It connects by itself, and sends no write."""
    result = await drift.run("compare")
    assert (result.state, result.summary) == ("done", "The org is as the onboarding says")
    assert drift.state("connect") == "done"
    assert writes(sandbox) == []


async def test_what_somebody_changed_is_an_error_that_names_it(drift: Drift, sandbox: Sandbox, api: Api) -> None:
    """A green tick would say that all is well. The plan to put it back is in the result, and nothing is written."""
    policy, webhook = drift.onboarding.policy, drift.onboarding.webhook
    shorten(api, policy.id)
    api("DELETE", f"{WEBHOOKS}/{webhook.id}")
    sandbox.control("DELETE", "/requests")
    with pytest.raises(errors.OrgDrifted) as caught:
        await drift.run("compare")
    assert caught.value.cause == f"policy {policy.name}: 1 field differs; webhook {webhook.name}: is missing"
    assert "Nothing was written" in caught.value.fix
    result = drift.result("compare")
    assert result
    assert result.state == "failed"
    assert [change["action"] for change in result.data["changes"]] == ["update", "create"]
    assert writes(sandbox) == []


async def test_the_second_look_finds_what_changed_since_the_first(drift: Drift, sandbox: Sandbox, api: Api) -> None:
    """The first one has nothing to compare with, and says so."""
    first = await drift.run("changes")
    assert first.summary.startswith("No change was found. This is the first look")
    shorten(api, drift.onboarding.policy.id)
    sandbox.control("DELETE", "/requests")
    second = await drift.run("changes")
    assert second.summary == "1 change was found"
    (change,) = second.data["changes"]
    assert (change["kind"], change["name"]) == ("policy", drift.onboarding.policy.name)
    assert [(field["path"], field["after"]) for field in change["fields"]] == [("retentionPeriodDays", 30)]
    assert writes(sandbox) == []


async def test_no_connection_is_the_error_of_the_look(drift: Drift, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/faults", {"path_regex": "^/oauth", "status": 401})
    with pytest.raises(errors.AuthenticationFailed):
        await drift.run("compare")
    assert drift.state("compare") == "failed"


async def test_another_onboarding_makes_the_answer_stale(drift: Drift) -> None:
    await drift.run("compare")
    changed = drift.onboarding.policy.model_copy(update={"retention_days": 200})
    drift.onboarding = drift.onboarding.model_copy(update={"policy": changed})
    assert drift.state("compare") == "stale"
