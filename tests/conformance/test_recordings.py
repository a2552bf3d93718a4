"""The official SDK asks for recordings at Genesys, and exports those that never were."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from opslib.genesys import conversation_jobs, recording_jobs, recordings, upload_reports
from opslib.genesys.recorder import Recorder
from opslib.settings import Settings
from opslib.walk.session import Session

from ..sandbox.platform import active, s3_properties, s3_type
from ..sandbox.test_recordings import keys_in
from ..world import TARGETS, Json, Sandbox, environment, eventually, running, target
from . import oracle
from .conftest import Sdk
from .test_our_requests import Sent, sent, wrong  # noqa: F401 (sent is a fixture)
from .test_sandbox_shapes import Checked

ALL_DAYS = "2025-10-01T00:00:00Z/2026-02-02T00:00:00Z"
OCTOBER = "2025-10-01T00:00:00.000Z/2025-11-01T00:00:00.000Z"
DETAILS = "/api/v2/analytics/conversations/details/jobs"
JOBS = "/api/v2/recording/jobs"
REPORTS = "/api/v2/recording/uploads/reports"
FINAL = ("FULFILLED", "FAILED")


@pytest.fixture(scope="module")
def recorded() -> Iterator[Sandbox]:
    """With an integration and a target, below which recordings go to places of their own."""
    with running("--seed", "7", "--recordings", "600", "--planted", "--rate-limit", "100000") as sandbox:
        sandbox.control("PUT", "/settings", {"stage_s": 0.02})
        body = target(configuration={"bucket": sandbox["bucket"], "pathPrefix": "targets"})
        sandbox.api()("PUT", f"{TARGETS}/t-1", body).raise_for_status()
        yield sandbox


@pytest.fixture(scope="module")
def integration_id(recorded: Sandbox) -> str:
    api = recorded.api()
    return active(api, s3_type(api)["id"], s3_properties(api, recorded))["id"]


@pytest.fixture(scope="module")
def truth(recorded: Sandbox) -> dict[str, list[str]]:
    return json.loads(Path(recorded["truth_file"]).read_text())


@pytest.fixture(scope="module")
def rows(recorded: Sandbox) -> dict[str, Json]:
    with Path(recorded["expected_file"]).open(newline="") as file:
        return {row["recording_id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def org(genesys: ModuleType, recorded: Sandbox) -> Sdk:
    return Sdk(genesys, recorded, recorded.facts)


def conversations(sdk: Sdk, predicate: Json) -> list:
    """All pages of a job's results."""
    one = sdk.model("SegmentDetailQueryPredicate", **predicate)
    query = sdk.model(
        "AsyncConversationQuery",
        interval=OCTOBER,
        order="asc",
        order_by="conversationStart",
        segment_filters=[sdk.model("SegmentDetailQueryFilter", type="and", predicates=[one])],
    )
    api = sdk.AnalyticsApi
    job = api.post_analytics_conversations_details_jobs(body=query).job_id
    eventually(lambda: api.get_analytics_conversations_details_job(job).state == "FULFILLED")
    pages = [api.get_analytics_conversations_details_job_results(job, page_size=40)]
    while pages[-1].cursor:
        pages.append(api.get_analytics_conversations_details_job_results(job, page_size=40, cursor=pages[-1].cursor))
    assert len(pages) > 1
    return [conversation for page in pages for conversation in page.conversations]


def test_analytics_finds_the_recorded_conversations(org: Sdk, rows: dict[str, Json]) -> None:
    """Those with an audio recording in the interval, page by page, with their sessions."""
    found = conversations(org, {"type": "dimension", "dimension": "recording", "operator": "matches", "value": "true"})
    calls = {
        row["conversation_id"]
        for row in rows.values()
        if row["media"] == "call" and row["started_at"] < "2025-11-01" and row["ended_at"] >= "2025-10-01"
    }
    assert [one.conversation_id for one in found] == list(dict.fromkeys(one.conversation_id for one in found))
    assert {one.conversation_id for one in found} == calls
    sessions = [session for one in found for person in one.participants for session in person.sessions]
    assert any(session.recording for session in sessions)
    assert all(one.conversation_start <= one.conversation_end for one in found)


