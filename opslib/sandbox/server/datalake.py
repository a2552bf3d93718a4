"""The data lake: takes any JSON it is sent and keeps a catalogue of the events in SQLite."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SCHEMA = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    receivedAt TEXT NOT NULL,
    eventType TEXT,
    entityId TEXT,
    eventId TEXT UNIQUE,
    body TEXT NOT NULL
)
"""

FILTERS = {
    "entityId": "entityId = ?",
    "eventType": "eventType = ?",
    "correlationId": (
        "? IN (json_extract(body, '$.correlationId'), json_extract(body, '$.detail.metadata.CorrelationId'))"
    ),
}


class DataLake:
    """The catalogue. An event id is kept once, however often it arrives; `receivedAt` is UTC."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(SCHEMA)

    def add(self, body: Any) -> bool:
        """Keep what was received; False if its event id was here before."""
        event = body if isinstance(body, dict) else {}
        names = [None if name is None else str(name) for name in _names(event)]
        row = [None, datetime.now(UTC).isoformat(timespec="milliseconds"), *names, json.dumps(body)]
        cursor = self._db.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)", row)
        return cursor.rowcount == 1

    def events(self, wanted: dict[str, str]) -> list[dict[str, Any]]:
        """Those that meet every filter (keys of `FILTERS`), newest last."""
        where = " AND ".join(FILTERS[name] for name in wanted) or "1"
        query = f"SELECT * FROM events WHERE {where} ORDER BY id"  # noqa: S608 (FILTERS is ours)
        rows = self._db.execute(query, list(wanted.values()))
        return [{**row, "body": json.loads(row["body"])} for row in rows]

    def close(self) -> None:
        self._db.close()


def datalake_app(lake: DataLake) -> Starlette:
    """`POST` JSON at any path → 202; `GET /events?entityId=&eventType=&correlationId=`."""

    async def receive(request: Request) -> JSONResponse:
        try:
            body = from_json(await request.body(), allow_inf_nan=False)
        except ValueError:
            return JSONResponse({"error": "the body is not JSON"}, status_code=400)
        return JSONResponse({"accepted": True, "new": lake.add(body)}, status_code=202)

    async def events(request: Request) -> JSONResponse:
        wanted = {name: value for name, value in request.query_params.items() if name in FILTERS}
        entities = lake.events(wanted)
        return JSONResponse({"entities": entities, "total": len(entities)})

    return Starlette(
        routes=[
            Route("/events", events, methods=["GET"]),
            Route("/{path:path}", receive, methods=["POST"]),
        ]
    )


def _names(event: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Type, entity id and event id, of a webhook's event or of an EventBridge envelope; None where it has none."""
    if "detail-type" in event:
        return event["detail-type"], _inner(event, "detail", "eventBody", "entity", "id"), event.get("id")
    return event.get("eventType"), _inner(event, "entity", "id"), event.get("eventId")


def _inner(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
