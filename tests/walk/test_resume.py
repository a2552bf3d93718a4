"""A walk goes on after its program ended: from the ledger alone, and without a write sent twice."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from opslib import errors
from opslib.audit.facts import load
from opslib.onboarding.models import Consent
from opslib.settings import Settings
from opslib.walk.walk import Walk

from ..world import Sandbox, environment
from .test_steps import ORDER, cancel_in_the_policy, onboarding, puts, up_to


@pytest.fixture(autouse=True)
def workspace(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def states(walk: Walk) -> list[str]:
    return [walk.state(name) for name in ORDER]


async def first_session(sandbox: Sandbox, name: str, prepare: Callable[[Walk], object] = lambda walk: None) -> str:
    """A walk up to a step that is not run any more; its run."""
    async with Walk(onboarding(sandbox)) as walk:
        prepare(walk)
        await up_to(walk, name)
        return walk.run_id


async def test_what_was_done_comes_back_and_nothing_is_sent(sandbox: Sandbox, workspace: Path) -> None:
    """Every step with its words and data; the run goes on, so its report counts all of it, as the audit does."""
    async with Walk(onboarding(sandbox)) as before:
        results = await before.run_all()
    sandbox.control("DELETE", "/requests")
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert states(walk) == ["done"] * 7
        assert sandbox.requests() == []
        for old in results:
            new = walk.result(old.step)
            assert new
            assert new.recalled
            same = (old.summary, json.loads(json.dumps(old.data)), old.input_hash)
            assert (new.summary, new.data, new.input_hash) == same
        assert walk.run_id == before.run_id
        report = (await walk.run("report")).data
    assert report["metrics"] == results[-1].data["metrics"]
    audited = load(workspace).call_statistics
    assert report["metrics"]["average_latency_ms"] == round(audited.average_ms() or 0, 2)
    assert report["metrics"]["p95_latency_ms"] == round(audited.percentiles_ms()[95] or 0, 2)
    assert report["routing_state"] == "ACTIVE"
    assert sandbox.requests() == []


async def test_an_approved_plan_is_applied_after_the_restart(sandbox: Sandbox, workspace: Path) -> None:
    """With a token fetched by itself; three writes in all, and the audit sees one run."""
    run_id = await first_session(sandbox, "apply")
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert states(walk) == ["done"] * 4 + ["ready", "waiting", "waiting"]
        assert (await walk.run("apply")).summary == "3 changes applied and read back"
    assert puts(sandbox) == 3
    facts = load(workspace)
    assert facts.run_id == run_id
    assert [facts.last_end(name).kind for name in ORDER[:5]] == ["step.done"] * 5  # type: ignore[union-attr]
    assert len(list(walk.journal.entries("run.resumed"))) == 1


class Killed(BaseException):
    """The program ends here."""


async def test_an_apply_whose_end_was_not_noted_any_more_is_done(
    sandbox: Sandbox, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The org has all changes, so it is not ready to apply them; the missing end is noted, and nothing is sent."""
    async with Walk(onboarding(sandbox)) as walk:
        await up_to(walk, "apply")
        with monkeypatch.context() as patch:
            patch.setattr(walk, "_note", lambda result: (_ for _ in ()).throw(Killed))
            with pytest.raises(Killed):
                await walk.run("apply")
        assert not list(walk.journal.entries("step.crashed"))
    sandbox.control("DELETE", "/requests")
    for session in (1, 2):
        async with Walk(onboarding(sandbox), resume=True) as walk:
            assert states(walk) == ["done"] * 5 + ["ready"] * 2, session
            assert walk.result("apply").summary == "3 changes applied and read back"  # type: ignore[union-attr]
            ends = [entry for entry in walk.journal.entries("step.done") if entry.data["step"] == "apply"]
            assert len(ends) == 1
    assert sandbox.requests() == []
    assert load(workspace).last_end("apply").kind == "step.done"  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["resume", "rollback"])
async def test_an_unfinished_apply_is_finished_or_undone(sandbox: Sandbox, how: str) -> None:
    """It is neither done nor run again by itself."""
    async with Walk(onboarding(sandbox)) as walk:
        await cancel_in_the_policy(walk, sandbox)
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert states(walk)[:5] == ["done"] * 4 + ["ready"]
        assert walk.unfinished
        with pytest.raises(errors.Busy, match="left unfinished"):
            await walk.run("apply")
        await walk.run(how)
        assert walk.unfinished is None
        assert (await walk.run("apply")).data == {"changes": 0 if how == "resume" else 3}


OTHERS: dict[str, Callable[[pytest.MonkeyPatch], dict[str, Any]]] = {
    "onboarding": lambda patch: {"target": {"id": "t-2"}},
    "profile": lambda patch: {"profile": "cftc"},
    "org": lambda patch: patch.setenv("OPSLIB_CLIENT_ID", "another-client") or {},
    "region": lambda patch: patch.setenv("OPSLIB_REGION", "eu-central-1") or {},
}


