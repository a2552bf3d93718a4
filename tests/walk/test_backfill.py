"""A backfill on the sandbox: what it sends, what it waits for, and how it goes on after a stop.

The recordings are those that the sandbox plants as never exported; each test takes some that no other test uses.
"""

import asyncio
import csv
import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opslib.archive import why as why_list
from opslib.archive.backfill_result import Backfilled
from opslib.archive.missing import file_sha256
from opslib.archive.reasons import NEVER_EXPORTED, Explained
from opslib.archive.times import moment_ms
from opslib.archive.why import Why
from opslib.credentials import usual_keys
from opslib.errors import (
    ApprovalRefused,
    ConsentMissing,
    HalfDone,
    InvalidInput,
    PermissionMissing,
    StalePlan,
    WrongOrg,
)
from opslib.genesys.permissions import BACKFILL as PERMISSIONS
from opslib.ledger.archive import BACKFILL, BACKFILL_ENDED, BACKFILL_JOB, EXPLAINED, VERIFIED
from opslib.ledger.ledger import Ledger
from opslib.ledger.workspace import workspace_ledger
from opslib.onboarding.example import wanted_onboarding
from opslib.onboarding.models import Consent
from opslib.settings import Settings
from opslib.walk import backfill_jobs
from opslib.walk.archive import ArchiveQuestion, verify_archive
from opslib.walk.backfill import BackfillQuestion, abandon_backfill, backfill, review_backfill

from ..forks import opslib, started
from ..sandbox.platform import add_policy, create, s3_properties, s3_type, settle
from ..world import (
    POLICIES,
    POLICY_ID,
    TARGET_ID,
    TARGETS,
    Api,
    Json,
    Sandbox,
    environment,
    eventually,
    policy,
    running,
    without_settings,
)
from ..world import target as target_body

JOBS = "/api/v2/recording/jobs"
VIEW = ("recording:job:view", "recording:recording:view", "recording:read")


@pytest.fixture(scope="module")
def recorded() -> Iterator[Sandbox]:
    with running("--seed", "7", "--recordings", "4000", "--planted", "--rate-limit", "100000") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def unused(recorded: Sandbox) -> dict[str, list[Json]]:
    """Rows of the never exported, by what becomes of them; "" for those that arrive."""
    truth = json.loads(Path(recorded["truth_file"]).read_text())
    with Path(recorded["expected_file"]).open(newline="") as file:
        rows = {row["recording_id"]: row for row in csv.DictReader(file)}
    fates = {fate: set(truth[fate]) for fate in ("sensitive", "export_fails", "export_lost")}
    found: dict[str, list[Json]] = {"": [], **{fate: [] for fate in fates}}
    for id in truth["never_exported"]:
        found[next((fate for fate, ids in fates.items() if id in ids), "")].append(rows[id])
    return found


class World:
    """A workspace that knows some recordings as never exported, and the sandbox's doors."""

    def __init__(self, sandbox: Sandbox, home: Path, unused: dict[str, list[Json]]) -> None:
        self.sandbox, self.home, self.unused = sandbox, home, unused
        self.settings = Settings(home=home)
        self.api = sandbox.api()

    def know(self, *fates: str) -> list[Json]:
        """The newest verification of the workspace finds these missing, and the org was asked why."""
        rows = [self.unused[fate].pop() for fate in fates]
        self.know_rows(rows)
        return rows

    def know_rows(self, rows: list[Json]) -> None:
        run = workspace_ledger(self.settings).start_run("archive")
        about = {"bucket": self.sandbox["bucket"], "prefix": ""}
        counts = {"missing": len(rows)}
        entry = run.append(VERIFIED, {**about, "answer": {"complete": True, "counts": counts}})
        explained = [
            Explained(
                row["conversation_id"], row["recording_id"], ms(row["ended_at"]), None, NEVER_EXPORTED, "", "", None
            )
            for row in rows
        ]
        why = Why({"entry": entry.seq, **about, "at": entry.at}, explained, 0)
        path = self.home / "archive" / why_list.FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        why.write(path)
        kept = {"sha256": file_sha256(path), "rows": len(rows)}
        run.append(EXPLAINED, {**about, "list": kept, "answer": why.as_json(0)})

    def fault(self, method: str, path: str, **fault: Any) -> None:
        self.sandbox.control("POST", "/faults", {"method": method, "path_regex": path, **fault}).raise_for_status()

    def set(self, **settings: float) -> None:
        self.sandbox.control("PUT", "/settings", settings).raise_for_status()

    def jobs(self) -> list[Json]:
        """Those of the workspace's client, the newest first."""
        return self.api("GET", f"{JOBS}?pageSize=100&showOnlyMyJobs=true").json()["entities"]

    def made(self, before: list[Json]) -> list[Json]:
        known = {job["id"] for job in before}
        return [job for job in self.jobs() if job["id"] not in known]

    def sent(self, method: str) -> int:
        return sum(one["method"] == method and one["path"].startswith(JOBS) for one in self.sandbox.requests("api"))

    def entries(self, kind: str) -> list[Json]:
        return [entry.data for entry in Ledger(self.home).entries(kind)]

    def env(self) -> dict[str, str]:
        return without_settings() | environment(self.sandbox, self.home)


