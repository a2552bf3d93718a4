"""Buckets with planted defects on the sandbox's S3, and the finding of one check about them."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.stub import Stubber
from pydantic import SecretStr

from opslib.credentials import AwsKeys, RoleReference
from opslib.validator.aws import _make_client
from opslib.validator.aws_calls import CALLS, Service, actions_of
from opslib.validator.bucket import check_bucket
from opslib.validator.checks import CHECKS
from opslib.validator.finding import Finding
from opslib.validator.profile import Profile, Row
from opslib.validator.profile_loader import load_profile
from opslib.validator.wanted import Wanted

from ..world import Sandbox

ACTIONS = actions_of(CALLS)
ACCOUNT = "123456789012"
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


async def finding(
    sandbox: Sandbox,
    name: str,
    bucket: str,
    *,
    keys: AwsKeys | None = None,
    most: int | None = None,
    playable_days: int | None = None,
    beside: Sequence[str] = (),
    **more: Any,
) -> Finding:
    """What one check says about a bucket; `more` is what is wanted of it, `most` and `playable_days` what the profile
    asks for, and `beside` names the profile's other checks."""
    keys = keys or keys_of(sandbox)
    wanted = Wanted(bucket, more.pop("region", sandbox["region"]), **{"writer": keys, **more})
    profile = only(name, *beside)
    bounds = profile.retention.model_copy(update={"max_days": most, "playable_days": playable_days})
    report = await check_bucket(wanted, profile.model_copy(update={"retention": bounds}), keys)
    (found,) = [one for one in report.findings if one.check == name]
    return found


