"""S3 Inventory reports: both formats read alike, and what is missing or damaged leaves a gap."""

import errno
import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opslib.archive import inventory
from opslib.archive.arrived import ArrivedParts
from opslib.archive.inventory import Inventory, read_inventory
from opslib.errors import InvalidInput

from ..world import Sandbox
from .inventories import CREATED, FIELDS, Item, write_inventory, write_manifest
from .s3_stub import archive_keys

KEYS = [*archive_keys(3, 4), "reports/ü +1%2F.csv", "a,b\"c'/x.opus"]


def parts_in(folder: Path) -> ArrivedParts:
    return ArrivedParts(folder / "arrived", "inventory")


def read(manifest: Path, folder: Path, prefix: str = "") -> tuple[Inventory, pa.Table]:
    parts = parts_in(folder)
    report = read_inventory(str(manifest), parts, bucket="recordings", prefix=prefix)
    assert parts.complete is (not report.gaps)
    return report, pa.concat_tables(pq.read_table(path) for path in parts.tables())


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
def test_every_object_is_read_as_it_is(tmp_path: Path, file_format: str) -> None:
    """Keys decoded, times in milliseconds, sizes, encryption and storage class; and the time of the report."""
    modified = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    items = [Item(key, size, modified) for size, key in enumerate(KEYS)]
    report, table = read(write_inventory(tmp_path, items, file_format), tmp_path)
    assert sorted(table["key"].to_pylist()) == sorted(KEYS)
    assert dict(zip(table["key"].to_pylist(), table["size"].to_pylist(), strict=True)) == {
        item.key: item.size for item in items
    }
    assert set(table["last_modified_ms"].to_pylist()) == {int(modified.timestamp() * 1000)}
    assert set(table["encryption"].to_pylist()) == {"SSE-S3"}
    assert set(table["storage_class"].to_pylist()) == {"STANDARD"}
    assert report == Inventory(CREATED, ())


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
def test_only_what_is_there_today_counts(tmp_path: Path, file_format: str) -> None:
    """Older versions, deletions and keys outside the prefix are left out."""
    items = [
        Item("voice/a.opus"),
        Item("voice/a.opus", latest=False),
        Item("voice/b.opus", size=None, deleted=True),
        Item("voice/b.opus", latest=False),
        Item("voice2/c.opus"),
    ]
    _, table = read(write_inventory(tmp_path, items, file_format), tmp_path, prefix="voice")
    assert table["key"].to_pylist() == ["voice/a.opus"]


def files(folder: Path) -> list[Path]:
    return sorted((folder / "inventories/recordings/daily/data").iterdir())


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
@pytest.mark.parametrize("harm", [Path.unlink, damage])
def test_a_missing_or_damaged_file_is_a_gap(tmp_path: Path, file_format: str, harm: Callable[[Path], None]) -> None:
    """The other file counts. With the file in its place again, only that one is read."""
    manifest = write_inventory(tmp_path, [Item(key) for key in KEYS], file_format)
    harmed = files(tmp_path)[1]
    content = harmed.read_bytes()
    harm(harmed)
    report, table = read(manifest, tmp_path)
    (gap,) = report.gaps
    assert gap.where.endswith(harmed.name)
    assert gap.cause
    assert gap.fix
    assert sorted(table["key"].to_pylist()) == sorted(KEYS[::2])

    harmed.write_bytes(content)
    files(tmp_path)[0].unlink()
    report, table = read(manifest, tmp_path)
    assert report.gaps == ()
    assert sorted(table["key"].to_pylist()) == sorted(KEYS)


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
def test_a_file_that_is_not_of_its_format_is_a_gap(tmp_path: Path, file_format: str) -> None:
    """Its checksum is right, and it cannot be read."""
    manifest = write_inventory(tmp_path, [Item(key) for key in KEYS], file_format, files=1)
    other = "Parquet" if file_format == "CSV" else "CSV"
    text = json.loads(manifest.read_text()) | {"fileFormat": other}
    text["fileSchema"] = "Bucket, Key, Size, LastModifiedDate"
    report, table = read(write_manifest(manifest, text), tmp_path)
    (gap,) = report.gaps
    assert "cannot be read" in gap.cause
    assert table.num_rows == 0