def test_the_data_lake_says_until_when(org: Sdk, recorded: Sandbox) -> None:
    recorded.control("PUT", "/settings", {"data_lag_s": 7200.0})
    edge = org.AnalyticsApi.get_analytics_conversations_details_jobs_availability().data_availability_date
    recorded.control("PUT", "/settings", {"data_lag_s": 0.0})
    assert timedelta(hours=1) < datetime.now(UTC) - edge.astimezone(UTC) < timedelta(hours=3)


def test_metadata_shows_why_a_recording_is_missing(
    org: Sdk, truth: dict[str, list[str]], rows: dict[str, Json]
) -> None:
    """State and dates of one recording of each reason; an orphan is in no conversation."""
    facts = {}
    for reason in ("export_scheduled", "exported_not_in_bucket", "still_uploading", "orphaned", "deleted_at_source"):
        name = truth[reason][0]
        of_conversation = org.RecordingApi.get_conversation_recordingmetadata(rows[name]["conversation_id"])
        one = next((one for one in of_conversation if one.id == name), None)
        facts[reason] = one and (one.file_state, bool(one.export_date), bool(one.exported_date), bool(one.delete_date))
    assert facts == {
        "export_scheduled": ("AVAILABLE", True, False, True),
        "exported_not_in_bucket": ("AVAILABLE", True, True, True),
        "still_uploading": ("UPLOADING", False, False, True),
        "orphaned": None,
        "deleted_at_source": ("DELETED", False, False, True),
    }


def test_orphans_and_retention_are_listed(org: Sdk, truth: dict[str, list[str]], rows: dict[str, Json]) -> None:
    """Every orphan; and by cursor every recording that is still at the source and no orphan."""
    api = org.RecordingApi
    assert {one.id for one in api.get_orphanrecordings().entities} == set(truth["orphaned"])
    known = api.get_orphanrecordings(has_conversation=True).entities
    assert {one.recording.conversation_id for one in known} <= {rows[name]["conversation_id"] for name in rows}
    one = api.get_orphanrecording(truth["orphaned"][0])
    assert one.orphan_status == "CONVERSATION_NOT_EVALUATED"
    pages = [api.get_recordings_retention_query(1, page_size=500)]
    while pages[-1].next_uri:
        cursor = httpx.URL(pages[-1].next_uri).params["cursor"]
        pages.append(api.get_recordings_retention_query(1, page_size=500, cursor=cursor))
    kept = [one.recording_id for page in pages for one in page.entities]
    gone = {name for reason in ("orphaned", "deleted_at_source", "still_uploading") for name in truth[reason]}
    assert (len(pages), sorted(kept)) == (2, sorted(rows.keys() - gone))


def test_the_report_on_uploads_is_at_a_signed_url(org: Sdk, recorded: Sandbox, truth: dict[str, list[str]]) -> None:
    """On another host, without a token, and only with its signature."""
    for status, reason in (("Pending", "still_uploading"), ("WaitForConversation", "orphaned"), ("Failure", "none")):
        asked = org.model("RecordingUploadReportRequest", date_since=datetime(2025, 1, 1, tzinfo=UTC))
        asked.upload_status = status
        made = org.RecordingApi.post_recording_uploads_reports(body=asked)
        url = eventually(lambda id=made.id: org.RecordingApi.get_recording_uploads_report(id).signed_url)
        lines = list(csv.DictReader(recorded.http.get(url).text.splitlines()))
        assert sorted(one["recordingId"] for one in lines) == sorted(truth.get(reason, []))
        assert not url.startswith(recorded["api_url"])
        assert recorded.http.get(url.partition("?")[0]).status_code == 403


def job_query(sdk: Sdk, integration_id: str, interval: str = ALL_DAYS, **more: object) -> object:
    asked = sdk.model("AsyncConversationQuery", interval=interval, order="asc", order_by="conversationStart")
    fields = {"action": "EXPORT", "action_date": datetime.now(UTC), "integration_id": integration_id, **more}
    return sdk.model("RecordingJobsQuery", conversation_query=asked, **fields)


def state(sdk: Sdk, id: str) -> str:
    return sdk.RecordingApi.get_recording_job(id).state


