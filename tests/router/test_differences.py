"""A server that keeps something else than was sent, and a colleague who changes an object of an unfinished apply: both
are named field by field, and the user rolls back or accepts. Nothing is written over silently."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from opslib import Onboarding, errors
from opslib.audit.verify import verify
from opslib.router.differences import Difference
from opslib.router.journal import all_applies

from ..rewriting import first_queue_only, rewriting
from ..world import POLICIES, RETENTION_POLICIES, Api, Json, Sandbox
from . import org as storage_targets
from . import platform_org as platform
from .org import Operator, operator, writes
from .platform_org import OTHER_QUEUE, QUEUE

pytestmark = pytest.mark.slow

Kept = dict[str, tuple[Any, Any]]


class Server:
    """An org whose API keeps what `rewrite` makes of each write."""

    def __init__(self) -> None:
        self.rewrite: Any = lambda path, body: None

    def __call__(self, path: str, body: Json) -> None:
        self.rewrite(path, body)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def address(sandbox: Sandbox, server: Server) -> Iterator[str]:
    with rewriting(sandbox["api_url"], server) as url:
        yield url


@pytest.fixture
async def ops(
    org: ModuleType, sandbox: Sandbox, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Operator]:
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    async with operator(sandbox, tmp_path / "home", monkeypatch, org.NAME, api_url=address) as ops:
        yield ops


def part_dropped(path: str, body: Json) -> None:
    (body.get("mediaPolicies") or {}).pop("chatPolicy", None)


def days_lowered(path: str, body: Json) -> None:
    for part in (body.get("mediaPolicies") or {}).values():
        part["actions"]["retentionDuration"]["deleteRetention"]["days"] = 90


def queue_in_capitals(path: str, body: Json) -> None:
    for part in (body.get("mediaPolicies") or {}).values():
        for queue in part["conditions"]["forQueues"]:
            queue["id"] = queue["id"].upper()


def renamed(path: str, body: Json) -> None:
    if "mediaretentionpolicies" in path:
        body["name"] = "Renamed by the server"


def notes_cut(path: str, body: Json) -> None:
    if path.endswith("config/current"):
        body["notes"] = body["notes"][:10]


def region_moved(path: str, body: Json) -> None:
    if "targets" in path:
        body["configuration"]["region"] = "us-west-2"


def webhook_switched_off(path: str, body: Json) -> None:
    if "webhooks" in path:
        body["enabled"] = False


def policy_days_lowered(path: str, body: Json) -> None:
    if "policies" in path:
        body["retentionPeriodDays"] = 30


QUEUES = sorted([QUEUE, OTHER_QUEUE])
IN_CAPITALS = "abcdef12-0000-4000-8000-00000000abcd"
_CALL = "mediaPolicies.callPolicy"
_NOTES = "Changes to AWS account 123456789012; managed by opslib"
SERVERS: dict[str, tuple[ModuleType, Any, Json, str, Kept]] = {
    "first queue only": (
        platform,
        first_queue_only,
        {},
        "policy",
        {f"{_CALL}.conditions.forQueues": ([{"id": id} for id in QUEUES], [{"id": OTHER_QUEUE}])},
    ),
    "retention lowered": (
        platform,
        days_lowered,
        {},
        "policy",
        {f"{_CALL}.actions.retentionDuration.deleteRetention.days": (365, 90)},
    ),
    "queue in capitals": (
        platform,
        queue_in_capitals,
        {"policy": {"conditions": {"queues": [IN_CAPITALS]}}},
        "policy",
        {f"{_CALL}.conditions.forQueues": ([{"id": IN_CAPITALS}], [{"id": IN_CAPITALS.upper()}])},
    ),
    "renamed": (platform, renamed, {}, "policy", {"name": ("P", "Renamed by the server")}),
    "notes cut": (platform, notes_cut, {}, "target", {}),
    "region moved": (
        storage_targets,
        region_moved,
        {},
        "target",
        {"configuration.region": ("us-east-1", "us-west-2")},
    ),
    "webhook off": (storage_targets, webhook_switched_off, {}, "webhook", {"enabled": (True, False)}),
    "policy's days": (storage_targets, policy_days_lowered, {}, "policy", {"retentionPeriodDays": (365, 30)}),
}
each_server = pytest.mark.parametrize(
    ("org", "rewrite", "parts", "kind", "kept"), SERVERS.values(), ids=SERVERS, indirect=["org"]
)


async def refused_by(ops: Operator, wanted: Onboarding) -> errors.ServerKeptOther:
    with pytest.raises(errors.ServerKeptOther) as caught:
        await ops.apply(wanted)
    assert "by somebody else" not in str(caught.value)
    return caught.value


def undecided(ops: Operator) -> list[Difference]:
    progress = ops.unfinished()
    return progress.undecided if progress else []


def fields(difference: Difference) -> Kept:
    return {field.path: (field.sent, field.kept) for field in difference.fields}


@each_server
async def test_what_the_server_keeps_otherwise_is_named_and_can_be_rolled_back(
    org: ModuleType,
    ops: Operator,
    server: Server,
    sandbox: Sandbox,
    api: Api,
    rewrite: Any,
    parts: Json,
    kind: str,
    kept: Kept,
) -> None:
    """Each field with what was sent and what was kept; a rollback, also from another process, leaves nothing."""
    empty = org.state(api)
    server.rewrite = rewrite
    error = await refused_by(ops, org.onboarding(sandbox, **parts))
    (difference,) = undecided(ops)
    assert (difference.kind, difference.origin) == (kind, "server")
    assert not kept or fields(difference) == kept
    assert difference.fields
    for field in difference.fields:
        assert f"{field.path}: sent " in error.cause
        assert ", the server kept " in error.cause
    assert "opslib rollback" in error.fix
    assert "opslib resume --accept" in error.fix
    ops.anew()
    assert await ops.applier().rollback() == "rolled back: the org is as it was before the apply"
    assert org.state(api) == empty
    assert ops.unfinished() is None


@each_server
async def test_what_the_server_keeps_can_be_accepted(
    org: ModuleType,
    ops: Operator,
    server: Server,
    sandbox: Sandbox,
    rewrite: Any,
    parts: Json,
    kind: str,
    kept: Kept,
) -> None:
    """The rest is applied; the record says who accepted what and when; the next plan shows it, and writes nothing."""
    wanted = org.onboarding(sandbox, **parts)
    server.rewrite = rewrite
    await refused_by(ops, wanted)
    for _ in range(3):  # a server may do it to several objects, each is shown and accepted
        ops.anew()
        try:
            said = await ops.applier().resume(accept=True)
        except errors.ServerKeptOther:
            continue
        break
    assert said.startswith("the apply is finished; accepted as it is: ")
    (apply,) = all_applies(ops.run.ledger)
    assert apply.ended == "done"
    first = apply.decisions[0]
    assert (first.kind, first.choice, first.origin) == (kind, "accepted", "server")
    assert first.by == next(iter(ops.run.entries("run.started"))).data["user"]
    assert first.at
    assert not kept or fields(first) == kept
    again = await ops.plan(wanted)
    assert kind in [change.kind for change in again.changes]
    assert verify(ops.run.ledger.path).intact


@pytest.mark.parametrize("org", [platform], indirect=True, ids=["platform"])
async def test_a_dropped_medium_is_named(ops: Operator, server: Server, sandbox: Sandbox, org: ModuleType) -> None:
    """Every field of it, with nothing kept; the medium that was kept is not named."""
    server.rewrite = part_dropped
    error = await refused_by(ops, org.onboarding(sandbox, policy={"recording_types": ["voice", "chat"]}))
    (difference,) = undecided(ops)
    assert {path.split(".")[1] for path in fields(difference)} == {"chatPolicy"}
    assert {kept for _, kept in fields(difference).values()} == {None}
    assert "chatPolicy.actions.retentionDuration.deleteRetention.days: sent 365, the server kept nothing" in error.cause


async def test_what_means_the_same_is_no_difference(
    org: ModuleType, ops: Operator, server: Server, sandbox: Sandbox, api: Api
) -> None:
    """A server may put lists in another order and fill in null for what was left out."""

    def normalise(path: str, body: Json) -> None:
        for part in (body.get("mediaPolicies") or {}).values():
            part["conditions"]["forQueues"].reverse()
            part["conditions"]["teams"] = None
        if "events" in body:
            body["events"].reverse()

    server.rewrite = normalise
    await ops.apply(org.onboarding(sandbox))
    assert (await ops.plan(org.onboarding(sandbox))).changes == ()


async def test_a_resume_after_the_server_was_mended_writes_what_was_wanted(
    ops: Operator, server: Server, sandbox: Sandbox, org: ModuleType
) -> None:
    """Nothing was accepted, so the change is carried out once more."""
    wanted = org.onboarding(sandbox)
    server.rewrite = policy_days_lowered if org is storage_targets else days_lowered
    await refused_by(ops, wanted)
    with pytest.raises(errors.ServerKeptOther):
        await ops.applier().resume()
    server.rewrite = lambda path, body: None
    assert await ops.applier().resume() == "the apply is finished"
    assert (await ops.plan(wanted)).changes == ()


async def test_what_was_accepted_is_undone_when_the_apply_fails_later(
    ops: Operator, server: Server, sandbox: Sandbox, org: ModuleType, api: Api
) -> None:
    """It was our own write, so the org is as it was before."""
    org.seed(sandbox, api)
    before = org.state(api)
    server.rewrite = policy_days_lowered if org is storage_targets else days_lowered
    await refused_by(ops, org.onboarding(sandbox) if org is storage_targets else org.changed(sandbox))
    late = "PUT" if org is storage_targets else "PATCH"
    pattern = "webhooks" if org is storage_targets else "integrations"
    sandbox.control("POST", "/faults", {"method": late, "path_regex": pattern, "status": 403, "times": 1})
    server.rewrite = lambda path, body: None
    with pytest.raises(errors.RolledBack):
        await ops.applier().resume(accept=True)
    assert org.state(api) == before


def policy_of(org: ModuleType, api: Api) -> str:
    """The path of the policy P."""
    if org is storage_targets:
        return f"{POLICIES}/p-1"
    (policy,) = [one for one in api("GET", RETENTION_POLICIES).json()["entities"] if one["name"] == "P"]
    return f"{RETENTION_POLICIES}/{policy['id']}"


def change_policy(org: ModuleType, api: Api, **changes: Any) -> None:
    path = policy_of(org, api)
    owned = ("id", "version", "dateCreated", "dateModified", "selfUri") if org is storage_targets else ()
    body = {name: value for name, value in api("GET", path).json().items() if name not in owned}
    assert api("PUT", path, body | changes).is_success


def disable_policy(org: ModuleType, api: Api) -> None:
    change_policy(org, api, enabled=False)


async def stop_after(kind: str, ops: Operator, org: ModuleType, sandbox: Sandbox) -> None:
    """An apply that is left unfinished after the change of that kind."""
    applier, wanted = ops.applier(), org.onboarding(sandbox)
    applier.tell = lambda done, total, words: applier.stop() if f" {kind} " in words else None
    with pytest.raises(errors.HalfDone):
        await applier.apply(await ops.plan(wanted), wanted.target.credentials, lambda: ops.plan(wanted))
    progress = ops.unfinished()
    assert progress
    assert progress.plan.changes[max(progress.done)].kind == kind


@pytest.mark.parametrize("how", ["resume", "rollback"])
async def test_a_colleagues_change_is_shown_and_left_alone(
    org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api, how: str
) -> None:
    """The field with what was sent and what is there, and both ways out; nothing is written, however often."""
    org.seed(sandbox, api)
    await stop_after("policy", ops, org, sandbox)
    disable_policy(org, api)
    theirs = org.state(api)
    sandbox.control("DELETE", "/requests")
    for _ in range(2):
        with pytest.raises(errors.ChangedMeanwhile) as caught:
            await getattr(ops.applier(), how)()
        assert "policy P was changed by somebody else, or by the server itself, after the apply began" in str(
            caught.value
        )
        assert "enabled: sent yes, now no" in caught.value.cause
        assert "opslib resume --accept" in caught.value.fix
        assert (
            "opslib rollback --overwrite` to undo the apply, which writes over what policy P has now"
            in caught.value.fix
        )
    assert org.state(api) == theirs
    assert writes(sandbox) == []


async def test_a_colleagues_change_is_accepted(org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Only what was shown: the apply finishes, the policy stays as the colleague left it, and the plan shows that."""
    await stop_after("policy", ops, org, sandbox)
    disable_policy(org, api)
    with pytest.raises(errors.ChangedMeanwhile):  # not seen yet
        await ops.applier().resume(accept=True)
    assert "accepted as it is: policy P (enabled: sent yes, now no" in await ops.applier().resume(accept=True)
    assert api("GET", policy_of(org, api)).json()["enabled"] is False
    (change,) = (await ops.plan(org.onboarding(sandbox))).changes
    assert [(field.path, field.before, field.after) for field in change.fields] == [("enabled", False, True)]


