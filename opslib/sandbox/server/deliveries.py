import asyncio
import ipaddress
import logging
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from opslib.sandbox.server.resources import BearerAuthentication
from opslib.sandbox.server.world import Record, World, utc_now

log = logging.getLogger(__name__)

TIMEOUT_S = 5.0
TRIES = 3
PAUSE_S = 0.1
"""Between the first and the second try; doubled before the third."""


@dataclass
class Delivery:
    """One event on its way from the webhook, or integration, with this id.

    `status` is the last HTTP answer, `error` the last failure.
    """

    webhookId: str
    targetUrl: str
    event: dict[str, Any]
    tries: int = 0
    outcome: Literal["pending", "delivered", "failed", "refused"] = "pending"
    status: int | None = None
    error: str | None = None


class Deliveries:
    """Sends events and keeps what became of each. Only to loopback: a sandbox must not reach out."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._deliveries: list[Delivery] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    def announce(self, record: Record, correlation_id: str) -> None:
        """Start the deliveries that a change of this record (as it was, when deleted) calls for; returns at once."""
        event_type = record.kind.event
        if event_type is None:
            return
        event = {
            "eventId": str(uuid.uuid4()),
            "eventType": event_type,
            "timestamp": utc_now(),
            "orgId": self._world.identity.org_id,
            "entity": {
                "kind": record.kind.name,
                "id": record.id,
                "name": record.body.name,
                "version": record.version,
            },
            "correlationId": correlation_id,
        }
        for hook, body in self._world.webhooks_for(event_type):
            headers = {"X-Genesys-Event": event_type}
            if isinstance(body.authentication, BearerAuthentication):
                headers["Authorization"] = f"Bearer {body.authentication.token}"
            self.send(hook.id, body.targetUrl, event, headers)

    def send(self, sender_id: str, url: str, event: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        """Start one delivery; returns at once."""
        delivery = Delivery(sender_id, url, event)
        self._deliveries.append(delivery)
        task = asyncio.create_task(self._deliver(delivery, headers))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def listing(self) -> list[dict[str, Any]]:
        return [asdict(delivery) for delivery in self._deliveries]

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def _deliver(self, delivery: Delivery, headers: Mapping[str, str] | None) -> None:
        if not _is_loopback(delivery.targetUrl):
            delivery.outcome = "refused"
            log.warning("webhook %s not called: its host is not loopback", delivery.webhookId)
            return
        for attempt in range(TRIES):
            await asyncio.sleep(PAUSE_S * attempt)
            delivery.tries += 1
            try:
                answer = await self._http.post(delivery.targetUrl, json=delivery.event, headers=headers)
            except httpx.HTTPError as error:
                delivery.status, delivery.error = None, type(error).__name__
                continue
            delivery.status, delivery.error = answer.status_code, None
            if answer.is_success:
                delivery.outcome = "delivered"
                return
        delivery.outcome = "failed"

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a webhook delivery broke off", exc_info=error)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
