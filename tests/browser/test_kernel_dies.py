"""Notebook 01 when the kernel is killed: nothing on the page passes for live, and nothing done is lost."""

from playwright.async_api import expect

from ..world import Sandbox
from .lab import Lab
from .walk import arrived, card, in_kernel, puts, restarted_by_itself, run_by_keyboard, said, walk_up_to

KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
# Dies once all is applied, before the end of the step is noted.
KILL_AT_THE_END_OF_APPLY = """\
import os, signal
note = walk._note
walk._note = lambda result: os.kill(os.getpid(), signal.SIGKILL) if result.step == "apply" else note(result)
"""
STOPPED = ".ops-card.jupyter-widgets-disconnected"


async def test_no_card_says_running_as_if_it_were_live(configured: Lab, sandbox: Sandbox) -> None:
    """Each card says that the kernel has stopped, until it is made again."""
    lab = configured
    await walk_up_to(lab, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies", "delay_s": 60, "times": 1})
    await run_by_keyboard(lab)
    await arrived(sandbox, 2)
    await said(lab, "apply", "running")
    assert await lab.notebook.locator(STOPPED).count() == 0
    await in_kernel(lab, KILL)
    await expect(card(lab, "apply").locator(STOPPED)).to_be_visible(timeout=60_000)
    assert await lab.notebook.locator(".ops-card:not(.jupyter-widgets-disconnected)").count() == 0
    says = await card(lab, "apply").locator(STOPPED).evaluate("one => getComputedStyle(one, '::before').content")
    assert "The kernel has stopped: this card is not up to date." in says
    await restarted_by_itself(lab)
    await lab.screenshot("kernel-died")
    sandbox.control("DELETE", "/faults")
    await lab.run_all()
    assert "an apply was left unfinished" in await said(lab, "apply", "waiting")
    assert await lab.notebook.locator(STOPPED).count() == 0
    assert await lab.errors() == 0


async def test_an_apply_whose_end_was_not_noted_is_done_after_a_restart(configured: Lab, sandbox: Sandbox) -> None:
    lab = configured
    await walk_up_to(lab, "apply")
    await in_kernel(lab, KILL_AT_THE_END_OF_APPLY)
    await run_by_keyboard(lab)
    await restarted_by_itself(lab)
    assert len(puts(sandbox)) == 3
    await lab.run_all()
    assert "3 changes applied and read back" in await said(lab, "apply", "done")
    assert len(puts(sandbox)) == 3
    assert await lab.errors() == 0
