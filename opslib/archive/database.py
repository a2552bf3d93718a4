"""DuckDB as this room uses it: in memory, within limits, and with nothing that it would download."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw

from opslib.errors import OpslibError
from opslib.new_files import part_folder

MEMORY_LIMIT_MB = 1_400
"""What DuckDB may use; the rest goes to the disk. With Python and Arrow, the process stays below 2 GB."""

Frame = nw.LazyFrame[Any]


@contextmanager
def opened(folder: Path, *, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that keeps what does not fit into memory in `folder`. DuckDB counts the processor's cores itself.

    A disk that is full, and files that cannot be read or written, raise OpslibError.
    """
    with part_folder(folder) as temporary:
        try:
            with duckdb.connect(":memory:", config=_config(temporary, threads)) as connection:
                yield connection
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise OpslibError(
                "The lists could not be compared",
                cause=str(error).partition("\n")[0],
                fix=f"check the free space and the permissions of {folder} and of the folder for the lists",
            ) from error


def _config(temporary: Path, threads: int | None) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": f"{MEMORY_LIMIT_MB}MB",
        "preserve_insertion_order": "false",
        "temp_directory": str(temporary),
        **({"threads": str(threads)} if threads else {}),
    }


class DuckDB:
    """The engine of `engines` for one machine."""

    def __init__(self) -> None:
        self._connection: duckdb.DuckDBPyConnection | None = None

    def check(self) -> None:
        pass

    @contextmanager
    def opened(self, folder: Path) -> Iterator["_Tables"]:
        with opened(folder) as connection:
            self._connection = connection
            yield _Tables(connection)

    def stop(self) -> None:
        with suppress(duckdb.Error):  # it has ended meanwhile
            if self._connection:
                self._connection.interrupt()


class _Tables:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def read(self, paths: Sequence[str]) -> Frame:
        return nw.from_native(self._connection.read_parquet(list(paths), hive_partitioning=False))

    def keep(self, frame: Frame, name: str) -> Frame:
        frame.to_native().create(name)
        return nw.from_native(self._connection.table(name))

    def write(self, frame: Frame, path: Path) -> None:
        frame.to_native().write_parquet(str(path), compression="zstd")
