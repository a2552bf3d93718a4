"""Routes about recordings at Genesys: their metadata, their dates, and orphans."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.errors import invalid_value, or_404
from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.parameters import choice, flag, path_id
from opslib.sandbox.server.platform.paging import cursor_page, numbered_page
from opslib.sandbox.server.source import Source, SourceRecording
from opslib.sandbox.server.world import utc

METADATA = "/api/v2/conversations/{id}/recordingmetadata"
RETENTION = "/api/v2/recordings/retention/query"
ORPHANS = "/api/v2/orphanrecordings"
VIEW_METADATA = tuple(
    f"recording:{kind}:view" for kind in ("recording", "recordingSegment", "snippetRecording", "screenRecording")
)
MAX_RETENTION_PAGE = 500
REGION = "us-east-1"
# By the recording's medium: (media, subtype) of its metadata, and (provider, type) of an orphan.
_WORDS = {
    "call": ("audio", "Trunk", "EDGE", "CALL"),
    "screen": ("screen", "Screen", "SCREEN_RECORDING", "SCREEN"),
    "chat": ("chat", None, "CHAT", "CHAT"),
    "email": ("email", None, "EMAIL", "EMAIL"),
}


def routes(source: Source, any_of: Guard) -> list[Route]:
    async def get_metadata(request: Request) -> Response:
        return JSONResponse([_metadata(one) for one in or_404(source.of_conversation(path_id(request)))])

    async def query_retention(request: Request) -> Response:
        """What is older than the days given, oldest first: whether Genesys means the age is not known."""
        days = request.query_params.get("retentionThresholdDays", "")
        if not re.fullmatch("[1-9][0-9]{0,5}", days):
            raise invalid_value("retentionThresholdDays: must be a whole number from 1")
        before = datetime.now(UTC) - timedelta(days=int(days))
        kept = [one for one in source.all() if one.exportable and one.recording.started < before]
        return cursor_page(request, [_retention(one) for one in kept], MAX_RETENTION_PAGE)

    async def list_orphans(request: Request) -> Response:
        known, media = flag(request, "hasConversation"), choice(request, "media", ("CALL", "CHAT", "EMAIL", "SCREEN"))
        orphans = [_orphan(one) for one in _orphans(source) if not known or _is_known(one)]
        return numbered_page(request, [one for one in orphans if media in (None, one["mediaType"])])

    async def get_orphan(request: Request) -> Response:
        wanted = path_id(request)
        return JSONResponse(_orphan(or_404(next((one for one in _orphans(source) if one.id == wanted), None))))

    return [
        any_of.route("GET", METADATA, VIEW_METADATA, get_metadata),
        any_of.route("GET", RETENTION, "recording:recording:view", query_retention),
        any_of.route("GET", ORPHANS, "recording:orphan:view", list_orphans),
        any_of.route("GET", ORPHANS + "/{id}", "recording:orphan:view", get_orphan),
    ]


def _metadata(one: SourceRecording) -> dict[str, Any]:
    """The time of a recording is told of screens only."""
    media, subtype, *_ = _WORDS[one.recording.media]
    times = {"startTime": utc(one.recording.started), "endTime": utc(one.recording.ended)} if media == "screen" else {}
    return {
        "id": one.id,
        "conversationId": one.conversation_id,
        "media": media,
        **({"mediaSubtype": subtype} if subtype else {}),
        **times,
        "annotations": [],
        "fileState": one.state,
        **_dates(one),
        "maxAllowedRestorationsForOrg": 10000,
        "remainingRestorationsAllowedForOrg": 10000,
        "region": REGION,
        "selfUri": f"/api/v2/conversations/{one.conversation_id}/recordings/{one.id}",
    }


def _retention(one: SourceRecording) -> dict[str, Any]:
    created = utc(one.recording.started)
    return {"conversationId": one.conversation_id, "recordingId": one.id, "creationTime": created, **_dates(one)}


def _dates(one: SourceRecording) -> dict[str, str]:
    dates = {"deleteDate": one.delete_date, "exportDate": one.export_date, "exportedDate": one.exported_date}
    return {name: utc(date) for name, date in dates.items() if date}


def _orphans(source: Source) -> Iterable[SourceRecording]:
    return (one for one in source.all() if one.orphan_status)


def _is_known(one: SourceRecording) -> bool:
    """Whether the orphan's conversation is known."""
    return one.orphan_status != "UNKNOWN_CONVERSATION"


def _orphan(one: SourceRecording) -> dict[str, Any]:
    """Its id is the recording's; the conversation is told where it is known."""
    _, subtype, provider, media = _WORDS[one.recording.media]
    recording = {"recording": {"id": one.id, "conversationId": one.conversation_id}} if _is_known(one) else {}
    return {
        "id": one.id,
        "createdTime": utc(one.recording.ended),
        "providerType": provider,
        "mediaType": media,
        **({"mediaSubtype": subtype} if subtype else {}),
        "mediaSizeBytes": 1000,
        "fileState": one.state,
        "orphanStatus": one.orphan_status,
        **recording,
        "region": REGION,
        "selfUri": f"{ORPHANS}/{one.id}",
    }
