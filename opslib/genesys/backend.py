from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import InvalidInput
from opslib.onboarding.models import BackendName, Onboarding
from opslib.onboarding.values import checked
from opslib.suggestion import did_you_mean

Kind = Literal["target", "policy", "webhook"]
# What a POST makes: an object of ours, or the credential of a target.
Made = Kind | Literal["credential"]
JSON = dict[str, Any]

# How long the API may take until a read or a list shows what was written (seconds): it is eventually consistent.
SETTLES_WITHIN_S = 30.0


@dataclass(frozen=True)
class Item:
    """One object as it should be. `body` has the API's own field names and no secret.

    `id` is the identity that we choose: the object's id where that is ours, else its name.
    """

    kind: Kind
    id: str
    name: str
    body: JSON


@dataclass(frozen=True)
class Creation:
    """An object that is made under an id of the server's: `server_id` is empty until the server's answer is known."""

    kind: Made
    name: str
    server_id: str = ""


@dataclass(frozen=True)
class Meaning:
    """What a body says, whatever its API calls it; None where it says nothing.

    Attributes:
        access: the credentials that the bucket is written with.
        target: the identity of the target that a policy sends to.
        everything: a policy that matches every interaction of the org.
        ours: made or adopted by opslib.
        foreign: the paths of what an onboarding cannot express.
    """

    bucket: str | None = None
    region: str | None = None
    access: tuple[Any, ...] = ()
    retention_days: int | None = None
    target: str | None = None
    enabled: bool = True
    everything: bool = False
    ours: bool = True
    foreign: frozenset[str] = frozenset()


class Backend(Protocol):
    """What the rest of opslib needs of an API. Each call is one operation; errors are ApiErrors.

    Attributes:
        where: the org, as the address of its API.
        ids_are_ours: an object that is made again has the id it had before.
    """

    name: BackendName
    where: str
    ids_are_ours: bool

    async def probe(self) -> int | None:
        """How many objects that could be targets the org has, or None when it does not serve this API."""

    async def items(
        self, onboarding: Onboarding, credentials: AwsKeys | RoleReference, *, rotate: bool = False
    ) -> Sequence[Item]:
        """The objects of an onboarding, each after those it refers to: target, policy, webhook.

        `rotate`: with credentials that are written again. Raises InvalidInput where nothing can be.
        """

    async def to_do_first(self, target: Item) -> Sequence[Item]:
        """What must come true, in this order, before the target can: the target itself, switched off, and others that
        stand in its way, switched off. Mostly nothing."""

    def notes(self, onboarding: Onboarding) -> Sequence[str]:
        """What of the onboarding this API does not carry, or does differently, in words. Call it after `items` or
        `adopt`."""

    async def place(self, onboarding: Onboarding, org_id: str) -> str | None:
        """What the key of every recording begins with: "" or a folder with its slash; None when it is not known."""

    def warnings(self, onboarding: Onboarding) -> Sequence[str]:
        """Where the org will not do what the onboarding says, or may not, in words. Call it as `notes`."""

    def meaning(self, kind: Kind, body: JSON) -> Meaning:
        """What a body of `items` or `writable` says."""

    def writable(self, answer: JSON) -> JSON:
        """A server's answer without what the server owns: what to write to restore it, byte for byte."""

    def comparable(self, answer: JSON) -> JSON:
        """The same with lists in order, since their order means nothing: equal objects compare equal."""

    def may_be_cut_off(self, answer: JSON, before: JSON | None, after: JSON | None) -> bool:
        """Whether a write from `before` to `after` that was cut off may have left this."""

    def undo_body(self, before: JSON | None, after: JSON | None) -> JSON | None:
        """What to write to undo a change: `before`, except for credentials whose secret only the org has known."""

    async def read(self, kind: Kind, id: str) -> JSON | None:
        """The object as the server has it, or None."""

    async def write(
        self,
        kind: Kind,
        id: str,
        body: JSON,
        credentials: AwsKeys | RoleReference | None = None,
        *,
        alone: bool = False,
        note: Callable[[Creation], object] | None = None,
    ) -> JSON:
        """Create or replace the object; returns the server's answer as `read` would, whose `id` is the server's.

        It may be sent again after a failure or a crash. Secrets come from `credentials`, not the body. `note` is told
        of each creation before it is sent, and once its id is known. Raises DuplicateName when the object has to be
        `alone` with its name and is not; what was made of it until then is switched off.
        """

    async def onboarding_of(self, onboarding: Onboarding, bodies: Mapping[Kind, JSON]) -> Onboarding:
        """The onboarding as it is with these bodies of its objects. From then on `meaning` understands them, and
        objects are known by their names again. What a body cannot say stays as the onboarding has it."""

    def server_id(self, kind: Kind, id: str) -> str:
        """The server's id of the object as it was last found; empty for none, or where the ids are ours."""

    def bind(self, kind: Kind, id: str, server_id: str) -> None:
        """Until the next `items`, the object with this server's id is meant, whatever else has its name. Empty: none
        is there until `write` makes one."""

    def recall(self, creation: Creation) -> None:
        """Take in what an earlier process noted of a creation."""

    def remember(self, kind: Kind, id: str, server_id: str) -> None:
        """Find the object by the server's id from now on, also where the server has given it another name."""

    async def delete(self, kind: Kind, id: str) -> None:
        """Remove the object; one that is already gone is not an error."""

    async def list(self, kind: Kind) -> list[JSON]:
        """Every object of a kind, from all pages."""

    async def adopt(self, target: str, policy: str | None, webhook: str | None) -> Onboarding:
        """The onboarding that describes what exists, each object named by its identity.

        Raises NotFound, or InvalidInput when a choice is not clear.
        """


def nothing_to_rotate() -> InvalidInput:
    """What `items` raises where Genesys writes with a role that is not in a credential."""
    return InvalidInput(
        "There is no secret to write again",
        cause="Genesys writes with a role, which has none",
        fix="leave out --rotate-credentials; nothing was written",
    )


def overlaid(onboarding: Onboarding, parts: Mapping[Kind, JSON]) -> Onboarding:
    """The onboarding with these values of its parts; where together they cannot be said in one, with the bucket and
    the credentials only."""
    values = onboarding.values()
    known = {kind: {name: value for name, value in part.items() if value is not None} for kind, part in parts.items()}
    with suppress(InvalidInput):
        return checked(Onboarding, **values | {kind: values[kind] | part for kind, part in known.items()})
    place = {name: value for name, value in known.get("target", {}).items() if name in _PLACE}
    return checked(Onboarding, **values | {"target": values["target"] | place})


_PLACE = ("bucket", "region", "credentials")


def leaves(body: JSON | None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value in a body with its dotted path."""
    for key, value in (body or {}).items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def only(bodies: Sequence[JSON], kind: Kind, identity: str | None) -> JSON:
    """The object with the identity (id or name), or the only one there is. Raises InvalidInput for none or several."""
    chosen = [body for body in bodies if identity in (body.get("id"), body.get("name"))] if identity else bodies
    if len(chosen) == 1:
        return chosen[0]
    known = ", ".join(f"{body.get('name')} ({body.get('id')})" for body in bodies[:10]) or "none"
    names = [str(name) for body in bodies for name in (body.get("name"), body.get("id"))]
    meant = did_you_mean(identity or "", names)
    raise InvalidInput(
        f"Which {kind} belongs to the onboarding is not clear",
        cause=f"there are: {known}{f'; none is called {identity}.{meant}' if identity and not chosen else ''}",
        fix=f"name one that exists{'' if kind == 'target' else f' with --{kind}'}, or make one first",
    )
