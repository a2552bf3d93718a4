"""How notebook 01 lies on the page, with every form open; and what a mouse and a keyboard have to do in it."""

import re

import pytest
from playwright.async_api import expect

from opslib.walk.steps import STEPS

from .lab import DARK, LIGHT, WIDTHS, Lab
from .page import artefact, chart_contrasts
from .walk import NOTEBOOK, OUTPUT, RUN, all_fields, card, cell_with, opened, said

# Pairs of a form's inputs, labels and lines below them that cover each other.
OVERLAPS = """root => {
    const fields = '.ops-field :is(input, select, textarea, .widget-label, .ops-below), .jupyter-button';
    const parts = [...root.querySelectorAll(fields)].filter(one => one.checkVisibility())
        .map(one => [one, one.getBoundingClientRect()]).filter(([, it]) => it.width > 1);
    const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
    return parts.flatMap(([one, a], at) => parts.slice(at + 1)
        .filter(([other, b]) => over(a, b) && !one.contains(other) && !other.contains(one))
        .map(([other]) => `${one.outerHTML.slice(0, 80)} ${other.outerHTML.slice(0, 80)}`));
}"""


@pytest.mark.parametrize("theme", [LIGHT, DARK])
async def test_all_forms_open_fit_the_window(lab: Lab, theme: str) -> None:
    """Nothing scrolls sideways, nothing covers another thing, and every text can be read."""
    await lab.open(NOTEBOOK)
    await lab.set_theme(theme)
    await lab.run_all()
    for name in STEPS:
        await all_fields(card(lab, name) if name == "connect" else await opened(lab, name))
    assert await lab.scrolled_sideways() == []
    for width in WIDTHS:
        await lab.page.set_viewport_size({"width": width, "height": 900})
        assert await lab.notebook.evaluate(OVERLAPS) == [], width
        if width in (800, 1280):
            await card(lab, "validate_bucket").scroll_into_view_if_needed()
            await lab.screenshot(f"layout-{theme}-{width}")
            assert await lab.axe() == []


async def test_run_all_ends_where_the_header_says_what_is_next(lab: Lab) -> None:
    """In view, without a scroll; and no picture of nothing."""
    await lab.open(NOTEBOOK)
    await lab.run_all()
    following = lab.notebook.locator(OUTPUT).last.get_by_role("button", name="Next: Connect")
    await expect(following).to_be_in_viewport()
    assert await lab.notebook.locator("figure, img").count() == 0
    await following.click()
    connect = card(lab, "connect").get_by_role("button", name=RUN)
    await expect(connect).to_be_focused()
    await expect(connect).to_be_in_viewport()


async def test_a_live_notebook_shows_no_recorded_example_and_a_copy_of_it_nothing_else(lab: Lab) -> None:
    """Before anything was run, each stored card says in large letters what it is; live, none does."""
    await lab.open(NOTEBOOK)
    count = (lab.folder / NOTEBOOK).read_text().count("RECORDED EXAMPLE")
    assert count > len(STEPS)
    ribbon = lab.notebook.locator("strong").get_by_text("RECORDED EXAMPLE", exact=True)
    await expect(ribbon).to_have_count(count)
    assert await ribbon.evaluate_all("all => all.every(one => parseFloat(getComputedStyle(one).fontSize) >= 18)")
    await lab.run_all()
    await said(lab, "connect", "ready")
    await expect(ribbon).to_have_count(0)


async def test_a_walk_by_mouse_takes_a_click_a_step_and_at_most_a_scroll_between(configured: Lab) -> None:
    """Counted in a window of 1280 × 900: the button of a step, and before it a scroll where it is not in view."""
    lab = configured
    await lab.open(NOTEBOOK)
    await lab.run_all()
    clicks = scrolls = 0
    for name in STEPS:
        run = card(lab, name).get_by_role("button", name=RUN)
        await run.wait_for()
        following = lab.notebook.get_by_role("button", name="Next: ")
        if not await in_view(lab, run):
            if await following.last.is_visible() and await in_view(lab, following.last):
                await following.last.click()
                clicks += 1
            else:
                await run.scroll_into_view_if_needed()
                scrolls += 1
        await run.click()
        clicks += 1
        await said(lab, name, "done")
    print(f"clicks: {clicks}, scrolls: {scrolls}")
    assert clicks + scrolls <= 2 * len(STEPS)
    await results_fit_and_can_be_read(lab)


async def results_fit_and_can_be_read(lab: Lab) -> None:
    """Every card open, with what the walk found and measured."""
    await lab.run_cell(cell_with(lab, "walk.samples()"))
    await lab.notebook.get_by_text(re.compile("^The first|rows$")).first.wait_for()
    show = lab.notebook.get_by_role("button", name="Show", exact=True)
    for left in range(await show.count(), 0, -1):
        await show.first.press("Enter")
        await expect(show).to_have_count(left - 1)
    await expect(lab.notebook.get_by_role("img")).to_have_count(5)  # the bucket's clocks, and four of what was measured
    assert await lab.scrolled_sideways() == []
    for theme in (DARK, LIGHT):
        await lab.set_theme(theme)
        text, marks = await chart_contrasts(lab.page)
        assert text >= 4.5
        assert marks >= 3
        async with lab.all_in_view():
            await lab.notebook.screenshot(path=artefact(f"results-{theme}.png"))


async def in_view(lab: Lab, one: object) -> bool:
    box = await one.bounding_box()  # type: ignore[attr-defined]
    size = lab.page.viewport_size
    return bool(box and size and box["y"] > 90 and box["y"] + box["height"] < size["height"] - 30)
