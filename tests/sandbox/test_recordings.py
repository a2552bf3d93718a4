"""Recordings of a seeded world: what is expected, what is in the bucket, and what is planted."""

import csv
import json
import re
import subprocess
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opslib.sandbox.launch import start_sandbox
from opslib.sandbox.server.reasons import DELETED, DUE, EXPORTED, FAILS, LOST, NEVER_EXPORTED, REASONS, SENSITIVE
from opslib.sandbox.server.recordings import Recordings, make_recordings
from opslib.sandbox.server.world import Identity

from ..world import POLICIES, TARGETS, Api, Sandbox, policy, running, target
from .platform import active, add_policy, s3_properties, s3_type

WHY = {*REASONS, DUE, SENSITIVE, FAILS, LOST}
KEY = re.compile(
    r"(?P<org>[^/]+)/year=(?P<year>\d{4})/month=(?P<month>\d{1,2})/day=(?P<day>\d{1,2})/hour=(?P<hour>\d{1,2})"
    r"/conversation_id=(?P<conversation>[^/]+)/(?P<recording>[^/.]+)\.(?P<extension>opus|webm|txt|zip|wav)"
    r"(?P<sidecar>_metadata\.json)?"
)


def made(seed: int | None = 7, count: int = 400, planted: bool = True) -> Recordings:
    return make_recordings(Identity(seed), count, planted=planted)


def by_recording(recordings: Recordings, *, sidecars: bool = False) -> dict[str, list]:
    """The media objects, or the sidecars, of each recording."""
    objects = defaultdict(list)
    for item in recordings.objects:
        match = KEY.fullmatch(item.key)
        if match and is_real_hour(match) and bool(match["sidecar"]) is sidecars:
            objects[match["recording"]].append(item)
    return objects


def is_real_hour(match: re.Match[str]) -> bool:
    try:
        datetime(*(int(match[part]) for part in ("year", "month", "day", "hour")))
    except ValueError:
        return False
    return True


def late(row: dict[str, str], objects: list) -> bool:
    return min(item.last_modified for item in objects) - datetime.fromisoformat(row["ended_at"]) > timedelta(hours=24)


def test_the_same_seed_makes_the_same_world() -> None:
    """Rows, objects and truth follow the seed; without one, each world differs."""
    assert made() == made()
    assert made().rows != made(seed=8).rows
    assert made(seed=None).rows != made(seed=None).rows


def test_without_defects_everything_arrived_in_time_with_its_sidecar() -> None:
    """Each recording has a conversation, one media object and one sidecar, and nothing else is there."""
    world = made(planted=False)
    media, sidecars = by_recording(world), by_recording(world, sidecars=True)
    ids = [row["recording_id"] for row in world.rows]
    assert len({row["conversation_id"] for row in world.rows}) == len(ids) == 400
    assert set(media) == set(sidecars) == set(ids)
    assert len(world.objects) == 2 * len(ids)
    assert not any(late(row, media[row["recording_id"]]) for row in world.rows)
    assert all(item.body for item in world.objects)
    assert world.truth == {}


@pytest.mark.parametrize("seed", [1, 7])
def test_what_is_planted_is_the_truth_and_nothing_else(seed: int) -> None:
    """A plain reader of the keys finds just the defects that the truth names."""
    world = made(seed)
    media, sidecars = by_recording(world), by_recording(world, sidecars=True)
    rows = {row["recording_id"]: row for row in world.rows}
    arrived = {name: objects for name, objects in media.items() if name in rows}
    matched = [item.key for objects in [*media.values(), *sidecars.values()] for item in objects]
    conversations = [row["conversation_id"] for row in world.rows]
    soon = "2026-11"
    found = {
        "missing": rows.keys() - arrived.keys(),
        "at_risk": {name for name in rows.keys() - arrived.keys() if rows[name]["delete_at"] < soon},
        "late": {name for name, objects in arrived.items() if late(rows[name], objects)},
        "empty": {name for name, objects in arrived.items() if not any(item.body for item in objects)},
        "without_sidecar": arrived.keys() - sidecars.keys(),
        "duplicate": {name for name, objects in arrived.items() if len(objects) > 1},
        "extra": media.keys() - rows.keys(),
        "malformed_keys": {item.key for item in world.objects} - set(matched),
    }
    truth = {defect: set(ids) for defect, ids in world.truth.items() if defect not in WHY}
    second = truth.pop("second_recording")
    assert found == truth
    assert all(found.values())
    assert second <= {name for name, row in rows.items() if conversations.count(row["conversation_id"]) > 1}
    assert len(set(conversations)) == len(conversations) - len(second)
    assert len(matched) + len(truth["malformed_keys"]) == len({item.key for item in world.objects})


def test_the_traps_of_the_layout_are_there() -> None:
    """Months 1 and 10 to 12, parts with and without zeros, sidecars of recordings that are missing."""
    world = made()
    keys = [match for item in world.objects if (match := KEY.fullmatch(item.key)) and is_real_hour(match)]
    assert {match["month"] for match in keys} == {"1", "01", "10", "11", "12"}
    assert {"3", "03"} <= {match["day"] for match in keys}
    assert set(world.truth["missing"]) & by_recording(world, sidecars=True).keys()


