"""The undo of a finished apply, on both APIs: the org as it was before, or nothing sent."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opslib import Onboarding, errors
from opslib.credentials import KeyReference
from opslib.genesys.platform_backend import PlatformBackend
from opslib.router import undo as undo_module
from opslib.router.journal import all_applies
from opslib.router.org_changes import find_org_changes
from opslib.router.plan import Plan, make_plan
from opslib.router.undo import LAST, Written, make_undo, needs_keys, past, refuse_unknown_secret, restored

from ..audit.tampering import load
from ..world import INTEGRATIONS, POLICIES, RETENTION_POLICIES, WEBHOOKS, Api, Sandbox
from . import org as storage_targets
from . import platform_org as platform
from .conftest import name_of
from .org import NO_CLIENT, Operator, operator, writes
from .platform_shapes import ANOTHER_ACTIVE, CREDENTIAL, integrations
from .test_plan_properties import edits


class Undoer:
    """Plans, applies and undoes with one operator, each apply in a run of its own."""

    def __init__(self, ops: Operator) -> None:
        self.ops = ops

    async def apply(self, wanted: Onboarding, *, removal: bool = False) -> str:
        self._another_run()
        await self.ops.apply(wanted, removal=removal)
        self.wanted = wanted
        return self.ops.run.id

    async def plan(self, run_id: str = LAST) -> Plan:
        found = past(self.ops.run.ledger, self.ops.backend.where, run_id)
        bodies = restored(found, self.wanted, self.ops.backend)
        self.then = await self.ops.backend.onboarding_of(self.wanted, bodies)
        return await make_undo(self.ops.backend, found, self.then, self.ops.router.client)

    async def undo(self, run_id: str = LAST) -> str:
        self._another_run()
        plan = await self.plan(run_id)
        await self.ops.applier().apply(plan, self.then.target.credentials, partial(self.plan, run_id))
        return self.ops.run.id

    def _another_run(self) -> None:
        self.ops.anew()
        self.ops.run = self.ops.run.ledger.start_run("test")


@pytest.fixture
def it(ops: Operator) -> Undoer:
    return Undoer(ops)


on = pytest.mark.parametrize("org", [storage_targets, platform], indirect=True, ids=name_of)
on_storage_targets = pytest.mark.parametrize("org", [storage_targets], indirect=True, ids=name_of)
on_platform = pytest.mark.parametrize("org", [platform], indirect=True, ids=name_of)


# What a shape of the org adds is in its target.
THERE_AND_BACK = [
    *((one, kind) for one in (storage_targets, platform) for kind in ("create", "update", "adopt", "delete")),
    *((CREDENTIAL, kind) for kind in ("adopt", "delete")),
    *((ANOTHER_ACTIVE, kind) for kind in ("create", "delete")),
]


@pytest.mark.parametrize(
    ("org", "kind"), THERE_AND_BACK, indirect=["org"], ids=lambda one: one if isinstance(one, str) else name_of(one)
)
async def test_there_and_back(org: Any, it: Undoer, sandbox: Sandbox, api: Api, kind: str) -> None:
    """The whole org is as it was before the apply; undone in turn, as the apply left it; and back once more."""
    org.clear(api)
    if kind == "adopt":
        org.seed(sandbox, api)
    elif kind != "create":
        await it.apply(org.onboarding(sandbox))
    before = org.state(api)
    applied = await it.apply(
        org.changed(sandbox) if kind in ("update", "adopt") else org.onboarding(sandbox), removal=kind == "delete"
    )
    after = org.state(api)
    undo = await it.undo()
    assert org.state(api) == before != after
    await it.undo(undo)
    assert org.state(api) == after
    await it.undo()
    assert org.state(api) == before
    first, second = all_applies(it.ops.run.ledger)[-3:-1]
    assert first.plan.undoes
    assert second.plan.undoes
    assert (first.plan.undoes.run_id, second.plan.undoes.entry) == (applied, int(first.id))
    assert second.plan.undoes.checksum == first.checksum


@pytest.mark.parametrize("org", [ANOTHER_ACTIVE], indirect=True, ids=name_of)
async def test_another_integration_is_switched_on_after_ours_is_gone(
    org: Any, it: Undoer, sandbox: Sandbox, api: Api
) -> None:
    """An org has one that is active. Ours stands twice in the apply's plan, and once in its undo; the other one keeps
    its configuration, and is replaced by name in the redo."""
    org.clear(api)
    before = integrations(api)
    await it.apply(org.onboarding(sandbox))
    plan = await it.plan()
    assert [(one.action, one.kind, one.unsafe) for one in plan.changes] == [
        ("delete", "webhook", ("delete",)),
        ("delete", "policy", ("delete",)),
        ("delete", "target", ("delete",)),
        ("update", "target", ()),
    ]
    undo = await it.undo()
    assert integrations(api) == before
    assert (await it.plan(undo)).unsafe == ("replace-active-integration",)


CHANGED: dict[str, dict[str, Any]] = {
    "storage-targets": {"retentionPeriodDays": 99},
    "platform": {"description": "by somebody else"},
}
SERVER_OWNED = ("id", "version", "dateCreated", "dateModified", "selfUri")


def change_the_policy(org: Any, api: Api) -> None:
    """As somebody else does it, in one field."""
    path = POLICIES if org is storage_targets else RETENTION_POLICIES
    (body,) = [one for one in api("GET", f"{path}?pageSize=100").json()["entities"] if one["name"] == "P"]
    path = f"{path}/{body['id']}"
    kept = {name: value for name, value in api("GET", path).json().items() if name not in SERVER_OWNED}
    assert api("PUT", path, kept | CHANGED[org.NAME]).is_success


def delete_the_webhook(org: Any, api: Api) -> None:
    path = WEBHOOKS if org is storage_targets else INTEGRATIONS
    for one in api("GET", f"{path}?pageSize=100").json()["entities"]:
        if path == WEBHOOKS or one["name"] == "W":
            assert api("DELETE", f"{path}/{one['id']}").is_success


@on
@pytest.mark.parametrize(
    ("meddle", "words"),
    [
        (change_the_policy, ("policy P was changed by somebody else", "now ")),
        (delete_the_webhook, ("webhook ", " was deleted by somebody else")),
    ],
)
async def test_one_object_that_somebody_else_changed_refuses_the_whole(
    org: Any, it: Undoer, sandbox: Sandbox, api: Api, meddle: Callable[[Any, Api], None], words: tuple[str, ...]
) -> None:
    """Named with its fields, before anything is sent; also where it happens between plan and apply."""
    await it.apply(org.onboarding(sandbox))
    plan = await it.plan()
    meddle(org, api)
    before = org.state(api)
    sandbox.control("DELETE", "/requests")
    for undo in (it.undo, lambda: it.ops.applier().apply(plan, it.then.target.credentials, it.plan)):
        with pytest.raises(errors.StalePlan, match="not as that apply left it") as caught:
            await undo()
        assert all(word in caught.value.cause for word in words)
        if org is storage_targets:
            assert "target T" not in caught.value.cause
    asked = [(method, path) for method, path in writes(sandbox) if "audits" not in path]
    assert (asked, org.state(api)) == ([], before)


@on
async def test_what_somebody_made_in_the_place_of_what_was_deleted_is_left_alone(
    org: Any, it: Undoer, sandbox: Sandbox, api: Api
) -> None:
    await it.apply(org.onboarding(sandbox))
    await it.apply(org.onboarding(sandbox), removal=True)
    org.seed(sandbox, api)
    before = org.state(api)
    with pytest.raises(errors.StalePlan, match="not as that apply left it") as caught:
        await it.undo()
    assert "target T was created by somebody else" in caught.value.cause
    assert org.state(api) == before


@on_platform
async def test_the_orgs_audit_says_who_it_was(it: Undoer, org: Any, sandbox: Sandbox, api: Api) -> None:
    await it.apply(org.onboarding(sandbox))
    change_the_policy(org, api)
    with pytest.raises(errors.StalePlan) as caught:
        await it.undo()
    assert "the org's audit: " in caught.value.cause
    assert " by " in caught.value.cause.split("the org's audit: ")[1]


def test_fields_that_no_onboarding_sets_stay_as_they_are_now() -> None:
    """Somebody else's field is not compared, and is not put back either."""
    feed = {"name": "W", "integrationType": {"id": "feed"}, "intendedState": "ENABLED", "notes": "before"}
    written = Written("webhook", "W", "W", feed | {"advanced": {"n": 1}}, feed | {"notes": "left"}, False, "id")
    now = feed | {"notes": "left", "advanced": {"n": 2}, "id": "id"}
    change = undo_module._change(PlatformBackend(NO_CLIENT), written, now, own=True)
    assert change.after == feed | {"advanced": {"n": 2}}