@pytest.fixture
def world(
    recorded: Sandbox, unused: dict[str, list[Json]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    for name, value in environment(recorded, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    for name, value in {"_POLL_S": 0.02, "_POLL_AT_MOST_S": 0.05}.items():
        monkeypatch.setattr(backfill_jobs, name, value)
        monkeypatch.setattr(f"opslib.genesys.recording_jobs.{name}", value)
    monkeypatch.setattr("opslib.genesys.creations.SETTLES_WITHIN_S", 0.2)
    monkeypatch.setattr("httpx_retries.retry.Retry.backoff_strategy", lambda self: 0.0)
    recorded.control("DELETE", "/faults")
    world = World(recorded, tmp_path / "home", unused)
    world.set(stage_s=0.0)
    world.api("PUT", f"{TARGETS}/{TARGET_ID}", target_body(configuration={"bucket": recorded["bucket"]}))
    recorded.control("DELETE", "/requests")
    yield world
    for job in world.jobs():
        world.api("DELETE", job["selfUri"])


def ms(text: str) -> int:
    return moment_ms(datetime.fromisoformat(text))


async def run(world: World, **options: Any) -> Backfilled:
    done = await backfill(world.settings, **options)
    assert done
    return done


async def test_a_plan_sends_nothing_and_says_what_it_would_do(world: World) -> None:
    rows = world.know("", "")
    said: list[str] = []
    review = await review_backfill(world.settings, progress=lambda at: said.append(at.words))
    assert {one.recording_id for one in review.plan.wanted} == {row["recording_id"] for row in rows}
    assert (review.plan.where.integration_id, review.unfinished, review.lacks) == (TARGET_ID, None, [])
    assert "conversations to export, asked of the org: 2 of 2" in said
    assert world.sent("POST") == 0
    assert world.entries(BACKFILL) == []
    world.unused[""] += rows


async def test_where_nothing_was_never_exported_no_org_is_asked(world: World) -> None:
    world.know()
    assert await backfill(world.settings) is None
    answer = {"complete": True, "counts": {"missing": 0}}
    entry = {"bucket": "b", "prefix": "", "answer": answer}  # then nobody asks why
    workspace_ledger(world.settings).start_run("archive").append(VERIFIED, entry)
    assert await backfill(world.settings) is None
    assert world.sandbox.requests("api") == []


async def test_what_was_approved_is_exported_and_what_failed_is_told(world: World) -> None:
    """The jobs are the plan's; the ledger has who approved what, each job, and each recording that failed. Asked again,
    there is nothing left to do."""
    before = world.jobs()
    (arrives, fails) = world.know("", "export_fails")
    plan = (await review_backfill(world.settings)).plan
    done = await run(world, checksum=plan.checksum)
    assert [one.recording_id for one in done.failed] == [fails["recording_id"]]
    assert (done.processed, done.not_found, done.fulfilled) == (1, 0, False)
    made = world.made(before)
    assert sorted(job.id for job in done.jobs) == sorted(job["id"] for job in made)
    for job in made:
        query = job["recordingJobsQuery"]
        assert (query["action"], query["integrationId"], query["clearExport"]) == ("EXPORT", TARGET_ID, False)
        assert query["includeRecordingsWithSensitiveData"] is False
        assert query["includePolicyBasedRecordings"] is True
    (approved,) = world.entries(BACKFILL)
    assert approved["checksum"] == plan.checksum
    assert {"user", "host", "uid"} <= approved.keys()
    ended = [data["ended"] for data in world.entries(BACKFILL_JOB) if data["did"] == "ended"]
    assert [one["recording_id"] for job in ended for one in job["failed"]] == [fails["recording_id"]]
    assert [data["outcome"] for data in world.entries(BACKFILL_ENDED)] == ["done"]
    assert not list((world.home / "archive").glob("backfill-*"))
    review = await review_backfill(world.settings)
    assert review.plan.jobs == ()
    assert {one.id: one.why.split()[0] for one in review.plan.left_out} == {
        arrives["recording_id"]: "it",
        fails["recording_id"]: "job",
    }


async def test_where_a_second_key_is_required_nothing_is_sent(world: World) -> None:
    """A backfill's plan cannot be signed by one, so one user's consent must not do in its place."""
    world.know("")
    before = world.jobs()
    settings = Settings(home=world.home, approvers=f"ed25519:{'0' * 64}")
    review = await review_backfill(settings, BackfillQuestion())
    with pytest.raises(ApprovalRefused, match="second key"):
        await backfill(settings, checksum=review.plan.checksum)
    assert world.made(before) == []


async def test_sensitive_recordings_need_consent_by_name_and_reason(world: World) -> None:
    """Without being asked for, a job leaves them out, and the answer says so."""
    world.know("sensitive")
    done = await run(world)
    assert (done.processed, done.not_found, done.jobs[0].state) == (0, 1, "READY")
    asked = BackfillQuestion(sensitive=True)
    for consent in (Consent(), Consent(allow=("sensitive-recordings",)), Consent(allow=("many",), reason="r")):
        with pytest.raises(ConsentMissing, match="unsafe") as refused:
            await backfill(world.settings, asked, consent=consent)
        assert "--allow sensitive-recordings" in refused.value.fix
    agreed = Consent(allow=("sensitive-recordings",), reason="the court asked for them")
    assert (await run(world, asked=asked, consent=agreed)).processed == 1
    assert world.entries(BACKFILL)[-1]["reason"] == "the court asked for them"


async def test_another_plan_than_the_reviewed_one_is_refused(world: World) -> None:
    world.unused[""] += world.know("")
    with pytest.raises(StalePlan):
        await backfill(world.settings, checksum="0" * 64)
    assert world.sent("POST") == 0


async def test_a_missing_permission_is_named_before_anything_is_sent(world: World) -> None:
    """With sensitive recordings, the one for these, too."""
    world.unused[""] += world.know("")
    scopes = [*VIEW, *PERMISSIONS[1:]]
    client = world.sandbox.control("POST", "/clients", {"scopes": scopes}).json()
    settings = Settings(home=world.home, **client)
    review = await review_backfill(settings)
    assert review.lacks == ["recording:job:add"]
    with pytest.raises(PermissionMissing, match="may not make this backfill") as refused:
        await backfill(settings)
    assert "recording:job:add" in refused.value.cause
    both = await review_backfill(settings, BackfillQuestion(sensitive=True))
    assert both.lacks == ["recording:job:add", "recording:recording:viewSensitiveData"]
    assert world.sent("POST") == 0


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (None, "the org has no target"),
        ({"enabled": False}, "switched off"),
        ({"configuration": {"bucket": "another-bucket"}}, "does not export to"),
    ],
)
async def test_without_a_target_for_the_verified_bucket_nothing_is_sent(
    world: World, change: Json | None, cause: str
) -> None:
    world.unused[""] += world.know("")
    if change is None:
        world.api("DELETE", f"{TARGETS}/{TARGET_ID}")
    else:
        body = {"configuration": {"bucket": world.sandbox["bucket"]}} | change
        world.api("PUT", f"{TARGETS}/{TARGET_ID}", target_body(**body)).raise_for_status()
    with pytest.raises(InvalidInput, match="nowhere to export to") as refused:
        await backfill(world.settings)
    assert cause in refused.value.cause
    assert world.sent("POST") == 0


async def test_another_org_is_refused(world: World) -> None:
    world.unused[""] += world.know("")
    onboarding = wanted_onboarding(world.settings).model_copy(update={"org_id": "00000000-0000-4000-8000-000000000001"})
    with pytest.raises(WrongOrg):
        await backfill(world.settings, onboarding=onboarding)
    assert world.sent("POST") == 0


async def test_without_an_answer_to_why_the_next_command_is_named(world: World) -> None:
    with pytest.raises(InvalidInput) as refused:
        await review_backfill(world.settings)
    assert "opslib archive verify" in refused.value.fix
    entry = {"bucket": "b", "prefix": "", "answer": {"complete": True, "counts": {"missing": 1}}}
    workspace_ledger(world.settings).start_run("archive").append(VERIFIED, entry)
    with pytest.raises(InvalidInput) as refused:
        await review_backfill(world.settings)
    assert "opslib archive why" in refused.value.fix
    world.unused[""] += world.know("")
    (world.home / "archive" / why_list.FILE).write_bytes(b"another list")
    with pytest.raises(InvalidInput, match="list of reasons"):
        await review_backfill(world.settings)


async def test_it_waits_while_others_take_the_places_of_the_org(world: World) -> None:
    """Says whose jobs these are, and goes on when one has ended."""
    other = Api(world.sandbox, world.sandbox.token(world.sandbox.control("POST", "/clients", {}).json()))
    world.set(stage_s=3600.0)
    body = {
        "action": "EXPORT",
        "actionDate": "2026-12-01T00:00:00Z",
        "integrationId": TARGET_ID,
        "conversationQuery": {"interval": "2020-01-01T00:00:00Z/2020-01-02T00:00:00Z"},
    }
    foreign = [other("POST", JOBS, body).raise_for_status().json() for _ in range(2)]
    world.set(stage_s=0.0)
    world.know("")
    waited: list[str] = []

    def tell(at: Any) -> None:
        if "waiting for a free place" in at.words:
            waited.append(at.words)
            if len(waited) == 2:
                assert world.sent("POST") == 2
                other("DELETE", foreign[0]["selfUri"])

    done = await run(world, progress=tell)
    assert done.fulfilled
    assert all(job["id"] in waited[0] and job["user"]["id"] in waited[0] for job in foreign)
    other("DELETE", foreign[1]["selfUri"])


async def test_a_place_that_never_comes_free_leaves_it_to_be_finished(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = {"id": "j", "state": "PROCESSING", "user": {"id": "somebody"}}
    world.fault("GET", f"{JOBS}$", body={"entities": [running]})
    monkeypatch.setattr(backfill_jobs, "_PLACE_WITHIN_S", 0.1)
    world.know("")
    with pytest.raises(HalfDone, match="no free place") as stopped:
        await backfill(world.settings)
    assert "j of somebody" in stopped.value.cause
    world.sandbox.control("DELETE", "/faults")
    assert (await run(world)).fulfilled


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        ({"status": 408, "when": "after"}, False),
        ({"drop": True, "when": "after"}, False),
        ({"status": 429, "headers": {"Retry-After": "0"}}, False),
        ({"status": 408}, True),
        ({"drop": True}, True),
    ],
    ids=["408-after", "cut-after", "429", "408-before", "cut-before"],
)
async def test_one_job_is_made_whatever_becomes_of_the_answer(world: World, fault: Json, again: bool) -> None:
    """One that had no effect is not sent a second time by the same run, since it may still take effect."""
    before = world.jobs()
    world.know("")
    world.fault("POST", f"{JOBS}$", times=1, **fault)
    if again:
        with pytest.raises(HalfDone) as stopped:
            await backfill(world.settings)
        assert "1 of 1 jobs are left to do" in stopped.value.cause
        assert "run `opslib archive backfill` again" in stopped.value.fix
        assert world.made(before) == []
    done = await run(world)
    assert [(job["id"], job["state"]) for job in world.made(before)] == [(done.jobs[0].id, "FULFILLED")]


