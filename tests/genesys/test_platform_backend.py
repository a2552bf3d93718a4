"""The platform backend: what it discovers, and what it does when answers are lost, late or somebody else's."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.credentials import RoleReference
from opslib.genesys.integrations import FEED_TYPE, filled, names_of
from opslib.genesys.platform_backend import PlatformBackend
from opslib.genesys.properties_schema import checked_properties
from opslib.router.plan import make_plan
from opslib.sandbox.server.platform.integration_types import S3_NAMES

from ..router import platform_org as org
from ..router.org import NO_CLIENT, Operator, inject, operator
from ..world import INTEGRATIONS, RETENTION_POLICIES, Api, Json, Sandbox

CONFIG = f"{INTEGRATIONS}/{{id}}/config/current"


@pytest.fixture
async def ops(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operator]:
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    async with operator(sandbox, tmp_path / "home", monkeypatch, org.NAME) as ops:
        yield ops


def posts(sandbox: Sandbox, path: str) -> int:
    return sum((one["method"], one["path"]) == ("POST", path) for one in sandbox.requests("api"))


def count(api: Api, path: str) -> int:
    total: int = api("GET", path).json()["total"]
    return total


def schema(*names: str, **more: Any) -> Json:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, **more}


@pytest.mark.parametrize("names", S3_NAMES, ids=lambda names: names.type_id)
def test_properties_are_found_by_words(names: Any) -> None:
    """However the org calls them; a region or a role in another property's title does not confuse."""
    fields = {"bucket": names.bucket, "region": names.region, "role_arn": names.role}
    optional = {"external_id": names.external_id, "encryption": names.encryption, "path_prefix": names.prefix}
    fields |= {ours: theirs for ours, theirs in optional.items() if theirs}
    assert names_of(schema(*fields.values()), names.type_id) == fields


@pytest.mark.parametrize("names", [(), ("bucketA", "bucketB", "roleArn"), ("bucket",), ("roleArn", "place")])
def test_what_is_not_clear_is_asked_for(names: tuple[str, ...]) -> None:
    """No guess: the error lists what there is, and says how to name it."""
    with pytest.raises(errors.InvalidInput, match="is not clear") as caught:
        names_of(schema(*names), "some-type")
    assert "target.properties" in caught.value.fix


def test_a_template_is_filled_and_held_against_the_schema() -> None:
    """Our values in the org's names, its defaults added; an unknown name, a missing or a wrong property is refused."""
    values = {"bucket": "b", "role_arn": "r"}
    wanted = schema("place", "who", required=["place"], additionalProperties=False)
    wanted["properties"]["how"] = {"type": "integer", "default": 3}
    properties = filled({"place": "{bucket}", "who": "{role_arn}"}, values)
    assert checked_properties(properties, wanted, "t") == {"place": "b", "who": "r", "how": 3}
    for wrong in ({}, {"place": "b", "other": "x"}, {"place": 7}):
        with pytest.raises(errors.InvalidInput, match="do not fit"):
            checked_properties(wrong, wanted, "t")
    for template in ({"place": "{no_such}"}, {"place": "{"}, {"place": "{0}"}):
        with pytest.raises(errors.InvalidInput, match="cannot be filled"):
            filled(template, values)


