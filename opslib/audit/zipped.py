"""An audit as one file to hand over: a zip with one folder, and the check of it.

The same folder gives the same bytes: nothing is compressed, and every time in it is the audit's.
"""

import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath

from opslib.errors import InvalidInput, LedgerError
from opslib.new_files import replaced_file

_START = b"PK\x03\x04"
_READABLE = 0o100644 << 16
_EARLIEST, _LATEST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 0, 0, 0)  # that a zip can name
# What is larger or has more files is not an audit, and is not unpacked (bytes, files).
_LARGEST, _MOST = 500_000_000, 100


def refuse_to_overwrite(path: Path) -> None:
    """Raises InvalidInput where there is something already."""
    if path.exists() or path.is_symlink():
        raise InvalidInput(
            f"{path} is there already",
            cause="a zip that was handed over is not overwritten",
            fix="move it away, or name another folder (--out); nothing was written",
        )


def write_zip(path: Path, folder: Path, names: Sequence[str], *, top: str, at: str) -> None:
    """Pack these files of a folder, below a folder `top`, dated `at` (ISO 8601, UTC). Raises InvalidInput, OSError."""
    refuse_to_overwrite(path)
    top = re.sub(r"[^\w-]", "_", top, flags=re.ASCII)
    moment = min(max(_EARLIEST, datetime.fromisoformat(at).timetuple()[:6]), _LATEST)
    with replaced_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name in names:
            entry = zipfile.ZipInfo(f"{top}/{name}", moment)
            entry.create_system, entry.external_attr = 3, _READABLE
            packed.writestr(entry, (folder / name).read_bytes())


def is_zip(path: Path) -> bool:
    """Whether a path is a zip file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_START)) == _START


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder of a zip's files, until the end. Raises LedgerError where it is not as `write_zip` packs one."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as packed:
                for entry in _entries(packed):
                    (Path(folder) / PurePosixPath(entry.filename).name).write_bytes(packed.read(entry))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            raise LedgerError(
                f"{path} cannot be read as a zip of an audit",
                cause=str(error),
                fix="unpack it yourself and verify the folder, or have it handed over again",
            ) from None
        yield Path(folder)


def _entries(packed: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Files right below one folder, each once. Raises ValueError."""
    entries = packed.infolist()
    paths = [PurePosixPath(entry.filename) for entry in entries]
    if len(entries) > _MOST or sum(entry.file_size for entry in entries) > _LARGEST:
        raise ValueError("it has more in it than an audit")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        # A few bytes of bzip2 unpack to gigabytes, whatever size the zip says.
        raise ValueError("it is compressed, and opslib packs without that")
    if any(len(path.parts) != 2 or ".." in path.parts or Path(path.name).name != path.name for path in paths):
        raise ValueError("its files do not stand in one folder")
    if len({path.parts[0] for path in paths}) != 1 or len({path.name for path in paths}) != len(paths):
        raise ValueError("its files do not stand in one folder, each once")
    return entries
