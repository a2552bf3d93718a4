"""The names of what a policy's conditions refer to by id (platform only), for a form to choose from."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import parse_qs

from opslib.errors import OpslibError
from opslib.genesys.answers import JSON, Entity, Page
from opslib.genesys.client import GenesysClient, answer
from opslib.genesys.together import together

# By the condition's name in an onboarding. Each needs a permission to view, which a walk does not need otherwise.
LISTS = {
    "queues": "/api/v2/routing/queues",
    "users": "/api/v2/users",
    "teams": "/api/v2/teams",
    "wrapup_codes": "/api/v2/routing/wrapupcodes",
}
_PAGE_SIZE, _MOST_PAGES = 100, 5
MOST_NAMES = _PAGE_SIZE * _MOST_PAGES


class _Named(Entity):
    name: str | None = None


@dataclass(frozen=True)
class Names:
    """Names by id, in the org's order; `more`: the org has others than these first `MOST_NAMES`."""

    by_id: Mapping[str, str]
    more: bool = False


async def read_names(client: GenesysClient, within_s: float) -> Mapping[str, Names | OpslibError]:
    """Each of `LISTS`, or the error instead of it: one that may not be read leaves the others."""
    until = asyncio.get_running_loop().time() + within_s
    read = await together(*(_names(client, endpoint, until) for endpoint in LISTS.values()))
    return dict(zip(LISTS, read, strict=True))


async def _names(client: GenesysClient, endpoint: str, until: float) -> Names | OpslibError:
    by_id: dict[str, str] = {}
    following: dict[str, str | int] = {}
    for number in range(1, _MOST_PAGES + 1):
        page = await answer(client, endpoint, {"pageSize": _PAGE_SIZE, **following}, until, Page[_Named])
        if isinstance(page, OpslibError):
            return page
        by_id |= {entity["id"]: entity.get("name") or entity["id"] for entity in page["entities"]}
        following = _next_page(page, number)
        if not following:
            break
    return Names(dict(islice(by_id.items(), MOST_NAMES)), more=bool(following) or len(by_id) > MOST_NAMES)


def _next_page(page: JSON, number: int) -> dict[str, str | int]:
    """What asks for the page after this one: its number, or in the list of teams a cursor; nothing after the last."""
    pages = page.get("pageCount")
    if pages is not None:
        return {"pageNumber": number + 1} if number < pages else {}
    query = parse_qs((page.get("nextUri") or "").partition("?")[2])
    return {"after": query["after"][0]} if "after" in query else {}
