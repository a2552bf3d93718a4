"""The cards that ask whether somebody has changed the org: `opslib drift` and `opslib changes`, with a button each."""

from functools import partial
from typing import Any

from opslib.walk.drift import Drift
from opslib.widgets.card import StepCard
from opslib.widgets.header import Header, facts
from opslib.widgets.receipt import mimebundle, overview, ribbon

_HELP = {
    "compare": "Compares target, policy and webhook with the onboarding, field by field: before is what the org has, "
    "after what the onboarding says. Reads only.",
    "changes": "Compares the org with the last look, and reads Genesys's own audit where the API has one: what was "
    "changed, when, and by whom. Reads only.",
}
_VERBS = {"compare": "Compare", "changes": "Read changes"}


class DriftCards:
    """A card for each look. Shown as a whole, the banner: where they look."""

    def __init__(self, walk: Drift, *, auto_run: bool = False) -> None:
        self._walk, self._auto_run = walk, auto_run
        self.cards = {
            name: StepCard(walk, name, help=_HELP[name], verb=partial(_VERBS.__getitem__, name)) for name in _VERBS
        }
        self.widget = Header()
        walk.on_change.append(self._changed)
        self._changed()

    async def step(self, name: str) -> StepCard:
        """The card of a look; with `auto_run`, once that has ended. Raises as `click`."""
        card = self.cards[name]
        if self._auto_run:
            await card.click()
        return card

    def receipt(self) -> str:
        """Every look with its state, as static HTML."""
        lines = [(self._walk.steps[name].title, card.state, _HELP[name]) for name, card in self.cards.items()]
        return overview(repr(self), ("Look", "State", "What it does"), lines)

    def __repr__(self) -> str:
        return "Has somebody changed it?"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self.widget, ribbon(local=self._walk.settings.is_local) + self.receipt(), repr(self))

    def _changed(self) -> None:
        self.widget.show_place(live=not self._walk.settings.is_local, facts=facts(self._walk))
