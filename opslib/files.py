"""New files that appear whole or not at all. Nothing is written through a link that somebody planted.

What is being written has a random name that begins with `.part-` and is locked by its writer, so the next writer in
that folder knows what a killed one left, and removes it.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

_PREFIX = ".part-"
_LOCK = ".lock"
_OURS = re.compile(r"\.part-[a-z0-9_]{8}")


@contextmanager
def part_folder(folder: Path) -> Iterator[Path]:
    """A new folder in `folder`, for files that are moved out when all are there; removed at the end. Raises OSError."""
    _remove_abandoned(folder)
    part, lock = _new_part(folder)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        lock.close()


@contextmanager
def replaced_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path`, of a link too, once it is written and on disk. Raises OSError."""
    with part_folder(path.parent) as folder:
        with (folder / path.name).open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(folder / path.name, path)


def _new_part(folder: Path) -> tuple[Path, BinaryIO]:
    """The folder, and the open file in it that holds its lock."""
    while True:
        part = Path(tempfile.mkdtemp(dir=folder, prefix=_PREFIX))
        try:
            lock = _lock(part)
        except (FileNotFoundError, BlockingIOError):  # taken for abandoned before it was locked
            continue
        if (part / _LOCK).exists():
            return part, lock
        lock.close()


def _remove_abandoned(folder: Path) -> None:
    """A folder that cannot be locked has a writer at work."""
    for part in folder.glob(f"{_PREFIX}*"):
        if _OURS.fullmatch(part.name) and part.is_dir() and not part.is_symlink():
            with suppress(OSError), _lock(part):
                shutil.rmtree(part, ignore_errors=True)


def _lock(part: Path) -> BinaryIO:
    """Lock a folder until the file is closed or the process ends. Raises BlockingIOError when another one holds it."""
    file = (part / _LOCK).open("ab")
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            file.close()
            raise
    return file
