"""Names in the forms: a name is chosen and its id written; without names the forms are as good as before."""

import html
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ipywidgets as w
import pytest

from opslib.errors import InvalidInput
from opslib.onboarding.values import aws_regions
from opslib.validator.own_buckets import Buckets
from opslib.walk.walk import Walk
from opslib.widgets import Form, WalkCards, lookup
from opslib.widgets.fields import Group, Named
from opslib.widgets.form import Sections

from ..hostile import WIPE, acting
from ..router import platform_org as org
from ..world import Json, Sandbox, environment
from .conftest import browser_sets


@pytest.fixture
def on_platform(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def platform_walk(on_platform: None, sandbox: Sandbox) -> AsyncIterator[Walk]:
    async with Walk(org.onboarding(sandbox)) as walk:
        yield walk


def policy_form(cards: WalkCards) -> Form[Any]:
    panel = cards["plan"].form
    assert isinstance(panel, Sections)
    form = panel.panels["Retention policy"]
    assert isinstance(form, Form)
    return form


def field(form: Form[Any], name: str) -> Named:
    conditions = form.controls["conditions"]
    assert isinstance(conditions, Group)
    control = conditions.controls[name]
    assert isinstance(control, Named)
    return control


async def looked_up(form: Form[Any]) -> None:
    assert form.lookup
    assert form.lookup._task
    await form.lookup._task


async def with_names(walk: Walk) -> tuple[WalkCards, Form[Any]]:
    """Connected, and the card of the plan opened."""
    cards = WalkCards(walk)
    form = policy_form(cards)
    await cards["connect"].click()
    cards["plan"].frame.fold(False)
    await looked_up(form)
    return cards, form


def asked(sandbox: Sandbox) -> list[str]:
    return [one["path"] for one in sandbox.requests() if "/routing/" in one["path"]]


async def test_a_name_is_chosen_and_its_id_written(platform_walk: Walk) -> None:
    """It comes after what is there, which stays; below stand the names, and the receipt has both."""
    _, form = await with_names(platform_walk)
    queues = field(form, "queues")
    before = platform_walk.onboarding.policy.conditions.queues
    assert list(queues._add.options) == ["Billing", "Claims", "Sales", "Support"]
    browser_sets(queues._add, value="Sales")
    sales = next(id for id, name in queues._names.items() if name == "Sales")
    assert platform_walk.onboarding.policy.conditions.queues == (*before, sales)
    assert queues._add.value == ""
    assert "Sales" in queues.below.value
    assert f"Sales ({sales})" in dict(queues.rows())["Queues"]
    browser_sets(queues._add, value="Sales")
    assert platform_walk.onboarding.policy.conditions.queues == (*before, sales)


async def test_a_text_that_is_no_name_blocks_the_plan(platform_walk: Walk) -> None:
    """What stands in the form is never less than what would be planned; cleared, all is well."""
    cards, form = await with_names(platform_walk)
    queues = field(form, "queues")
    before = platform_walk.onboarding
    browser_sets(queues._add, value="Salse")
    assert form.problems == ["Queues: not one of the names; choose one, or clear what was typed"]
    assert "not one of the names" in queues.below.value
    assert not cards["plan"].frame.folded
    with pytest.raises(InvalidInput, match="not one of the names"):
        await cards["plan"].click()
    browser_sets(queues._add, value="")
    assert form.problems == []
    browser_sets(queues._add, value="Salse")
    queues.offer({})
    assert form.problems == []  # without names it could not be cleared by hand
    assert platform_walk.onboarding == before


async def test_nothing_is_asked_before_connect_and_once_after(platform_walk: Walk, sandbox: Sandbox) -> None:
    """Only when the card is open; folded and opened again, what was read counts. The ledger has none of it."""
    cards = WalkCards(platform_walk)
    form = policy_form(cards)
    cards["plan"].frame.fold(False)
    assert form.lookup
    assert form.lookup._task is None
    cards["plan"].frame.fold(True)
    await cards["connect"].click()
    assert form.lookup._task is None
    for folded in (False, True, False):
        cards["plan"].frame.fold(folded)
    await looked_up(form)
    assert sorted(asked(sandbox)) == ["/api/v2/routing/queues", "/api/v2/routing/wrapupcodes"]
    assert not any("routing" in str(entry.data) for entry in platform_walk.journal.ledger.entries())


async def test_it_is_no_part_of_what_redraws_the_card(platform_walk: Walk) -> None:
    """A card is redrawn in the middle of a step's operation, whose attempts and deadline are its own."""
    cards = WalkCards(platform_walk)
    form = policy_form(cards)
    await cards["connect"].click()
    async with platform_walk.session.client.operation("of_a_step") as operation:
        cards["plan"].frame.fold(False)
        await looked_up(form)
    assert field(form, "queues")._names
    assert operation.attempts == 0


async def test_without_the_permission_ids_can_be_typed(platform_walk: Walk, sandbox: Sandbox) -> None:
    """The reason stands below the field, and names the permission; the other lists are there."""
    scopes = ["recording:retentionPolicy:view", "integrations:integration:view", "directory:user:view"]
    who: Json = sandbox.control("POST", "/clients", {"scopes": scopes}).json()
    changed = {"client_id": who["client_id"], "client_secret": who["client_secret"]}
    platform_walk.settings = platform_walk.settings.model_copy(update=changed)
    _, form = await with_names(platform_walk)
    queues, users = field(form, "queues"), field(form, "users")
    assert "No names to choose from" in queues.below.value
    assert "routing:queue:view" in queues.below.value
    assert queues._add.disabled
    assert "Ana Silva" in users._add.options
    browser_sets(queues._input, value=org.QUEUE)
    assert platform_walk.onboarding.policy.conditions.queues == (org.QUEUE,)
    assert form.problems == []


async def test_no_answer_in_time_is_said(platform_walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a word below each field."""
    monkeypatch.setattr(lookup, "WITHIN_S", 0.0)
    _, form = await with_names(platform_walk)
    for name in ("queues", "users", "teams", "wrapup_codes"):
        assert "no answer within" in field(form, name).below.value


async def test_a_defect_leaves_the_form(platform_walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong, it is below the field, and no task ends with an exception that nobody takes."""

    async def broken(*_: object) -> None:
        raise ValueError("no secret in here")

    monkeypatch.setattr("opslib.widgets.names.read_names", broken)
    _, form = await with_names(platform_walk)
    assert "ValueError" in field(form, "queues").below.value
    assert "no secret" not in field(form, "queues").below.value


async def test_hostile_names_do_not_act(platform_walk: Walk) -> None:
    """Escaped in HTML, on one line and without a mark that turns it; two of one name are told apart."""
    queues = field(policy_form(WalkCards(platform_walk)), "queues")
    evil = "<img src=x onerror=alert(1)>"
    queues.offer({org.QUEUE: evil, org.OTHER_QUEUE: WIPE, "a": "Twice", "b": "Twice", "c": ""})
    assert [acting(option) for option in queues._add.options] == [""] * 5
    assert {"Twice (a)", "Twice (b)", "c"} < set(queues._add.options)
    assert "<img" not in queues.below.value
    assert html.escape(evil) in queues.below.value
    browser_sets(queues._add, value="Twice (b)")
    assert queues._input.value.endswith(", b")


async def test_only_the_first_names_are_said(platform_walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the org has more than are read."""
    monkeypatch.setattr("opslib.genesys.names._PAGE_SIZE", 1)
    monkeypatch.setattr("opslib.genesys.names._MOST_PAGES", 2)
    _, form = await with_names(platform_walk)
    assert "the first 500 names can be chosen" in field(form, "queues").below.value


async def test_buckets_and_regions_are_suggested(walk: Walk, cards: WalkCards, sandbox: Sandbox) -> None:
    """Regions from the start, without a request; buckets once connected. Any other text may be typed."""
    form = cards["validate_bucket"].form
    assert isinstance(form, Form)
    bucket, region = (form.controls[name]._input for name in ("bucket", "region"))  # type: ignore[attr-defined]
    assert set(region.options) == aws_regions()
    assert list(bucket.options) == []
    assert sandbox.requests() == []
    await cards["connect"].click()
    await looked_up(form)
    assert sandbox["bucket"] in bucket.options
    browser_sets(bucket, value="another-bucket")
    assert walk.onboarding.target.bucket == "another-bucket"
    assert form.problems == []


async def test_buckets_that_a_page_would_obey_are_left_out(
    walk: Walk, cards: WalkCards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What answers need not be AWS. That there are more is said."""

    async def foreign(*_: object) -> Buckets:
        return Buckets(("good", f"bad{WIPE}"), more=True)

    monkeypatch.setattr("opslib.widgets.names.own_buckets", foreign)
    form = cards["validate_bucket"].form
    assert isinstance(form, Form)
    await cards["connect"].click()
    await looked_up(form)
    bucket: Any = form.controls["bucket"]
    assert list(bucket._input.options) == ["good"]
    assert "The first 1000 buckets are suggested." in bucket.below.value


async def test_buckets_that_may_not_be_listed_are_typed(
    walk: Walk, cards: WalkCards, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is below the field."""
    user: Json = sandbox.control("POST", "/aws-users", {"actions": ["s3:GetBucketAcl"]}).json()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", user["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", user["secret_access_key"])
    form = cards["validate_bucket"].form
    assert isinstance(form, Form)
    await cards["connect"].click()
    await looked_up(form)
    bucket: Any = form.controls["bucket"]
    assert "No names to choose from" in bucket.below.value
    assert "s3:ListAllMyBuckets" in bucket.below.value
    browser_sets(bucket._input, value="typed-bucket")
    assert walk.onboarding.target.bucket == "typed-bucket"


async def test_a_later_connection_asks_again(platform_walk: Walk, sandbox: Sandbox) -> None:
    """It may be another org."""
    cards, form = await with_names(platform_walk)
    first = form.lookup._task if form.lookup else None
    await cards["connect"].click()
    await looked_up(form)
    assert form.lookup
    assert form.lookup._task is not first
    assert len(asked(sandbox)) == 4


def test_every_input_has_a_label() -> None:
    """Also the one that adds a name."""
    control = Named("Queues", "", lambda: None)
    assert [one.description for one in control.widget.children if isinstance(one, w.Text)] == [
        "Add queues by name",
        "Queues",
    ]
