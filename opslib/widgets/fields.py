"""One input per field of a pydantic model, chosen by its annotation, with label, help and its error beside it.

str → text · int and float → number · bool → checkbox · Literal → list · tuple of Literals → checkboxes · tuple of str →
text with commas · Ids → the same, and a name to add · SecretStr → secret field · model → its fields · union of models →
a list, and the fields of what is chosen. A field that can have one value only is not shown.
"""

import types
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, Union, get_args, get_origin

import ipywidgets as w
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from opslib.html import text
from opslib.onboarding.values import Id
from opslib.visible import visible
from opslib.widgets.frame import mark, plain, reveal, styled
from opslib.widgets.receipt import note, problem
from opslib.widgets.secret import SecretField

Loc = tuple[int | str, ...]
Edited = Callable[[], None]

_UNITS = {"days": "days", "s": "seconds"}
_CAPITALS = {"id": "id", "url": "URL", "arn": "ARN", "api": "API", "aws": "AWS", "env": "variable"}


class Control(Protocol):
    """One field, or a group of them, on the screen."""

    widget: w.Widget

    def raw(self) -> Any:
        """The value as typed, for the model to judge."""

    def load(self, value: Any) -> None:
        """Show a value of the model."""

    def find(self, loc: Loc) -> "Control | None":
        """The control that an error of pydantic belongs to; None when it speaks of something not chosen."""

    def explain(self, message: str) -> None:
        """Show what is wrong, or with an empty text that nothing is."""

    def label(self, loc: Loc) -> str:
        """The name of a field below this one, for people."""

    def rows(self) -> list[tuple[str, str]]:
        """Label and text of each field, for a table; no secret."""


def label_of(name: str, info: FieldInfo) -> str:
    """A field's label: its title, or its name in words with the unit in brackets."""
    if info.title:
        return info.title
    words = name.split("_")
    unit = _UNITS.get(words[-1]) if len(words) > 1 else None
    label = " ".join(_CAPITALS.get(word, word) for word in (words[:-1] if unit else words))
    return f"{label[0].upper()}{label[1:]}" + (f" ({unit})" if unit else "")


def control(
    name: str,
    info: FieldInfo,
    edited: Edited,
    options: Mapping[str, str] | None = None,
    suggestions: Sequence[str] | None = None,
) -> Control | None:
    """The control for a field; None when it can have one value only. `options` is {label: value} for a list, and
    `suggestions` what a text is likely to be.

    Raises TypeError for an annotation that no control knows.
    """
    kind, label, about = info.annotation, label_of(name, info), info.description or ""
    members = [member for member in get_args(kind) if member is not type(None)]
    if options is not None:
        return Listing(label, about, edited, w.Dropdown, options=list(options.items()))
    if suggestions is not None:
        return Suggested(label, about, edited, w.Combobox, options=list(suggestions))
    if get_origin(kind) in (Union, types.UnionType):
        if len(members) > 1 and all(_is_model(member) for member in members):
            return Choice(label, about, members, edited)
        kind = members[0] if len(members) == 1 else kind
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return Simple(label, about, edited, w.Dropdown, options=choices) if len(choices) > 1 else None
    if get_origin(kind) is tuple and get_origin(members[0]) is Literal:
        return Several(label, about, get_args(members[0]), edited)
    if get_origin(kind) is tuple:
        return (Named if members[0] == Id else Listed)(label, about, edited)
    if kind is SecretStr:
        return Secret(label, about, edited)
    if kind is bool:
        return Simple(label, about, edited, w.Checkbox, indent=False)
    if kind is str:
        return Typed(label, about, edited)
    if kind is int or info.annotation is float:  # one that may be None has no input: a number's cannot be empty
        return Number(label, about, edited, int if kind is int else float)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        group = Group(kind, edited)
        return group if group.controls else None
    raise TypeError(f"no control for {name}: {kind}")


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


class _Labelled(Control):
    """A label, and a line below the input with help, a note and what is wrong: one widget, as each costs messages."""

    def __init__(self, label: str, about: str) -> None:
        self._label = label
        self._help, self._note, self._problem = note(about), "", ""
        self.below = styled(plain(w.HTML), "ops-below")
        self._say()

    def explain(self, message: str) -> None:
        self._problem = problem(message)
        self._say()
        mark(self.widget, "ops-invalid", bool(message))

    def note(self, message: str) -> None:
        """A line about the value, such as where it came from."""
        self._note = note(message)
        self._say()

    def find(self, loc: Loc) -> Control | None:
        return self

    def label(self, loc: Loc) -> str:
        return self._label

    def rows(self) -> list[tuple[str, str]]:
        return [(self._label, _words(self.raw()))]

    def _say(self) -> None:
        """What is wrong comes first; there is room for two lines, so that nothing moves when it goes."""
        self.below.value = self._problem + self._note + self._help


