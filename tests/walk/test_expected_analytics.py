"""The expected list from the org's analytics: the same as the file's, within what is complete, and in parts."""

import asyncio
import csv
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from opslib.archive.times import moment_ms, moment_of
from opslib.errors import InvalidInput, PermissionMissing, ServerFailure
from opslib.ledger.archive import VERIFIED
from opslib.ledger.ledger import Ledger
from opslib.ledger.moment import parse_moment
from opslib.settings import Settings
from opslib.walk import expected_analytics
from opslib.walk.archive import ANALYTICS, ArchiveQuestion, verify_archive
from opslib.walk.expected_analytics import AnalyticsList, expected_from_analytics

from ..archive.inventories import write_inventory
from ..world import Sandbox, environment, running

JOBS = "/api/v2/analytics/conversations/details/jobs"
SINCE, UNTIL = datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)
"""More than one job may ask for."""


@pytest.fixture(scope="module")
def org() -> Iterator[Sandbox]:
    with running("--seed", "3", "--recordings", "300", "--planted", "--rate-limit", "100000") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(org: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    for name, value in environment(org, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    settings = {"stage_s": 0.0, "data_lag_s": 0.0, "largest_query": 100_000}
    org.control("PUT", "/settings", settings)
    yield org
    org.control("PUT", "/settings", settings)
    org.control("DELETE", "/faults")


def expected(
    folder: Path,
    since: datetime = SINCE,
    until: datetime | None = UNTIL,
    *,
    progress: Any = lambda _: None,
    **change: Any,
) -> AnalyticsList:
    settings = Settings(**change)
    run = Ledger(settings.home).start_run("archive")
    return asyncio.run(expected_from_analytics(settings, run, folder, since, until, progress))


def planted(sandbox: Sandbox, since: datetime = SINCE, until: datetime = UNTIL) -> dict[str, int]:
    """The calls of the expected file that ended then: the end of each conversation."""
    with Path(sandbox["expected_file"]).open(newline="") as file:
        calls = {
            row["conversation_id"]: parse_moment(row["ended_at"])
            for row in csv.DictReader(file)
            if row["media"] == "call"
        }
    return {id: moment_ms(ended) for id, ended in calls.items() if since <= ended < until}


def listed(found: AnalyticsList) -> dict[str, int]:
    rows = pq.read_table(found.path).to_pylist()
    assert len({row["conversation_id"] for row in rows}) == len(rows)
    assert {row["media"] for row in rows} <= {"voice"}
    assert all(row["queue"] for row in rows)
    return {row["conversation_id"]: row["ended_at"] for row in rows}


def jobs(sandbox: Sandbox, action: Callable[[], object]) -> int:
    """How many jobs were made."""
    sandbox.control("DELETE", "/requests")
    action()
    return sum((one["method"], one["path"]) == ("POST", JOBS) for one in sandbox.requests("api"))


def test_it_has_the_calls_of_the_file_and_is_asked_for_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """Intervals that are kept are not asked for again; a longer one asks for what is new."""
    found: list[AnalyticsList] = []
    assert jobs(sandbox, lambda: found.append(expected(tmp_path))) == 2  # 45 days, and 31 in a job
    assert listed(found[0]) == planted(sandbox) != {}
    assert jobs(sandbox, lambda: found.append(expected(tmp_path))) == 0
    later = UNTIL + timedelta(days=3)
    assert jobs(sandbox, lambda: found.append(expected(tmp_path, until=later))) == 1
    assert listed(found[2]) == planted(sandbox, until=later)
    assert [part["rows"] for part in found[1].provenance()["parts"]] == [part.rows for part in found[1].parts]


def test_nothing_is_claimed_after_what_is_complete(sandbox: Sandbox, tmp_path: Path) -> None:
    """The end of the interval is until when the data is complete, and the answer says so."""
    lag = datetime.now(UTC) - (UNTIL - timedelta(days=20))
    sandbox.control("PUT", "/settings", {"data_lag_s": lag.total_seconds()})
    cut = expected(tmp_path)
    assert (cut.cut, cut.until_ms) == (True, cut.available_ms)
    assert abs(moment_of(cut.until_ms) - (UNTIL - timedelta(days=20))) < timedelta(minutes=10)
    assert "complete until" in cut.notes[0]
    assert listed(cut) == planted(sandbox, until=moment_of(cut.until_ms))
    open_end = expected(tmp_path, until=None)
    assert (open_end.cut, open_end.notes, open_end.until_ms) == (False, (), open_end.available_ms)
    with pytest.raises(InvalidInput):
        expected(tmp_path, since=UNTIL)
    # What was answered then is no answer for later.
    sandbox.control("PUT", "/settings", {"data_lag_s": 0.0})
    assert listed(expected(tmp_path)) == planted(sandbox)


def test_a_job_that_is_too_large_is_halved(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.control("PUT", "/settings", {"largest_query": 20})
    found = expected(tmp_path)
    assert listed(found) == planted(sandbox)
    assert len(found.parts) > 2


def test_so_is_an_interval_that_the_org_refuses(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.control("POST", "/faults", {"method": "POST", "path_regex": f"{JOBS}$", "times": 1, "status": 400})
    found = expected(tmp_path)
    assert (listed(found), len(found.parts)) == (planted(sandbox), 3)


def test_a_job_that_always_fails_ends_with_its_words(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expected_analytics, "_MINUTE_MS", 20 * 86_400_000)
    fault = {"path_regex": f"{JOBS}/[0-9a-f]+-[0-9a-f-]+$", "body": {"state": "FAILED", "errorMessage": "no room"}}
    sandbox.control("POST", "/faults", {**fault, "method": "GET"}).raise_for_status()
    with pytest.raises(ServerFailure) as failed:
        expected(tmp_path)
    assert "no room" in failed.value.cause


class Killed(BaseException):
    """What a process is not asked about."""


def test_a_run_that_was_killed_asks_only_for_what_it_lacks(sandbox: Sandbox, tmp_path: Path) -> None:
    def stop(so_far: Any) -> None:
        if so_far.done:
            raise Killed

    with pytest.raises(Killed):
        expected(tmp_path, progress=stop)
    assert jobs(sandbox, lambda: expected(tmp_path)) == 1
    assert listed(expected(tmp_path)) == planted(sandbox)


def test_the_permission_that_is_lacking_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    client = sandbox.control("POST", "/clients", {"scopes": ["recording:recording:view"]}).json()
    with pytest.raises(PermissionMissing) as refused:
        expected(tmp_path, **client)
    assert "analytics:conversationDetail:view" in refused.value.cause
    assert "--expected" in refused.value.fix


def test_a_verification_is_judged_by_it(sandbox: Sandbox, tmp_path: Path) -> None:
    """The ledger says where the list comes from; without a beginning nothing is asked."""
    manifest = str(write_inventory(tmp_path, [], "CSV", sourceBucket="an-archive"))
    with pytest.raises(InvalidInput):
        ArchiveQuestion(ANALYTICS, "an-archive")
    asked = ArchiveQuestion(ANALYTICS, "an-archive", inventory=manifest, since=SINCE, until=UNTIL, now=UNTIL)
    settings = Settings()
    found = asyncio.run(verify_archive(asked, None, settings))
    calls = planted(sandbox)
    assert found.counts["expected"] == len(calls)
    assert found.why is not None
    assert {row.conversation_id for row in found.why.rows} <= set(calls)
    (entry,) = Ledger(settings.home).entries(VERIFIED)
    list_ = entry.data["expected"]
    assert (list_["name"], list_["rows"], len(list_["parts"])) == ("analytics", len(calls), 2)
    assert all(part["job_id"] and part["sha256"] for part in list_["parts"])