async def test_more_than_was_approved_is_not_carried_out(world: World) -> None:
    """The job stays READY. It goes on with just the counts that were shown, or is given up."""
    before = world.jobs()
    world.know("")
    counts = {"state": "READY", "totalRecordings": 50, "totalConversations": 1}
    world.fault("GET", f"{JOBS}/", body={"id": "j", **counts})
    with pytest.raises(HalfDone, match="more than was approved") as stopped:
        await backfill(world.settings)
    assert "50 recordings" in stopped.value.cause
    assert "--accept" in stopped.value.fix
    (job,) = world.made(before)
    with pytest.raises(HalfDone, match="more than was approved"):
        await backfill(world.settings)
    world.sandbox.control("DELETE", "/faults")
    world.fault("GET", f"{JOBS}/", body={**counts, "id": job["id"], "totalRecordings": 51}, times=1)
    with pytest.raises(HalfDone, match="more than was approved"):
        await backfill(world.settings, accept=True)
    assert world.sent("PUT") == 0
    world.fault("GET", f"{JOBS}/", body={**counts, "id": job["id"], "totalRecordings": 51}, times=1)
    done = await run(world, accept=True)
    assert [one["id"] for one in world.made(before)] == [job["id"]] == [one.id for one in done.jobs]
    assert done.fulfilled


