from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as w

from opslib.errors import InvalidInput, OpslibError
from opslib.html import text
from opslib.new_files import replaced_file
from opslib.onboarding.file import as_yaml, load_onboarding, parse_onboarding
from opslib.onboarding.models import Onboarding
from opslib.redact import names_a_secret
from opslib.walk.walk import Walk
from opslib.widgets.fields import show
from opslib.widgets.frame import Frame, plain, styled
from opslib.widgets.receipt import compact, framed, heading, lead, mimebundle, problem

_TITLE = "The onboarding as a file"
_ABOUT = (
    "The forms below and this text are the same thing. Paste a text and use it, load a file, or save what the forms "
    "hold. Nothing is sent."
)


class FileCard:
    """YAML in and out. `problems` says what in the forms is not valid, and so not in the text; `forget` drops that."""

    def __init__(self, walk: Walk, problems: Callable[[], Sequence[str]], forget: Callable[[], object]) -> None:
        self._walk, self._problems, self._forget = walk, problems, forget
        self._shown = ""
        self._known: Path | None = None  # the file that was loaded or saved here, and may be written again
        self.yaml = plain(w.Textarea, description="YAML", rows=12, continuous_update=False)
        self.file = plain(w.Text, description="File", value="onboarding.yaml")
        self.use = plain(w.Button, description="Use this text", tooltip="Put the text's values into the forms")
        self.load = plain(w.Button, description="Load the file", tooltip="Put the file's values into the forms")
        self.save = plain(w.Button, description="Save to the file", tooltip="Write what the forms hold")
        self._status = plain(w.HTML)
        self.yaml.observe(self._edited, "value")
        for button, act in ((self.use, self._use), (self.load, self._load), (self.save, self._save)):
            button.on_click(lambda _, act=act: self._do(act))
        self.widget = Frame(
            _TITLE,
            [
                styled(plain(w.HTML, text(_ABOUT)), "ops-lead"),
                styled(plain(w.VBox, [self.yaml, self.file]), "ops-field"),
                styled(plain(w.HBox, [self.use, self.load, self.save]), "ops-actions"),
                self._status,
            ],
            line=heading(_TITLE),
            folded=True,
        ).widget
        walk.on_change.append(self._follow)
        self._say("")
        self._follow()

    def receipt(self) -> str:
        """The text as it is now, as static HTML."""
        style = "white-space:pre-wrap;overflow-wrap:anywhere"
        return framed(heading(_TITLE) + lead(_ABOUT) + f'<pre style="{style}">{text(self._now())}</pre>')

    def __repr__(self) -> str:
        return _TITLE

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self.widget, self.receipt(), repr(self))

    def _now(self) -> str:
        return as_yaml(self._walk.onboarding)

    def _follow(self) -> None:
        """Show what the forms hold, unless the text is being edited."""
        if self.yaml.value == self._shown:
            self._put_back()

    def _put_back(self) -> None:
        self._shown = self._now()  # first: what the text then becomes is no edit
        self.yaml.value = self._shown

    def _edited(self, change: dict[str, str]) -> None:
        if names_a_secret(change["new"]):
            self._put_back()
            show(
                self._status,
                problem("secrets are no part of the file: name the variables that hold them. The text is put back"),
            )
        elif change["new"] != self._shown:
            self._say("The text is edited, and not used yet")

    def _do(self, act: Callable[[], str]) -> None:
        try:
            self._say(act())
        except OpslibError as error:
            show(self._status, problem(f"{error.title}: {error.cause}. Fix: {error.fix}"))

    def _use(self) -> str:
        self._take(parse_onboarding(self.yaml.value, "The text"))
        return "✔ The forms hold what the text says"

    def _load(self) -> str:
        path = self._path()
        self._take(load_onboarding(path))
        self._known = path
        return f"✔ The forms hold what {path.name} says"

    def _save(self) -> str:
        path = self._path()
        if problems := self._problems():
            raise InvalidInput("Not saved", cause="; ".join(problems), fix="correct the fields named first")
        if path.exists() and path != self._known:
            raise InvalidInput(
                f"{path.name} exists already",
                cause="it would be overwritten",
                fix="load it first, or name another file",
            )
        try:
            with replaced_file(path) as file:
                file.write(self._now().encode())
        except OSError as error:
            raise InvalidInput(f"{path.name} cannot be written", cause=str(error), fix="name another file") from None
        self._known = path
        return f"✔ Saved what the forms hold to {path.name}"

    def _path(self) -> Path:
        return Path(self.file.value.strip() or "onboarding.yaml").expanduser()

    def _take(self, onboarding: Onboarding) -> None:
        self._shown = self.yaml.value  # used, so the forms lead again
        self._forget()
        self._walk.onboarding = onboarding
        self._follow()

    def _say(self, words: str) -> None:
        show(self._status, compact(f'<div role="status" aria-live="polite">{text(words)}</div>'))
