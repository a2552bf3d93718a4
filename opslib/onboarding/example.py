"""A commented onboarding file to start from, for each backend; on a sandbox it names the sandbox's own bucket."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from string import Template

import yaml

from opslib.errors import InvalidInput
from opslib.onboarding.file import load_onboarding
from opslib.onboarding.models import BackendName, Onboarding
from opslib.onboarding.values import checked
from opslib.settings import Settings

_EXAMPLES: dict[BackendName, str] = {
    "storage-targets": """\
# One storage target with its retention policy and its webhook. docs/onboarding.md explains each line.
version: 1
backend: storage-targets
target:
  id: $target_id      # yours to choose; the same id is the same target
  name: ProdVoiceArchive
  bucket: $bucket
  region: us-east-1
  path_prefix: recordings/voice
  encryption: AES256                            # or aws:kms
  retention_days: 365
  credentials:                                  # names of variables, never the values
    access_key_id_env: AWS_ACCESS_KEY_ID
    secret_access_key_env: AWS_SECRET_ACCESS_KEY
    # or instead of the two lines above: role_arn and external_id
policy:
  id: $policy_id
  name: ComplianceVoicePolicy
  recording_types: [voice]                      # voice, chat, email, message, screen
  retention_days: 365                           # at most the target's
webhook:
  id: $webhook_id
  name: DataLakeCatalogSync
  url: $url
  events: [routing.recording.storage.updated, routing.recording.policy.updated]
  authentication: {type: none}
profile: baseline
""",
    "platform": """\
# One storage target with its retention policy and its change feed. docs/onboarding.md explains each line.
version: 1
backend: platform
target:                                         # an S3 integration; found again by its name
  name: ProdVoiceArchive
  bucket: $bucket
  region: us-east-1
  path_prefix: recordings/voice                 # this and encryption go as far as the integration has them
  encryption: AES256                            # or aws:kms
  retention_days: 365                           # what the bucket is held to; Genesys has no such field here
  credentials:                                  # a role that Genesys assumes; AWS keys are refused
    role_arn: $role_arn
    external_id: $external_id
policy:                                         # a media retention policy; found again by its name
  name: ComplianceVoicePolicy
  recording_types: [voice]                      # voice, chat, email, message; and screen
  retention_days: 365                           # Genesys deletes its own copy after these days
  conditions:                                   # all that are named must hold
    directions: [INBOUND]                       # voice only: INBOUND, OUTBOUND
    # queues, users, teams, wrapup_codes: [ids]; date_ranges: [2026-01-01T00:00:00Z/2026-02-01T00:00:00Z]
    # or instead of conditions: all_interactions: true, which needs consent
webhook:                                        # an EventBridge integration; opslib check-feed shows the AWS side
  name: DataLakeCatalogSync
  account: "123456789012"                       # the AWS account and region that Genesys sends its events to
  region: us-east-1
  suffix: opslib                                # the end of the event source's name
  url: $url      # where a rule in your account sends them on to
profile: baseline
""",
}


def write_example(path: Path, backend: BackendName, settings: Settings) -> None:
    """Write a commented example with ids of its own. Raises InvalidInput when the file exists or cannot be written."""
    ids = {name: str(uuid.uuid4()) for name in _NOTEBOOK_IDS}
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_example(backend, settings, ids))
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written", cause=error.strerror or str(error), fix="name another file"
        ) from None


def wanted_onboarding(settings: Settings) -> Onboarding:
    """What a notebook starts from: the file that OPSLIB_ONBOARDING names, else an example to fill in."""
    if settings.onboarding:
        return load_onboarding(settings.onboarding)
    return checked(Onboarding, **yaml.safe_load(_example(settings.backend, settings, _NOTEBOOK_IDS)))


def _example(backend: BackendName, settings: Settings, ids: Mapping[str, str]) -> str:
    """On a sandbox it is complete: it names the sandbox's bucket, role and data lake."""
    return Template(_EXAMPLES[backend]).substitute(
        bucket=settings.sandbox_bucket or "your-recordings-bucket",
        role_arn=settings.sandbox_role_arn or "arn:aws:iam::123456789012:role/GenesysRecordings",
        external_id=settings.sandbox_external_id or "your-genesys-organization-id",
        url=f"{settings.catalogue_url or 'https://datalake.example.com'}/ingest",
        **ids,
    )


# The same in every run, so that a notebook that is run again finds what it made.
_NOTEBOOK_IDS = {
    "target_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "policy_id": "b2c3d4e5-f6a7-8901-bcde-f12345678901",
    "webhook_id": "c3d4e5f6-a7b8-9012-cdef-123456789012",
}
