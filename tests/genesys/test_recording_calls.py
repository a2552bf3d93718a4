"""The calls about recordings at Genesys, on a sandbox with planted ones; and answers that are none."""

import csv
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from opslib import errors
from opslib.auth import GenesysAuthManager
from opslib.genesys import conversation_jobs, recording_jobs, recordings, upload_reports
from opslib.genesys.client import GenesysClient
from opslib.genesys.recorder import Recorder
from opslib.genesys.recording_jobs import Export

from ..world import TARGETS, Json, Sandbox, running, target

OCTOBER = datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC)
ALL_DAYS = datetime(2025, 10, 1, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC)
JOBS = "/api/v2/recording/jobs"
API = "https://api.mypurecloud.de"


@pytest.fixture(scope="module")
def recorded() -> Iterator[Sandbox]:
    with running("--seed", "7", "--recordings", "600", "--planted", "--rate-limit", "100000") as sandbox:
        sandbox.control("PUT", "/settings", {"stage_s": 0.0})
        body = target(configuration={"bucket": sandbox["bucket"]})
        sandbox.api()("PUT", f"{TARGETS}/t-1", body).raise_for_status()
        yield sandbox


@pytest.fixture
def truth(recorded: Sandbox) -> dict[str, list[str]]:
    return json.loads(Path(recorded["truth_file"]).read_text())


@pytest.fixture
def rows(recorded: Sandbox) -> dict[str, Json]:
    with Path(recorded["expected_file"]).open(newline="") as file:
        return {row["recording_id"]: row for row in csv.DictReader(file)}


@pytest.fixture
def kept() -> list[Json]:
    """What the ledger would hold."""
    return []


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPSLIB_API_URL", "OPSLIB_LOGIN_URL", "OPSLIB_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("httpx_retries.retry.Retry.backoff_strategy", lambda self: 0.0)
    monkeypatch.setattr("opslib.genesys.creations.SETTLES_WITHIN_S", 0.1)


@pytest.fixture
async def client(recorded: Sandbox, kept: list[Json], _quick: None) -> AsyncIterator[GenesysClient]:
    recorded.control("DELETE", "/faults")
    recorded.control("DELETE", "/requests")
    urls = {"base_url": recorded["api_url"], "login_url": recorded["login_url"]}
    auth = GenesysAuthManager(recorded["client_id"], recorded["client_secret"], "org", **urls)
    client = GenesysClient(auth.base_url, auth, Recorder(lambda kind, data: kept.append(data)))
    yield client
    await client.aclose()
    await auth.aclose()
    for job in recorded.api()("GET", f"{JOBS}?pageSize=100").json()["entities"]:
        recorded.api()("DELETE", job["selfUri"])  # leave room for the next test


def fault(sandbox: Sandbox, method: str, path: str, **what: Any) -> None:
    fault = {"method": method, "path_regex": path, "times": 1, **what}
    sandbox.control("POST", "/faults", fault).raise_for_status()


def sent(sandbox: Sandbox, method: str, path: str) -> int:
    return sum((one["method"], one["path"]) == (method, path) for one in sandbox.requests("api"))


def export(**changes: Any) -> Export:
    """To the millisecond it is this test's own."""
    return Export(*ALL_DAYS, at=datetime.now(UTC), integration_id="t-1", **changes)


async def test_recorded_conversations_come_page_by_page(client: GenesysClient, rows: dict[str, Json]) -> None:
    """Each once, with what was recorded of it."""
    job = await conversation_jobs.ask_for_recorded(client, *OCTOBER)
    assert (await conversation_jobs.wait_for(client, job, deadline_s=30)).fulfilled
    found = [one async for one in conversation_jobs.results(client, job, page_size=40)]
    calls = {row["conversation_id"] for row in rows.values() if row["media"] == "call"}
    october = {row["conversation_id"] for row in rows.values() if row["started_at"] < "2025-11-01"}
    assert len(found) > 80
    assert sorted(one.id for one in found) == sorted(calls & october)
    assert all(one.audio and one.ended and one.started <= one.ended and one.queue_ids for one in found)
    assert all("voice" in one.media_types for one in found)


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "EXPIRED", "NEW_ONE"])
async def test_a_query_that_ends_otherwise_says_so(recorded: Sandbox, client: GenesysClient, state: str) -> None:
    """In Genesys's words where it has some; a state that is not known ends the wait, too."""
    fault(recorded, "GET", "/details/jobs/", body={"state": state, "errorMessage": "because"})
    ended = await conversation_jobs.wait_for(client, "j", deadline_s=30)
    assert (ended.state, ended.fulfilled, ended.error) == (state, False, "because")


