"""`opslib archive verify` killed with -9, and started again: the same answer, and nothing is asked for twice."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ..forks import opslib, started
from ..world import without_settings
from .inventories import Item, write_inventory
from .s3_stub import MODIFIED_MS, Query, Stub, archive_keys, serving, verify_words

DAYS, OF_A_DAY, ITEMS_OF_A_FILE = 30, 4, 300
KEYS = archive_keys(DAYS, OF_A_DAY)
MODIFIED = datetime.fromtimestamp(MODIFIED_MS / 1000, UTC)


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with serving(Stub(KEYS)) as stub:
        yield stub


@pytest.fixture
def env(stub: Stub) -> dict[str, str]:
    return without_settings() | {
        "AWS_ENDPOINT_URL_S3": stub.url,
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
    }


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Every other recording is expected, and one that is not there."""
    return verify_words(tmp_path, KEYS)


def answer(env: dict[str, str], home: Path, words: list[str]) -> dict[str, Any]:
    done = opslib(env | {"OPSLIB_HOME": str(home)}, *words)
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["verdict"] == "FAIL", document
    assert (document["counts"]["arrived"], document["counts"]["missing"]) == (DAYS * OF_A_DAY // 2, 1)
    return document


def parts(home: Path) -> dict[str, int]:
    """What is kept, and when it was written."""
    return {path.name: path.stat().st_mtime_ns for path in (home / "archive" / "arrived").glob("part-*")}


def kill_when(ready: Callable[[], bool], env: dict[str, str], home: Path, words: list[str]) -> None:
    with started(env | {"OPSLIB_HOME": str(home)}, *words) as command:
        while not ready() and command.is_alive():
            time.sleep(0.001)


@pytest.mark.slow
def test_a_listing_that_is_killed_goes_on(tmp_path: Path, stub: Stub, env: dict[str, str], words: list[str]) -> None:
    """At the first call and in the middle, with a slow S3."""
    undisturbed = answer(env, tmp_path / "undisturbed", words)
    home, stub.delay_s = tmp_path / "killed", 0.02
    flat: set[str] = set()  # a call of the killed one may come late; its folder is asked for again

    def asked(query: Query) -> None:
        if "delimiter" not in query and query.get("list-type"):
            flat.add(query["prefix"])

    stub.fault = asked
    for most in (0, Random(17).randrange(1, DAYS)):
        flat.clear()
        left = max(0, most - len(parts(home)))
        kill_when(lambda left=left: len(flat) > left, env, home, words)  # type: ignore[misc]
    kept = parts(home)
    flat.clear()
    assert answer(env, home, words) == undisturbed
    assert len(flat) == len(parts(home)) - len(kept)
    assert kept.items() <= parts(home).items()


@pytest.mark.slow
def test_an_inventory_that_is_killed_goes_on(tmp_path: Path, env: dict[str, str], words: list[str]) -> None:
    """Wherever it is; files that were read whole are not read again."""
    others = [Item(f"reports/{number}.csv", modified=MODIFIED) for number in range(20 * ITEMS_OF_A_FILE)]
    items = [*(Item(key, modified=MODIFIED) for key in KEYS), *others]
    words += ["--inventory", str(write_inventory(tmp_path, items, "CSV", files=20))]
    undisturbed = answer(env, tmp_path / "undisturbed", words)
    home = tmp_path / "killed"
    for most in (0, Random(17).randrange(1, 40)):
        kill_when(lambda most=most: len(parts(home)) > most, env, home, words)  # type: ignore[misc]
    kept = parts(home)
    assert answer(env, home, words) == undisturbed
    assert len(kept.items() - parts(home).items()) <= 1  # of the file that was being read
