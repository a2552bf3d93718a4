"""Why recordings are missing: the planted reasons on both APIs, what it costs, and orgs that do not answer."""

import asyncio
import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opslib.archive.missing import FILE as MISSING
from opslib.archive.reasons import DELETED, EXPORTED, FAILED, NEVER_EXPORTED, NOT_KNOWN, ORPHANED, WORDS
from opslib.archive.report import Verification
from opslib.archive.why import Why
from opslib.credentials import usual_keys
from opslib.errors import AuthenticationFailed, InvalidInput, WrongOrg
from opslib.ledger.archive import EXPLAINED, VERIFIED
from opslib.ledger.ledger import Ledger
from opslib.settings import Settings
from opslib.walk import why_metadata
from opslib.walk.archive import ArchiveQuestion, verify_archive
from opslib.walk.why import why_missing

from ..archive.inventories import Item, write_inventory
from ..sandbox.test_recordings import route_on_platform, route_on_storage_targets
from ..world import Json, Sandbox, environment, running

METADATA = "/recordingmetadata"
NOW = datetime(2026, 2, 5, tzinfo=UTC)
ROUTES = {"storage-targets": route_on_storage_targets, "platform": route_on_platform}
VIEW = (
    "recording:recording:view", "recording:uploadReport:view", "recording:orphan:view", "recording:job:view",
    "recording:retentionPolicy:view",
)  # fmt: skip
UNKNOWN_CONVERSATION = "00000000-0000-4000-8000-000000000000"


@dataclass
class World:
    """A sandbox to which planted recordings were routed, and a workspace in which they were verified."""

    sandbox: Sandbox
    backend: str
    prefix: str
    home: Path
    inventory: str

    @property
    def truth(self) -> dict[str, set[str]]:
        said = json.loads(Path(self.sandbox["truth_file"]).read_text())
        return {name: set(ids) for name, ids in said.items()}

    def rows(self) -> list[dict[str, str]]:
        with Path(self.sandbox["expected_file"]).open(newline="") as file:
            return list(csv.DictReader(file))

    def settings(self, home: Path, **changes: Any) -> Settings:
        return Settings(home=home, backend=self.backend, **changes)

    def verify(self, home: Path, rows: list[dict[str, str]] | None = None, **changes: Any) -> Verification:
        path = Path(self.sandbox["expected_file"])
        if rows is not None:
            home.mkdir(parents=True, exist_ok=True)
            path = home / "expected.csv"
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        asked = ArchiveQuestion(path, self.sandbox["bucket"], self.prefix, inventory=self.inventory, now=NOW)
        return asyncio.run(verify_archive(asked, usual_keys(), self.settings(home, **changes)))

    def why(self, home: Path, **changes: Any) -> Why:
        return asyncio.run(why_missing(self.settings(home, **changes)))

    def client(self, *scopes: str) -> Json:
        """Settings of a client that may do just this."""
        return self.sandbox.control("POST", "/clients", {"scopes": list(scopes)}).json()

    def asked(self, action: Callable[[], object]) -> list[str]:
        """The paths that the org was asked for, without the looks at a report under way."""
        self.sandbox.control("DELETE", "/requests")
        action()
        paths = [f"{one['method']} {one['path']}" for one in self.sandbox.requests("api")]
        return [path for path in paths if not path.startswith("GET /api/v2/recording/uploads/reports/")]

    def fault(self, path: str, **fault: Any) -> None:
        self.sandbox.control("POST", "/faults", {"path_regex": path, **fault}).raise_for_status()


