"""Applies against the real sandbox: failures at every request, eventual consistency, foreign changes, signals."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.audit.verify import verify
from opslib.credentials import KeyReference
from opslib.router.plan import make_plan
from opslib.widgets.plan import plan_html

from ..world import POLICIES, TARGETS, Api, Sandbox, environment, eventually, running
from .org import (
    NAME,
    PATHS,
    Operator,
    api_requests,
    changed,
    inject,
    onboarding,
    operator,
    seed,
    state,
    stop_after_the_first,
    writes,
)


@pytest.fixture
async def ops(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operator]:
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000})
    async with operator(sandbox, tmp_path / "home", monkeypatch) as ops:
        yield ops


@pytest.mark.parametrize("fault", [{"status": 400}, {"status": 403}, {"status": 503}, {"drop": True}])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_the_undo_of_a_refused_write_does_not_need_that_write(
    ops: Operator, sandbox: Sandbox, api: Api, place: int, fault: dict[str, Any]
) -> None:
    """A write that is refused for good is rolled back all the same: it had no effect."""
    seed(sandbox, api)
    before = state(api)
    wanted = changed(sandbox)
    plan = await ops.plan(wanted)
    path = {"target": PATHS[0], "policy": PATHS[1], "webhook": PATHS[2]}[plan.changes[place].kind]
    inject(sandbox, "PUT", path, **fault)
    with pytest.raises(errors.RolledBack):
        await ops.apply(wanted, plan)
    sandbox.control("DELETE", "/faults")
    assert state(api) == before
    assert ops.unfinished() is None


async def test_a_rollback_that_fails_is_half_done_and_resumed(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """When the org refuses everything, what is left is said exactly; `resume` finishes the rollback later."""
    seed(sandbox, api)
    before = state(api)
    wanted = changed(sandbox)
    plan = await ops.plan(wanted)
    inject(sandbox, "PUT", PATHS[2], status=500)
    inject(sandbox, "PUT", PATHS[0], skip=1, status=403)
    with pytest.raises(errors.HalfDone) as caught:
        await ops.apply(wanted, plan)
    assert "Left to undo: undo update target T2 (t-1); undo update policy P (p-1)" in caught.value.cause
    assert "opslib resume" in caught.value.fix
    sandbox.control("DELETE", "/faults")
    with pytest.raises(errors.Busy, match="left unfinished"):
        await ops.apply(wanted)
    assert "finished" in await ops.applier().resume()
    assert state(api) == before
    assert "nothing to resume" in await ops.applier().resume()


async def test_reads_that_fail_for_good_are_half_done(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """A refused write whose object cannot be read is not called rolled back; `rollback` restores it later."""
    seed(sandbox, api)
    before = state(api)
    wanted = changed(sandbox)
    plan = await ops.plan(wanted)
    inject(sandbox, "PUT", PATHS[0], status=403)
    inject(sandbox, "GET", PATHS[0], skip=1, status=403)
    with pytest.raises(errors.HalfDone):
        await ops.apply(wanted, plan)
    sandbox.control("DELETE", "/faults")
    await ops.applier().rollback()
    assert state(api) == before


async def test_read_lag_does_not_fool_the_read_back(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Each change is seen before the next: A, B and A again, quickly, ends as A at the third version."""
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.5})
    await asyncio.sleep(0.5)  # what was there before this test is out of sight
    first, second = onboarding(sandbox), changed(sandbox)
    for wanted in (first, second, first):
        await ops.apply(wanted, settles_within_s=5)
        assert (await ops.plan(wanted)).changes == ()
    assert api("GET", PATHS[0]).json()["version"] == 3


@pytest.mark.parametrize(
    ("method", "skip", "fault"),
    [
        ("PUT", 0, {"drop": True, "when": "after", "times": 2}),
        ("PUT", 0, {"status": 403, "when": "after", "times": 1}),
        ("GET", 2, {"status": 403, "times": 1}),
    ],
)
async def test_read_lag_does_not_fool_the_rollback(
    ops: Operator, sandbox: Sandbox, api: Api, method: str, skip: int, fault: dict[str, Any]
) -> None:
    """A write that took effect unseen is undone, although a late read still shows the state before."""
    seed(sandbox, api)
    before = state(api)
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.5})
    await asyncio.sleep(0.5)
    wanted = changed(sandbox)
    inject(sandbox, method, PATHS[0], skip=skip, **fault)
    with pytest.raises(errors.RolledBack):
        await ops.apply(wanted, settles_within_s=8)
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.0})
    assert state(api) == before


