"""The frame of a card: one line that is always there, and a body that can be folded away."""

from collections.abc import Sequence

import ipywidgets as w


class Frame:
    """`line` holds the title and where the card stands; `children` are below it while the card is open."""

    def __init__(self, title: str, children: Sequence[w.Widget], *, line: str = "", folded: bool = False) -> None:
        self._title, self.line = title, w.HTML(line)
        self._button = styled(w.Button(), "ops-quiet")
        self._button.on_click(lambda _: self.fold(not self.folded))
        self._body = styled(w.VBox(children), "ops-body")
        self.widget = styled(
            w.VBox([styled(w.HBox([self.line, self._button]), "ops-head"), self._body]), "ops", "ops-card"
        )
        self.fold(folded)

    def above(self, widget: w.Widget) -> None:
        """Put something over the body."""
        self._body.children = (widget, *self._body.children)

    def fold(self, folded: bool = True) -> None:
        """Show only the line, or all."""
        self.folded = folded
        self._body.layout.display = "none" if folded else None
        self._button.description = "Show" if folded else "Hide"
        self._button.tooltip = f"{self._button.description} “{self._title}”"


def styled(widget: w.Widget, *classes: str) -> w.Widget:
    """The widget with classes of style.css."""
    for name in classes:
        widget.add_class(name)
    return widget
