"""Notebook 01 as an engineer uses it: in JupyterLab, by keyboard, in both themes."""

import re

from playwright.async_api import expect

from opslib.walk.steps import RECOVERY, STEPS

from ..world import Sandbox
from .lab import DARK, LIGHT, Lab
from .walk import NOTEBOOK, OFFERED, OUTPUT, RUN, STATE, card, cells, opened, run_by_keyboard, said

# The steps after which the walk is pictured.
PICTURED = {"connect": "walk-light", "plan": "walk-plan"}

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

# Each stop of the keyboard in the cards and headers, and whether it is outlined and in the window.
STOPS = """() => {
    window.opslibStops = [];
    document.addEventListener('focusin', ({target: one}) => one.closest('.ops') && requestAnimationFrame(() => {
        const style = getComputedStyle(one), {top, bottom} = one.getBoundingClientRect();
        const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
        if (document.activeElement === one)
            opslibStops.push([one.title || one.outerHTML, outlined && top >= 0 && bottom <= innerHeight]);
    }));
}"""


async def test_run_all_on_a_fresh_kernel_raises_nothing_and_cards_say_what_they_wait_for(lab: Lab) -> None:
    """No org is configured, so the notebook starts its own sandbox. Before that, each card with a result says in large
    letters that it is an example; live, none does. Only the first card is open. The others say what they wait for;
    opened, their button is closed."""
    await lab.open(NOTEBOOK)
    ribbon = lab.notebook.locator("strong").get_by_text("RECORDED EXAMPLE", exact=True)
    await expect(ribbon).to_have_count(len(STEPS) + 4)  # the overview twice, measurements, attempts
    assert await ribbon.evaluate_all("all => all.every(one => parseFloat(getComputedStyle(one).fontSize) >= 18)")
    await lab.run_all()
    assert await lab.errors() == 0
    await expect(ribbon).to_have_count(0)
    assert "ready" in await said(lab, "connect", "ready")
    assert await card(lab, "connect").get_by_role("button", name=RUN).is_enabled()
    for name, step in STEPS.items():
        if step.needs:
            assert re.search("must be (done|run) first", await said(lab, name, "waiting"))
            assert await card(lab, name).get_by_role("button").all_inner_texts() == ["Show"]
            await card(lab, name).get_by_role("button", name="Show").click()
            assert await card(lab, name).get_by_role("button", name=RUN).is_disabled()
        assert await card(lab, name).get_by_role("button", name="Cancel", exact=True).is_disabled()
    assert await lab.axe() == []


async def test_a_walk_by_keyboard_alone(configured: Lab) -> None:
    """From the first cell through every card to the charts; no mouse. One sees where one is. In either theme nothing
    breaks axe's rules."""
    lab = configured
    await lab.page.set_viewport_size({"width": 1280, "height": 1600})
    await lab.open(NOTEBOOK)
    await lab.press(*["Shift+Enter"] * len(cells(lab)))
    await said(lab, "connect", "ready")
    await lab.wait_idle()
    await lab.page.evaluate(WATCH, [OUTPUT, STATE])
    await lab.page.evaluate(STOPS)
    await lab.tab_to("Next: Connect", back=True)
    await lab.press("Enter")
    assert await lab.focused() == ("button", "Connect")
    for name in STEPS:
        if name == "connect":
            await unfold_advanced(lab)
        elif name == "validate_bucket":
            await show_and_hide(lab, "connect")
            await choose_and_choose_back(lab)
        await run_by_keyboard(lab)
        assert " — " in await said(lab, name, "done")
        if picture := PICTURED.get(name):
            await lab.screenshot(picture, of=".jp-NotebookPanel")
    stops = await lab.page.evaluate("opslibStops")
    assert len(stops) > 50
    assert [stop for stop, seen in stops if not seen] == []
    await (await opened(lab, "plan")).get_by_text("+ create target ProdVoiceArchive").wait_for()
    seen = await lab.page.evaluate("opslibSeen")
    assert seen.pop("Connect") == ["ready", "running", "done"]
    assert {seen.pop(RECOVERY[name].title)[0] for name in OFFERED} == {"waiting"}
    assert seen == {step.title: ["waiting", "ready", "running", "done"] for step in STEPS.values() if step.needs}

    await lab.notebook.locator("figure").filter(has_text="attempts: p50").wait_for()
    await lab.wait_idle()
    assert await lab.errors() == 0
    await opened(lab, "validate_bucket")
    pictures = await lab.notebook.locator("figure").all_inner_texts()
    for words in (
        "attempts: p50",
        "upsert_storage_target: 1 of 1 succeeded",
        "attempts within",
        "connect: ",
        "keeps 365 days",
    ):
        assert [words in one for one in pictures].count(True) == 1, words
    assert await lab.notebook.locator("figure").get_by_role("img").count() == len(pictures) == 5
    forms = lab.notebook.locator(".widget-box")
    assert await forms.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length") == 0
    for theme in (LIGHT, DARK):
        await lab.set_theme(theme)
        await lab.screenshot(f"walk-done-{theme}", of=".jp-NotebookPanel")
        assert await lab.axe() == []


async def unfold_advanced(lab: Lab) -> None:
    """The next stop is in what was folded away."""
    await lab.tab_to("▸ Advanced", back=True)
    await lab.press("Space")
    await card(lab, "connect").get_by_role("button", name="▾ Advanced").wait_for()
    await lab.press("Tab")
    assert await lab.focused() == ("textbox", "Organisation id")


async def show_and_hide(lab: Lab, name: str) -> None:
    """The focus went to this button when the card was folded, and stays there."""
    for label in ("Show", "Hide"):
        await expect(card(lab, name).get_by_role("button", name=label, exact=True)).to_be_focused()
        await lab.press("Enter")


async def choose_and_choose_back(lab: Lab) -> None:
    """Of the rules that the bucket is held to; the kernel takes in each choice."""
    file = lab.notebook.get_by_label("YAML")
    before = await file.input_value()
    await lab.tab_to("Profile")
    await lab.press("ArrowDown")
    await expect(file).not_to_have_value(before)
    await lab.press("ArrowUp")
    await expect(file).to_have_value(before)


async def test_a_click_out_of_order_is_refused_by_the_step(configured: Lab, sandbox: Sandbox) -> None:
    """Also when the page is made to let it through: the rule is not the button's."""
    lab = configured
    await lab.open(NOTEBOOK)
    await lab.run_all()
    run = (await opened(lab, "apply")).get_by_role("button", name=RUN)
    assert await run.is_disabled()
    await run.evaluate("button => { button.disabled = false; button.click(); }")
    alert = card(lab, "apply").get_by_role("alert")
    await alert.wait_for()
    assert "“Apply” cannot run yet" in await alert.inner_text()
    assert "Nothing was changed: the step did not start." in await alert.inner_text()
    assert sandbox.requests() == []
    assert await lab.errors() == 0
