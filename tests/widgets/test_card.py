"""Cards against the real sandbox: one code path for a click and a cell, gating, errors, cancel, and no false green."""

import asyncio
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import ipywidgets as w
import pytest
from pydantic import SecretStr

from opslib import errors
from opslib.onboarding.models import Consent
from opslib.settings import Settings
from opslib.walk.steps import STEPS
from opslib.walk.walk import Walk
from opslib.widgets import StepCancelled, StepCard, WalkCards, auto_run
from opslib.widgets.receipt import WIDGET_VIEW

from ..rewriting import rewriting
from ..world import Sandbox
from .conftest import everything, fill

ORDER = list(STEPS)


def lines(card: StepCard) -> str:
    """All that the live card says."""
    return "\n".join(one.value for one in everything(card.widget) if isinstance(one, w.HTML))


def puts(sandbox: Sandbox) -> int:
    return [request["method"] for request in sandbox.requests()].count("PUT")


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (the condition may be in another process)
            await asyncio.sleep(0.01)


async def done_up_to(cards: WalkCards, name: str) -> StepCard:
    """The card of a step, with all steps before it done."""
    for before in ORDER[: ORDER.index(name)]:
        await cards[before].click()
    return cards[name]


@pytest.mark.slow
async def test_the_whole_walk_by_clicks(cards: WalkCards, sandbox: Sandbox) -> None:
    """Every card ends done, live and in its receipt; the next card opens by itself."""
    assert [cards[name].run_button.disabled for name in ORDER] == [False] + [True] * 6
    for name in ORDER:
        card = cards[name]
        assert not card.run_button.disabled
        result = await card.click()
        assert (result.state, card.state, repr(card)) == ("done", "done", f"{STEPS[name].title}: done")
        assert card.run_button.description.endswith(" again")
        assert card.cancel_button.disabled
        assert "✔</span> <strong>done</strong>" in lines(card)
    assert puts(sandbox) == 4  # three changes, and one to see an event
    assert repr(cards) == "7 of 7 steps done"
    assert "95th percentile of latency" in lines(cards["report"])


async def test_a_persons_click_takes_the_same_way(cards: WalkCards, walk: Walk) -> None:
    """Nobody awaits the button; the card still ends done."""
    cards["connect"].run_button.click()
    await until(lambda: cards["connect"].state == "done")
    assert walk.state("connect") == "done"


@pytest.mark.slow
async def test_clicks_while_it_runs_join_it(cards: WalkCards, sandbox: Sandbox) -> None:
    """Double click, two cells and a second card for the same step: one apply, one result."""
    card = await done_up_to(cards, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "^/api/", "delay_s": 0.3})
    other = WalkCards(card._walk)["apply"]
    card.run_button.click()
    card.run_button.click()
    results = asyncio.gather(card.click(), card.click(), other.click())
    await until(lambda: card.state == "running")
    assert card.run_button.disabled
    assert not card.cancel_button.disabled
    await until(lambda: 'max="3" aria-label="Apply is running"' in lines(card))
    assert "0 of 3 done; create target ProdVoiceArchive" in lines(card)
    assert other.state == "running"
    first, second, third = await results
    assert first is second is third
    assert puts(sandbox) == 3
    assert "<progress" not in lines(card)


@pytest.mark.parametrize("name", ORDER[1:])
async def test_out_of_order_is_an_error_card_and_nothing_is_sent(cards: WalkCards, sandbox: Sandbox, name: str) -> None:
    """The rule is the step's; the card shows it, and the cell fails."""
    card = cards[name]
    with pytest.raises(errors.StepBlocked, match=r"must be (done|run) first"):
        await card.click()
    assert sandbox.requests() == []
    assert 'role="alert"' in lines(card)
    assert "Nothing was changed: the step did not start." in card.receipt()
    assert card.state == "waiting"


