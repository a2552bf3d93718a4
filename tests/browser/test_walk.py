"""Notebook 01 as an engineer uses it: in JupyterLab, by keyboard, with mistakes; and as a reader finds it."""

import asyncio
import base64
import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.async_api import Locator, Page, WebSocket, expect

from opslib.sandbox.launch import Sandbox as Launched
from opslib.walk.steps import RECOVERY, STEPS

from ..world import Sandbox
from .lab import DARK, LIGHT, PANEL, Lab
from .page import DEADLINE_S

NOTEBOOK = "01_onboard_storage.ipynb"
WRITES = "see_event"  # a step that sends one PUT
RUN = re.compile("^(Run|Run again|Try again)$")
STATE = '[role="status"][aria-live]'  # a card's line; the secret field has a status, too
OUTPUT = ".jp-OutputArea-output"
# The cards that are shown before anything is unfinished; the decisions appear when there is one to make.
OFFERED = ("resume", "rollback")
# In each theme, the steps after which the walk is pictured.
PICTURED = {LIGHT: {"connect": "walk-light", "plan": "walk-plan"}, DARK: {"apply": "walk-dark"}}
# For each notebook as it is committed: how many outputs are HTML, how many pictures are in them, and texts with how
# often they stand there.
COMMITTED = {
    "00_start_here.ipynb": (1, 0, {"✔ PASS": 4}),
    NOTEBOOK: (
        16,
        5,
        {
            "✔ done — ": len(STEPS),  # JupyterLab strips the role here, not the words
            "… waiting — no apply is unfinished": len(OFFERED),
            "The onboarding as a file": 1,
            "retention_days: 365": 2,
        },
    ),
    "02_audit_report.ipynb": (13, 3, {"Two separate verdicts": 1}),
    "05_troubleshooting.ipynb": (11, 3, {"Error: ": 10, "Changes: ": 10}),
}
# Each card's states in the order in which the page showed them.
WATCH = """([root, status]) => {
    const seen = window.opslibSeen = {};
    const look = () => document.querySelectorAll(root).forEach(output => {
        const title = output.querySelector('h3')?.textContent;
        const state = output.querySelector(`${status} strong`)?.textContent;
        if (title && state && (seen[title] ??= []).at(-1) !== state) seen[title].push(state);
    });
    look();
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


@pytest.fixture
def configured(lab: Lab, sandbox: Sandbox) -> Lab:
    """Its kernels work on the shared sandbox, reset."""
    lab.environment(Launched(sandbox.facts, sandbox.process).environment())
    return lab


def card(lab: Lab, name: str) -> Locator:
    heading = lab.page.get_by_role("heading", name=STEPS[name].title, level=3, exact=True)
    return lab.notebook.locator(OUTPUT).filter(has=heading)


async def said(lab: Lab, name: str, state: str) -> str:
    """A card's status line, once it has this state."""
    line = card(lab, name).locator(STATE).filter(has=lab.page.locator("strong").get_by_text(state, exact=True))
    await line.wait_for()
    return await line.inner_text()


async def run_by_keyboard(lab: Lab) -> None:
    """Enter on the next Run: those of blocked cards are closed, and Tab passes them by."""
    await lab.tab_to("Run")
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


async def test_run_all_on_a_fresh_kernel_raises_nothing_and_cards_say_what_they_wait_for(lab: Lab) -> None:
    """No org is configured, so the notebook starts its own sandbox. A blocked card's Run is closed, with the reason."""
    await lab.open(NOTEBOOK)
    await lab.run_all()
    assert await lab.errors() == 0
    assert "ready" in await said(lab, "connect", "ready")
    assert await card(lab, "connect").get_by_role("button", name="Run", exact=True).is_enabled()
    for name, step in STEPS.items():
        assert await card(lab, name).get_by_role("button", name="Cancel", exact=True).is_disabled()
        if step.needs:
            assert re.search("must be (done|run) first", await said(lab, name, "waiting"))
            assert await card(lab, name).get_by_role("button", name="Run", exact=True).is_disabled()
    assert await lab.axe() == []


async def test_02_runs_right_after_00_in_the_same_workspace(lab: Lab) -> None:
    """As somebody does who only looks around: 00 asks whether the workspace can be written, 02 finds no walk in it."""
    for notebook in ("00_start_here.ipynb", "02_audit_report.ipynb"):
        await lab.open(notebook)
        await lab.run_all()
        assert await lab.errors() == 0


