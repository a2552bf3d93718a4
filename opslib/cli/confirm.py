"""y/N before a write. On a terminal opslib says what it will write and where, and asks; elsewhere `--yes` is needed.

With `--json` a program reads the answer, so nobody is asked.
"""

import sys

from opslib.cli.output import ask, is_terminal, say
from opslib.errors import InvalidInput
from opslib.settings import Settings


def can_ask(*, as_json: bool) -> bool:
    """Whether somebody is there to answer."""
    return not as_json and sys.stdin is not None and sys.stdin.isatty() and is_terminal(err=True)


def agreed(will_do: str, where: str) -> bool:
    """Ask once, and say so when the answer is no."""
    if ask(f"{will_do} {where}?"):
        return True
    say("nothing was written", err=True)
    return False


def needs_yes(command: str, instead: str) -> InvalidInput:
    """The error for a command that writes, where nobody can be asked."""
    return InvalidInput(
        f"`opslib {command}` needs --yes here",
        cause="it writes, and nobody can be asked: this is not a terminal, or --json is given",
        fix=f"add --yes to do it, or {instead}; nothing was sent",
    )


def place(settings: Settings, org: str = "") -> str:
    """Where a command writes, in words: sandbox or live, the org as it calls itself, and its address."""
    kind = "the SANDBOX" if settings.on_sandbox else "the LIVE org"
    return " ".join(filter(None, ["in", kind, org, f"at {settings.api_base}"]))
