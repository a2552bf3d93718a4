"""Each notebook as a reader finds it, and those beside notebook 01 as they run."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from opslib.walk.steps import STEPS

from .lab import DARK, LIGHT, PANEL, Lab, LabServer
from .page import DEADLINE_S, Guard, artefact, chart_contrasts
from .walk import NOTEBOOK, OFFERED, OUTPUT, STATE

# For each notebook as it is committed: how many outputs are HTML, how many pictures are in them, and texts with how
# often they stand there.
COMMITTED = {
    "00_start_here.ipynb": (2, 0, {"✔ PASS": 4, "RECORDED EXAMPLE": 2}),
    NOTEBOOK: (
        14,
        5,
        {
            "✔ done — ": len(STEPS),  # JupyterLab strips the role here, not the words
            "… waiting — no apply is unfinished": len(OFFERED),
            "The onboarding as a file": 1,
            "retention_days: 365": 2,
        },
    ),
    "02_audit_report.ipynb": (13, 2, {"NEEDS REVIEW": 1, "What must I ask for?": 1}),
    "03_verify_archive.ipynb": (
        6,
        4,
        {
            "failed — FAIL: 390 of 400 recordings that were due arrived": 1,
            "failed — export dates are set for 1 of 3 recordings": 1,
            "failed — FAIL: 391 of 400 recordings that were due arrived": 1,
            "RECORDED EXAMPLE": 6,
            "Recordings missing: 10.": 1,
            "Why recordings are missing": 2,
            "At risk: deleted in Genesys within 30 days": 2,
            "only a sidecar is in the bucket": 2,
        },
    ),
    "04_fleet.ipynb": (
        7,
        3,
        {
            "✔ done — ": 2,
            "failed — 5 of 6 onboardings are as wanted": 1,
            "RECORDED EXAMPLE": 7,
            "Unsafe: shorter-retention": 1,
            "1 onboarding refused, nothing was written": 1,
        },
    ),
    "05_troubleshooting.ipynb": (12, 3, {"Error: ": 10, "Changes: ": 10, "RECORDED EXAMPLE": 12}),
    "06_drift_and_offboard.ipynb": (
        21,
        2,
        {"✔ done — ": 10, "RECORDED EXAMPLE": 14, "3 removed, and read back as gone": 1, "- delete target": 1},
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reader(browser: Browser, lab_server: LabServer) -> AsyncIterator[Lab]:
    """A JupyterLab that knows no kernel at all; one page, since to load it takes longer than to read a notebook."""
    guard = await Guard.start(browser)
    lab, page = Lab.make(lab_server, guard, "reader"), guard.page
    none = json.dumps({"default": "", "kernelspecs": {}})
    await page.route("**/api/kernelspecs*", lambda route: route.fulfill(body=none, content_type="application/json"))
    url = f"{lab.server.url}lab/workspaces/{lab.folder.name}?reset&token={lab.server.token}"
    await page.goto(url, wait_until="domcontentloaded")
    await page.wait_for_function("window.jupyterapp?.restored.then(() => true)")
    yield lab
    await guard.context.close()


@pytest.mark.parametrize("notebook", COMMITTED)
async def test_a_reader_without_a_kernel_who_trusts_nothing_sees_all(reader: Lab, notebook: str) -> None:
    """As after a clone."""
    lab, page = reader, reader.page
    await lab._start("docmanager:open", path=f"{lab.folder.name}/{notebook}")
    await page.locator(".jp-Dialog").get_by_role("button", name="No Kernel").click()
    html, pictures, words = COMMITTED[notebook]
    await expect(lab.notebook.locator(f"{OUTPUT}[data-mime-type='text/html']")).to_have_count(
        html, timeout=DEADLINE_S * 1000
    )
    assert not await page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session")
    cells = "[...jupyterapp.shell.currentWidget.content.model.cells]"
    assert await page.evaluate(f"{cells}.some(cell => cell.type === 'code' && cell.trusted)") is False

    text = await lab.notebook.inner_text()
    assert {word: text.count(word) for word in words} == words
    for broken in ("Loading widget", "model not found", "VBox(", "Error displaying widget", " object at 0x"):
        assert broken not in text
    assert await lab.notebook.locator(".jupyter-widgets").count() == 0
    await lab.notebook.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    await page.wait_for_function("[...document.images].every(image => image.complete)")
    assert await lab.notebook.locator("figure").count() == pictures
    shown = await lab.notebook.locator("figure img").evaluate_all(
        "all => all.map(image => image.naturalWidth && image.checkVisibility() && image.getBoundingClientRect().width)"
    )
    assert len(shown) == pictures
    assert 0 not in shown
    # Of the drawings that the image stands for, JupyterLab leaves the texts.
    assert (
        await lab.notebook.locator("figure > div").evaluate_all("all => all.some(one => one.checkVisibility())")
        is False
    )
    assert await lab.axe() == []
    await lab.screenshot(f"untrusted-{notebook[:2]}", of=PANEL)
    await page.evaluate("jupyterapp.shell.currentWidget.dispose()")
    lab.guard.assert_quiet()


async def test_02_runs_right_after_00_in_the_same_workspace(lab: Lab) -> None:
    """As somebody does who only looks around: 00 asks whether the workspace can be written, 02 finds no walk in it."""
    for notebook in ("00_start_here.ipynb", "02_audit_report.ipynb"):
        await lab.open(notebook)
        await lab.run_all()
        assert await lab.errors() == 0
        assert await lab.scrolled_sideways() == []


async def test_the_lessons_show_every_error_card_in_both_themes(lab: Lab) -> None:
    """Each link of the table finds its lesson, and what we draw keeps axe's rules."""
    await lab.open("05_troubleshooting.ipynb")
    await lab.run_all(within_s=180)
    assert await lab.errors() == 1  # the text that is refused before it is sent
    assert "Traceback" not in await lab.notebook.inner_text()
    alerts = await lab.notebook.get_by_role("alert").all_inner_texts()
    assert len(alerts) == 10
    assert all("Cause: " in alert and "Fix: " in alert and "Changes: " in alert for alert in alerts)
    links = lab.notebook.locator(".jp-MarkdownOutput table a")
    targets = await links.evaluate_all("all => all.map(one => decodeURIComponent(one.hash.slice(1)))")
    headings = await lab.notebook.locator("h2").evaluate_all("all => all.map(one => one.id || one.dataset.jupyterId)")
    assert len(targets) == 9
    assert set(targets) <= set(headings)
    assert await lab.scrolled_sideways() == []
    assert await lab.axe() == []
    await lab.set_theme(DARK)
    assert await lab.axe() == []
    await lab.notebook.get_by_role("alert").nth(1).scroll_into_view_if_needed()
    await lab.screenshot("lessons-dark")


