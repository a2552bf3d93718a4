"""Another team's S3 integration, which is active already, and the policies that export through it."""

import time

from opslib.sandbox.server.aws import REGION
from opslib.sandbox.server.platform.credential import Credential
from opslib.sandbox.server.platform.integration import Integration
from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.platform.policy import Policy, PolicyBody
from opslib.sandbox.server.world import utc_now

NAME = "Recordings of another team"
_POLICIES = {"Calls of another team": True, "Chats of another team": False}
"""Each policy's name, and whether it is enabled."""


def add_another_integration(org: Org) -> None:
    """Active from the start, in a bucket of its own and with a role of its own."""
    identity, now = org.world.identity, utc_now()
    bucket = f"another-team-{identity.suffix}"
    org.aws.add_compliant_bucket(bucket)
    role = org.aws.add_role(f"another-team-{identity.suffix}", identity.org_id, bucket)
    (kind,) = (kind for kind in org.types.values() if kind.s3)
    assert kind.s3  # noqa: S101 (chosen for it)
    properties, credentials = {kind.s3.bucket: bucket, kind.s3.region: REGION}, {}
    if kind.s3.role:
        properties[kind.s3.role] = role
    if role_credential := kind.role_credential:
        names = {role_credential.role: role} | {
            name: identity.org_id for name in [role_credential.external_id] if name is not None
        }
        credential = Credential(identity.new_id(), "role of another team", role_credential.type, names, now, now)
        org.credentials.put(credential.id, credential)
        credentials = {role_credential.slot: credential.info()}
    integration = Integration(
        identity.new_id(),
        kind,
        NAME,
        changed=now,
        settles_at=time.monotonic(),
        intended="ENABLED",
        version=2,
        properties=properties,
        credentials=credentials,
        notes="by hand",
    )
    org.integrations.put(integration.id, integration)
    for order, (name, enabled) in enumerate(_POLICIES.items()):
        policy = Policy(identity.new_id(), _policy(name, enabled, integration.id), order, now, now)
        org.policies.put(policy.id, policy)


def _policy(name: str, enabled: bool, integration_id: str) -> PolicyBody:
    actions = {"integrationExport": {"integration": {"id": integration_id}}}
    part = {"conditions": {"forQueues": [{"id": "queue-of-another-team"}]}, "actions": actions}
    return PolicyBody.model_validate({"name": name, "enabled": enabled, "mediaPolicies": {"callPolicy": part}})