async def test_what_is_given_up_stays_ready_and_makes_room_for_another_plan(world: World) -> None:
    """Also a job whose answer was lost is named."""
    before = world.jobs()
    world.know("")
    world.fault("POST", f"{JOBS}$", drop=True, when="after", times=1)
    world.fault("GET", f"{JOBS}$", status=503, query="showOnlyMyJobs")
    with pytest.raises(HalfDone):
        await backfill(world.settings)
    world.sandbox.control("DELETE", "/faults")
    (job,) = world.made(before)
    assert await abandon_backfill(world.settings) == [job["id"]]
    assert world.made(before)[0]["state"] == "READY"
    assert world.sent("DELETE") == 0
    with pytest.raises(InvalidInput, match="no unfinished backfill"):
        await abandon_backfill(world.settings)
    assert (await run(world)).fulfilled
    assert len(world.made(before)) == 2


async def test_another_client_does_not_go_on(world: World) -> None:
    """Only the client that made a job may carry it out; in another org, it is not found at all."""
    world.know("")
    world.fault("PUT", JOBS, status=403)
    with pytest.raises(HalfDone):
        await backfill(world.settings)
    world.sandbox.control("DELETE", "/faults")
    other = world.sandbox.control("POST", "/clients", {}).json()
    with pytest.raises(WrongOrg, match="Another OAuth client"):
        await backfill(Settings(home=world.home, **other))
    assert (await run(world)).fulfilled


