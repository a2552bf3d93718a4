"""What an org keeps behind the platform API: its integrations, its policies and its audit log."""

from typing import TypeVar
from urllib.parse import unquote

from starlette.requests import Request

from opslib.sandbox.server.aws import AwsAccount
from opslib.sandbox.server.errors import ApiError
from opslib.sandbox.server.platform.audit_log import AuditLog, Entry
from opslib.sandbox.server.platform.event_feed import EventFeed
from opslib.sandbox.server.platform.integration import Integration
from opslib.sandbox.server.platform.integration_types import EVENTBRIDGE, integration_types
from opslib.sandbox.server.platform.policy import Policy
from opslib.sandbox.server.world import Shelf, World

Found = TypeVar("Found")


class Org:
    """The shelves hold everything; a reader looks at them `lag_s` late, a writer at the present."""

    def __init__(self, world: World, aws: AwsAccount, feed: EventFeed) -> None:
        self.world = world
        self.aws = aws
        self.types = integration_types(world.identity)
        self.integrations: Shelf[Integration] = Shelf()
        self.policies: Shelf[Policy] = Shelf()
        self.audit = AuditLog(world, self._tell)
        self._feed = feed

    @property
    def lag_s(self) -> float:
        return self.world.settings.read_lag_s

    def _tell(self, entry: Entry) -> None:
        sources = [one for one in self.integrations.all() if one.type.id == EVENTBRIDGE and one.state(0) == "ACTIVE"]
        self._feed.send(entry, sources)


def found(entity: Found | None) -> Found:
    if entity is None:
        raise ApiError(404, "The requested resource was not found.")
    return entity


def path_id(request: Request) -> str:
    """The id in the path, decoded here because the front keeps the path encoded."""
    return unquote(request.path_params["id"])