async def test_a_wait_ends_at_its_deadline(recorded: Sandbox, client: GenesysClient, slept: list[float]) -> None:
    """With the state as it was; the waits grow."""
    fault(recorded, "GET", "/details/jobs/", body={"state": "PENDING"}, times=50)
    state = await conversation_jobs.wait_for(client, "j", deadline_s=60)
    assert (state.state, state.final) == ("PENDING", False)
    assert slept == sorted(slept)
    assert 60 < sum(slept) < 90


async def test_the_right_edge_is_a_moment(recorded: Sandbox, client: GenesysClient) -> None:
    recorded.control("PUT", "/settings", {"data_lag_s": 86400.0})
    edge = await conversation_jobs.available_until(client)
    recorded.control("PUT", "/settings", {"data_lag_s": 0.0})
    assert timedelta(hours=23) < datetime.now(UTC) - edge < timedelta(hours=25)


async def test_metadata_tells_state_and_dates(
    client: GenesysClient, truth: dict[str, list[str]], rows: dict[str, Json]
) -> None:
    """Of each reason; None where there is no such conversation, and of an orphan nothing."""

    async def facts(id: str) -> tuple[str, bool, bool] | None:
        found = await recordings.recordings_of(client, rows[id]["conversation_id"])
        (one,) = [one for one in found or [] if one.id == id] or (None,)
        return one and (one.file_state, bool(one.dates.export_at), bool(one.dates.exported_at))

    assert {reason: await facts(truth[reason][-1]) for reason in (
        "never_exported", "export_scheduled", "exported_not_in_bucket", "still_uploading", "orphaned",
        "deleted_at_source",
    )} == {
        "never_exported": ("AVAILABLE", False, False),
        "export_scheduled": ("AVAILABLE", True, False),
        "exported_not_in_bucket": ("AVAILABLE", True, True),
        "still_uploading": ("UPLOADING", False, False),
        "orphaned": None,
        "deleted_at_source": ("DELETED", False, False),
    }  # fmt: skip
    assert await recordings.recordings_of(client, "none") is None


async def test_retained_recordings_and_orphans_are_read_to_the_end(
    client: GenesysClient, truth: dict[str, list[str]]
) -> None:
    """Two pages of recordings; each orphan with its status."""
    kept = [one async for one in recordings.retained_recordings(client, 1)]
    assert len({one.id for one in kept}) == len(kept) > 500
    due = {one.id for one in kept if one.dates.delete_at and one.dates.delete_at < datetime.now(UTC) + timedelta(30)}
    assert due <= set(truth["due_for_deletion"])
    found = await recordings.orphans(client)
    assert {one.id for one in found} == set(truth["orphaned"])
    assert {one.status: bool(one.conversation_id) for one in found} == {
        "CONVERSATION_NOT_EVALUATED": True,
        "UNKNOWN_CONVERSATION": False,
    }


