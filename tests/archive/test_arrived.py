"""The parts of what was found: whole or not there, and each object once."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from opslib.archive.arrived import SCHEMA, ArrivedParts, Gap, rows

from .world import Object


def part(*objects: Object):  # type: ignore[no-untyped-def]
    return rows([one.path for one in objects], [one.last_modified_ms for one in objects], [one.size for one in objects])


def test_a_part_is_there_for_the_next_run(tmp_path: Path) -> None:
    ArrivedParts(tmp_path, "s3://bucket").add("year=2025/", part(Object()))
    again = ArrivedParts(tmp_path, "s3://bucket")
    assert "year=2025/" in again
    assert "year=2024/" not in again
    assert len(again.paths) == 1


def test_a_part_of_the_same_name_replaces_the_first(tmp_path: Path) -> None:
    arrived = ArrivedParts(tmp_path, "s3://bucket")
    arrived.add("a", part(Object(), Object(recording=1)))
    arrived.add("a", part(Object(recording=2)))
    assert sum(pq.read_metadata(path).num_rows for path in arrived.paths) == 1


def test_to_keep_a_part_takes_no_longer_among_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the parts is not searched for each of them."""
    arrived = ArrivedParts(tmp_path, "s3://bucket")
    searched: list[Path] = []
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: searched.append(self) or glob(self, pattern))
    for name in ("a", "b"):
        arrived.add(name, part(Object()))
    assert tmp_path not in searched
    assert len(arrived.paths) == 2


def test_a_part_that_fails_is_not_there(tmp_path: Path) -> None:
    arrived = ArrivedParts(tmp_path, "s3://bucket")
    with pytest.raises(Exception, match="names"):
        arrived.add("a", part(Object()).drop_columns(["size"]))
    assert "a" not in arrived
    assert arrived.paths == []


def test_a_source_is_complete_when_it_was_finished_without_gaps(tmp_path: Path) -> None:
    arrived = ArrivedParts(tmp_path, "s3://bucket")
    assert not arrived.complete
    arrived.finish([Gap("s3://bucket/a/", "AccessDenied", "allow s3:ListBucket")])
    assert not ArrivedParts(tmp_path, "s3://bucket").complete
    assert ArrivedParts(tmp_path, "s3://bucket").gaps[0].cause == "AccessDenied"
    arrived.finish()
    assert ArrivedParts(tmp_path, "s3://bucket").complete


def test_another_source_does_not_use_the_parts(tmp_path: Path) -> None:
    first = ArrivedParts(tmp_path, "s3://bucket")
    first.add("a", part(Object()))
    first.finish()
    other = ArrivedParts(tmp_path, "s3://other")
    assert other.paths == []
    assert not other.complete


def test_without_a_part_there_is_a_table_without_rows(tmp_path: Path) -> None:
    tables = ArrivedParts(tmp_path, "s3://bucket").tables()
    assert [pq.read_table(path).num_rows for path in tables] == [0]
    assert pq.read_schema(tables[0]).names == SCHEMA.names


def test_each_key_has_a_hash_of_its_own() -> None:
    table = part(Object(), Object(suffix=".wav"), Object().sidecar(), Object())
    assert len(set(table["object"].to_pylist())) == 3
