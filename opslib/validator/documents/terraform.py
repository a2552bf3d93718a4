"""A bucket that passes a profile, as Terraform: the parts of the profile's checks, put together."""

from opslib.validator.check import CHECKS
from opslib.validator.checks.access import TF_PROVIDER_OF_ACCOUNT
from opslib.validator.profile import Profile
from opslib.validator.wanted import Wanted


def template(wanted: Wanted, profile: Profile) -> str:
    """Terraform for the bucket; region, name, retention and encryption are those that are wanted."""
    days = profile.retention_days(wanted) or 365
    provider = TF_PROVIDER_OF_ACCOUNT if wanted.owner else 'provider "aws" {\n  region = "REGION"\n}'
    blocks = [provider, *(check.generate(wanted, profile) for check in CHECKS.values() if check.id in profile.checks)]
    title = f"# {' '.join(profile.title.split())} ({profile.name}), {days} days"
    text = "\n\n".join([title, *filter(None, dict.fromkeys(blocks))])
    values = {
        '"BUCKET"': "aws_s3_bucket.recordings.id",
        '"ARN"': "aws_s3_bucket.recordings.arn",
        "ARN/": "${aws_s3_bucket.recordings.arn}/",
        "BUCKET": wanted.bucket,
        "REGION": wanted.region,
        "ACCOUNT": wanted.owner or "",
        "DAYS": str(days),
    }
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text + "\n"
