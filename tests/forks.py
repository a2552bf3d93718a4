"""Processes that begin with opslib imported: forked from one server, since importing takes a second and tests start
hundreds. `opslib` is the command line in such a process; as `python -m opslib.cli` it is in `cli/test_app.py`."""

import atexit
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from opslib.cli.app import main
from opslib.ledger.ledger import Ledger

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [f"{__package__}.warm", f"{__package__}.router.crash_program", f"{__package__}.campaign.program"]
)
_WITHIN_S = 90.0


def opslib(
    env: Mapping[str, str], *words: str | Path, full_after: int | None = None
) -> "subprocess.CompletedProcess[str]":
    """One command, run to its end, with this environment only; `full_after`: with this many entries and checkpoints in
    the ledger, the disk is full: no file grows any more."""
    command = ["opslib", *map(str, words)]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = FORKS.Process(target=_command, args=(command, dict(env), out, err, full_after))
        process.start()
        process.join(_WITHIN_S)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, _WITHIN_S)
        said, complained = (path.read_text(encoding="utf-8") for path in (out, err))
        return subprocess.CompletedProcess(command, process.exitcode, said, complained)


@contextmanager
def started(env: Mapping[str, str], *words: str | Path) -> Iterator[BaseProcess]:
    """A command at work, killed at the end if it still is. What it says is not kept."""
    nowhere = Path(os.devnull)
    process = FORKS.Process(target=_command, args=(["opslib", *map(str, words)], dict(env), nowhere, nowhere, None))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _command(command: list[str], env: dict[str, str], out: Path, err: Path, full_after: int | None) -> None:
    if full_after is not None:
        _fill_the_disk(full_after)
    sys.stdout, sys.stderr = (path.open("w", encoding="utf-8", buffering=1) for path in (out, err))
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        os.dup2(stream.fileno(), number)
    become(command, env)


def become(command: list[str], env: Mapping[str, str]) -> None:
    """This process is the command from here on, with this environment only."""
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # which a forked process leaves out


def _fill_the_disk(after: int) -> None:
    writing, is_full = Ledger._writing, False
    rows = "SELECT (SELECT count(*) FROM entries) + (SELECT count(*) FROM checkpoints)"

    def counted(self: Ledger) -> Any:
        nonlocal is_full
        if not is_full and (is_full := self._db.execute(rows).fetchone()[0] >= after):
            size = max(file.stat().st_size for file in self.path.parent.glob(f"{self.path.name}*"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return writing(self)

    Ledger._writing = counted  # type: ignore[method-assign]
