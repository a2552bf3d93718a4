"""Another org than the one that is stated is refused before anything is planned, resumed or rolled back."""

from pathlib import Path
from typing import Any

import pytest

from opslib.errors import StepBlocked, WrongOrg
from opslib.onboarding.models import Onboarding
from opslib.router.journal import started
from opslib.walk.walk import Walk

from ..router import org as storage_targets
from ..router import platform_org as platform
from ..world import Sandbox, environment

OTHER = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.fixture(autouse=True)
def _settings(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPSLIB_ORG_ID", "")


def onboarding(sandbox: Sandbox, org_id: str = "", api: Any = platform) -> Onboarding:
    return Onboarding.model_validate({**dict(api.onboarding(sandbox)), "org_id": org_id})


def writes(sandbox: Sandbox) -> list[str]:
    return [request["method"] for request in sandbox.requests("api") if request["method"] != "GET"]


@pytest.mark.parametrize("api", [platform, storage_targets], ids=["platform", "storage-targets"])
@pytest.mark.parametrize("where", ["file", "setting"])
async def test_another_org_is_refused(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, api: Any, where: str) -> None:
    """Both are named, nothing is planned, and nothing is written."""
    monkeypatch.setenv("OPSLIB_ORG_ID", OTHER if where == "setting" else "")
    sandbox.control("DELETE", "/requests")
    async with Walk(onboarding(sandbox, OTHER if where == "file" else "", api)) as walk:
        with pytest.raises(WrongOrg, match="not the org that is meant") as caught:
            await walk.run_all()
        with pytest.raises(StepBlocked):
            await walk.run("plan")
    said = str(caught.value)
    name = "org_id in the onboarding" if where == "file" else "OPSLIB_ORG_ID"
    for words in (OTHER, sandbox["org_id"], "Sandbox", name, "Nothing was written"):
        assert words in said
    assert writes(sandbox) == []


@pytest.mark.parametrize("stated", ["same", "UPPER", "short", "none"])
async def test_the_stated_org_is_taken(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
    """Whatever its case; a short name is not compared."""
    id = {"same": sandbox["org_id"], "UPPER": sandbox["org_id"].upper(), "short": "", "none": ""}[stated]
    monkeypatch.setenv("OPSLIB_ORG_ID", "acme" if stated == "short" else id)
    async with Walk(onboarding(sandbox, id)) as walk:
        result = await walk.run("connect")
    rows = {row["question"]: row["word"] for row in result.data["doctor"]["rows"]}
    assert rows.get("The org is the one that is meant") == ("PASS" if id else None)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 403},
        {"status": 404},
        {"body": {}},
        {"body": {"organization": ["x"]}},
        {"body": {"organization": {"id": 7}}},
    ],
)
async def test_an_org_that_does_not_say_its_id_is_not_the_stated_one(sandbox: Sandbox, answer: Any) -> None:
    """The cause is named; without a statement it does not matter."""
    sandbox.control("POST", "/faults", {"path_regex": "/tokens/me", **answer})
    async with Walk(onboarding(sandbox, sandbox["org_id"])) as walk:
        with pytest.raises(WrongOrg, match="cannot be confirmed"):
            await walk.run("connect")
        walk.onboarding = onboarding(sandbox)
        assert (await walk.run("connect")).data["org_id"] == ""


async def test_the_contract_of_storage_targets_has_no_such_question(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There OPSLIB_ORG_ID, which the tutorial's classes need, is UNKNOWN; an org_id in the file is refused."""
    sandbox.control("PUT", "/settings", {"backend": "storage-targets"})
    monkeypatch.setenv("OPSLIB_ORG_ID", sandbox["org_id"])
    async with Walk(onboarding(sandbox, api=storage_targets)) as walk:
        rows = {row["question"]: row["word"] for row in (await walk.run("connect")).data["doctor"]["rows"]}
        assert rows["The org is the one that is meant"] == "UNKNOWN"
        walk.onboarding = onboarding(sandbox, sandbox["org_id"], storage_targets)
        with pytest.raises(WrongOrg, match="cannot be confirmed"):
            await walk.run("connect")


async def test_an_org_id_that_is_changed_makes_the_connection_stale(sandbox: Sandbox) -> None:
    """A plan is not made on the answer of before."""
    async with Walk(onboarding(sandbox, sandbox["org_id"])) as walk:
        await walk.run("connect")
        walk.onboarding = onboarding(sandbox, OTHER)
        assert walk.state("connect") == "stale"
        with pytest.raises(StepBlocked):
            await walk.run("plan")


@pytest.mark.parametrize("how", ["resume", "rollback"])
async def test_an_apply_is_recovered_in_its_own_org_only(sandbox: Sandbox, how: str) -> None:
    """Orgs of one region share an address: the one that the apply's own walk was told counts, without any statement."""
    wanted = onboarding(sandbox)
    async with Walk(wanted) as walk:
        await walk.run("connect")
        await walk.run("plan")
        started(walk.journal, walk.reviewed_plan(), wanted.target.credentials)
    sandbox.control("DELETE", "/requests")
    fault = {"path_regex": "/tokens/me", "body": {"organization": {"id": OTHER, "name": "Acme"}}}
    sandbox.control("POST", "/faults", fault)
    async with Walk(wanted, command=how) as walk:
        with pytest.raises(WrongOrg, match="not the org that is meant") as caught:
            await walk.run(how)
        assert "the org of the unfinished apply is" in caught.value.cause
        assert writes(sandbox) == []
        sandbox.control("DELETE", "/faults")
        assert (await walk.run(how)).state == "done"
