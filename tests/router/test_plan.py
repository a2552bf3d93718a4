"""Plans: their order, their differences, what is unsafe in them, their checksum, and how they read."""

from pathlib import Path
from typing import Any

import pytest

from opslib.genesys.backend import JSON, Item, Kind
from opslib.genesys.storage_targets_backend import StorageTargetsBackend
from opslib.router.plan import Change, Plan, _change, make_plan, make_removal
from opslib.router.render import as_text
from opslib.router.unsafe_changes import UNSAFE
from opslib.widgets.plan import plan_html

from ..world import Sandbox
from .org import NO_CLIENT, onboarding

BACKEND = StorageTargetsBackend(client=NO_CLIENT)
KEY = {"bucket": "b", "region": "us-east-1", "accessKeyId": "AKIAOLD"}
ROLE = {"bucket": "b", "region": "us-east-1", "roleArn": "arn:aws:iam::123456789012:role/R", "externalId": "e-1"}


def target(**changes: Any) -> JSON:
    return {"name": "T", "configuration": KEY, "retentionPeriodDays": 365, "enabled": True, **changes}


def update(before: JSON, after: JSON, kind: Kind = "target", id: str = "t-1") -> Change:
    return _change(BACKEND, Item(kind, id, "T", after), before, after)


def plan_of(*changes: Change, where: str = "https://api.example.com") -> Plan:
    return Plan(where=where, changes=changes)


@pytest.fixture
def sandbox() -> Any:
    """Only its bucket's name is asked for."""
    return {"bucket": "recordings-prod"}


class Org:
    """A backend that has what it is told to have; only `make_plan` uses it."""

    def __init__(self, sandbox: Sandbox, **has: JSON) -> None:
        self.items, self.writable, self.comparable = BACKEND.items, BACKEND.writable, BACKEND.comparable
        self.meaning, self.notes, self.warnings = BACKEND.meaning, BACKEND.notes, BACKEND.warnings
        self.to_do_first = BACKEND.to_do_first
        self.name, self.where = BACKEND.name, BACKEND.where
        self._has = has

    async def read(self, kind: Kind, id: str) -> JSON | None:
        return self._has.get(kind)


