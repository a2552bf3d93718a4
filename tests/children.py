"""Processes that tests start: they end with the test run, however that ends."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

_PR_SET_PDEATHSIG = 1  # prctl(2)


def started(command: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
    """As subprocess.Popen. On Linux the kernel sends it SIGTERM when this process ends, also when it is killed."""
    if sys.platform != "linux":
        return subprocess.Popen(command, **options)
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def end_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it has ended meanwhile
            os._exit(1)

    return subprocess.Popen(command, preexec_fn=end_with_parent, **options)