async def test_the_upload_report_is_read_without_the_token(
    recorded: Sandbox, client: GenesysClient, truth: dict[str, list[str]], kept: list[Json], monkeypatch: Any
) -> None:
    """From the other host; its address is in no record, and no figure counts the download."""
    seen = []
    send = upload_reports.http_client

    def watched(*arguments: Any, **options: Any) -> Any:
        http = send(*arguments, **options)
        sending = http.send

        def noted(request: httpx.Request, **about: Any) -> Any:
            seen.append(request)
            return sending(request, **about)

        monkeypatch.setattr(http, "send", noted)
        return http

    monkeypatch.setattr(upload_reports, "http_client", watched)
    found = await upload_reports.uploads(client, OCTOBER[0], "Pending", deadline_s=30)
    assert sorted(one.recording_id for one in found) == sorted(truth["still_uploading"])
    assert {one.status for one in found} == {"Pending"}
    (request,) = seen
    assert str(request.url).startswith(recorded["downloads_url"])
    assert "authorization" not in request.headers
    assert "signature" not in json.dumps(kept)
    (download,) = [one for one in kept if one.get("endpoint") == "signed URL"]
    assert (
        len(client.recorder.latency_samples) == len([one for one in kept if "latency_s" in one]) - 2
    )  # token, download
    assert download["operation"] == "read_upload_report"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://bucket.s3.amazonaws.com/report",
        "file:///etc/passwd",
        "https://user:password@bucket.s3.amazonaws.com/",
        "https://localhost/report",
        "https://127.0.0.1/report",
        "https://127.1/report",
        "https://2130706433/report",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/report",
        "https://internal/report",
        "https://bücket.example.com/",
        "https://host:port/",
        "https://.../",
        "//bucket.s3.amazonaws.com/report",
    ],
)
async def test_a_hostile_address_is_not_asked(url: str, live: GenesysClient, org: respx.MockRouter) -> None:
    """Nothing is sent there, and the error does not repeat it."""
    org.post(API + upload_reports.REPORTS).respond(json={"id": "r", "state": "InProgress"})
    org.get(API + upload_reports.REPORTS + "/r").respond(json={"id": "r", "state": "Completed", "signedUrl": url})
    others = org.route().respond(200, text="recordingId\n")
    with pytest.raises(errors.UnexpectedAnswer, match="no usable URL") as refused:
        await upload_reports.uploads(live, OCTOBER[0], "Pending", deadline_s=1)
    assert not others.called
    assert not url or url not in str(refused.value)


@pytest.fixture
def org() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        router.post("https://login.mypurecloud.de/oauth/token").respond(
            json={"access_token": "t-0k3n", "expires_in": 60}
        )
        yield router


@pytest.fixture
async def live(org: respx.MockRouter, _quick: None) -> AsyncIterator[GenesysClient]:
    """A client of an org that answers what a test says."""
    auth = GenesysAuthManager("client", "client-test-secret", "org", region="eu-central-1")
    client = GenesysClient(auth.base_url, auth, Recorder(lambda kind, data: None))
    yield client
    await client.aclose()
    await auth.aclose()


@pytest.mark.parametrize(
    ("status", "content", "why"),
    [
        (200, b"recordingId,uploadStatus\n\xff\xfe,Pending\n", "cannot be read"),
        (200, b"conversationId\nc\n", "cannot be read"),
        (200, b"", "cannot be read"),
        (200, b'recordingId\n"a\n', "cannot be read"),
        (403, b"<Error/>", "cannot be downloaded"),
        (302, b"", "cannot be downloaded"),
    ],
)
async def test_what_is_no_report_is_refused(
    live: GenesysClient, org: respx.MockRouter, status: int, content: bytes, why: str
) -> None:
    """In words, without its address."""
    url = "https://bucket.s3.amazonaws.com/report?X-Amz-Signature=0123456789"
    org.post(API + upload_reports.REPORTS).respond(json={"id": "r", "state": "Completed"})
    org.get(API + upload_reports.REPORTS + "/r").respond(json={"id": "r", "state": "Completed", "signedUrl": url})
    org.get(url).respond(status, content=content, headers={"Location": "https://elsewhere.example.com/"})
    with pytest.raises(errors.UnexpectedAnswer, match=why) as refused:
        await upload_reports.uploads(live, OCTOBER[0], "Pending", deadline_s=1)
    assert "0123456789" not in str(refused.value)


async def test_a_report_in_other_letters_is_read(live: GenesysClient, org: respx.MockRouter) -> None:
    """A live report's columns are not published: spaces, capitals and a byte order mark do not matter."""
    url = "https://bucket.s3.amazonaws.com/report"
    org.post(API + upload_reports.REPORTS).respond(json={"id": "r", "state": "Completed"})
    org.get(API + upload_reports.REPORTS + "/r").respond(json={"id": "r", "state": "Completed", "signedUrl": url})
    org.get(url).respond(content="\ufeffUpload Status,Recording_ID,Other\r\nPending,r-1,x\r\n".encode())
    assert await upload_reports.uploads(live, OCTOBER[0], "Pending", deadline_s=1) == [
        upload_reports.Upload("r-1", "", "Pending")
    ]


