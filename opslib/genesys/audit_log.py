"""Genesys's own audit: who changed an integration or a policy, asked of the org, and read in either of its two shapes.

Under which service an org keeps the changes of retention policies is not published, so the org's own list of services
is read first.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from opslib.errors import ServerFailure
from opslib.genesys.answers import Entity, Page, Reference, Shape
from opslib.genesys.backend import JSON
from opslib.genesys.client import GenesysClient, never_ends
from opslib.genesys.polling import poll_until
from opslib.genesys.shapes import as_objects
from opslib.ledger.moment import utc_text

_QUERY = "/api/v2/audits/query"
SERVICES = _QUERY + "/servicemapping"
_ONE = _QUERY + "/{id}"
_RESULTS = _ONE + "/results"

# Entity types that may be ours have one of these in their name.
_OURS = ("integration", "policy")
# A month is what is commonly asked for at once; the real limit is not published.
_AT_ONCE = timedelta(days=30)
_PAGE_SIZE = 500
# How long the org may take for one query (seconds).
_ANSWERED_WITHIN_S = 60.0
_POLL_S = 0.5
_FINAL_STATES = ("Succeeded", "Failed", "Cancelled")


class _Named(Shape):
    name: str


class _Service(_Named):
    entities: list[_Named] | None = None


class Services(Shape):
    """Which services an org audits, each with its types of entity."""

    services: list[_Service]


class _Query(Entity):
    state: str | None = None


class _PropertyChange(Shape):
    property: str | None = None
    oldValues: list[Any] | None = None
    newValues: list[Any] | None = None


class _Entry(Entity):
    """A reference is an object or only an id; `_reference` reads both."""

    user: Reference | str | None = None
    username: Reference | str | None = None
    userId: str | None = None
    client: Reference | str | None = None
    clientId: Reference | str | None = None
    entity: Reference | str | None = None
    eventDate: str | None = None
    eventTime: str | None = None
    serviceName: str | None = None
    action: str | None = None
    entityType: str | None = None
    propertyChanges: list[_PropertyChange] | None = None


async def audit_entries(client: GenesysClient, since: datetime, until: datetime) -> list[JSON]:
    """Every entry about integrations and policies in that time, oldest first, as the audit query has them."""
    entries: list[JSON] = []
    async with client.operation("audit_query"):
        mapping = await client.request("GET", SERVICES, shape=Services)
        for service, entity_type in audited_entities(mapping):
            for start, end in _parts(since, until):
                entries += await _query(client, service, entity_type, start, end)
    return sorted({entry["id"]: entry for entry in entries}.values(), key=lambda entry: str(entry.get("eventDate")))


def change(entry: JSON) -> JSON:
    """One change as plain values, from an entry of the audit query or the body of an EventBridge event.

    {id, at, by, client_id, service, action, kind, entity_id, name, fields: [{path, before, after}]}; `by` is a user's
    or client's name or id.
    """
    user, client, entity = (
        _reference(entry, *names) for names in (("user", "username"), ("client", "clientId"), ("entity",))
    )
    user_id = user.get("id") or entry.get("userId")
    return {
        "id": entry["id"],
        "at": entry.get("eventDate") or entry.get("eventTime"),
        "by": user.get("name") or user_id or client.get("name") or client.get("id") or "not said",
        "client_id": client.get("id"),
        "service": entry.get("serviceName"),
        "action": entry.get("action"),
        "kind": entry.get("entityType"),
        "entity_id": entity.get("id"),
        "name": entity.get("name"),
        "fields": [
            {
                "path": field.get("property"),
                "before": field.get("oldValues") or [],
                "after": field.get("newValues") or [],
            }
            for field in entry.get("propertyChanges") or []
        ],
    }


def _reference(entry: JSON, *names: str) -> dict[str, Any]:
    """The first of these fields that holds a reference; an id alone is one, too."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, dict):
            return value
        if isinstance(value, str):
            return {"id": value}
    return {}


def audited_entities(mapping: JSON) -> Iterator[tuple[str, str]]:
    """Service and type of the entities that may be ours, from an answer to `SERVICES`."""
    for service in as_objects(mapping.get("services")):
        for entity in as_objects(service.get("entities")):
            if service.get("name") and any(word in str(entity.get("name")).lower() for word in _OURS):
                yield service["name"], entity["name"]


def _parts(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    while since < until:
        yield since, min(since + _AT_ONCE, until)
        since += _AT_ONCE


async def _query(client: GenesysClient, service: str, kind: str, start: datetime, end: datetime) -> list[JSON]:
    question = {
        "interval": f"{utc_text(start)}/{utc_text(end)}",
        "serviceName": service,
        "filters": [{"property": "EntityType", "value": kind}],
        "sort": [{"name": "Timestamp", "sortOrder": "ascending"}],
    }
    # A query that is asked twice does no harm.
    query = await client.request("POST", _QUERY, json=question, repeatable=True, shape=_Query)
    await _answered(client, query)
    entries: list[JSON] = []
    cursor: str | None = None
    while True:
        params = {"pageSize": _PAGE_SIZE} | ({"cursor": cursor} if cursor else {})
        page = await client.request("GET", _RESULTS, ids={"id": query["id"]}, params=params, shape=Page[_Entry])
        entries += page["entities"]
        before, cursor = cursor, page.get("cursor")
        if not cursor:
            return entries
        if cursor == before:
            raise never_ends(_RESULTS, "the org sent the same cursor twice")


async def _answered(client: GenesysClient, query: JSON) -> None:
    """Wait until the org has the answer. Raises ServerFailure."""
    if query.get("state") not in _FINAL_STATES:
        query = await poll_until(
            lambda: client.request("GET", _ONE, ids={"id": query["id"]}, shape=_Query),
            lambda answer: answer.get("state") in _FINAL_STATES,
            deadline_s=_ANSWERED_WITHIN_S,
            wait_s=_POLL_S,
            first_wait_s=_POLL_S,
        )
    if (state := query.get("state")) != "Succeeded":
        raise ServerFailure(
            "The org did not answer the audit query",
            cause=f"its state is {state} after {_ANSWERED_WITHIN_S:.0f} s or less",
            fix="ask for a shorter time, or later",
        )
