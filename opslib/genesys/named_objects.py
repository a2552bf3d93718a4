"""Which object of an org a name means (platform only), where the server chooses the ids and lists may be late.

A name is what an onboarding knows an object by. What is known better counts first: the id that the onboarding or an
unfinished apply names, and the id of what was made a moment ago.
"""

from collections.abc import Sequence

from opslib.errors import DuplicateName
from opslib.genesys.answers import Page
from opslib.genesys.backend import JSON, Creation, Kind
from opslib.genesys.client import GenesysClient
from opslib.genesys.creations import Creations, late
from opslib.genesys.integrations import FEED_TYPE, Integration, Integrations
from opslib.genesys.policies import POLICIES, Policy


class NamedObjects:
    """The integrations and policies of one org, by the names that opslib knows them by.

    Attributes:
        namesakes: in words, that others have the name of an object whose id the onboarding names.
    """

    def __init__(self, client: GenesysClient, integrations: Integrations, creations: Creations) -> None:
        self._client, self._integrations, self._creations = client, integrations, creations
        # Which object is meant, whatever else has its name, by kind and name; "" where none is.
        self._bound: dict[tuple[Kind, str], str] = {}
        # Under which id an object was last found.
        self._found: dict[tuple[Kind, str], str] = {}
        self.namesakes: list[str] = []
        # What the server may call otherwise than we do, by kind and our name: its id.
        self._renamed: dict[tuple[Kind, str], str] = {}

    def forget_what_is_meant(self) -> None:
        """Objects are known by their names again."""
        self._bound, self.namesakes = {}, []

    def bind(self, kind: Kind, name: str, server_id: str) -> None:
        """The object with this id is meant; empty: none is there until one is made."""
        self._bound[kind, name] = server_id

    def remember(self, kind: Kind, name: str, server_id: str) -> None:
        """The server has given this object another name."""
        self._renamed[kind, name] = server_id

    def recall(self, creation: Creation) -> None:
        """Take in what an earlier process noted."""
        self._creations.recall(creation)
        if creation.kind != "credential" and creation.server_id:
            self.bind(creation.kind, creation.name, creation.server_id)

    def server_id(self, kind: Kind, name: str) -> str:
        """As it was last found; empty for none."""
        return self._found.get((kind, name), "")

    def is_meant(self, kind: Kind, name: str, server_id: str) -> bool:
        """Whether the name means the object with this id, as far as is known."""
        return self._bound.get((kind, name), server_id) == server_id

    async def listed(self, kind: Kind) -> Sequence[JSON]:
        """All of a kind: targets are the integrations that are not event feeds."""
        if kind == "policy":
            return await self._client.entities(POLICIES, Page[Policy])
        feeds = kind == "webhook"
        return [
            entity
            for entity in await self._integrations.list()
            if ((entity.get("integrationType") or {}).get("id") == FEED_TYPE) == feeds
        ]

    async def named(self, kind: Kind, name: str) -> Sequence[JSON]:
        """All that have the name in the org."""
        return [entity for entity in await self.listed(kind) if entity.get("name") == name]

    async def find(self, kind: Kind, name: str) -> JSON | None:
        """The object that is meant; also one that was made just now and that no list shows yet.

        Raises DuplicateName when it is known by its name only, and several have that.
        """
        entity = self._found_in(await self.listed(kind), kind, name)
        self._found[kind, name] = entity["id"] if entity else ""
        return entity

    def _found_in(self, listed: Sequence[JSON], kind: Kind, name: str) -> JSON | None:
        made, bound = self._creations.unlisted(kind, name), self._bound.get((kind, name))
        just_now = {"id": made, "name": name} if made else None
        if bound is not None:
            meant = [entity for entity in listed if bound and entity["id"] == bound]
            return meant[0] if meant else just_now if made == bound else None
        named = [entity for entity in listed if entity.get("name") == name]
        if len(named) > 1:
            ids = tuple(str(entity["id"]) for entity in named)
            raise DuplicateName(
                f"There are {len(named)} {'policies' if kind == 'policy' else 'integrations'} named {name}",
                cause=f"their ids are {', '.join(ids)}; an object is known by its name, so which one is meant is not "
                "clear",
                fix=f"put the id of the one to use into the onboarding as {kind}.id, and opslib leaves the others "
                "alone; or rename or remove all but one in Genesys Cloud. None of them was changed",
                ids=ids,
            )
        renamed = [entity for entity in listed if entity["id"] == self._renamed.get((kind, name))]
        return next(iter([*named, *renamed]), just_now)

    async def pin(self, kind: Kind, id: str, name: str) -> None:
        """The object with this id is meant, if it has the name."""
        named = [str(entity["id"]) for entity in await self.named(kind, name)]
        made = self._creations.unlisted(kind, name)
        self.bind(kind, name, id if id in (*named, made) else "")
        if others := [other for other in named if other != id]:
            self.namesakes.append(
                f"{kind}.id {id} is used; there is another {_word(kind)} named {name}, with id {', '.join(others)}, "
                "which opslib leaves alone"
            )

    def note_name(self, kind: Kind, name: str, answer: JSON) -> JSON:
        """The same; what the server calls it is remembered."""
        if answer.get("name") != name and "id" in answer:
            self.remember(kind, name, answer["id"])
        return answer

    async def make(self, kind: Kind, endpoint: str, new: JSON, made: JSON | None, *, alone: bool) -> JSON:
        """The object, which is made unless it was `made` before; it does nothing yet. Raises DuplicateName when it has
        to be `alone` with its name, and a list shows another one before or after it is made."""
        name = new["name"]
        if made is None:
            if alone:
                self._refuse_namesakes(kind, name, "", await self.named(kind, name))
            shape = Policy if kind == "policy" else Integration
            made = await self._creations.create(kind, endpoint, new, shape, lambda: self._left_by_post(kind, name))
            self.bind(kind, name, made["id"])
        if alone:
            # By its id, as the server may have given it another name.
            listed = await late(
                lambda: self.listed(kind), lambda listed: made["id"] in [entity["id"] for entity in listed]
            )
            self._refuse_namesakes(kind, name, made["id"], [one for one in listed if one.get("name") == name])
        return made

    def _refuse_namesakes(self, kind: Kind, name: str, made: str, named: Sequence[JSON]) -> None:
        others = [str(entity["id"]) for entity in named if entity["id"] != made]
        if others:
            raise DuplicateName(
                f"Another {_word(kind)} named {name} was made at the same time",
                cause=f"it has id {', '.join(others)}, and opslib has not changed it; "
                + (f"the one that opslib made has id {made}" if made else "opslib has made none"),
                fix=f"plan again: the plan shows what the other {_word(kind)} has; or choose another {kind}.name",
                ids=(*others, *([made] if made else [])),
            )

    async def look_for_unanswered(self, kind: Kind, name: str) -> None:
        """An operation of its own, as it may take as long as a list may be late."""
        if name not in self._creations.begun(kind):
            return
        async with self._client.operation(f"find_{kind}"):
            made = await self._creations.unanswered(kind, name, lambda: self._left_by_post(kind, name))
        if made:
            self.bind(kind, name, made["id"])

    async def _left_by_post(self, kind: Kind, name: str) -> JSON | None:
        """An object of this name to which nothing was done since it was made. What another program made and set up is
        not taken for ours."""
        touched = "enabled" if kind == "policy" else "notes"
        known = self._bound.get((kind, name))
        named = await self.named(kind, name)
        return next((entity for entity in named if not entity.get(touched) and entity["id"] != known), None)


def _word(kind: Kind) -> str:
    return "policy" if kind == "policy" else "integration"
