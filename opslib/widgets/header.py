"""The banner and the stepper: what the cards change, where the walk stands, and what comes next."""

from functools import cache
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Bool, List, Unicode

from opslib.visible import visible
from opslib.walk.context import WalkContext

HERE = Path(__file__).parent


class Header(anywidget.AnyWidget):
    """SANDBOX or LIVE, facts about the place, the steps, and a button that goes to the next one.

    Attributes:
        live: whether what is done here reaches an org; else it is a sandbox.
        says: what that means, in a sentence.
        facts: label and value, pair by pair.
        steps: for each step its name, title, state and icon, and whether it is the current one.
        next: name of the step to go to, and what its button says; empty when there is none.
        slim: without the steps, for the card that is open.

    It also brings the style sheet of all cards.
    """

    _esm = HERE / "header.js"
    _css = HERE / "style.css"

    live = Bool(False).tag(sync=True)
    says = Unicode("").tag(sync=True)
    facts: Any = List().tag(sync=True)
    steps: Any = List().tag(sync=True)
    next: Any = List(["", ""]).tag(sync=True)
    slim = Bool(False).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(lambda *_: self.send({}))  # how the page knows that what it sent before has arrived

    def show_place(self, *, live: bool, facts: list[list[str]]) -> None:
        """Say where the cards work."""
        self.live, self.facts = live, facts
        self.says = "Changes reach a real Genesys Cloud org." if live else "Nothing leaves this machine."


@cache
def place_line(*, live: bool) -> Header:
    """SANDBOX or LIVE in one line, for a card that no other header stands above. All of them show the same one."""
    line = Header(slim=True)
    line.show_place(live=live, facts=[])
    return line


def facts(walk: WalkContext) -> list[list[str]]:
    """Org, region and workspace, as far as they are known."""
    home = walk.settings.home
    workspace = f"~/{home.relative_to(Path.home())}" if home.is_relative_to(Path.home()) else str(home)
    known = {"Org": _org(walk), "Region": walk.settings.region or "", "Workspace": workspace}
    return [[label, visible(value)] for label, value in known.items() if value]


def to_org(walk: WalkContext) -> str:
    """“ to” and the org's name, once the org has said it."""
    return f" to {visible(name)}" if (name := _org(walk)) else ""


def _org(walk: WalkContext) -> str:
    connected = walk.result("connect")
    said = connected.data["doctor"]["organization"] if connected and "doctor" in connected.data else None
    return str(said["name"]) if said else ""
