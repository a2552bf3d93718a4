"""The walk on the platform API, against the real sandbox."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from opslib import Onboarding, errors
from opslib.audit.verify import verify
from opslib.onboarding.example import wanted_onboarding
from opslib.onboarding.file import as_yaml, load_onboarding
from opslib.onboarding.models import Consent
from opslib.router.render import as_text
from opslib.settings import Settings
from opslib.walk.steps import STEPS
from opslib.walk.walk import Walk
from opslib.widgets.plan import plan_html

from ..router import platform_org as org
from ..world import INTEGRATIONS, RETENTION_POLICIES, Api, Sandbox, environment

ORDER = list(STEPS)


@pytest.fixture
async def walk(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    sandbox.control("PUT", "/settings", {"rate_limit": 10_000, "stage_s": 0.0})
    async with Walk(org.onboarding(sandbox)) as walk:
        yield walk


async def up_to(walk: Walk, name: str) -> None:
    """Run all steps before one."""
    for earlier in ORDER[: ORDER.index(name)]:
        await walk.run(earlier)


def names(api: Api, path: str) -> list[str]:
    return [one["name"] for one in api("GET", f"{path}?pageSize=100").json()["entities"]]


async def test_the_whole_walk(walk: Walk, sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """The same seven steps: the objects exist, switched on; the change came over EventBridge; the ledger is intact."""
    results = await walk.run_all()
    assert [result.state for result in results] == ["done"] * 7
    integrations = api("GET", f"{INTEGRATIONS}?pageSize=100").json()["entities"]
    assert {one["name"]: one["reportedState"]["code"] for one in integrations} == {"T": "ACTIVE", "W": "ACTIVE"}
    (policy,) = api("GET", RETENTION_POLICIES).json()["entities"]
    assert policy["enabled"]
    assert results[5].data["event"]["entityId"] == policy["id"]
    assert results[5].data["event"]["eventType"].startswith("v2.audits.entitytype.")
    assert results[0].data["backend"] == "platform"
    await walk.aclose()
    assert verify(tmp_path).intact


async def test_no_list_is_asked_with_a_filter(walk: Walk, sandbox: Sandbox) -> None:
    """Genesys hides objects from who sends a filter, also one with its default value."""
    await walk.run_all()
    lists = (INTEGRATIONS, f"{INTEGRATIONS}/types", RETENTION_POLICIES)
    queries = {request["query"] for request in sandbox.requests("api") if request["path"] in lists}
    sent = {part.split("=")[0] for query in queries for part in query.split("&") if part}
    assert sent == {"pageSize", "pageNumber"}


@pytest.mark.parametrize(
    ("served", "wanted", "words"),
    [
        ("platform", "storage-targets", "it serves the platform API instead"),
        ("storage-targets", "platform", "it serves storage targets instead"),
    ],
)
async def test_the_other_backend_is_offered(
    walk: Walk, sandbox: Sandbox, tmp_path: Path, served: str, wanted: str, words: str
) -> None:
    """An org that does not serve what was asked for: said in words, with the way to the other, never a bare 404."""
    sandbox.control("PUT", "/settings", {"backend": served})
    other = Settings.load(backend=wanted)
    async with Walk(wanted_onboarding(other), other) as asked:
        with pytest.raises(errors.NotFound, match=f"does not serve the {wanted} API") as caught:
            await asked.run("connect")
    assert words in caught.value.cause
    assert f"backend: {served}" in caught.value.fix
    assert f"OPSLIB_BACKEND={served}" in caught.value.fix


async def test_an_org_that_serves_neither_is_said(walk: Walk, sandbox: Sandbox) -> None:
    """Then the address is wrong, and no backend is offered."""
    sandbox.control("POST", "/faults", {"path_regex": "^/api/v2/", "status": 404})
    with pytest.raises(errors.NotFound, match="platform API") as caught:
        await walk.run("connect")
    assert "neither" in caught.value.cause
    assert "OPSLIB_API_URL" in caught.value.fix


async def test_what_is_not_carried_is_said_by_every_renderer(walk: Walk) -> None:
    """The target's retention, Genesys's own copy, and what the integration has no property for, with what
    holds instead; none is a change."""
    await up_to(walk, "approve")
    plan = walk.reviewed_plan()
    shown = plan.as_json()
    for words in (
        "target.retention_days: Genesys has no such setting here; 365 days",
        "deletes its own copy after 365",
        "target.external_id: this type of integration has no property for it, so it is not sent; "
        "Genesys uses its organisation",
    ):
        assert any(words in note for note in shown["notes"])
        assert words in as_text(shown)
        assert words in plan_html(shown).html
    assert plan.model_copy(update={"notes": ()}).checksum == plan.checksum


async def test_every_interaction_needs_consent(walk: Walk, sandbox: Sandbox, api: Api) -> None:
    """A policy without conditions matches the whole org: by name or not at all."""
    walk.onboarding = org.onboarding(sandbox, policy={"conditions": {}, "all_interactions": True})
    await up_to(walk, "approve")
    assert walk.needs_consent() == ["all-interactions"]
    with pytest.raises(errors.ConsentMissing, match="consent"):
        await walk.run("approve")
    walk.consent = Consent(allow=("all-interactions",), reason="a test")
    for name in ("approve", "apply"):
        await walk.run(name)
    assert names(api, RETENTION_POLICIES) == ["P"]


async def test_what_somebody_else_made_is_adopted_by_consent_only(walk: Walk, sandbox: Sandbox, api: Api) -> None:
    """Objects of the same name without our mark: unsafe by name, and nothing is written without consent."""
    org.seed(sandbox, api)
    before = org.state(api)
    await up_to(walk, "approve")
    assert "adopt" in walk.needs_consent()
    with pytest.raises(errors.ConsentMissing):
        await walk.run("approve")
    assert org.state(api) == before
    walk.consent = Consent(confirm="T", reason="a test")
    for name in ("approve", "apply"):
        await walk.run(name)
    assert names(api, INTEGRATIONS).count("T") == 1
    await walk.run("plan")
    assert walk.reviewed_plan().changes == ()


async def test_two_of_the_same_name_are_refused(walk: Walk, sandbox: Sandbox, api: Api) -> None:
    """Nobody can know which one is meant; both ids are named, and nothing is written."""
    org.seed(sandbox, api)
    api("POST", RETENTION_POLICIES, {"name": "P"})
    before = org.state(api)
    await walk.run("connect")
    with pytest.raises(errors.Conflict, match="There are 2 policies named P") as caught:
        await walk.run("plan")
    assert all(one["id"] in caught.value.cause for one in api("GET", RETENTION_POLICIES).json()["entities"])
    assert org.state(api) == before


async def test_an_id_in_the_file_must_be_that_of_the_name(walk: Walk, sandbox: Sandbox) -> None:
    """A pinned id that belongs to nothing, or to another object, is refused before anything is sent."""
    walk.onboarding = org.onboarding(sandbox, policy={"id": org.QUEUE})
    await walk.run("connect")
    with pytest.raises(errors.InvalidInput, match=r"policy\.id names another object"):
        await walk.run("plan")


async def test_what_exists_is_exported_as_a_file(walk: Walk, sandbox: Sandbox, tmp_path: Path) -> None:
    """By the target's name; the file loads, and its plan has no changes."""
    await walk.run_all()
    exported = await walk.backend.adopt("T", None, None)
    file = tmp_path / "exported.yaml"
    file.write_text(as_yaml(exported))
    assert load_onboarding(file) == exported
    walk.onboarding = exported
    for name in ("connect", "plan"):
        await walk.run(name)
    assert walk.reviewed_plan().changes == ()


