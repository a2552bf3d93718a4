"""Lists that are continued by a cursor, in the answer itself or in its `nextUri`."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from opslib.genesys.answers import JSON, Shape
from opslib.genesys.client import GenesysClient, never_ends


async def pages_by_cursor(
    client: GenesysClient,
    endpoint: str,
    shape: type[Shape],
    params: Mapping[str, str | int],
    ids: Mapping[str, str] | None = None,
) -> AsyncIterator[JSON]:
    """Each page, one request after the other. Raises UnexpectedAnswer if a cursor comes twice."""
    seen: set[str] = set()
    following: dict[str, str | int] = {}
    while True:
        page = await client.request("GET", endpoint, ids=ids, params={**params, **following}, shape=shape)
        yield page
        cursor = _cursor(page)
        if not cursor:
            return
        if cursor in seen:
            raise never_ends(endpoint, "the org sent the same cursor twice")
        seen.add(cursor)
        following = {"cursor": cursor}


def _cursor(page: Mapping[str, Any]) -> str:
    """Of the page after this one; empty for the last."""
    query = parse_qs((page.get("nextUri") or "").partition("?")[2])
    return str(page.get("cursor") or query.get("cursor", [""])[0])
