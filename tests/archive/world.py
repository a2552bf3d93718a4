"""A small archive to judge: recordings that should exist, and objects that do."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opslib.archive.arrived import ArrivedParts, rows
from opslib.archive.expected import ExpectedFile, read_expected

HOUR_MS = 3_600_000
START_MS = 1_735_689_600_000  # 2025-01-01
NOW = datetime(2025, 2, 1, tzinfo=UTC)
ORG = "f1b8e2a0-1111-4222-8333-944455556666"


def conversation(number: int) -> str:
    return f"c0000000-0000-4000-8000-{number:012d}"


def recording(number: int) -> str:
    return f"d0000000-0000-4000-8000-{number:012d}"


@dataclass(frozen=True)
class Row:
    """One row of the expected file. `recording` is None where it stands for its conversation."""

    conversation: int
    recording: int | None
    ended_at_ms: int
    delete_at_ms: int | None = None
    media: str | None = None
    queue: str | None = None

    def cells(self) -> list[Any]:
        rec = "" if self.recording is None else recording(self.recording)
        return [conversation(self.conversation), rec, self.ended_at_ms, self.delete_at_ms, self.media, self.queue]


@dataclass(frozen=True)
class Object:
    """One object in the bucket. `key` replaces the documented one."""

    conversation: int = 0
    recording: int = 0
    last_modified_ms: int = START_MS
    size: int = 1
    suffix: str = ".opus"
    hour_ms: int = START_MS
    key: str | None = None

    @property
    def path(self) -> str:
        if self.key is not None:
            return self.key
        hour = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.hour_ms)
        folder = f"{ORG}/year={hour.year}/month={hour.month}/day={hour.day}/hour={hour.hour}"
        return f"{folder}/conversation_id={conversation(self.conversation)}/{recording(self.recording)}{self.suffix}"

    def sidecar(self) -> "Object":
        return replace(self, suffix=f"{self.suffix}_metadata.json")


HEADER = ("conversation_id", "recording_id", "ended_at", "delete_at", "media", "queue")


def expected_file(folder: Path, expected: Iterable[Row]) -> ExpectedFile:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "expected.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *(row.cells() for row in expected)])
    return read_expected(folder / "expected.csv", folder)


def parts(folder: Path, *objects: Sequence[Object], complete: bool = True) -> ArrivedParts:
    """The objects of each part."""
    arrived = ArrivedParts(folder / "arrived", "s3://bucket")
    for number, part in enumerate(objects):
        paths = [found.path for found in part]
        arrived.add(
            str(number), rows(paths, [found.last_modified_ms for found in part], [found.size for found in part])
        )
    if complete:
        arrived.finish()
    return arrived