async def test_the_file_s_own_names_count(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """A type and properties in the file are taken as they stand, and a change of the bucket is still known as one."""
    discovered, *_ = (await ops.plan(org.onboarding(sandbox))).changes
    assert discovered.after
    kind = discovered.after["integrationType"]["id"]
    names = {value: name for name, value in discovered.after["properties"].items()}
    properties = {
        names[sandbox["bucket"]]: "{bucket}",
        names["us-east-1"]: "{region}",
        names[sandbox["role_arn"]]: "{role_arn}",
    }
    wanted = org.onboarding(sandbox, target={"integration_type": kind, "properties": properties})
    await ops.apply(wanted)
    assert (await ops.plan(wanted)).changes == ()
    moved = await ops.plan(
        wanted.model_copy(update={"target": wanted.target.model_copy(update={"bucket": "other-bucket"})})
    )
    assert moved.unsafe == ("bucket-change",)


async def test_an_org_without_the_type_says_so(ops: Operator, sandbox: Sandbox) -> None:
    """Such as one without the licence."""
    inject(sandbox, "GET", f"{INTEGRATIONS}/types", body={"entities": [], "total": 0, "pageCount": 0})
    with pytest.raises(errors.InvalidInput, match="exports recordings to S3 is not clear"):
        await ops.plan(org.onboarding(sandbox))


async def test_the_type_of_an_integration_cannot_be_changed(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Another integration that has the name: refused, not overwritten."""
    api("POST", INTEGRATIONS, {"name": "T", "integrationType": {"id": "amazon-s3-knowledge-source"}})
    with pytest.raises(errors.InvalidInput, match="The name T is taken"):
        await ops.plan(org.onboarding(sandbox))


async def test_a_target_and_a_feed_may_have_one_name(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """They are told apart by their type."""
    wanted = org.onboarding(sandbox, webhook={"name": "T"})
    await ops.apply(wanted)
    assert (await ops.plan(wanted)).changes == ()
    assert count(api, INTEGRATIONS) == 2


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ({"status": 503, "when": "after", "times": 1}, 1),
        ({"drop": True, "when": "after", "times": 1}, 1),
        ({"drop": True, "times": 1}, 2),
        ({"status": 503, "times": 2}, 3),
    ],
)
@pytest.mark.parametrize("path", [INTEGRATIONS, RETENTION_POLICIES])
async def test_a_lost_answer_makes_nothing_twice(
    ops: Operator, sandbox: Sandbox, api: Api, path: str, fault: Json, sent: int
) -> None:
    """The object is looked for before it is sent again; so there is one of each at the end."""
    before = posts(sandbox, path)
    inject(sandbox, "POST", path, **fault)
    await ops.apply(org.onboarding(sandbox))
    others = 1 if path == INTEGRATIONS else 0
    assert posts(sandbox, path) - before == sent + others
    assert (count(api, INTEGRATIONS), count(api, RETENTION_POLICIES)) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("path", [INTEGRATIONS, RETENTION_POLICIES])
async def test_a_lost_answer_is_looked_for_as_long_as_the_list_may_be_late(
    ops: Operator, sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Also one that shows up after more than the five seconds of before: sent once, so there is one."""
    monkeypatch.setattr("opslib.genesys.creations.SETTLES_WITHIN_S", 30.0)
    # Names that no earlier test had: with the lag, what these removed is seen again.
    wanted = org.onboarding(sandbox, target={"name": f"T {path}"}, policy={"name": "Late policy"})
    target, policy, _ = await ops.backend.items(wanted, wanted.target.credentials)
    if path == RETENTION_POLICIES:
        await ops.backend.write("target", target.id, target.body)
    late = policy if path == RETENTION_POLICIES else target
    before = posts(sandbox, path)
    sandbox.control("PUT", "/settings", {"read_lag_s": 7.0})
    inject(sandbox, "POST", path, drop=True, when="after", times=1)
    await ops.backend.write(late.kind, late.id, late.body)
    assert posts(sandbox, path) - before == 1
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.0})
    assert [one["name"] for one in api("GET", path).json()["entities"]].count(late.name) == 1