KILLED: dict[str, tuple[Callable[[World], None], str]] = {
    "created, and not noted": (lambda world: world.fault("POST", f"{JOBS}$", when="after", delay_s=600), "READY"),
    "pending": (lambda world: world.set(stage_s=2.0), "PENDING"),
    "ready": (lambda world: world.fault("PUT", JOBS, delay_s=600), "READY"),
    "processing": (lambda world: world.fault("PUT", JOBS, when="after", delay_s=600), "PROCESSING"),
}


@pytest.mark.parametrize("when", list(KILLED))
async def test_a_killed_backfill_goes_on_with_its_job(world: World, when: str) -> None:
    """kill -9, and the same command again: one job at the org, and nothing is lost."""
    before = world.jobs()
    (row,) = world.know("")
    hold, state = KILLED[when]
    hold(world)
    if when == "processing":
        world.set(stage_s=1.0)
    with started(world.env(), "archive", "backfill", "--yes") as process:
        eventually(
            lambda: [job["state"] for job in world.made(before)] == [state] and (when != "ready" or world.sent("PUT"))
        )
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    world.sandbox.control("DELETE", "/faults")
    world.set(stage_s=0.0)
    review = await review_backfill(world.settings)
    assert (review.left, review.unfinished is None) == (1, False)
    done = await run(world)
    assert [job["id"] for job in world.made(before)] == [one.id for one in done.jobs]
    assert (done.fulfilled, done.processed) == (True, 1)
    metadata = world.api("GET", f"/api/v2/conversations/{row['conversation_id']}/recordingmetadata").json()
    assert next(one for one in metadata if one["id"] == row["recording_id"])["exportDate"]


