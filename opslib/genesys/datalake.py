import asyncio
from contextlib import suppress

import httpx

from opslib.errors import UnexpectedAnswer
from opslib.genesys.client import JSON
from opslib.genesys.gate import RateGate
from opslib.genesys.polling import poll_until
from opslib.genesys.recorder import Recorder, operation
from opslib.genesys.retry import retry_for
from opslib.genesys.transport import http_client, unreachable
from opslib.ledger.samples import DATA_LAKE_OPERATION

# How often a waiting reader looks (seconds).
_POLL_S = 0.2


class DataLake:
    """The events that a data lake has received, as JSON: GET {url}/events?entityId=… → {entities: [{eventId, …}]}."""

    def __init__(self, url: str, recorder: Recorder) -> None:
        self._url = url.rstrip("/")
        self._recorder = recorder

    async def event_ids(self, entity_id: str) -> set[str]:
        """The ids of the events about one object."""
        return {str(event["eventId"]) for event in await self._events(entity_id)}

    async def wait_for_new(self, entity_id: str, known: set[str], *, deadline_s: float) -> JSON | None:
        """The first event about the object that is not known yet, or None when none came in time."""

        async def new_event() -> JSON | None:
            return next((event for event in await self._events(entity_id) if event["eventId"] not in known), None)

        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):  # a slow answer, too, ends with the deadline
                return await poll_until(new_event, deadline_s=deadline_s, wait_s=_POLL_S)
        return None

    async def _events(self, entity_id: str) -> list[JSON]:
        try:
            with operation(DATA_LAKE_OPERATION, 10.0, self._recorder):
                async with http_client(self._recorder.sample, gate=RateGate()) as http:
                    answer = await http.get(
                        f"{self._url}/events",
                        params={"entityId": entity_id},
                        extensions={"retry": retry_for("GET"), "endpoint": "/events"},
                    )
        except httpx.HTTPError as error:
            raise unreachable(self._url, error) from None
        try:
            events: list[JSON] = answer.raise_for_status().json()["entities"]
            return events
        except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
            raise UnexpectedAnswer(
                "The data lake's catalogue cannot be read",
                cause=f"HTTP {answer.status_code} from {self._url}/events",
                fix="check OPSLIB_CATALOGUE_URL",
                status=answer.status_code,
            ) from None
