"""Buckets with planted defects on the sandbox's S3, and the finding of one check about them."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from opslib.models import AwsKeys, RoleReference
from opslib.validator.bucket import check_bucket
from opslib.validator.checks import CHECKS
from opslib.validator.finding import Finding
from opslib.validator.look import CALLS, Wanted
from opslib.validator.profiles import Profile, Row, load_profile

from ..world import Sandbox

ACTIONS = sorted({call.action for call in CALLS.values()} - {""})
FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def keys_of(sandbox: Sandbox, actions: Sequence[str] | None = None) -> AwsKeys:
    """The sandbox's own key pair, or one of a user who may do just these actions."""
    if actions is None:
        pair: Any = sandbox.facts
        id, secret = pair["aws_access_key_id"], pair["aws_secret_access_key"]
    else:
        pair = sandbox.control("POST", "/aws-users", {"actions": list(actions)}).raise_for_status().json()
        id, secret = pair["access_key_id"], pair["secret_access_key"]
    return AwsKeys(access_key_id=id, secret_access_key=SecretStr(secret))


def only(*names: str) -> Profile:
    """A profile of just these checks, each of which fails the bucket."""
    rows = {name: Row(level="FAIL", source="test") for name in names or CHECKS}
    return load_profile("baseline").model_copy(update={"checks": rows})


async def finding(sandbox: Sandbox, name: str, bucket: str, *, keys: AwsKeys | None = None, **more: Any) -> Finding:
    """What one check says about a bucket; `more` is what is wanted of it."""
    keys = keys or keys_of(sandbox)
    wanted = Wanted(bucket, more.pop("region", sandbox["region"]), **{"writer": keys, **more})
    report = await check_bucket(wanted, only(name), keys)
    (found,) = [one for one in report.findings if one.check == name]
    return found


class Planted:
    """A fresh bucket to spoil or to mend."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox, self.name, self.s3 = sandbox, name, sandbox.s3()

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"

    def policy(self, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(document))

    def allow(self, principal: Any, **condition: Any) -> None:
        self.policy({"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": f"{self.arn}/*"})

    def tls_only(self, **changes: Any) -> None:
        self.policy(tls_only(self.name, **changes))

    def encryption(self, algorithm: str, key: str | None = None, *, bucket_key: bool = False) -> None:
        default = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key} if key else {})
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket_key}
        self.s3.put_bucket_encryption(Bucket=self.name, ServerSideEncryptionConfiguration={"Rules": [rule]})

    def kms(self, **changes: Any) -> str:
        kms = self.sandbox.s3(service="kms")
        key = kms.create_key()["KeyMetadata"]["Arn"]
        if changes.get("disabled"):
            kms.disable_key(KeyId=key.rsplit("/", 1)[1])
        if changes.get("rotates"):
            kms.enable_key_rotation(KeyId=key)
        self.encryption("aws:kms", key, bucket_key=bool(changes.get("bucket_key")))
        return str(key)

    def block(self, *off: str) -> None:
        configuration = {flag: flag not in off for flag in FLAGS}
        self.s3.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration=configuration)

    def versioning(self, status: str) -> None:
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": status})

    def lifecycle(self, *rules: dict[str, Any]) -> None:
        full = [
            {"ID": f"r{n}", "Status": "Enabled", "Filter": {"Prefix": ""}} | rule for n, rule in enumerate(rules, 1)
        ]
        self.s3.put_bucket_lifecycle_configuration(Bucket=self.name, LifecycleConfiguration={"Rules": full})

    def lock(self, mode: str = "COMPLIANCE", days: int = 0) -> None:
        rule = {"Rule": {"DefaultRetention": {"Mode": mode, "Days": days}}} if days else {}
        self.s3.put_object_lock_configuration(
            Bucket=self.name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", **rule}
        )

    def acl(self, acl: str) -> None:
        self.s3.put_bucket_acl(Bucket=self.name, ACL=acl)

    def ownership(self, value: str) -> None:
        rules = {"Rules": [{"ObjectOwnership": value}]}
        self.s3.put_bucket_ownership_controls(Bucket=self.name, OwnershipControls=rules)

    def logging(self, target: str) -> None:
        status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "logs/"}}
        service = "logging.s3.amazonaws.com"
        self.sandbox.s3().put_bucket_policy(
            Bucket=target,
            Policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": service},
                            "Action": "s3:PutObject",
                            "Resource": f"arn:aws:s3:::{target}/*",
                        }
                    ],
                }
            ),
        )
        self.s3.put_bucket_logging(Bucket=self.name, BucketLoggingStatus=status)

    def queue(self) -> None:
        queue = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:new-recordings", "Events": ["s3:ObjectCreated:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name,
            NotificationConfiguration={"QueueConfigurations": [queue]},
            SkipDestinationValidation=True,
        )

    def replicate(self, to: str) -> None:
        self.versioning("Enabled")
        rule = {"Status": "Enabled", "Priority": 1, "Destination": {"Bucket": f"arn:aws:s3:::{to}"}}
        configuration = {"Role": "arn:aws:iam::123456789012:role/r", "Rules": [rule]}
        self.s3.put_bucket_replication(Bucket=self.name, ReplicationConfiguration=configuration)


def tls_only(bucket: str, **changes: Any) -> dict[str, Any]:
    """A statement that denies plain HTTP, as AWS documents it."""
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        **changes,
    }


@contextmanager
def planted(sandbox: Sandbox, name: str = "planted-bucket", *, lock: bool = False) -> Iterator[Planted]:
    """A fresh bucket, gone afterwards; ACLs are on, so that they can be spoiled."""
    s3 = sandbox.s3()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
    try:
        yield Planted(sandbox, name)
    finally:
        s3.delete_bucket(Bucket=name)


def role_of(sandbox: Sandbox, external_id: str | None = None) -> RoleReference:
    """The sandbox's role, with its external id or another."""
    return RoleReference(role_arn=sandbox["role_arn"], external_id=external_id or sandbox["external_id"])