async def test_another_change_after_it_was_shown_is_shown_again(
    org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api
) -> None:
    """A decision holds for exactly what was shown."""
    await stop_after("policy", ops, org, sandbox)
    disable_policy(org, api)
    with pytest.raises(errors.ChangedMeanwhile):
        await ops.applier().resume()
    for description, decision in (("by a colleague", {"accept": True}), ("by another", {"overwrite": True})):
        change_policy(org, api, description=description)
        decide = ops.applier().resume if "accept" in decision else ops.applier().rollback
        with pytest.raises(errors.ChangedMeanwhile, match="not as the unfinished"):
            await decide(**decision)
    assert api("GET", policy_of(org, api)).json()["description"] == "by another"
    assert {"description", "enabled"} == set(fields(undecided(ops)[0]))


@pytest.mark.parametrize("seeded", [True, False])
async def test_a_colleagues_change_is_written_over_when_asked_for(
    org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api, seeded: bool
) -> None:
    """The org is as it was before the apply, byte for byte; the record says who decided."""
    if seeded:
        org.seed(sandbox, api)
    before = org.state(api)
    await stop_after("policy", ops, org, sandbox)
    disable_policy(org, api)
    with pytest.raises(errors.ChangedMeanwhile):
        await ops.applier().rollback(overwrite=True)
    assert (await ops.applier().rollback(overwrite=True)).startswith("rolled back: the org is as it was before")
    assert org.state(api) == before
    (apply,) = all_applies(ops.run.ledger)
    assert [(one.choice, one.name) for one in apply.decisions] == [("overwritten", "P")]