async def test_a_report_that_fails_is_said(recorded: Sandbox, client: GenesysClient) -> None:
    fault(recorded, "GET", "/uploads/reports/", body={"id": "r", "state": "Failed"})
    with pytest.raises(errors.ServerFailure, match="did not complete"):
        await upload_reports.uploads(client, OCTOBER[0], "Failure", deadline_s=30)


async def test_a_job_from_begin_to_end(client: GenesysClient, truth: dict[str, list[str]]) -> None:
    """Made, counted, carried out, with what failed; and found again by what it exports."""
    wanted = export()
    made = await recording_jobs.create_job(client, wanted)
    ready = await recording_jobs.wait_while(client, made.id, recording_jobs.PENDING, deadline_s=30)
    assert (ready.state, ready.processed, ready.recordings > 3, ready.skipped > 500) == ("READY", 0, True, True)
    await recording_jobs.execute_job(client, made.id)
    done = await recording_jobs.wait_while(client, made.id, recording_jobs.PROCESSING, deadline_s=30)
    assert (done.state, done.processed, done.failed) == ("FULFILLED", ready.recordings - 1, 1)
    failed = [one async for one in recording_jobs.failed_recordings(client, made.id)]
    assert [recording for _, recording in failed] == truth["export_fails"]
    assert await recording_jobs.find_job(client, wanted) == done
    assert await recording_jobs.find_job(client, export()) is None
    assert await recording_jobs.running_jobs(client) == []


@pytest.mark.parametrize("lost", [{"status": 408}, {"status": 504}, {"drop": True}, {"body": "<html>"}])
async def test_a_job_whose_answer_is_lost_is_found(recorded: Sandbox, client: GenesysClient, lost: Json) -> None:
    """No second one is made."""
    fault(recorded, "POST", f"{JOBS}$", when="after", **lost)
    wanted = export()
    made = await recording_jobs.create_job(client, wanted)
    assert made.is_for(wanted)
    assert sent(recorded, "POST", JOBS) == 1


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        ({"status": 408}, errors.UnexpectedAnswer),
        ({"status": 503}, errors.ServerFailure),
        ({"drop": True}, errors.ConnectionFailed),
    ],
)
async def test_a_job_that_was_not_made_is_looked_for_and_not_sent_again(
    recorded: Sandbox, client: GenesysClient, refused: Json, error: type[errors.OpslibError]
) -> None:
    """The failure is said; whoever asks may look once more, and send it again."""
    fault(recorded, "POST", f"{JOBS}$", **refused)
    with pytest.raises(error):
        await recording_jobs.create_job(client, export())
    assert sent(recorded, "POST", JOBS) == 1
    assert sent(recorded, "GET", JOBS) >= 1


async def test_what_the_org_refuses_is_not_looked_for(recorded: Sandbox, client: GenesysClient) -> None:
    """A wrong integration is an error at once."""
    with pytest.raises(errors.InvalidRequest, match="integrationId"):
        await recording_jobs.create_job(client, Export(*ALL_DAYS, at=datetime.now(UTC), integration_id="none"))
    assert sent(recorded, "GET", JOBS) == 0


async def test_a_third_job_is_refused(recorded: Sandbox, client: GenesysClient) -> None:
    """While two are running, whoever made them; and those two are told."""
    recorded.control("PUT", "/settings", {"stage_s": 3600.0})
    first, second = [await recording_jobs.create_job(client, export()) for _ in range(2)]
    recorded.control("PUT", "/settings", {"stage_s": 0.0})
    assert {one.id for one in await recording_jobs.running_jobs(client)} == {first.id, second.id}
    with pytest.raises(errors.RateLimited, match="concurrent"):
        await recording_jobs.create_job(client, export())


async def test_a_start_whose_answer_is_lost_is_read(recorded: Sandbox, client: GenesysClient) -> None:
    """It is not sent twice; one that had no effect is an error, and the job is still READY."""
    made = await recording_jobs.create_job(client, export())
    await recording_jobs.wait_while(client, made.id, recording_jobs.PENDING, deadline_s=30)
    fault(recorded, "PUT", JOBS, drop=True)
    with pytest.raises(errors.ConnectionFailed):
        await recording_jobs.execute_job(client, made.id)
    fault(recorded, "PUT", JOBS, drop=True, when="after")
    assert (await recording_jobs.execute_job(client, made.id)).state in ("PROCESSING", "FULFILLED", "FAILED")
    assert sent(recorded, "PUT", f"{JOBS}/{made.id}") == 2
    with pytest.raises(errors.InvalidRequest, match="not READY"):
        await recording_jobs.execute_job(client, made.id)