async def test_another_org_is_left_alone(
    ops: Operator, sandbox: Sandbox, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left unfinished in one org is neither undone in another nor in its way, and stays to be undone."""
    seed(sandbox, api)
    before = state(api)
    await stop_after_the_first(ops, changed(sandbox))
    with running() as other:
        elsewhere = other.api()
        seed(other, elsewhere)
        untouched = state(elsewhere)
        async with operator(other, tmp_path / "home", monkeypatch) as second:
            for recover in (second.applier().rollback, second.applier().resume):
                assert (await recover()).startswith("nothing to")
            assert state(elsewhere) == untouched
            await second.apply(changed(other))
            assert state(elsewhere) != untouched
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    assert await ops.applier().rollback() == "rolled back: the org is as it was before the apply"
    assert state(api) == before


async def test_what_is_unfinished_is_in_the_way_of_its_own_objects_only(
    ops: Operator, sandbox: Sandbox, api: Api
) -> None:
    """Another onboarding is applied meanwhile, and each of two unfinished applies can be ended."""
    await stop_after_the_first(ops, onboarding(sandbox))
    others = {part: {"id": f"{part}-2"} for part in ("target", "policy", "webhook")}
    await ops.apply(onboarding(sandbox, **others))
    shared = onboarding(sandbox, **others | {"policy": {"id": "p-1"}})
    with pytest.raises(errors.Busy, match="left unfinished"):
        await ops.apply(shared)
    assert ops.unfinished()
    thirds = {part: {"id": f"{part}-3"} for part in ("target", "policy", "webhook")}
    await stop_after_the_first(ops, onboarding(sandbox, **thirds))
    assert await ops.applier().resume() == "the apply is finished"
    assert await ops.applier().rollback() == "rolled back: the org is as it was before the apply"
    assert ops.unfinished() is None
    assert [api("GET", f"{TARGETS}/{id}").status_code for id in ("t-1", "target-2", "target-3")] == [404, 200, 200]


async def test_stopped_before_the_first_write_is_no_apply(ops: Operator, sandbox: Sandbox) -> None:
    """Nothing is half-done, so nothing needs to be finished or undone."""
    wanted, applier = onboarding(sandbox), ops.applier()
    plan = await ops.plan(wanted)

    async def replan() -> Any:
        applier.stop()
        return await ops.plan(wanted)

    with pytest.raises(asyncio.CancelledError):
        await applier.apply(plan, wanted.target.credentials, replan)
    assert ops.unfinished() is None
    assert writes(sandbox) == []


@pytest.mark.parametrize("same_run", [False, True])
async def test_two_operators_at_once(ops: Operator, sandbox: Sandbox, api: Api, same_run: bool) -> None:
    """The second is told who is at work and since when, and writes nothing; the first finishes. Also when both go on
    with one run, such as two kernels."""
    from opslib.ledger.ledger import Ledger, Run

    inject(sandbox, "PUT", PATHS[0], times=1, delay_s=0.2)
    first = asyncio.create_task(ops.apply(onboarding(sandbox)))
    while ("PUT", PATHS[0]) not in api_requests(sandbox):  # noqa: ASYNC110 (the sandbox is another process)
        await asyncio.sleep(0.01)
    ledger = Ledger(ops.run.ledger.path.parent)
    second = Operator(ops.router, NAME, Run(ledger, ops.run.id) if same_run else ledger.start_run("test"))
    about = next(iter(ops.run.entries("run.started")))
    with pytest.raises(errors.Busy) as caught:
        await second.apply(onboarding(sandbox))
    assert f"{about.data['user']} on {about.data['host']}, since 20" in caught.value.cause
    await first
    assert len(writes(sandbox)) == 3
    second.run.ledger.close()


async def test_no_secret_is_kept_or_shown(ops: Operator, sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """Neither the plan, its text, its JSON nor the workspace's files hold a secret, also after a rollback."""
    secrets = [sandbox["aws_secret_access_key"], sandbox["client_secret"]]
    seed(sandbox, api)
    plan = await ops.plan(changed(sandbox))
    inject(sandbox, "PUT", PATHS[2], times=1, status=400, body={"message": f"echo {secrets[0]}"})
    with pytest.raises(errors.RolledBack) as caught:
        await ops.apply(changed(sandbox), plan)
    shown = f"{plan!r}{plan.model_dump_json()}{json.dumps(plan.as_json())}{plan_html(plan.as_json())!r}{caught.value}"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "home").iterdir())
    for secret in secrets:
        assert secret not in shown
        assert secret.encode() not in kept
    assert "[hidden]" in str(caught.value)
    assert verify(tmp_path / "home").intact


@pytest.mark.parametrize("path", PATHS)
async def test_a_replaced_access_key_is_said_to_stay(ops: Operator, sandbox: Sandbox, api: Api, path: str) -> None:
    """Nobody here has the old secret: all else is restored, and the error says so. If the target was refused, its old
    key is still there."""
    seed(sandbox, api)
    old = ops.router.backend.writable(api("GET", PATHS[0]).json())
    configuration = old["configuration"] | {"accessKeyId": "AKIAOLDOLDOLDOLDOLD1", "secretAccessKey": "x" * 40}
    assert api("PUT", PATHS[0], old | {"configuration": configuration}).is_success
    before = [api("GET", one).json() for one in PATHS]
    inject(sandbox, "PUT", path, times=1, status=400)
    with pytest.raises(errors.RolledBack) as caught:
        await ops.apply(changed(sandbox))
    after = [api("GET", one).json() for one in PATHS]
    replaced = path == PATHS[2]  # the policy shrinks first, then the target changes, then the webhook
    expected = sandbox["aws_access_key_id"] if replaced else "AKIAOLDOLDOLDOLDOLD1"
    assert after[0]["configuration"].pop("accessKeyId") == expected
    before[0]["configuration"].pop("accessKeyId")
    for one in (*before, *after):
        one.pop("version"), one.pop("dateModified", None)
    assert after == before
    assert ("but for the AWS credentials of target T" in caught.value.title) == replaced
    assert ops.unfinished() is None


