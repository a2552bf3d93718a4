"""Where in S3 recordings go, on either API."""

from collections.abc import Iterator
from typing import NamedTuple, cast

from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.resources import POLICY, TARGET, RecordingPolicy, StorageTarget


class Destination(NamedTuple):
    """`prefix` ends with a slash unless it is empty."""

    bucket: str
    prefix: str


def destination(org: Org, id: str) -> Destination | None:
    """Of an active integration that exports to S3, or of an enabled storage target; None for anything else."""
    record = org.world.get(TARGET, id)
    if record and record.body.enabled:
        where = cast(StorageTarget, record.body).configuration
        return Destination(where.bucket, _folder(where.pathPrefix))
    integration = org.integrations.get(id)
    if integration is None or integration.state(0) != "ACTIVE" or not (names := integration.type.s3):
        return None
    properties = integration.properties
    return Destination(str(properties.get(names.bucket, "")), _folder(str(properties.get(names.prefix or "", ""))))


def routed(org: Org) -> Iterator[Destination]:
    """Where the enabled policies send recordings."""
    policies = [cast(RecordingPolicy, record.body) for record in org.world.all(POLICY) if record.body.enabled]
    targets = {policy.storageTargetId for policy in policies}
    exports = {
        name for policy in org.policies.all() if policy.body.enabled for name in policy.body.export_integrations()
    }
    for id in [*sorted(targets), *sorted(exports)]:
        if found := destination(org, id):
            yield found


def _folder(prefix: str) -> str:
    prefix = prefix.strip("/")
    return f"{prefix}/" if prefix else ""
