"""The expected file: read whole, each recording once, or refused with the row and the fix."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opslib.archive import expected_rows
from opslib.archive.expected import read_expected
from opslib.archive.expected_rows import batches
from opslib.errors import InvalidInput

AT = "2025-01-01T10:00:00Z"
AT_MS = 1_735_725_600_000


def read(folder: Path, content: bytes | str) -> list[dict[str, Any]]:
    (folder / "file.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return pq.read_table(read_expected(folder / "file.csv", folder / "kept").path).sort_by("row").to_pylist()


@pytest.mark.parametrize("delimiter", list(",;\t|"))
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_header_decides_the_delimiter(tmp_path: Path, delimiter: str, mark: str, end: str) -> None:
    lines = [["conversation_id", "other", "ended_at", "Queue"], ["c", "", AT, '"a,b;c|d"'], ["d", "", AT, ""], [""]]
    rows = read(tmp_path, mark + end.join(delimiter.join(line) for line in lines))
    assert [(row["conversation_id"], row["queue"], row["ended_at_ms"]) for row in rows] == [
        ("c", "a,b;c|d", AT_MS), ("d", None, AT_MS),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        AT, "2025-01-01T12:00:00+02:00", "2025-01-01T10:00:00+0000", "2025-01-01 10:00Z", "2025-01-01T10:00:00.0009Z",
        "2025-01-01T10:00:00.0000001Z", "20250101T100000Z", f" {AT} ", str(AT_MS),
        f"{AT_MS}.0",
    ],
)  # fmt: skip
def test_a_time_is_read_in_each_of_its_forms(tmp_path: Path, text: str) -> None:
    rows = read(tmp_path, f"conversation_id,ended_at,delete_at\nc,{text},9999-12-31T00:00:00Z\n")
    assert rows[0]["ended_at_ms"] == AT_MS
    assert rows[0]["delete_at_ms"] == 253_402_214_400_000


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "row 1: the header lacks conversation_id and ended_at"),
        (f"conversation_id,ended\nc,{AT}\n", "row 1: the header lacks ended_at"),
        (f"conversation_id,ended_at,media;queue\nc,{AT},a;b\n", "row 1: the delimiter is ambiguous"),
        (f"conversation_id,ended_at,ended_at\nc,{AT},{AT}\n", "row 1: the header has ended_at twice"),
        ("conversation_id,ended_at\nc,2025-01-01T10:00:00\n", "row 2: ended_at has no offset"),
        ("conversation_id,ended_at\nc,2025-01-01T10:00:00 CEST\n", "row 2: ended_at is not a time"),
        (f"conversation_id,ended_at\nc,{AT}\nd,\n", "row 3: ended_at is empty"),
        (f"conversation_id,ended_at\n  ,{AT}\n", "row 2: conversation_id is empty"),
        ("conversation_id,ended_at\nc,1735725600\n", "row 2: ended_at is not between 1973 and 9999"),
        (f"conversation_id,ended_at,delete_at\nc,{AT},soon\n", "row 2: delete_at is not a time"),
        (f"conversation_id,ended_at\nc,{AT}\nd\n", "row 3: it has 1 fields, the header has 2"),
        (f"conversation_id,ended_at\nc,{AT}\nd,{AT}\nc,{AT_MS + 1}\n", "rows 2, 4: "),
        (f"conversation_id,ended_at,delete_at\nc,{AT},{AT}\nc,{AT},\n", "rows 2, 3: "),
        (f"conversation_id,ended_at\n\xff,{AT}\n".encode("latin-1"), "invalid UTF8"),
        (f"conversation_id,ended_at\nc,{AT}\n".encode("utf-16"), "the header is not UTF-8"),
        (f"conversation_id,ended_at\nc,{AT}\n".encode("utf-16-be"), "the header is not UTF-8"),
        (f"conversation_id,ended_at,{'x' * 200_000}\nc,{AT},\n", "row 1: the header cannot be read"),
        (f'conversation_id,ended_at,media\nc,{AT},"a\nd,{AT},b\ne,{AT},c\n', "row at line 2: a quote is not closed"),
        (f'conversation_id,ended_at,media\nc,{AT},a\nd,{AT},"b\ne,{AT},"c"\n', "row at line 3: a quote is not closed"),
        (f'conversation_id,ended_at,media\nc,{AT},"a\nd,{AT},"b\n', "row at line 2: a quote is not closed"),
        (f'conversation_id,ended_at,media\nc,{AT},a 5" disk\n', "row at line 2: a quote is not closed"),
        (b"PAR1 and nothing else", "not readable as Parquet"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused_with_its_row(tmp_path: Path, content: str | bytes, cause: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(tmp_path, content)
    assert cause in refused.value.cause
    assert refused.value.fix.endswith("nothing was compared")
    assert not (tmp_path / "kept" / "expected.parquet").exists()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"missing\.csv"):
        read_expected(tmp_path / "missing.csv", tmp_path / "kept")


def test_identical_rows_count_once(tmp_path: Path) -> None:
    """However the id is spelled; a row for the whole conversation is another one."""
    uuid = "0f8fad5b-d9cb-469f-a165-70867728950e"
    lines = [f"{uuid},r,{AT}", f"{uuid.upper()},r,{AT_MS}", f"{uuid},,{AT}", f"{uuid},,{AT}", f"{uuid},s,{AT}"]
    (tmp_path / "file.csv").write_text("\n".join(["conversation_id,recording_id,ended_at", *lines]))
    expected = read_expected(tmp_path / "file.csv", tmp_path)
    assert (expected.rows, expected.conversations, expected.repeated) == (3, 1, 2)


def test_a_quote_may_be_at_any_byte_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes are checked block by block, and the borders make no difference."""
    text = f'\ufeff"conversation_id","ended_at","media"\r\n"c","{AT}","a ""b"""\r\n"d","{AT}","""\n"""\n"e","{AT}",""'
    right, wrong = tmp_path / "right.csv", tmp_path / "wrong.csv"
    right.write_text(text, newline="")
    wrong.write_text(text + '\n"f', newline="")
    for size in range(1, 40):
        monkeypatch.setattr(expected_rows, "_CHECKED_BYTES", size)
        (batch,) = batches(right)
        assert batch.columns["media"].to_pylist() == ['a "b"', '"\n"', ""]
        with pytest.raises(InvalidInput) as refused:
            list(batches(wrong))
        assert "row at line 6: " in refused.value.cause