def test_two_jobs_at_once(org: Sdk, recorded: Sandbox, integration_id: str) -> None:
    """A third is refused while two are PENDING; a cancelled job leaves room, and so does one that is READY."""
    recorded.control("PUT", "/settings", {"stage_s": 3600.0})
    api = org.RecordingApi
    first, second = (api.post_recording_jobs(body=job_query(org, integration_id, OCTOBER)) for _ in range(2))
    refused = recorded.api()("POST", JOBS, body(integration_id))
    assert (refused.status_code, "concurrent recording jobs" in refused.json()["message"]) == (429, True)
    assert oracle.problems("ErrorBody", refused.json()) == []
    api.delete_recording_job(first.id)
    recorded.control("PUT", "/settings", {"stage_s": 0.02})
    more = []
    for _ in range(2):
        more.append(api.post_recording_jobs(body=job_query(org, integration_id, OCTOBER)))
        eventually(lambda: state(org, more[-1].id) == "READY")
    for job in (second, *more):
        api.delete_recording_job(job.id)
        assert state(org, job.id) == "CANCELLED"
    cancelled = {one.id for one in api.get_recording_jobs(state="CANCELLED").entities}
    assert cancelled >= {one.id for one in (first, second, *more)}
    assert api.get_recording_jobs(state="READY").total == 0


def body(integration_id: str, **more: object) -> Json:
    query = {"interval": OCTOBER}
    return {"action": "EXPORT", "actionDate": "2026-11-01T00:00:00Z", "integrationId": integration_id,
            "conversationQuery": query, **more}  # fmt: skip


def test_only_who_made_a_job_may_carry_it_out(org: Sdk, recorded: Sandbox, integration_id: str) -> None:
    made = recorded.api()("POST", JOBS, body(integration_id)).json()["id"]
    eventually(lambda: state(org, made) == "READY")
    other = recorded.api(recorded.control("POST", "/clients", {}).json())
    assert other("PUT", f"{JOBS}/{made}", {"state": "PROCESSING"}).status_code == 403
    assert state(org, made) == "READY"
    assert recorded.api()("DELETE", f"{JOBS}/{made}").status_code == 204
    assert recorded.api()("PUT", f"{JOBS}/{made}", {"state": "PROCESSING"}).status_code == 400


def carried_out(sdk: Sdk, query: object) -> tuple[object, object]:
    """The job as it was READY, and at its end."""
    api = sdk.RecordingApi
    made = api.post_recording_jobs(body=query)
    assert (made.state, made.total_recordings) == ("PENDING", 0)
    eventually(lambda: state(sdk, made.id) == "READY")
    ready = api.get_recording_job(made.id)
    api.put_recording_job(made.id, body=sdk.model("ExecuteRecordingJobsQuery", state="PROCESSING"))
    eventually(lambda: state(sdk, made.id) in FINAL)
    return ready, api.get_recording_job(made.id)


def test_a_job_brings_what_was_never_exported(
    org: Sdk, recorded: Sandbox, integration_id: str, truth: dict[str, list[str]], rows: dict[str, Json]
) -> None:
    """Counted when it is READY; carried out, its recordings are in the bucket, except those that fail or get lost. Sent
    to another place afterwards, each is skipped: a recording is exported once."""
    fails, lost = truth["export_fails"], truth["export_lost"]
    wanted = set(truth["never_exported"]) - set(truth["sensitive"]) | set(truth["export_scheduled"])
    before = keys_in(recorded)
    ready, done = carried_out(org, job_query(org, integration_id))
    assert (ready.total_recordings, ready.total_processed_recordings) == (len(wanted), 0)
    assert ready.total_skipped_recordings > 500
    assert (done.state, done.total_processed_recordings) == ("FULFILLED", len(wanted) - len(fails))
    failed = org.RecordingApi.get_recording_job_failedrecordings(done.id).entities
    assert [one.recording.id for one in failed] == fails
    after = keys_in(recorded)
    assert {recording_of(key) for key in after.keys() - before.keys()} == wanted - set(fails) - set(lost)
    of_lost = org.RecordingApi.get_conversation_recordingmetadata(rows[lost[0]]["conversation_id"])
    assert next(one for one in of_lost if one.id == lost[0]).exported_date
    ready, done = carried_out(org, job_query(org, "t-1"))
    assert (ready.total_recordings, done.state, done.total_failed_recordings) == (len(fails), "FAILED", len(fails))
    assert keys_in(recorded) == after