class Planted:
    """A fresh bucket to spoil or to mend."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox, self.name, self.s3 = sandbox, name, sandbox.s3()
        self.undo: list[Callable[[], object]] = []

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"

    def policy(self, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(document))

    def allow(self, principal: Any, **condition: Any) -> None:
        place = {"Action": "s3:GetObject", "Resource": f"{self.arn}/*"}
        self.policy({"Effect": "Allow", "Principal": principal, **place, **condition})

    def owner(self) -> str:
        return str(self.s3.get_bucket_acl(Bucket=self.name)["Owner"]["ID"])

    def tls_only(self, **changes: Any) -> None:
        self.policy(tls_only(self.name, **changes))

    def encryption(self, algorithm: str, key: str | None = None, *, bucket_key: bool = False) -> None:
        default = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key} if key else {})
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket_key}
        self.s3.put_bucket_encryption(Bucket=self.name, ServerSideEncryptionConfiguration={"Rules": [rule]})

    def kms(self, **changes: Any) -> str:
        kms = self.sandbox.s3(service="kms")
        key = kms.create_key()["KeyMetadata"]["Arn"].replace("us-east-1", changes.get("region", "us-east-1"))
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
        self.policy_of_logs(target)
        status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "logs/"}}
        self.s3.put_bucket_logging(Bucket=self.name, BucketLoggingStatus=status)

    def policy_of_logs(self, target: str) -> None:
        """moto refuses a log bucket that S3 may not write to, as AWS does."""
        principal, place = {"Service": "logging.s3.amazonaws.com"}, f"arn:aws:s3:::{target}/*"
        allow = {"Effect": "Allow", "Principal": principal, "Action": "s3:PutObject", "Resource": place}
        document = {"Version": "2012-10-17", "Statement": [allow]}
        self.s3.put_bucket_policy(Bucket=target, Policy=json.dumps(document))

    def events(self) -> None:
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    def queue(self, event: str = "s3:ObjectCreated:*", prefix: str = "") -> None:
        queue: dict[str, Any] = {"QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:new-recordings", "Events": [event]}
        if prefix:
            queue["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name,
            NotificationConfiguration={"QueueConfigurations": [queue]},
            SkipDestinationValidation=True,
        )

    def answers(self, body: str, *queries: str) -> None:
        """What S3 says of these parts of the bucket from now on, where moto cannot be brought to say it."""
        headers = {"x-amz-request-id": "FROM-THE-FAULT"}
        for query in queries:
            fault = {
                "method": "GET", "path_regex": f"/{self.name}$", "query": query, "body": body, "headers": headers
            }  # fmt: skip
            self.sandbox.control("POST", "/faults", fault).raise_for_status()

    def let_the_role_write(self, bucket: str | None = None) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": writes(f"arn:aws:s3:::{bucket or self.name}")})
        name = self.sandbox["role_arn"].rsplit("/", 1)[1]
        iam, policy = self.sandbox.s3(service="iam"), {"RoleName": name, "PolicyName": "planted"}
        iam.put_role_policy(**policy, PolicyDocument=document)
        self.undo.append(lambda: iam.delete_role_policy(**policy))

    def account_block(self, *off: str) -> None:
        client = _make_client("s3control", "us-east-1", keys_of(self.sandbox))
        flags = {flag: flag not in off for flag in FLAGS}
        client.put_public_access_block(AccountId=ACCOUNT, PublicAccessBlockConfiguration=flags)

    def replicate(self, to: str | None = None, status: str = "Enabled", **rule: Any) -> None:
        """To that bucket, or to a fresh one that can take copies; `rule` adds to the rule."""
        self.versioning("Enabled")
        destination = {"Bucket": f"arn:aws:s3:::{to or self.copy()}"} | rule.pop("Destination", {})
        rules = [{"Status": status, "Priority": 1, "Destination": destination} | rule]
        configuration = {"Role": "arn:aws:iam::123456789012:role/r", "Rules": rules}
        self.s3.put_bucket_replication(Bucket=self.name, ReplicationConfiguration=configuration)

    def copy(self, region: str = "eu-west-1", *, versioned: bool = True, lock: bool = False) -> str:
        """A bucket in another region, gone afterwards."""
        s3, name = self.sandbox.s3(region=region), f"{self.name}-copy"
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock, **place)
        self.undo.append(lambda: s3.delete_bucket(Bucket=name))
        if versioned:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name


def writes(arn: str, place: str = "") -> list[dict[str, Any]]:
    """Statements of a role that may write as Genesys documents, below `place`."""
    return [
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectAcl"], "Resource": f"{arn}/{place}*"},
        {"Effect": "Allow", "Action": ["s3:GetBucketLocation", "s3:GetEncryptionConfiguration"], "Resource": arn},
    ]


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
    """A fresh bucket, gone afterwards, logs that S3 wrote included; ACLs are on, so that they can be spoiled."""
    s3 = sandbox.s3()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
    bucket = Planted(sandbox, name)
    try:
        yield bucket
    finally:
        for undo in bucket.undo:
            undo()
        sandbox.control("DELETE", "/faults")
        s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={})
        for log in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=log["Key"])
        s3.delete_bucket(Bucket=name)


def kms_says(monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, Any, dict[str, Any]]) -> None:
    """KMS's answers where moto has none such: method, answer or error's code, and what must be asked."""

    def client(service: Service, region: str, keys: AwsKeys | None) -> Any:
        made = _make_client(service, region, keys)
        if service == "kms":
            stubber = Stubber(made)
            for method, answer, asked in answers:
                if isinstance(answer, str):
                    stubber.add_client_error(method, answer, expected_params=asked)
                else:
                    stubber.add_response(method, answer, asked)
            stubber.activate()
        return made

    monkeypatch.setattr("opslib.validator.aws._make_client", client)


def role_of(sandbox: Sandbox, external_id: str | None = None) -> RoleReference:
    """The sandbox's role, with its external id or another."""
    return RoleReference(role_arn=sandbox["role_arn"], external_id=external_id or sandbox["external_id"])


@contextmanager
def role(sandbox: Sandbox, trust: dict[str, Any], *allowed: dict[str, Any]) -> Iterator[RoleReference]:
    """A role with this trust and these permissions, gone afterwards."""
    iam, name = sandbox.s3(service="iam"), "planted-role"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    for number, one in enumerate(allowed):
        document = json.dumps({"Version": "2012-10-17", "Statement": one})
        iam.put_role_policy(RoleName=name, PolicyName=str(number), PolicyDocument=document)
    try:
        yield RoleReference(role_arn=arn, external_id="org-1")
    finally:
        for number in range(len(allowed)):
            iam.delete_role_policy(RoleName=name, PolicyName=str(number))
        iam.delete_role(RoleName=name)
