"""An org as it may be: the role in a credential, a prefix, a public key, another integration active already."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.credentials import RoleReference
from opslib.genesys.integration_credentials import Held
from opslib.onboarding.models import Onboarding
from opslib.router.plan import Plan, make_plan
from opslib.router.unsafe_changes import UNSAFE
from opslib.sandbox.server.platform.shapes import SHAPES

from ..world import INTEGRATIONS, RETENTION_POLICIES, Api, Json, Sandbox
from . import platform_org as platform
from .org import Operator, api_requests, inject, operator, stop_after_the_first, writes
from .platform_org import CREDENTIALS
from .platform_shapes import OTHER, bind, credentials, integrations, make_other, other_role

CONFIG = f"{INTEGRATIONS}/{{id}}/config/current"
REPLACED = [("create", "T"), ("update", OTHER), ("update", "T"), ("create", "P"), ("create", "W")]


@pytest.fixture
def shape() -> str:
    return "role-in-credentials"


@pytest.fixture
async def ops(
    shape: str, sandbox: Sandbox, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Operator]:
    """An operator in an org of this shape."""
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0, "integration_shape": shape})
    async with operator(sandbox, tmp_path / "home", monkeypatch, platform.NAME) as ops:
        if SHAPES[shape].another_active:  # type: ignore[index]
            make_other(sandbox, api)
        yield ops


another_active = pytest.mark.parametrize("shape", ["another-active", "role-in-credentials-another-active"])


def with_role(sandbox: Sandbox, role_arn: str, **parts: Json) -> Onboarding:
    role = {"role_arn": role_arn, "external_id": sandbox["external_id"]}
    return platform.onboarding(sandbox, target={"credentials": role}, **parts)


def named(sandbox: Sandbox, role_arn: str = "") -> str:
    """What opslib calls the credential of T with this role, in the shape that the shared sandbox has."""
    return Held("T", role_arn or sandbox["role_arn"], sandbox["external_id"]).name


async def rotation(ops: Operator, wanted: Onboarding) -> Plan:
    role = wanted.target.credentials
    assert isinstance(role, RoleReference)
    return await make_plan(ops.backend, wanted, role, rotate=True)


async def rotate(ops: Operator, wanted: Onboarding) -> None:
    plan = await rotation(ops, wanted)
    await ops.applier().apply(plan, wanted.target.credentials, lambda: rotation(ops, wanted))


def changes(plan: Plan) -> list[tuple[str, str]]:
    return [(change.action, change.name) for change in plan.changes]


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_life_in_every_shape(ops: Operator, shape: str, sandbox: Sandbox, api: Api) -> None:
    """Applied, as wanted, exported as it is, and removed with all that opslib made and nothing else."""
    others = {OTHER: "INACTIVE"} if SHAPES[shape].another_active else {}  # type: ignore[index]
    before = credentials(api)
    wanted = platform.onboarding(sandbox)
    await ops.apply(wanted)
    assert integrations(api) == {"T": "ACTIVE", "W": "ACTIVE", **others}
    in_credentials = SHAPES[shape].role_in_credentials  # type: ignore[index]
    assert credentials(api) == sorted([*before, *([named(sandbox)] if in_credentials else [])])
    assert (await ops.plan(wanted)).changes == ()
    assert (await ops.backend.adopt("T", None, None)).target.credentials == wanted.target.credentials
    await ops.apply(wanted, removal=True)
    assert (integrations(api), credentials(api)) == (others, before)


@pytest.mark.parametrize("shape", ["with-prefix", "role-in-credentials-with-prefix", "without-prefix", "public-key"])
async def test_the_prefix_is_sent_where_the_type_has_one(ops: Operator, shape: str, sandbox: Sandbox) -> None:
    """And said to be left out where it has none."""
    plan = await ops.plan(platform.onboarding(sandbox))
    assert plan.changes[0].after
    sent = "recordings/voice" in plan.changes[0].after["properties"].values()
    assert sent == shape.endswith("with-prefix")
    assert any(note.startswith("target.path_prefix: this type") for note in plan.notes) != sent


# ---- another integration is active


@another_active
async def test_a_plan_shows_what_stands_in_the_way(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """The integration, the policies that export through it, and both ways on; replacing is the only unsafe thing."""
    plan = await ops.plan(platform.onboarding(sandbox))
    assert changes(plan) == REPLACED
    fields = [[(one.path, one.before, one.after) for one in change.fields] for change in plan.changes[1:3]]
    assert fields == [[("intendedState", "ENABLED", "DISABLED")], [("intendedState", "DISABLED", "ENABLED")]]
    assert plan.unsafe == ("replace-active-integration",)
    assert plan.as_json()["unsafe"][0]["why"] == UNSAFE["replace-active-integration"]
    shown = "\n".join(plan.notes)
    for words in (
        f"integration {OTHER} (",
        "Policies that export through it: Calls of another team (enabled)",
        f"set target.name to {OTHER}",
        "allow replace-active-integration",
    ):
        assert words in shown


@another_active
async def test_the_other_goes_at_the_last_moment(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Between its switch and ours nothing is written, and its configuration is never written."""
    other = api("GET", INTEGRATIONS).json()["entities"][0]
    sandbox.control("DELETE", "/requests")
    await ops.apply(platform.onboarding(sandbox))
    sent = writes(sandbox)
    off = sent.index(("PATCH", other["selfUri"]))
    (ours,) = {path for method, path in sent[:off] if method == "PATCH"}
    assert sent[off + 1] == ("PATCH", ours)
    assert [path for method, path in sent[:off] if "config" in path] == [f"{ours}/config/current"]
    assert ("PUT", f"{other['selfUri']}/config/current") not in sent
    assert integrations(api) == {OTHER: "INACTIVE", "T": "ACTIVE", "W": "ACTIVE"}


