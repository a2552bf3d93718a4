"""Notebook 01 in JupyterLab: its cards, and the keys that run them."""

import asyncio
import json
import re

from playwright.async_api import Locator, expect

from opslib.walk.steps import STEPS

from ..world import Sandbox
from .lab import Lab
from .page import DEADLINE_S

NOTEBOOK = "01_onboard_storage.ipynb"

WRITES = "see_event"  # a step that sends one PUT

# What the buttons of the steps say.
RUN = re.compile(
    r"^(Try again|(Connect|Check bucket|Plan changes|Approve (\d+ )?changes?|Apply (\d+ )?changes?.*"
    r"|Watch for the event|Make report|Finish the apply|Undo the apply|Accept what is there|Undo over later changes)"
    r"( again)?)$"
)

STATE = '[role="status"][aria-live]'  # a card's line; the secret field has a status, too

OUTPUT = ".jp-OutputArea-output"

# The cards that are shown before anything is unfinished; the decisions appear when there is one to make.
OFFERED = ("resume", "rollback")


def card(lab: Lab, name: str) -> Locator:
    heading = lab.page.get_by_role("heading", name=STEPS[name].title, level=3, exact=True)
    return lab.notebook.locator(OUTPUT).filter(has=heading)


async def opened(lab: Lab, name: str) -> Locator:
    """A card that was folded."""
    shown = card(lab, name)
    await shown.get_by_role("button", name="Show", exact=True).press("Enter")
    await shown.get_by_role("button", name="Hide", exact=True).wait_for()
    return shown


async def all_fields(shown: Locator) -> None:
    """Also those that are folded away."""
    closed = shown.get_by_role("button", name="▸ Advanced")
    for left in range(await closed.count(), 0, -1):
        await closed.first.press("Enter")
        await expect(closed).to_have_count(left - 1)


async def said(lab: Lab, name: str, state: str) -> str:
    """A card's status line, once it has this state."""
    line = card(lab, name).locator(STATE).filter(has=lab.page.locator("strong").get_by_text(state, exact=True))
    await line.wait_for()
    return await line.inner_text()


async def run_by_keyboard(lab: Lab) -> None:
    """Enter on the next Run: those of blocked cards are closed, and Tab passes them by."""
    await lab.tab_to(RUN)
    await lab.press("Enter")


async def walk_up_to(lab: Lab, name: str) -> None:
    await lab.open(NOTEBOOK)
    await lab.run_all()
    for earlier in list(STEPS)[: list(STEPS).index(name)]:
        await run_by_keyboard(lab)
        await said(lab, earlier, "done")


def puts(sandbox: Sandbox) -> list[str]:
    return [request["path"] for request in sandbox.requests() if request["method"] == "PUT"]


async def arrived(sandbox: Sandbox, count: int) -> None:
    """Wait until the server has received so many writes: a step that runs may not have sent its own yet."""
    async with asyncio.timeout(DEADLINE_S):
        while len(puts(sandbox)) < count:  # noqa: ASYNC110 (the condition is in another process)
            await asyncio.sleep(0.05)


def cells(lab: Lab) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads((lab.folder / NOTEBOOK).read_text())["cells"]]


def cell_with(lab: Lab, source: str) -> int:
    (number,) = [number for number, cell in enumerate(cells(lab)) if source in cell]
    return number


async def in_kernel(lab: Lab, code: str) -> None:
    """Send code to the kernel, and do not wait: it may not live to answer."""
    kernel = "jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    await lab.page.evaluate(f"code => {{ {kernel}.requestExecute({{code, silent: true}}, true); }}", code)


async def restarted_by_itself(lab: Lab) -> None:
    """JupyterLab has seen the kernel die, has said so, and has started another one."""
    dialog = lab.page.locator(".jp-Dialog").filter(has_text="appears to have died")
    await dialog.get_by_role("button", name="Ok").click()
    await lab.wait_idle()
