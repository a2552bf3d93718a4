"""Processes that begin with opslib imported: forked from one server, since importing takes a second and tests start
hundreds. `opslib` is the command line in such a process; as `python -m opslib.cli` it is in `cli/test_app.py`."""

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from opslib.cli.app import main

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([f"{__package__}.warm", f"{__package__}.router.crash_program"])
_WITHIN_S = 90.0


def opslib(env: Mapping[str, str], *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """One command, run to its end, with this environment only."""
    command = ["opslib", *map(str, words)]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = FORKS.Process(target=_command, args=(command, dict(env), out, err))
        process.start()
        process.join(_WITHIN_S)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, _WITHIN_S)
        said, complained = (path.read_text(encoding="utf-8") for path in (out, err))
        return subprocess.CompletedProcess(command, process.exitcode, said, complained)


def _command(command: list[str], env: dict[str, str], out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    sys.stdout, sys.stderr = (path.open("w", encoding="utf-8", buffering=1) for path in (out, err))
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        os.dup2(stream.fileno(), number)
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # which a forked process leaves out
