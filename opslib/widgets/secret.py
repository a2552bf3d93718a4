"""A field for a secret that leaves nothing behind.

The browser sends the value once, when the field is left or Enter is pressed. It becomes a SecretStr, `redact` learns
it, and the widget's own value is emptied before the handler returns: there and in the browser. It is not echoed to
other windows either. So a saved notebook, a saved widget state and the page hold nothing.
"""

from collections.abc import Callable

import ipywidgets as w
from pydantic import SecretStr
from traitlets import Unicode

from opslib.html import text
from opslib.redact import remember
from opslib.widgets.frame import plain, styled

TYPED = "typed here"


class _Input(w.Password):  # type: ignore[misc]
    """A password input whose value the kernel does not send back."""

    value = Unicode("").tag(sync=True, echo_update=False)


class SecretField:
    """A password input, whether a value is set and where it came from, and Clear.

    `label` says what the secret is; `on_edit` is called, without arguments, after the user changed it.
    """

    def __init__(self, label: str, on_edit: Callable[[], object] = lambda: None) -> None:
        self._label, self._on_edit = label, on_edit
        self._input = plain(
            _Input,
            description=label,
            continuous_update=False,
            placeholder="type it, then press Enter",
        )
        self._clear = plain(w.Button, description="Clear", tooltip=f"Forget the {label.lower()}")
        self._status = plain(w.HTML)
        self._input.observe(self._typed, "value")
        self._clear.on_click(lambda _: self.clear())
        self.widget = plain(
            w.VBox,
            [
                self._input,
                styled(plain(w.HBox, [self._clear, self._status]), "ops-actions"),
            ],
        )
        self.load(SecretStr(""))

    @property
    def value(self) -> SecretStr:
        """The secret; empty when none is set."""
        return self._value

    @property
    def is_set(self) -> bool:
        return bool(self._value)

    def load(self, value: SecretStr, source: str = "") -> None:
        """Take a secret from elsewhere, without calling `on_edit`; `source` says from where, in words."""
        remember(value)
        self._value, self._source = value, source
        self._render()

    def clear(self) -> None:
        self.load(SecretStr(""))
        self._on_edit()

    def words(self) -> str:
        """Whether it is set and from where; never the value, nor its length."""
        if not self.is_set:
            return "not set"
        return f"set ({self._source})" if self._source else "set"

    def __repr__(self) -> str:
        return f"SecretField({self._label!r}: {self.words()})"

    def _typed(self, change: dict[str, str]) -> None:
        if not change["new"]:
            return
        try:
            self.load(SecretStr(change["new"]), TYPED)
        finally:
            change["new"] = self._input.value = ""
        self._on_edit()

    def _render(self) -> None:
        words = f"a value is {self.words()}" if self.is_set else "no value is set"
        icon = "✔" if self.is_set else "○"
        self._status.value = f'<span role="status"><span aria-hidden="true">{icon}</span> {text(words)}</span>'