@pytest.fixture(scope="module", params=list(ROUTES))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from begun(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from begun("platform", tmp_path_factory.mktemp("one"))


def begun(backend: str, folder: Path) -> Iterator[World]:
    with (
        running("--seed", "3", "--recordings", "400", "--planted", "--rate-limit", "100000") as sandbox,
        pytest.MonkeyPatch.context() as patched,
    ):
        for name, value in environment(sandbox, folder / "home").items():
            patched.setenv(name, value)
        sandbox.control("PUT", "/settings", {"stage_s": 0.01})
        prefix = ROUTES[backend](sandbox.api(), sandbox)
        world = World(sandbox, backend, prefix, folder / "home", str(written_inventory(sandbox, folder)))
        world.verify(world.home, client_secret="")  # an archive-only user
        yield world


def written_inventory(sandbox: Sandbox, folder: Path) -> Path:
    """What is in the bucket, which is faster to read than a listing."""
    pages = sandbox.s3().get_paginator("list_objects_v2").paginate(Bucket=sandbox["bucket"])
    items = [Item(item["Key"], item["Size"], item["LastModified"]) for page in pages for item in page["Contents"]]
    return write_inventory(folder, items, "CSV", sourceBucket=sandbox["bucket"])


@pytest.fixture
def world(one: World, tmp_path: Path) -> Iterator[World]:
    """The same in a workspace of its own, without faults."""
    shutil.copytree(one.home, tmp_path / "home")
    yield replace(one, home=tmp_path / "home")
    one.sandbox.control("DELETE", "/faults")


def by_reason(why: Why) -> dict[str, set[str | None]]:
    return {name: {row.recording_id for row in why.rows if row.reason == name} for name in why.reasons}


def entries(home: Path, kind: str) -> list[Any]:
    return [entry.data for entry in Ledger(home).entries(kind)]


def test_an_archive_only_user_is_not_told_why(both: World) -> None:
    """No org is asked; what is missing is kept for whoever asks."""
    (verified,) = entries(both.home, VERIFIED)
    assert verified["missing"]["rows"] == len(both.truth["missing"]) > 0
    assert (verified["answer"]["why"], verified["answer"]["missing"][0]["why"]) == (None, [])


def test_each_reason_is_the_planted_one(both: World, tmp_path: Path) -> None:
    """With its fix, what is deleted first, and an entry in the ledger."""
    shutil.copytree(both.home, tmp_path / "home")
    why, truth = both.why(tmp_path / "home"), both.truth
    planted = {name: ids for name, ids in truth.items() if name in WORDS}
    assert by_reason(why) == planted
    assert {row.recording_id for row in why.at_risk} == truth["due_for_deletion"]
    assert [row.delete_at_ms for row in why.at_risk] == sorted(row.delete_at_ms for row in why.at_risk)
    assert all(row.fix for row in why.rows)
    never = {row.said for row in why.rows if row.reason == NEVER_EXPORTED}
    assert (len(never), "policies do not look back" in never.pop()) == (1, both.backend == "platform")

    (noted,) = entries(tmp_path / "home", EXPLAINED)
    (verified,) = Ledger(tmp_path / "home").entries(VERIFIED)
    assert noted["answer"]["verification"]["entry"] == verified.seq
    assert noted["answer"]["reasons"] == why.reasons
    assert noted["answer"]["requests"] == why.requests > len(why.rows)
    assert noted["list"]["rows"] == len(truth["missing"])


def test_a_verification_says_why_where_an_org_is_configured(one: World, tmp_path: Path) -> None:
    """Beside what it says of the bucket; the delete date is Genesys's."""
    answer = one.verify(tmp_path / "home").as_json()
    rows = {row["recording_id"]: row for row in answer["missing"]}
    assert answer["why"]["reasons"] == {name: len(one.truth[name]) for name in WORDS if name in one.truth}
    for name in (NEVER_EXPORTED, EXPORTED):
        assert all(rows[id]["why"] == [name] and rows[id]["fix"] for id in one.truth[name])
    assert all(rows[id]["reason"] == "only a sidecar is in the bucket" for id in one.truth[EXPORTED])
    due = {row["recording_id"]: row["delete_at"] for row in answer["why"]["at_risk"]}
    assert {id: rows[id]["delete_at"] for id in due} == due


def test_requests_grow_with_what_is_missing_and_not_with_the_archive(one: World, tmp_path: Path) -> None:
    """Twice the archive with the same missing ones: as many requests; half of the missing ones: fewer."""
    missing = [row for row in one.rows() if row["recording_id"] in one.truth["missing"]]
    arrived = [row for row in one.rows() if row["recording_id"] not in one.truth["missing"]]
    few, many, half = (
        one.asked(lambda rows=rows: one.verify(tmp_path / str(len(rows)), rows))
        for rows in ([*missing, *arrived[:150]], [*missing, *arrived[:300]], [*missing[::2], *arrived[:151]])
    )
    assert sorted(few) == sorted(many)
    assert sum(METADATA in path for path in few) == len({row["conversation_id"] for row in missing})
    assert sum(METADATA in path for path in half) == len({row["conversation_id"] for row in missing[::2]})


@pytest.mark.parametrize(
    ("reason", "asked"),
    [
        (EXPORTED, set()),
        (NEVER_EXPORTED, {"/recording/jobs", "/mediaretentionpolicies"}),
        (ORPHANED, {"/uploads/reports", "/orphanrecordings"}),
    ],
)
def test_only_what_can_explain_something_is_asked(one: World, tmp_path: Path, reason: str, asked: set[str]) -> None:
    rows = [row for row in one.rows() if row["recording_id"] in one.truth[reason]]
    paths = one.asked(lambda: one.verify(tmp_path / "home", rows))
    known = ("/recording/jobs", "/mediaretentionpolicies", "/uploads/reports", "/orphanrecordings")
    assert {name for name in known for path in paths if name in path} == asked


def test_where_nothing_is_missing_nothing_is_asked(one: World, tmp_path: Path) -> None:
    arrived = [row for row in one.rows() if row["recording_id"] not in one.truth["missing"]]

    def both() -> None:
        one.verify(tmp_path / "home", arrived)
        assert one.why(tmp_path / "home").rows == []

    assert one.asked(both) == []
    assert one.sandbox.requests("login") == []


def test_recordings_of_one_conversation_take_one_request(one: World, tmp_path: Path) -> None:
    row = next(row for row in one.rows() if row["recording_id"] in one.truth["missing"])
    twice = [row, row | {"recording_id": UNKNOWN_CONVERSATION}]
    paths = one.asked(lambda: one.verify(tmp_path / "home", twice))
    assert sum(METADATA in path for path in paths) == 1


@pytest.mark.parametrize(
    ("lacking", "unknown"), [("recording:recording:view", WORDS.keys()), ("recording:orphan:view", {ORPHANED})]
)
def test_a_permission_that_is_lacking_is_named(world: World, lacking: str, unknown: set[str]) -> None:
    """What does not need it is told all the same; what needs it is asked a few times at most."""
    scopes = [name for name in VIEW if name != lacking and not (lacking.endswith("orphan:view") and "upload" in name)]
    client, found = world.client(*scopes), []
    paths = world.asked(lambda: found.append(world.why(world.home, **client)))
    (why,) = found
    told = by_reason(why)
    planted = {name: ids for name, ids in world.truth.items() if name in WORDS}
    assert told.pop(NOT_KNOWN) == set().union(*(planted[name] for name in unknown if name in planted))
    assert told == {name: ids for name, ids in planted.items() if name not in unknown}
    for group in why.groups:
        if group.reason == NOT_KNOWN:
            assert lacking in group.said
            assert lacking in group.fix
    assert sum(METADATA in path for path in paths) <= (8 if lacking == VIEW[0] else len(world.truth["missing"]))


def test_what_only_adds_to_a_reason_is_a_note(world: World) -> None:
    """Without jobs and policies, each reason is as it would be, and what is not known is said."""
    why = world.why(world.home, **world.client(*VIEW[:3]))
    assert by_reason(why) == {name: ids for name, ids in world.truth.items() if name in WORDS}
    assert ["recording:job:view" in why.notes[0], "recording:retentionPolicy:view" in why.notes[1]] == [True, True]


def test_a_job_that_could_not_export_is_named(world: World) -> None:
    """Of the never exported only what it failed for."""
    job, id = "11111111-0000-4000-8000-000000000000", min(world.truth[NEVER_EXPORTED])
    made = {"id": job, "state": "FULFILLED", "totalFailedRecordings": 1, "recordingJobsQuery": {"action": "EXPORT"}}
    world.fault("/failedrecordings$", body={"entities": [{"recording": {"id": id.upper()}}]})
    world.fault("/api/v2/recording/jobs$", body={"entities": [made | {"state": "PENDING", "id": "x"}, made]})
    why = world.why(world.home)
    (failed,) = [row for row in why.rows if row.reason == FAILED]
    assert (failed.recording_id, f"job {'x'} could not" in failed.said) == (id, True)


@pytest.mark.parametrize(
    ("path", "fault", "unknown"),
    [
        ("/uploads/reports", {"status": 400}, ""),
        ("/uploads/reports$", {"body": {"id": "r", "state": "Nonsense"}}, ""),
        ("/orphanrecordings", {"body": {"entities": [{}]}}, ""),
        ("/(uploads/reports|orphanrecordings)", {"status": 400}, ORPHANED),
        (METADATA, {"body": {"entities": [{"id": "r", "deleteDate": "yesterday"}]}}, "missing"),
        (METADATA, {"body": "<html>"}, "missing"),
    ],
)
def test_an_answer_that_fails_spoils_only_what_rests_on_it(
    world: World, path: str, fault: dict[str, Any], unknown: str
) -> None:
    """An error, or another shape. Uploads and orphans tell one for the other."""
    world.fault(path, **fault)
    why = world.why(world.home)
    lost = world.truth.get(unknown, set())
    told = {name: ids - lost for name, ids in world.truth.items() if name in WORDS and ids - lost}
    assert by_reason(why) == told | ({NOT_KNOWN: lost} if lost else {})


def test_an_org_that_answers_nothing_is_left_alone(world: World) -> None:
    """After some failures in a row it is asked no more, and what came before is kept for the next run."""
    world.fault(METADATA, status=400)
    asked = sum(METADATA in path for path in world.asked(lambda: world.why(world.home)))
    assert asked <= 5 + 8
    assert entries(world.home, EXPLAINED)[-1]["answer"]["reasons"] == {NOT_KNOWN: len(world.truth["missing"])}
    world.sandbox.control("DELETE", "/faults")
    assert NOT_KNOWN not in world.why(world.home).reasons


def test_a_conversation_that_genesys_does_not_have(one: World, tmp_path: Path) -> None:
    """And one that has no id of Genesys's: nothing is asked for it."""
    row = one.rows()[0] | {"recording_id": "r"}
    rows = [row | {"conversation_id": UNKNOWN_CONVERSATION}, row | {"conversation_id": "../../../recordings"}]
    found: list[Verification] = []
    paths = one.asked(lambda: found.append(one.verify(tmp_path / "home", rows)))
    answer = found[0].as_json()
    assert [path for path in paths if METADATA in path] == [
        f"GET /api/v2/conversations/{UNKNOWN_CONVERSATION}{METADATA}"
    ]
    assert answer["why"]["reasons"] == {NOT_KNOWN: 2}
    said = {one["conversation_id"]: one["said"] for one in answer["why"]["missing"]}
    assert "no such conversation" in said[UNKNOWN_CONVERSATION]
    assert "not an id" in said["../../../recordings"]


class Killed(BaseException):
    """What a process is not asked about."""


def test_a_run_that_was_stopped_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks only for what it lacks; the one after it begins again."""
    monkeypatch.setattr(why_metadata, "_KEPT_AT_ONCE", 1)
    conversations = len(
        {row["conversation_id"] for row in world.rows() if row["recording_id"] in world.truth["missing"]}
    )

    def stop(so_far: Any) -> None:
        if so_far.done == 3:
            raise Killed

    with pytest.raises(Killed):
        asyncio.run(why_missing(world.settings(world.home), progress=stop))
    kept = len(list((world.home / "archive" / "why").glob("part-*.json")))
    assert 3 <= kept < conversations
    for expected in (conversations - kept, conversations):
        paths = world.asked(lambda: world.why(world.home))
        assert sum(METADATA in path for path in paths) == expected
    assert by_reason(world.why(world.home)) == {name: ids for name, ids in world.truth.items() if name in WORDS}


def test_the_list_must_be_the_verifications(world: World) -> None:
    """As the ledger names it; without a verification there is nothing to explain."""
    (world.home / "archive" / MISSING).write_bytes(b"PAR1")
    for home, words in ((world.home, "not the list"), (world.home / "new", "has no verification")):
        with pytest.raises(InvalidInput) as refused:
            world.why(home)
        assert words in refused.value.cause


def test_the_org_must_be_the_one_that_is_meant(world: World) -> None:
    with pytest.raises(WrongOrg):
        world.why(world.home, org_id=UNKNOWN_CONVERSATION)
    with pytest.raises(AuthenticationFailed):
        world.why(world.home, org_id="", client_secret="wrong")
    assert entries(world.home, EXPLAINED) == []


@pytest.mark.parametrize(("change", "words"), [("client_secret", "client id and secret"), ("org_id", "not the org")])
def test_a_verification_stands_whatever_the_org_says(one: World, tmp_path: Path, change: str, words: str) -> None:
    """Its verdict and counts are the same; the reasons are not known, and why."""
    found = one.verify(tmp_path / "home", **{change: UNKNOWN_CONVERSATION})
    assert (found.verdict, found.counts["missing"]) == ("FAIL", len(one.truth["missing"]))
    assert found.why is not None
    assert found.why.reasons == {NOT_KNOWN: len(one.truth["missing"])}
    assert words in found.why.rows[0].said
    assert DELETED not in found.why.reasons
