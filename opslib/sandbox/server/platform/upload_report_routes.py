"""Routes of the report on uploads: ask for it, wait, and read it at an address that needs no token."""

import asyncio
import csv
import io
import secrets
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.bodies import Body, validated
from opslib.sandbox.server.errors import or_404
from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.parameters import path_id
from opslib.sandbox.server.source import Source, SourceRecording
from opslib.sandbox.server.world import World, utc

REPORTS = "/api/v2/recording/uploads/reports"
DOWNLOADS = "/uploads"
PERMISSION = "recording:uploadReport:view"
COLUMNS = ("conversationId", "recordingId", "uploadStatus", "createdDate")
"""A live report's columns are not published."""
Status = Literal["Pending", "Success", "Failure", "WaitForConversation"]


class ReportRequest(Body):
    dateSince: AwareDatetime
    uploadStatus: Status | None = None


@dataclass
class Report:
    id: str
    content: str
    url: str
    state: Literal["InProgress", "Completed"] = "InProgress"

    def complete(self) -> None:
        self.state = "Completed"

    def public(self) -> dict[str, str]:
        signed = {"signedUrl": self.url} if self.state == "Completed" else {}
        return {"id": self.id, "state": self.state, **signed, "selfUri": f"{REPORTS}/{self.id}"}


class UploadReports:
    """The reports, and both doors to them. `downloads_url`: where the second one is."""

    def __init__(self, world: World, source: Source, downloads_url: str) -> None:
        self._world, self._source, self._downloads_url = world, source, downloads_url
        self._reports: dict[str, Report] = {}

    def routes(self, guard: Guard) -> list[Route]:
        """Those of the API."""
        return [
            guard.route("POST", REPORTS, PERMISSION, self._post),
            guard.route("GET", REPORTS + "/{id}", PERMISSION, self._get),
        ]

    def downloads(self) -> list[Route]:
        """The signed URL, which is good without a token."""
        return [Route(DOWNLOADS + "/{id}", self._download, methods=["GET"])]

    async def _post(self, request: Request) -> Response:
        asked = validated(ReportRequest, await request.body())
        id, signature = self._world.identity.new_id(), secrets.token_hex(16)
        url = f"{self._downloads_url}{DOWNLOADS}/{id}?signature={signature}"
        report = self._reports[id] = Report(id, _content(self._source, asked), url)
        asyncio.get_running_loop().call_later(self._world.settings.stage_s, report.complete)
        return JSONResponse(report.public(), status_code=202)

    async def _get(self, request: Request) -> Response:
        return JSONResponse(or_404(self._reports.get(path_id(request))).public())

    async def _download(self, request: Request) -> Response:
        report = or_404(self._reports.get(path_id(request)))
        signed = secrets.compare_digest(report.url.partition("=")[2], request.query_params.get("signature", ""))
        return Response(report.content, media_type="text/csv") if signed else Response(status_code=403)


def _content(source: Source, asked: ReportRequest) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in source.all():
        status = _status(one)
        if one.recording.ended >= asked.dateSince and asked.uploadStatus in (None, status):
            writer.writerow((one.conversation_id, one.id, status, utc(one.recording.ended)))
    return text.getvalue()


def _status(one: SourceRecording) -> Status:
    if one.orphan_status:
        return "WaitForConversation"
    return "Pending" if one.state == "UPLOADING" else "Success"