async def test_a_rotated_secret_is_said_to_stay(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """The rotation was done, then the webhook failed: the old secret cannot come back, and nothing claims it did."""
    wanted = onboarding(sandbox)
    await ops.apply(wanted)
    before = state(api)
    new = onboarding(sandbox, webhook={"url": "https://other.example.com/in"})
    keys = KeyReference().resolve()

    async def replan() -> Any:
        return await make_plan(ops.router.backend, new, keys, rotate=True)

    inject(sandbox, "PUT", PATHS[2], times=1, status=403)
    with pytest.raises(errors.RolledBack, match="but for the AWS credentials of target T"):
        await ops.applier().apply(await replan(), wanted.target.credentials, replan)
    assert state(api) == before


async def test_a_ledger_that_cannot_be_written_stops_the_apply(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """What is not written down is not done: half-done, with the steps left, until the ledger is writable again."""
    applier = ops.applier()

    def full(done: int, total: int, words: str) -> None:
        ops.run.ledger._db.execute(f"PRAGMA query_only={'ON' if done == 1 else 'OFF'}")

    applier.tell = full
    wanted = onboarding(sandbox)
    with pytest.raises(errors.HalfDone) as caught:
        await applier.apply(await ops.plan(wanted), wanted.target.credentials, lambda: ops.plan(wanted))
    assert "cannot be written" in caught.value.cause
    assert "Left to do: create policy P (p-1); create webhook" in caught.value.cause
    assert len(writes(sandbox)) == 1
    ops.run.ledger._db.execute("PRAGMA query_only=OFF")
    assert await ops.applier().resume() == "the apply is finished"
    assert verify(ops.run.ledger.path).intact


async def test_every_write_has_its_intent_before_it(ops: Operator, sandbox: Sandbox) -> None:
    """The ledger holds the whole plan before the first write, then an intent and an end for each change, in order."""
    await ops.apply(onboarding(sandbox))
    kinds = [e.kind for e in ops.run.entries() if e.kind.startswith(("apply", "change"))]
    assert kinds == ["apply.started", *["change.intent", "change.done"] * 3, "apply.finished"]
    assert [path.rsplit("/", 1)[0] for _, path in writes(sandbox)][:2] == [TARGETS, POLICIES]
    assert eventually(lambda: len(writes(sandbox)) == 3)


@pytest.mark.parametrize("defect", [KeyError("id"), RecursionError("deep"), TypeError("not iterable"), MemoryError()])
async def test_a_defect_is_rolled_back_as_any_failure(
    ops: Operator, sandbox: Sandbox, api: Api, defect: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody foresaw, in the last of three writes: the org is as before, and the ledger knows why."""
    seed(sandbox, api)
    before, wanted = state(api), changed(sandbox)
    plan, write = await ops.plan(wanted), ops.backend.write

    async def broken(kind: Any, id: str, body: Any, credentials: Any = None, **how: Any) -> Any:
        if kind == plan.changes[-1].kind and body == plan.changes[-1].after:
            raise defect
        return await write(kind, id, body, credentials, **how)

    monkeypatch.setattr(ops.backend, "write", broken)
    with pytest.raises(errors.RolledBack, match=type(defect).__name__) as caught:
        await ops.apply(wanted, plan)
    assert "defect of opslib" in caught.value.fix
    assert state(api) == before
    (started,) = ops.run.entries("rollback.started")
    assert started.data["error"]["error"] == "Defect"
    assert "in broken: raise defect" in started.data["error"]["trace"]


async def test_a_defect_in_the_rollback_leaves_it_half_done(
    ops: Operator, sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is named, and `rollback` finishes it once the defect is gone."""
    seed(sandbox, api)
    before, wanted = state(api), changed(sandbox)
    plan, write = await ops.plan(wanted), ops.backend.write

    async def broken(kind: Any, id: str, body: Any, credentials: Any = None, **how: Any) -> Any:
        if (kind == plan.changes[-1].kind) or body != next(c.after for c in plan.changes if c.kind == kind):
            raise AttributeError("'NoneType' object has no attribute 'get'")
        return await write(kind, id, body, credentials, **how)

    with monkeypatch.context() as patch:
        patch.setattr(ops.backend, "write", broken)
        with pytest.raises(errors.HalfDone, match="AttributeError") as caught:
            await ops.apply(wanted, plan)
    assert "Left to undo" in caught.value.cause
    assert "rolled back" in await ops.applier().rollback() or ops.unfinished() is None
    assert state(api) == before
