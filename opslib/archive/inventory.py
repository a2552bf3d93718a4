"""Reads an S3 Inventory report: manifest.json, manifest.checksum, and the CSV or Parquet files that it lists.

A file that is missing, denied, damaged or of another checksum is a gap, and so is a manifest that is not as its
checksum says, or has none yet: S3 writes it last. What was read is kept in parts, as a listing's is.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from opslib.archive.arrived import ArrivedParts, Gap, rows
from opslib.archive.inventory_files import InventoryFiles, Unreadable, files_of
from opslib.archive.keys import below
from opslib.archive.pages import decoded
from opslib.credentials import AwsKeys
from opslib.errors import InvalidInput
from opslib.new_files import part_folder

_BLOCK_BYTES, _BATCH_ROWS = 16 * 2**20, 100_000
_NEEDED: Final = ("key", "size", "last_modified_date")
_USED: Final = (*_NEEDED, "is_latest", "is_delete_marker", "encryption_status", "storage_class")
_CSV_NAMES: Final = {
    "Key": "key",
    "Size": "size",
    "LastModifiedDate": "last_modified_date",
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "EncryptionStatus": "encryption_status",
    "StorageClass": "storage_class",
}
"""The columns of a CSV report, as the columns of a Parquet report are called."""


@dataclass(frozen=True)
class Inventory:
    """`created_at` (UTC) is the time of the report: it knows nothing of what arrived later."""

    created_at: datetime
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class _Manifest:
    format: str
    columns: tuple[str, ...]
    created_at: datetime
    files: tuple[tuple[str, str], ...]
    """Key and MD5 of each."""


def read_inventory(
    manifest: str,
    into: ArrivedParts,
    *,
    bucket: str | None = None,
    prefix: str = "",
    keys: AwsKeys | None = None,
    region: str = "us-east-1",
    progress: Callable[[int, int], None] = lambda done, known: None,
) -> Inventory:
    """Reads the files that `into` lacks. `manifest` is a path or an s3:// URL; `progress` gets files done and known.

    Raises InvalidInput for a manifest that cannot be read or is of another bucket, and for ORC.
    """
    files = files_of(manifest, keys, region)
    text = files.manifest()
    parsed = _parse(text, manifest, bucket)
    _keep_only_those_of(into, f"{_md5(text)} {below(prefix)}")
    if flaw := _flaw_of_manifest(files, text):
        into.finish([flaw])
    elif not into.complete:
        into.finish(_read_files(files, parsed, into, below(prefix), progress))
    return Inventory(parsed.created_at, into.gaps)


def _keep_only_those_of(into: ArrivedParts, report: str) -> None:
    """Parts of an earlier report under the same name, and of another prefix, are not used."""
    if report not in into:
        into.start_again()
        into.add(report, rows([], [], []))


def _flaw_of_manifest(files: InventoryFiles, text: bytes) -> Gap | None:
    try:
        stated = files.checksum()
    except Unreadable as error:
        cause, fix = (
            f"manifest.checksum cannot be read ({error})",
            "name a report that S3 has finished, with both files",
        )
        return Gap(files.name, cause, fix)
    if stated.lower() == _md5(text):
        return None
    cause = "manifest.json is not as manifest.checksum says: it was changed or cut off"
    return Gap(files.name, cause, "copy the report again, or take the next one")


def _parse(text: bytes, name: str, bucket: str | None) -> _Manifest:
    try:
        document = json.loads(text)
        parsed = _Manifest(
            format=str(document["fileFormat"]),
            columns=_columns(str(document["fileFormat"]), str(document["fileSchema"])),
            created_at=datetime.fromtimestamp(int(document["creationTimestamp"]) / 1000, UTC),
            files=tuple((str(file["key"]), str(file["MD5checksum"])) for file in document["files"]),
        )
        source = str(document["sourceBucket"])
    except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
        cause = f"it is not as S3 writes it ({type(error).__name__}: {error})"
        raise _invalid(name, cause, "name the manifest.json of an S3 Inventory report") from None
    if parsed.format not in ("CSV", "Parquet"):
        fix = "let the inventory write Parquet or CSV, and take the next report"
        raise _invalid(name, f"its files are {parsed.format}", fix)
    if bucket and source != bucket:
        raise _invalid(
            name, f"it is of bucket {source}, and {bucket} is to be judged", "name the report of that bucket"
        )
    if parsed.format == "CSV" and (missing := [column for column in _NEEDED if column not in parsed.columns]):
        fix = "add Size and LastModifiedDate to the inventory's fields, and take the next report"
        raise _invalid(name, f"its files do not have {', '.join(missing)}", fix)
    return parsed


def _columns(file_format: str, schema: str) -> tuple[str, ...]:
    """Of a CSV file, which has no header. Parquet files name their own."""
    return (
        tuple(_CSV_NAMES.get(name.strip(), name.strip()) for name in schema.split(",")) if file_format == "CSV" else ()
    )


def _read_files(
    files: InventoryFiles, manifest: _Manifest, into: ArrivedParts, prefix: str, progress: Callable[[int, int], None]
) -> list[Gap]:
    gaps = []
    for done, (key, checksum) in enumerate(manifest.files):
        progress(done, len(manifest.files))
        try:
            if _whole(key) not in into:
                _read_file(files, manifest, key, checksum, into, prefix)
        except Unreadable as error:
            gaps.append(Gap(key, str(error), error.fix))
    progress(len(manifest.files), len(manifest.files))
    return gaps


def _read_file(
    files: InventoryFiles, manifest: _Manifest, key: str, checksum: str, into: ArrivedParts, prefix: str
) -> None:
    """Its checksum first, then its rows. A file that was begun is read again, and its parts take the same places."""
    with part_folder(into.unfinished) as folder:
        path = files.file(key, folder)
        with path.open("rb") as file:
            if hashlib.file_digest(file, _new_md5).hexdigest() != checksum.lower():
                raise Unreadable("its checksum is not the one in the manifest", "copy the file again")
        for number, objects in enumerate(_objects(path, manifest, prefix)):
            into.add(f"{key} {number}", objects)
    into.add(_whole(key), rows([], [], []))


def _objects(path: Path, manifest: _Manifest, prefix: str) -> Iterator[pa.Table]:
    """What cannot be read is Unreadable; what cannot be written, to a full disk, is not."""
    try:
        batches = _csv_batches(path, manifest.columns) if manifest.format == "CSV" else _parquet_batches(path)
        yield from (_arrived(batch, prefix) for batch in batches)
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"it cannot be read ({error})", "copy the file again, or take the next report") from error


def _csv_batches(path: Path, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """With decoded keys: in CSV they are URL-encoded."""
    with gzip.open(path) as content:
        if not content.read(1):
            return  # which Arrow takes for an error
    used = [name for name in _USED if name in columns]
    with path.open("rb") as file, pa.CompressedInputStream(file, "gzip") as text:
        reader = pyarrow.csv.open_csv(
            text,
            pyarrow.csv.ReadOptions(column_names=list(columns), block_size=_BLOCK_BYTES),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=used, column_types=dict.fromkeys(used, pa.string()), strings_can_be_null=True
            ),
        )
        for batch in reader:
            _require(batch, "key")
            keys = pa.array(decoded(batch["key"].to_pylist(), True), pa.large_string())
            yield pa.table({name: keys if name == "key" else batch[name] for name in used})


def _parquet_batches(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if missing := [name for name in _NEEDED if name not in names]:
            raise Unreadable(f"it does not have {', '.join(missing)}", "add these fields to the inventory")
        for batch in file.iter_batches(_BATCH_ROWS, columns=[name for name in _USED if name in names]):
            yield pa.Table.from_batches([batch])


def _arrived(batch: pa.Table, prefix: str) -> pa.Table:
    """The objects below the prefix that can be read today: of several versions the latest, unless it is a deletion."""
    _require(batch, "key")
    kept = pc.starts_with(batch["key"], prefix)
    if "is_latest" in batch.column_names:
        kept = pc.and_(kept, pc.fill_null(_flags(batch["is_latest"]), True))
    if "is_delete_marker" in batch.column_names:
        kept = pc.and_(kept, pc.invert(pc.fill_null(_flags(batch["is_delete_marker"]), False)))
    objects = batch.filter(kept).combine_chunks()
    _require(objects, "size", "last_modified_date")
    return rows(
        _array(objects["key"]),
        _array(_milliseconds(objects["last_modified_date"])),
        _array(objects["size"].cast(pa.int64())),
        prefix=prefix,
        encryption=_optional(objects, "encryption_status"),
        storage_class=_optional(objects, "storage_class"),
    )


def _require(objects: pa.Table | pa.RecordBatch, *names: str) -> None:
    for name in names:
        if objects[name].null_count:
            raise Unreadable(f"an object has no {name}", "take the next report")


def _flags(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if pa.types.is_boolean(column.type) else pc.equal(pc.utf8_lower(column), "true")


def _milliseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64())
    zone = column.type.tz if pa.types.is_timestamp(column.type) else "UTC"
    return column.cast(pa.timestamp("ms", zone), safe=False).cast(pa.int64())


def _optional(objects: pa.Table, name: str) -> pa.Array | None:
    return _array(objects[name].cast(pa.string())) if name in objects.column_names else None


def _array(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined


def _whole(key: str) -> str:
    """The name of an empty part, which says that all parts of the file are there."""
    return f"{key} whole"


def _new_md5() -> Any:
    return hashlib.md5(usedforsecurity=False)  # what S3 Inventory states; it guards against damage, not people


def _md5(text: bytes) -> str:
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def _invalid(name: str, cause: str, fix: str) -> InvalidInput:
    return InvalidInput(f"The inventory {name} cannot be used", cause=cause, fix=fix)
