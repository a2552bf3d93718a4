"""New files that appear whole or not at all. Nothing is written through a link that somebody planted.

What is being written has a random name that begins with `.part-` and is locked by its writer, so the next writer in
that folder knows what a killed one left, and removes it. On Windows nothing is locked, and nothing removed.
"""

import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

_PREFIX = ".part-"
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_OURS = re.compile(r"\.part-[a-z0-9_]{8}")


class _Lock:
    """A folder's lock, until it is closed or the process ends. Raises BlockingIOError when another one holds it."""

    def __init__(self, folder: Path) -> None:
        if sys.platform == "win32":
            return
        self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if sys.platform != "win32":
            os.close(self._handle)


@contextmanager
def part_folder(folder: Path) -> Iterator[Path]:
    """A new folder in `folder`, for files that are moved out when all are there; removed at the end. Raises OSError."""
    _remove_abandoned(folder)
    part, lock = _new_part(folder)
    with closing(lock):
        try:
            yield part
        except OSError as error:
            if error.filename is None and error.errno in _OF_THE_DISK:  # a write knows no name
                error.filename = str(folder)
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def replaced_file(path: Path, within: Path | None = None) -> Iterator[BinaryIO]:
    """A file that takes the place of `path`, of a link too, once it is written and on disk. Raises OSError.

    It is written in `within`, on the same disk, by default beside `path`. A folder of many files is slow to search for
    what was abandoned.
    """
    with part_folder(within or path.parent) as folder:
        with (folder / path.name).open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(folder / path.name, path)


def _new_part(folder: Path) -> tuple[Path, _Lock]:
    while True:
        part = Path(tempfile.mkdtemp(dir=folder, prefix=_PREFIX))
        try:
            lock = _Lock(part)
        except (FileNotFoundError, BlockingIOError):  # taken for abandoned before it was locked
            continue
        if part.exists():
            return part, lock
        lock.close()


def _remove_abandoned(folder: Path) -> None:
    """A folder that cannot be locked has a writer at work."""
    for part in folder.glob(f"{_PREFIX}*") if sys.platform != "win32" else ():
        if _OURS.fullmatch(part.name):
            with suppress(OSError), closing(_Lock(part)):
                shutil.rmtree(part, ignore_errors=True)
