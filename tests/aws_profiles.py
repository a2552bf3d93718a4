"""AWS configuration files whose credentials cannot be had."""

from pathlib import Path

import pytest

from .world import Sandbox

SIGN_ON = """\
[profile corp]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = ReadOnly
region = us-east-1
[sso-session corp]
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access
"""
REFUSED = """\
[profile corp]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = base
region = us-east-1
[profile base]
aws_access_key_id = AKIAXXXXXXXXXXXXXXXX
aws_secret_access_key = profiles-canary-zzzzzzzzzzzzz
"""


def use_profile(text: str, sandbox: Sandbox, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Nobody is signed in, and the sandbox knows no such key: only the profile `corp` is left, and gives nothing."""
    (folder / "config").write_text(text)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        patch.delenv(name, raising=False)
    for name, value in {
        "HOME": str(folder),
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "AWS_PROFILE": "corp",
        "AWS_ENDPOINT_URL_STS": sandbox["s3_url"],
        "AWS_ENDPOINT_URL_S3": sandbox["s3_url"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        patch.setenv(name, value)
