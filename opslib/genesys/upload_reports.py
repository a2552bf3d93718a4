"""The org's report on uploads of recordings. It is read at a signed URL on another host, without our token."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

import httpx

from opslib.errors import ServerFailure, UnexpectedAnswer
from opslib.genesys.answers import JSON, Entity
from opslib.genesys.client import GenesysClient
from opslib.genesys.gate import RateGate
from opslib.genesys.polling import poll_until
from opslib.genesys.recorder import operation
from opslib.genesys.retry import retry_for
from opslib.genesys.transport import answered, http_client
from opslib.ledger.moment import utc_text
from opslib.ledger.samples import DOWNLOAD_OPERATION
from opslib.redact import remember
from opslib.settings import is_loopback

REPORTS = "/api/v2/recording/uploads/reports"
_REPORT = REPORTS + "/{id}"
Status = Literal["Pending", "Success", "Failure", "WaitForConversation"]

_POLL_S, _POLL_AT_MOST_S = 0.5, 15.0
_DOWNLOADED_WITHIN_S = 120.0
# The columns of the report are not published; spaces, underscores and capitals do not count.
_RECORDING, _CONVERSATION, _STATUS = "recordingid", "conversationid", "uploadstatus"


class _Report(Entity):
    state: str
    signedUrl: str | None = None


@dataclass(frozen=True)
class Upload:
    """One line of the report; what it does not have is empty."""

    recording_id: str
    conversation_id: str
    status: str


async def uploads(client: GenesysClient, since: datetime, status: Status, *, deadline_s: float) -> list[Upload]:
    """The uploads of one status since a time. Raises ServerFailure for a report that fails, or is not complete before
    the deadline (seconds), UnexpectedAnswer for a URL or content that is none of a report."""
    asked = {"dateSince": utc_text(since), "uploadStatus": status}
    # A report that is made twice does no harm.
    report = await client.request("POST", REPORTS, json=asked, repeatable=True, shape=_Report)
    report = await poll_until(
        lambda: client.request("GET", _REPORT, ids={"id": report["id"]}, shape=_Report),
        lambda answer: answer["state"] != "InProgress",
        deadline_s=deadline_s,
        wait_s=_POLL_S,
        longest_wait_s=_POLL_AT_MOST_S,
    )
    return _rows(await _download(client, _signed_url(client, report)))


def _signed_url(client: GenesysClient, report: JSON) -> str:
    """Where the report is. Raises ServerFailure, or UnexpectedAnswer for a URL that nothing is asked of."""
    if report["state"] != "Completed":
        raise ServerFailure(
            "The org did not complete the report on uploads", cause=f"its state is {report['state']}", fix="try later"
        )
    url = report.get("signedUrl") or ""
    if not _may_be_asked(url, local=is_loopback(urlsplit(client.base_url).hostname)):
        raise UnexpectedAnswer(
            "The report on uploads has no usable URL",
            cause="its signedUrl is not an https URL of a public host",
            fix="check that the API URL is Genesys Cloud and that no proxy answers in its place",
        )
    return url


def _may_be_asked(url: str, *, local: bool) -> bool:
    """https to a host with a name; a local org may name this machine. Nothing inside the user's network is asked."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.username or parts.password or not host or not url.isascii():
        return False
    if local and is_loopback(host):
        return parts.scheme in ("http", "https")
    return parts.scheme == "https" and "." in host.strip(".") and not _is_address(host) and not is_loopback(host)


def _is_address(host: str) -> bool:
    """Also in the forms that only the C library knows, such as 127.1 or 0x7f.1: a name's last part is no number."""
    try:
        ip_address(host)
    except ValueError:
        return host.rstrip(".").rpartition(".")[2][:1].isdigit()
    return True


async def _download(client: GenesysClient, url: str) -> str:
    """The content. The URL is a secret while it is good, so nothing keeps it."""
    remember(url)
    remember(urlsplit(url).query)
    host = urlsplit(url).hostname or ""
    async with http_client(client.recorder.sample, timeout_s=client.timeout_s, gate=RateGate()) as http:
        asking = http.get(url, extensions={"retry": retry_for("GET"), "endpoint": "signed URL"})
        with operation(DOWNLOAD_OPERATION, _DOWNLOADED_WITHIN_S, client.recorder):
            answer = await answered(f"https://{host}", asking)
    if not answer.is_success:
        raise UnexpectedAnswer(
            "The report on uploads cannot be downloaded",
            cause=f"HTTP {answer.status_code} from {host}",
            fix="try again: the address is good for a short time only",
            status=answer.status_code,
        )
    return _text(answer)


def _text(answer: httpx.Response) -> str:
    try:
        return answer.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_report(str(error)) from None


def _rows(text: str) -> list[Upload]:
    """Raises UnexpectedAnswer for what is not CSV with the ids of recordings."""
    reader = csv.DictReader(text.splitlines(), strict=True)
    try:
        columns = {_plain(name): name for name in reader.fieldnames or []}
        if _RECORDING not in columns:
            raise _no_report("it has no column recordingId")
        return [_upload(row, columns) for row in reader]
    except csv.Error as error:
        raise _no_report(str(error)) from None


def _upload(row: Mapping[str, str | None], columns: Mapping[str, str]) -> Upload:
    found = (row.get(columns.get(name, "")) or "" for name in (_RECORDING, _CONVERSATION, _STATUS))
    return Upload(*found)


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


def _no_report(why: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        "The report on uploads cannot be read", cause=why, fix="give the operator of the API the path and the time"
    )
