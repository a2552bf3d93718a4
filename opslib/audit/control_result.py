"""The answer of one control."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from opslib.verdict import Verdict

ALL: Final = "all"


@dataclass(frozen=True)
class ControlResult:
    """One control's answer and the numbers of the ledger entries it rests on, or `ALL`. `exceptions` are the tags of
    those that stand beside it: they never change the word. `follows` is the id of the control that explains this
    answer, where it only repeats that one's."""

    control: str
    word: Verdict
    why: str
    entries: Sequence[int] | Literal["all"] = ()
    exceptions: tuple[str, ...] = ()
    follows: str = ""

    @property
    def id(self) -> str:
        """The name for programs, from what stands before the colon: `since_then`."""
        return self.control.split(":")[0].lower().replace(" ", "_")

    @property
    def claim(self) -> str:
        """What the control says, as a sentence without its full stop."""
        claim = self.control.partition(": ")[2]
        return claim[:1].upper() + claim[1:]
