"""Reads the files that a user names: regular ones, up to a size. A device or a FIFO may never end."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """The file, opened to be read. Raises OSError for anything but a regular file."""
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 (the caller closes it)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_regular(path: Path, longest_bytes: int) -> bytes:
    """The content of a regular file. Raises OSError, also for one that is longer."""
    with open_regular(path) as file:
        content = file.read(longest_bytes + 1)
    if len(content) > longest_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {longest_bytes // 1024} kB", str(path))
    return content


def _without_waiting(path: str, flags: int) -> int:
    """To open a FIFO would wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