async def test_a_refusal_is_gone_once_the_step_may_run(cards: WalkCards) -> None:
    """An old “cannot run yet” does not stand beside a Run button that works."""
    with pytest.raises(errors.StepBlocked):
        await cards["validate_bucket"].click()
    await cards["connect"].click()
    assert cards["validate_bucket"].state == "ready"
    assert "alert" not in lines(cards["validate_bucket"])


@pytest.mark.slow
async def test_cancel_stops_the_step_and_says_what_is_not_known(cards: WalkCards, sandbox: Sandbox) -> None:
    """Cancelled is no success and no error of the org: the PUT may have taken effect. It can be run again."""
    card = await done_up_to(cards, "see_event")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "^/api/", "delay_s": 5, "times": 1})
    click = asyncio.create_task(card.click())
    await until(lambda: puts(sandbox) == 4)
    card.cancel_button.click()
    with pytest.raises(StepCancelled):
        await click
    assert repr(card) == "See the event arrive: cancelled"
    assert card.run_button.description == "Try again"
    assert "Not known: upsert_recording_policy (PUT) got no final answer (cancelled)" in card.receipt()
    assert (await card.click()).state == "done"
    assert "Not known" not in card.receipt()


@pytest.mark.slow
async def test_a_cancelled_second_run_does_not_stay_green(cards: WalkCards, sandbox: Sandbox) -> None:
    """The first run's result no longer holds, and what needs it is closed."""
    await done_up_to(cards, "see_event")
    card = cards["plan"]
    sandbox.control("POST", "/faults", {"method": "GET", "delay_s": 5})
    click = asyncio.create_task(card.click())
    await until(lambda: card.state == "running")
    card.cancel()
    with pytest.raises(StepCancelled):
        await click
    assert card.state == "cancelled"
    assert cards["approve"].run_button.disabled
    assert cards["apply"].run_button.disabled


@pytest.mark.slow
async def test_the_first_cancel_of_an_apply_waits_for_the_change_in_flight(cards: WalkCards, sandbox: Sandbox) -> None:
    """It says so, and the card says what is done and what is left; the recovery cards open, and finish it."""
    card, resume, rollback = await done_up_to(cards, "apply"), cards.recovery["resume"], cards.recovery["rollback"]
    assert (resume.state, rollback.run_button.disabled) == ("waiting", True)
    assert "no apply is unfinished" in resume.receipt()
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "^/api/", "delay_s": 0.5, "times": 1})
    click = asyncio.create_task(card.click())
    await until(lambda: puts(sandbox) == 1)
    card.cancel_button.click()
    assert "stopping after this: create target ProdVoiceArchive" in lines(card)
    with pytest.raises(errors.HalfDone):
        await click
    for said in ("Changed: create target", "Not changed: create policy", "Not changed: create webhook"):
        assert said in lines(card)
    assert not resume.run_button.disabled
    assert not rollback.run_button.disabled
    for closed in (card, cards["plan"]):
        assert closed.run_button.disabled
        assert "an apply was left unfinished: finish it or undo it first" in closed.receipt()
    assert "Done: create target ProdVoiceArchive" in lines(resume)
    assert (await resume.click()).summary == "The apply is finished"
    assert rollback.run_button.disabled
    assert (await cards["plan"].click()).summary.startswith("Nothing to do")


@pytest.mark.slow
async def test_a_cancel_before_the_first_write_leaves_nothing_behind(
    cards: WalkCards, walk: Walk, sandbox: Sandbox
) -> None:
    """The plan is made anew first: cancelled then, there is nothing to finish or undo."""
    card = await done_up_to(cards, "apply")
    reads = len(sandbox.requests())
    sandbox.control("POST", "/faults", {"method": "GET", "path_regex": "^/api/", "delay_s": 0.4, "times": 1})
    click = asyncio.create_task(card.click())
    await until(lambda: len(sandbox.requests()) > reads)
    card.cancel_button.click()
    with pytest.raises(StepCancelled):
        await click
    assert "This step changed nothing in the org: it sent no write there." in lines(card)
    assert walk.unfinished is None
    assert (await card.click()).state == "done"


