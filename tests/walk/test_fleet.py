"""Many onboardings at once, on the real sandbox."""

import asyncio
import os
from pathlib import Path

import pytest

from opslib import Onboarding, errors
from opslib.audit.verify import verify
from opslib.onboarding.models import Consent
from opslib.settings import Settings
from opslib.walk.fleet import Fleet
from opslib.walk.fleet_plan import Limits
from opslib.walk.fleet_progress import FleetProgress
from opslib.walk.walk import Walk

from ..world import POLICIES, TARGETS, Api, Sandbox, environment, running
from .fleets import applied, folder_of, kinds, onboarding, outcomes, platform_onboarding, there, write, writes

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def home(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


async def test_every_file_is_planned_applied_and_then_unchanged(
    sandbox: Sandbox, api: Api, tmp_path: Path, home: Path
) -> None:
    """One run for each; the ledger verifies; a second call writes nothing. One plan, one approval, one bucket check."""
    folder = folder_of(sandbox, tmp_path / "files", 4)
    async with Fleet(folder) as fleet:
        plan = await fleet.make_plan()
        assert [(row.file, [change.action for change in row.changes]) for row in plan.rows] == [
            (f"f{number}.yaml", ["create"] * 3) for number in range(1, 5)
        ]
        assert writes(sandbox) == []
        result = await fleet.apply(plan, checksum=plan.checksum)
    assert (outcomes(result), result.done, result.failed) == ({f"f{n}": "done" for n in range(1, 5)}, 4, 0)
    assert all(all(there(api, number)) for number in range(1, 5))
    calls = [one for one in sandbox.requests("api") if one["path"].startswith("/api/")]
    assert len(calls) == result.attempts + 12  # those of `there`
    assert [one["method"] for one in sandbox.requests("s3")].count("PUT") <= 1  # the canary of one check
    assert (kinds(home, "fleet.approved"), kinds(home, "approval"), kinds(home, "apply.finished")) == (1, 4, 4)
    assert verify(home).intact
    sandbox.control("DELETE", "/requests")
    again = await applied(folder)
    assert (set(outcomes(again).values()), again.done, writes(sandbox)) == ({"unchanged"}, 4, [])


async def test_a_bucket_with_equal_settings_is_checked_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """However many onboardings have it, before and right before they write; one with other settings is another one."""
    other = onboarding(sandbox, 4, target={"path_prefix": "other"})
    folder = write(tmp_path / "files", *(onboarding(sandbox, number) for number in range(1, 4)), other)
    await applied(folder)
    versioning = [one for one in sandbox.requests("s3") if "versioning" in str(one)]
    assert len(versioning) == 2


async def test_a_failure_is_rolled_back_and_the_others_are_done(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """The failure has its cause and the server's correlation id; failures are grouped by cause."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "webhooks/w-[23]", "status": 400})
    result = await applied(folder_of(sandbox, tmp_path / "files", 4))
    assert outcomes(result) == {"f1": "done", "f2": "rolled_back", "f3": "rolled_back", "f4": "done"}
    assert [there(api, number) for number in range(1, 5)] == [[True] * 3, [False] * 3, [False] * 3, [True] * 3]
    failed = result.as_json()["targets"][1]["error"]
    assert failed.keys() == {"title", "cause", "fix", "correlation_id"}
    assert failed["correlation_id"]
    ((_, files),) = result.by_cause()
    assert files == ["f2.yaml", "f3.yaml"]


async def test_a_half_done_onboarding_does_not_block_the_others(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """It fails, and cannot be undone. The others are done, in this call and in the next, which finishes it, too."""
    folder = folder_of(sandbox, tmp_path / "files", 3)
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies/p-2", "status": 400, "times": 99})
    sandbox.control("POST", "/faults", {"method": "DELETE", "path_regex": "targets/t-2", "status": 403, "times": 99})
    result = await applied(folder)
    assert outcomes(result) == {"f1": "done", "f2": "half_done", "f3": "done"}
    async with Walk(_load(sandbox, 4)) as walk:
        async for _ in walk.in_order(until="apply"):
            pass
    async with Walk(_load(sandbox, 2)) as walk:
        await walk.run("connect")
        with pytest.raises(errors.Busy, match="left unfinished"):
            await walk.run("plan")
    sandbox.control("DELETE", "/faults")
    async with Fleet(folder) as fleet:
        assert await fleet.unfinished() == ["f2.yaml"]
    assert outcomes(await applied(folder)) == {"f1": "unchanged", "f2": "done", "f3": "unchanged"}
    assert all(there(api, 2))


def _load(sandbox: Sandbox, number: int) -> Onboarding:
    return Onboarding.model_validate(onboarding(sandbox, number))


async def test_what_cannot_go_together_is_refused_and_nothing_is_sent_for_it(
    sandbox: Sandbox, api: Api, tmp_path: Path
) -> None:
    """One policy in two files, a target that two describe otherwise, a file that cannot be read. The rest is done."""
    folder = write(
        tmp_path / "files",
        onboarding(sandbox, 1),
        onboarding(sandbox, 2),
        onboarding(sandbox, 3, policy={"id": "p-2"}),
        onboarding(sandbox, 4, target={"id": "t-5"}),
        onboarding(sandbox, 5),
        {"version": 1},
    )
    result = await applied(folder)
    assert outcomes(result) == {"f1": "done", **{f"f{number}": "refused" for number in range(2, 7)}}
    errors_of = {target.file: target.error for target in result.targets if target.error}
    assert "f2.yaml, f3.yaml" in errors_of["f3.yaml"].cause
    assert "target t-5" in errors_of["f4.yaml"].title
    assert len(writes(sandbox)) == 3


async def test_files_may_share_an_object_that_they_describe_alike(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """It is written once, whoever is first."""
    shared = {"id": "w-0"}
    folder = write(tmp_path / "files", *(onboarding(sandbox, number, webhook=shared) for number in range(1, 4)))
    assert set(outcomes(await applied(folder)).values()) == {"done"}
    assert sum(path.endswith("/w-0") for path in writes(sandbox)) == 1


async def test_what_is_unsafe_needs_consent_and_is_on_top(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """Refused for the file that has it, and applied with consent by name and a reason."""
    files = [onboarding(sandbox, number) for number in range(1, 4)]
    await applied(write(tmp_path / "files", *files))
    shorter = onboarding(sandbox, 3, policy={"retention_days": 30})
    renamed = onboarding(sandbox, 1, policy={"name": "Renamed"})
    folder = write(tmp_path / "files", renamed, files[1], shorter)
    async with Fleet(folder) as fleet:
        plan = await fleet.make_plan()
        assert [(row.file, row.unsafe) for row in plan.rows[:2]] == [
            ("f3.yaml", ("shorter-retention",)),
            ("f1.yaml", ()),
        ]
        result = await fleet.apply(plan)
    assert outcomes(result) == {"f1": "done", "f2": "unchanged", "f3": "refused"}
    async with Fleet(folder) as fleet:
        consent = Consent(allow=("shorter-retention",), reason="agreed")
        result = await fleet.apply(await fleet.make_plan(), consent)
    assert outcomes(result) == {"f1": "unchanged", "f2": "unchanged", "f3": "done"}
    assert api("GET", f"{POLICIES}/p-3").json()["retentionPeriodDays"] == 30


async def test_beyond_its_limits_nothing_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    """Too much is switched off, or the plan is not the one that was reviewed."""
    files = [onboarding(sandbox, number) for number in (1, 2)]
    await applied(write(tmp_path / "files", *files))
    off = [onboarding(sandbox, number, target={"enabled": False}) for number in (1, 2)]
    folder = write(tmp_path / "files", *off)
    sandbox.control("DELETE", "/requests")
    async with Fleet(folder) as fleet:
        plan = await fleet.make_plan()
        assert plan.removals_percent == pytest.approx(100 / 3)
        with pytest.raises(errors.ChangeRefused, match="remove too much"):
            await fleet.apply(plan, Consent(allow=("disable",), reason="test"))
        with pytest.raises(errors.StalePlan, match="not the one that was reviewed"):
            await fleet.apply(plan, checksum="0" * 64)
    assert writes(sandbox) == []


async def test_it_stops_after_so_many_failures(sandbox: Sandbox, tmp_path: Path) -> None:
    """The rest is not started, and the result says why."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies", "status": 400, "times": 99})
    folder = folder_of(sandbox, tmp_path / "files", 6)
    result = await applied(folder, at_once=1, limits=Limits(stop_after_failures=2))
    assert list(outcomes(result).values()) == ["rolled_back"] * 2 + ["not_started"] * 4
    assert result.stopped == "2 onboardings have failed"


