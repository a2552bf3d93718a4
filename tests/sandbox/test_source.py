"""What Genesys knows of the planted recordings, and what an export job does to them; in this process."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opslib.sandbox.server.destinations import Destination
from opslib.sandbox.server.errors import ApiError
from opslib.sandbox.server.platform.conversation_query import ConversationQuery, find
from opslib.sandbox.server.platform.recording_jobs import Job, JobQuery
from opslib.sandbox.server.reasons import (
    DELETED,
    DUE,
    EXPORTED,
    FAILS,
    LOST,
    NEVER_EXPORTED,
    ORPHANED,
    SCHEDULED,
    SENSITIVE,
    UPLOADING,
)
from opslib.sandbox.server.recordings import make_recordings
from opslib.sandbox.server.source import Source, SourceRecording
from opslib.sandbox.server.world import Settings, World

ALL_DAYS = "2025-10-01T00:00:00Z/2026-02-02T00:00:00Z"
BUCKET = Destination("b", "in/")


class Seeded:
    """A source of 600 planted recordings, and its truth."""

    def __init__(self, **settings: Any) -> None:
        self.world = World(7, Settings(**settings))
        made = make_recordings(self.world.identity, 600, planted=True)
        self.truth = made.truth
        self.source = Source(self.world, made)

    def planted(self, name: str) -> list[SourceRecording]:
        by_id = {one.id: one for one in self.source.all()}
        return [by_id[id] for id in self.truth[name]]

    def job(self, **query: Any) -> Job:
        """Made, and told what there is to do."""
        body = {"action": "EXPORT", "actionDate": datetime.now(UTC).isoformat(), "integrationId": "i", **query}
        asked = JobQuery.model_validate({"conversationQuery": {"interval": ALL_DAYS}, **body}, strict=False)
        asked.check()
        job = Job("j", "c", asked, BUCKET)
        job.ready(self.source)
        return job

    def carried_out(self, **query: Any) -> Job:
        job = self.job(**query)
        job.state = "PROCESSING"
        job.finish(self.source)
        return job

    def found(self, **query: Any) -> list[list[SourceRecording]]:
        return find(ConversationQuery(interval=ALL_DAYS, **query), self.source)


@pytest.fixture
def seeded() -> Seeded:
    return Seeded()


def dates(one: SourceRecording) -> tuple[bool, bool]:
    """Whether it has an export date, and whether it was exported."""
    return one.export_date is not None, one.exported_date is not None


def test_each_reason_shows_in_the_dates_and_states(seeded: Seeded) -> None:
    """As a reader of metadata can tell them apart."""
    expected: dict[str, tuple[tuple[bool, bool], str, bool]] = {
        NEVER_EXPORTED: ((False, False), "AVAILABLE", False),
        SCHEDULED: ((True, False), "AVAILABLE", False),
        EXPORTED: ((True, True), "AVAILABLE", False),
        UPLOADING: ((False, False), "UPLOADING", False),
        ORPHANED: ((False, False), "AVAILABLE", True),
        DELETED: ((False, False), "DELETED", False),
    }
    for reason, facts in expected.items():
        assert {(dates(one), one.state, bool(one.orphan_status)) for one in seeded.planted(reason)} == {facts}
    missing = set(seeded.truth["missing"])
    assert {dates(one) for one in seeded.source.all() if one.id not in missing} == {(True, True)}


def test_what_is_due_goes_within_days(seeded: Seeded) -> None:
    """Everything else at the source stays for longer than a month, and no export is after the deletion."""
    soon, due = datetime.now(UTC) + timedelta(days=30), set(seeded.truth[DUE])
    kept = [one for one in seeded.source.all() if one.state != "DELETED"]
    assert {one.id for one in kept if one.delete_date < soon} == due
    assert all(one.export_date <= one.delete_date for one in kept if one.export_date)


def test_an_orphan_is_in_no_conversation(seeded: Seeded) -> None:
    """Its conversation is still there, as analytics has it."""
    (orphan, *_) = seeded.planted(ORPHANED)
    found = seeded.source.of_conversation(orphan.conversation_id)
    assert found is not None
    assert orphan not in found
    assert seeded.source.of_conversation("none") is None


def test_a_job_exports_what_was_never_exported_and_skips_the_rest(seeded: Seeded) -> None:
    """Exported once, skipped ever after; orphans, uploads, deleted and sensitive ones are none of its recordings."""
    job = seeded.job()
    never = set(seeded.truth[NEVER_EXPORTED]) - set(seeded.truth[SENSITIVE])
    assert {one.id for one in job.affected} == never | set(seeded.truth[SCHEDULED])
    others = sum(len(seeded.truth[name]) for name in (ORPHANED, UPLOADING, DELETED, SENSITIVE))
    assert job.skipped == 600 - len(job.affected) - others
    again = seeded.carried_out()
    arrived = {one.id for one in seeded.source.arrivals()}
    assert arrived == {one.id for one in job.affected} - set(seeded.truth[FAILS]) - set(seeded.truth[LOST])
    assert [one.id for one in again.failed] == seeded.truth[FAILS]
    assert {one.id for one in seeded.job().affected} == set(seeded.truth[FAILS])
    assert list(seeded.source.arrivals()) == []
    assert not seeded.source.exporting


def test_before_it_is_carried_out_nothing_changes(seeded: Seeded) -> None:
    """READY is a count, no deed; a cancelled job does nothing."""
    before = [(one.export_date, one.exported_date) for one in seeded.source.all()]
    job = seeded.job()
    job.state = "CANCELLED"
    job.finish(seeded.source)
    assert [(one.export_date, one.exported_date) for one in seeded.source.all()] == before
    assert not seeded.source.exporting


def test_an_export_is_not_after_the_deletion(seeded: Seeded) -> None:
    """Genesys moves the export, not the deletion."""
    due = [one for one in seeded.planted(NEVER_EXPORTED) if one.id in seeded.truth[DUE] and not one.sensitive]
    seeded.carried_out(actionDate=(datetime.now(UTC) + timedelta(days=90)).isoformat())
    assert due
    assert all(one.export_date == one.delete_date for one in due if not one.fails)


def test_sensitive_ones_only_when_asked_for(seeded: Seeded) -> None:
    assert set(seeded.truth[SENSITIVE]) <= {
        one.id for one in seeded.job(includeRecordingsWithSensitiveData=True).affected
    }


def test_screens_unless_they_are_excluded(seeded: Seeded) -> None:
    """By default they are in; a date of their own counts for them only."""
    screens = {one.id for one in seeded.source.all() if one.recording.media == "screen" and one.exported_date}
    everything, without = seeded.job(), seeded.job(includeScreenRecordings=False)
    assert screens
    assert everything.skipped - without.skipped >= len(screens - set(seeded.truth[SENSITIVE]))


def test_those_of_a_policy_can_be_left_out(seeded: Seeded) -> None:
    """Whatever has an export date has it from a policy, or from a job."""
    job = seeded.job(includePolicyBasedRecordings=False)
    assert {one.id for one in job.affected} == set(seeded.truth[NEVER_EXPORTED]) - set(seeded.truth[SENSITIVE])
    assert job.skipped == 0


def test_only_failures_make_a_job_fail(seeded: Seeded) -> None:
    """With its words, and the recordings that failed."""
    (failing,) = seeded.planted(FAILS)
    conversation = [{"type": "and", "predicates": [{"dimension": "conversationId", "value": failing.conversation_id}]}]
    job = seeded.carried_out(conversationQuery={"interval": ALL_DAYS, "conversationFilters": conversation})
    assert (job.state, job.public()["totalFailedRecordings"], bool(job.error)) == ("FAILED", 1, True)
    assert [one["recording"]["id"] for one in job.failures()] == [failing.id]


def test_recordings_leave_after_the_lag() -> None:
    """The dates are set at once; nothing is exported before the lag is over."""
    seeded = Seeded(export_lag_s=3600)
    job = seeded.carried_out()
    assert (job.state, list(seeded.source.arrivals()), seeded.source.exporting) == ("FULFILLED", [], True)
    assert {dates(one) for one in job.affected if not one.fails} == {(True, False)}


def test_the_data_lake_is_behind() -> None:
    """Conversations after its right edge are found neither by analytics nor by a job."""
    edge = datetime(2025, 12, 1, tzinfo=UTC)
    seeded = Seeded(data_lag_s=(datetime.now(UTC) - edge).total_seconds())
    found = seeded.found()
    assert found
    assert all(conversation[0].recording.ended < edge + timedelta(minutes=1) for conversation in found)
    assert len(found) < len(Seeded().found())
    assert all(one.recording.ended < edge + timedelta(minutes=1) for one in seeded.job().affected)


def test_filters_join_their_predicates(seeded: Seeded) -> None:
    """With and, or or."""
    both = [{"dimension": "recording", "value": "true"}, {"dimension": "screenRecording", "value": "true"}]

    def media(how: str) -> set[frozenset[str]]:
        found = seeded.found(segmentFilters=[{"type": how, "predicates": both}])
        return {frozenset(one.recording.media for one in conversation) for conversation in found}

    assert {frozenset({"call"}), frozenset({"screen"})} <= media("or")
    assert all({"call", "screen"} <= every for every in media("and"))


def test_a_query_finds_by_activity_and_filter(seeded: Seeded) -> None:
    """All conversations with a call and no others, in the order that is asked for; any activity in the time counts."""
    recorded = [{"type": "and", "predicates": [{"dimension": "recording", "value": "true"}]}]
    found = seeded.found(segmentFilters=recorded)
    calls = {one.conversation_id for one in seeded.source.all() if one.recording.media == "call"}
    assert {conversation[0].conversation_id for conversation in found} == calls
    starts = [conversation[0].recording.started for conversation in found]
    assert starts == sorted(starts)
    assert seeded.found(segmentFilters=recorded, order="desc", limit=3) == found[:-4:-1]
    first = found[0][0].recording
    moment = timedelta(milliseconds=1)
    during = f"{(first.started + moment).isoformat()}/{(first.started + 2 * moment).isoformat()}"
    assert [first.conversation_id] == [
        every[0].conversation_id for every in find(ConversationQuery(interval=during), seeded.source)
    ]
    with pytest.raises(ApiError) as refused:
        seeded.found(segmentFilters=[{"type": "and", "predicates": [{"dimension": "ani", "value": "1"}]}])
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "query",
    [
        {"action": "DELETE"},
        {"actionDate": None},
        {"actionAge": 3},
        {"screenRecordingActionAge": 3, "includeScreenRecordings": False},
        {"clearExport": True},
        {"conversationQuery": None},
        {"agedConversationInterval": ALL_DAYS},
    ],
)
def test_a_job_that_would_do_anything_else_is_refused(seeded: Seeded, query: dict[str, Any]) -> None:
    """Above all one that would delete."""
    with pytest.raises(ApiError) as refused:
        seeded.job(**query)
    assert refused.value.status == 400


def test_an_age_counts_from_each_recording(seeded: Seeded) -> None:
    job = seeded.carried_out(actionDate=None, actionAge=1)
    exported = [one for one in job.affected if not one.fails]
    assert exported
    assert all(one.export_date == one.recording.ended + timedelta(days=1) for one in exported)