@pytest.mark.parametrize("count", [1, 200, 600])
def test_each_missing_recording_has_one_reason(count: int) -> None:
    """And those that are due are at risk and not yet deleted; of 600 recordings, every reason and fate has one."""
    truth = made(count=count).truth
    reasons = [name for reason in REASONS for name in truth[reason]]
    assert sorted(reasons) == sorted(truth["missing"])
    assert set(truth[DUE]) == set(truth["at_risk"]) - set(truth[DELETED])
    fates = [name for fate in (SENSITIVE, FAILS, LOST) for name in truth[fate]]
    assert len(fates) == len(set(fates))
    assert set(fates) < set(truth[NEVER_EXPORTED])
    assert all(truth[one] for one in WHY) == (count == 600)


def test_of_the_missing_only_what_was_exported_has_a_sidecar() -> None:
    """What never left Genesys has left nothing in the bucket."""
    world = made()
    assert set(world.truth["missing"]) & by_recording(world, sidecars=True).keys() == set(world.truth[EXPORTED])


def test_few_recordings_have_the_first_defects() -> None:
    """One recording is missing, and no defect needs another one."""
    world = made(count=1)
    assert len(world.truth["missing"]) == len(world.rows) == 1
    assert world.truth["late"] == []


def keys_in(sandbox: Sandbox) -> dict[str, tuple[datetime, int]]:
    pages = sandbox.s3().get_paginator("list_objects_v2").paginate(Bucket=sandbox["bucket"])
    contents = [item for page in pages for item in page.get("Contents", [])]
    return {item["Key"]: (item["LastModified"], item["Size"]) for item in contents}


@pytest.fixture
def recorded():
    with running("--seed", "7", "--recordings", "60", "--planted", "--rate-limit", "10000") as sandbox:
        yield sandbox


def route_on_storage_targets(api: Api, sandbox: Sandbox) -> str:
    """The prefix. Nothing arrives before the policy is there and enabled."""
    body = target(configuration={"bucket": sandbox["bucket"], "pathPrefix": "recordings/voice"})
    api("PUT", f"{TARGETS}/t-1", body).raise_for_status()
    api("PUT", f"{POLICIES}/p-1", policy(storageTargetId="t-1", enabled=False)).raise_for_status()
    assert keys_in(sandbox) == {}
    api("PUT", f"{POLICIES}/p-1", policy(storageTargetId="t-1")).raise_for_status()
    return "recordings/voice/"


def route_on_platform(api: Api, sandbox: Sandbox) -> str:
    integration = active(api, s3_type(api)["id"], s3_properties(api, sandbox))
    add_policy(api, integration["id"], name="off")
    assert keys_in(sandbox) == {}
    add_policy(api, integration["id"], name="on", enabled=True)
    return ""


@pytest.mark.parametrize("route", [route_on_storage_targets, route_on_platform])
def test_recordings_are_in_the_bucket_once_routing_is_on(recorded: Sandbox, route) -> None:
    """With their own times and sizes, below the prefix, encrypted as the bucket is; the truth names whole keys."""
    prefix = route(recorded.api(), recorded)
    world = made(count=60)
    found = keys_in(recorded)
    assert found == {prefix + item.key: (item.last_modified, len(item.body)) for item in world.objects}
    some_key = prefix + world.objects[0].key
    head = recorded.s3().head_object(Bucket=recorded["bucket"], Key=some_key)
    assert head["ServerSideEncryption"] == "AES256"
    truth = json.loads(Path(recorded["truth_file"]).read_text())
    assert truth == world.truth | {"malformed_keys": [prefix + key for key in world.truth["malformed_keys"]]}
    with Path(recorded["expected_file"]).open(newline="") as file:
        assert [*csv.DictReader(file)] == world.rows


def test_an_enabled_policy_of_another_bucket_brings_nothing(recorded: Sandbox) -> None:
    """Recordings that are routed elsewhere are not in the sandbox's bucket."""
    api = recorded.api()
    api("PUT", f"{TARGETS}/t-1", target(configuration={"bucket": "another-bucket"})).raise_for_status()
    api("PUT", f"{POLICIES}/p-1", policy(storageTargetId="t-1")).raise_for_status()
    assert keys_in(recorded) == {}


def test_start_from_python_tells_where_the_files_are() -> None:
    """`start_sandbox` passes both options on, and the environment names the files while they exist."""
    with start_sandbox(seed=7, recordings=5, planted=True) as sandbox:
        variables = sandbox.environment()
        assert variables["OPSLIB_SANDBOX_EXPECTED_FILE"] == sandbox.info["expected_file"]
        assert Path(variables["OPSLIB_SANDBOX_TRUTH_FILE"]).is_file()
    assert not Path(sandbox.info["expected_file"]).exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["sandbox", "--planted"], "--planted needs --recordings"),
        (["onboard", "--sandbox", "--planted"], "--planted needs --recordings"),
        (["onboard", "--recordings", "5"], "--recordings needs --sandbox"),
    ],
)
def test_options_that_would_do_nothing_are_refused(words: list[str], complaint: str) -> None:
    """Defects need recordings, and recordings a sandbox."""
    answer = subprocess.run([sys.executable, "-m", "opslib.cli", *words], capture_output=True, text=True)
    assert answer.returncode == 1
    assert complaint in answer.stderr


def test_a_whole_walk_ends_with_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`opslib onboard --sandbox --recordings` takes every step, as without recordings."""
    monkeypatch.setenv("OPSLIB_HOME", str(tmp_path))
    words = ["onboard", "--sandbox", "--recordings", "20", "--planted", "--json"]
    answer = subprocess.run([sys.executable, "-m", "opslib.cli", *words], capture_output=True, text=True, cwd=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert {step["state"] for step in json.loads(answer.stdout)["steps"]} == {"done"}
