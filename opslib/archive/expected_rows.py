"""The rows of the expected file as they come, a batch at a time: text of a CSV, typed columns of a Parquet file."""

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

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
_BLOCK_BYTES: Final = 1 << 23
_CHECKED_BYTES: Final = 1 << 22
_LONGEST_HEADER: Final = 1 << 20


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
    _check_quotes(source, delimiter)
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
                column_names=header, skip_rows=1, block_size=_BLOCK_BYTES, use_threads=False
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
        line, *rest = re.split(rb"[\r\n]", file.read(_LONGEST_HEADER), maxsplit=1)
        alone = not any(block.strip() for block in (*rest, *_blocks(file)))
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # as in UTF-16, and in a spreadsheet's own format
        refuse(source, "row 1: the header is not UTF-8", "save the file as CSV in UTF-8")
    used = [char for char in _DELIMITERS if char in re.sub(r'"[^"]*"', "", text)]
    if len(used) > 1:
        found = " and ".join(_DELIMITERS[char] for char in used)
        refuse(source, f"row 1: the delimiter is ambiguous, the header has {found}", "use one of them only")
    if not used:
        refuse(source, f"row 1: the header lacks {_missing([text])}", f"name the columns: {', '.join(COLUMNS)}")
    try:
        return next(csv.reader([text], delimiter=used[0])), used[0], alone
    except csv.Error as error:
        refuse(source, f"row 1: the header cannot be read ({error})", f"name the columns: {', '.join(COLUMNS)}")


def _check_quotes(source: Path, delimiter: str) -> None:
    """Refuses a quote that is not closed: whatever follows it, up to the next one, would be read as one cell.

    Every other quote opens a cell, and stands at its beginning; the one after it closes the cell, and stands at its
    end. Two that are together mean one: the first closes, the second opens.
    """
    beside = np.isin(np.arange(256), [*f'{delimiter}\r\n"'.encode()])
    seen, lines, opened, previous = 0, 1, 1, b"\n"
    with open_regular(source) as file:
        file.seek(len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0)
        for block in _blocks(file):
            while block.endswith(b'"') and (more := file.read(1)):
                block += more
            text = np.frombuffer(previous + block + b"\n", np.uint8)
            quotes = np.flatnonzero(text[1:-1] == ord('"')) + 1
            opening, closing = quotes[seen % 2 :: 2], quotes[1 - seen % 2 :: 2]
            wrong = [*opening[~beside[text[opening - 1]]][:1], *closing[~beside[text[closing + 1]]][:1]]
            if len(begun := opening[: np.searchsorted(opening, min(wrong), "right")] if wrong else opening):
                opened = lines + block.count(b"\n", 0, int(begun[-1]) - 1)
            if wrong:
                _refuse_quote(source, opened)
            seen, lines, previous = seen + len(quotes), lines + block.count(b"\n"), block[-1:]
    if seen % 2:
        _refuse_quote(source, opened)


def _refuse_quote(source: Path, line: int) -> NoReturn:
    cause = f"row at line {line}: a quote is not closed, or stands within a cell"
    refuse(source, cause, "quote the whole cell, and write a quote in it twice")


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    return iter(partial(file.read, _CHECKED_BYTES), b"")


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
