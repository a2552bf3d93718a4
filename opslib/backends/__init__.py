"""Which Genesys API carries an onboarding. Paths and payloads live only in this room."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from opslib.models import AwsKeys, Onboarding, RoleReference

Kind = Literal["target", "policy", "webhook"]
JSON = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One object as it should be. `body` has the API's own field names and no secret."""

    kind: Kind
    id: str
    name: str
    body: JSON


class Backend(Protocol):
    """What the rest of the house needs of an API. Each call is one operation; errors are ApiErrors."""

    name: str

    def items(self, onboarding: Onboarding, credentials: AwsKeys | RoleReference) -> Sequence[Item]:
        """The objects of an onboarding, each after those it refers to."""

    def writable(self, answer: JSON) -> JSON:
        """A server's answer without what the server owns: what to write to have it back, byte for byte."""

    def comparable(self, answer: JSON) -> JSON:
        """The same with lists in order, since their order means nothing: equal objects compare equal."""

    async def read(self, kind: Kind, id: str) -> JSON | None:
        """The object as the server has it, or None."""

    async def write(self, kind: Kind, id: str, body: JSON, credentials: AwsKeys | RoleReference | None = None) -> JSON:
        """Create or replace the object; returns the server's answer. Secrets come from `credentials`, not the body."""

    async def delete(self, kind: Kind, id: str) -> None:
        """Remove the object; one that is already gone is no error."""

    async def list(self, kind: Kind) -> list[JSON]:
        """Every object of a kind, from all pages."""
