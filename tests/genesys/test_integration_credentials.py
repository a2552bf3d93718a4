"""Where a type of integration has its role, and what the name of a credential says of what it holds."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib import errors
from opslib.credentials import RoleReference
from opslib.genesys.creations import Creations
from opslib.genesys.integration_credentials import Held, IntegrationCredentials, by_name, held, is_ours
from opslib.sandbox.server.platform.credential import ROLE_CREDENTIALS, RoleCredential

from ..router.org import NO_CLIENT
from ..world import Json

ROLE = RoleReference(role_arn="arn:aws:iam::123456789012:role/path/R,x=1", external_id="org:id/1,2")


def credentials(*types: Json) -> IntegrationCredentials:
    """Those of an org that knows these types."""
    known = IntegrationCredentials(NO_CLIENT, Creations(NO_CLIENT))
    known._types = list(types)
    return known


def a_type(id: str, *fields: str, required: tuple[str, ...] = ()) -> Json:
    return {"id": id, "name": id, "properties": {name: {"type": "string"} for name in fields}, "required": required}


def asks_for(**slots: list[str]) -> Json:
    specification = {name: {"required": True, "credentialTypes": types} for name, types in slots.items()}
    return {"id": "an-s3-type", "credentials": specification}


@pytest.mark.parametrize("role", ROLE_CREDENTIALS, ids=lambda role: role.slot)
async def test_the_slot_is_found_however_the_org_calls_it(role: RoleCredential) -> None:
    """Also where the fields are inside a JSON schema, and where a credential of another type has a role, too."""
    integration_type = {"id": "t", "credentials": role.specification()}
    slot = await credentials(a_type("another", "roleArn"), role.type.public()).slot(integration_type)
    assert slot
    holds = slot.holding("T", ROLE)
    values = {role.role: ROLE.role_arn} | ({role.external_id: ROLE.external_id} if role.external_id else {})
    assert (slot.name, slot.type["id"], slot.values(holds)) == (role.slot, role.type.id, values)


async def test_a_type_without_credentials_has_no_slot() -> None:
    """Nothing is asked."""
    assert await IntegrationCredentials(NO_CLIENT, Creations(NO_CLIENT)).slot({"id": "t", "credentials": {}}) is None


@pytest.mark.parametrize(
    ("asked", "types", "words"),
    [
        (asks_for(a=["basic"]), [a_type("basic", "userName", "password")], "none of them has a field for a role"),
        (asks_for(a=["gone"]), [], "none of them has a field for a role: a (type gone)"),
        (
            asks_for(a=["x", "y"]),
            [a_type("x", "roleArn"), a_type("y", "iamRole")],
            "several of them have a field for a role: a (type x, y)",
        ),
        (asks_for(a=["x"], b=["x"]), [a_type("x", "roleArn")], "several of them have"),
        (asks_for(a=["x"]), [a_type("x", "readRole", "writeRole")], "none of them has"),
        (asks_for(a=["x"]), [a_type("x", "roleArn", "token", required=("roleArn", "token"))], "none of them has"),
    ],
)
async def test_what_is_not_clear_is_refused_with_a_way_out(asked: Json, types: list[Json], words: str) -> None:
    """No guess; whoever makes the credential by hand can go on."""
    with pytest.raises(errors.InvalidInput, match="has its role is not clear") as caught:
        await credentials(*types).slot(asked)
    assert words in caught.value.cause
    assert "target.name" in caught.value.fix


@settings(deadline=None)
@given(
    st.text(min_size=1, max_size=60).filter(
        lambda name: "\n" not in name and name.strip() == name and name.isprintable()
    ),
    st.from_regex(r"arn:aws[a-z-]{0,7}:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,60}", fullmatch=True),
    st.one_of(st.just(""), st.from_regex(r"[A-Za-z0-9+=,.@:/_-]{2,60}", fullmatch=True)),
)
def test_a_name_says_all_that_was_written(target: str, role_arn: str, external_id: str) -> None:
    """From what it holds to its name and back."""
    holds = Held(target, role_arn, external_id)
    assert held(holds.name) == holds
    assert is_ours({"name": holds.name}, target)
    assert not is_ours({"name": holds.name}, target + "x")


@pytest.mark.parametrize("name", ["", "by hand", "T; managed by opslib", "T, role x; managed by opslib", "None"])
def test_what_others_made_is_theirs(name: str) -> None:
    assert held(name) is None


def test_ours_go_by_name_and_others_by_id() -> None:
    """A credential of ours that the integration does not use is named; another target's is not."""
    ours, old, of_another = (Held(target, ROLE.role_arn + end) for target, end in (("T", ""), ("T", "old"), ("U", "")))
    listed: list[dict[str, Any]] = [
        {"id": "1", "name": ours.name},
        {"id": "2", "name": old.name},
        {"id": "3", "name": of_another.name},
        {"id": "4", "name": "by hand"},
    ]
    integration = {
        "name": "T",
        "credentials": {"a": {"id": "1", "name": ours.name}, "b": {"id": "4"}, "c": {"id": "3"}},
    }
    assert by_name(integration, listed) == {
        "name": "T",
        "credentials": {"a": {"name": ours.name}, "b": {"id": "4"}, "c": {"id": "3"}},
        "unusedCredentials": {old.name: True},
    }
    assert "unusedCredentials" not in by_name({"name": "V"}, listed)
