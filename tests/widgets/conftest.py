"""A walk against the sandbox, its cards, and what a browser would do to a widget."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import ipywidgets as w
import pytest

from opslib.walk.walk import Walk
from opslib.widgets import WalkCards
from opslib.widgets.fields import Choice, Control, Several

from ..world import Sandbox, environment


@pytest.fixture
async def walk(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    async with Walk() as walk:
        yield walk


@pytest.fixture
def cards(walk: Walk) -> WalkCards:
    return WalkCards(walk)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every message that goes to the browser."""
    messages: list[Any] = []
    monkeypatch.setattr("comm.DummyComm.publish_msg", lambda *args, **kwargs: messages.append((args[1:], kwargs)))
    return messages


def browser_sets(widget: w.Widget, **state: Any) -> None:
    """What happens when somebody changes an input in the browser."""
    data = {"method": "update", "state": state, "buffer_paths": []}
    widget._handle_msg({"content": {"data": data}, "buffers": []})


def fill(control: Control, value: Any) -> None:
    """Type a value into a control, as in the browser."""
    if isinstance(control, Several):
        for option, box in control._boxes.items():
            browser_sets(box, value=option in value)
        return
    box = control._list if isinstance(control, Choice) else control._input
    if isinstance(box, w.Dropdown):
        browser_sets(box, index=[option for _, option in box._options_full].index(value))
    else:
        browser_sets(box, value=str(value) if isinstance(box, w.Text) else value)


def everything(widget: w.Widget) -> list[w.Widget]:
    """A widget and all below it, in the order of the Tab key."""
    return [widget, *(one for child in getattr(widget, "children", ()) for one in everything(child))]
