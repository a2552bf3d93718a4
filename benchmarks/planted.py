"""Buckets with one planted defect each, for the validator's benchmark; to protect in an unusual way is none."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

DAYS = 365
FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
FALSE = {"aws:SecureTransport": "false"}
USER = {"AWS": "arn:aws:iam::123456789012:user/somebody"}

Clients = dict[str, Any]
Spoil = Callable[[Clients, str], object]


class Defect(NamedTuple):
    """What is planted, the word that is right for the check which should see it, and Prowler's check for the same."""

    name: str
    right: str
    check: str
    prowler: str
    spoil: Spoil


def plant(clients: Clients, bucket: str, defect: Defect) -> None:
    """A bucket in which all is well, then spoilt."""
    s3 = clients["s3"]
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket="Lock" in defect.name)
    encrypt(clients, bucket, SSEAlgorithm="AES256")
    block(clients, bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    ownership(clients, bucket, "BucketOwnerEnforced")
    tls(clients, bucket)
    defect.spoil(clients, bucket)


def nothing(clients: Clients, bucket: str) -> None:
    pass


def encrypt(clients: Clients, bucket: str, **default: str) -> None:
    rules = [{"ApplyServerSideEncryptionByDefault": default}]
    clients["s3"].put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})


def disabled_key(clients: Clients, bucket: str) -> None:
    key = clients["kms"].create_key()["KeyMetadata"]
    clients["kms"].disable_key(KeyId=key["KeyId"])
    encrypt(clients, bucket, SSEAlgorithm="aws:kms", KMSMasterKeyID=key["Arn"])


def block(clients: Clients, bucket: str, *off: str) -> None:
    flags = {flag: flag not in off for flag in FLAGS}
    clients["s3"].put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=flags)


def ownership(clients: Clients, bucket: str, value: str) -> None:
    rules = {"Rules": [{"ObjectOwnership": value}]}
    clients["s3"].put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)


def policy(clients: Clients, bucket: str, *statements: dict[str, Any]) -> None:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    clients["s3"].put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))


def deny(bucket: str, **changes: Any) -> dict[str, Any]:
    both = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    whole = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": both, "Condition": {"Bool": FALSE}}
    return {key: value for key, value in (whole | changes).items() if value is not None}


def tls(clients: Clients, bucket: str, **changes: Any) -> None:
    policy(clients, bucket, deny(bucket, **changes))


def allow(clients: Clients, bucket: str, principal: Any) -> None:
    place = f"arn:aws:s3:::{bucket}/*"
    grant = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": place}
    policy(clients, bucket, deny(bucket), grant)


def public_acl(clients: Clients, bucket: str) -> None:
    block(clients, bucket, *FLAGS)
    ownership(clients, bucket, "ObjectWriter")
    clients["s3"].put_bucket_acl(Bucket=bucket, ACL="public-read")


def lifecycle(clients: Clients, bucket: str, **action: Any) -> None:
    rule = {"ID": "saves-money", "Status": "Enabled", "Filter": {"Prefix": ""}, **action}
    clients["s3"].put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})


def lock(clients: Clients, bucket: str, mode: str, days: int) -> None:
    rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    clients["s3"].put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)


def public_policy(clients: Clients, bucket: str) -> None:
    block(clients, bucket, *FLAGS)
    allow(clients, bucket, "*")


def suspend(clients: Clients, bucket: str) -> None:
    clients["s3"].put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def other_account(clients: Clients, bucket: str) -> None:
    allow(clients, bucket, {"AWS": "arn:aws:iam::210987654321:root"})


_TLS = ("tls-only", "s3_bucket_secure_transport_policy")
_RULES = ("retention", "s3_bucket_lifecycle_enabled")
_LOCK = ("object-lock", "s3_bucket_object_lock")
OLD = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
COLD = {"Transitions": [{"Days": 30, "StorageClass": "DEEP_ARCHIVE"}]}
IN_A_LIST = {"Bool": {"aws:SecureTransport": ["false"]}}
LOWER = {"Bool": {"aws:securetransport": "false"}}
IP = {"Bool": FALSE, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}

