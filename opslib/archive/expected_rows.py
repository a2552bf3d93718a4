"""The rows of the expected file as they come, a batch at a time: text of a CSV, typed columns of a Parquet file."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from opslib.errors import InvalidInput
from opslib.files import open_regular

REQUIRED: Final = ("conversation_id", "ended_at")
COLUMNS: Final = (*REQUIRED, "recording_id", "started_at", "media", "queue", "delete_at")
_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_ROWS: Final = 1 << 17


@dataclass(frozen=True)
class Batch:
    """Rows of the file, by the name of their column. `first_row` is the number of the first one, for people."""

    source: Path
    first_row: int
    columns: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.columns["conversation_id"])

    def text(self, name: str) -> pa.Array:
        """A column as text without blanks around it; null where it is empty, or not in the file."""
        values = self.columns.get(name)
        if values is None:
            return pa.nulls(len(self), pa.large_string())
        try:
            trimmed = pc.utf8_trim_whitespace(values.cast(pa.large_string()))
        except pa.ArrowException:
            refuse(self.source, f"column {name} is {values.type}", f"write {name} as text")
        return pc.if_else(pc.equal(trimmed, ""), None, trimmed)

    def row_numbers(self) -> pa.Array:
        return pa.array(np.arange(self.first_row, self.first_row + len(self)))

    def require(self, name: str, values: pa.Array) -> None:
        """Raises InvalidInput for the first row without a value."""
        if values.null_count:
            at = pc.index(values.is_null(), True).as_py()
            self.refuse(at, f"{name} is empty", f"give each row its {name}, or remove the row")

    def refuse(self, at: int, cause: str, fix: str) -> NoReturn:
        refuse(self.source, f"row {self.first_row + at}: {cause}", fix)


def refuse(source: Path, cause: str, fix: str) -> NoReturn:
    raise InvalidInput(
        f"The expected file {source.name} cannot be used", cause=cause, fix=f"{fix}; nothing was compared"
    )


def batches(source: Path) -> Iterator[Batch]:
    """All rows of the file. Raises InvalidInput, also after some batches."""
    try:
        with open_regular(source) as file:
            parquet = file.read(4) == b"PAR1"
        yield from _of_parquet(source) if parquet else _of_csv(source)
    except OSError as error:
        refuse(source, error.strerror or str(error), "check the path, and that you may read the file")


def _of_parquet(source: Path) -> Iterator[Batch]:
    try:
        with pq.ParquetFile(source) as file:
            names = _names(source, file.schema_arrow.names)
            row = 1
            for batch in file.iter_batches(_ROWS, columns=list(names.values())):
                yield Batch(source, row, {name: batch.column(column) for name, column in names.items()})
                row += len(batch)
    except pa.ArrowException as error:
        refuse(source, f"it is not readable as Parquet: {error}", "write the file again")


def _of_csv(source: Path) -> Iterator[Batch]:
    """pyarrow reads the rows; the header is read here, because it decides the delimiter."""
    header, delimiter, alone = _header(source)
    names = _names(source, header)
    if alone:
        yield Batch(source, 2, {name: pa.array([], pa.string()) for name in names})
        return
    misshapen: list[pyarrow.csv.InvalidRow] = []

    def misfit(row: pyarrow.csv.InvalidRow) -> str:
        misshapen.append(row)
        return "skip"

    first_row = 2
    try:
        with pyarrow.csv.open_csv(
            source,
            read_options=pyarrow.csv.ReadOptions(
                column_names=header, skip_rows=1, block_size=1 << 23, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=misfit
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), include_columns=list(names.values())
            ),
        ) as reader:
            for batch in reader:
                if misshapen:
                    break
                yield Batch(source, first_row, {name: batch.column(column) for name, column in names.items()})
                first_row += len(batch)
    except pa.ArrowException as error:
        refuse(source, f"after row {first_row - 1}: {error}", "write the file again, in UTF-8")
    if misshapen:
        row = misshapen[0]
        cause = f"row {row.number}: it has {row.actual_columns} fields, the header has {row.expected_columns}"
        refuse(source, cause, f"separate the fields with a {_DELIMITERS[delimiter]}, and quote those that contain one")


def _header(source: Path) -> tuple[list[str], str, bool]:
    """The names of the columns, the delimiter, and whether no row follows."""
    with open_regular(source) as file:
        line = file.readline(1 << 20)
        alone = not file.read(1 << 16).strip()
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        refuse(source, "row 1: the header is not UTF-8", "save the file as CSV in UTF-8")
    used = [char for char in _DELIMITERS if char in re.sub(r'"[^"]*"', "", text)]
    if len(used) > 1:
        found = " and ".join(_DELIMITERS[char] for char in used)
        refuse(source, f"row 1: the delimiter is ambiguous, the header has {found}", "use one of them only")
    if not used:
        refuse(source, f"row 1: the header lacks {_missing([text])}", f"name the columns: {', '.join(COLUMNS)}")
    return next(csv.reader([text], delimiter=used[0])), used[0], alone


def _names(source: Path, header: list[str]) -> dict[str, str]:
    """The columns of COLUMNS that the file has, and how it spells them."""
    spelt = [name.strip().lower() for name in header]
    if twice := next((name for name in COLUMNS if spelt.count(name) > 1), None):
        refuse(source, f"row 1: the header has {twice} twice", "leave one of the two")
    if missing := _missing(spelt):
        refuse(source, f"row 1: the header lacks {missing}", f"name the columns: {', '.join(COLUMNS)}")
    return {name: header[spelt.index(name)] for name in COLUMNS if name in spelt}


def _missing(spelt: list[str]) -> str:
    return " and ".join(name for name in REQUIRED if name not in spelt)
