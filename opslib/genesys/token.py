"""What an org says of a token: whose it is, and what it may ask for in a minute."""

from collections.abc import Iterator
from dataclasses import dataclass

from opslib.errors import OpslibError
from opslib.genesys.shapes import JSON, as_object, as_objects

TOKEN = "/api/v2/tokens/me"
LIMITS = "/api/v2/organizations/limits/namespaces/platform.api"
# The limit that one token of client credentials meets.
TOKEN_LIMIT = "client.credentials.token.rate.per.minute"


@dataclass(frozen=True)
class Named:
    """An organisation or OAuth client, as Genesys refers to it."""

    id: str
    name: str


def organization(about: JSON | OpslibError) -> Named | str:
    """Whose token it is, from the answer to `TOKEN`; else why that is not known."""
    if isinstance(about, OpslibError):
        return f"{about.title}: {about.cause}"
    return named(about.get("organization")) or "the answer names no organisation"


def named(entity: object) -> Named | None:
    """A reference of Genesys's; None for anything else."""
    about = as_object(entity)
    id = about.get("id")
    return Named(id, str(about.get("name") or "no name")) if id and isinstance(id, str) else None


def limits_of(answer: JSON) -> Iterator[tuple[str, int]]:
    """Key and value of each limit in an answer to `LIMITS`; what has another shape is left out."""
    for limit in as_objects(answer.get("entities")):
        if isinstance(limit.get("key"), str) and isinstance(limit.get("value"), int):
            yield limit["key"], limit["value"]
