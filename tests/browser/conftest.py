"""One Chromium and one JupyterLab for the folder; a guarded page, and a copy of the notebooks, for each test.

Everything runs in one event loop: Playwright's objects belong to the loop they were made in, and its
synchronous interface would leave a running loop behind in which no other asynchronous test can start.
"""

import os
import re
import shutil
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect
from playwright.async_api import Error as PlaywrightError

from opslib.sandbox.launch import Sandbox as Launched

from ..world import Sandbox
from .lab import Lab, LabServer
from .page import DEADLINE_S, ONLY_LOOPBACK, Guard, artefact, screenshot

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    ONLY_LOOPBACK,
)
FAILED = pytest.StashKey[bool]()

expect.set_options(timeout=DEADLINE_S * 1000)  # by itself it is 5 s


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("asyncio"):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="package")
def chromium() -> str:
    """The path of an installed Chromium; nothing is downloaded."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(CHROMIUMS)} is installed")
    return found


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    sandbox = () if hasattr(os, "geteuid") and os.geteuid() else ("--no-sandbox",)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *sandbox])
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def lab_server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """It asks for `chromium` so that without a browser there is no server either."""
    with LabServer.start(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def guard(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Guard]:
    """A page that cannot leave this machine. A test that failed leaves its picture and its HTML."""
    guard = await Guard.start(browser)
    yield guard
    try:
        if request.node.stash.get(FAILED, False) or guard.off_loopback or guard.page_errors:
            await keep(guard.page, f"FAILED-{slug(request)}")
        await guard.context.close()
    finally:
        for finish in guard.afterwards:
            await finish()
    guard.assert_quiet()


@pytest.fixture
def page(guard: Guard) -> Page:
    return guard.page


@pytest_asyncio.fixture(loop_scope="session")
async def lab(lab_server: LabServer, guard: Guard, request: pytest.FixtureRequest) -> Lab:
    guard.afterwards.append(lab_server.shut_down_kernels)
    return Lab.make(lab_server, guard, slug(request))


@pytest.fixture
def configured(lab: Lab, sandbox: Sandbox) -> Lab:
    """Its kernels work on the shared sandbox, reset."""
    lab.environment(Launched(sandbox.facts, sandbox.process).environment())
    return lab


async def keep(page: Page, name: str) -> None:
    try:
        await screenshot(page, name)
        html = artefact(f"{name}.html")
        html.write_text(await page.content(), encoding="utf-8")
        print(f"page: {html}")
    except PlaywrightError as error:
        print(f"no picture of the page: {error}")


def slug(request: pytest.FixtureRequest) -> str:
    return re.sub(r"\W+", "-", f"{request.node.path.stem}-{request.node.name}").strip("-")
