"""Notebook 01 where something gets in the way: a cancel, a fault, a restart, a kernel that dies."""

from opslib.walk.steps import RECOVERY

from ..world import Sandbox
from .lab import PANEL, Lab
from .walk import NOTEBOOK, OUTPUT, RUN, STATE, WRITES, arrived, card, opened, puts, run_by_keyboard, said, walk_up_to


async def test_cancel_by_keyboard_says_what_is_known_and_trying_again_goes_on(
    configured: Lab, sandbox: Sandbox
) -> None:
    """The write was on its way, so whether it took effect is not known."""
    lab = configured
    await walk_up_to(lab, WRITES)
    fault = {"method": "PUT", "path_regex": "^/api/", "delay_s": 8, "status": 503, "times": 1}
    sandbox.control("POST", "/faults", fault)
    await run_by_keyboard(lab)
    assert "running" in await said(lab, WRITES, "running")
    assert await card(lab, WRITES).get_by_role("progressbar").is_visible()
    await arrived(sandbox, 4)
    await lab.tab_to("Cancel")
    await lab.press("Enter")
    assert "what had been sent stays sent" in await said(lab, WRITES, "cancelled")
    assert "Not known: upsert_recording_policy (PUT) got no final answer" in await card(lab, WRITES).inner_text()
    await lab.tab_to("Try again", back=True)
    await lab.press("Enter")
    await said(lab, WRITES, "done")
    assert len(puts(sandbox)) == 5
    assert await lab.errors() == 0


async def test_after_a_restart_and_a_reload_finished_cards_come_back_and_nothing_is_written_again(
    configured: Lab, sandbox: Sandbox
) -> None:
    """Restart the kernel, Run All, go on: with what was typed, and with a token that is fetched by itself.

    After the page was reloaded nothing has to be run again. The notebook was saved, as JupyterLab does by itself.
    """
    lab = configured
    await lab.open(NOTEBOOK)
    await lab.run_all()
    bucket = await opened(lab, "validate_bucket")
    retention = bucket.get_by_label("Retention (days)")
    field = bucket.locator(".widget-vbox").filter(has=lab.page.get_by_label("Retention (days)")).last
    beside = field.get_by_role("alert")
    await retention.fill("0")
    await beside.get_by_text("must be 1 or more").wait_for()
    await bucket.locator(STATE).get_by_text("Retention (days): must be 1 or more").wait_for()
    assert await lab.axe(f"{PANEL} {OUTPUT}:has([role=alert])") == []
    await retention.fill("500")
    await beside.wait_for(state="detached")
    for name in ("connect", "validate_bucket", "plan", "approve", "apply"):
        await run_by_keyboard(lab)
        await said(lab, name, "done")
    assert len(puts(sandbox)) == 3
    await lab.restart_kernel()
    sandbox.control("DELETE", "/requests")
    await lab.run_all()
    for name in ("connect", "validate_bucket", "plan", "approve", "apply"):
        assert "from the record of" in await said(lab, name, "done")
    await opened(lab, "validate_bucket")
    assert await bucket.get_by_label("Retention (days)").input_value() == "500"
    await (await opened(lab, "plan")).get_by_text("+ create target ProdVoiceArchive").wait_for()
    assert sandbox.requests() == []
    await lab.screenshot("walk-resumed", of=".jp-NotebookPanel")
    assert await lab.axe() == []
    await lab.save()
    await lab.reload()
    await said(lab, "apply", "done")
    await lab.tab_to("Watch for the event")
    await lab.press("Enter")
    await said(lab, WRITES, "done")
    assert len(puts(sandbox)) == 1
    assert await lab.errors() == 0


async def test_a_kernel_that_dies_in_an_apply_leaves_it_to_be_undone(configured: Lab, sandbox: Sandbox) -> None:
    """After the restart neither Plan nor Apply is open; the recovery card undoes it, and says what."""
    lab = configured
    await walk_up_to(lab, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies", "delay_s": 60, "times": 1})
    await run_by_keyboard(lab)
    await arrived(sandbox, 2)
    await lab.restart_kernel()
    sandbox.control("DELETE", "/faults")
    await lab.run_all()
    assert "an apply was left unfinished" in await said(lab, "apply", "waiting")
    for shown in (await opened(lab, "plan"), card(lab, "apply")):
        assert await shown.get_by_role("button", name=RUN).is_disabled()
    undo = lab.page.get_by_role("heading", name=RECOVERY["rollback"].title, level=3, exact=True)
    recovery = lab.notebook.locator(OUTPUT).filter(has=undo)
    await recovery.get_by_role("button", name=RUN).focus()
    await lab.press("Enter")
    await recovery.locator(STATE).get_by_text("Rolled back: the org is as it was before the apply").wait_for()
    await said(lab, "apply", "ready")
    assert await card(lab, "apply").get_by_role("button", name=RUN).is_enabled()
    assert await lab.errors() == 0


async def test_a_fault_during_apply_then_rollback_seen_then_applied_once_by_a_double_click(
    configured: Lab, sandbox: Sandbox
) -> None:
    """The third change is refused: the card says so, and that all was undone; trying again applies the same plan.

    Two clicks before the page knows that the step runs start it once; so do two presses of Enter.
    """
    lab = configured
    await walk_up_to(lab, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "webhooks", "status": 403, "times": 1})
    await run_by_keyboard(lab)
    await said(lab, "apply", "failed")
    shown = await card(lab, "apply").inner_text()
    for words in (
        "create webhook DataLakeCatalogSync failed; the org is as it was before",
        "HTTP status: 403",
        "Correlation id: ",
        "Undone: the org is as it was before. Each object was read back.",
    ):
        assert words in shown
    await lab.screenshot("walk-rolled-back")
    assert await lab.axe() == []
    sandbox.control("DELETE", "/requests")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "^/api/", "delay_s": 0.3})
    await card(lab, "apply").get_by_role("button", name="Try again", exact=True).dblclick()
    assert "3 changes applied and read back" in await said(lab, "apply", "done")
    assert len(puts(sandbox)) == 3
    await lab.tab_to(RUN)
    await lab.press("Enter", "Enter")
    await said(lab, WRITES, "done")
    assert len(puts(sandbox)) == 4
    assert await lab.errors() == 0


async def test_a_stopped_apply_is_finished_from_its_card(configured: Lab, sandbox: Sandbox) -> None:
    """Cancel waits for the change in flight; the card says what is left, and the recovery card does it."""
    lab = configured
    await walk_up_to(lab, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "^/api/", "delay_s": 2, "times": 1})
    await run_by_keyboard(lab)
    await card(lab, "apply").locator(STATE).get_by_text("0 of 3 done; create target").wait_for()
    await lab.tab_to("Cancel")
    await lab.press("Enter")
    await said(lab, "apply", "failed")
    assert "Left to do: create policy ComplianceVoicePolicy" in await card(lab, "apply").inner_text()
    resume = RECOVERY["resume"].title
    await lab.tab_to(RUN)
    await lab.press("Enter")
    heading = lab.page.get_by_role("heading", name=resume, level=3, exact=True)
    done = lab.notebook.locator(OUTPUT).filter(has=heading).locator(STATE).get_by_text("The apply is finished")
    await done.wait_for()
    assert len(puts(sandbox)) == 3
    assert await lab.errors() == 0
