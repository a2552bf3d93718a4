"""Lists and reads that are late, on platform: nothing is made twice, and an apply always ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Thread

import pytest

from opslib import errors
from opslib.ledger.ledger import Ledger, Run
from opslib.router.apply import Applier
from opslib.router.journal import MADE, all_applies
from opslib.walk.walk import Walk

from ..world import INTEGRATIONS, RETENTION_POLICIES, Api, Sandbox, environment
from . import platform_org as org
from .crash_program import Ended
from .late_kills import LateOrg, kills
from .org import Operator, api_requests, operator

NAMES = {"T": INTEGRATIONS, "P": RETENTION_POLICIES, "W": INTEGRATIONS}


@pytest.fixture
def roomy(sandbox: Sandbox) -> Sandbox:
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    return sandbox


@pytest.fixture
async def ops_on(roomy: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operator]:
    async with operator(roomy, tmp_path / "home", monkeypatch, org.NAME) as ops:
        yield ops


def ids(api: Api, path: str, name: str) -> list[str]:
    """Of all objects of this name."""
    return [one["id"] for one in api("GET", f"{path}?pageSize=100").json()["entities"] if one["name"] == name]


def another_policy(api: Api, name: str = "P") -> str:
    made: str = api("POST", RETENTION_POLICIES, {"name": name, "description": "by hand", "enabled": True}).json()["id"]
    return made


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kill_9_while_lists_are_late(tmp_path: Path) -> None:
    """Resume finishes and rollback undoes, each in one go, and each object is there once, or not at all."""
    tried = kills(4, seed=3, home=tmp_path, at_once=2)
    assert [kill for kill in tried if kill.wrong] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_apply_one_file_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whichever is first: never two objects of one name, no apply without an end, and who lost says both ids."""
    late = LateOrg(sandbox, tmp_path)
    late.late(1.0)
    crashers = [late.crasher("race", workspace) for workspace in ("1", "2")]
    ended: list[Ended] = []
    threads = [Thread(target=lambda crasher=crasher: ended.append(crasher.run("apply"))) for crasher in crashers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    applies = [apply for crasher in crashers for apply in all_applies(Ledger(crasher.home))]
    assert [apply for apply in applies if not apply.ended] == []
    found = late.take_all()
    assert set(found.values()) <= {1}
    assert bool(found) == any(end.exit_code == 0 for end in ended)
    for loser in (end for end in ended if end.exit_code):
        assert "RolledBack" in loser.said or "StalePlan" in loser.said or "ConsentMissing" in loser.said


@pytest.mark.parametrize("kind", ["target", "policy", "webhook"])
@pytest.mark.parametrize("seen", ["before", "after"])
async def test_a_second_object_of_the_name_is_refused_and_left_alone(
    roomy: Sandbox, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, seen: str
) -> None:
    """One that appears before ours is made, or with it: ours is undone by its id, the other stays, both are named."""
    name = {"target": "T", "policy": "P", "webhook": "W"}[kind]
    path = RETENTION_POLICIES if kind == "policy" else INTEGRATIONS
    type_id = org.s3_type(api)["id"] if kind == "target" else "amazon-eventbridge-source"

    def make_another() -> str:
        if kind == "policy":
            return another_policy(api)
        made: str = api("POST", INTEGRATIONS, {"name": name, "integrationType": {"id": type_id}}).json()["id"]
        return made

    others: list[str] = []
    async with operator(roomy, tmp_path / "home", monkeypatch, org.NAME) as ops:
        wanted = org.onboarding(roomy)
        plan = await ops.plan(wanted)
        append = Run.append

        def append_and_race(run: Run, entry_kind: str, data: dict[str, object]) -> object:
            entry = append(run, entry_kind, data)
            before = entry_kind == "change.intent" and plan.changes[int(str(data["place"]))].kind == kind
            after = entry_kind == MADE and data["object"] == kind
            if not others and (before if seen == "before" else after):
                others.append(make_another())
            return entry

        monkeypatch.setattr(Run, "append", append_and_race)
        with pytest.raises(errors.RolledBack) as caught:
            await ops.apply(wanted, plan)
        assert ops.unfinished() is None
        made = [entry.data["server_id"] for entry in ops.run.entries(MADE) if entry.data["object"] == kind]
    assert len(made) == (seen == "after")
    assert all(id in caught.value.cause for id in [*others, *made])
    assert ids(api, path, name) == others
    assert sum(len(ids(api, of, one)) for one, of in NAMES.items()) == 1


@pytest.mark.parametrize("how", ["resume", "rollback"])
async def test_the_noted_id_counts_and_not_the_name(
    roomy: Sandbox, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """After a stop somebody makes another policy of the name: a rollback leaves it, and a resume finishes ours."""
    async with operator(roomy, tmp_path / "home", monkeypatch, org.NAME) as ops:
        wanted = org.onboarding(roomy)
        applier = ops.applier()
        applier.tell = lambda done, total, words: applier.stop() if done == 1 else None
        with pytest.raises(errors.HalfDone):
            await applier.apply(await ops.plan(wanted), wanted.target.credentials, lambda: ops.plan(wanted))
        (ours,) = ids(api, RETENTION_POLICIES, "P")
        other = another_policy(api)
        ops.anew()
        await getattr(ops.applier(), how)()
        assert ops.unfinished() is None
    assert set(ids(api, RETENTION_POLICIES, "P")) == ({ours, other} if how == "resume" else {other})


@pytest.mark.parametrize("how", ["resume", "rollback"])
async def test_an_object_that_no_list_shows_yet_is_found_by_its_noted_id(
    roomy: Sandbox, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The process ends right after the id is noted; the next one starts while reads are older than that."""
    async with operator(roomy, tmp_path / "home", monkeypatch, org.NAME) as ops:
        wanted = org.onboarding(roomy, target={"name": "Late"}, policy={"name": "Late P"}, webhook={"name": "Late W"})
        append = Run.append

        def append_and_die(run: Run, kind: str, data: dict[str, object]) -> object:
            entry = append(run, kind, data)
            if kind == MADE:
                raise asyncio.CancelledError
            return entry

        plan = await ops.plan(wanted)
        with monkeypatch.context() as patch:
            patch.setattr(Run, "append", append_and_die)
            with pytest.raises(asyncio.CancelledError):
                await ops.apply(wanted, plan)
        ops.anew()
        monkeypatch.setattr("opslib.genesys.creations.SETTLES_WITHIN_S", 20.0)
        roomy.control("PUT", "/settings", {"read_lag_s": 3.0})
        await getattr(Applier(ops.backend, ops.run, settles_within_s=20.0), how)()
        roomy.control("PUT", "/settings", {"read_lag_s": 0.0})
    found = [len(ids(api, path, name)) for name, path in (("Late", INTEGRATIONS), ("Late P", RETENTION_POLICIES))]
    assert found == ([1, 1] if how == "resume" else [0, 0])


async def test_a_plan_names_both_whose_they_are_and_the_way_on(
    roomy: Sandbox, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the ledger; with the id of one in the file, only that one is changed, and a warning names the other."""
    for name, value in environment(roomy, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    async with operator(roomy, tmp_path / "home", monkeypatch, org.NAME) as ops:
        await ops.apply(org.onboarding(roomy))
    (ours,) = ids(api, RETENTION_POLICIES, "P")
    other = another_policy(api)
    before = api("GET", f"{RETENTION_POLICIES}/{other}").json()
    async with Walk(org.onboarding(roomy)) as walk:
        await walk.run("connect")
        with pytest.raises(errors.DuplicateName) as caught:
            await walk.make_plan()
    assert f"opslib made {ours}" in caught.value.cause
    assert other in caught.value.cause
    assert "policy.id" in caught.value.fix
    async with operator(roomy, tmp_path / "home", monkeypatch, org.NAME) as ops:
        pinned = org.onboarding(roomy, policy={"id": ours, "retention_days": 100})
        plan = await ops.plan(pinned)
        assert [change.kind for change in plan.changes] == ["policy"]
        assert any(ours in warning and other in warning for warning in plan.warnings)
        await ops.apply(pinned, plan)
        assert (await ops.plan(pinned)).changes == ()
        await ops.apply(pinned, removal=True)
    assert ids(api, RETENTION_POLICIES, "P") == [other]
    assert api("GET", f"{RETENTION_POLICIES}/{other}").json() == before


async def test_a_policy_exports_to_the_pinned_target(ops_on: Operator, roomy: Sandbox, api: Api) -> None:
    """Another integration has its name: the policy's reference is compared by id."""
    wanted = org.onboarding(roomy)
    await ops_on.apply(wanted)
    (ours,) = ids(api, INTEGRATIONS, "T")
    other = api("POST", INTEGRATIONS, {"name": "T", "integrationType": {"id": org.s3_type(api)["id"]}}).json()["id"]
    assert (await ops_on.plan(org.onboarding(roomy, target={"id": ours}))).changes == ()
    roomy.control("DELETE", "/requests")
    moved = await ops_on.plan(org.onboarding(roomy, target={"id": other}))
    assert "policy" in [change.kind for change in moved.changes]
    assert {method for method, _ in api_requests(roomy)} == {"GET"}