def recording_of(key: str) -> str:
    return key.rpartition("/")[2].partition(".")[0]


def test_everything_speaks_the_sdks_language(recorded: Sandbox, integration_id: str, truth, rows) -> None:
    """Every request and answer, errors included, has only what the SDK knows."""
    checked = Checked(recorded.api())
    assert checked("GET", f"{DETAILS}/availability").status_code == 200
    predicates = [{"type": "dimension", "dimension": "recording", "operator": "matches", "value": "true"}]
    query = {"interval": OCTOBER, "segmentFilters": [{"type": "and", "predicates": predicates}]}
    job = checked("POST", DETAILS, query).json()["jobId"]
    eventually(lambda: checked("GET", f"{DETAILS}/{job}").json()["state"] == "FULFILLED")
    assert "cursor" in checked("GET", f"{DETAILS}/{job}/results?pageSize=2").json()
    assert checked("POST", DETAILS, {"interval": ALL_DAYS}).status_code == 400
    for reason in ("export_scheduled", "still_uploading", "orphaned"):
        conversation = rows[truth[reason][0]]["conversation_id"]
        assert checked("GET", f"/api/v2/conversations/{conversation}/recordingmetadata").status_code == 200
    assert checked("GET", "/api/v2/conversations/none/recordingmetadata").status_code == 404
    assert checked("GET", "/api/v2/recordings/retention/query?retentionThresholdDays=1&pageSize=2").json()["nextUri"]
    assert checked("GET", "/api/v2/recordings/retention/query?retentionThresholdDays=0").status_code == 400
    assert checked("GET", "/api/v2/orphanrecordings?pageSize=1&hasConversation=true").json()["entities"]
    assert checked("GET", "/api/v2/orphanrecordings/none").status_code == 404
    report = checked("POST", REPORTS, {"dateSince": "2025-10-01T00:00:00Z", "uploadStatus": "Success"}).json()["id"]
    eventually(lambda: checked("GET", f"{REPORTS}/{report}").json()["state"] == "Completed")
    made = checked("POST", JOBS, body(integration_id)).json()
    eventually(lambda: checked("GET", made["selfUri"]).json()["state"] == "READY")
    checked("PUT", made["selfUri"], {"state": "PROCESSING"})
    eventually(lambda: checked("GET", made["selfUri"]).json()["state"] in FINAL)
    checked("GET", f"{made['failedRecordings']}?pageSize=1&includeTotal=false")
    checked("POST", JOBS, body(integration_id))
    assert checked("GET", f"{JOBS}?includeTotal=false&pageSize=1&showOnlyMyJobs=true&sortBy=dateCreated").json()[
        "nextUri"
    ]
    assert checked("POST", JOBS, body("none")).status_code == 400
    assert checked("DELETE", made["selfUri"]).status_code == 400


PERMISSIONS = {
    ("GET", f"{DETAILS}/x"): ("analytics:conversationDetail:view",),
    ("POST", DETAILS): ("analytics:conversationDetail:view",),
    ("GET", f"{DETAILS}/x/results"): ("analytics:conversationDetail:view",),
    ("GET", "/api/v2/conversations/x/recordingmetadata"): ("recording:screenRecording:view",),
    ("GET", "/api/v2/recordings/retention/query"): ("recording:recording:view",),
    ("GET", "/api/v2/orphanrecordings"): ("recording:orphan:view",),
    ("GET", "/api/v2/orphanrecordings/x"): ("recording:orphan:view",),
    ("POST", REPORTS): ("recording:uploadReport:view",),
    ("GET", f"{REPORTS}/x"): ("recording:uploadReport:view",),
    ("GET", JOBS): ("recording:job:view",),
    ("POST", JOBS): ("recording:job:add",),
    ("GET", f"{JOBS}/x"): ("recording:job:view",),
    ("GET", f"{JOBS}/x/failedrecordings"): ("recording:job:view",),
    ("DELETE", f"{JOBS}/x"): ("recording:job:delete",),
    ("PUT", f"{JOBS}/x"): (
        "recording:job:edit",
        "recording:recording:editRetention",
        "recording:screenRecording:editRetention",
        "recording:snippetRecording:editRetention",
    ),
}


