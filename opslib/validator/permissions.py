"""IAM documents and Terraform, for what the checks and the writer need and no more."""

from collections.abc import Iterable
from typing import Any

from opslib.models import RoleReference
from opslib.validator.checks import CHECKS
from opslib.validator.checks.writer import GENESYS_ACCOUNT
from opslib.validator.look import CALLS, Wanted
from opslib.validator.profiles import Profile

Document = dict[str, Any]

# Actions whose resource is the account, or that know no resource (Service Authorization Reference).
_ON_OBJECTS = frozenset({"s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"})
_ON_ACCOUNT = frozenset({"s3:GetAccountPublicAccessBlock"})


def for_checks(wanted: Wanted, profile: Profile) -> Document:
    """The least that lets us run the profile's checks on this bucket, as an IAM policy."""
    actions = sorted({CALLS[call].action for name in profile.checks for call in CHECKS[name].calls} - {""})
    return _document(
        _allow(
            "Bucket", [a for a in actions if a.startswith("s3:") and a not in _ON_OBJECTS | _ON_ACCOUNT], wanted.arn
        ),
        _allow("Canary", [a for a in actions if a in _ON_OBJECTS], _objects(wanted)),
        _allow("Account", [a for a in actions if a in _ON_ACCOUNT], "*"),
        _allow("Key", [a for a in actions if a.startswith("kms:")], "*"),
        _allow("Role", [a for a in actions if a.startswith("iam:")], "*"),
    )


def for_writer(wanted: Wanted, kms_key_arn: str | None = None) -> Document:
    """What Genesys's key or role needs to write below the prefix, as an IAM policy."""
    kms = ["kms:GenerateDataKey", "kms:Decrypt"] if kms_key_arn else []
    return _document(
        _allow("WriteRecordings", ["s3:AbortMultipartUpload", "s3:PutObject"], _objects(wanted)),
        _allow("SeeTheBucket", ["s3:GetBucketLocation", "s3:GetEncryptionConfiguration", "s3:ListBucket"], wanted.arn),
        _allow("UseTheKey", kms, kms_key_arn or ""),
    )


def trust(role: RoleReference) -> Document:
    """Who may assume the writer's role: Genesys's account, with your external id only."""
    return _document(
        {
            "Sid": "GenesysCloud",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{GENESYS_ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": role.external_id}},
        }
    )


def terraform(wanted: Wanted, profile: Profile) -> str:
    """A bucket that passes the profile, as Terraform; what needs your own values says so in capitals."""
    days = wanted.retention_days or profile.retention.min_days or 365
    lock = "object-lock" in profile.checks and profile.worm
    head = f'resource "aws_s3_bucket" "recordings" {{\n  bucket              = "{wanted.bucket}"\n'
    head += "  object_lock_enabled = true\n}" if lock else "}"
    parts = [CHECKS[name].terraform for name in CHECKS if name in profile.checks and (lock or name != "object-lock")]
    policy = (
        'resource "aws_s3_bucket_policy" "recordings" {\n'
        f'  bucket = "{wanted.bucket}"\n'
        "  policy = data.aws_iam_policy_document.tls_only.json\n}"
    )
    text = "\n\n".join([f"# {profile.title} ({profile.name})", head, *filter(None, parts), policy])
    return text.replace("BUCKET", wanted.bucket).replace("DAYS", str(days)) + "\n"


def _objects(wanted: Wanted) -> str:
    return f"{wanted.arn}/{wanted.prefix}/*" if wanted.prefix else f"{wanted.arn}/*"


def _allow(sid: str, actions: list[str], resource: str) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(_used(statements))}


def _used(statements: Iterable[Document]) -> Iterable[Document]:
    return (one for one in statements if one["Action"])
