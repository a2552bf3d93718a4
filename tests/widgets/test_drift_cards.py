"""The looks for drift, and the removal, as cards on the real sandbox: what they say, and that only consent deletes."""

from collections.abc import AsyncIterator

import ipywidgets as w
import pytest

from opslib import errors
from opslib.onboarding.models import Consent
from opslib.walk.drift import Drift
from opslib.walk.walk import Walk
from opslib.widgets import DriftCards, StepCard, WalkCards
from opslib.widgets.receipt import WIDGET_VIEW

from .. import world
from ..world import POLICIES, TARGETS, Api, Sandbox
from .conftest import everything, fill


@pytest.fixture
async def onboarded(walk: Walk) -> Walk:
    async for _ in walk.in_order(until="apply"):
        pass
    return walk


@pytest.fixture
async def drift(onboarded: Walk) -> AsyncIterator[DriftCards]:
    async with Drift(onboarded.onboarding, onboarded.settings, command="drift") as walk:
        yield DriftCards(walk)


@pytest.fixture
async def removal(onboarded: Walk) -> AsyncIterator[Walk]:
    async with Walk(onboarded.onboarding, onboarded.settings, removal=True) as walk:
        yield walk


def lines(card: StepCard) -> str:
    return "\n".join(one.value for one in everything(card.widget) if isinstance(one, w.HTML))


def shorten(api: Api, policy: str) -> None:
    kept = api("GET", f"{POLICIES}/{policy}").json()
    body = {name: kept[name] for name in world.policy()} | {"retentionPeriodDays": 30}
    assert api("PUT", f"{POLICIES}/{policy}", body).is_success


async def test_a_look_is_one_click(drift: DriftCards) -> None:
    """It connects by itself; the banner and the cards can be read without a kernel."""
    card = await drift.step("compare")
    assert (card.state, card.run_button.description) == ("ready", "Compare")
    await card.click()
    assert "The org is as the onboarding says" in lines(card)
    assert card.run_button.description == "Compare again"
    assert drift.widget.live is False
    bundle = drift._repr_mimebundle_()
    assert "RECORDED EXAMPLE" in bundle["text/html"]
    assert WIDGET_VIEW in bundle


async def test_a_difference_is_an_error_with_its_fix_and_the_fields(drift: DriftCards, api: Api) -> None:
    """No green tick; live and in the receipt."""
    card = await drift.step("compare")
    shorten(api, card._walk.onboarding.policy.id)
    with pytest.raises(errors.OrgDrifted):
        await card.click()
    assert card.state == "failed"
    for shown in (lines(card), card.receipt()):
        assert "ComplianceVoicePolicy: 1 field differs" in shown
        assert "apply the onboarding again" in shown
        assert "Delete after" in shown


async def test_what_others_changed_is_listed_with_by_and_when(drift: DriftCards, api: Api) -> None:
    """A receipt is the same in each run, so it leaves out the times."""
    card = await drift.step("changes")
    await card.click()
    shorten(api, card._walk.onboarding.policy.id)
    await card.click()
    assert "1 change was found" in lines(card)
    assert "delete after 365 days → 30 days" in card.receipt()
    assert "When (UTC)" in lines(card)
    assert "When (UTC)" not in card.receipt()


async def test_a_card_runs_by_itself_only_if_asked(onboarded: Walk) -> None:
    async with Drift(onboarded.onboarding, onboarded.settings, command="drift") as walk:
        assert (await DriftCards(walk, auto_run=True).step("compare")).state == "done"


async def test_a_removal_has_five_steps_that_say_what_they_do(removal: Walk, sandbox: Sandbox, api: Api) -> None:
    """The same cards as for an onboarding; nothing is deleted before the name and a reason are typed."""
    cards = WalkCards(removal)
    assert list(cards) == ["connect", "validate_bucket", "plan", "approve", "apply"]
    with pytest.raises(KeyError, match="no step 'report'"):
        cards["report"]
    for name in ("connect", "validate_bucket", "plan"):
        await cards[name].click()
    assert [len(cards.widget.steps), cards.widget.next] == [5, ["approve", "Approve 3 removals"]]
    approve = cards["approve"]
    with pytest.raises(errors.ConsentMissing):
        await approve.click()
    assert "recordings already written stay in the bucket" in lines(approve)
    assert api("GET", TARGETS).json()["entities"]
    form = approve.form.panels["Consent"]  # type: ignore[union-attr]
    fill(form.controls["confirm"], removal.onboarding.target.name)
    fill(form.controls["reason"], "a test")
    await approve.click()
    assert cards["apply"].run_button.description == "Remove 3 objects"
    assert (await cards["apply"].click()).summary == "3 removed, and read back as gone"
    assert api("GET", TARGETS).json()["entities"] == []
    assert repr(cards) == "5 of 5 steps done"


async def test_an_undo_has_five_steps_that_say_what_they_do(removal: Walk, api: Api) -> None:
    """Of a removal: the cards were made before there was one to undo, and find it when they connect."""
    before = api("GET", TARGETS).json()["entities"][0]["configuration"]
    async with Walk(settings=removal.settings, undo="last", session=removal.session) as walk:
        cards = WalkCards(walk)
        assert list(cards) == list(removal.order)
        async for _ in removal.in_order(Consent(allow=("delete",), reason="a test")):
            pass
        for name in ("connect", "validate_bucket", "plan"):
            await cards[name].click()
        assert removal.run_id in lines(cards["plan"])
        assert "About this undo" in lines(cards["plan"])
        assert "what it was before the apply" in lines(cards["apply"])
        await cards["approve"].click()
        assert cards["apply"].run_button.description == "Undo 3 changes to Sandbox"
        await cards["apply"].click()
    assert api("GET", TARGETS).json()["entities"][0]["configuration"] == before


async def test_a_removal_by_itself_needs_a_consent_with_a_reason(removal: Walk, api: Api) -> None:
    """As on a live org, where a notebook has no reason of its own."""
    cards = WalkCards(removal, auto_run=True)
    for name in ("connect", "validate_bucket", "plan"):
        await cards.step(name)
    with pytest.raises(errors.ConsentMissing):
        await cards.step("approve", consent=Consent(allow=("delete",), reason=""))
    assert api("GET", TARGETS).json()["entities"]