@pytest.mark.parametrize("theme", PICTURED)
async def test_a_walk_by_keyboard_alone(configured: Lab, theme: str) -> None:
    """From the first cell through every card to the charts; no mouse. In either theme nothing breaks axe's rules."""
    lab = configured
    await lab.page.set_viewport_size({"width": 1280, "height": 1600})
    await lab.open(NOTEBOOK)
    await lab.set_theme(theme)
    await lab.press(*["Shift+Enter"] * len(cells(lab)))
    await said(lab, "connect", "ready")
    await lab.wait_idle()
    await lab.page.evaluate(WATCH, [OUTPUT, STATE])
    for name in STEPS:
        await run_by_keyboard(lab)
        assert " — " in await said(lab, name, "done")
        if picture := PICTURED[theme].get(name):
            await lab.screenshot(picture, of=".jp-NotebookPanel")
    assert await card(lab, "plan").get_by_text("+ create target ProdVoiceArchive").is_visible()
    seen = await lab.page.evaluate("opslibSeen")
    assert seen.pop("Connect") == ["ready", "running", "done"]
    assert {seen.pop(RECOVERY[name].title)[0] for name in OFFERED} == {"waiting"}
    assert seen == {step.title: ["waiting", "ready", "running", "done"] for step in STEPS.values() if step.needs}

    await lab.tab_to("Run again", back=True)
    wanted = cell_with(lab, "samples_frame")
    active = "jupyterapp.shell.currentWidget.content.activeCellIndex"
    while (here := await lab.page.evaluate(active)) < wanted:
        await lab.press("ArrowDown")
        await lab.page.wait_for_function(f"here => {active} > here", arg=here)
    await lab.press(*["Shift+Enter"] * (len(cells(lab)) - wanted - 1))  # one more would add a cell
    await lab.notebook.get_by_role("img", name=re.compile("attempts: p50")).wait_for()
    await lab.wait_idle()
    assert await lab.errors() == 0
    pictures = await lab.notebook.locator("figure img").evaluate_all(
        "all => all.map(one => [one.alt, one.naturalWidth])"
    )
    for words in (
        "attempts: p50",
        "upsert_storage_target: 1 of 1 succeeded",
        "attempts within",
        "connect: ",
        "keeps 365 days",
    ):
        assert [words in alt for alt, _ in pictures].count(True) == 1
    assert all(width > 0 for _, width in pictures)
    rows = await lab.notebook.locator("table.dataframe tbody tr").all_inner_texts()
    steps = [row.split("\t")[1] for row in rows]
    # three reads to plan; to apply three reads, three writes, and each read back; a read and a write for the event
    assert [steps.count(step) for step in ("plan", "apply", "see_event")] == [3, 9, 2]
    assert steps[0] == "connect"
    assert await lab.notebook.locator(OUTPUT).last.inner_text() == "True"  # the record is intact
    forms = lab.notebook.locator(".widget-box")
    assert await forms.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length") == 0
    assert await lab.axe() == []


class Frames:
    """What travels between the page and the kernels."""

    def __init__(self, page: Page) -> None:
        self.to_server: list[bytes] = []
        self.to_page: list[bytes] = []
        page.on("websocket", self._on_websocket)

    def _on_websocket(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self.to_server.append(as_bytes(frame)))
        socket.on("framereceived", lambda frame: self.to_page.append(as_bytes(frame)))


def as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def forms(canary: str) -> Iterator[bytes]:
    """The canary as it is, and its part of a base64 text, wherever it begins there."""
    yield canary.encode()
    for lead in range(3):
        encoded = base64.b64encode(b"x" * lead + canary.encode())
        yield encoded[4 if lead else 0 : len(encoded) - len(encoded) % 4 - 4]


def holds(place: str | bytes, canary: str) -> bool:
    return any(form in as_bytes(place) for form in forms(canary))


def files_with(folder: Path, canary: str) -> list[str]:
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and holds(path.read_bytes(), canary)
    ]


def html_of(notebook: dict[str, Any]) -> str:
    page, _ = HTMLExporter().from_notebook_node(nbformat.reads(json.dumps(notebook), as_version=4))
    return str(page)


