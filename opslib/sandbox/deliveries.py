"""Webhook deliveries: the org tells the subscribed webhooks, in the background, what has changed."""

import asyncio
import ipaddress
import logging
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from opslib.sandbox.resources import BearerAuthentication, Webhook
from opslib.sandbox.world import Record, World

log = logging.getLogger(__name__)

TIMEOUT_S = 5.0
TRIES = 3
PAUSE_S = 0.1
"""Between the first and the second try; doubled before the third."""


@dataclass
class Delivery:
    """One event on its way to one webhook. `status` is the last HTTP answer, `error` the last failure."""

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
        """Start the deliveries that a change of this record calls for; returns at once."""
        event_type = record.kind.event
        if event_type is None:
            return
        event = {
            "eventId": str(uuid.uuid4()),
            "eventType": event_type,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
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
            delivery = Delivery(hook.id, body.targetUrl, event)
            self._deliveries.append(delivery)
            task = asyncio.create_task(self._deliver(delivery, body))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def listing(self) -> list[dict[str, Any]]:
        return [asdict(delivery) for delivery in self._deliveries]

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def _deliver(self, delivery: Delivery, hook: Webhook) -> None:
        if not _is_loopback(hook.targetUrl):
            delivery.outcome = "refused"
            log.warning("webhook %s not called: its host is not loopback", delivery.webhookId)
            return
        headers = {"X-Genesys-Event": delivery.event["eventType"]}
        if isinstance(hook.authentication, BearerAuthentication):
            headers["Authorization"] = f"Bearer {hook.authentication.token}"
        for attempt in range(TRIES):
            await asyncio.sleep(PAUSE_S * attempt)
            delivery.tries += 1
            try:
                answer = await self._http.post(hook.targetUrl, json=delivery.event, headers=headers)
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
