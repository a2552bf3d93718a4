from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from opslib.errors import ApiError, DeadlineExceeded, NotFound, OpslibError, UnexpectedAnswer, error_class
from opslib.genesys.answers import JSON, Page, Shape, content, error_body
from opslib.genesys.deadline import Deadline
from opslib.genesys.gate import CORRELATION_HEADER, RateGate
from opslib.genesys.recorder import Operation, Recorder, current_operation, operation
from opslib.genesys.retry import retry_for
from opslib.genesys.server_time import clock_skew_s
from opslib.genesys.transport import PerLoop, answered, http_client
from opslib.settings import DEFAULT_DEADLINE_S, DEFAULT_TIMEOUT_S

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
            async with op.deadline:
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
        shape: type[Shape] | None = None,
    ) -> JSON:
        """Send one request and return the JSON answer, which has the shape; without one, {} for an empty answer.

        `endpoint` is a path template such as "/api/v2/webhooks/{id}"; `ids` are quoted into it. `repeatable` says
        whether sending it twice does no harm; by default its method does.
        Raises an ApiError by status, UnexpectedAnswer for another shape, ConnectionFailed, or DeadlineExceeded.
        """
        path = endpoint.format_map({key: quote(value, safe="") for key, value in (ids or {}).items()})
        retry = retry_for(method, repeatable=repeatable)
        async with self.operation(f"{method} {endpoint}"):
            response = await answered(
                self.base_url,
                self._http.get().request(
                    method,
                    self.base_url + path,
                    params=params,
                    json=json,
                    extensions={"retry": retry, "endpoint": endpoint},
                ),
            )
            self._note(response)
            if not response.is_success:
                raise _refused(response)
            return content(response, shape)

    def _note(self, response: httpx.Response) -> None:
        """Take in what an answer says beside its content."""
        self.clock_skew_s = clock_skew_s(response.headers)

    async def request_or_none(self, method: str, endpoint: str, **about: Any) -> JSON | None:
        """The same; None where there is no such object (404)."""
        try:
            return await self.request(method, endpoint, **about)
        except NotFound:
            return None

    async def pages(self, endpoint: str, shape: type[Page[Any]], *, page_size: int) -> AsyncIterator[JSON]:
        """Every page of a list that is continued by `nextPageToken`. Raises UnexpectedAnswer if a token comes twice."""
        token: str | None = None
        seen: set[str] = set()
        while True:
            params = {"pageSize": page_size} | ({"pageToken": token} if token else {})
            page = await self.request("GET", endpoint, params=params, shape=shape)
            yield page
            token = page.get("nextPageToken")
            if not token:
                return
            if token in seen:
                raise never_ends(endpoint, "the server sent the same nextPageToken twice")
            seen.add(token)

    async def entities(self, endpoint: str, shape: type[Page[Any]]) -> list[JSON]:
        """Everything in a list of numbered pages, once each.

        Raises UnexpectedAnswer when it is not as many as the list says it has; a list that changes while it is read
        is read once more.
        """
        for _ in range(2):
            entities, total = await self._numbered_pages(endpoint, shape)
            if total is None or len(entities) == total:
                return entities
        raise UnexpectedAnswer(
            "The list is not complete",
            cause=f"{endpoint} says that it has {total}, and {len(entities)} came",
            fix="try again; if it lasts, give Genesys support the path",
        )

    async def _numbered_pages(self, endpoint: str, shape: type[Page[Any]]) -> tuple[list[JSON], int | None]:
        by_id: dict[str, JSON] = {}
        number = 1
        while True:
            # No other parameter: Genesys takes even a default filter at its word, and hides objects.
            params = {"pageSize": _PAGE_SIZE, "pageNumber": number}
            page = await self.request("GET", endpoint, params=params, shape=shape)
            known = len(by_id)
            by_id |= {entity["id"]: entity for entity in page["entities"]}
            pages, total = page.get("pageCount"), page.get("total")
            last = number >= pages if pages is not None else not page.get("nextUri")
            if last or not page["entities"]:
                return list(by_id.values()), total
            if len(by_id) == known:
                raise never_ends(endpoint, "the server sent the same page twice")
            number += 1

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if client := self._http.pop():
            await client.aclose()


async def answer(
    client: GenesysClient,
    endpoint: str,
    params: Mapping[str, str | int] | None,
    until: float,
    shape: type[Shape] | None = None,
) -> JSON | OpslibError:
    """The org's answer, or the error instead of one; `until` is in the event loop's time."""
    try:
        async with Deadline(until):
            return await client.request("GET", endpoint, params=params, shape=shape)
    except OpslibError as error:
        return error
    except TimeoutError:
        return DeadlineExceeded("No answer in time", cause="no answer in time", fix="try again later")


def never_ends(endpoint: str, why: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        "The list never ends", cause=f"{endpoint}: {why}", fix="report this to the operator of the API"
    )


def _refused(response: httpx.Response) -> ApiError:
    status, said = response.status_code, error_body(response)
    kind = error_class(status)
    title, fix = kind.advice
    return kind(
        title,
        cause=said.message or f"HTTP {status} without an explanation",
        fix=fix,
        status=status,
        correlation_id=response.headers.get(CORRELATION_HEADER) or said.context_id,
    )