@pytest.mark.slow
async def test_what_could_not_be_undone_is_named(cards: WalkCards, sandbox: Sandbox) -> None:
    """The target was made, the policy refused, and the target's removal refused, too."""
    card = await done_up_to(cards, "apply")
    for method, path in ("PUT", "policies"), ("DELETE", "targets"):
        sandbox.control("POST", "/faults", {"method": method, "path_regex": path, "status": 403})
    with pytest.raises(errors.HalfDone):
        await card.click()
    for page in (lines(card), card.receipt()):
        assert "Changed: create target ProdVoiceArchive, and not undone yet." in page
        assert "As before: create policy ComplianceVoicePolicy" in page
        assert "Not changed: create webhook DataLakeCatalogSync" in page
    sandbox.control("DELETE", "/faults")
    await cards.recovery["rollback"].click()
    assert "Undone: the org is as it was before." in card.receipt()


@pytest.mark.slow
async def test_a_failed_apply_says_that_all_was_undone(cards: WalkCards, sandbox: Sandbox, walk: Walk) -> None:
    """Once refused, the org is as before; the next try, after the cause is gone, works without a new plan."""
    card = await done_up_to(cards, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "webhooks", "status": 403, "times": 1})
    with pytest.raises(errors.RolledBack):
        await card.click()
    for page in (lines(card), card.receipt()):
        assert "create webhook DataLakeCatalogSync failed; the org is as it was before" in page
        assert "Undone: the org is as it was before. Each object was read back." in page
        assert "HTTP status:</strong> 403" in page
    assert card.run_button.description == "Try again"
    assert cards.recovery["resume"].run_button.disabled
    sandbox.control("POST", "/faults", {"method": "GET", "status": 403, "times": 9})
    with pytest.raises(errors.PermissionMissing):
        await cards["plan"].click()
    # What Apply did is not said of others.
    assert "This step changed nothing in the org: it sent no write there." in lines(cards["plan"])
    sandbox.control("DELETE", "/faults")
    await cards["plan"].click()
    await cards["approve"].click()
    assert (await card.click()).state == "done"
    assert walk.unfinished is None


async def test_the_plan_is_seen_before_apply_opens(cards: WalkCards) -> None:
    """As a table with every field, live and in the receipt; the checksum, which is of this walk only, live."""
    card = await done_up_to(cards, "plan")
    assert cards["apply"].run_button.disabled
    cards["approve"].frame.fold(False)
    assert "Not known yet" in lines(cards["approve"])
    await card.click()
    assert cards["apply"].run_button.disabled
    for page in (lines(card), card.receipt()):
        assert "<caption" in page
        assert "+ create policy ComplianceVoicePolicy" in page
        assert "Delete after" in page
    assert "Checksum" in lines(card)
    assert "Checksum" not in card.receipt()
    assert "no change is unsafe" in lines(cards["approve"])
    await cards["approve"].click()
    assert not cards["apply"].run_button.disabled


@pytest.mark.slow
async def test_after_a_restart_finished_cards_come_back(cards: WalkCards, sandbox: Sandbox) -> None:
    """With result, and since when; the next card is open, and what was typed stands in its form."""
    fill(cards["validate_bucket"].form.controls["retention_days"], 400)
    await done_up_to(cards, "apply")
    sandbox.control("DELETE", "/requests")
    async with Walk(resume=True) as walk:
        again = WalkCards(walk)
        assert repr(again) == "4 of 7 steps done"
        for name in ORDER[:4]:
            assert "<strong>done</strong>" in again[name].receipt()
            assert re.search(r"from the record of 20\d\d-\d\d-\d\d \d\d:\d\d UTC", again[name].receipt())
            assert re.search(r"from the record of", again.receipt())
        assert "+ create policy ComplianceVoicePolicy" in lines(again["plan"])
        assert ("Retention (days)", "400") in again["validate_bucket"].form.rows()
        assert sandbox.requests() == []
        assert (await again["apply"].click()).data == {"changes": 3}
        assert "from the record" not in again["apply"].receipt()