@pytest.mark.parametrize("what", OTHERS)
async def test_the_steps_of_another_walk_do_not_come_back(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Not even as stale: another org or onboarding begins a run of its own."""
    run_id = await first_session(sandbox, "apply")
    changes = OTHERS[what](monkeypatch)
    async with Walk(onboarding(sandbox, **changes), resume=True) as walk:
        assert states(walk) == ["ready"] + ["waiting"] * 6
        assert walk.run_id != run_id
        assert walk.plan is None


async def test_a_removal_does_not_come_back_as_an_onboarding(sandbox: Sandbox) -> None:
    """Its plan and consent are for the opposite."""
    await first_session(sandbox, "see_event")
    async with Walk(onboarding(sandbox), removal=True) as removal:
        await removal.run("connect")
        await removal.run("plan")
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert walk.run_id != removal.run_id
        assert (walk.removal, walk.state("apply")) == (False, "done")


async def test_what_another_run_removed_is_not_done_any_more(sandbox: Sandbox) -> None:
    """The plan has to be made again, and what rests on it is stale; after that the onboarding is applied again."""
    await first_session(sandbox, "see_event")
    consent = Consent(allow=("delete",), reason="a test")
    async with Walk(onboarding(sandbox), removal=True) as removal:
        results = await removal.run_all(consent)
    assert [result.step for result in results] == ["connect", "validate_bucket", "plan", "approve", "apply"]
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert states(walk)[:5] == ["done", "done", "ready", "stale", "stale"]
        async for result in walk.in_order(until="apply"):
            last = result
    assert last.summary == "3 changes applied and read back"


async def test_another_workspace_or_a_walk_begun_anew_knows_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without `resume` a walk begins anew; and the ledger is the only memory."""
    await first_session(sandbox, "apply")
    async with Walk(onboarding(sandbox)) as walk:
        assert walk.state("connect") == "ready"
    monkeypatch.setenv("OPSLIB_HOME", str(tmp_path / "other"))
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert walk.state("connect") == "ready"


async def test_what_was_typed_comes_back_with_what_was_done_with_it(sandbox: Sandbox) -> None:
    """The form's values and the consent, as they were when a step was last started."""
    shorter = onboarding(sandbox, target={"retention_days": 300}, policy={"retention_days": 300})

    def typed(walk: Walk) -> None:
        walk.onboarding, walk.consent = shorter, Consent(reason="a test")

    await first_session(sandbox, "validate_bucket", typed)
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert walk.onboarding == shorter
        assert walk.consent == Consent(reason="a test")
        assert states(walk)[0] == "done"


async def test_an_org_that_was_typed_comes_back_but_no_secret_goes_there(sandbox: Sandbox) -> None:
    """The environment's secret belongs to the environment's client; the one that was typed is gone."""
    other = sandbox.control("POST", "/clients", {}).json()
    secret = SecretStr(other["client_secret"])

    def typed(walk: Walk) -> None:
        update = {"client_id": other["client_id"], "client_secret": secret}
        walk.settings = walk.settings.model_copy(update=update)

    await first_session(sandbox, "plan", typed)
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert walk.settings.client_id == other["client_id"]
        assert not walk.settings.client_secret
        assert states(walk)[:3] == ["done", "done", "ready"]
        with pytest.raises(errors.InvalidInput, match="client secret is empty"):
            await walk.run("plan")
        walk.settings = walk.settings.model_copy(update={"client_secret": secret})
        assert walk.state("connect") == "stale"
        await walk.run("connect")
        assert states(walk)[1] == "done"
        assert (await walk.run("plan")).state == "done"


async def test_a_new_secret_in_the_environment_is_used(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no input, so what was done stays done."""
    await first_session(sandbox, "plan")
    async with Walk(onboarding(sandbox), Settings.load(client_secret="x" * 32), resume=True) as walk:
        assert walk.state("connect") == "done"
        with pytest.raises(errors.AuthenticationFailed):
            await walk.run("plan")


async def test_a_failure_comes_back_with_cause_and_fix_and_a_cancelled_step_does_not(sandbox: Sandbox) -> None:
    """A step without an end may be run; what failed still says why."""
    async with Walk(onboarding(sandbox)) as walk:
        await up_to(walk, "apply")
        sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "webhooks", "status": 403})
        with pytest.raises(errors.RolledBack) as caught:
            await walk.run("apply")
        sandbox.control("POST", "/faults", {"method": "GET", "delay_s": 5})
        task = asyncio.create_task(walk.run("plan"))
        await asyncio.sleep(0.1)
        walk.cancel("plan")
        with pytest.raises(asyncio.CancelledError):
            await task
    async with Walk(onboarding(sandbox), resume=True) as walk:
        assert states(walk) == ["done", "done", "ready", "stale", "stale", "waiting", "waiting"]
        result = walk.result("apply")
        assert result
        assert result.error
        told = caught.value.as_json()
        assert {key: value for key, value in result.error.as_json().items() if key != "error"} == {
            key: value for key, value in told.items() if key != "error"
        }