def test_the_command_asks_for_yes_and_stops_at_ctrl_c(world: World) -> None:
    """Exit codes 2, 3 and 0; with --json one document; no secret in what it says or keeps."""
    world.know("")
    env = world.env()
    planned = opslib(env, "archive", "backfill", "--json")
    document = json.loads(planned.stdout)
    assert (planned.returncode, document["recordings"], document["done"]) == (2, 1, None)
    world.set(stage_s=3600.0)
    with started(env, "archive", "backfill", "--yes") as process:
        eventually(lambda: any(job["state"] == "PENDING" for job in world.jobs()))
        os.kill(process.pid or 0, signal.SIGINT)
        process.join()
        assert process.exitcode == 3
    left = opslib(env, "archive", "backfill")
    assert left.returncode == 3
    assert "Unfinished: a backfill that" in left.stdout
    (job,) = [job for job in world.jobs() if job["state"] == "PENDING"]
    world.api("DELETE", job["selfUri"])  # somebody cancels it: it never becomes READY here
    done = opslib(env, "archive", "backfill", "--yes", "--json")
    assert (done.returncode, json.loads(done.stdout)["done"]["jobs"][0]["state"]) == (1, "CANCELLED")
    world.set(stage_s=0.0)
    done = opslib(env, "archive", "backfill", "--yes")
    assert done.returncode == 0
    assert "done     job 1" in done.stdout
    assert "`opslib archive verify` tells" in done.stdout
    secret = world.sandbox["client_secret"]
    assert secret not in planned.stdout + left.stdout + done.stdout + done.stderr
    assert not [path for path in world.home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@pytest.mark.parametrize(("backend", "recordings"), [("storage-targets", 280), ("platform", 600)])
def test_the_next_verification_tells_what_arrived(
    backend: str, recordings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but those that failed, were lost on the way, or have sensitive data."""
    with running("--seed", "3", "--recordings", str(recordings), "--planted", "--rate-limit", "100000") as sandbox:
        for name, value in environment(sandbox, tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        sandbox.control("PUT", "/settings", {"stage_s": 0.0})
        settings = Settings(home=tmp_path / "home", backend=backend)
        prefix = routed(sandbox, backend, wanted_onboarding(settings).target.name)
        asked = ArchiveQuestion(
            Path(sandbox["expected_file"]), sandbox["bucket"], prefix, now=datetime(2026, 2, 5, tzinfo=UTC)
        )
        first = asyncio.run(verify_archive(asked, usual_keys(), settings))
        done = asyncio.run(backfill(settings))
        assert done
        asked = ArchiveQuestion(Path(sandbox["expected_file"]), sandbox["bucket"], prefix)
        second = asyncio.run(verify_archive(asked, usual_keys(), settings))
        truth = {name: set(ids) for name, ids in json.loads(Path(sandbox["truth_file"]).read_text()).items()}
    assert {one.recording_id for one in done.failed} == truth["export_fails"]
    left = truth["export_fails"] | truth["export_lost"] | truth["sensitive"]
    assert left
    came = missing(first) - missing(second)
    assert came == truth["never_exported"] - left != set()
    assert left <= missing(second)


def routed(sandbox: Sandbox, backend: str, name: str) -> str:
    api = sandbox.api()
    if backend == "platform":
        integration = create(api, s3_type(api)["id"], s3_properties(api, sandbox), name)
        assert settle(api, integration["selfUri"])["code"] == "ACTIVE"
        add_policy(api, integration["id"], name="on", enabled=True)
        return ""
    body = target_body(configuration={"bucket": sandbox["bucket"]})
    api("PUT", f"{TARGETS}/{TARGET_ID}", body).raise_for_status()
    api("PUT", f"{POLICIES}/{POLICY_ID}", policy()).raise_for_status()
    return "recordings/voice/"


def missing(found: Any) -> set[str]:
    return {one["recording_id"] for one in found.as_json()["missing"]}
