"""S3 Inventory reports as S3 writes them: in a folder, with manifest, checksums, and files in CSV or Parquet."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq

CREATED = datetime(2026, 11, 27, tzinfo=UTC)
FIELDS = {
    "Bucket": "bucket",
    "Key": "key",
    "VersionId": "version_id",
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "Size": "size",
    "LastModifiedDate": "last_modified_date",
    "StorageClass": "storage_class",
    "EncryptionStatus": "encryption_status",
}


@dataclass(frozen=True)
class Item:
    key: str
    size: int | None = 100
    modified: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    latest: bool = True
    deleted: bool = False

    def row(self) -> dict[str, Any]:
        return {
            "bucket": "recordings",
            "key": self.key,
            "version_id": "v",
            "is_latest": self.latest,
            "is_delete_marker": self.deleted,
            "size": self.size,
            "last_modified_date": self.modified,
            "storage_class": "STANDARD",
            "encryption_status": "SSE-S3",
        }


def write_inventory(
    folder: Path, items: Sequence[Item], file_format: str = "Parquet", files: int = 2, **changes: Any
) -> Path:
    """The manifest's path. The report is in `folder` as in its bucket: the files are in `data`, beside the report's."""
    place = Path("inventories/recordings/daily")
    listed = []
    for number in range(files):
        content = _content(items[number::files], file_format)
        key = place / "data" / f"{number}.{'csv.gz' if file_format == 'CSV' else 'parquet'}"
        _write(folder / key, content)
        listed.append({"key": str(key), "size": len(content), "MD5checksum": _md5(content)})
    manifest = {
        "sourceBucket": "recordings",
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": str(int(CREATED.timestamp() * 1000)),
        "fileFormat": file_format,
        "fileSchema": ", ".join(FIELDS) if file_format == "CSV" else "message s3.inventory { … }",
        "files": listed,
        **changes,
    }
    return write_manifest(folder / place / "2026-11-27T00-00Z" / "manifest.json", manifest)


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> Path:
    text = json.dumps(manifest).encode()
    _write(path, text)
    _write(path.with_name("manifest.checksum"), _md5(text).encode() + b"\n")
    return path


def _content(items: Sequence[Item], file_format: str) -> bytes:
    return _csv(items) if file_format == "CSV" else _parquet(items)


def _parquet(items: Sequence[Item]) -> bytes:
    table = pa.Table.from_pylist([item.row() for item in items])
    out = io.BytesIO()
    pq.write_table(table, out, coerce_timestamps="ms")
    return out.getvalue()


def _csv(items: Sequence[Item]) -> bytes:
    """Without a header, each value in quotes, keys URL-encoded."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for item in items:
        row = item.row() | {
            "key": quote_plus(item.key, safe="/"),
            "is_latest": str(item.latest).lower(),
            "is_delete_marker": str(item.deleted).lower(),
            "size": "" if item.size is None else item.size,
            "last_modified_date": item.modified.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        writer.writerow(row.values())
    return gzip.compress(text.getvalue().encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
