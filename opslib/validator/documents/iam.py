"""IAM documents for what the checks and the writer need, and no more."""

import re
from collections.abc import Set
from typing import Any

from opslib.credentials import RoleReference
from opslib.settings import REGIONS
from opslib.validator.aws_calls import actions_of
from opslib.validator.check import calls_elsewhere, calls_of
from opslib.validator.profile import Profile
from opslib.validator.wanted import Wanted

Document = dict[str, Any]

# The account from which Genesys Cloud assumes its customers' roles (AWS S3 recording integration guide).
_GENESYS_ACCOUNT = "765628985471"
_GENESYS_FEDRAMP_ACCOUNT = "325654371633"
_FEDRAMP_DOMAIN = REGIONS["us-east-2"]

# Actions whose resource is an object or the account (Service Authorization Reference); other s3 ones take the bucket.
_ON_OBJECTS = frozenset({"s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"})
_ON_ACCOUNT = frozenset({"organizations:DescribeOrganization", "s3:GetAccountPublicAccessBlock"})
KMS_WRITE = frozenset({"kms:Decrypt", "kms:GenerateDataKey"})
"""What S3 asks of KMS on the writer's behalf, for a multipart upload (S3 User Guide)."""


def genesys_accounts(domain: str | None) -> frozenset[str]:
    """The account that an org's Genesys is; where the org's domain is not known, those that it can be."""
    if domain is None:
        return frozenset({_GENESYS_ACCOUNT, _GENESYS_FEDRAMP_ACCOUNT})
    return frozenset({_account(domain)})


def _account(domain: str | None) -> str:
    return _GENESYS_FEDRAMP_ACCOUNT if domain == _FEDRAMP_DOMAIN else _GENESYS_ACCOUNT


def for_checks(wanted: Wanted, profile: Profile) -> Document:
    """The least that lets us ask what the profile's checks ask about this bucket, as an IAM policy."""
    calls = calls_of(profile, wanted)
    actions = frozenset(actions_of(calls))
    s3 = {action for action in actions if action.startswith("s3:")}
    kms = {action for action in actions if action.startswith("kms:")}
    if wanted.kms_key and "CreateMultipartUpload" in calls:
        kms |= KMS_WRITE
    return _document(
        _allow("Bucket", s3 - _ON_OBJECTS - _ON_ACCOUNT, wanted.arn),
        # Those that take logs and copies; only the bucket's settings name them.
        _allow("OtherBuckets", set(actions_of(calls_elsewhere(profile, wanted))), f"arn:{wanted.partition}:s3:::*"),
        _allow("Canary", s3 & _ON_OBJECTS, f"{_objects(wanted)}opslib-canary-*"),
        _allow("Account", actions & _ON_ACCOUNT, "*"),
        _allow("Key", kms, wanted.kms_key or _arn(wanted, "kms", wanted.region, "key/*")),
        _allow("Role", actions & {"iam:GetRole"}, *_role(wanted)),
        # Whose permissions may be simulated: those of the user who asks, and of the writer's role.
        _allow(
            "Simulation",
            actions & {"iam:SimulatePrincipalPolicy"},
            *(_arn(wanted, "iam", "", "user/${aws:username}"), *_role(wanted)),
        ),
    )


def for_writer(wanted: Wanted) -> Document:
    """What Genesys's key or role needs to write below the prefix, as an IAM policy: what Genesys documents, and the
    right to take back an upload; with a KMS key, its use."""
    return _document(
        _allow(
            "WriteRecordings",
            {"s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl"},
            f"{_objects(wanted)}*",
        ),
        _allow("SeeTheBucket", {"s3:GetBucketLocation", "s3:GetEncryptionConfiguration"}, wanted.arn),
        _allow("UseTheKey", KMS_WRITE if wanted.kms_key else set(), wanted.kms_key or ""),
    )


def trust(external_id: str, partition: str = "aws", domain: str | None = None) -> Document:
    """Who may assume the writer's role: Genesys's account, with your external id only. Where the org's `domain` is not
    known, the account of all orgs but FedRAMP's."""
    return _document(
        {
            "Sid": "GenesysCloud",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{partition}:iam::{_account(domain)}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
        }
    )


def _objects(wanted: Wanted) -> str:
    """What every recording's ARN begins with; IAM's wildcards and variables are escaped."""
    return f"{wanted.arn}/" + re.sub(r"[*?$]", lambda match: f"${{{match[0]}}}", wanted.folder)


def _role(wanted: Wanted) -> list[str]:
    return [wanted.writer.role_arn] if isinstance(wanted.writer, RoleReference) else []


def _arn(wanted: Wanted, service: str, region: str, rest: str) -> str:
    return f"arn:{wanted.partition}:{service}:{region}:{wanted.owner or '*'}:{rest}"


def _allow(sid: str, actions: Set[str], *resources: str) -> Document:
    resource = resources[0] if len(resources) == 1 else list(resources)
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": resource}


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": [statement for statement in statements if statement["Action"]]}