@pytest.mark.slow
async def test_what_is_unsafe_needs_the_targets_name(cards: WalkCards, walk: Walk, sandbox: Sandbox) -> None:
    """Named on the card before Run; typed for one plan, it is empty again for the next."""
    for name in ORDER:
        await cards[name].click()
    policy = cards["plan"].form.panels["Retention policy"]
    fill(policy.controls["enabled"], False)
    await cards["plan"].click()
    card = cards["approve"]
    assert "what is switched off no longer keeps" in lines(card)
    assert "name, ProdVoiceArchive, and a reason" in lines(card)
    with pytest.raises(errors.ConsentMissing):
        await card.click()
    assert "type the target&#x27;s name, ProdVoiceArchive" in card.receipt()
    assert cards["apply"].run_button.disabled
    consent = card.form.panels["Consent"]
    fill(consent.controls["confirm"], "ProdVoiceArchive")
    fill(consent.controls["reason"], "the desk is closed")
    assert (await card.click()).summary == "Approved: 1 to change, with consent to disable"
    assert (await cards["apply"].click()).state == "done"
    fill(policy.controls["enabled"], True)
    await cards["plan"].click()
    assert consent.controls["confirm"].raw() == ""
    assert walk.consent == Consent()
    assert puts(sandbox) == 5


async def test_a_step_cancelled_before_it_began_is_not_stuck(walk: Walk) -> None:
    """Cancel in the same moment as Run: nothing is sent, and Run works again."""
    task = asyncio.create_task(walk.run("connect"))
    await asyncio.sleep(0)
    walk.cancel("connect")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert walk.state("connect") == "ready"
    assert (await walk.run("connect")).state == "done"


async def test_an_interrupted_cell_leaves_the_step_to_its_button(cards: WalkCards, sandbox: Sandbox) -> None:
    """Giving up waiting is not Cancel."""
    card = cards["connect"]
    sandbox.control("POST", "/faults", {"path_regex": "token", "delay_s": 0.3, "times": 1})
    click = asyncio.create_task(card.click())
    await until(lambda: card.state == "running")
    click.cancel()
    with pytest.raises(asyncio.CancelledError):
        await click
    assert card.state == "running"
    await until(lambda: card.state == "done")


async def test_wrong_secret_then_right(cards: WalkCards, walk: Walk, sandbox: Sandbox) -> None:
    """The card has cause, fix, status and correlation id; the right secret makes the old failure stale."""
    card, right = cards["connect"], walk.settings
    walk.settings = right.model_copy(update={"client_secret": SecretStr("wrong-secret-wrong-secret-wrong")})
    with pytest.raises(errors.AuthenticationFailed):
        await card.click()
    page = lines(card)
    for part in (
        'role="alert"',
        "Cause:",
        "Fix:",
        "HTTP status:</strong> 401",
        "Correlation id:",
        "This step changed nothing in the org",
    ):
        assert part in page
        assert part in card.receipt()
    assert card.run_button.description == "Try again"
    assert "wrong-secret" not in page
    walk.settings = right
    assert card.state == "stale"
    assert (await card.click()).state == "done"
    assert "alert" not in lines(card)


async def test_a_new_secret_makes_connect_stale(cards: WalkCards, walk: Walk) -> None:
    """Though no hash of the secret is kept anywhere."""
    await cards["connect"].click()
    walk.settings = walk.settings.model_copy(update={"client_secret": SecretStr("another-secret-another-secret")})
    assert cards["connect"].state == "stale"
    assert cards["validate_bucket"].run_button.disabled