def test_a_job_is_known_however_the_org_writes_its_times() -> None:
    """And by action, integration, interval and export date; a job of another time is another job."""
    wanted = Export(*OCTOBER, at=datetime(2026, 11, 1, 12, tzinfo=UTC), integration_id="i")
    query = {
        "action": "EXPORT",
        "actionDate": "2026-11-01T13:00:00+0100",
        "integrationId": "i",
        "conversationQuery": {"interval": "2025-10-01T00:00:00Z/2025-11-01T00:00Z"},
    }

    def is_for(**changes: Any) -> bool:
        counts = [0] * 6
        return recording_jobs.RecordingJob("j", "READY", None, *counts, error="", query=query | changes).is_for(wanted)

    assert is_for()
    others = [
        {"action": "DELETE"},
        {"actionDate": "2026-11-01T12:00:00.001Z"},
        {"actionDate": None},
        {"integrationId": "other"},
        {"conversationQuery": {"interval": "2025-10-01T00:00:00Z"}},
        {"conversationQuery": None},
    ]
    assert not any(is_for(**change) for change in others)


JOB = {"id": "j", "state": "READY"}
CALLS: dict[str, Callable[[GenesysClient], Awaitable[Any]]] = {
    "availability": conversation_jobs.available_until,
    "ask": lambda client: conversation_jobs.ask_for_recorded(client, *OCTOBER),
    "state": lambda client: conversation_jobs.job_state(client, "j"),
    "results": lambda client: everything(conversation_jobs.results(client, "j")),
    "metadata": lambda client: recordings.recordings_of(client, "c"),
    "retained": lambda client: everything(recordings.retained_recordings(client, 1)),
    "orphans": recordings.orphans,
    "report": lambda client: upload_reports.uploads(client, OCTOBER[0], "Pending", deadline_s=1),
    "create": lambda client: recording_jobs.create_job(client, export()),
    "job": lambda client: recording_jobs.recording_job(client, "j"),
    "jobs": recording_jobs.running_jobs,
    "failed": lambda client: everything(recording_jobs.failed_recordings(client, "j")),
}


async def everything(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("availability", {}),
        ("availability", {"dataAvailabilityDate": "yesterday"}),
        ("availability", {"dataAvailabilityDate": "2026-11-01T00:00:00"}),
        ("ask", {"jobId": ".."}),
        ("state", {"state": None}),
        ("results", {"conversations": {}}),
        ("results", {"conversations": [{"conversationId": "c"}]}),
        ("results", {"conversations": [], "cursor": "same"}),
        ("metadata", {"entities": 1}),
        ("metadata", [{"id": "r", "deleteDate": "soon"}]),
        ("retained", {"entities": [{"recordingId": "r"}]}),
        ("retained", {"entities": [], "nextUri": "/x?cursor=same"}),
        ("orphans", {"entities": [{}]}),
        ("report", {"id": "r"}),
        ("create", {"id": "j"}),
        ("job", JOB | {"totalRecordings": -1}),
        ("job", JOB | {"recordingJobsQuery": "all"}),
        ("jobs", {"entities": [JOB | {"state": 7}]}),
        ("failed", {"entities": [{"conversation": {"id": "c"}}]}),
    ],
)
async def test_an_answer_of_another_shape_is_refused(
    live: GenesysClient, org: respx.MockRouter, call: str, body: Any
) -> None:
    """As everywhere, with the path; a list that never ends, too."""
    org.route(url__startswith=API).respond(json=body)
    with pytest.raises(errors.UnexpectedAnswer):
        await CALLS[call](live)


async def test_a_conversation_without_participants_is_one(live: GenesysClient, org: respx.MockRouter) -> None:
    """And a page without conversations is empty."""
    one = {"conversationId": "c", "conversationStart": "2025-10-01T00:00:00Z", "participants": None}
    answer = org.get(url__startswith=API)
    answer.side_effect = [httpx.Response(200, json=body) for body in ({"conversations": [one], "cursor": "2"}, {})]
    (found,) = await everything(conversation_jobs.results(live, "j"))
    assert (found.ended, found.audio, found.media_types) == (None, False, ())