def show(line: w.HTML, html: str) -> None:
    """Set a line's text; an empty line takes no room."""
    line.value = html
    reveal(line, bool(html))


class Simple(_Labelled):
    """One input with its label; `kind` is the input's class, made with `options`."""

    def __init__(self, label: str, about: str, edited: Edited, kind: type[w.Widget], **options: Any) -> None:
        super().__init__(label, about)
        self._input = plain(kind, description=label, **options)
        self._input.observe(lambda _: edited(), "value")
        self.widget = styled(plain(w.VBox, [self._input, self.below]), "ops-field")

    def raw(self) -> Any:
        return self._input.value

    def load(self, value: Any) -> None:
        self._input.value = "" if value is None else value


class Listing(Simple):
    """A list to choose from. It takes in a value from elsewhere, such as a file, that it does not have."""

    def load(self, value: Any) -> None:
        if value and value not in dict(self._input.options).values():
            self._input.options = [*self._input.options, (value, value)]
        super().load(value)


class Several(_Labelled):
    """Checkboxes, of which any number may be ticked."""

    def __init__(self, label: str, about: str, options: Sequence[str], edited: Edited) -> None:
        super().__init__(label, about)
        self._boxes = {option: plain(w.Checkbox, description=option, indent=False) for option in options}
        for box in self._boxes.values():
            box.observe(lambda _: edited(), "value")
        name = plain(w.HTML, f"<strong>{text(label)}</strong>")
        self.widget = styled(plain(w.VBox, [name, *self._boxes.values(), self.below]), "ops-field", "ops-several")

    def raw(self) -> Any:
        return tuple(option for option, box in self._boxes.items() if box.value)

    def load(self, value: Any) -> None:
        for option, box in self._boxes.items():
            box.value = option in value


class Typed(Simple):
    """A text, sent as it is typed: what depends on it follows at once."""

    def __init__(self, label: str, about: str, edited: Edited) -> None:
        super().__init__(label, about, edited, w.Text)


class Number(Typed):
    """A number as text. The browser's own input hides what it cannot read, and the kernel keeps the number before; here
    the model says what is wrong with the text."""

    def __init__(self, label: str, about: str, edited: Edited, kind: type[int | float]) -> None:
        super().__init__(label, about, edited)
        self._kind = kind

    def raw(self) -> Any:
        try:
            return self._kind(self._input.value)
        except ValueError:
            return self._input.value

    def load(self, value: Any) -> None:
        super().load(f"{value:g}" if self._kind is float else str(value))


class Listed(Typed):
    """Any number of texts, with commas between them."""

    def raw(self) -> Any:
        return tuple(part.strip() for part in self._input.value.split(",") if part.strip())

    def load(self, value: Any) -> None:
        super().load(", ".join(value))


class Suggested(Simple):
    """A text with suggestions; any other text may be typed as well."""

    def suggest(self, suggestions: Sequence[str], message: str = "") -> None:
        """Suggest these from now on; `message` says what there is to know about them."""
        self._input.options = list(suggestions)
        self.note(message)


class Named(Listed):
    """Ids with commas between them; above them, an input that adds one by its name, once the names are known.

    A text there that is not one of the names is no value: the model is given None in its place, and refuses it.
    """

    def __init__(self, label: str, about: str, edited: Edited) -> None:
        super().__init__(label, about, edited)
        self._edited = edited
        self._names: Mapping[str, str] = {}
        # Sent when it is left, or Enter is pressed: half a name may be another one.
        self._add = plain(
            w.Combobox,
            description=f"Add {label[0].lower()}{label[1:]} by name",
            placeholder="once the names are read",
            continuous_update=False,
            disabled=True,
        )
        self._about_names = ""
        self._add.observe(self._added, "value")
        self.widget.children = [self._add, self._input, self.below]

    def offer(self, names: Mapping[str, str], message: str = "") -> None:
        """Names to choose from, by id; without any there is nothing to choose. `message` says why, or how many more
        there are."""
        self._names, self._about_names = _told_apart(names), message
        self._add.options, self._add.disabled = list(self._names.values()), not names
        if names:
            self._add.placeholder = ""
        else:
            self._add.value = ""  # it could not be cleared by hand
        self._say_names()

    def raw(self) -> Any:
        return (*super().raw(), *([None] if self._add.value else []))

    def load(self, value: Any) -> None:
        self._add.value = ""
        super().load(value)
        self._say_names()

    def explain(self, message: str) -> None:
        super().explain(message)
        self._say_names()

    def rows(self) -> list[tuple[str, str]]:
        chosen = [f"{self._names[id]} ({id})" if id in self._names else id for id in super().raw()]
        return [(self._label, ", ".join(chosen) or "none")]

    def _added(self, change: dict[str, str]) -> None:
        ids = [id for id, name in self._names.items() if change["new"].strip() in (name, id)]
        if not ids:
            self._edited()
            return
        self._add.value = ""
        self._input.value = ", ".join(dict.fromkeys([*super().raw(), *ids]))

    def _say_names(self) -> None:
        chosen = [self._names.get(id, id) for id in super().raw()] if self._names else []
        self.note("; ".join(filter(None, (", ".join(chosen), self._about_names))))