@pytest.mark.parametrize("how", ["accept", "overwrite"])
async def test_a_colleague_deleted_the_policy(
    org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api, how: str
) -> None:
    """Said as that. Accepted, it stays away and the rest is applied; undone, what was there before is made again."""
    org.seed(sandbox, api)
    before = org.state(api)
    await stop_after("policy", ops, org, sandbox)
    assert api("DELETE", policy_of(org, api)).is_success
    with pytest.raises(errors.ChangedMeanwhile, match="not as") as caught:
        await ops.applier().resume()
    assert "policy P was deleted by somebody else" in caught.value.cause
    if how == "accept":
        assert "accepted as it is: policy P (deleted)" in await ops.applier().resume(accept=True)
        assert [change.action for change in (await ops.plan(org.onboarding(sandbox))).changes] == ["create"]
        return
    said = await ops.applier().rollback(overwrite=True)
    assert ("but for the id of policy P: made anew, it has a new one" in said) == (org is not storage_targets)
    assert org.state(api) == before


async def test_a_rollback_leaves_what_the_apply_did_not_touch(
    org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api
) -> None:
    """A colleague's change to an object that the apply had not come to is in nobody's way."""
    org.seed(sandbox, api)
    await stop_after("target", ops, org, sandbox)
    disable_policy(org, api)
    theirs = api("GET", policy_of(org, api)).json()
    assert (await ops.applier().rollback()).startswith("rolled back")
    assert api("GET", policy_of(org, api)).json() == theirs


async def test_a_change_between_write_and_read_back_is_not_called_the_servers(
    org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api
) -> None:
    """A colleague writes just after us: the revision that is read is not the one that our write made."""
    applier, wanted = ops.applier(), org.onboarding(sandbox)
    write = ops.backend.write

    async def write_and_lose(kind: Any, *rest: Any, **how: Any) -> Json:
        answer = await write(kind, *rest, **how)
        if kind == "policy":
            await asyncio.to_thread(disable_policy, org, api)
        return answer

    ops.backend.write = write_and_lose  # type: ignore[assignment, method-assign]
    with pytest.raises(errors.ChangedMeanwhile) as caught:
        await applier.apply(await ops.plan(wanted), wanted.target.credentials, lambda: ops.plan(wanted))
    assert "policy P was changed by somebody else" in caught.value.cause
    assert "enabled: sent yes, now no" in caught.value.cause
