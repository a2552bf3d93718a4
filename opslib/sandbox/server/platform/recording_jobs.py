"""Bulk jobs that export recordings: what one may ask, its way from PENDING to FULFILLED, and what it does."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from opslib.sandbox.server.bodies import Body, Text
from opslib.sandbox.server.destinations import Destination
from opslib.sandbox.server.errors import invalid_value
from opslib.sandbox.server.platform.conversation_query import ConversationQuery, find
from opslib.sandbox.server.platform.interval import Interval
from opslib.sandbox.server.source import Source, SourceRecording
from opslib.sandbox.server.world import utc_now

JOBS = "/api/v2/recording/jobs"
State = Literal["FULFILLED", "PENDING", "READY", "PROCESSING", "CANCELLED", "FAILED"]
Age = Annotated[int, Field(ge=0)]


class JobQuery(Body):
    """Ages are in days after a recording's creation."""

    action: Literal["ARCHIVE", "DELETE", "EXPORT"]
    actionDate: AwareDatetime | None = None
    actionAge: Age | None = None
    screenRecordingActionDate: AwareDatetime | None = None
    screenRecordingActionAge: Age | None = None
    integrationId: Text | None = None
    includeRecordingsWithSensitiveData: bool = False
    includeScreenRecordings: bool = True
    includePolicyBasedRecordings: bool = True
    includeSnippetRecordings: bool = True
    clearExport: bool = False
    conversationQuery: ConversationQuery | None = None
    agedConversationInterval: Interval | None = None

    def check(self) -> None:
        """Raises ApiError for what no job can do here: only exports are carried out."""
        screens = self.screenRecordingActionDate, self.screenRecordingActionAge
        if self.action != "EXPORT":
            raise invalid_value("action: the sandbox only exports")
        if (self.actionDate is None) == (self.actionAge is None):
            raise invalid_value("actionDate, actionAge: one of the two is needed")
        if any(value is not None for value in screens) and not self.includeScreenRecordings:
            raise invalid_value("screenRecordingActionDate, screenRecordingActionAge: need includeScreenRecordings")
        if self.clearExport:
            raise invalid_value("clearExport: only for DELETE")
        if self.conversationQuery is None or self.agedConversationInterval:
            raise invalid_value("conversationQuery: needed; no conversation here is older than 5 years")

    def includes(self, one: SourceRecording) -> bool:
        return (
            one.exportable
            and (self.includeRecordingsWithSensitiveData or not one.sensitive)
            and (self.includeScreenRecordings or one.recording.media != "screen")
            and (self.includePolicyBasedRecordings or one.export_date is None)
        )

    def date_of(self, one: SourceRecording) -> datetime:
        """When this one is to be exported."""
        date, age = self.actionDate, self.actionAge
        if one.recording.media == "screen" and (self.screenRecordingActionDate or self.screenRecordingActionAge):
            date, age = self.screenRecordingActionDate, self.screenRecordingActionAge
        return date or one.recording.ended + timedelta(days=age or 0)


@dataclass
class Job:
    """`affected`: what it exports; `skipped` recordings were exported before. `client_id`: who made it."""

    id: str
    client_id: str
    query: JobQuery
    where: Destination
    created: str = field(default_factory=utc_now)
    state: State = "PENDING"
    affected: list[SourceRecording] = field(default_factory=list)
    failed: list[SourceRecording] = field(default_factory=list)
    skipped: int = 0
    processed: int = 0
    error: str | None = None

    def ready(self, source: Source) -> None:
        """PENDING → READY: it is known what there is to do."""
        if self.state != "PENDING" or self.query.conversationQuery is None:
            return
        conversations = find(self.query.conversationQuery, source)
        chosen = [one for every in conversations for one in every if self.query.includes(one)]
        self.affected = [one for one in chosen if one.exported_date is None]
        self.skipped = len(chosen) - len(self.affected)
        self.state = "READY"

    def finish(self, source: Source) -> None:
        """PROCESSING → FULFILLED: the dates are set. FAILED where not one could be."""
        if self.state != "PROCESSING":
            return
        for one in self.affected:
            if one.fails:
                self.failed.append(one)
            else:
                source.schedule(one, self.query.date_of(one), self.where)
                self.processed += 1
        self.state = "FAILED" if self.failed and not self.processed else "FULFILLED"
        self.error = "No recording could be processed" if self.state == "FAILED" else None

    def public(self) -> dict[str, Any]:
        path, done = f"{JOBS}/{self.id}", self.processed + len(self.failed)
        answer = {
            "id": self.id,
            "state": self.state,
            "dateCreated": self.created,
            "user": {"id": self.client_id, "selfUri": f"/api/v2/users/{self.client_id}"},
            "recordingJobsQuery": self.query.model_dump(mode="json", exclude_none=True),
            "totalConversations": len({one.conversation_id for one in self.affected}),
            "totalRecordings": len(self.affected),
            "totalSkippedRecordings": self.skipped,
            "totalFailedRecordings": len(self.failed),
            "totalProcessedRecordings": self.processed,
            "percentProgress": 100 if self.state == "FULFILLED" else 100 * done // max(1, len(self.affected)),
            "failedRecordings": f"{path}/failedrecordings",
            "selfUri": path,
        }
        return answer | ({"errorMessage": self.error} if self.error else {})

    def failures(self) -> Iterator[dict[str, Any]]:
        for one in self.failed:
            conversation = f"/api/v2/conversations/{one.conversation_id}"
            yield {
                "conversation": {"id": one.conversation_id, "selfUri": conversation},
                "recording": {"id": one.id, "selfUri": f"{conversation}/recordings/{one.id}"},
            }