def _told_apart(names: Mapping[str, str]) -> Mapping[str, str]:
    """Names on one line each, in the order of the alphabet; where several have one, with the id behind it."""
    shown = {id: visible(name) or id for id, name in names.items()}
    often = Counter(shown.values())
    told = {id: name if often[name] == 1 else f"{name} ({id})" for id, name in shown.items()}
    return dict(sorted(told.items(), key=lambda item: item[1].casefold()))


class Secret(_Labelled):
    """A secret; its value stays in a SecretStr."""

    def __init__(self, label: str, about: str, edited: Edited) -> None:
        super().__init__(label, about)
        self.field = SecretField(label, edited)
        self.widget = styled(plain(w.VBox, [self.field.widget, self.below]), "ops-field")

    def raw(self) -> Any:
        return self.field.value

    def load(self, value: Any) -> None:
        if value != self.field.value:
            self.field.load(value)

    def note(self, message: str) -> None:
        """Where the value came from: said by the field itself."""
        if self.field.is_set:
            self.field.load(self.field.value, message)

    def rows(self) -> list[tuple[str, str]]:
        return [(self._label, self.field.words())]


class Group:
    """The fields of a model, in order. `include` names those to show; `options` the lists to choose from, and
    `suggestions` those of which a text is likely to be one."""

    def __init__(
        self,
        model: type[BaseModel],
        edited: Edited,
        *,
        include: Sequence[str] | None = None,
        options: Mapping[str, Mapping[str, str]] | None = None,
        suggestions: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        made = {
            name: control(
                name, model.model_fields[name], edited, (options or {}).get(name), (suggestions or {}).get(name)
            )
            for name in include or model.model_fields
        }
        self.controls: dict[str, Control] = {name: control for name, control in made.items() if control}
        self.widget = styled(
            plain(w.VBox, [control.widget for control in self.controls.values()]), "ops-form", "ops-wide"
        )

    def raw(self) -> Any:
        return {name: control.raw() for name, control in self.controls.items()}

    def load(self, value: Any) -> None:
        for name, control in self.controls.items():
            control.load(getattr(value, name))

    def find(self, loc: Loc) -> Control | None:
        if loc and (child := self.controls.get(str(loc[0]))):
            return child.find(loc[1:])
        return self

    def explain(self, message: str) -> None:
        """A group has no line of its own; its form says it."""
        if not message:
            for control in self.controls.values():
                control.explain("")

    def label(self, loc: Loc) -> str:
        child = self.controls.get(str(loc[0])) if loc else None
        return child.label(loc[1:]) if child else ""

    def rows(self) -> list[tuple[str, str]]:
        return [row for control in self.controls.values() for row in control.rows()]


class Choice(_Labelled):
    """One of several models: a list to choose from, and the fields of the chosen one."""

    def __init__(self, label: str, about: str, models: Sequence[type[BaseModel]], edited: Edited) -> None:
        super().__init__(label, about)
        self._edited = edited
        self._groups = {model: Group(model, edited) for model in models}
        titles = [(str(model.model_config.get("title") or model.__name__), model) for model in models]
        self._list = plain(w.Dropdown, options=titles, description=label)
        self._list.observe(lambda _: self._chosen(), "value")
        self._place = plain(w.VBox)
        self.widget = styled(
            plain(w.VBox, [styled(plain(w.VBox, [self._list, self.below]), "ops-field"), self._place]), "ops-wide"
        )
        self._show()

    @property
    def chosen(self) -> type[BaseModel]:
        model: type[BaseModel] = self._list.value
        return model

    def raw(self) -> Any:
        return self._groups[self.chosen].raw()

    def load(self, value: Any) -> None:
        self._groups[type(value)].load(value)
        self._list.value = type(value)
        self._show()

    def find(self, loc: Loc) -> Control | None:
        if not loc:
            return self
        if loc[0] == self.chosen.__name__:
            control = self._groups[self.chosen].find(loc[1:])
            return self if isinstance(control, Group) else control
        return None

    def explain(self, message: str) -> None:
        super().explain(message)
        if not message:
            for group in self._groups.values():
                group.explain("")

    def label(self, loc: Loc) -> str:
        return self._groups[self.chosen].label(loc[1:]) or self._label

    def rows(self) -> list[tuple[str, str]]:
        return [(self._label, str(self._list.label)), *self._groups[self.chosen].rows()]

    def _chosen(self) -> None:
        self._show()
        self._edited()

    def _show(self) -> None:
        self._place.children = [self._groups[self.chosen].widget]


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value) if value != "" else "not set"