async def test_an_integration_that_cannot_start_is_rolled_back(walk: Walk, sandbox: Sandbox, api: Api) -> None:
    """Genesys's own words come through, and nothing stays."""
    role = {"role_arn": "arn:aws:iam::123456789012:role/no-such-role", "external_id": sandbox["external_id"]}
    walk.onboarding = org.onboarding(sandbox, target={"credentials": role})
    await walk.run("connect")
    with pytest.raises(errors.BucketUnfit, match="there is no such role"):
        await walk.run("validate_bucket")
    await walk.run("plan")
    walk.consent = Consent(confirm="T", reason="test")
    await walk.run("approve")
    with pytest.raises(errors.RolledBack) as caught:
        await walk.run("apply")
    assert "Genesys reports ERROR" in caught.value.cause
    assert "no-such-role" in caught.value.cause
    assert names(api, INTEGRATIONS) == names(api, RETENTION_POLICIES) == []


async def test_an_offboarding_takes_all_of_it_away(walk: Walk, api: Api) -> None:
    """Feed, policy and integration, by consent."""
    await walk.run_all()
    walk.removal = True
    await walk.run("plan")
    assert [change.kind for change in walk.reviewed_plan().changes] == ["webhook", "policy", "target"]
    assert walk.needs_consent() == ["delete"]
    walk.consent = Consent(allow=("delete",), reason="a test")
    for name in ("approve", "apply"):
        await walk.run(name)
    assert names(api, INTEGRATIONS) == names(api, RETENTION_POLICIES) == []


async def test_missing_permissions_are_named_as_genesys_names_them(
    walk: Walk, sandbox: Sandbox, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that may read but not add: the apply fails with the permission's name, and the org is as it was."""
    permissions = ["recording:retentionPolicy:view", "integrations:integration:view"]
    client: Any = sandbox.control("POST", "/clients", {"scopes": permissions}).json()
    for name in ("client_id", "client_secret"):
        monkeypatch.setenv(f"OPSLIB_{name.upper()}", client[name])
    async with Walk(org.onboarding(sandbox), Settings.load()) as reader:
        await up_to(reader, "apply")
        with pytest.raises(errors.RolledBack) as caught:
            await reader.run("apply")
    assert "integrations:integration:add" in caught.value.cause
    assert names(api, INTEGRATIONS) == []


def test_keys_and_missing_conditions_are_refused_with_their_lines(tmp_path: Path) -> None:
    """Field and line for each; nothing is sent."""
    file = tmp_path / "platform.yaml"
    file.write_text("""\
version: 1
backend: platform
target: {name: T, bucket: my-bucket, region: us-east-1, retention_days: 365}
policy: {name: P, retention_days: 365}
webhook:
  url: https://datalake.example.com/in
  events: [routing.recording.policy.updated]
""")
    with pytest.raises(errors.InvalidInput) as caught:
        load_onboarding(file)
    for words in (
        "line 3, target.credentials: Genesys takes a role",
        "line 4, policy.conditions: without one of queues",
        "line 7, webhook.events: only backend storage-targets",
        "line 5, webhook.account",
        "webhook.region",
    ):
        assert words in caught.value.cause, words


def test_conditions_are_refused_on_storage_targets(sandbox: Sandbox) -> None:
    """That API does not know them, and dropping them would keep more recordings than was asked for."""
    values = org.onboarding(sandbox).model_dump(exclude_unset=True) | {"backend": "storage-targets"}
    with pytest.raises(ValueError, match="only backend platform has this"):
        Onboarding.model_validate(values)
