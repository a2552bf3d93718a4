import asyncio
from collections.abc import Awaitable
from contextlib import suppress

import httpx

from opslib.errors import UnexpectedAnswer
from opslib.genesys.answers import JSON, Page, Shape, content
from opslib.genesys.gate import RateGate
from opslib.genesys.polling import poll_until
from opslib.genesys.recorder import Recorder, operation
from opslib.genesys.retry import retry_for
from opslib.genesys.transport import answered, http_client
from opslib.ledger.samples import DATA_LAKE_OPERATION

# How long the catalogue may take for one answer (seconds).
_ANSWERED_WITHIN_S = 10.0
# How often a waiting reader looks (seconds).
_POLL_S = 0.2


class _Event(Shape):
    eventId: str
    eventType: str


class DataLake:
    """The events that a data lake has received, as JSON: GET {url}/events?entityId=… → {entities: [{eventId, …}]}."""

    def __init__(self, url: str, recorder: Recorder) -> None:
        self._url = url.rstrip("/")
        self._recorder = recorder

    async def event_ids(self, entity_id: str) -> set[str]:
        """The ids of the events about one object."""
        return {event["eventId"] for event in await self._events(entity_id)}

    async def wait_for_new(self, entity_id: str, known: set[str], *, deadline_s: float) -> JSON | None:
        """The first event about the object that is not known yet, or None when none came in time."""

        async def new_event() -> JSON | None:
            return next((event for event in await self._events(entity_id) if event["eventId"] not in known), None)

        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):  # a slow answer, too, ends with the deadline
                return await poll_until(new_event, deadline_s=deadline_s, wait_s=_POLL_S)
        return None

    async def _events(self, entity_id: str) -> list[JSON]:
        async with http_client(self._recorder.sample, gate=RateGate()) as http:
            asking = http.get(
                f"{self._url}/events",
                params={"entityId": entity_id},
                extensions={"retry": retry_for("GET"), "endpoint": "/events"},
            )
            with operation(DATA_LAKE_OPERATION, _ANSWERED_WITHIN_S, self._recorder):
                answer = await answered(self._url, _in_time(asking))
        if not answer.is_success:
            raise UnexpectedAnswer(
                "The data lake's catalogue cannot be read",
                cause=f"HTTP {answer.status_code} from {self._url}/events",
                fix="check OPSLIB_CATALOGUE_URL",
                status=answer.status_code,
            )
        events: list[JSON] = content(answer, Page[_Event])["entities"]
        return events


async def _in_time(asking: Awaitable[httpx.Response]) -> httpx.Response:
    async with asyncio.timeout(_ANSWERED_WITHIN_S):
        return await asking
