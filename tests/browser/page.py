"""What every browser test may rely on, JupyterLab or not: a guarded page, its focus, and axe."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, BrowserContext, Page, Request, Route, WebSocket

ARTEFACTS = Path(__file__).parents[2] / "out" / "screenshots"
DEADLINE_S = 120.0  # for what hangs, not for what is slow
OFF_LOOPBACK = re.compile(r"^(?:https?|wss?)://(?!(?:127\.0\.0\.1|localhost)(?::\d+)?(?:[/?#]|$))")
# Routing does not see redirects, WebSockets and the browser's own traffic: for those no other name or
# address can be resolved at all.
ONLY_LOOPBACK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"


@dataclass
class Guard:
    """Aborts and records every request that would leave this machine; records errors of the page."""

    context: BrowserContext
    page: Page
    off_loopback: list[str] = field(default_factory=list)  # every attempt
    aborted: list[str] = field(default_factory=list)  # those that routing stopped
    page_errors: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)  # recorded, not asserted: a 404 is one too
    afterwards: list[Callable[[], Awaitable[None]]] = field(default_factory=list)  # once the page is closed

    @classmethod
    async def start(cls, browser: Browser) -> Self:
        # A service worker's requests would pass by the routing.
        context = await browser.new_context(viewport={"width": 1280, "height": 900}, service_workers="block")
        context.set_default_timeout(DEADLINE_S * 1000)
        guard = cls(context, await context.new_page())
        context.on("request", guard._on_request)
        context.on("weberror", lambda event: guard.page_errors.append(str(event.error)))
        context.on("console", guard._on_console)
        context.on("page", guard._on_page)
        guard._on_page(guard.page)
        await context.route(OFF_LOOPBACK, guard._abort)
        return guard

    def clear(self) -> None:
        for record in (self.off_loopback, self.aborted, self.page_errors, self.console_errors):
            record.clear()

    def assert_quiet(self) -> None:
        assert not self.off_loopback, f"requests off loopback: {self.off_loopback}"
        assert not self.page_errors, f"page errors: {self.page_errors}"

    async def _abort(self, route: Route) -> None:
        self.aborted.append(route.request.url)
        await route.abort("blockedbyclient")

    def _on_request(self, request: Request) -> None:
        if OFF_LOOPBACK.match(request.url):
            self.off_loopback.append(request.url)

    def _on_console(self, message: Any) -> None:
        if message.type == "error":
            self.console_errors.append(message.text)

    def _on_page(self, page: Page) -> None:
        page.on("websocket", self._on_websocket)

    def _on_websocket(self, socket: WebSocket) -> None:
        if OFF_LOOPBACK.match(socket.url):
            self.off_loopback.append(socket.url)


async def focused(page: Page) -> tuple[str, str]:
    """Role and accessible name of what has the focus, as the browser tells assistive technology."""
    devtools = await page.context.new_cdp_session(page)
    try:
        element = await devtools.send("Runtime.evaluate", {"expression": "document.activeElement"})
        tree = await devtools.send(
            "Accessibility.getPartialAXTree",
            {"objectId": element["result"]["objectId"], "fetchRelatives": False},
        )
    finally:
        await devtools.detach()
    node = tree["nodes"][0]
    return node.get("role", {}).get("value", ""), node.get("name", {}).get("value", "")


async def tab_to(page: Page, name: str | re.Pattern[str], *, back: bool = False, bound: int = 200) -> list[str]:
    """Press Tab (or Shift+Tab) until the focused element has this accessible name: exact, or a pattern found in it.

    JupyterLab's own menu bar is passed by: its menus have names such as "Run", too.

    Returns the names passed on the way; fails with them after `bound` presses.
    """
    passed: list[str] = []
    for _ in range(bound):
        await page.keyboard.press("Shift+Tab" if back else "Tab")
        role, here = await focused(page)
        found = here == name if isinstance(name, str) else name.search(here)
        if found and role != "menuitem":
            return passed
        passed.append(f"{role} {here[:60]!r}")
    raise AssertionError(f"{bound} times Tab did not reach {name!r}; passed:\n  " + "\n  ".join(passed))


@dataclass(frozen=True)
class Violation:
    """One broken rule of axe; `nodes` are the selectors of the elements that break it."""

    id: str
    impact: str
    help: str
    nodes: tuple[str, ...]


async def axe(page: Page, include: str | None = None) -> list[Violation]:
    """Accessibility violations of the page, or of what the selector `include` matches.

    An `include` that matches nothing is an error.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    violations = await page.evaluate(
        """async include => (await axe.run(include ? {include: [[include]]} : document, {
            resultTypes: ['violations'],
            preload: false,
        })).violations.map(({id, impact, help, nodes}) => (
            {id, impact, help, nodes: nodes.map(node => node.target.join(' '))}
        ))""",
        include,
    )
    return [Violation(one["id"], one["impact"] or "", one["help"], tuple(one["nodes"])) for one in violations]


# Each fill and stroke of the charts that are shown, beside what is behind them. A canvas knows any notation of colours.
CONTRASTS = """() => {
    const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgba = colour => {
        paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data];
    };
    const behind = one => {
        for (; one; one = one.parentElement) {
            const back = rgba(getComputedStyle(one).backgroundColor);
            if (back[3] === 255) return back;
        }
        return [255, 255, 255, 255];
    };
    const luminance = colour => [0.2126, 0.7152, 0.0722].reduce((sum, share, at) => {
        const part = colour[at] / 255;
        return sum + share * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    }, 0);
    const found = {text: [], marks: []};
    for (const chart of document.querySelectorAll('figure svg[role=img]')) {
        const back = luminance(behind(chart));
        for (const one of chart.querySelectorAll('text, path, use, rect')) {
            if (!one.getClientRects().length || one.closest('defs')) continue;
            const style = getComputedStyle(one);
            for (const colour of [style.fill, style.stroke].filter(colour => colour !== 'none').map(rgba)) {
                const ends = [luminance(colour), back].sort((one, other) => other - one);
                found[one.tagName === 'text' ? 'text' : 'marks'].push((ends[0] + 0.05) / (ends[1] + 0.05));
            }
        }
    }
    return [Math.min(...found.text), Math.min(...found.marks), found.text.length, found.marks.length];
}"""


async def chart_contrasts(page: Page) -> tuple[float, float]:
    """The least contrast of texts, and of marks, in the charts that the page shows."""
    text, marks, *counts = await page.evaluate(CONTRASTS)
    assert min(counts) > 10
    return text, marks


async def screenshot(page: Page, name: str, *, of: str | None = None) -> Path:
    """A PNG of the viewport, or of the element that the selector `of` matches; its path is printed."""
    path = artefact(f"{name}.png")
    await (page.locator(of).screenshot(path=path) if of else page.screenshot(path=path))
    print(f"screenshot: {path}")
    return path


def artefact(name: str) -> Path:
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS / re.sub(r"[^\w.-]+", "-", name)
