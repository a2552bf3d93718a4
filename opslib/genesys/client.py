import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from opslib.errors import ApiError, DeadlineExceeded, NotFound, OpslibError, UnexpectedAnswer, error_class
from opslib.genesys.gate import CORRELATION_HEADER, RateGate
from opslib.genesys.recorder import Operation, Recorder, current_operation, operation
from opslib.genesys.retry import retry_for
from opslib.genesys.server_time import clock_skew_s
from opslib.genesys.transport import PerLoop, http_client, unreachable
from opslib.settings import DEFAULT_DEADLINE_S, DEFAULT_TIMEOUT_S

JSON = dict[str, Any]

# The most that Genesys's own Terraform provider asks for.
_PAGE_SIZE = 100
# An answer's Date has whole seconds, and the answer was under way.
_SAME_TIME_S = 2


class GenesysClient:
    """Requests to one org. One pooled HTTP client per event loop.

    Every call belongs to an operation, which has a deadline and is recorded with its outcome. `clock_skew_s` is how far
    the server's clock was ahead of ours at its last answer, to the second; None while no answer had a date.
    """

    def __init__(
        self,
        base_url: str,
        auth: httpx.Auth,
        recorder: Recorder,
        *,
        gate: RateGate | None = None,
        deadline_s: float = DEFAULT_DEADLINE_S,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.base_url = base_url
        self.recorder = recorder
        self.deadline_s, self.timeout_s = deadline_s, timeout_s
        self.clock_skew_s: float | None = None
        gate = gate or RateGate()
        self._http = PerLoop(lambda: http_client(recorder.sample, auth=auth, timeout_s=self.timeout_s, gate=gate))

    def now(self) -> datetime:
        """The time at the server; this machine's where no answer said it, or where both agree."""
        skew_s = self.clock_skew_s or 0
        return datetime.now(UTC) + timedelta(seconds=skew_s if abs(skew_s) > _SAME_TIME_S else 0)

    @asynccontextmanager
    async def operation(self, name: str) -> AsyncIterator[Operation]:
        """Name what is done inside and bound its time. Raises DeadlineExceeded; an inner operation joins the outer."""
        if outer := current_operation():
            yield outer
            return
        with operation(name, self.deadline_s, self.recorder) as op:
            try:
                async with self._deadline(op):
                    yield op
            except BaseException as error:
                self.recorder.operation(op, error)
                raise
            self.recorder.operation(op, None)

    @asynccontextmanager
    async def _deadline(self, op: Operation) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.deadline_s):
                yield
        except OpslibError:
            raise
        except TimeoutError:
            raise DeadlineExceeded(
                f"{op.name} did not finish in time",
                cause=f"no final answer within {self.deadline_s:.0f} s and {op.attempts} attempts",
                fix="read the object to see whether the change took effect; raise OPSLIB_DEADLINE_S for slow links",
            ) from None

    async def request(
        self,
        method: str,
        endpoint: str,
        *,
        ids: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        json: JSON | None = None,
        repeatable: bool | None = None,
    ) -> JSON:
        """Send one request and return the JSON answer ({} for an empty one, a bare list as its `entities`).

        `endpoint` is a path template such as "/api/v2/webhooks/{id}"; `ids` are quoted into it. `repeatable` says
        whether sending it twice does no harm; by default its method does.
        Raises an ApiError by status, ConnectionFailed, or DeadlineExceeded.
        """
        path = endpoint.format_map({key: quote(value, safe="") for key, value in (ids or {}).items()})
        retry = retry_for(method, repeatable=repeatable)
        async with self.operation(f"{method} {endpoint}"):
            try:
                response = await self._http.get().request(
                    method,
                    self.base_url + path,
                    params=params,
                    json=json,
                    extensions={"retry": retry, "endpoint": endpoint},
                )
            except httpx.HTTPError as error:
                failure = unreachable(self.base_url, error)
            else:
                self._note(response)
                return _content(response)
            raise failure  # outside the handler: httpx's error holds the request and with it its secrets

    def _note(self, response: httpx.Response) -> None:
        """Take in what an answer says beside its content."""
        self.clock_skew_s = clock_skew_s(response.headers)

    async def request_or_none(self, method: str, endpoint: str, **about: Any) -> JSON | None:
        """The same; None where there is no such object (404)."""
        try:
            return await self.request(method, endpoint, **about)
        except NotFound:
            return None

    async def pages(self, endpoint: str, *, page_size: int) -> AsyncIterator[JSON]:
        """Every page of a list that is continued by `nextPageToken`. Raises UnexpectedAnswer if a token comes twice."""
        token: str | None = None
        seen: set[str] = set()
        while True:
            params = {"pageSize": page_size} | ({"pageToken": token} if token else {})
            page = await self.request("GET", endpoint, params=params)
            yield page
            token = page.get("nextPageToken")
            if not token:
                return
            if token in seen:
                raise UnexpectedAnswer(
                    "The list never ends",
                    cause="the server sent the same nextPageToken twice",
                    fix="report this to the operator of the API",
                )
            seen.add(token)

    async def entities(self, endpoint: str) -> list[JSON]:
        """Everything in a list of numbered pages, once each.

        Raises UnexpectedAnswer when it is not as many as the list says it has; a list that changes while it is read
        is read once more.
        """
        for _ in range(2):
            entities, total = await self._numbered_pages(endpoint)
            if total is None or len(entities) == total:
                return entities
        raise UnexpectedAnswer(
            "The list is not complete",
            cause=f"{endpoint} says that it has {total}, and {len(entities)} came",
            fix="try again; if it lasts, give Genesys support the path",
        )

    async def _numbered_pages(self, endpoint: str) -> tuple[list[JSON], int | None]:
        by_id: dict[str, JSON] = {}
        number = 1
        while True:
            # No other parameter: Genesys takes even a default filter at its word, and hides objects.
            page = await self.request("GET", endpoint, params={"pageSize": _PAGE_SIZE, "pageNumber": number})
            entities = page.get("entities") or []
            by_id |= {str(entity["id"]): entity for entity in entities}
            last = number >= page["pageCount"] if "pageCount" in page else not page.get("nextUri")
            if last or not entities:
                return list(by_id.values()), page.get("total")
            number += 1

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if client := self._http.pop():
            await client.aclose()


