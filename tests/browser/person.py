"""Somebody who walks notebook 01 with a mouse, and what it takes: clicks, scrolls and time to think."""

import asyncio
from dataclasses import dataclass

from playwright.async_api import Locator

from opslib.walk.steps import STEPS

from .lab import Lab
from .walk import card, said

# All of it, and not only an edge; what JupyterLab scrolls away counts as out of view. It has come to rest first.
IN_VIEW = """one => new Promise(resolve => {
    let before;
    const look = () => {
        const { top } = one.getBoundingClientRect();
        if (top !== before) { before = top; return requestAnimationFrame(() => requestAnimationFrame(look)); }
        new IntersectionObserver(([{ intersectionRatio }], observer) => {
            observer.disconnect();
            resolve(intersectionRatio > 0.95);
        }).observe(one);
    };
    look();
})"""


@dataclass
class Person:
    """Presses what is in view: a step's button or, to get there, the header's “Next”. Else scrolls.

    The notebook may be an older one, without a header: then all there is to do is to scroll.
    """

    lab: Lab
    think_s: float = 0.0
    clicks: int = 0
    scrolls: int = 0
    thought_s: float = 0.0

    async def walk(self) -> None:
        """Press the button of each step, and wait until its card says “done”."""
        for name in STEPS:
            button = card(self.lab, name).locator("button.mod-primary:enabled:visible")
            await button.wait_for()
            await self._bring_into_view(button)
            await self.click(button)
            await said(self.lab, name, "done")

    async def click(self, one: Locator) -> None:
        self.thought_s += self.think_s
        await asyncio.sleep(self.think_s)
        await one.click()
        self.clicks += 1

    async def _bring_into_view(self, button: Locator) -> None:
        if await button.evaluate(IN_VIEW):
            return
        following = self.lab.notebook.get_by_role("button", name="Next: ")
        for one in await following.all():
            if await one.evaluate(IN_VIEW):
                await self.click(one)
                return
        await button.scroll_into_view_if_needed()
        self.scrolls += 1
