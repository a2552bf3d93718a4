"""The plan out as a file, and the approval of a second key in; on the card of the step “Approve”."""

from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as w

from opslib.errors import InvalidInput, OpslibError
from opslib.html import text
from opslib.router.approval import read_approval, write_new
from opslib.walk.second_key import approvers_of, plan_file, refuse_before_connecting
from opslib.walk.walk import Walk
from opslib.widgets.fields import show
from opslib.widgets.frame import plain, reveal, styled
from opslib.widgets.receipt import Rows, compact, problem


class SecondKey:
    """Says whether an approval is required and which one is in use. Both files are named as paths; an existing one is
    not written over."""

    def __init__(self, walk: Walk) -> None:
        self._walk, self._open = walk, False
        self.on_change: list[Callable[[], None]] = []
        self._state = plain(w.HTML)
        self._fold = styled(plain(w.Button, tooltip="Show or hide the files for a second key"), "ops-quiet")
        self.plan = plain(w.Text, description="Plan", value="plan.json")
        self.save = plain(w.Button, description="Save the plan", tooltip="Write the plan to be approved elsewhere")
        self.approval = plain(w.Text, description="Approval", value="plan.approval.json")
        self.use = plain(w.Button, description="Use this approval", tooltip="What `opslib approve` wrote")
        self.drop = plain(w.Button, description="Use none", tooltip="Approve without the file")
        self._files = plain(
            w.VBox,
            [
                styled(plain(w.HBox, [self.plan, self.save]), "ops-field", "ops-beside"),
                styled(plain(w.HBox, [self.approval, self.use, self.drop]), "ops-field", "ops-beside"),
            ],
        )
        self._said = plain(w.HTML)
        self.widget = plain(w.VBox, [self._state, plain(w.HBox, [self._fold]), self._files, self._said])
        self._fold.on_click(lambda _: self._toggle())
        for button, act in ((self.save, self._save), (self.use, self._use), (self.drop, self._drop)):
            button.on_click(lambda _, act=act: self._do(act))
        self.sync()

    @property
    def problems(self) -> Sequence[str]:
        """None: the step itself refuses a plan without the approval that it needs."""
        return []

    def rows(self) -> Rows:
        """What is required and what is in use; nothing where neither is."""
        required, used = self._required(), self._used()
        return [*([("Required", required)] if required else []), *([("In use", used)] if used else [])]

    def sync(self) -> None:
        lines = [self._required(), self._used()]
        show(self._state, compact("".join(f"<p>{text(line)}</p>" for line in lines if line)))
        opened = self._open or any(lines)
        self._fold.description = f"{'▾' if opened else '▸'} Approval by a second key"
        reveal(self._files, opened)

    def forget(self) -> None:
        """Nothing that is typed here is taken before it is asked for."""

    def opened(self) -> None:
        """Nothing here takes time."""

    def _required(self) -> str:
        try:
            approvers = approvers_of(self._walk.settings, self._walk.onboarding)
        except OpslibError as error:
            return f"{error.title}: {error.cause}"
        if approvers is None:
            return ""
        keys = f"{len(approvers.keys)} key{'s' * (len(approvers.keys) != 1)}"
        return (
            f"A second key must approve this plan: {approvers.where} lists {keys} of which one must sign it. Your own "
            "consent does not suffice. Save the plan, let the holder of a key run “opslib approve”, and use what that "
            "writes."
        )

    def _used(self) -> str:
        if self._walk.approval is None:
            return ""
        said = self._walk.approval.statement
        return f"The approval of key {said.key}, until {said.expires_at}. Reason: {said.reason or 'none given'}"

    def _toggle(self) -> None:
        self._open = not self._open
        self.sync()

    def _do(self, act: Callable[[], str]) -> None:
        try:
            words = act()
        except OpslibError as error:
            show(self._said, problem(f"{error.title}: {error.cause}. Fix: {error.fix}"))
        else:
            show(self._said, compact(f'<div role="status" aria-live="polite">{text(words)}</div>'))

    def _save(self) -> str:
        if self._walk.state("plan") != "done":
            raise InvalidInput("Not saved", cause="there is no plan that holds", fix="plan first")
        path = self._path(self.plan, "plan.json")
        try:
            write_new(path, plan_file(self._walk))
        except OSError as error:
            raise InvalidInput(f"{path.name} cannot be written", cause=str(error), fix="name another file") from None
        return f"✔ Saved the plan to {path.name}"

    def _use(self) -> str:
        approval = read_approval(self._path(self.approval, "plan.approval.json"))
        refuse_before_connecting(approval, self._walk.settings, self._walk.onboarding)
        self._walk.approval = approval
        return "✔ The approval is used; “Approve” checks it against the plan"

    def _drop(self) -> str:
        self._walk.approval = None
        return "No approval by a second key is used"

    def _path(self, box: w.Text, otherwise: str) -> Path:
        return Path(box.value.strip() or otherwise).expanduser()
