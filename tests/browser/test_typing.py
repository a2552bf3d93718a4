"""Notebook 01 while somebody types: only what the forms show can be applied, and no click is lost."""

from playwright.async_api import Locator, expect

from opslib.sandbox.launch import Sandbox as Launched

from ..world import POLICIES, Sandbox
from .lab import Lab
from .walk import NOTEBOOK, RUN, STATE, all_fields, card, opened, puts, run_by_keyboard, said, walk_up_to


async def middle(control: Locator) -> tuple[float, float]:
    await control.scroll_into_view_if_needed()
    box = await control.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def type_then_click(lab: Lab, field: Locator, text: str, button: Locator, held_ms: float) -> None:
    """By a real mouse, at once. The button's place was known before: what is typed must not move it. The window shows
    field and button together, as typing scrolls to the field."""
    await lab.page.set_viewport_size({"width": 1280, "height": 1600})
    await field.press("Control+a")
    place = await middle(button)
    await lab.page.keyboard.type(text)
    await lab.page.mouse.click(*place, delay=held_ms)


async def test_what_differs_from_the_plan_closes_it_and_all_after_it_at_once(configured: Lab, sandbox: Sandbox) -> None:
    """Not valid or only another value: neither can be applied, until the plan holds it and is approved."""
    lab = configured
    await walk_up_to(lab, "apply")
    apply = card(lab, "apply").get_by_role("button", name=RUN)
    await expect(apply).to_be_enabled()
    plan = await opened(lab, "plan")
    retention = plan.get_by_label("Retention (days)")
    for typed, why in (("900", "is above the target's (365 days)"), ("250", "an input has changed since")):
        await retention.fill(typed)
        for name in ("plan", "approve"):
            await said(lab, name, "stale")
        assert "must be done again: an input has changed since" in await said(lab, "apply", "waiting")
        await expect(plan).to_contain_text(why)
        if typed == "900":
            await opened(lab, "apply")  # it folded, since it is not the current one any more
        await expect(apply).to_be_disabled()
    await apply.evaluate("button => { button.disabled = false; button.click(); }")
    await expect(card(lab, "apply").get_by_role("alert")).to_contain_text("“Apply” cannot run yet")
    assert puts(sandbox) == []
    for name in ("validate_bucket", "plan", "approve", "apply"):
        await card(lab, name).get_by_role("button", name=RUN).press("Enter")
        await said(lab, name, "done")
    (policy,) = sandbox.api()("GET", POLICIES).json()["entities"]
    assert "250" in str(policy)
    assert "900" not in str(policy)


async def test_after_a_restart_a_click_that_follows_typing_is_not_lost(configured: Lab) -> None:
    """The page is the same, and what it knew of the kernel's widgets has gone."""
    lab = configured
    await walk_up_to(lab, "validate_bucket")
    await lab.restart_kernel()
    await lab.run_all()
    shown = card(lab, "validate_bucket")
    await shown.get_by_label("Retention (days)").fill("400")
    await shown.get_by_role("button", name=RUN).click()
    await said(lab, "validate_bucket", "done")


async def test_the_first_click_after_a_correction_is_not_lost(configured: Lab) -> None:
    """The error goes while the button is pressed or even after it was; all of what was typed counts."""
    lab = configured
    await walk_up_to(lab, "validate_bucket")
    shown = card(lab, "validate_bucket")
    retention, check = shown.get_by_label("Retention (days)"), shown.get_by_role("button", name=RUN)
    for held_ms, days in ((0, "400"), (150, "401")):
        await retention.fill("0")
        await expect(shown.locator(STATE)).to_contain_text("Retention (days): must be 1 or more")
        await check.click()
        await expect(shown.get_by_role("alert").last).to_contain_text("correct the fields named; nothing was sent")
        await type_then_click(lab, retention, days, check, held_ms)
        await said(lab, "validate_bucket", "done")
        await opened(lab, "validate_bucket")
        await expect(retention).to_have_value(days)
    assert await lab.errors() == 0


async def test_connect_and_clear_take_the_first_click_after_the_secret_was_typed(
    configured: Lab, sandbox: Sandbox
) -> None:
    """The secret is sent when its field is left, which the click itself does."""
    lab = configured
    given = dict(Launched(sandbox.facts, sandbox.process).environment())
    secret = given.pop("OPSLIB_CLIENT_SECRET")
    lab.environment(given)
    await lab.open(NOTEBOOK)
    await lab.run_all()
    shown = card(lab, "connect")
    field, status = shown.get_by_label("OAuth client secret"), shown.locator(".ops-actions [role=status]")
    await expect(status).to_have_text("○ no value is set")
    await type_then_click(lab, field, "not-the-secret", shown.get_by_role("button", name="Clear"), held_ms=150)
    await expect(status).to_have_text("○ no value is set")
    await run_by_keyboard(lab)
    await said(lab, "connect", "failed")  # it was forgotten
    await type_then_click(lab, field, secret, shown.get_by_role("button", name=RUN), held_ms=0)
    await said(lab, "connect", "done")
    assert await lab.errors() == 0


async def test_on_platform_the_forms_offer_only_what_works_there(configured: Lab, sandbox: Sandbox) -> None:
    """No AWS key pair, since Genesys takes a role; no path prefix, since it is not sent."""
    lab = configured
    known = Launched(sandbox.facts, sandbox.process).environment()
    labels = {}
    await lab.open(NOTEBOOK)
    for backend in ("storage-targets", "platform"):
        lab.environment({**known, "OPSLIB_BACKEND": backend})
        await lab.restart_kernel()
        await lab.run_all()
        for name in ("validate_bucket", "plan"):
            await all_fields(await opened(lab, name))
        names = lab.notebook.locator(".ops-field .widget-label, .ops-field option")
        labels[backend] = {" ".join(text.split()) for text in await names.all_text_contents()}
    unfit = {"Path prefix", "With an AWS key pair from the environment", "Variable with the secret access key"}
    assert unfit <= labels["storage-targets"]
    assert not unfit & labels["platform"]
    assert "Bucket" in labels["platform"]


async def test_a_queue_is_chosen_by_its_name(configured: Lab, sandbox: Sandbox) -> None:
    """By keyboard, on platform: its id is written below the name, and planned. A text that is no name is refused."""
    lab = configured
    known = Launched(sandbox.facts, sandbox.process).environment()
    lab.environment({**known, "OPSLIB_BACKEND": "platform"})
    await walk_up_to(lab, "plan")
    plan = card(lab, "plan")
    by_name, ids = plan.get_by_label("Add queues by name"), plan.get_by_label("Queues", exact=True)
    await expect(by_name).to_be_enabled()
    await by_name.fill("Salse")
    await by_name.press("Enter")
    await expect(plan).to_contain_text("not one of the names")
    await by_name.fill("Sales")
    await by_name.press("Enter")
    await expect(ids).to_have_value("10000000-0000-4000-8000-000000000003")
    await expect(by_name).to_have_value("")
    await expect(plan).not_to_contain_text("not one of the names")
    await plan.get_by_role("button", name=RUN).press("Enter")
    await said(lab, "plan", "done")
    await expect(plan).to_contain_text("10000000-0000-4000-8000-000000000003")
    assert await lab.axe() == []
    assert await lab.errors() == 0
