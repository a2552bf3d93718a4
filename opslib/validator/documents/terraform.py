"""A bucket that passes a profile, as Terraform: the fixes of the profile's checks, put together."""

from opslib.validator.checks import CHECKS
from opslib.validator.checks.encryption import TF_KMS
from opslib.validator.inspection import Wanted
from opslib.validator.profiles import Profile

# Fixes that are no part of a bucket, or that another one excludes: MFA delete is for the root user, and forbids
# lifecycle rules; a copy needs a second region; users and roles are documents of their own.
_APART = frozenset(
    {"mfa-delete", "replication", "owner", "writer", "writer-role-trust", "writer-role-permissions", "own-permissions"}
)
_KMS = frozenset({"encryption", "kms-key", "kms-rotation", "bucket-key"})


def template(wanted: Wanted, profile: Profile) -> str:
    """Terraform for the bucket; region, name, retention and encryption are those that are wanted."""
    days = wanted.retention_days or profile.retention.min_days or 365
    blocks = [_provider(wanted), *(_block(name, wanted, profile) for name in CHECKS if name in profile.checks)]
    title = f"# {' '.join(profile.title.split())} ({profile.name}), {days} days"
    text = "\n\n".join([title, *filter(None, dict.fromkeys(blocks))])
    names = {
        '"BUCKET"': "aws_s3_bucket.recordings.id",
        '"ARN"': "aws_s3_bucket.recordings.arn",
        "ARN/": "${aws_s3_bucket.recordings.arn}/",
        "BUCKET": wanted.bucket,
        "REGION": wanted.region,
        "ACCOUNT": wanted.owner or "",
        "DAYS": str(days),
    }
    for name, value in names.items():
        text = text.replace(name, value)
    return text + "\n"


def _block(check: str, wanted: Wanted, profile: Profile) -> str:
    if check == "reachable":
        return _bucket(wanted, lock=profile.worm)
    if check in _APART or (check == "object-lock" and not profile.worm):
        return ""
    if check in _KMS:
        return TF_KMS if wanted.encryption == "aws:kms" else CHECKS["encryption"].terraform
    return CHECKS[check].terraform


def _provider(wanted: Wanted) -> str:
    return CHECKS["owner"].terraform if wanted.owner else 'provider "aws" {\n  region = "REGION"\n}'


def _bucket(wanted: Wanted, *, lock: bool) -> str:
    lines = f'  bucket              = "{wanted.bucket}"\n  object_lock_enabled = true'
    return 'resource "aws_s3_bucket" "recordings" {\n' + (lines if lock else f'  bucket = "{wanted.bucket}"') + "\n}"