@another_active
async def test_the_other_is_active_again_when_ours_cannot_be(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Genesys reports an error for ours, so nothing of it stays and the other exports again."""
    before = platform.state(api)
    with pytest.raises(errors.RolledBack, match="the org is as it was before"):
        await ops.apply(with_role(sandbox, "arn:aws:iam::123456789012:role/no-such-role"))
    assert platform.state(api) == before
    assert integrations(api) == {OTHER: "ACTIVE"}


@pytest.mark.parametrize("shape", ["another-active"])
async def test_ours_waits_until_the_other_has_stopped(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Genesys refuses the second one while the first is still on its way down."""
    sandbox.control("PUT", "/settings", {"stage_s": 1.0})
    await ops.apply(platform.onboarding(sandbox))
    assert integrations(api) == {OTHER: "INACTIVE", "T": "ACTIVE", "W": "ACTIVE"}


@another_active
@pytest.mark.parametrize("how", ["resume", "rollback"])
@pytest.mark.parametrize("done", [0, 1, 2, 3])
async def test_it_stops_after_any_change(
    ops: Operator, sandbox: Sandbox, api: Api, shape: str, how: str, done: int
) -> None:
    """And is finished or undone, also by somebody who begins afresh."""
    before, wanted, applier = platform.state(api), platform.onboarding(sandbox), ops.applier()
    applier.tell = lambda so_far, total, words: applier.stop() if so_far == done else None
    with pytest.raises(errors.HalfDone):
        await applier.apply(await ops.plan(wanted), wanted.target.credentials, lambda: ops.plan(wanted))
    ops.anew()
    await getattr(ops.applier(), how)()
    if how == "rollback":
        assert platform.state(api) == before
    else:
        assert integrations(api) == {OTHER: "INACTIVE", "T": "ACTIVE", "W": "ACTIVE"}
        assert (await ops.plan(wanted)).changes == ()


@another_active
async def test_the_other_can_be_used_instead(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Its name as target.name: nothing is switched off, and its policies go on."""
    wanted = platform.onboarding(sandbox, target={"name": OTHER}, policy={"name": "P"})
    plan = await ops.plan(wanted)
    assert plan.unsafe == ("adopt",)
    assert changes(plan)[0] == ("update", OTHER)
    assert not any("replace-active-integration" in note for note in plan.notes)
    await ops.apply(wanted, plan)
    assert integrations(api) == {OTHER: "ACTIVE", "W": "ACTIVE"}
    assert (await ops.plan(wanted)).changes == ()


@pytest.mark.parametrize("shape", ["another-active"])
async def test_a_target_that_stays_off_replaces_nothing(ops: Operator, sandbox: Sandbox) -> None:
    """There is no need to."""
    plan = await ops.plan(platform.onboarding(sandbox, target={"enabled": False}))
    assert changes(plan) == [("create", "T"), ("create", "P"), ("create", "W")]
    assert plan.unsafe == ()


@pytest.mark.parametrize("shape", ["another-active"])
async def test_a_colleague_who_switched_back_is_seen(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Ours is off and the other on: two switches, and nothing else is written."""
    wanted = platform.onboarding(sandbox)
    await ops.apply(wanted)
    by_name = {one["name"]: one["selfUri"] for one in api("GET", INTEGRATIONS).json()["entities"]}
    for name, state in (("T", "DISABLED"), (OTHER, "ENABLED")):
        assert api("PATCH", by_name[name], {"intendedState": state}).is_success
    assert changes(await ops.plan(wanted)) == [("update", OTHER), ("update", "T")]
    sandbox.control("DELETE", "/requests")
    await ops.apply(wanted)
    assert [method for method, _ in writes(sandbox)] == ["PATCH", "PATCH"]
    assert integrations(api) == {OTHER: "INACTIVE", "T": "ACTIVE", "W": "ACTIVE"}


@pytest.mark.parametrize("shape", ["role-in-properties"])
async def test_one_that_becomes_active_after_the_plan_makes_it_stale(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Nobody consented to replacing it."""
    wanted = platform.onboarding(sandbox)
    plan = await ops.plan(wanted)
    make_other(sandbox, api)
    sandbox.control("DELETE", "/requests")
    with pytest.raises(errors.StalePlan):
        await ops.apply(wanted, plan)
    assert writes(sandbox) == []


@pytest.mark.parametrize("shape", ["role-in-properties"])
async def test_one_that_becomes_active_during_the_apply_stays(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Genesys refuses a second one: rolled back, in its words, and the colleague's exports go on."""
    wanted, applier = platform.onboarding(sandbox), ops.applier()
    applier.tell = lambda done, total, words: make_other(sandbox, api) if words == "create target T" else None
    with pytest.raises(errors.RolledBack) as caught:
        await applier.apply(await ops.plan(wanted), wanted.target.credentials, lambda: ops.plan(wanted))
    assert "Only one integration that exports recordings to S3 can be active" in caught.value.cause
    assert integrations(api) == {OTHER: "ACTIVE"}


@pytest.mark.parametrize("shape", ["another-active"])
async def test_what_is_in_error_is_said_without_a_change(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """An integration that is switched on and does not export is not as wanted."""
    wanted = platform.onboarding(sandbox)
    await ops.apply(wanted)
    body = {"reportedState": {"code": "ERROR", "detail": {"message": "The bucket does not exist"}}}
    target = next(one for one in api("GET", INTEGRATIONS).json()["entities"] if one["name"] == "T")
    inject(sandbox, "GET", target["selfUri"], body={**target, **body})
    plan = await ops.plan(wanted)
    assert plan.changes == ()
    assert any("target T: Genesys reports ERROR: The bucket does not exist" in note for note in plan.notes)


# ---- the role is in a credential


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ({"status": 503, "when": "after", "times": 1}, 1),
        ({"drop": True, "when": "after", "times": 1}, 1),
        ({"drop": True, "times": 1}, 2),
    ],
)
async def test_there_are_never_two_credentials(
    ops: Operator, sandbox: Sandbox, api: Api, fault: Json, sent: int
) -> None:
    """A lost answer is looked for by name before it is sent again."""
    inject(sandbox, "POST", CREDENTIALS, **fault)
    await ops.apply(platform.onboarding(sandbox))
    assert [one for one in writes(sandbox) if one == ("POST", CREDENTIALS)] == [("POST", CREDENTIALS)] * sent
    assert credentials(api) == [named(sandbox)]


async def test_what_a_credential_holds_is_never_asked_for(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """It could not be read; and no answer has it."""
    await ops.apply(platform.onboarding(sandbox))
    assert not [
        path
        for method, path in api_requests(sandbox)
        if method == "GET" and path.startswith(CREDENTIALS + "/") and not path.endswith("/types")
    ]
    (one,) = api("GET", CREDENTIALS).json()["entities"]
    assert "credentialFields" not in api("GET", one["selfUri"]).json()


async def test_another_role_is_another_credential(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Seen by its name, by consent, and the old one goes."""
    await ops.apply(platform.onboarding(sandbox))
    wanted = with_role(sandbox, other_role(sandbox))
    plan = await ops.plan(wanted)
    (change,) = plan.changes
    (field,) = change.fields
    assert (field.before, field.after) == (named(sandbox), named(sandbox, other_role(sandbox)))
    assert plan.unsafe == ("credential-change",)
    await ops.apply(wanted, plan)
    assert credentials(api) == [named(sandbox, other_role(sandbox))]
    assert integrations(api)["T"] == "ACTIVE"


async def test_a_rollback_makes_the_old_credential_again(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """The target was changed, then the feed failed: the old role writes again, and nothing is said to be lost."""
    await ops.apply(platform.onboarding(sandbox))
    before = platform.state(api)
    wanted = with_role(sandbox, other_role(sandbox), webhook={"suffix": "other"})
    plan = await ops.plan(wanted)
    feed = next(one for one in api("GET", INTEGRATIONS).json()["entities"] if one["name"] == "W")
    inject(sandbox, "PUT", f"{feed['selfUri']}/config/current", status=403, times=1)
    with pytest.raises(errors.RolledBack) as caught:
        await ops.apply(wanted, plan)
    assert caught.value.title.endswith("the org is as it was before")
    assert platform.state(api) == before
    assert credentials(api) == [named(sandbox)]


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(("method", "path"), [("POST", CREDENTIALS), ("PUT", CONFIG)])
async def test_a_refusal_leaves_no_credential_behind(
    ops: Operator, sandbox: Sandbox, api: Api, exists: bool, method: str, path: str
) -> None:
    """Also where the integration itself was not changed yet."""
    if exists:
        await ops.apply(platform.onboarding(sandbox))
    before = platform.state(api)
    wanted = with_role(sandbox, other_role(sandbox))
    plan = await ops.plan(wanted)
    inject(sandbox, method, path, status=400, times=1)
    with pytest.raises(errors.RolledBack):
        await ops.apply(wanted, plan)
    assert platform.state(api) == before


async def test_a_credential_of_somebody_else_is_kept(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Whether it holds the role is UNKNOWN and said; the target is adopted around it, and leaves it when it goes."""
    kind, properties = platform.s3_integration(sandbox, api)
    platform.integration(api, "T", kind, properties, credentials=bind(sandbox, api, "by hand"))
    wanted = platform.onboarding(sandbox)
    plan = await ops.plan(wanted)
    assert plan.unsafe == ("adopt",)
    assert any("opslib did not make and cannot read" in note and "UNKNOWN" in note for note in plan.notes)
    exported = await _exported(ops, sandbox, api)
    assert exported.target.credentials.role_arn.endswith(":role/not-known")  # type: ignore[union-attr]
    assert any("target.credentials.role_arn is an example" in note for note in ops.backend.notes(exported))
    await ops.apply(wanted, plan)
    assert credentials(api) == ["by hand"]
    assert (await ops.plan(wanted)).changes == ()
    await ops.apply(wanted, removal=True)
    assert credentials(api) == ["by hand"]


async def _exported(ops: Operator, sandbox: Sandbox, api: Api) -> Onboarding:
    """With a policy and a feed for it, which an export needs."""
    target = next(one for one in api("GET", INTEGRATIONS).json()["entities"] if one["name"] == "T")
    platform.export(api, "P", target["id"])
    feed = {
        "eventSourceSuffix": "x",
        "awsAccountId": "123456789012",
        "awsAccountRegion": "us-east-1",
        "eventFilter": ["v2.audits.entitytype.{id}.entityid.{id}"],
    }
    platform.integration(api, "W", "amazon-eventbridge-source", feed)
    exported = await ops.backend.adopt("T", None, None)
    for one in (*api("GET", RETENTION_POLICIES).json()["entities"], *api("GET", INTEGRATIONS).json()["entities"]):
        if one["name"] in ("P", "W"):
            api("DELETE", one["selfUri"])
    return exported


async def test_a_rotation_puts_ours_in_the_place_of_theirs(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """By consent; theirs stays for whoever made it, and is bound again when the apply fails."""
    kind, properties = platform.s3_integration(sandbox, api)
    platform.integration(api, "T", kind, properties, credentials=bind(sandbox, api, "by hand"))
    wanted = platform.onboarding(sandbox)
    await ops.apply(wanted)
    before = platform.state(api)
    plan = await rotation(ops, wanted)
    assert plan.unsafe == ("credential-change",)
    inject(sandbox, "PATCH", f"{INTEGRATIONS}/{{id}}", status=403, times=1)
    with pytest.raises(errors.RolledBack) as caught:
        await rotate(ops, wanted)
    assert caught.value.title.endswith("the org is as it was before")
    assert platform.state(api) == before
    await rotate(ops, wanted)
    assert credentials(api) == sorted([named(sandbox), "by hand"])
    assert (await ops.plan(wanted)).changes == ()


async def test_a_rotation_writes_ours_again(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """One PUT of what its name says, which nobody can see to be needed; it says what will be done."""
    wanted = platform.onboarding(sandbox)
    await ops.apply(wanted)
    (one,) = api("GET", CREDENTIALS).json()["entities"]
    plan = await rotation(ops, wanted)
    (change,) = plan.changes
    assert [(field.path, field.after) for field in change.fields] == [("credentials", "written again")]
    sandbox.control("DELETE", "/requests")
    await rotate(ops, wanted)
    assert ("PUT", one["selfUri"]) in writes(sandbox)
    assert [(info["id"], info["name"]) for info in api("GET", CREDENTIALS).json()["entities"]] == [
        (one["id"], named(sandbox))
    ]


async def test_a_rotation_that_failed_later_is_said_to_stay(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """What the credential held before was not readable, so nobody can claim that it is back."""
    await ops.apply(platform.onboarding(sandbox))
    before = platform.state(api)
    wanted = platform.onboarding(sandbox, webhook={"suffix": "other"})
    feed = next(one for one in api("GET", INTEGRATIONS).json()["entities"] if one["name"] == "W")
    inject(sandbox, "PUT", f"{feed['selfUri']}/config/current", status=403, times=1)
    with pytest.raises(errors.RolledBack, match="but for the credential of target T: it was written again"):
        await rotate(ops, wanted)
    assert platform.state(api) == before


async def test_a_credential_in_the_place_of_ours_is_drift(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Ours is there and not used: it is bound again, and theirs stays."""
    wanted = platform.onboarding(sandbox)
    await ops.apply(wanted)
    target = next(one for one in api("GET", INTEGRATIONS).json()["entities"] if one["name"] == "T")
    config = api("GET", f"{target['selfUri']}/config/current").json()
    theirs = bind(sandbox, api, "other by hand")
    assert api("PUT", f"{target['selfUri']}/config/current", {**config, "credentials": theirs}).is_success
    plan = await ops.plan(wanted)
    assert plan.unsafe == ("credential-change",)
    await ops.apply(wanted, plan)
    config = api("GET", f"{target['selfUri']}/config/current").json()
    assert [one["name"] for one in config["credentials"].values()] == [named(sandbox)]
    assert credentials(api) == sorted([named(sandbox), "other by hand"])


async def test_a_credential_of_ours_that_is_left_over_goes(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Such as one whose apply was given up: the plan names it."""
    wanted = platform.onboarding(sandbox)
    await ops.apply(wanted)
    left = named(sandbox, other_role(sandbox))
    bind(sandbox, api, left)
    (change,) = (await ops.plan(wanted)).changes
    assert [(field.path, field.after) for field in change.fields] == [(f"unusedCredentials.{left}", None)]
    before, more = platform.state(api), platform.onboarding(sandbox, policy={"retention_days": 100})
    plan = await ops.plan(more)
    inject(sandbox, "PUT", f"{RETENTION_POLICIES}/{{id}}", status=403, times=1)
    with pytest.raises(errors.RolledBack) as caught:
        await ops.apply(more, plan)
    assert caught.value.title.endswith("the org is as it was before")
    assert platform.state(api) == before
    await ops.apply(wanted)
    assert credentials(api) == [named(sandbox)]


async def test_a_stop_between_credential_and_binding_is_resumed_with_one(
    ops: Operator, sandbox: Sandbox, api: Api
) -> None:
    """By somebody who does not know what was made before."""
    wanted = platform.onboarding(sandbox)
    await stop_after_the_first(ops, wanted)
    target = next(one for one in api("GET", INTEGRATIONS).json()["entities"] if one["name"] == "T")
    config = api("GET", f"{target['selfUri']}/config/current").json()
    assert next(iter(config["credentials"].values()))["name"] == named(sandbox)
    ops.anew()
    await ops.applier().resume()
    assert credentials(api) == [named(sandbox)]
    assert (await ops.plan(wanted)).changes == ()


@pytest.mark.parametrize("shape", ["role-in-properties"])
async def test_a_role_among_the_properties_is_not_rotated(ops: Operator, sandbox: Sandbox) -> None:
    """There is nothing that a plan could not see."""
    with pytest.raises(errors.InvalidInput, match="no secret to write again"):
        await rotation(ops, platform.onboarding(sandbox))


async def test_a_role_without_a_place_is_refused_unless_somebody_gave_it_one(
    ops: Operator, sandbox: Sandbox, api: Api
) -> None:
    """Nothing is written; an integration that has its credential already is taken as it is."""
    inject(sandbox, "GET", f"{CREDENTIALS}/types", body={"entities": []})
    with pytest.raises(errors.InvalidInput, match="has its role is not clear"):
        await ops.plan(platform.onboarding(sandbox))
    sandbox.control("DELETE", "/faults")
    kind, properties = platform.s3_integration(sandbox, api)
    platform.integration(api, "T", kind, properties, credentials=bind(sandbox, api, "by hand"))
    inject(sandbox, "GET", f"{CREDENTIALS}/types", body={"entities": []})
    ops.anew()
    plan = await ops.plan(platform.onboarding(sandbox))
    assert any("UNKNOWN" in note for note in plan.notes)
    await ops.apply(platform.onboarding(sandbox), plan)
    assert (integrations(api)["T"], credentials(api)) == ("ACTIVE", ["by hand"])


# ---- a public key


@pytest.mark.parametrize("shape", ["public-key"])
async def test_a_public_key_is_left_alone(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """It is said that there may be one; one that somebody set stays, and what it does is said."""
    wanted = platform.onboarding(sandbox)
    plan = await ops.plan(wanted)
    assert any("optional public key" in note and "opslib does not set it" in note for note in plan.notes)
    await ops.apply(wanted, plan)
    target = next(one for one in api("GET", INTEGRATIONS).json()["entities"] if one["name"] == "T")
    config = api("GET", f"{target['selfUri']}/config/current").json()
    (name,) = [name for name, value in config["properties"].items() if value == ""]
    config["properties"][name] = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
    assert api("PUT", f"{target['selfUri']}/config/current", config).is_success
    plan = await ops.plan(wanted)
    assert plan.changes == ()
    assert any("recordings are encrypted with it" in note and "not known" in note for note in plan.notes)
    await ops.apply(with_role(sandbox, other_role(sandbox)))
    config = api("GET", f"{target['selfUri']}/config/current").json()
    assert config["properties"][name].startswith("-----BEGIN PGP")


def test_each_shape_is_named_once() -> None:
    """The names that `opslib sandbox --integration-shape` takes, with what each says."""
    names: list[Any] = list(SHAPES)
    assert names[0] == "role-in-properties"
    assert len({shape.words for shape in SHAPES.values()}) == len(names) == 8
