"""What Genesys knows of recordings: their state, and when each is or was exported and will be deleted. Read only."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opslib.genesys.answers import BareList, Id, Moment, Page, Shape, moment_or_none
from opslib.genesys.client import GenesysClient
from opslib.genesys.cursors import pages_by_cursor

METADATA = "/api/v2/conversations/{id}/recordingmetadata"
RETENTION = "/api/v2/recordings/retention/query"
ORPHANS = "/api/v2/orphanrecordings"
_PAGE_SIZE = 500


class _Dates(Shape):
    deleteDate: Moment | None = None
    exportDate: Moment | None = None
    exportedDate: Moment | None = None


class _Metadata(_Dates):
    id: Id
    conversationId: str | None = None
    fileState: str | None = None
    media: str | None = None
    mediaSubtype: str | None = None


class _Retention(_Dates):
    conversationId: Id
    recordingId: Id
    creationTime: Moment | None = None


class _OfConversation(Shape):
    conversationId: str | None = None


class _Orphan(Shape):
    id: Id
    orphanStatus: str | None = None
    createdTime: Moment | None = None
    mediaType: str | None = None
    recording: _OfConversation | None = None


@dataclass(frozen=True)
class Dates:
    """None for what Genesys does not plan, or has not done.

    Attributes:
        export_at: when it is to be exported, or was; none at all: it never was, and will not be.
        exported_at: when it was.
    """

    delete_at: datetime | None
    export_at: datetime | None
    exported_at: datetime | None


@dataclass(frozen=True)
class RecordingMetadata:
    """`file_state`: AVAILABLE, UPLOADING, DELETED, ARCHIVED, RESTORING, RESTORED, ERROR; empty where it is not said."""

    id: str
    conversation_id: str
    file_state: str
    media: str
    media_subtype: str
    dates: Dates


@dataclass(frozen=True)
class RetainedRecording:
    id: str
    conversation_id: str
    created: datetime | None
    dates: Dates


@dataclass(frozen=True)
class Orphan:
    """A recording that belongs to no conversation. It is not exported unless it is recovered.

    `status` says why; `conversation_id` is empty where it is not known.
    """

    id: str
    status: str
    created: datetime | None
    conversation_id: str


async def recordings_of(client: GenesysClient, conversation_id: str) -> list[RecordingMetadata] | None:
    """The recordings of one conversation; None where Genesys has no such conversation."""
    answer = await client.request_or_none("GET", METADATA, ids={"id": conversation_id}, shape=BareList[_Metadata])
    if answer is None:
        return None
    return [_metadata(one, conversation_id) for one in answer["entities"]]


async def retained_recordings(client: GenesysClient, days: int) -> AsyncIterator[RetainedRecording]:
    """Those that are retained for more than so many days. Whether Genesys means their age is not known."""
    params: dict[str, str | int] = {"retentionThresholdDays": days, "pageSize": _PAGE_SIZE}
    async for page in pages_by_cursor(client, RETENTION, Page[_Retention], params):
        for one in page["entities"]:
            created = moment_or_none(one.get("creationTime"))
            yield RetainedRecording(one["recordingId"], one["conversationId"], created, _dates(one))


async def orphans(client: GenesysClient) -> list[Orphan]:
    """All of them; of more than 500, Genesys lists 500."""
    return [
        Orphan(
            id=one["id"],
            status=one.get("orphanStatus") or "",
            created=moment_or_none(one.get("createdTime")),
            conversation_id=(one.get("recording") or {}).get("conversationId") or "",
        )
        for one in await client.entities(ORPHANS, Page[_Orphan])
    ]


def _metadata(one: dict[str, Any], conversation_id: str) -> RecordingMetadata:
    return RecordingMetadata(
        id=one["id"],
        conversation_id=one.get("conversationId") or conversation_id,
        file_state=one.get("fileState") or "",
        media=one.get("media") or "",
        media_subtype=one.get("mediaSubtype") or "",
        dates=_dates(one),
    )


def _dates(one: dict[str, Any]) -> Dates:
    return Dates(*(moment_or_none(one.get(name)) for name in ("deleteDate", "exportDate", "exportedDate")))