def test_rows_after_many_blank_lines_are_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, f"conversation_id,ended_at\n{chr(10) * 100_000}c,{AT}\n")) == 1


def test_lines_may_end_in_a_carriage_return_alone(tmp_path: Path) -> None:
    assert len(read(tmp_path, f"conversation_id,ended_at\rc,{AT}\rd,{AT}\r")) == 2


@pytest.mark.parametrize("content", ["conversation_id,ended_at", "conversation_id,ended_at\n\n"])
def test_a_header_alone_is_a_file_without_rows(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == []


@pytest.mark.parametrize("delete_at", [pa.int64(), pa.uint64(), pa.float64()])
def test_parquet_is_read_as_csv_is(tmp_path: Path, delete_at: pa.DataType) -> None:
    """Times with a zone of any unit, or numbers; pandas makes them floats where one is missing."""
    at = datetime(2025, 1, 1, 10, tzinfo=UTC)
    table = pa.table(
        {
            "conversation_id": ["c", "d"],
            "ended_at": pa.array([at, at], pa.timestamp("ns", "Europe/Berlin")),
            "delete_at": pa.array([AT_MS, None], delete_at),
            "started_at": pa.nulls(2, pa.timestamp("ns")),
            "media": pa.array(["voice", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "file.parquet")
    parquet = pq.read_table(read_expected(tmp_path / "file.parquet", tmp_path / "kept").path).sort_by("row")
    rows = read(tmp_path, f"conversation_id,ended_at,delete_at,media\nc,{AT},{AT_MS},voice\nd,{AT},,\n")
    assert parquet.drop_columns("row").to_pylist() == [{k: v for k, v in row.items() if k != "row"} for row in rows]


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        (pa.array([datetime(2025, 1, 1)], pa.timestamp("ms")), "the times of ended_at have no zone"),
        (pa.array([[1]]), "column ended_at is list"),
        (pa.array([None], pa.timestamp("ms", "UTC")), "row 1: ended_at is empty"),
        (pa.array([2**64 - 1], pa.uint64()), "row 1: ended_at is not between 1973 and 9999"),
        (pa.array([float("nan")]), "row 1: ended_at is not between 1973 and 9999"),
    ],
)
def test_parquet_with_unclear_times_is_refused(tmp_path: Path, values: pa.Array, cause: str) -> None:
    pq.write_table(pa.table({"conversation_id": ["c"], "ended_at": values}), tmp_path / "file.parquet")
    with pytest.raises(InvalidInput) as refused:
        read_expected(tmp_path / "file.parquet", tmp_path / "kept")
    assert cause in refused.value.cause


def test_a_row_after_many_is_named(tmp_path: Path) -> None:
    """Also in a later batch."""
    at = (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=number) for number in range(400_000))
    lines = [f"conversation-{number},{moment.isoformat()}" for number, moment in enumerate(at)]
    with pytest.raises(InvalidInput) as refused:
        read(tmp_path, "\n".join(["conversation_id,ended_at", *lines, "c,never"]))
    assert "row 400002: " in refused.value.cause
