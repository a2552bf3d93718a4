"""A form made from a pydantic model: what is valid is handed on at once, what is not is explained beside its field."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import ipywidgets as w
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from opslib.errors import OpslibError
from opslib.html import text
from opslib.widgets.fields import Control, Group, Loc
from opslib.widgets.frame import plain, reveal, styled
from opslib.widgets.lookup import Lookup
from opslib.widgets.receipt import Rows, compact, problem, table

M = TypeVar("M", bound=BaseModel)

# pydantic's words where they speak of types and patterns; {…} is filled from the error's context.
_PLAIN = {
    "missing": "a value is needed",
    "int_type": "a whole number is needed",
    "int_parsing": "a whole number is needed",
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "string_type": "not one of the names; choose one, or clear what was typed",
    "string_too_short": "needs {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "too_short": "choose {min_length} or more",
    "string_pattern_mismatch": "does not have the expected form",
}


class Panel(Protocol):
    """What a card shows between its help and its buttons."""

    widget: w.Widget
    on_change: list[Callable[[], None]]  # called when the problems or the values may have changed

    @property
    def problems(self) -> Sequence[str]:
        """Why the step cannot run with what stands here; empty when it can."""

    def rows(self) -> Rows:
        """What stands here, for the receipt."""

    def sync(self) -> None:
        """Follow the walk after a change."""

    def forget(self) -> None:
        """Drop what was typed and is not valid; the next `sync` shows what the walk has."""

    def opened(self) -> None:
        """Its card is open: what takes time can be asked for."""


class Form(Generic[M]):
    """Inputs for the fields of a model.

    Args:
        model: the pydantic model; titles, descriptions and annotations make labels, help and inputs.
        read: the value as it is elsewhere now; the form follows it while nothing wrong is typed.
        commit: takes a valid value. May raise ValidationError or an OpslibError, such as for a value that does not
            fit with another form's; the form then shows it and nothing is taken.
        include: the fields to show, by default all.
        advanced: of these, the fields that are folded away.
        options: for a field, {label: value} to choose from.
        suggestions: for a field, texts of which its value is likely to be one.
        build: makes the model from the values typed; by default `model.model_validate`.
        annotate: called with the form's controls after every change, to write notes below the fields.

    Attributes:
        lookup: asks for the names to choose from.
    """

    def __init__(
        self,
        model: type[M],
        read: Callable[[], M],
        commit: Callable[[M], None],
        *,
        include: Sequence[str] | None = None,
        advanced: Sequence[str] = (),
        options: Mapping[str, Mapping[str, str]] | None = None,
        suggestions: Mapping[str, Sequence[str]] | None = None,
        build: Callable[[dict[str, Any]], M] | None = None,
        annotate: Callable[[Mapping[str, Control]], None] = lambda _: None,
    ) -> None:
        self._read, self._commit, self._annotate = read, commit, annotate
        self._build: Callable[[dict[str, Any]], M] = build or model.model_validate
        self.on_change: list[Callable[[], None]] = []
        self._busy = False
        self._problems: dict[str, str] = {}
        self.lookup: Lookup | None = None
        self._group = Group(model, self._edited, include=include, options=options, suggestions=suggestions)
        self._whole = styled(plain(w.HTML), "ops-below", "ops-whole")
        self._advanced = Advanced([self.controls[name] for name in advanced if name in self.controls])
        simple = [one.widget for name, one in self.controls.items() if name not in advanced]
        self._group.widget.children = simple
        self.widget = plain(w.VBox, [self._group.widget, *self._advanced.widgets, self._whole])
        self._shown: M | None = None
        self._explain([])
        self.sync()

    @property
    def controls(self) -> Mapping[str, Control]:
        return self._group.controls

    @property
    def problems(self) -> list[str]:
        return [f"{label}: {message}" if label else message for label, message in self._problems.items()]

    def rows(self) -> Rows:
        return self._group.rows()

    def sync(self) -> None:
        """Show a change made elsewhere, or try again what did not fit before."""
        if self._busy:
            return
        if self._problems:
            self._check()
        elif (value := self._read()) != self._shown:
            self._load(value)

    def forget(self) -> None:
        self._explain([])
        self._shown = None

    def opened(self) -> None:
        if self.lookup:
            self.lookup.start()

    def _load(self, value: M) -> None:
        self._busy = True
        try:
            self._group.load(value)
            self._annotate(self._group.controls)
            self._advanced.draw(self._problems)
        finally:
            self._busy = False
        self._shown = value

    def _edited(self) -> None:
        if not self._busy:
            self._check()

    def _check(self) -> None:
        self._busy = True
        try:
            value = self._build(self._group.raw())
            self._commit(value)
        except ValidationError as error:
            self._explain(error.errors(include_url=False, include_input=False))
        except OpslibError as error:
            self._explain([], error.cause)
        else:
            self._shown = value
            self._explain([])
            self._annotate(self._group.controls)
        finally:
            for callback in self.on_change:
                callback()
            self._busy = False

    def _explain(self, items: Sequence[ErrorDetails], whole: str = "") -> None:
        problems: dict[str, str] = {"": whole} if whole else {}
        self._group.explain("")
        for item in items:
            place = self._place(item)
            control = self._group.find(place)
            if control is None:
                continue  # about a choice that was not made
            message = _plain(item)
            if control is self._group:
                problems[""] = "; ".join(filter(None, (problems.get("", ""), message)))
            else:
                control.explain(message)
                problems[self._group.label(place)] = message
        self._whole.value = problem(problems.get("", ""))
        self._problems = problems
        self._advanced.draw(problems)

    def _place(self, item: ErrorDetails) -> Loc:
        """Where the error belongs. Settings check their URLs together and name the one meant in the title."""
        cause = (item.get("ctx") or {}).get("error")
        if not item["loc"] and isinstance(cause, OpslibError):
            for name in self._group.controls:
                if f"_{name.upper()} " in cause.title:
                    return (name,)
        return item["loc"]


class Advanced:
    """Fields that are seldom changed, behind a button that says what they hold. It opens where one is not valid."""

    def __init__(self, controls: Sequence[Control]) -> None:
        self._controls = controls
        self._button = styled(plain(w.Button, tooltip="Show or hide the fields that are seldom changed"), "ops-quiet")
        self._fields = styled(plain(w.VBox, [control.widget for control in controls]), "ops-form")
        self._values = styled(plain(w.HTML), "ops-lead")
        self._button.on_click(lambda _: self._fold(not self._folded))
        self.widgets = [plain(w.HBox, [self._button, self._values]), self._fields] if controls else []
        self._fold(True)

    def draw(self, problems: Mapping[str, str]) -> None:
        rows = [row for control in self._controls for row in control.rows()]
        self._values.value = text("; ".join(f"{label}: {value}" for label, value in rows))
        if any(label in problems for label, _ in rows):
            self._fold(False)

    def _fold(self, folded: bool) -> None:
        self._folded = folded
        self._button.description = f"{'▸' if folded else '▾'} Advanced"
        reveal(self._fields, not folded)
        reveal(self._values, folded)


class Summary:
    """A table instead of a form: what a step will use, as it is now. `blocked` says why it cannot run with that."""

    def __init__(self, caption: str, read: Callable[[], Rows], blocked: Callable[[], Sequence[str]] = list) -> None:
        self._caption, self._read, self._blocked = caption, read, blocked
        self.widget = plain(w.HTML)
        self.on_change: list[Callable[[], None]] = []
        self.sync()

    @property
    def problems(self) -> Sequence[str]:
        return self._blocked()

    def rows(self) -> Rows:
        return self._read()

    def sync(self) -> None:
        self.widget.value = compact(table(self._caption, self._read()))

    def forget(self) -> None:
        """Nothing is typed here."""

    def opened(self) -> None:
        """Nothing here takes time."""


class Sections:
    """Several panels on one card, each under its title; those of `when` only while that is true."""

    def __init__(self, panels: Mapping[str, Panel], when: Mapping[str, Callable[[], bool]] | None = None) -> None:
        self.panels, self._when = panels, when or {}
        self._parts = {
            title: plain(
                w.VBox, [plain(w.HTML, compact(f'<h4 style="margin:6px 0 2px">{text(title)}</h4>')), panel.widget]
            )
            for title, panel in panels.items()
        }
        self.widget = plain(w.VBox, list(self._parts.values()))
        self.on_change: list[Callable[[], None]] = []
        for panel in panels.values():
            panel.on_change.append(self._changed)

    @property
    def problems(self) -> Sequence[str]:
        return [f"{title}: {problem}" for title, panel in self.panels.items() for problem in panel.problems]

    def rows(self) -> Rows:
        return [(f"{title}: {label}", value) for title, panel in self.panels.items() for label, value in panel.rows()]

    def sync(self) -> None:
        for panel in self.panels.values():
            panel.sync()
        for title, wanted in self._when.items():
            reveal(self._parts[title], wanted())

    def forget(self) -> None:
        for panel in self.panels.values():
            panel.forget()

    def opened(self) -> None:
        for panel in self.panels.values():
            panel.opened()

    def _changed(self) -> None:
        for callback in self.on_change:
            callback()


def _plain(item: ErrorDetails) -> str:
    context = item.get("ctx") or {}
    cause = context.get("error")
    if isinstance(cause, OpslibError):
        return cause.cause
    if words := _PLAIN.get(item["type"]):
        return words.format_map(context)
    return item["msg"].removeprefix("Value error, ")