def replace_file(manifest: Path, folder: Path, content: bytes) -> None:
    """The first file of the report, with its checksum in the manifest."""
    files(folder)[0].write_bytes(content)
    document = json.loads(manifest.read_text())
    document["files"][0]["MD5checksum"] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    write_manifest(manifest, document)


CELLS = {"key": "a", "is_latest": "true", "size": "5", "last_modified_date": "2026-01-01T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": "x"}, "'x'"),
        ({"size": ""}, "an object has no size"),
        ({"last_modified_date": "now"}, "'now'"),
        ({"key": ""}, "an object has no key"),
        ({"key": "\xff"}, "UTF8"),
        ({"key": 'a"'}, "Expected 9 columns"),
    ],
)
def test_a_csv_file_with_a_row_of_another_shape_is_a_gap(tmp_path: Path, changes: dict, words: str) -> None:
    manifest = write_inventory(tmp_path, [Item(key) for key in KEYS], "CSV")
    cells = dict.fromkeys(FIELDS.values(), "") | CELLS | changes
    row = ",".join(f'"{value}"' if value != 'a"' else '"a' for value in cells.values())
    replace_file(manifest, tmp_path, gzip.compress(f"{row}\n".encode("latin-1")))
    report, table = read(manifest, tmp_path)
    assert words in report.gaps[0].cause
    assert sorted(table["key"].to_pylist()) == sorted(KEYS[1::2])


@pytest.mark.parametrize("change", [{"key": 1}, {"key": None}, {"size": "x"}, {"is_latest": 1}, {"size": None}])
def test_a_parquet_file_with_other_columns_is_a_gap(tmp_path: Path, change: dict) -> None:
    manifest = write_inventory(tmp_path, [Item(key) for key in KEYS])
    table = pq.read_table(files(tmp_path)[0])
    ((name, value),) = change.items()
    kind = table.schema.field(name).type if value is None else None
    table = table.set_column(table.schema.get_field_index(name), name, pa.array([value] * len(table), kind))
    pq.write_table(table, tmp_path / "other.parquet")
    replace_file(manifest, tmp_path, (tmp_path / "other.parquet").read_bytes())
    report, table = read(manifest, tmp_path)
    assert len(report.gaps) == 1
    assert sorted(table["key"].to_pylist()) == sorted(KEYS[1::2])


def test_a_file_that_is_cut_off_is_a_gap(tmp_path: Path) -> None:
    """Though its checksum is right."""
    for number, file_format in enumerate(("CSV", "CSV", "Parquet")):
        folder = tmp_path / str(number)
        manifest = write_inventory(folder, [Item(key) for key in KEYS], file_format)
        content = files(folder)[0].read_bytes()
        replace_file(manifest, folder, content[: len(content) // 2] if number else content[:12])
        report, _ = read(manifest, folder)
        assert "cannot be read" in report.gaps[0].cause


def test_parts_of_another_report_or_prefix_are_not_used(tmp_path: Path) -> None:
    """The manifest has the same name, and the first reading left a gap."""
    manifest = write_inventory(tmp_path, [Item(key) for key in KEYS])
    files(tmp_path)[1].unlink()
    _, table = read(manifest, tmp_path)
    assert table.num_rows
    _, table = read(manifest, tmp_path, prefix="reports")
    assert table["key"].to_pylist() == [key for key in KEYS[::2] if key.startswith("reports/")]
    _, table = read(write_inventory(tmp_path, [Item("other")]), tmp_path, prefix="")
    assert table["key"].to_pylist() == ["other"]


def test_a_disk_that_is_full_is_not_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ArrivedParts, "add", full)
    with pytest.raises(OSError, match="No space left"):
        read(write_inventory(tmp_path, [Item(key) for key in KEYS]), tmp_path)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("0" * 32)])
