"""The walk's steps against the real sandbox."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from opslib import Onboarding, errors
from opslib.ledger import verify
from opslib.settings import Settings
from opslib.steps import STEPS, Walk

from .world import POLICIES, TARGETS, WEBHOOKS, Api, Sandbox, environment

ORDER = ["connect", "validate_bucket", "register_target", "bind_policy", "register_webhook", "see_event", "report"]


def onboarding(sandbox: Sandbox, **changes: Any) -> Onboarding:
    """An onboarding of the sandbox's bucket."""
    target = {"id": "t-1", "name": "T", "bucket": sandbox["bucket"], "region": sandbox["region"], "retention_days": 365}
    return Onboarding.model_validate(
        {
            "target": target | changes.pop("target", {}),
            "policy": {"id": "p-1", "name": "P", "retention_days": 365} | changes.pop("policy", {}),
            "webhook": {"id": "w-1", "url": sandbox["datalake_url"] + "/in"},
            **changes,
        }
    )


@pytest.fixture
async def walk(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with Walk(onboarding(sandbox)) as walk:
        yield walk


async def test_the_whole_walk(walk: Walk, api: Api, tmp_path: Path) -> None:
    """Seven steps in order; three objects exist; the event arrived; the ledger is intact and has it all."""
    assert list(STEPS) == ORDER
    assert [walk.state(name) for name in ORDER] == ["ready"] + ["waiting"] * 6
    results = await walk.run_all()
    assert [result.state for result in results] == ["done"] * 7
    for path, id in ((TARGETS, "t-1"), (POLICIES, "p-1"), (WEBHOOKS, "w-1")):
        assert api("GET", f"{path}/{id}").status_code == 200
    assert results[5].data["event"]["entityId"] == "p-1"
    await walk.aclose()
    assert verify(tmp_path).intact
    kinds = [entry.kind for entry in walk.journal.entries()]
    assert kinds.count("step.started") == kinds.count("step.done") == 7
    steps = {entry.data["step"] for entry in walk.journal.entries("sample")}
    assert steps == {"connect", "register_target", "bind_policy", "register_webhook", "see_event"}


@pytest.mark.parametrize("name", ORDER[1:])
async def test_out_of_order_is_refused_with_reasons(walk: Walk, sandbox: Sandbox, name: str) -> None:
    """Gating is enforced in the step itself; nothing is sent."""
    with pytest.raises(errors.StepBlocked, match="must be done first"):
        await walk.run(name)
    assert sandbox.requests() == []
    assert walk.blockers(name)


CHANGES: list[tuple[Callable[[Walk, Sandbox], None], set[str]]] = [
    (lambda walk, s: setattr(walk, "onboarding", onboarding(s, target={"retention_days": 400})), set(ORDER[1:])),
    (lambda walk, s: setattr(walk, "onboarding", onboarding(s, policy={"retention_days": 30})), set(ORDER[3:])),
    (lambda walk, s: setattr(walk, "settings", walk.settings.model_copy(update={"client_id": "other"})), set(ORDER)),
    (lambda walk, s: setattr(walk, "onboarding", onboarding(s)), set()),
]


@pytest.mark.parametrize(("change", "stale"), CHANGES)
async def test_changed_inputs_make_what_depends_on_them_stale(
    walk: Walk, sandbox: Sandbox, change: Callable[[Walk, Sandbox], None], stale: set[str]
) -> None:
    """By the hash of inputs: the step and all behind it, nothing else; an equal value changes nothing."""
    await walk.run_all()
    change(walk, sandbox)
    assert {name for name in ORDER if walk.state(name) == "stale"} == stale
    change_back = onboarding(sandbox)
    if stale != set(ORDER):
        walk.onboarding = change_back
        assert {walk.state(name) for name in ORDER} == {"done"}


async def test_a_failed_step_says_why_and_can_be_run_again(walk: Walk, sandbox: Sandbox) -> None:
    """Wrong secret, then the right one; what follows stays closed meanwhile."""
    right = walk.settings
    walk.settings = right.model_copy(update={"client_secret": SecretStr("wrong-secret-wrong-secret-wrong")})
    with pytest.raises(errors.AuthenticationFailed):
        await walk.run("connect")
    assert walk.state("connect") == "failed"
    with pytest.raises(errors.StepBlocked, match="failed"):
        await walk.run("validate_bucket")
    failed = next(iter(walk.journal.entries("step.failed"))).data
    assert failed["error"]["fix"]
    assert failed["error"]["status"] == 401
    walk.settings = right
    assert (await walk.run("connect")).state == "done"


async def test_two_callers_share_one_run(walk: Walk, sandbox: Sandbox) -> None:
    """A double click starts one task; both callers get its result."""
    await walk.run("connect")
    await walk.run("validate_bucket")
    sandbox.control("POST", "/faults", {"method": "PUT", "delay_s": 0.2})
    first, second = asyncio.create_task(walk.run("register_target")), asyncio.create_task(walk.run("register_target"))
    await asyncio.sleep(0.05)
    assert walk.state("register_target") == "running"
    assert await first is await second
    assert [r["method"] for r in sandbox.requests()].count("PUT") == 1


async def test_cancel_ends_the_step_and_is_recorded(walk: Walk, sandbox: Sandbox) -> None:
    """Cancel stops the wait at once; the step can be run again."""
    await walk.run("connect")
    await walk.run("validate_bucket")
    sandbox.control("POST", "/faults", {"method": "PUT", "delay_s": 1, "times": 1})
    task = asyncio.create_task(walk.run("register_target"))
    await asyncio.sleep(0.1)
    walk.cancel("register_target")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert walk.state("register_target") == "ready"
    assert [entry.data["step"] for entry in walk.journal.entries("step.cancelled")] == ["register_target"]
    assert (await walk.run("register_target")).state == "done"


async def test_events_are_unknown_without_a_catalogue(walk: Walk) -> None:
    """A question that cannot be asked is UNKNOWN, never done, and no PUT is made for it."""
    walk.settings = Settings.load(catalogue_url=None)
    walk.settings = walk.settings.model_copy(update={"catalogue_url": None})
    for name in ORDER[:5]:
        await walk.run(name)
    puts = walk.recorder.success_count
    result = await walk.run("see_event")
    assert (result.state, walk.state("see_event")) == ("unknown", "unknown")
    assert "OPSLIB_CATALOGUE_URL" in result.summary
    assert walk.recorder.success_count == puts


async def test_an_event_that_never_comes_is_unknown(
    walk: Walk, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data lake refuses the delivery: we waited, saw nothing, and say so."""
    monkeypatch.setattr("opslib.steps._EVENT_WITHIN_S", 0.5)
    for name in ORDER[:5]:
        await walk.run(name)
    sandbox.control("POST", "/faults", {"method": "POST", "path_regex": "^/in", "status": 500})
    assert (await walk.run("see_event")).state == "unknown"


async def test_an_org_without_this_api_is_said_in_words(walk: Walk, sandbox: Sandbox) -> None:
    """Never a bare 404."""
    sandbox.control("POST", "/faults", {"path_regex": "^/api/v2/recording", "status": 404})
    with pytest.raises(errors.NotFound, match="does not serve the storage-targets API"):
        await walk.run("connect")


async def test_no_secret_in_results_or_ledger(walk: Walk, sandbox: Sandbox, tmp_path: Path) -> None:
    """The whole walk leaves neither secret nor token behind."""
    results = await walk.run_all()
    await walk.aclose()
    written = b"".join(path.read_bytes() for path in tmp_path.glob("ledger*"))
    for secret in (sandbox["client_secret"], sandbox["aws_secret_access_key"]):
        assert secret.encode() not in written
        assert secret not in repr(results)
        assert secret not in repr(vars(walk))
