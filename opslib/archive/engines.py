"""What the query asks of an engine, and which engine a name means."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from opslib.archive.database import DuckDB, Frame
from opslib.archive.spark import LOCAL, Spark

NAMES: Final = "duckdb, spark or spark://HOST:PORT"


class Tables(Protocol):
    """Reads Parquet, keeps what is used twice, writes a list."""

    def read(self, paths: Sequence[str]) -> Frame:
        """Columns only of the files: none that a folder such as `media=voice` above them would give them."""

    def keep(self, frame: Frame, name: str) -> Frame:
        """The frame as it is worked out once."""

    def write(self, frame: Frame, path: Path) -> None:
        """As one Parquet file."""


class Engine(Protocol):
    """An engine that may be opened, once at a time."""

    def check(self) -> None:
        """Raises OpslibError where it cannot work, before hours are spent on reading a bucket."""

    def opened(self, folder: Path) -> AbstractContextManager[Tables]:
        """What does not fit into memory goes to `folder`. Raises OpslibError, also for what goes wrong in the block."""

    def stop(self) -> None:
        """Ends what it works on; called in another thread."""


def engine(name: str) -> Engine:
    """Raises ValueError for any other than NAMES."""
    if name == "duckdb":
        return DuckDB()
    if name == "spark":
        return Spark(LOCAL)
    if re.fullmatch(r"spark://[\w.-]+:\d{1,5}", name, re.ASCII):
        return Spark(name)
    raise ValueError(f"{name!r} is not an engine; write {NAMES}")
