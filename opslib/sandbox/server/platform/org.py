"""What an org keeps behind the platform API: its integrations, their credentials, its policies and its audit log."""

from opslib.sandbox.server.aws import AwsAccount
from opslib.sandbox.server.platform.audit_log import AuditLog
from opslib.sandbox.server.platform.credential import Credential, credential_types
from opslib.sandbox.server.platform.event_feed import EventFeed
from opslib.sandbox.server.platform.integration import Integration
from opslib.sandbox.server.platform.integration_types import IntegrationType, integration_types
from opslib.sandbox.server.platform.policy import Policy
from opslib.sandbox.server.platform.shapes import SHAPES
from opslib.sandbox.server.world import VersionedStore, World


class Org:
    """The stores hold everything; a reader looks at them `lag_s` late, a writer at the present."""

    def __init__(self, world: World, aws: AwsAccount, feed: EventFeed) -> None:
        self.world = world
        self.aws = aws
        self._types = {name: integration_types(world.identity, shape) for name, shape in SHAPES.items()}
        self.credential_types = credential_types(world.identity)
        self.credentials: VersionedStore[Credential] = VersionedStore()
        self.integrations: VersionedStore[Integration] = VersionedStore()
        self.policies: VersionedStore[Policy] = VersionedStore()
        self.audit = AuditLog(world, lambda entry: feed.send(entry, self.integrations.all()))

    @property
    def types(self) -> dict[str, IntegrationType]:
        """What the org can integrate with, by id; the S3 integration in the shape that the settings name."""
        return self._types[self.world.settings.integration_shape]

    @property
    def lag_s(self) -> float:
        return self.world.settings.read_lag_s
