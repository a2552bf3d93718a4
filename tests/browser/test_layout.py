"""How notebook 01 lies on the page, with every form open; and what a mouse has to do in it."""

import re

from playwright.async_api import expect

from opslib.walk.steps import STEPS

from .lab import DARK, LIGHT, WIDTHS, Lab
from .page import artefact, chart_contrasts
from .person import Person
from .walk import NOTEBOOK, OUTPUT, all_fields, card, cell_with, opened

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


async def test_all_forms_open_fit_the_window(lab: Lab) -> None:
    """Nothing scrolls sideways, nothing covers another thing, and every text can be read, in either theme."""
    await lab.open(NOTEBOOK)
    await lab.run_all()
    for name in STEPS:
        await all_fields(card(lab, name) if name == "connect" else await opened(lab, name))
    for theme in (LIGHT, DARK):
        await lab.set_theme(theme)
        assert await lab.scrolled_sideways() == []
        for width in WIDTHS:
            await lab.page.set_viewport_size({"width": width, "height": 900})
            assert await lab.notebook.evaluate(OVERLAPS) == [], width
            if width in (800, 1280):
                await card(lab, "validate_bucket").scroll_into_view_if_needed()
                await lab.screenshot(f"layout-{theme}-{width}")
                assert await lab.axe() == []


async def test_a_walk_by_mouse_is_counted(configured: Lab) -> None:
    """In a window of 1280 × 900. Run All ends where the header says what is next, in view, and with no picture of
    nothing; from there on it takes a click a step, one on “Next”, and the scrolls to the buttons below the window."""
    lab = configured
    await lab.open(NOTEBOOK)
    await lab.run_all()
    following = lab.notebook.locator(OUTPUT).last.get_by_role("button", name="Next: Connect")
    await expect(following).to_be_in_viewport()
    assert await lab.notebook.locator("figure, img").count() == 0
    person = Person(lab)
    await person.walk()
    assert (person.clicks, person.scrolls) == (len(STEPS) + 1, 2)
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
