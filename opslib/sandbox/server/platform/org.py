"""What an org keeps behind the platform API: its integrations, its policies and its audit log."""

from opslib.sandbox.server.aws import AwsAccount
from opslib.sandbox.server.platform.audit_log import AuditLog
from opslib.sandbox.server.platform.event_feed import EventFeed
from opslib.sandbox.server.platform.integration import Integration
from opslib.sandbox.server.platform.integration_types import integration_types
from opslib.sandbox.server.platform.policy import Policy
from opslib.sandbox.server.world import VersionedStore, World


class Org:
    """The stores hold everything; a reader looks at them `lag_s` late, a writer at the present."""

    def __init__(self, world: World, aws: AwsAccount, feed: EventFeed) -> None:
        self.world = world
        self.aws = aws
        self.types = integration_types(world.identity)
        self.integrations: VersionedStore[Integration] = VersionedStore()
        self.policies: VersionedStore[Policy] = VersionedStore()
        self.audit = AuditLog(world, lambda entry: feed.send(entry, self.integrations.all()))

    @property
    def lag_s(self) -> float:
        return self.world.settings.read_lag_s