@pytest.mark.parametrize("backend", ["storage-targets", "platform"])
def test_each_endpoint_needs_its_permissions(recorded: Sandbox, backend: str) -> None:
    """All of them are needed, or one of those that the SDK's documentation lists; on either backend."""
    recorded.control("PUT", "/settings", {"backend": backend})

    def status(method: str, path: str, *scopes: str) -> int:
        client = recorded.control("POST", "/clients", {"scopes": list(scopes)}).json()
        return recorded.api(client)(method, path, {} if method in ("POST", "PUT") else None).status_code

    allowed = {asked: status(*asked, *needed) for asked, needed in PERMISSIONS.items()}
    refused = {asked: status(*asked, *needed[1:]) for asked, needed in PERMISSIONS.items()}
    recorded.control("PUT", "/settings", {"backend": "both"})
    assert {*refused.values()} == {403}
    assert {*allowed.values()} <= {200, 400, 404}


def test_sensitive_recordings_need_a_permission_of_their_own(recorded: Sandbox, integration_id: str) -> None:
    """Asked for without it, a job is refused."""
    client = recorded.control("POST", "/clients", {"scopes": ["recording:job:add"]}).json()
    answer = recorded.api(client)("POST", JOBS, body(integration_id, includeRecordingsWithSensitiveData=True))
    assert (answer.status_code, "viewSensitiveData" in answer.json()["message"]) == (403, True)


def test_a_query_that_finds_too_much_fails(recorded: Sandbox) -> None:
    """With words; its results are refused."""
    recorded.control("PUT", "/settings", {"largest_query": 3})
    api = recorded.api()
    job = api("POST", DETAILS, {"interval": OCTOBER}).json()["jobId"]
    recorded.control("PUT", "/settings", {"largest_query": 100_000})
    failed = eventually(lambda: (one := api("GET", f"{DETAILS}/{job}").json())["state"] == "FAILED" and one)
    assert "shorter interval" in failed["errorMessage"]
    assert api("GET", f"{DETAILS}/{job}/results").status_code == 400


async def test_our_requests_are_ones_that_the_sdk_knows(
    recorded: Sandbox,
    truth: dict[str, list[str]],
    rows: dict[str, Json],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent: Sent,  # noqa: F811
) -> None:
    """From the conversations to the end of a job: paths, query names, bodies, enums. Nothing is deleted."""
    for name, value in environment(recorded, tmp_path).items():
        monkeypatch.setenv(name, value)
    start, end = datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC)
    async with Session(Settings.load(), Recorder(lambda kind, data: None)) as session:
        client = session.client
        await conversation_jobs.available_until(client)
        query = await conversation_jobs.ask_for_recorded(client, start, end)
        await conversation_jobs.wait_for(client, query, deadline_s=30)
        assert [one async for one in conversation_jobs.results(client, query, page_size=40)]
        await recordings.recordings_of(client, rows[truth["missing"][0]]["conversation_id"])
        assert [one async for one in recordings.retained_recordings(client, 1)]
        await recordings.orphans(client)
        await upload_reports.uploads(client, start, "WaitForConversation", deadline_s=30)
        export = recording_jobs.Export(start, end, at=datetime.now(UTC), integration_id="t-1")
        made = await recording_jobs.create_job(client, export)
        await recording_jobs.wait_while(client, made.id, "PENDING", deadline_s=30)
        await recording_jobs.execute_job(client, made.id)
        await recording_jobs.wait_while(client, made.id, "PROCESSING", deadline_s=30)
        [one async for one in recording_jobs.failed_recordings(client, made.id)]
        assert await recording_jobs.find_job(client, export)
        await recording_jobs.running_jobs(client)
    assert wrong(sent) == []
    assert {method for method, *_ in sent} == {"GET", "POST", "PUT"}
    assert len({path for _, path, *_ in sent}) == 12