async def type_secret(lab: Lab, canary: str, *, back: bool = False) -> None:
    await lab.tab_to("OAuth client secret", back=back)
    await lab.page.keyboard.type(canary)
    assert holds(await lab.dom(), canary)  # so the search in the page can find it
    await lab.press("Enter")
    await lab.status("a value is set (from this session)")


async def test_a_wrong_secret_then_the_right_one_and_neither_is_left(configured: Lab, sandbox: Sandbox) -> None:
    """Not in the page, a message to it, any file below the server's folder, the saved widget state or an export."""
    lab, frames = configured, Frames(configured.page)
    wrong = f"canary{secrets.token_hex(20)}"
    right = sandbox.control("POST", "/clients", {}).json()
    await lab.open(NOTEBOOK)
    await lab.run_all()

    await type_secret(lab, wrong)
    await run_by_keyboard(lab)
    assert "failed" in await said(lab, "connect", "failed")
    error = await card(lab, "connect").get_by_role("alert").inner_text()
    for words in ("Error: ", "Cause: ", "Fix: ", "HTTP status: 401", "Nothing was changed: no write was sent."):
        assert words in error
    assert "Traceback" not in await lab.notebook.inner_text()
    assert await lab.errors() == 0
    assert await card(lab, "validate_bucket").get_by_role("button", name="Run", exact=True).is_disabled()
    assert await lab.axe() == []
    await lab.screenshot("walk-error-light")
    await lab.set_theme(DARK)
    assert await lab.axe() == []
    await lab.screenshot("walk-error-dark")

    await lab.tab_to("OAuth client id", back=True)
    await lab.press("Control+a")
    await lab.page.keyboard.type(right["client_id"])
    await type_secret(lab, right["client_secret"])
    await lab.tab_to(RUN)
    await lab.press("Enter")
    assert "Connected" in await said(lab, "connect", "done")
    assert await card(lab, "connect").get_by_role("alert").count() == 0

    await lab._start("@jupyter-widgets/jupyterlab-manager:saveWidgetState")
    await lab._done("Save Widget State", 10)
    await lab.press("Control+s")
    saved = await lab.saved_file()
    state = json.dumps(saved["metadata"]["widgets"])
    assert "PasswordModel" in state
    assert right["client_id"] in state  # what is no secret is there
    folder, dom, html = lab.server.root.parent, await lab.dom(), html_of(saved)
    assert right["client_id"] in dom
    stored = await lab.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    for canary in (wrong, right["client_secret"]):
        assert any(holds(frame, canary) for frame in frames.to_server)
        assert not any(holds(frame, canary) for frame in frames.to_page)
        assert not [name for name, text in {"dom": dom, "html": html, "stored": stored}.items() if holds(text, canary)]
        assert files_with(folder, canary) == []
    assert (lab.home / "ledger.sqlite3").is_file()  # it was among the files
    (lab.home / "planted").write_bytes(b"x" + base64.b64encode(f"id:{wrong}".encode()))
    assert files_with(folder, wrong) == [str((lab.home / "planted").relative_to(folder))]


@pytest.mark.parametrize("notebook", COMMITTED)
async def test_a_reader_without_a_kernel_who_trusts_nothing_sees_all(lab: Lab, page: Page, notebook: str) -> None:
    """As after a clone, on a machine that has no kernel at all."""
    none = json.dumps({"default": "", "kernelspecs": {}})
    await page.route("**/api/kernelspecs*", lambda route: route.fulfill(body=none, content_type="application/json"))
    url = f"{lab.server.url}lab/workspaces/{lab.folder.name}/tree/{lab.folder.name}/{notebook}"
    await page.goto(f"{url}?reset&token={lab.server.token}", wait_until="domcontentloaded")
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
    await page.wait_for_function("[...document.images].every(image => image.complete)")
    widths = await lab.notebook.locator("img").evaluate_all("all => all.map(image => image.naturalWidth)")
    assert len(widths) == pictures
    assert 0 not in widths
    await lab.notebook.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert await lab.axe() == []
    await lab.screenshot(f"untrusted-{notebook[:2]}", of=".jp-NotebookPanel")


async def test_cancel_by_keyboard_says_what_is_known_and_trying_again_goes_on(
    configured: Lab, sandbox: Sandbox
) -> None:
    """The write was on its way, so whether it took effect is not known."""
    lab = configured
    await walk_up_to(lab, WRITES)
    sandbox.control("POST", "/faults", {"method": "PUT", "delay_s": 8, "status": 503, "times": 1})
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


