"""The command line on a real terminal (a pseudo-terminal of the system), with somebody who answers its questions."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from .forks import FORKS, become

PROMPT = "[y/N]: "
INTERRUPT = "Ctrl-C"
_WITHIN_S = 90.0
STYLE = re.compile(r"\x1b\[[0-9;]*m")
# A line that is written over.
_PROGRESS = re.compile(r"(\r\x1b\[K[^\r\n\x1b]*)+(?=\r\x1b\[K)")


@dataclass(frozen=True)
class Seen:
    """How a command ended, and what stands on the terminal in the end; `raw` is all that it was sent."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        return _PROGRESS.sub("", STYLE.sub("", self.raw)).replace("\r\x1b[K", "").replace("\r\n", "\n")


def opslib(env: Mapping[str, str], *words: str | Path, answers: Sequence[str] = (), columns: int = 80) -> Seen:
    """One command, run to its end. Each answer is typed at a question; INTERRUPT is Ctrl-C."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {"TERM": "xterm", **env, "COLUMNS": str(columns)}
    with Connection(slave) as terminal:  # which can be sent to another process
        process = FORKS.Process(target=_on_terminal, args=(terminal, ["opslib", *map(str, words)], env))
        process.start()
    try:
        raw = _talk(master, process, list(answers))
        process.join(_WITHIN_S)
        assert process.exitcode is not None, f"it does not end: {raw}"
        return Seen(process.exitcode, raw)
    finally:
        process.kill()
        process.join()
        os.close(master)


def _on_terminal(terminal: Connection, command: list[str], env: Mapping[str, str]) -> None:
    os.setsid()
    for number in range(3):
        os.dup2(terminal.fileno(), number)
    terminal.close()
    sys.stdin = os.fdopen(0, encoding="utf-8")
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", buffering=1) for number in (1, 2))
    become(command, env)


def _talk(master: int, process: BaseProcess, answers: list[str]) -> str:
    shown, asked, interrupting = "", 0, False
    while True:
        if not select.select([master], [], [], 0.2 if interrupting else _WITHIN_S)[0]:
            assert interrupting, f"it says nothing any more: {shown}"
            assert process.pid
            os.kill(process.pid, signal.SIGINT)  # again: one that comes before the read begins is not noticed there
            continue
        try:
            shown += os.read(master, 4096).decode()
        except OSError:  # the terminal's other end is closed
            return shown
        interrupting = False
        if shown.count(PROMPT) > asked:
            asked += 1
            assert answers, f"a question that nobody expected: {shown}"
            answer = answers.pop(0)
            interrupting = answer == INTERRUPT
            if not interrupting:
                os.write(master, f"{answer}\n".encode())
