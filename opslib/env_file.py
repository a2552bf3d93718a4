"""The `.env` file of the folder one works in, taken literally, and who else could have written what opslib reads.

A folder with a `.env` may come from somebody else. So a value is never filled in from the environment (`${NAME}`), and
what may stand there is for opslib.settings and opslib.credentials to say.
"""

import os
import stat
import warnings
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from opslib.files import read_regular

NAME = ".env"
# Says where the file is when it is not in the current folder, as for the kernels of `opslib lab`.
PLACE = "OPSLIB_ENV_FILE"
_LONGEST_BYTES = 64 * 1024


class UnsafePlace(UserWarning):
    """A file or folder that opslib trusts can be written by others."""


def env_file_values() -> dict[str, str]:
    """The values that are not empty, by name; nothing where there is no file. Raises OSError or UnicodeDecodeError."""
    try:
        text = read_regular(env_file_path(), _LONGEST_BYTES).decode()
    except FileNotFoundError:
        return {}
    values = dotenv_values(stream=StringIO(text, newline=None), interpolate=False)
    return {name: value for name, value in values.items() if value}


def env_file_path() -> Path:
    """Where the file is, or would be."""
    return Path.cwd() / (os.environ.get(PLACE) or NAME)


def open_to_others(path: Path) -> tuple[str, str] | None:
    """Who else can write a file or folder, and the remedy; None where only its owner or a group can."""
    if os.name != "posix":
        return None
    try:
        about = path.stat()
    except OSError:
        return None
    if about.st_mode & stat.S_IWOTH:
        return f"every user of this machine can write {path}", f"look at what is in it, then: chmod o-w {path}"
    if about.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to another user (number {about.st_uid}), who can change it", "use one of your own"
    return None


def warn_if_open_to_others(*paths: Path) -> None:
    """Warn (UnsafePlace) of each file or folder that others can write."""
    for path in paths:
        if risk := open_to_others(path):
            warnings.warn("; ".join(risk), UnsafePlace, stacklevel=3)
