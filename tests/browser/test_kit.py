"""The kit itself: it drives a real JupyterLab, and each of its guards can fail."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from .lab import DARK, LIGHT, SCROLLER, Lab, write_notebook
from .page import Guard, axe, tab_to

CARD = """\
import asyncio, os
import ipywidgets as w

status = w.HTML('<div role="status" aria-live="polite">not started</div>')
button = w.Button(description="Check the bucket")
tasks = set()

async def check():
    for number in range(3):
        await asyncio.sleep(0.05)
        status.value = f'<div role="status" aria-live="polite">question {number + 1} of 3</div>'
    status.value = '<div role="status" aria-live="polite">PASS: 3 of 3</div>'

def start(_):
    button.disabled = True
    tasks.add(asyncio.create_task(check()))

button.on_click(start)
w.VBox([w.Text(description="Bucket", value="recordings"), button, status])
"""
SHOW_HTML = "from IPython.display import HTML, Javascript, display\ndisplay({0})"
CLEAN = """<!doctype html><html lang="en"><title>Clean</title><main><h1>Clean</h1>
<label>Name <input value="x"></label> <button>Go</button></main></html>"""


def brightness(png: Path) -> float:
    """The median of the picture, 0 to 255: text is the lesser part of it."""
    picture = imread(png)[..., :3]
    return float(np.median(picture) * 255)


@pytest.fixture
def redirect() -> Iterator[str]:
    """A loopback URL whose answer points off loopback."""

    class Away(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", "http://192.0.2.1/stolen")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Away) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


async def test_a_card_works_by_keyboard_alone_in_both_themes_and_is_saved(lab: Lab) -> None:
    await lab.open(write_notebook(lab.folder / "card.ipynb", CARD, "os.environ['OPSLIB_HOME']"))
    await lab.run_all()
    assert await lab.status("not started") == "not started"
    passed = await lab.tab_to("Check the bucket")
    assert any("Bucket" in name for name in passed), passed
    assert await lab.focused() == ("button", "Check the bucket")
    await lab.press("Enter")
    assert await lab.status(re.compile("PASS|FAIL")) == "PASS: 3 of 3"
    assert await lab.button("Check the bucket").is_disabled()
    assert await lab.errors() == 0
    assert await lab.axe() == []

    light = await lab.screenshot("kit-light")
    await lab.set_theme(DARK)
    dark = await lab.screenshot("kit-dark")
    assert brightness(light) > 200
    assert brightness(dark) < 50
    assert await lab.axe() == []

    cells = (await lab.saved_file())["cells"]
    assert cells[1]["outputs"][0]["data"]["text/plain"] == [repr(str(lab.home))]
    assert "PASS: 3 of 3" in await lab.dom()
    assert "recordings" in await lab.dom()  # in a field, so not in the HTML


async def test_axe_checks_the_contrast_of_every_text_of_a_long_notebook_in_both_themes(lab: Lab) -> None:
    """Also of what is scrolled out; and the notebook stands afterwards where it stood."""
    texts = "".join(f'<p style="color:{colour}">{colour}</p><br><br><br>' for colour in ["#ddd", "#222"] * 20)
    await lab.open(write_notebook(lab.folder / "contrast.ipynb", *[SHOW_HTML.format(f"HTML({texts!r})")] * 2))
    await lab.run_all()
    place = f"[innerHeight, {SCROLLER}.scrollTop, getComputedStyle(document.body).overflow]"
    await lab.page.evaluate(f"{SCROLLER}.scrollTop = 700")
    before = await lab.page.evaluate(place)
    for theme, bad in ((LIGHT, "#ddd"), (DARK, "#222")):
        await lab.set_theme(theme)
        (violation,) = await lab.axe()
        assert violation.id == "color-contrast"
        said = [await lab.page.locator(node).inner_text() for node in violation.nodes]
        assert said == [bad] * 40
        assert await lab.page.evaluate(place) == before


async def test_a_restart_forgets_variables_and_a_theme_does_not_outlive_its_test(lab: Lab) -> None:
    await lab.open(write_notebook(lab.folder / "restart.ipynb", "x = 1", "x", "1 / 0", "'not reached'"))
    assert await lab.page.evaluate("document.body.dataset.jpThemeName") == LIGHT
    await lab.run_all()
    assert await lab.errors() == 1
    await lab.restart_kernel()
    await lab.run_cell(1)
    assert "NameError" in await lab.notebook.inner_text()
    cells = (await lab.saved_file())["cells"]
    assert [cell["execution_count"] for cell in cells] == [1, 1, 3, None]
    assert cells[1]["outputs"][0]["ename"] == "NameError"
    await lab.reload()
    await lab.run_cell(0)
    await lab.run_cell(1)
    assert (await lab.saved_file())["cells"][1]["outputs"][0]["data"]["text/plain"] == ["1"]


async def test_a_wait_that_fails_says_what_the_page_shows(lab: Lab) -> None:
    await lab.open(write_notebook(lab.folder / "wait.ipynb", CARD, "await asyncio.sleep(1)"))
    with pytest.raises(AssertionError, match="cell 1 was not done within"):
        await lab.run_cell(1, within_s=0.01)
    await lab.wait_idle()
    assert await lab.errors() == 1  # asyncio is not imported yet
    await lab.run_cell(0)
    with pytest.raises(AssertionError, match=r"no status 'ready'(?s:.)*status: not started"):
        await lab.status("ready", within_s=0.01)
    with pytest.raises(AssertionError, match="3 times Tab did not reach 'Nowhere'"):
        await lab.tab_to("Nowhere", bound=3)


async def test_a_request_off_loopback_from_an_output_is_aborted_and_fails_the_test(lab: Lab) -> None:
    image = "http://192.0.2.1/x.png"
    await lab.open(write_notebook(lab.folder / "away.ipynb", SHOW_HTML.format(f"""HTML('<img src="{image}">')""")))
    lab.guard.assert_quiet()
    async with lab.page.expect_event("requestfailed", lambda request: request.url == image):
        await lab.run_all()
    assert lab.guard.off_loopback == lab.guard.aborted
    assert set(lab.guard.aborted) == {image}  # JupyterLab may draw an output more than once
    with pytest.raises(AssertionError, match="off loopback"):
        lab.guard.assert_quiet()
    assert [violation.id for violation in await lab.axe()] == ["image-alt"]
    lab.guard.clear()


async def test_a_page_error_in_an_output_fails_the_test(lab: Lab) -> None:
    code = """Javascript("setTimeout(() => { throw new Error('planted') })")"""
    await lab.open(write_notebook(lab.folder / "error.ipynb", SHOW_HTML.format(code)))
    async with lab.page.expect_event("pageerror"):
        await lab.run_all()
    with pytest.raises(AssertionError, match="planted"):
        lab.guard.assert_quiet()
    lab.guard.clear()


@pytest.mark.parametrize("host", ["example.com", "192.0.2.1:8888", "127.0.0.1@example.com", "127.0.0.1.example.com"])
async def test_no_host_but_loopback_is_let_through(page: Page, guard: Guard, host: str) -> None:
    url = f"http://{host}/"
    with pytest.raises(PlaywrightError, match="ERR_BLOCKED_BY_CLIENT"):
        await page.goto(url)
    assert guard.off_loopback == guard.aborted == [url]
    guard.clear()


async def test_redirects_and_websockets_cannot_leave_either(page: Page, guard: Guard, redirect: str) -> None:
    async with page.expect_event("requestfailed") as failed:
        await page.evaluate("url => { new Image().src = url; }", redirect)
    assert (await failed.value).failure == "net::ERR_NAME_NOT_RESOLVED"
    async with page.expect_event("websocket"):
        await page.evaluate("() => { new WebSocket('ws://192.0.2.1/socket'); }")
    assert guard.off_loopback == ["http://192.0.2.1/stolen", "ws://192.0.2.1/socket"]
    guard.clear()


async def test_axe_finds_a_planted_violation_and_none_in_a_clean_page(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(CLEAN)
    await page.goto(file.as_uri())
    assert await axe(page) == []
    assert await tab_to(page, "Go") == ["textbox 'Name'"]

    file.write_text(CLEAN.replace("<h1>", '<img src="data:,"><h1>'))
    await page.goto(file.as_uri())
    (violation,) = await axe(page)
    assert (violation.id, violation.impact, violation.nodes) == ("image-alt", "critical", ("img",))
    assert await axe(page, "h1") == []
    with pytest.raises(PlaywrightError, match="No elements found for include"):
        await axe(page, "#missing")


async def test_a_strict_content_policy_does_not_stop_axe(page: Page, tmp_path: Path) -> None:
    policy = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'">"""
    (tmp_path / "page.html").write_text(CLEAN.replace("<main>", f"{policy}<main><img src='x'>"))
    await page.goto((tmp_path / "page.html").as_uri())
    assert [violation.id for violation in await axe(page)] == ["image-alt"]
