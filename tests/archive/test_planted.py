"""What the sandbox plants is found, and nothing else: from a listing and an inventory, on both APIs and engines."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from opslib.archive.arrived import ArrivedParts
from opslib.archive.engines import Engine
from opslib.archive.expected import read_expected
from opslib.archive.inventory import read_inventory
from opslib.archive.listing import list_bucket
from opslib.archive.report import Verification, verify

from ..sandbox.test_recordings import route_on_platform, route_on_storage_targets
from ..world import Api, Sandbox, running
from .inventories import Item, write_inventory

NOW = datetime(2026, 2, 5, tzinfo=UTC)
"""Soon after the last recording; the truth is the same whenever it is asked for."""
LISTED = ("missing", "late", "empty", "without_sidecar", "duplicate")


def found(
    sandbox: Sandbox, parts: ArrivedParts, folder: Path, engine: Engine | None = None
) -> tuple[Verification, dict[str, set[str]]]:
    """The answer, and by defect the ids in its lists."""
    expected = read_expected(Path(sandbox["expected_file"]), folder / "expected")
    answer = verify(expected, parts, folder, now=NOW, out=folder / "lists", engine=engine)
    lists = {name: pq.read_table(folder / "lists" / f"{name}.parquet") for name in (*LISTED, "extra", "malformed_keys")}
    ids = {name: set(lists[name]["recording_id"].to_pylist()) for name in LISTED}
    ids["malformed_keys"] = set(lists["malformed_keys"]["key"].to_pylist())
    ids["extra"] = {key.rpartition("/")[2].partition(".")[0] for key in lists["extra"]["key"].to_pylist()}
    return answer, ids


def listed(sandbox: Sandbox, prefix: str, folder: Path) -> ArrivedParts:
    parts = ArrivedParts(folder / "arrived", "listing")
    list_bucket(sandbox["bucket"], prefix, None, parts)
    return parts


def inventoried(sandbox: Sandbox, prefix: str, folder: Path) -> ArrivedParts:
    pages = sandbox.s3().get_paginator("list_objects_v2").paginate(Bucket=sandbox["bucket"])
    items = [Item(item["Key"], item["Size"], item["LastModified"]) for page in pages for item in page["Contents"]]
    manifest = write_inventory(folder, items, "CSV", sourceBucket=sandbox["bucket"])
    parts = ArrivedParts(folder / "arrived", "inventory")
    read_inventory(str(manifest), parts, bucket=sandbox["bucket"], prefix=prefix)
    return parts


ROUTES = (route_on_storage_targets, route_on_platform)
CASES = [
    *(("duckdb", seed, route) for seed in ("3", "11") for route in ROUTES),
    pytest.param("spark", "11", route_on_platform, marks=pytest.mark.spark),
]


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "seed", "route"), CASES, indirect=["engine"])
def test_the_truth_is_found_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, seed: str, route: Callable[[Api, Sandbox], str]
) -> None:
    """Each list has just the ids of the truth file, and the counts agree."""
    with running("--seed", seed, "--recordings", "120", "--planted", "--rate-limit", "10000") as sandbox:
        for name, value in sandbox.launched.environment().items():
            monkeypatch.setenv(name, value)
        prefix = route(sandbox.api(), sandbox)
        listed(sandbox, prefix, tmp_path / "before")  # S3 is asked, so the recordings arrive
        truth = {defect: set(ids) for defect, ids in json.loads(Path(sandbox["truth_file"]).read_text()).items()}
        for read in (listed, inventoried):
            folder = tmp_path / read.__name__
            answer, ids = found(sandbox, read(sandbox, prefix, folder), folder, engine)
            assert ids == {name: truth[name] for name in ids}
            assert {name: answer.counts[name] for name in ids} == {name: len(truth[name]) for name in ids}
            assert answer.counts["at_risk"] == len(truth["at_risk"])
            assert answer.counts["arrived"] == 120 - len(truth["missing"])
            assert answer.verdict == "FAIL"


def test_without_defects_the_archive_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every recording arrived, in time and with its sidecar."""
    with running("--seed", "3", "--recordings", "40", "--rate-limit", "10000") as sandbox:
        for name, value in sandbox.launched.environment().items():
            monkeypatch.setenv(name, value)
        prefix = route_on_storage_targets(sandbox.api(), sandbox)
        answer, ids = found(sandbox, listed(sandbox, prefix, tmp_path), tmp_path)
    assert (answer.verdict, answer.success_rate) == ("PASS", 1.0)
    assert not any(ids.values())
