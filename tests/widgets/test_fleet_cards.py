"""The cards of a fleet on the real sandbox: each button does one thing, and what has changed since blocks the next."""

from collections.abc import AsyncIterator
from pathlib import Path

import ipywidgets as w
import pytest

from opslib import errors
from opslib.onboarding.models import Consent
from opslib.settings import Settings
from opslib.walk.fleet import Fleet
from opslib.walk.fleet_progress import FleetProgress, Waiting
from opslib.widgets import FleetCards
from opslib.widgets.fleet_charts import rate_chart
from opslib.widgets.fleet_results import progress_details
from opslib.widgets.receipt import WIDGET_VIEW

from ..walk.fleets import applied, folder_of, onboarding, write, writes
from ..world import Api, Sandbox, environment
from .conftest import everything, fill

UNSAFE = "shorter-retention"


@pytest.fixture(autouse=True)
def home(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


@pytest.fixture
async def fleet(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[FleetCards]:
    """Of two files: one is new, the other is in the org and shortens the retention."""
    await applied(write(tmp_path / "files", onboarding(sandbox, 1)))
    shorter = onboarding(sandbox, 1, policy={"retention_days": 30})
    cards = FleetCards(write(tmp_path / "files", shorter, onboarding(sandbox, 2), {"version": 1}))
    yield cards
    await cards.aclose()


def text_of(widget: w.Widget) -> str:
    return "\n".join(one.value for one in everything(widget) if isinstance(one, w.HTML))


def consent_form(fleet: FleetCards, panel: str):  # type: ignore[no-untyped-def]
    return fleet.cards["approve"].form.panels[panel]  # type: ignore[union-attr]


async def test_from_a_folder_to_the_result(fleet: FleetCards, sandbox: Sandbox, api: Api) -> None:
    """Plan and Approve write nothing; what is unsafe stands on top and must be typed; the refused file keeps no other.
    Failures have cause and fix, and the charts their words."""
    sandbox.control("DELETE", "/requests")
    plan, approve, apply = fleet.cards.values()
    assert (approve.state, apply.state, approve.run_button.disabled) == ("waiting", "waiting", True)
    await plan.click()
    assert "3 onboardings: 2 to change (3 create, 1 update), 1 of them unsafe, 0 as wanted, 1 refused" in text_of(
        plan.widget
    )
    shown = plan.receipt()
    assert shown.index("f1.yaml") < shown.index("f3.yaml") < shown.index("f2.yaml")
    assert f"Unsafe: {UNSAFE}" in shown
    assert str(fleet.home) not in shown
    with pytest.raises(errors.ConsentMissing, match="needs your consent"):
        await approve.click()
    consent = consent_form(fleet, "Consent")
    fill(consent.controls["allow"], UNSAFE)
    fill(consent.controls["reason"], "a test")
    await approve.click()
    assert (approve.state, writes(sandbox)) == ("done", [])
    assert apply.run_button.description == "Apply 4 changes of 2 onboardings"
    result = await apply.click()
    assert (result.done, result.failed, apply.state) == (2, 1, "failed")
    assert api("GET", "/api/v2/recording/policies/p-1").json()["retentionPeriodDays"] == 30
    ended = fleet.result.receipt()
    assert "1 onboarding refused, nothing was written" in ended
    assert "Fix:" in ended
    assert "at most" in ended  # the chart says how near it came to the limit
    assert ended.count("<figure") == 3
    assert list(fleet.outcomes["outcome"]) == ["done", "done", "refused"]
    assert WIDGET_VIEW in fleet.result._repr_mimebundle_()
    with pytest.raises(errors.StepBlocked, match="plan again"):
        await apply.click()


async def test_what_has_changed_since_blocks_what_follows(fleet: FleetCards) -> None:
    """Other limits or another consent: approve again. Another folder: plan again. Nothing was sent meanwhile."""
    consent = Consent(allow=(UNSAFE,), reason="a test")
    fleet._auto_run = True
    await fleet.step("plan")
    approve = await fleet.step("approve", consent=consent)
    limits = consent_form(fleet, "Limits")
    fill(limits.controls["stop_after_failures"], 1)
    assert (approve.state, fleet.cards["apply"].state) == ("stale", "waiting")
    with pytest.raises(errors.StepBlocked, match="approve again"):
        await fleet.cards["apply"].click()
    await approve.click()
    assert fleet.cards["apply"].state == "ready"
    fill(fleet.cards["plan"].form.controls["folder"], "elsewhere")  # type: ignore[union-attr]
    assert [card.state for card in fleet.cards.values()] == ["stale", "stale", "waiting"]
    with pytest.raises(errors.InvalidInput, match="No onboarding files"):
        await fleet.cards["plan"].click()
    assert "name another folder" in text_of(fleet.cards["plan"].widget)


async def test_more_removals_than_the_limit_cannot_be_approved(sandbox: Sandbox, tmp_path: Path) -> None:
    """The card says why, and a higher limit allows it."""
    folder = folder_of(sandbox, tmp_path / "files", 1)
    await applied(folder)
    cards = FleetCards(write(folder, onboarding(sandbox, 1, target={"enabled": False})), auto_run=True)
    await cards.step("plan")
    consent = Consent(allow=("disable",), reason="a test")
    with pytest.raises(errors.StepBlocked, match="at most 10 % may be"):
        await cards.step("approve", consent=consent)
    fill(consent_form(cards, "Limits").controls["max_deletions_percent"], 50)
    assert (await cards.step("approve", consent=consent)).state == "done"
    await cards.aclose()


async def test_a_stopped_apply_goes_on_with_the_same_button(sandbox: Sandbox, tmp_path: Path) -> None:
    """The first press of Stop ends what is at work; nothing is half-done. The second apply does the rest."""
    cards = FleetCards(folder_of(sandbox, tmp_path / "files", 3), auto_run=True)
    cards.work.values = cards.work.values.model_copy(update={"at_once": 1})
    await cards.step("plan")
    await cards.step("approve")
    apply = cards.cards["apply"]

    def stop(progress: FleetProgress) -> None:
        if progress.phase == "apply" and progress.outcomes and not cards.work.result:
            apply.cancel_button.click()

    assert cards.work.fleet
    cards.work.fleet.on_progress.append(stop)
    first = await apply.click()
    assert first.outcomes == {"done": 1, "not_started": 2}
    assert (apply.state, apply.run_button.description) == ("ready", "Go on with the apply")
    assert "Nothing is half-done" in text_of(apply.widget)
    second = await apply.click()
    assert (second.done, apply.state) == (3, "done")
    await cards.aclose()


async def test_what_was_left_half_done_is_finished_by_a_second_press(sandbox: Sandbox, tmp_path: Path) -> None:
    """The first press of Plan only says so, and sends nothing. An undo that was cut off is completed."""
    folder = folder_of(sandbox, tmp_path / "files", 1)
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies", "status": 400, "times": 9})
    sandbox.control("POST", "/faults", {"method": "DELETE", "path_regex": "targets", "status": 403, "times": 9})
    assert (await applied(folder)).half_done == 1
    sandbox.control("DELETE", "/faults")
    sandbox.control("DELETE", "/requests")
    cards = FleetCards(folder)
    plan = cards.cards["plan"]
    assert await plan.click() is None
    assert (plan.run_button.description, writes(sandbox)) == ("Finish 1 half-done, then plan", [])
    assert "left half-done by an earlier apply: f1.yaml" in text_of(plan.widget)
    await plan.click()
    assert (plan.state, cards.work.left) == ("done", [])
    assert "1 onboarding: 1 to change (3 create), 0 as wanted, 0 refused" in text_of(plan.widget)
    await cards.aclose()


async def test_the_banner_says_live_for_a_live_org_in_a_file(
    fleet: FleetCards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes by the orgs of the files, not by the environment."""
    assert fleet.widget.live is False
    fleet.work.fleet = fleet.work._open()
    monkeypatch.setattr(Fleet, "orgs", [Settings(api_url="https://api.mypurecloud.ie")])
    fleet.work.changed()
    assert fleet.widget.live is True


def test_progress_says_who_waits_for_which_limit() -> None:
    """And how long it will take."""
    waiting = [Waiting("api.mypurecloud.com", 4, 12.4)]
    so_far = FleetProgress("apply", 40, 10, {"done": 9, "rolled_back": 1}, ["a.yaml"], 29, waiting, 240.0)
    shown = progress_details(so_far, stopping=True)
    assert "4 requests wait for the rate limit of api.mypurecloud.com, which opens in 12 s" in shown
    assert "29 onboardings wait for a free place" in shown
    assert "9 done, 1 failed and rolled back" in shown
    assert "about 4 min" in shown
    assert "no other onboarding begins" in shown


def test_the_rate_chart_counts_each_org_by_itself() -> None:
    """The busiest one is drawn; with what was answered with 429."""
    import pandas as pd

    times = pd.to_datetime([0, 1, 2, 100, 1, 2], unit="s", utc=True)
    samples = pd.DataFrame(
        {
            "org": ["https://a.example as 1"] * 4 + ["https://b.example as 2"] * 2,
            "started_at": times,
            "attempt": 1,
            "outcome": ["success", "rate_limited", "success", "success", "success", "success"],
        }
    )
    chart = rate_chart(samples)
    assert "a.example, client 1, the busiest of 2 orgs: 4 attempts within 100.0 s, at most 3 in 60 s" in chart.alt
    assert "1 answered with 429" in chart.alt
    assert chart.svg
