"""A commented onboarding file to start from, for each backend; on a sandbox it names the sandbox's own bucket."""

import uuid
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

import yaml

from opslib.errors import InvalidInput
from opslib.onboarding.file import load_onboarding
from opslib.onboarding.models import BackendName, Onboarding
from opslib.onboarding.values import checked, is_guid
from opslib.settings import Settings


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
    text = files("opslib.onboarding").joinpath("example_files", f"{backend}.yaml").read_text("utf-8")
    return Template(text).substitute(
        bucket=settings.sandbox_bucket or "your-recordings-bucket",
        role_arn=settings.sandbox_role_arn or "arn:aws:iam::123456789012:role/GenesysRecordings",
        external_id=settings.sandbox_external_id or "your-genesys-organization-id",
        org_id=f"org_id: {settings.org_id}" if is_guid(settings.org_id) else "# org_id: your-genesys-organization-id",
        url=f"{settings.catalogue_url or 'https://datalake.example.com'}/ingest",
        **ids,
    )


# The same in every run, so that a notebook that is run again finds what it made.
_NOTEBOOK_IDS = {
    "target_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "policy_id": "b2c3d4e5-f6a7-8901-bcde-f12345678901",
    "webhook_id": "c3d4e5f6-a7b8-9012-cdef-123456789012",
}