def test_a_manifest_without_its_checksum_is_not_believed(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """S3 writes manifest.checksum last: without it, or with another one, nothing is read, and there is a gap."""
    manifest = write_inventory(tmp_path, [Item(key) for key in KEYS])
    harm(manifest.with_name("manifest.checksum"))
    report, table = read(manifest, tmp_path)
    (gap,) = report.gaps
    assert "manifest.checksum" in gap.cause
    assert table.num_rows == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fileFormat": "ORC"}, "ORC"),
        ({"sourceBucket": "other"}, "of bucket other"),
        ({"fileFormat": "CSV", "fileSchema": "Bucket, Key, Size"}, "last_modified_date"),
        ({"creationTimestamp": None}, "TypeError"),
    ],
)
def test_a_report_that_cannot_serve_is_an_error(tmp_path: Path, changes: dict, words: str) -> None:
    """ORC, another bucket, no times, no manifest at all: said before anything is read."""
    manifest = write_inventory(tmp_path, [Item(key) for key in KEYS], **changes)
    with pytest.raises(InvalidInput) as caught:
        read(manifest, tmp_path)
    assert words in caught.value.cause
    assert caught.value.fix


def test_a_manifest_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A wrong path and a wrong URL say what to name."""
    for name in (str(tmp_path / "manifest.json"), "s3://inventories", "s3://inventories/data/1.parquet"):
        with pytest.raises(InvalidInput) as caught:
            read_inventory(name, parts_in(tmp_path))
        assert "manifest.json" in caught.value.fix


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
def test_an_empty_bucket_has_no_objects(tmp_path: Path, file_format: str) -> None:
    """A file without rows is complete, and so is a report without files."""
    for number, files in enumerate((0, 1)):
        folder = tmp_path / str(number)
        items = [] if file_format == "CSV" else [Item("a", latest=False)]
        report, table = read(write_inventory(folder, items, file_format, files=files), folder)
        assert report.gaps == ()
        assert table.num_rows == 0


def test_a_stopped_reading_counts_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of a file, and started again: the same objects, each once."""
    monkeypatch.setattr(inventory, "_BATCH_ROWS", 3)
    manifest = write_inventory(tmp_path, [Item(key) for key in KEYS], files=1)

    class Stopped(BaseException):
        """As when the process ends."""

    def stop(self: ArrivedParts, name: str, table: pa.Table) -> None:
        if name.endswith(" 4"):
            raise Stopped
        add(self, name, table)

    add = ArrivedParts.add
    with monkeypatch.context() as patch:
        patch.setattr(ArrivedParts, "add", stop)
        with pytest.raises(Stopped):
            read(manifest, tmp_path)
    assert not parts_in(tmp_path).complete
    _, table = read(manifest, tmp_path)
    assert sorted(table["key"].to_pylist()) == sorted(KEYS)


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
def test_a_report_in_its_bucket(
    sandbox: Sandbox, tmp_path: Path, file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetched from S3, file by file; one that is gone is a gap."""
    for name, value in sandbox.launched.environment().items():
        monkeypatch.setenv(name, value)
    manifest = write_inventory(tmp_path, [Item(key) for key in KEYS], file_format)
    bucket, s3 = f"inventories-{file_format.lower()}", sandbox.s3()
    s3.create_bucket(Bucket=bucket)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        s3.put_object(Bucket=bucket, Key=str(path.relative_to(tmp_path)), Body=path.read_bytes())
    lost = str(files(tmp_path)[0].relative_to(tmp_path))
    s3.delete_object(Bucket=bucket, Key=lost)
    url, parts = f"s3://{bucket}/{manifest.relative_to(tmp_path)}", parts_in(tmp_path)
    (gap,) = read_inventory(url, parts, bucket="recordings").gaps
    assert gap.where == lost
    assert "NoSuchKey" in gap.cause
    s3.put_object(Bucket=bucket, Key=lost, Body=files(tmp_path)[0].read_bytes())
    assert read_inventory(url, parts, bucket="recordings").gaps == ()
    tables = pa.concat_tables(pq.read_table(path) for path in parts.paths)
    assert sorted(tables["key"].to_pylist()) == sorted(KEYS)
