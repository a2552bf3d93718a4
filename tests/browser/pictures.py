"""The pictures of the README, taken again: `.venv/bin/python -m tests.browser.pictures`. Look at them afterwards."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Locator, async_playwright

from opslib.audit.folder import write_audit
from opslib.audit.report import RECORDED
from opslib.sandbox.launch import start_sandbox

from .conftest import CHROMIUMS, FLAGS
from .lab import DARK, LIGHT, Lab, LabServer
from .page import Guard
from .walk import OUTPUT, card, run_by_keyboard, said, walk_up_to

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WINDOW = {"width": 1200, "height": 860}


async def onboarding(lab: Lab) -> None:
    """The card that is open, what is about to be applied, and what was measured."""
    await walk_up_to(lab, "validate_bucket")
    await lab.page.set_viewport_size(WINDOW)
    await window(lab, lab.notebook.locator(".ops-header").first, "onboard")
    for name in ("validate_bucket", "plan", "approve"):
        await run_by_keyboard(lab)
        await said(lab, name, "done")
    await whole(lab, card(lab, "apply"), "apply")
    for name in ("apply", "see_event", "report"):
        await run_by_keyboard(lab)
        await said(lab, name, "done")
    await lab.set_theme(DARK)
    heading = lab.page.get_by_role("heading", name="Measurements", level=3)
    await lab.notebook.get_by_text("see event (").first.wait_for(state="attached")
    await window(lab, lab.notebook.locator(OUTPUT).filter(has=heading), "measurements-dark")


async def trouble(lab: Lab) -> None:
    await lab.open("05_troubleshooting.ipynb")
    await lab.set_theme(DARK)
    await lab.run_all(within_s=180)
    alert = lab.page.get_by_role("alert").filter(has_text="403")
    await whole(lab, lab.notebook.locator(OUTPUT).filter(has=alert).first, "error-dark")


async def archive(lab: Lab) -> None:
    await lab.open("03_verify_archive.ipynb")
    await lab.set_theme(LIGHT)
    await lab.run_all(within_s=180)
    await lab.tab_to("Verify archive")
    await lab.press("Enter")
    await lab.notebook.locator("figure").nth(1).wait_for()
    await lab.page.set_viewport_size(WINDOW)
    await window(lab, lab.notebook.get_by_text("When recordings arrived").first, "archive")


async def audit(lab: Lab) -> None:
    """Of the recorded example."""
    out = lab.folder / "audit"
    write_audit(out, home=RECORDED.parent, signing_key=lab.server.root / "signing_key.pem")
    await lab.page.set_viewport_size(WINDOW)
    await lab.page.goto((out / "audit.html").as_uri())
    await lab.page.screenshot(path=IMAGES / "audit.png")


async def window(lab: Lab, first: Locator, name: str) -> None:
    """The notebook from there on, as far as the window shows it."""
    await first.evaluate("one => one.scrollIntoView({ block: 'start' })")
    await lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").screenshot(path=IMAGES / f"{name}.png")


async def whole(lab: Lab, one: Locator, name: str) -> None:
    async with lab.all_in_view():
        await one.screenshot(path=IMAGES / f"{name}.png")


async def take(browser: Browser, server: LabServer) -> None:
    for number, scene in enumerate((onboarding, trouble, archive, audit)):
        with start_sandbox() as sandbox:
            lab = Lab.make(server, await Guard.start(browser), f"scene-{number}")
            lab.environment(sandbox.environment() if scene is onboarding else {})
            await scene(lab)
            await server.shut_down_kernels()
            await lab.guard.context.close()


async def main() -> None:
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)))
    with tempfile.TemporaryDirectory() as folder, LabServer.start(Path(folder)) as server:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, "--no-sandbox"])
            await take(browser, server)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