@pytest.mark.parametrize(
    ("old_days", "new_days", "order"),
    [(365, 100, ["policy", "target", "webhook"]), (100, 365, ["target", "policy", "webhook"])],
)
async def test_the_policy_never_keeps_longer_than_its_target(
    sandbox: Sandbox, old_days: int, new_days: int, order: list[str]
) -> None:
    """When retention shrinks the policy goes first; when it grows, the target."""
    from opslib.credentials import KeyReference

    old = onboarding(sandbox, target={"retention_days": old_days}, policy={"retention_days": old_days})
    new = onboarding(
        sandbox,
        target={"retention_days": new_days},
        policy={"retention_days": new_days},
        webhook={"url": "https://other.example.com/in"},
    )
    keys = KeyReference().resolve({"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "plan-canary-secret-0123"})
    org: Any = Org(sandbox)
    had = {item.kind: {**item.body, "id": item.id, "version": 3} for item in await org.items(old, keys)}
    plan = await make_plan(Org(sandbox, **had), new, keys)  # type: ignore[arg-type]
    assert [change.kind for change in plan.changes] == order
    same = await make_plan(Org(sandbox, **had), old, keys)  # type: ignore[arg-type]
    assert same.changes == ()
    assert "plan-canary" not in repr(plan)


def test_fields_that_differ_and_no_others() -> None:
    """Nested with dots; the order of a list means nothing; what is not there is None."""
    change = update(
        {"a": 1, "list": ["x", "y"], "deep": {"same": 1, "old": 2}}, {"a": 2, "list": ["y", "x"], "deep": {"same": 1}}
    )
    assert [(field.path, field.before, field.after) for field in change.fields] == [("a", 1, 2), ("deep.old", 2, None)]


@pytest.mark.parametrize(
    ("after", "names"),
    [
        (target(name="other"), ()),
        (target(configuration=KEY | {"bucket": "c"}), ("bucket-change",)),
        (target(configuration=KEY | {"region": "eu-west-1"}), ("region-change",)),
        (target(retentionPeriodDays=364), ("shorter-retention",)),
        (target(retentionPeriodDays=366), ()),
        (target(enabled=False), ("disable",)),
        (target(configuration=KEY | {"accessKeyId": "AKIANEW"}), ("credential-change",)),
        (target(configuration=ROLE), ("credential-change",)),
        (target(configuration=KEY | {"bucket": "c"}, enabled=False), ("bucket-change", "disable")),
    ],
)
def test_what_is_unsafe_has_a_name(after: JSON, names: tuple[str, ...]) -> None:
    """Each name is explained; the way back of a shorter retention is safe."""
    assert update(target(), after).unsafe == names
    assert set(names) <= set(UNSAFE)


async def test_deleting_and_many_at_once_are_unsafe(sandbox: Sandbox) -> None:
    """Eleven objects are more than any onboarding has."""
    removal = await make_removal(Org(sandbox, target=target()), onboarding(sandbox))  # type: ignore[arg-type]
    assert removal.unsafe == ("delete",)
    ids = [f"t-{number}" for number in range(11)]
    new = [Change(action="create", kind="target", id=id, name="T", before=None, after=target()) for id in ids]
    assert plan_of(*new).unsafe == ("many",)
    assert plan_of(*new[:10]).unsafe == ()


@pytest.mark.parametrize(
    ("before", "after", "undone"),
    [
        (KEY, KEY | {"bucket": "c"}, KEY),
        (KEY, KEY | {"accessKeyId": "AKIANEW", "bucket": "c"}, KEY | {"accessKeyId": "AKIANEW"}),
        (KEY, ROLE, ROLE),
        (ROLE, KEY, ROLE),
        (ROLE, ROLE | {"externalId": "e-2"}, ROLE),
    ],
)
def test_what_a_rollback_writes(before: JSON, after: JSON, undone: JSON) -> None:
    """The state before; but an old access key comes without its secret, so the new credentials stay."""
    assert BACKEND.undo_body(target(configuration=before), target(configuration=after)) == target(configuration=undone)


def test_a_checksum_covers_everything_that_will_be_done() -> None:
    """Equal plans are equal; another org, value, order or rotation is another plan."""
    one, two = update(target(), target(name="A")), update(target(), target(name="A"), id="t-2")
    plans = [
        plan_of(one, two),
        plan_of(two, one),
        plan_of(one),
        plan_of(one, two, where="https://api.other.example.com"),
        plan_of(one.model_copy(update={"rotates": True}), two),
        plan_of(update(target(name="B"), target(name="A")), two),
        plan_of(),
    ]
    assert len({plan.checksum for plan in plans}) == len(plans)
    for words in ("notes", "warnings"):
        said = plan_of(one, two).model_copy(update={words: ("said",)})
        assert said.checksum == plan_of(one, two).checksum
    assert plan_of(one, two).checksum == plan_of(one, two).checksum


def test_a_plan_reads_well_in_a_terminal_and_on_a_page() -> None:
    """Signs and words; old and new value; consent by name; nothing that a value brings along becomes markup."""
    evil = "<img src=x onerror=alert(1)>"
    plan = plan_of(
        Change(
            action="create", kind="policy", id="p-1", name=evil, before=None, after={"name": evil, "types": ["a", "b"]}
        ),
        update(target(), target(enabled=False)),
        Change(action="delete", kind="webhook", id="w-1", name="W", before={"name": "W"}, after=None),
    )
    said = as_text(plan.as_json())
    for line in (
        f"+ create policy {evil} (p-1)",
        "    types: a, b",
        "~ update target T (t-1)",
        "    switched on: yes → no",
        "- delete webhook W (w-1)",
        f"! disable: {UNSAFE['disable']} (needs --allow disable, with a reason)",
        f"3 to change, checksum {plan.checksum}",
    ):
        assert line in said.splitlines()
    page = plan_html(plan.as_json()).html
    assert "<img" not in page
    assert "&lt;img" in page
    for words in ("~ update target T (t-1)", "<td", "Unsafe, needs consent:", "disable", "Before", "After"):
        assert words in page
    nothing = plan_of().as_json()
    assert as_text(nothing) == plan_html(nothing).plain == "Nothing to do: the org is as wanted."


def test_a_rotation_shows_without_the_secret() -> None:
    """Secrets never differ, so it says what will be done."""
    rotation = update(target(), target()).model_copy(update={"rotates": True})
    assert [(field.path, field.after) for field in rotation.fields] == [
        ("configuration.secretAccessKey", "written again")
    ]


def test_a_plan_survives_the_ledger(tmp_path: Path) -> None:
    """What is written down before the first write is the whole plan."""
    plan = plan_of(update(target(), target(name="A")))
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    assert Plan.model_validate_json(plan.model_dump_json()).checksum == plan.checksum
