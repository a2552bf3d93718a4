"""The frame of a card: one line that is always there, and a body that can be folded away."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import ipywidgets as w


class Frame:
    """`line` holds the title and where the card stands; `children` are below it while the card is open. `on_open`
    callbacks are called, without arguments, when it opens."""

    def __init__(self, title: str, children: Sequence[w.Widget], *, line: str = "", folded: bool = False) -> None:
        self._title, self.line = title, plain(w.HTML, line)
        self.on_open: list[Callable[[], None]] = []
        self._button = styled(plain(w.Button), "ops-quiet")
        self._button.on_click(lambda _: self.fold(not self.folded))
        self._body = styled(plain(w.VBox, children), "ops-body")
        self.widget = styled(
            plain(w.VBox, [styled(plain(w.HBox, [self.line, self._button]), "ops-head"), self._body]), "ops", "ops-card"
        )
        self.fold(folded)

    def above(self, widget: w.Widget) -> None:
        """Put something over the body."""
        self._body.children = (widget, *self._body.children)

    def fold(self, folded: bool = True) -> None:
        """Show only the line, or all."""
        self.folded = folded
        reveal(self._body, not folded)
        self._button.description = "Show" if folded else "Hide"
        self._button.tooltip = f"{self._button.description} “{self._title}”"
        if not folded:
            for callback in self.on_open:
                callback()


@cache
def _shared(kind: type[w.Widget]) -> w.Widget:
    return kind()


@cache
def _hidden() -> w.Layout:
    return w.Layout(display="none")


def plain(kind: type[w.Widget], *arguments: Any, **options: Any) -> w.Widget:
    """A widget that shares layout and style with all others: each of these is a widget, too, that the browser would
    have to be told of. What it looks like is in style.css."""
    style = kind.class_traits().get("style")
    own = {} if style is None else {"style": _shared(style.klass)}
    return kind(*arguments, layout=_shared(w.Layout), **own, **options)


def reveal(widget: w.Widget, shown: bool) -> None:
    """Show a plain widget, or take it off the page."""
    widget.layout = _shared(w.Layout) if shown else _hidden()


def mark(widget: w.Widget, name: str, marked: bool) -> None:
    """Give the widget a class of style.css, or take it away."""
    (widget.add_class if marked else widget.remove_class)(name)


def styled(widget: w.Widget, *classes: str) -> w.Widget:
    """The widget with classes of style.css."""
    for name in classes:
        widget.add_class(name)
    return widget