async def answer(
    client: GenesysClient, endpoint: str, params: Mapping[str, str | int] | None, until: float
) -> JSON | OpslibError:
    """The org's answer, or the error instead of one; `until` is in the event loop's time."""
    try:
        async with asyncio.timeout_at(until):
            return await client.request("GET", endpoint, params=params)
    except OpslibError as error:
        return error
    except TimeoutError:
        return DeadlineExceeded("No answer in time", cause="no answer in time", fix="try again later")


def _content(response: httpx.Response) -> JSON:
    if not response.is_success:
        raise _refused(response)
    if not response.content:
        return {}
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    if isinstance(body, list) and all(isinstance(item, dict) for item in body):
        return {"entities": body}
    raise UnexpectedAnswer(
        "The answer is no JSON object",
        cause=f"content type {response.headers.get('Content-Type', 'unknown')}",
        fix="check that the API URL is Genesys Cloud and that no proxy answers in its place",
        status=response.status_code,
        correlation_id=response.headers.get(CORRELATION_HEADER),
    )


def _refused(response: httpx.Response) -> ApiError:
    status, (message, context_id) = response.status_code, _message(response)
    kind = error_class(status)
    title, fix = kind.advice
    return kind(
        title,
        cause=message or f"HTTP {status} without an explanation",
        fix=fix,
        status=status,
        correlation_id=response.headers.get(CORRELATION_HEADER) or context_id,
    )


def _message(response: httpx.Response) -> tuple[str, str | None]:
    """The server's own words and its context id, from Genesys's error body."""
    try:
        body = response.json()
    except ValueError:
        return "", None
    if not isinstance(body, dict):
        return "", None
    details = [str(item.get("message", "")) for item in body.get("errors") or [] if isinstance(item, dict)]
    words = [str(body.get("message", "")), *details]
    return "; ".join(word for word in words if word), body.get("contextId")