async def test_nothing_is_sent_again_without_time_to_look_for_it(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Near the operation's deadline the failure itself is said, and the org is as it was."""
    wanted = org.onboarding(sandbox)
    plan = await ops.plan(wanted)
    before = posts(sandbox, INTEGRATIONS)
    inject(sandbox, "POST", INTEGRATIONS, drop=True)
    ops.router.client.deadline_s = 1.1
    with pytest.raises(errors.RolledBack, match="create target T failed"):
        await ops.apply(wanted, plan)
    assert posts(sandbox, INTEGRATIONS) - before == 1
    assert count(api, INTEGRATIONS) == 0


@pytest.mark.parametrize(
    ("status", "message"),
    [(409, "Version does not match current version."), (400, "does not match the current version")],
)
async def test_a_version_conflict_is_read_again(
    ops: Operator, sandbox: Sandbox, api: Api, status: int, message: str
) -> None:
    """Genesys says it in two ways; the configuration is read again and written over the version that is there."""
    inject(sandbox, "PUT", CONFIG, status=status, times=2, body={"message": message, "status": status})
    await ops.apply(org.onboarding(sandbox))
    assert (await ops.plan(org.onboarding(sandbox))).changes == ()


async def test_a_conflict_that_lasts_is_given_up(
    ops: Operator, sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Genesys's words, and the org as it was."""
    monkeypatch.setattr("opslib.genesys.integrations.SETTLES_WITHIN_S", 0.3)
    inject(sandbox, "PUT", CONFIG, status=409, body={"message": "Version does not match", "status": 409})
    with pytest.raises(errors.RolledBack, match="create target T failed") as caught:
        await ops.apply(org.onboarding(sandbox))
    assert "Version does not match" in caught.value.cause
    assert count(api, INTEGRATIONS) == 0


async def test_what_was_made_and_removed_by_somebody_else_is_made_again(
    ops: Operator, sandbox: Sandbox, api: Api
) -> None:
    """What a list may not show yet is remembered for a while, but not believed against Genesys's own 404."""
    await ops.apply(org.onboarding(sandbox))
    org.clear(api)
    await ops.apply(org.onboarding(sandbox))
    assert (await ops.plan(org.onboarding(sandbox))).changes == ()


async def test_all_pages_are_followed(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Also the object on the third page; a list that says it has more than came is refused."""
    for number in range(205):
        api("POST", RETENTION_POLICIES, {"name": f"other {number}"})
    wanted = org.onboarding(sandbox)
    await ops.apply(wanted)
    assert (await ops.plan(wanted)).changes == ()
    assert len(await ops.backend.list("policy")) == 206
    short = {"entities": [], "total": 3, "pageCount": 1, "pageNumber": 1}
    inject(sandbox, "GET", RETENTION_POLICIES, body=short)
    with pytest.raises(errors.UnexpectedAnswer, match="The list is not complete"):
        await ops.plan(wanted)


async def test_a_policy_that_complains_is_heard(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """What Genesys holds against a policy stands in the plan's notes."""
    wanted = org.onboarding(sandbox)
    await ops.apply(wanted)
    integrations = api("GET", INTEGRATIONS).json()["entities"]
    (target,) = [one for one in integrations if one["name"] == "T"]
    api("DELETE", target["selfUri"])
    notes = (await ops.plan(wanted)).notes
    assert any("policy P reports an error" in note and target["id"] in note for note in notes)


async def test_what_opslib_does_not_know_of_stays(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """A policy's place in the order, and an integration's advanced settings, survive our write."""
    await ops.apply(org.onboarding(sandbox))
    (policy,) = api("GET", RETENTION_POLICIES).json()["entities"]
    target = next(one for one in api("GET", INTEGRATIONS).json()["entities"] if one["name"] == "T")
    config = f"{target['selfUri']}/config/current"
    before = api("GET", config).json()
    await ops.apply(org.changed(sandbox))
    after = api("GET", RETENTION_POLICIES).json()["entities"][0]
    assert (after["id"], after["order"]) == (policy["id"], policy["order"])
    assert api("GET", config).json()["advanced"] == before["advanced"]


SLOTS: Json = {
    "timeZoneId": "Europe/Paris",
    "timeSlots": [{"startTime": "08:00:00.000", "stopTime": "18:00:00.000", "day": 1}],
}


async def test_what_colleagues_added_to_a_policy_stays(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """A condition that was dropped would widen the policy: neither seen as a change, nor changed by one."""
    await ops.apply(org.onboarding(sandbox))
    (policy,) = api("GET", RETENTION_POLICIES).json()["entities"]
    call = policy["mediaPolicies"]["callPolicy"]
    call["conditions"]["timeAllowed"] = SLOTS
    call["actions"]["assignEvaluations"] = [{"evaluationForm": {"id": "form"}}]
    call["actions"]["retentionDuration"]["archiveRetention"] = {"days": 30, "storageMedium": "CLOUDARCHIVE"}
    policy["conditions"] = {"mediaTypes": ["CALL"]}
    assert api("PUT", policy["selfUri"], policy).is_success

    plan = await ops.plan(org.onboarding(sandbox))
    assert plan.changes == ()
    for path in ("conditions.timeAllowed", "actions.assignEvaluations", "actions.retentionDuration.archiveRetention"):
        assert any(f"callPolicy.{path} " in note and "stays as it is" in note for note in plan.notes)

    narrower = {"policy": {"conditions": {"queues": [org.QUEUE]}, "retention_days": 300}}
    (change,) = (await ops.plan(org.onboarding(sandbox, **narrower))).changes
    assert {field.path.rpartition(".")[2] for field in change.fields} == {"description", "forQueues", "days"}
    await ops.apply(org.onboarding(sandbox, **narrower))
    after = api("GET", policy["selfUri"]).json()
    now = after["mediaPolicies"]["callPolicy"]
    assert (now["conditions"]["timeAllowed"]["timeSlots"], now["actions"]["assignEvaluations"]) == (
        SLOTS["timeSlots"],
        call["actions"]["assignEvaluations"],
    )
    assert now["actions"]["retentionDuration"] == {
        "archiveRetention": {"days": 30, "storageMedium": "CLOUDARCHIVE"},
        "deleteRetention": {"days": 300},
    }
    assert [one["id"] for one in now["conditions"]["forQueues"]] == [org.QUEUE]
    assert after["conditions"]["mediaTypes"] == ["CALL"]


async def test_an_export_says_what_its_file_cannot(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """A condition that no onboarding has is named, also when it is the only one."""
    await ops.apply(org.onboarding(sandbox))
    (policy,) = api("GET", RETENTION_POLICIES).json()["entities"]
    for ours in (policy["mediaPolicies"]["callPolicy"]["conditions"], {}):
        policy["mediaPolicies"]["callPolicy"]["conditions"] = {**ours, "timeAllowed": SLOTS}
        assert api("PUT", policy["selfUri"], policy).is_success
        exported = await ops.backend.adopt("T", None, None)
        assert exported.policy.all_interactions == (not ours)
        assert any("callPolicy.conditions.timeAllowed cannot be said" in one for one in ops.backend.notes(exported))
        assert (await ops.plan(exported)).changes == ()


async def test_a_medium_that_is_left_out_goes_with_all_in_it(ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """What somebody else added to it is named before, and needs consent."""
    await ops.apply(org.onboarding(sandbox, policy={"recording_types": ["voice", "chat"]}))
    (policy,) = api("GET", RETENTION_POLICIES).json()["entities"]
    policy["mediaPolicies"]["chatPolicy"]["actions"]["assignSurveys"] = [{"surveyForm": {"id": "form"}}]
    assert api("PUT", policy["selfUri"], policy).is_success
    plan = await ops.plan(org.onboarding(sandbox))
    (change,) = plan.changes
    assert change.before
    assert change.after
    before, after = (ops.backend.meaning("policy", one) for one in (change.before, change.after))
    assert before.foreign - after.foreign == {"chatPolicy.actions.assignSurveys"}
    assert plan.unsafe == ("foreign-removal",)
    assert any("assignSurveys is none of the onboarding's, and goes with the medium" in note for note in plan.notes)


async def test_a_deleted_object_that_comes_back_is_said_to_have_a_new_id(
    ops: Operator, sandbox: Sandbox, api: Api
) -> None:
    """Everything else is as it was; what was never deleted keeps its id, and nothing is said of it."""
    wanted = org.onboarding(sandbox)
    await ops.apply(wanted)
    before, (policy,) = org.state(api), api("GET", RETENTION_POLICIES).json()["entities"]
    target = next(one for one in api("GET", INTEGRATIONS).json()["entities"] if one["name"] == "T")
    inject(sandbox, "DELETE", target["selfUri"], status=403, times=1)
    with pytest.raises(errors.RolledBack) as caught:
        await ops.apply(wanted, removal=True)
    assert "but for the id of policy P: made anew" in caught.value.title
    assert "webhook W" in caught.value.title
    assert "target T: made anew" not in caught.value.title
    assert org.state(api) == before
    assert api("GET", RETENTION_POLICIES).json()["entities"][0]["id"] != policy["id"]


async def test_keys_never_reach_this_backend(ops: Operator, sandbox: Sandbox) -> None:
    """Neither in a plan nor on the wire; and there is no secret to write again."""
    from opslib.credentials import KeyReference

    keys = KeyReference().resolve()
    with pytest.raises(errors.InvalidInput, match="Genesys takes a role"):
        await make_plan(ops.backend, org.onboarding(sandbox), keys)
    role = org.onboarding(sandbox).target.credentials
    assert isinstance(role, RoleReference)
    with pytest.raises(errors.InvalidInput, match="no secret to write again"):
        await make_plan(ops.backend, org.onboarding(sandbox), role, rotate=True)


BEFORE: Json = {"name": "T", "intendedState": "ENABLED", "properties": {"a": 1, "b": 2}}
AFTER: Json = {"name": "T", "intendedState": "ENABLED", "properties": {"a": 9, "c": 3}, "notes": "n"}


@pytest.mark.parametrize(
    ("found", "before", "cut_off"),
    [
        ({"name": "T", "intendedState": "DISABLED"}, None, True),
        ({"name": "T", "intendedState": "DISABLED", "properties": {"a": 9, "c": 3}, "notes": "n"}, None, True),
        (AFTER, None, True),
        ({**AFTER, "notes": "by hand"}, None, False),
        ({"name": "T", "intendedState": "DISABLED", "properties": {"a": 7}}, None, False),
        ({**AFTER, "intendedState": "DISABLED"}, BEFORE, True),
        ({**BEFORE, "properties": {"a": 1, "b": 5}}, BEFORE, False),
        ({**BEFORE, "integrationType": {"id": FEED_TYPE}}, BEFORE, False),
    ],
)
def test_what_a_cut_off_write_may_have_left(found: Json, before: Json | None, cut_off: bool) -> None:
    """Each field as it was or as it should be, or not switched on yet; anything else is somebody else's."""
    backend = PlatformBackend(client=NO_CLIENT)
    assert backend.may_be_cut_off(found, before, AFTER) == cut_off
    assert not backend.may_be_cut_off(found, BEFORE, None)