@on_storage_targets
async def test_which_apply_it_is(it: Undoer, org: Any, sandbox: Sandbox, api: Api) -> None:
    """The last finished one; a later one of opslib must be undone first; what was undone is not undone twice."""
    with pytest.raises(errors.InvalidInput, match="nothing to undo"):
        await it.plan()
    empty = org.state(api)
    first = await it.apply(org.onboarding(sandbox))
    between = org.state(api)
    second = await it.apply(org.changed(sandbox))
    with pytest.raises(errors.StalePlan, match="later apply changed the same objects") as caught:
        await it.undo(first)
    assert second in caught.value.fix
    undo = await it.undo(second)
    assert org.state(api) == between
    sandbox.control("DELETE", "/requests")
    for again in (LAST, second):
        plan = await it.plan(again)
        assert plan.changes == ()
        assert undo in plan.notes[0]
    assert writes(sandbox) == []
    redo = await it.undo(undo)
    with pytest.raises(errors.StalePlan, match="later apply") as caught:
        await it.undo(first)
    assert f"--run {second}" in caught.value.fix
    await it.undo(redo)
    await it.undo(first)
    assert org.state(api) == empty


@on_storage_targets
async def test_only_a_finished_apply_to_this_org(it: Undoer, org: Any, sandbox: Sandbox, api: Api) -> None:
    """Not one that was rolled back, nor an unfinished one, nor a run that applied nothing."""
    first = await it.apply(org.onboarding(sandbox))
    storage_targets.inject(sandbox, "PUT", f"{WEBHOOKS}/w-1", status=400)
    with pytest.raises(errors.RolledBack):
        await it.apply(org.changed(sandbox))
    sandbox.control("DELETE", "/faults")
    rolled_back = it.ops.run.id
    with pytest.raises(errors.InvalidInput, match="has nothing to undo") as caught:
        await it.plan(rolled_back)
    assert "rolled back" in caught.value.cause
    with pytest.raises(errors.InvalidInput, match="has nothing to undo") as caught:
        await it.plan(first + "x")
    assert first in caught.value.cause
    assert len((await it.plan()).changes) == 3
    await storage_targets.stop_after_the_first(it.ops, org.changed(sandbox))
    with pytest.raises(errors.Busy, match="left unfinished") as busy:
        await it.plan()
    assert "opslib rollback" in busy.value.fix