async def test_a_stop_finishes_what_is_at_work(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """The rest is not started; nothing is half-done; the next call does the rest."""
    folder = folder_of(sandbox, tmp_path / "files", 5)
    async with Fleet(folder, at_once=2) as fleet:

        def stop(progress: FleetProgress) -> None:
            if progress.phase == "apply" and progress.outcomes:
                fleet.stop()

        plan = await fleet.make_plan()
        fleet.on_progress.append(stop)
        result = await fleet.apply(plan)
    ended = list(outcomes(result).values())
    assert set(ended) == {"done", "not_started"}
    assert 1 <= ended.count("done") <= 3
    assert set(outcomes(await applied(folder)).values()) <= {"done", "unchanged"}


async def test_the_org_changed_since_the_plan_is_refused(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """For the file that it concerns; also a file that was changed since."""
    folder = folder_of(sandbox, tmp_path / "files", 3)
    async with Fleet(folder) as fleet:
        plan = await fleet.make_plan()
        async with Walk(_load(sandbox, 2)) as walk:
            async for _ in walk.in_order(until="apply"):
                pass
        kept = api("GET", f"{TARGETS}/t-2").json()
        changed = {name: kept[name] for name in ("name", "type", "configuration", "retentionPeriodDays", "enabled")}
        key = {"accessKeyId": sandbox["aws_access_key_id"], "secretAccessKey": sandbox["aws_secret_access_key"]}
        body = {**changed, "name": "Other", "configuration": {**changed["configuration"], **key}}
        api("PUT", f"{TARGETS}/t-2", body).raise_for_status()
        (folder / "f3.yaml").write_text((folder / "f3.yaml").read_text().replace("T3", "T4"))
        result = await fleet.apply(plan)
    assert outcomes(result) == {"f1": "done", "f2": "refused", "f3": "refused"}
    assert api("GET", f"{TARGETS}/t-2").json()["name"] == "Other"


async def test_files_for_several_orgs_go_where_they_say(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each org gets its own token and its own objects, by the variables that its files name. One that is not set is the
    error of its files only."""
    with running("--seed", "7") as other:
        monkeypatch.setenv("OTHER_ID", other["client_id"])
        monkeypatch.setenv("OTHER_SECRET", other["client_secret"])
        org = {"api_url": other["api_url"], "client_id_env": "OTHER_ID", "client_secret_env": "OTHER_SECRET"}
        folder = write(
            tmp_path / "files",
            onboarding(sandbox, 1),
            onboarding(sandbox, 1, org=org),
            onboarding(sandbox, 2, org={**org, "client_secret_env": "NOT_SET"}),
        )
        result = await applied(folder)
        assert outcomes(result) == {"f1": "done", "f2": "done", "f3": "refused"}
        assert [len(writes(one)) for one in (sandbox, other)] == [3, 3]


async def test_one_token_and_few_calls(sandbox: Sandbox, tmp_path: Path) -> None:
    """The org is asked once what it serves and who we are; an onboarding costs 3 calls to plan and 12 to apply."""
    result = await applied(folder_of(sandbox, tmp_path / "files", 6))
    assert [one["path"] for one in sandbox.requests()].count("/oauth/token") == 1
    assert result.attempts <= 6 * 15 + 12


async def test_the_loop_stays_free(sandbox: Sandbox, tmp_path: Path) -> None:
    """Progress is told while it works, with what is at work."""
    told: list[FleetProgress] = []
    folder = folder_of(sandbox, tmp_path / "files", 3)
    async with Fleet(folder, at_once=1) as fleet:
        fleet.on_progress.append(told.append)
        await fleet.apply(await fleet.make_plan())
        await asyncio.sleep(0)
    applying = [progress for progress in told if progress.phase == "apply"]
    assert max(len(progress.running) for progress in applying) == 1
    assert max(progress.queued for progress in applying) >= 2
    assert applying[-1].finished == applying[-1].total == 3
    assert any(progress.left_s for progress in applying)


async def test_on_platform_files_share_the_integration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made once, with the event feed; each file has its policy. Files with two integrations are refused, and
    nothing is sent."""
    with running("--backend", "platform") as sandbox:
        for name, value in environment(sandbox, tmp_path / "platform").items():
            monkeypatch.setenv(name, value)
        two = write(
            tmp_path / "two", platform_onboarding(sandbox, 1, "One"), platform_onboarding(sandbox, 2, "Another")
        )
        assert set(outcomes(await applied(two)).values()) == {"refused"}
        assert sandbox.requests("api") == []
        folder = write(tmp_path / "files", *(platform_onboarding(sandbox, number) for number in (1, 2, 3)))
        result = await applied(folder)
        assert set(outcomes(result).values()) == {"done"}, result.as_json()
        made = writes(sandbox, "POST")
        assert (made.count("/api/v2/integrations"), sum("mediaretention" in path for path in made)) == (2, 3)
        assert set(outcomes(await applied(folder)).values()) == {"unchanged"}


async def test_where_a_second_key_is_required_nothing_is_written(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fleet takes no approval by a second key, so each file is refused."""
    monkeypatch.setenv("OPSLIB_APPROVERS", "ed25519:" + "0" * 64)
    result = await applied(folder_of(sandbox, tmp_path / "files", 2))
    assert set(outcomes(result).values()) == {"refused"}
    assert writes(sandbox) == []
    assert os.environ["OPSLIB_APPROVERS"]


async def test_a_file_for_another_org_is_not_sent_to_this_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its org block and the settings of a walk differ, nothing is sent."""
    monkeypatch.setenv("OTHER_ID", "another")
    monkeypatch.setenv("OTHER_SECRET", "a-secret-for-another")
    org = {"api_url": sandbox["api_url"], "client_id_env": "OTHER_ID", "client_secret_env": "OTHER_SECRET"}
    wanted = Onboarding.model_validate(onboarding(sandbox, 1, org=org))
    async with Walk(wanted, Settings.load()) as walk:
        with pytest.raises(errors.WrongOrg, match="another org"):
            await walk.run("connect")
    assert sandbox.requests("api") == []
