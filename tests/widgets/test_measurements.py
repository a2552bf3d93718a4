"""The card of what was measured: it follows the walk by itself, and shows the attempts that are chosen."""

import asyncio

import pytest

from opslib.walk.walk import Walk
from opslib.widgets.measurements import Measurements


async def shown(card: Measurements) -> str:
    """What the card says once it has drawn all that it was asked for."""
    while card._drawing and not card._drawing.done():
        await card._drawing
    return str(card._figures.value)


@pytest.mark.slow
async def test_it_follows_the_walk(walk: Walk) -> None:
    """Without a blank picture before anything was sent; after quick steps the last drawing has all of them."""
    card = Measurements(walk)
    assert "Nothing was sent yet" in await shown(card)
    for name in ("connect", "validate_bucket", "plan"):
        await walk.run(name)
        await asyncio.sleep(0)
    everything = await shown(card)
    assert f"{len(walk.samples())} attempts" in everything
    assert everything.count("<figure") == 4
    assert all(f"{name} (" in everything for name in ("connect", "plan"))

    card.step.value = "plan"
    of_plan = await shown(card)
    count = (walk.samples()["step"] == "plan").sum()
    assert 0 < count < len(walk.samples())
    assert f"{count} attempts" in of_plan
    assert "connect (" not in of_plan
    assert {"success", "all"} <= {value for _, value in card.outcome.options}
    card.step.value = "report"
    assert "No attempt of this step had this outcome" in await shown(card)


async def test_what_cannot_be_drawn_is_said(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("opslib.widgets.measurements._CHARTS", (broken,))
    card = Measurements(walk)
    await walk.run("connect")
    assert "The charts cannot be drawn (ZeroDivisionError)" in await shown(card)
    assert walk.state("connect") == "done"
