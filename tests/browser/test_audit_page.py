"""The reviewer's page in a real browser, as a file: accessible, self-contained, readable narrow, dark and on paper."""

import re
from pathlib import Path

import pytest
from nbconvert import HTMLExporter
from playwright.async_api import Page

from opslib.audit.folder import write_audit
from opslib.audit.report import RECORDED
from opslib.walk.steps import STEPS

from ..world import own_key
from .page import Guard, axe, chart_contrasts, screenshot

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("audit")
    write_audit(folder, home=RECORDED.parent, signing_key=own_key())
    return (folder / "audit.html").as_uri()


@pytest.mark.parametrize("media", ["light", "dark", "print", "narrow"])
async def test_axe_finds_nothing(page: Page, audit: str, media: str) -> None:
    """No violation of any rule, in either scheme, as printed, and where a narrow screen stacks the cells."""
    if media == "print":
        await page.emulate_media(media="print")
    elif media == "narrow":
        await page.set_viewport_size({"width": 400, "height": 900})
    else:
        await page.emulate_media(color_scheme="dark" if media == "dark" else "light")
    await page.goto(audit)
    assert await axe(page) == []
    text, marks = await chart_contrasts(page)
    assert text >= 4.5
    assert marks >= 3
    await screenshot(page, f"audit-{media}")


async def test_it_needs_no_network(page: Page, audit: str, guard: Guard) -> None:
    """Nothing is asked for, and with the network cut the page is the same, pictures included."""
    await page.goto(audit)
    online = await page.screenshot(full_page=True)
    await page.context.set_offline(True)
    await page.reload()
    assert await page.screenshot(full_page=True) == online
    await page.context.set_offline(False)
    assert await page.get_by_role("img").count() == await page.locator("figure").count() > 0
    assert guard.off_loopback == []


@pytest.mark.parametrize("width", [1280, 400])
async def test_nothing_is_cut_off(page: Page, audit: str, width: int) -> None:
    """No sideways scrolling on a desk or a telephone."""
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(audit)
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    ids = page.locator('td[data-label^="Request id"]')
    assert await ids.count() > 10
    assert await ids.first.is_visible() == (width == 1280)  # on a telephone they are in report.json only


async def test_plain_nbconvert_shows_each_receipt(page: Page, tmp_path: Path) -> None:
    """The committed notebook, converted with the default template and read without script."""
    html, _ = HTMLExporter().from_filename(str(NOTEBOOKS / "01_onboard_storage.ipynb"))
    start = html.index("<body")
    (tmp_path / "plain.html").write_text("<!DOCTYPE html><meta charset=utf-8>" + html[start:])
    await page.route("**/*.js", lambda route: route.abort())
    await page.goto((tmp_path / "plain.html").as_uri(), wait_until="domcontentloaded")
    shown = await page.locator("body").inner_text()
    assert shown.count("✔ done — ") == len(STEPS)
    for step in STEPS.values():
        assert step.title in shown


@pytest.mark.parametrize("exclude_input", [False, True], ids=["plain", "no-input"])
async def test_notebook_02_converted_reads_like_the_page(
    page: Page, audit: str, tmp_path: Path, exclude_input: bool
) -> None:
    """The same sections in the same order, without code, prompts and widgets; each text is read in light and dark."""
    html, _ = HTMLExporter(exclude_input=exclude_input).from_filename(str(NOTEBOOKS / "02_audit_report.ipynb"))
    without_scripts = re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL)  # they come from the network
    (tmp_path / "report.html").write_text(without_scripts)
    await page.goto(audit)
    sections = await page.locator("h2:visible").all_inner_texts()
    await page.goto((tmp_path / "report.html").as_uri(), wait_until="domcontentloaded")
    assert await page.locator("h2:visible").all_inner_texts() == ["Contents", *sections]
    shown = await page.locator("body").inner_text()
    assert not [
        code for code in ("report.show", "import ", "RUN_ID", "In [", "Out[", "Loading widget") if code in shown
    ]
    links = page.locator('li a[href^="#"]')
    assert await links.count() == len(sections)
    for link in await links.all():
        assert await page.locator(f'h2[id="{(await link.get_attribute("href") or "")[1:]}"]').count() == 1
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert [one for one in await axe(page, "body") if one.id == "color-contrast"] == []
        text, marks = await chart_contrasts(page)
        assert text >= 4.5
        assert marks >= 3
        await screenshot(page, f"notebook-02-{scheme}")