async def test_the_archive_is_verified_by_a_click_in_both_themes(lab: Lab) -> None:
    """The recordings are routed by the notebook itself; Run shows the verdict, both pictures and what is missing."""
    await lab.open("03_verify_archive.ipynb")
    await lab.run_all(within_s=180)
    assert await lab.errors() == 0
    heading = lab.page.get_by_role("heading", name="Verify the archive", level=3, exact=True)
    card = lab.notebook.locator(OUTPUT).filter(has=heading).first  # the second one is for after a backfill
    await expect(card.locator(STATE)).to_contain_text("ready")
    await lab.tab_to("Verify archive")
    await lab.press("Enter")
    await expect(card.locator(STATE)).to_contain_text(
        "FAIL: 390 of 400 recordings that were due arrived", timeout=DEADLINE_S * 1000
    )
    await expect(card.get_by_role("img")).to_have_count(2)  # the drawings, and not the images that stand for them
    assert "RECORDED EXAMPLE" not in await card.inner_text()
    await card.get_by_text("Missing: 10", exact=True).click()
    await expect(card.get_by_role("cell", name="Never exported", exact=True)).to_have_count(3 + 2)  # two are at risk
    assert await lab.scrolled_sideways() == []
    for theme in (LIGHT, DARK):
        await lab.set_theme(theme)
        assert await lab.axe() == []
        text, marks = await chart_contrasts(lab.page)
        assert text >= 4.5
        assert marks >= 3
        async with lab.all_in_view():
            await card.screenshot(path=artefact(f"archive-{theme}.png"))


async def test_a_fleet_from_its_folder_to_its_result_in_both_themes(lab: Lab) -> None:
    """Run All writes only Oslo's first onboarding. Three presses, and a typed consent, bring the rest to two orgs."""
    await lab.open("04_fleet.ipynb")
    await lab.run_all(within_s=180)
    assert await lab.errors() == 0
    await lab.button("Plan the fleet").last.press("Enter")
    await lab.status("6 onboardings: 5 to change")
    for field, typed in (("Unsafe changes", "shorter-retention"), ("Reason", "a test")):
        await lab.notebook.get_by_label(field, exact=True).fill(typed)
    for button, said in (
        ("Approve 11 changes of 5 onboardings", "approved: 11 changes of 5 onboardings"),
        ("Apply 11 changes of 5 onboardings", "5 of 6 onboardings are as wanted"),
    ):
        await lab.button(button).last.press("Enter")
        await lab.status(said)
    await expect(lab.notebook.locator("figure svg[role=img]")).to_have_count(3)
    assert await lab.scrolled_sideways() == []
    for theme in (LIGHT, DARK):
        await lab.set_theme(theme)
        assert await lab.axe() == []


async def test_drift_and_removal_by_keyboard_in_both_themes(lab: Lab) -> None:
    """Run All deletes nothing. One press says that nobody has changed the org; five, and a typed consent, remove it."""
    await lab.open("06_drift_and_offboard.ipynb")
    await lab.run_all(within_s=180)
    assert await lab.errors() == 0
    await lab.tab_to("Compare")
    await lab.press("Enter")
    await lab.status("The org is as the onboarding says")
    for button, said in (
        ("Connect", "Connected: "),
        ("Check bucket", "profile baseline"),
        ("Plan the removal", "3 to change: delete webhook, delete policy, delete target"),
    ):
        await lab.tab_to(button)
        await lab.press("Enter")
        await lab.status(said)
    assert await lab.scrolled_sideways() == []
    for field, typed in (("Target's name", "ProdVoiceArchive"), ("Reason", "a test")):
        await lab.notebook.get_by_label(field, exact=True).fill(typed)
    for theme in (LIGHT, DARK):
        await lab.set_theme(theme)
        assert await lab.axe() == []
        async with lab.all_in_view():
            await lab.screenshot(f"removal-{theme}", of=".jp-NotebookPanel")
    for button, said in (
        ("Approve 3 removals", "Approved: 3 to change, with consent to delete"),
        ("Remove 3 objects", "3 removed, and read back as gone"),
    ):
        await lab.tab_to(button)
        await lab.press("Enter")
        await lab.status(said)
