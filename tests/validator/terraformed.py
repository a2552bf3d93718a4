"""Builds on the sandbox what a Terraform file says: the few resources that our template has, through boto3."""

import json
import re
from typing import Any

import hcl2
from hcl2 import SerializationOptions

from ..world import Sandbox
from .buckets import Planted

Body = dict[str, Any]


def parsed(text: str) -> dict[str, Body]:
    """The blocks by address, such as aws_s3_bucket.logs or data.aws_iam_policy_document.logs."""
    options = SerializationOptions(strip_string_quotes=True, explicit_blocks=False, with_comments=False)
    document = hcl2.loads(text, serialization_options=options)
    found: dict[str, Body] = {}
    for where, blocks in (("", document.get("resource", [])), ("data.", document.get("data", []))):
        for block in blocks:
            ((kind, named),) = block.items()
            ((name, body),) = named.items()
            found[f"{where}{kind}.{name}"] = body
    return found


class Terraformed:
    """Applies the blocks in the order that Terraform would: what is referred to comes first."""

    def __init__(self, sandbox: Sandbox, text: str) -> None:
        self.sandbox, self.blocks, self.s3 = sandbox, parsed(text), sandbox.s3()
        self.known: dict[str, str] = {}

    def apply(self) -> None:
        for kind in ("aws_s3_bucket", "aws_kms_key", "data.aws_iam_policy_document", "aws_s3_bucket_policy"):
            self._all(kind)
        for kind in sorted({address.rpartition(".")[0] for address in self.blocks}):
            self._all(kind)

    def _all(self, kind: str) -> None:
        for address in [one for one in self.blocks if one.rpartition(".")[0] == kind]:
            body = self._resolved(self.blocks.pop(address))
            getattr(self, kind.replace(".", "_"))(address, body)

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._resolved(one) for key, one in value.items() if key != "depends_on"}
        if isinstance(value, list):
            return [self._resolved(one) for one in value]
        return re.sub(r"\$\{([^}]+)\}", lambda found: self.known[found[1]], value) if isinstance(value, str) else value

    def aws_s3_bucket(self, address: str, body: Body) -> None:
        name = body["bucket"]
        self.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=body.get("object_lock_enabled", False))
        self.known |= {f"{address}.id": name, f"{address}.arn": f"arn:aws:s3:::{name}"}

    def aws_kms_key(self, address: str, body: Body) -> None:
        kms = self.sandbox.s3(service="kms")
        key = kms.create_key(Description=body["description"])["KeyMetadata"]
        if body["enable_key_rotation"]:
            kms.enable_key_rotation(KeyId=key["KeyId"])
        self.known[f"{address}.arn"] = key["Arn"]

    def data_aws_iam_policy_document(self, address: str, body: Body) -> None:
        statements = [
            {
                "Sid": one["sid"],
                "Effect": one.get("effect", "Allow"),
                "Action": _plain(one["actions"]),
                "Resource": _plain(one["resources"]),
                "Principal": _principal(one["principals"]),
                "Condition": {each["test"]: {each["variable"]: _plain(each["values"])} for each in one["condition"]},
            }
            for one in body["statement"]
        ]
        self.known[f"{address}.json"] = json.dumps({"Version": "2012-10-17", "Statement": statements})

    def aws_s3_bucket_policy(self, address: str, body: Body) -> None:
        self.s3.put_bucket_policy(Bucket=body["bucket"], Policy=body["policy"])

    def aws_s3_bucket_public_access_block(self, address: str, body: Body) -> None:
        self.s3.put_public_access_block(Bucket=body["bucket"], PublicAccessBlockConfiguration=_flags(body))

    def aws_s3_account_public_access_block(self, address: str, body: Body) -> None:
        Planted(self.sandbox, "").account_block(*(flag for flag, on in _flags(body).items() if not on))

    def aws_s3_bucket_ownership_controls(self, address: str, body: Body) -> None:
        Planted(self.sandbox, body["bucket"]).ownership(body["rule"][0]["object_ownership"])

    def aws_s3_bucket_server_side_encryption_configuration(self, address: str, body: Body) -> None:
        (rule,) = body["rule"]
        (default,) = rule["apply_server_side_encryption_by_default"]
        Planted(self.sandbox, body["bucket"]).encryption(
            default["sse_algorithm"],
            default.get("kms_master_key_id"),
            bucket_key=rule.get("bucket_key_enabled", False),
        )

    def aws_s3_bucket_lifecycle_configuration(self, address: str, body: Body) -> None:
        rules = [
            {
                "ID": one["id"],
                "Status": one["status"],
                "Filter": {},
                "AbortIncompleteMultipartUpload": {
                    "DaysAfterInitiation": one["abort_incomplete_multipart_upload"][0]["days_after_initiation"]
                },
            }
            for one in body["rule"]
        ]
        self.s3.put_bucket_lifecycle_configuration(Bucket=body["bucket"], LifecycleConfiguration={"Rules": rules})

    def aws_s3_bucket_versioning(self, address: str, body: Body) -> None:
        Planted(self.sandbox, body["bucket"]).versioning(body["versioning_configuration"][0]["status"])

    def aws_s3_bucket_object_lock_configuration(self, address: str, body: Body) -> None:
        (default,) = body["rule"][0]["default_retention"]
        Planted(self.sandbox, body["bucket"]).lock(default["mode"], default["days"])

    def aws_s3_bucket_logging(self, address: str, body: Body) -> None:
        target = {"TargetBucket": body["target_bucket"], "TargetPrefix": body["target_prefix"]}
        self.s3.put_bucket_logging(Bucket=body["bucket"], BucketLoggingStatus={"LoggingEnabled": target})

    def aws_s3_bucket_notification(self, address: str, body: Body) -> None:
        assert body["eventbridge"] is True
        Planted(self.sandbox, body["bucket"]).events()


def _principal(found: list[Body]) -> Any:
    (one,) = found
    return "*" if one["type"] == "*" else {one["type"]: _plain(one["identifiers"])}


def _plain(values: list[str]) -> Any:
    """Terraform writes a list of one as a text."""
    return values[0] if len(values) == 1 else values


def _flags(body: Body) -> dict[str, bool]:
    names = {
        "BlockPublicAcls": "block_public_acls",
        "IgnorePublicAcls": "ignore_public_acls",
        "BlockPublicPolicy": "block_public_policy",
        "RestrictPublicBuckets": "restrict_public_buckets",
    }
    return {flag: body[name] for flag, name in names.items()}