@on
@pytest.mark.parametrize("how", ["resume", "rollback"])
async def test_an_undo_that_was_stopped(org: Any, it: Undoer, sandbox: Sandbox, api: Api, how: str) -> None:
    """It is finished or undone like any other apply, by what the ledger says of it."""
    await it.apply(org.onboarding(sandbox))
    before = org.state(api)
    await it.apply(org.changed(sandbox))
    after = org.state(api)
    plan = await it.plan()
    applier = it.ops.applier()
    applier.tell = lambda done, total, words: applier.stop() if done == 0 else None
    with pytest.raises(errors.HalfDone):
        await applier.apply(plan, it.then.target.credentials, it.plan)
    assert org.state(api) not in (before, after)
    it.ops.anew()
    await getattr(it.ops.applier(), how)()
    assert org.state(api) == (before if how == "resume" else after)
    assert bool((await it.plan()).changes) == (how == "rollback")


@on_storage_targets
async def test_what_is_unsafe_is_named(org: Any, it: Undoer, sandbox: Sandbox, api: Api) -> None:
    """By the change that the undo makes, not by the one that the apply made."""
    await it.apply(org.changed(sandbox))
    assert (await it.plan()).unsafe == ("delete",)
    await it.apply(org.onboarding(sandbox))
    assert (await it.plan()).unsafe == ("shorter-retention",)
    role = {"role_arn": sandbox["role_arn"], "external_id": sandbox["external_id"]}
    elsewhere = {"bucket": "another-bucket", "region": "eu-west-1", "credentials": role, "enabled": False}
    await it.apply(org.onboarding(sandbox, target=elsewhere))
    plan = await it.plan()
    assert plan.unsafe == ("bucket-change", "region-change", "credential-change")
    assert (it.then.target.bucket, it.then.target.credentials) == (sandbox["bucket"], KeyReference())
    assert (it.then.target.region, it.then.target.enabled) == ("us-east-1", True)