async def test_a_click_out_of_order_is_refused_by_the_step(configured: Lab, sandbox: Sandbox) -> None:
    """Also when the page is made to let it through: the rule is not the button's."""
    lab = configured
    await lab.open(NOTEBOOK)
    await lab.run_all()
    run = card(lab, "apply").get_by_role("button", name="Run", exact=True)
    assert await run.is_disabled()
    await run.evaluate("button => { button.disabled = false; button.click(); }")
    alert = card(lab, "apply").get_by_role("alert")
    await alert.wait_for()
    assert "“Apply” cannot run yet" in await alert.inner_text()
    assert "Nothing was changed: the step did not start." in await alert.inner_text()
    assert sandbox.requests() == []
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
    bucket = card(lab, "validate_bucket")
    retention = bucket.get_by_label("Retention (days)")
    field = bucket.locator(".widget-vbox").filter(has=lab.page.get_by_label("Retention (days)")).last
    beside = field.get_by_role("alert")
    await retention.fill("0")
    await retention.press("Enter")
    await beside.get_by_text("must be 1 or more").wait_for()
    await bucket.locator(STATE).get_by_text("Retention (days): must be 1 or more").wait_for()
    assert await lab.axe(f"{PANEL} {OUTPUT}:has([role=alert])") == []
    await retention.fill("500")
    await retention.press("Enter")
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
    assert await bucket.get_by_label("Retention (days)").input_value() == "500"
    assert await card(lab, "plan").get_by_text("+ create target ProdVoiceArchive").is_visible()
    assert sandbox.requests() == []
    await lab.screenshot("walk-resumed", of=".jp-NotebookPanel")
    assert await lab.axe() == []
    await lab.save()
    await lab.reload()
    await said(lab, "apply", "done")
    await lab.tab_to("Run")
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
    for name in ("plan", "apply"):
        assert await card(lab, name).get_by_role("button", name=RUN).is_disabled()
    undo = lab.page.get_by_role("heading", name=RECOVERY["rollback"].title, level=3, exact=True)
    recovery = lab.notebook.locator(OUTPUT).filter(has=undo)
    await recovery.get_by_role("button", name="Run", exact=True).focus()
    await lab.press("Enter")
    await recovery.locator(STATE).get_by_text("Rolled back: the org is as it was before the apply").wait_for()
    await said(lab, "apply", "ready")
    assert await card(lab, "apply").get_by_role("button", name="Run", exact=True).is_enabled()
    assert await lab.errors() == 0


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
    assert await lab.axe() == []
    await lab.set_theme(DARK)
    assert await lab.axe() == []
    await lab.notebook.get_by_role("alert").nth(1).scroll_into_view_if_needed()
    await lab.screenshot("lessons-dark")


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
    sandbox.control("POST", "/faults", {"method": "PUT", "delay_s": 0.3})
    await card(lab, "apply").get_by_role("button", name="Try again", exact=True).dblclick()
    assert "3 changes applied and read back" in await said(lab, "apply", "done")
    assert len(puts(sandbox)) == 3
    await lab.tab_to("Run")
    await lab.press("Enter", "Enter")
    await said(lab, WRITES, "done")
    assert len(puts(sandbox)) == 4
    assert await lab.errors() == 0


async def test_a_stopped_apply_is_finished_from_its_card(configured: Lab, sandbox: Sandbox) -> None:
    """Cancel waits for the change in flight; the card says what is left, and the recovery card does it."""
    lab = configured
    await walk_up_to(lab, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "delay_s": 2, "times": 1})
    await run_by_keyboard(lab)
    await card(lab, "apply").locator(STATE).get_by_text("0 of 3 done; create target").wait_for()
    await lab.tab_to("Cancel")
    await lab.press("Enter")
    await said(lab, "apply", "failed")
    assert "Left to do: create policy ComplianceVoicePolicy" in await card(lab, "apply").inner_text()
    resume = RECOVERY["resume"].title
    await lab.tab_to("Run")
    await lab.press("Enter")
    heading = lab.page.get_by_role("heading", name=resume, level=3, exact=True)
    done = lab.notebook.locator(OUTPUT).filter(has=heading).locator(STATE).get_by_text("The apply is finished")
    await done.wait_for()
    assert len(puts(sandbox)) == 3
    assert await lab.errors() == 0
