import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any

from opslib.onboarding.models import Consent
from opslib.walk.steps import RECOVERY, STEPS
from opslib.walk.walk import Walk
from opslib.widgets.card import StepCard, dated_summary
from opslib.widgets.file_card import FileCard
from opslib.widgets.frame import reveal
from opslib.widgets.header import Header, facts, to_org
from opslib.widgets.measurements import Measurements
from opslib.widgets.receipt import mimebundle, overview, ribbon
from opslib.widgets.status import ICONS, CardState
from opslib.widgets.walk_forms import form

AUTO_RUN = "OPSLIB_AUTO_RUN"

_HELP = {
    "connect": "Gets a token for the OAuth client and asks which API the org serves. Needs the client's id and secret.",
    "validate_bucket": "Checks the bucket against its profile: who can reach it, encryption, how long recordings stay, "
    "whether they can be written. It only reads, except for a test upload that it aborts at once.",
    "plan": "Reads what the org has and shows what would change, field by field. Writes nothing.",
    "approve": "Records your consent to exactly this plan. An unsafe change needs the target's name and a reason.",
    "apply": "Writes the approved changes and reads each back. If one fails, all are undone. Cancel lets the "
    "current change finish; pressed twice, it stops at once.",
    "see_event": "Writes the policy again, unchanged, and waits until the data lake has received the event.",
    "report": "Counts the operations of this walk. It is about HTTP calls, not about recordings.",
    "resume": "Checks the bucket again, then continues an apply that a crash or a stop interrupted. If it was being "
    "undone, the undo is completed.",
    "rollback": "Restores every object to what it was before the apply, and reads it back.",
    "accept": "Keeps what is listed as the org has it, and does the rest. The record says who accepted what. The "
    "next plan shows it as a change until the onboarding says the same.",
    "overwrite": "Restores every object to what it was before the apply, even where it was changed since, as listed.",
}
# What the buttons do. Where it is known, with how much that is.
_VERBS: dict[str, Callable[[Walk], str]] = {
    "connect": lambda walk: "Connect",
    "validate_bucket": lambda walk: "Check bucket",
    "plan": lambda walk: "Plan changes",
    "approve": lambda walk: f"Approve {_changes(walk)}",
    "apply": lambda walk: f"Apply {_changes(walk)}{to_org(walk)}",
    "see_event": lambda walk: "Watch for the event",
    "report": lambda walk: "Make report",
    "resume": lambda walk: "Finish the apply",
    "rollback": lambda walk: "Undo the apply",
    "accept": lambda walk: "Accept what is there",
    "overwrite": lambda walk: "Undo over later changes",
}
_REMOVAL_HELP = {
    "validate_bucket": "Checks the bucket, for the record. Its verdict does not stop a removal, and nothing in the "
    "bucket is changed: recordings stay.",
    "plan": "Reads what the org has of this onboarding, and shows what would be removed. Writes nothing.",
    "approve": "Records your consent to exactly this removal. Type the target's name and a reason.",
    "apply": "Deletes webhook, policy and target, in this order, and checks that each is gone. If one fails, all are "
    "restored. Cancel lets the current deletion finish; pressed twice, it stops at once.",
}
_REMOVAL_VERBS: dict[str, Callable[[Walk], str]] = {
    "plan": lambda walk: "Plan the removal",
    "approve": lambda walk: f"Approve {_changes(walk, 'removal')}",
    "apply": lambda walk: f"Remove {_changes(walk, 'object')}",
}
_UNDO_HELP = {
    "connect": "Gets a token for the OAuth client, and finds the last finished apply to this org in the ledger.",
    "validate_bucket": "Checks the bucket that recordings go to after the undo. If the undo removes the routing, the "
    "verdict does not stop it.",
    "plan": "Reads every object that the apply wrote. If somebody has changed one since, nothing is undone, and what "
    "differs is shown. Writes nothing.",
    "apply": "Restores each object to what it was before the apply, last one first, and reads each back. If one fails, "
    "all are as before this step. Cancel lets the current change finish; pressed twice, it stops at once.",
}
_UNDO_VERBS: dict[str, Callable[[Walk], str]] = {
    "plan": lambda walk: "Plan the undo",
    "apply": lambda walk: f"Undo {_changes(walk)}{to_org(walk)}",
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

    def __init__(self, walk: Walk, *, auto_run: bool = False) -> None:
        self._walk, self._auto_run = walk, auto_run
        self._cards: dict[str, StepCard] = {}
        # For an apply that a crash or a stop left unfinished; not counted as steps of the walk.
        self.recovery = {name: self._make(name, _HELP[name]) for name in RECOVERY}
        for name, decision in _DECISIONS.items():
            self.recovery[name].widget.children += (self.recovery[decision].widget,)
        self.file = FileCard(walk, self._problems, self._forget)
        self.widget, self._line = Header(), Header(slim=True)
        walk.on_change.append(self._changed)
        self._changed()

    def __getitem__(self, name: str) -> StepCard:
        if name not in self._walk.order:
            raise KeyError(f"no step {name!r}; there are: {', '.join(self._walk.order)}")
        if name not in self._cards:
            card = self._cards[name] = self._make(name, _help(self._walk, name))
            card.frame.above(self._line)
            card.on_change.append(self._changed)
            card.follow(current=name == self._current())
        return self._cards[name]

    def _make(self, name: str, help: str) -> StepCard:
        make_form, verb = partial(form, self._walk, name), partial(_verb, self._walk, name)
        return StepCard(self._walk, name, make_form, help=help, verb=verb)

    @cached_property
    def measurements(self) -> Measurements:
        """The card with the charts of the walk's attempts. To be asked for in a cell: it draws beside others' work."""
        return Measurements(self._walk)

    async def step(self, name: str, *, consent: Consent | None = None) -> StepCard:
        """The card of a step; with `auto_run`, once the step has ended: with `consent`. Raises as `click`."""
        card = self[name]
        if self._auto_run:
            self._walk.consent = consent or self._walk.consent
            await card.click()
        return card

    def __iter__(self) -> Iterator[str]:
        return iter(self._walk.order)

    def __len__(self) -> int:
        return len(self._walk.order)

    def receipt(self) -> str:
        """Every step with its state and summary, as static HTML."""
        lines = [
            (f"{number}. {STEPS[name].title}", self._state(name), self._summary(name))
            for number, name in enumerate(self, 1)
        ]
        return overview(repr(self), ("Step", "State", "Result"), lines)

    def __repr__(self) -> str:
        return f"{self._done()} of {len(self)} steps done"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self.widget, ribbon(local=self._walk.settings.is_local) + self.receipt(), repr(self))

    def _problems(self) -> list[str]:
        return [problem for card in self._cards.values() for problem in card.problems]

    def _forget(self) -> None:
        for card in self._cards.values():
            if form := card.form:
                form.forget()

    def _state(self, name: str) -> CardState:
        return self._cards[name].state if name in self._cards else self._walk.state(name)

    def _current(self) -> str:
        """The first step that is not done, or else the last one."""
        return next((name for name in self if self._state(name) != "done"), list(self)[-1])

    def _done(self) -> int:
        return sum(self._state(name) == "done" for name in self)

    def _summary(self, name: str) -> str:
        result = self._walk.result(name)
        return dated_summary(result) if result and self._walk.state(name) == result.state else ""

    def _changed(self) -> None:
        for name in _DECISIONS.values():
            unused = self._walk.state(name) == "ready" and bool(self.recovery[name].problems)
            reveal(self.recovery[name].widget, not unused)
        current = self._current()
        for name, card in self._cards.items():
            card.follow(current=name == current)
        for card in self.recovery.values():
            card.follow(current=self._walk.unfinished is not None)
        self._draw(current)

    def _draw(self, current: str) -> None:
        live, steps = not self._walk.settings.is_local, []
        for name in self._walk.order:
            state = self._state(name)
            named = {"name": name, "title": STEPS[name].title, "state": state, "icon": ICONS[state]}
            steps.append({**named, "current": name == current})
        done = self._state(current) == "done"
        for header in (self.widget, self._line):
            with header.hold_sync():
                header.show_place(live=live, facts=facts(self._walk))
                header.steps, header.next = steps, ["", ""] if done else [current, _verb(self._walk, current)]


def _changes(walk: Walk, what: str = "change") -> str:
    """How many changes the plan holds, in words."""
    if not walk.plan or walk.state("plan") != "done":
        return f"{what}s"
    count = len(walk.plan.changes)
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _help(walk: Walk, name: str) -> str:
    helps = {**_HELP, **(_REMOVAL_HELP if walk.removal else _UNDO_HELP if walk.undo else {})}
    return f"Step {walk.order.index(name) + 1} of {len(walk.order)}. {helps[name]}"


def _verb(walk: Walk, name: str) -> str:
    verbs = {**_VERBS, **(_REMOVAL_VERBS if walk.removal else _UNDO_VERBS if walk.undo else {})}
    return verbs[name](walk)