@on_storage_targets
async def test_an_old_secret_is_asked_for(
    org: Any, it: Undoer, sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can read it: without that very key pair, the undo is refused before anything is sent."""
    await it.apply(org.onboarding(sandbox))
    before = org.state(api)
    role = {"role_arn": sandbox["role_arn"], "external_id": sandbox["external_id"]}
    await it.apply(org.onboarding(sandbox, target={"credentials": role}))
    plan = await it.plan()
    assert needs_keys(plan)
    keys = KeyReference().resolve()
    with pytest.raises(errors.InvalidInput, match="not known") as caught:
        refuse_unknown_secret(plan, keys.model_copy(update={"access_key_id": "AKIAANOTHERKEY1234"}))
    assert keys.access_key_id in caught.value.cause
    refuse_unknown_secret(plan, keys)
    await it.undo()
    assert org.state(api) == before


@on_storage_targets
async def test_credentials_that_were_written_again_stay(it: Undoer, org: Any, sandbox: Sandbox, api: Api) -> None:
    """The earlier secret under the same key is known to nobody: that is said, and nothing is sent."""
    wanted = org.onboarding(sandbox)
    await it.apply(wanted)

    def rotation() -> Awaitable[Plan]:
        return make_plan(it.ops.backend, wanted, KeyReference().resolve(), rotate=True)

    await it.ops.applier().apply(await rotation(), KeyReference(), rotation)
    plan = await it.plan()
    assert plan.changes == ()
    assert "target T keeps the credentials" in plan.notes[0]


@on_storage_targets
async def test_a_changed_ledger_undoes_nothing(org: Any, it: Undoer, sandbox: Sandbox, api: Api) -> None:
    """What was there before is believed only where it is signed."""
    await it.apply(org.onboarding(sandbox))
    await it.apply(org.changed(sandbox))
    path = it.ops.run.ledger.path
    tables = load(path)
    row = [one for one in tables.entries if one["kind"] == "apply.started"][-1]
    assert '"voice"' in row["body"]
    row["body"] = row["body"].replace('"voice"', '"email"')
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE entries SET body = ? WHERE seq = ?", (row["body"], row["seq"]))
    before = org.state(api)
    sandbox.control("DELETE", "/requests")
    with pytest.raises(errors.LedgerNotProved):
        await it.plan()
    assert (sandbox.requests("api"), org.state(api)) == ([], before)


@on_platform
async def test_an_undo_is_not_somebody_elses_change(org: Any, it: Undoer, sandbox: Sandbox, api: Api) -> None:
    """`opslib changes` after it tells of nobody else."""
    await it.apply(org.onboarding(sandbox))
    look = partial(find_org_changes, it.ops.router.client, it.ops.backend)
    await look(it.ops.run, None, client_id=sandbox["client_id"])
    undo = await it.undo()
    found = await look(it.ops.run, None, client_id=sandbox["client_id"])
    assert found.changes == []
    assert found.own_runs == [undo]


def test_any_apply_can_be_undone(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From whatever state to whatever onboarding: the undo ends where it began, and its undo where that ended."""
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000})
    api = sandbox.api()

    async def both(first: Any, second: Any) -> None:
        async with operator(sandbox, tmp_path, monkeypatch) as ops:
            it = Undoer(ops)
            if first:
                await it.apply(storage_targets.onboarding(sandbox, **first))
            before = storage_targets.state(api)
            await it.apply(storage_targets.onboarding(sandbox, **second))
            after = storage_targets.state(api)
            if before != after:
                undo = await it.undo()
                assert storage_targets.state(api) == before
                await it.undo(undo)
            assert storage_targets.state(api) == after

    @settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(st.none() | edits(), edits())
    def check(first: Any, second: Any) -> None:
        storage_targets.clear(api)
        asyncio.run(both(first, second))

    check()