DEFECTS = [
    Defect("nothing", "PASS", *_TLS, nothing),
    Defect("TLS: false in a list", "PASS", *_TLS, lambda c, b: tls(c, b, Condition=IN_A_LIST)),
    Defect("TLS: key in lower case", "PASS", *_TLS, lambda c, b: tls(c, b, Condition=LOWER)),
    Defect("TLS: BoolIfExists", "PASS", *_TLS, lambda c, b: tls(c, b, Condition={"BoolIfExists": FALSE})),
    Defect("TLS: no policy at all", "FAIL", *_TLS, lambda c, b: c["s3"].delete_bucket_policy(Bucket=b)),
    Defect("TLS: denied to one user only", "FAIL", *_TLS, lambda c, b: tls(c, b, Principal=USER)),
    Defect(
        "TLS: denied in one folder only", "FAIL", *_TLS, lambda c, b: tls(c, b, Resource=f"arn:aws:s3:::{b}/public/*")
    ),
    Defect("TLS: denied for reading only", "FAIL", *_TLS, lambda c, b: tls(c, b, Action="s3:Get*")),
    Defect("TLS: denied for one ACL action only", "FAIL", *_TLS, lambda c, b: tls(c, b, Action="s3:PutObjectAcl")),
    Defect("TLS: denied to some addresses only", "FAIL", *_TLS, lambda c, b: tls(c, b, Condition=IP)),
    Defect(
        "a rule deletes recordings after 30 days",
        "FAIL",
        *_RULES,
        lambda c, b: lifecycle(c, b, Expiration={"Days": 30}),
    ),
    Defect("a rule deletes old versions after a day", "FAIL", *_RULES, lambda c, b: lifecycle(c, b, **OLD)),
    Defect(
        "a rule archives recordings after 30 days",
        "FAIL",
        "playable",
        "s3_bucket_lifecycle_enabled",
        lambda c, b: lifecycle(c, b, **COLD),
    ),
    Defect("Object Lock without a default", "FAIL", *_LOCK, nothing),
    Defect("Object Lock of 30 days for a year's recordings", "FAIL", *_LOCK, lambda c, b: lock(c, b, "COMPLIANCE", 30)),
    Defect("Object Lock in GOVERNANCE mode", "WARN", *_LOCK, lambda c, b: lock(c, b, "GOVERNANCE", DAYS)),
    Defect("the KMS key is disabled", "FAIL", "kms-key", "s3_bucket_kms_encryption", disabled_key),
    Defect(
        "the target wants encryption, there is none",
        "FAIL",
        "encryption",
        "s3_bucket_default_encryption",
        lambda c, b: c["s3"].delete_bucket_encryption(Bucket=b),
    ),
    Defect(
        "one public-access flag is off",
        "FAIL",
        "public-access-block",
        "s3_bucket_level_public_access_block",
        lambda c, b: block(c, b, "IgnorePublicAcls"),
    ),
    Defect("a public ACL", "FAIL", "no-public-acl", "s3_bucket_public_list_acl", public_acl),
    Defect("ACLs are on", "FAIL", "acls-off", "s3_bucket_acl_prohibited", lambda c, b: ownership(c, b, "ObjectWriter")),
    Defect("a public policy", "FAIL", "policy-not-public", "s3_bucket_public_access", public_policy),
    Defect("another account may read", "FAIL", "cross-account", "s3_bucket_cross_account_access", other_account),
    Defect("versioning is suspended", "FAIL", "versioning", "s3_bucket_object_versioning", suspend),
    Defect("no access log", "FAIL", "access-logging", "s3_bucket_server_access_logging_enabled", nothing),
    Defect("nobody hears of new recordings", "FAIL", "notifications", "s3_bucket_event_notifications_enabled", nothing),
    Defect("uploads that never end stay", "FAIL", "incomplete-uploads", "", nothing),
]