@pytest.mark.slow
async def test_what_a_server_says_is_escaped_and_redacted(cards: WalkCards, sandbox: Sandbox) -> None:
    """Its words reach the page as text, without our secret, and a write that was refused is said to be refused."""
    card = await done_up_to(cards, "see_event")
    secret = sandbox["aws_secret_access_key"]
    body = {"message": f"<script>alert(1)</script> <img src=x onerror=alert(1)> {secret}", "contextId": "<b>id</b>"}
    sandbox.control("POST", "/faults", {"method": "PUT", "status": 400, "body": body})
    with pytest.raises(errors.InvalidRequest):
        await card.click()
    for page in (lines(card), card.receipt()):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script" not in page
        assert "<img" not in page
        assert "<b>" not in page
        assert secret not in page
        assert "[hidden]" in page
        assert "Not changed: upsert_recording_policy (PUT) was refused with HTTP 400." in page
        assert "Traceback" not in page
    assert "Not known" not in card.receipt()


@pytest.mark.slow
async def test_a_write_whose_answer_is_lost_is_not_known(
    cards: WalkCards, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's own failure says nothing about the change."""
    monkeypatch.setattr("opslib.genesys.retry._TRIES_AFTER_THE_FIRST", 0)
    card = await done_up_to(cards, "see_event")
    sandbox.control("POST", "/faults", {"method": "PUT", "drop": True, "when": "after"})
    with pytest.raises(errors.ConnectionFailed):
        await card.click()
    assert "Not known: upsert_recording_policy (PUT) got no final answer (connection error)" in card.receipt()


@pytest.mark.slow
async def test_what_succeeded_before_the_error_is_named(
    cards: WalkCards, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See the event: the policy was written, then the catalogue failed."""
    monkeypatch.setattr("opslib.genesys.retry._TRIES_AFTER_THE_FIRST", 0)
    card = await done_up_to(cards, "see_event")
    sandbox.control("POST", "/faults", {"method": "GET", "path_regex": "events", "delay_s": 0.0, "times": 1})
    sandbox.control("POST", "/faults", {"method": "GET", "path_regex": "events", "status": 500})
    with pytest.raises(errors.UnexpectedAnswer):
        await card.click()
    assert "Changed: upsert_recording_policy (PUT) succeeded." in card.receipt()


async def test_a_defect_becomes_a_card(cards: WalkCards, walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task is supervised: no exception is lost, no traceback is shown, the cell fails."""

    async def broken(*_: Any) -> None:
        raise RuntimeError(f"<b>boom</b> {walk.settings.client_secret.get_secret_value()}")

    monkeypatch.setattr(type(walk), "open_session", broken)
    card = cards["connect"]
    with pytest.raises(errors.OpslibError, match="Unexpected error"):
        await card.click()
    page = lines(card)
    assert "RuntimeError: &lt;b&gt;boom&lt;/b&gt; [hidden]</p>" in page
    assert "please report" in page
    closed, where = page.split("<details>")
    assert "test_card.py" not in closed
    assert re.search(r"test_card\.py line \d+, in broken: raise RuntimeError", where)
    assert str(Path(__file__).parent) not in page
    assert walk.settings.client_secret.get_secret_value() not in page
    assert "Traceback" not in page
    assert card.state == "failed"
    assert [entry.data["error"] for entry in walk.journal.entries("step.crashed")] == ["RuntimeError"]
    monkeypatch.undo()


async def test_a_card_that_cannot_be_drawn_does_not_stop_the_step(
    cards: WalkCards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the display is not a fault of the walk."""
    monkeypatch.setattr("opslib.widgets.base_card.status_line", lambda view: 1 / 0)
    assert (await cards["connect"].click()).state == "done"
    assert "cannot be drawn (ZeroDivisionError)" in lines(cards["connect"])


@pytest.mark.slow
async def test_a_changed_target_makes_its_steps_stale(cards: WalkCards) -> None:
    """By the form; the receipts say so and keep what was found, and Run again works in order."""
    for name in ORDER:
        await cards[name].click()
    fill(cards["validate_bucket"].form.controls["retention_days"], 400)
    assert [cards[name].state for name in ORDER] == ["done"] + ["stale"] * 6
    assert "↻</span> <strong>stale</strong> — an input has changed since" in cards["apply"].receipt()
    assert "400" in cards["validate_bucket"].receipt()
    assert "the default is AES256" in cards["validate_bucket"].receipt()  # a finding of before
    assert "+ create target ProdVoiceArchive" in cards["plan"].receipt()
    assert cards["apply"].run_button.disabled
    for name in ORDER[1:5]:
        assert (await cards[name].click()).state == "done"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "part", "field", "typed"),
    [
        ("plan", "Retention policy", "retention_days", "900"),  # the target keeps them 365 days
        ("plan", "Retention policy", "retention_days", "1o0"),
        ("plan", "Retention policy", "retention_days", ""),
        ("plan", "Data-lake webhook", "url", "ftp://lake"),
        ("validate_bucket", "", "retention_days", "10"),
        ("validate_bucket", "", "bucket", "Not A Bucket"),
        ("connect", "", "api_url", "http://elsewhere.example"),
    ],
)
async def test_what_is_typed_and_not_valid_is_not_planned_approved_or_applied(
    cards: WalkCards, sandbox: Sandbox, step: str, part: str, field: str, typed: str
) -> None:
    """At once, on every card after it, and whatever the way to run it: the plan holds another value than the form.
    As it was, it counts again."""
    await (await done_up_to(cards, "approve")).click()
    form = cards[step].form
    control = (form.panels[part] if part else form).controls[field]
    before = control._input.value
    fill(control, typed)
    assert [cards[name].state for name in ("plan", "approve")] == ["stale", "stale"]
    for name in ("plan", "approve", "apply"):
        button = cards[name].run_button
        assert button.disabled or "ops-closed" in button._dom_classes, name
    assert "stale" in lines(cards["plan"])
    with pytest.raises(errors.StepBlocked):
        await cards._walk.run("apply")
    with pytest.raises(errors.OpslibError):
        await cards["apply"].click()
    assert puts(sandbox) == 0
    fill(control, before)
    assert [cards[name].state for name in ("plan", "approve", "apply")] == ["done", "done", "ready"]


@pytest.mark.slow
async def test_unknown_is_returned_and_shown_as_unknown(cards: WalkCards, walk: Walk) -> None:
    """Never as done."""
    walk.settings = walk.settings.model_copy(update={"catalogue_url": None})
    card = await done_up_to(cards, "see_event")
    assert (await card.click()).state == "unknown"
    assert "?</span> <strong>unknown</strong> — Not checked" in card.receipt()
    assert repr(card) == "See the event arrive: unknown"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("img", "br", "wbr"):  # these have no end
            self.open.append(tag)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag in ("img", "br", "wbr") or self.open.pop() == tag


@pytest.mark.slow
async def test_receipts_are_plain_html_and_the_same_every_time(cards: WalkCards, walk: Walk) -> None:
    """Well-formed, without script or handler; no id, time or port that another run would change."""
    for name in ORDER:
        await cards[name].click()
    for shown in (*cards.values(), cards):
        bundle = shown._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "text/html", WIDGET_VIEW}
        assert bundle["text/plain"] == repr(shown)
        page = _Page()
        page.feed(bundle["text/html"])
        assert page.open == []
        assert not {tag for tag, _ in page.tags} & {"script", "iframe", "link", "style"}
        images = [attrs for tag, attrs in page.tags if tag == "img"]
        assert all(one["alt"] and str(one["src"]).startswith("data:image/svg+xml;base64,") for one in images)
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
        assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
        said = re.sub(r"sources read 20\d\d-\d\d-\d\d", "", bundle["text/html"])  # a profile's own date
        assert not re.search(r"127\.0\.0\.1:\d|\d\d:\d\d:\d\d|20\d\d-\d\d-\d\dT|latency|0x[0-9a-f]{6}", said)
    samples = [entry.data["correlation_id"] for entry in walk.journal.entries("sample")]
    assert samples
    page_of_all = "".join(card.receipt() for card in cards.values())
    assert not [one for one in samples if one and one in page_of_all]


@pytest.mark.slow
async def test_no_secret_in_any_card(cards: WalkCards, sandbox: Sandbox, sent: list[Any]) -> None:
    """Not in a receipt, not in a widget's state, not in a message to the browser."""
    for name in ORDER:
        await cards[name].click()
    states = [repr(one.get_state()) for card in cards.values() for one in everything(card.widget)]
    said = "".join([*states, repr(sent), *(card.receipt() for card in cards.values()), repr(vars(cards["connect"]))])
    for secret in (sandbox["client_secret"], sandbox["aws_secret_access_key"]):
        assert secret not in said


async def test_no_cell_sends_more_than_the_kernel_can_hold(walk: Walk, sent: list[Any]) -> None:
    """Beyond 1,000 messages at once ZeroMQ drops some, and then an output or the end of the cell is missing."""
    cards = WalkCards(walk)
    counts = [len(sent)]
    for name in ORDER:
        sent.clear()
        cards[name]._repr_mimebundle_()
        counts.append(len(sent))
    assert min(counts) > 0
    assert max(counts) < 300


async def test_the_error_that_ends_a_cell_is_short(cards: WalkCards) -> None:
    """A notebook shows title, cause and fix; none of our source and no local variable."""
    with pytest.raises(errors.StepBlocked) as caught:
        await cards["report"].click()
    shown = caught.value._render_traceback_()
    assert shown[0] == "StepBlocked: “Report” cannot run yet"
    assert [line.split(":")[0].strip() for line in shown[1:]] == ["Cause", "Fix"]


async def test_the_keyboard_reaches_everything_in_order(cards: WalkCards) -> None:
    """Inputs with their labels, then Run and Cancel; Run says which step it is for."""
    await cards["connect"].click()
    reached = [one for one in everything(cards["validate_bucket"].widget) if hasattr(one, "disabled")]
    fold, *_, run, cancel = reached
    assert [one.description for one in (fold, run, cancel)] == ["Hide", "Check bucket", "Cancel"]
    assert run.tooltip == "Run “Validate the bucket”"
    assert all(one.description for one in reached)


async def test_an_unknown_step_is_named(cards: WalkCards) -> None:
    """With those that there are; and every step has a line of help."""
    with pytest.raises(KeyError, match="there are: connect, validate_bucket"):
        cards["nope"]
    assert len(cards) == len(STEPS)
    assert all(len(card._help) > 30 for card in cards.values())


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("0", False), ("", False), (None, False)])
def test_auto_run(value: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only when asked for: a person opening a notebook starts each step himself."""
    monkeypatch.delenv("OPSLIB_AUTO_RUN", raising=False)
    if value is not None:
        monkeypatch.setenv("OPSLIB_AUTO_RUN", value)
    assert auto_run() is expected


@pytest.mark.slow
async def test_what_the_server_keeps_is_accepted_on_a_card_of_its_own(
    cards: WalkCards, walk: Walk, sandbox: Sandbox
) -> None:
    """The card appears on the one for resuming when there is something to decide, names the field, and finishes."""

    def keep_30_days(path: str, body: dict[str, Any]) -> None:
        if "policies" in path:
            body["retentionPeriodDays"] = 30

    accept, overwrite = cards.recovery["accept"], cards.recovery["overwrite"]
    assert accept.widget in everything(cards.recovery["resume"].widget)
    assert (accept.widget.layout.display, overwrite.widget.layout.display) == ("none", "none")
    with rewriting(sandbox["api_url"], keep_30_days) as url:
        walk.settings = Settings.load(api_url=url)
        card = await done_up_to(cards, "apply")
        with pytest.raises(errors.ServerKeptOther):
            await card.click()
        assert (accept.widget.layout.display, overwrite.widget.layout.display) == (None, "none")
        for page in (lines(accept), accept.receipt(), cards.recovery["resume"].receipt(), card.receipt()):
            assert "retentionPeriodDays: sent 365, the server kept 30" in page
        assert "Not as it was sent: policy" in card.receipt()
        assert (await accept.click()).summary.startswith("The apply is finished; accepted as it is: policy")
    assert "Accepted as it is: policy" in card.receipt()
    assert walk.unfinished is None
