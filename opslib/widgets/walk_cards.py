import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import ipywidgets as w

from opslib.html import text
from opslib.walk.steps import RECOVERY, STEPS
from opslib.walk.walk import Walk
from opslib.widgets.card import StepCard, dated_summary
from opslib.widgets.file_card import FileCard
from opslib.widgets.receipt import mimebundle, overview
from opslib.widgets.status import CardState
from opslib.widgets.walk_forms import form

AUTO_RUN = "OPSLIB_AUTO_RUN"

_HELP = {
    "connect": "Gets a token for the OAuth client and asks which API the org serves. Needs the client's id and secret.",
    "validate_bucket": "Holds the bucket against its profile: who can reach it, encryption, how long recordings stay, "
    "whether they can be written. Reads only, but for an upload that is taken back at once.",
    "plan": "Reads what the org has and shows what would change, field by field. Writes nothing.",
    "approve": "Your consent to just this plan goes into the record. What is unsafe needs the target's name, typed.",
    "apply": "Writes the approved changes and reads each back. When one fails, all are undone. Cancel lets the change "
    "in flight finish; pressed twice, it stops at once.",
    "see_event": "Writes the policy once more, as it is, and waits until the data lake has the event.",
    "report": "Counts the operations of this walk. It speaks of HTTP calls, not of the recordings.",
    "resume": "Looks at the bucket again, then goes on where a crash or a stop left an apply; one that was being "
    "undone is undone to its end.",
    "rollback": "Puts every object back as it was before the apply, and reads it back.",
    "accept": "Keeps what is listed as the org has it, and does the rest. The record says who accepted what. The "
    "next plan shows it as a change until the onboarding says the same.",
    "overwrite": "Puts every object back as it was before the apply, also where it was changed since, as listed.",
}
# The cards for an object that is not as it was sent, by the card that they stand on.
_DECISIONS = {"resume": "accept", "rollback": "overwrite"}


def auto_run() -> bool:
    """Whether cells run the steps themselves: OPSLIB_AUTO_RUN is 1, as in a build, under nbval or in CI."""
    return os.environ.get(AUTO_RUN, "").strip().lower() in ("1", "true", "yes")


class WalkCards(Mapping[str, StepCard]):
    """The cards by step name, in the walk's order. Shown as a whole, an overview of all steps.

    A card is made when it is first asked for. Every widget takes some messages to the browser, and those of one cell
    must stay below the 1,000 after which ZeroMQ drops them.
    """

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._cards: dict[str, StepCard] = {}
        # For an apply that a crash or a stop left unfinished; not counted as steps of the walk.
        self.recovery = {name: StepCard(walk, name, partial(form, walk, name), help=_HELP[name]) for name in RECOVERY}
        for name, decision in _DECISIONS.items():
            self.recovery[name].widget.children += (self.recovery[decision].widget,)
        self.file = FileCard(walk, self._problems, self._forget)
        self.widget = w.HTML()
        walk.on_change.append(self._changed)
        self._changed()

    def __getitem__(self, name: str) -> StepCard:
        if name not in STEPS:
            raise KeyError(f"no step {name!r}; there are: {', '.join(STEPS)}")
        if name not in self._cards:
            self._cards[name] = StepCard(self._walk, name, partial(form, self._walk, name), help=_help(name))
            self._cards[name].on_change.append(self._changed)
        return self._cards[name]

    def __iter__(self) -> Iterator[str]:
        return iter(STEPS)

    def __len__(self) -> int:
        return len(STEPS)

    def receipt(self) -> str:
        """Every step with its state and summary, as static HTML."""
        lines = [
            (f"{number}. {step.title}", self._state(name), self._summary(name))
            for number, (name, step) in enumerate(STEPS.items(), 1)
        ]
        return overview(repr(self), ("Step", "State", "Result"), lines)

    def __repr__(self) -> str:
        return f"{self._done()} of {len(self)} steps done"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self.widget, self.receipt(), repr(self))

    def _problems(self) -> list[str]:
        return [problem for card in self._cards.values() for problem in card.problems]

    def _forget(self) -> None:
        for card in self._cards.values():
            if card.form:
                card.form.forget()

    def _state(self, name: str) -> CardState:
        return self._cards[name].state if name in self._cards else self._walk.state(name)

    def _done(self) -> int:
        return sum(self._state(name) == "done" for name in STEPS)

    def _summary(self, name: str) -> str:
        result = self._walk.result(name)
        return dated_summary(result) if result and self._walk.state(name) == result.state else ""

    def _changed(self) -> None:
        for name in _DECISIONS.values():
            unused = self._walk.state(name) == "ready" and bool(self.recovery[name].problems)
            self.recovery[name].widget.layout.display = "none" if unused else None
        try:
            label = text(repr(self))
            bar = f'<progress aria-label="{label}" value="{self._done()}" max="{len(self)}"></progress>'
            self.widget.value = self.receipt() + bar
        except Exception as error:  # noqa: BLE001 (a fault of the display must not stop the step)
            self.widget.value = f"The overview cannot be drawn ({text(type(error).__name__)})"


def _help(name: str) -> str:
    return f"Step {list(STEPS).index(name) + 1} of {len(STEPS)}. {_HELP[name]}"
