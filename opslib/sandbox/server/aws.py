"""The AWS account behind the sandbox: its users, its role, its bucket; and where moto differs from AWS.

State is moto's own, written directly: no client to configure, nothing read from the user's AWS files.
"""

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from moto import settings
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.models import AccessKey, IAMBackend, iam_backends
from moto.iam.responses import IamResponse
from moto.moto_api._internal import mock_random
from moto.s3 import responses as s3_responses
from moto.s3.models import FakeBucket, S3Backend, s3_backends
from moto.s3.responses import S3Response

from opslib.sandbox.server.iam import decide, listed, statements_of

REGION = "us-east-1"
GENESYS_PRINCIPAL = "arn:aws:iam::765628985471:root"
"""The account from which Genesys Cloud assumes its customers' roles (AWS S3 recording integration guide)."""

ROLE_ACTIONS = [
    "s3:PutObject",
    "s3:PutObjectAcl",
    "s3:AbortMultipartUpload",
    "s3:GetBucketLocation",
    "s3:GetEncryptionConfiguration",
]

_MOTO_NAMES = {"s3:GetAccountPublicAccessBlock": "s3:GetPublicAccessBlock"}
"""Actions that moto asks for under a name that IAM does not have."""


class AwsAccount:
    """One account, held to IAM from the first request on: wrong keys and missing permissions are refused.

    moto keeps its state per process, so there is one of these. Its ids follow the seed.
    """

    def __init__(self, seed: int | None) -> None:
        mock_random.seed(seed)
        self._iam: IAMBackend = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._s3: S3Backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._users = 0
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
        _correct_moto()

    def add_user(self, actions: Sequence[str]) -> AccessKey:
        """A user who may do these actions, on every resource. moto's own secrets are not random enough."""
        self._users += 1
        name = f"sandbox-{self._users}"
        self._iam.create_user(REGION, name)
        known = [*actions, *(_MOTO_NAMES[action] for action in actions if action in _MOTO_NAMES)]
        self._iam.put_user_policy(name, "actions", _policy("Allow", Action=known, Resource="*"))
        key: AccessKey = self._iam.create_access_key(name)
        key.secret_access_key = secrets.token_hex(20)
        return key

    def add_role(self, name: str, external_id: str, bucket: str) -> str:
        """A role that Genesys may assume to write recordings into the bucket; returns its ARN."""
        trust = _policy(
            "Allow",
            Principal={"AWS": GENESYS_PRINCIPAL},
            Action="sts:AssumeRole",
            Condition={"StringEquals": {"sts:ExternalId": external_id}},
        )
        role = self._iam.create_role(name, trust, "/", None, "Genesys Cloud recordings", [], None)
        arn = f"arn:aws:s3:::{bucket}"
        document = _policy("Allow", Action=ROLE_ACTIONS, Resource=[arn, f"{arn}/*"])
        self._iam.put_role_policy(name, "write-recordings", document)
        return str(role.arn)

    def add_compliant_bucket(self, name: str) -> None:
        """Encrypted, versioned, closed to the public and to plain HTTP, ACLs off, nothing ever deleted."""
        self._s3.create_bucket(name, REGION)
        encryption = {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}}
        self._s3.put_bucket_encryption(name, encryption)
        flags = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        self._s3.put_public_access_block(name, dict.fromkeys(flags, "true"))
        self._s3.put_bucket_versioning(name, "Enabled")
        self._s3.put_bucket_ownership_controls(name, "BucketOwnerEnforced")  # type: ignore[arg-type]
        arn = f"arn:aws:s3:::{name}"
        tls_only = _policy(
            "Deny",
            Sid="DenyPlainHttp",
            Principal="*",
            Action="s3:*",
            Resource=[arn, f"{arn}/*"],
            Condition={"Bool": {"aws:SecureTransport": "false"}},
        )
        self._s3.put_bucket_policy(name, tls_only.encode())

    def put_object(self, bucket: str, key: str, body: bytes, last_modified: datetime) -> None:
        """As the bucket encrypts and versions it, but at a time that no client of S3 could set."""
        item = self._s3.put_object(bucket, key, body, disable_notification=True)
        item.last_modified = last_modified.astimezone(UTC).replace(tzinfo=None)  # moto's own form

    def recording_obstacle(self, *, bucket: str, region: str, role_arn: str, external_id: str) -> str | None:
        """Why Genesys could not write recordings there with this role, in words; None when it could."""
        known = self._s3.buckets.get(bucket)
        if known is None:
            return f"The bucket {bucket} does not exist"
        if known.region_name != region:
            return f"The bucket {bucket} is in {known.region_name}, not in {region}"
        role = next((role for role in self._iam.roles.values() if role.arn == role_arn), None)
        if role is None:
            return f"The role {role_arn} does not exist"
        if not any(
            _trusts_genesys(statement, external_id) for statement in statements_of(role.assume_role_policy_document)
        ):
            return f"The role {role_arn} does not let Genesys Cloud assume it with this external id"
        asked = "s3:PutObject", f"arn:aws:s3:::{bucket}/key", {"aws:securetransport": "true"}
        own, _ = decide(role.policies.values(), *asked)
        said, _ = decide([known.policy.decode()] if known.policy else [], *asked, principal=role_arn)
        if own != "allowed" or said == "explicitDeny":
            return f"The role {role_arn} may not write into {bucket}"
        return None


def _trusts_genesys(statement: dict[str, Any], external_id: str) -> bool:
    """Whether the statement of a trust policy lets Genesys assume the role when it gives this external id."""
    principals = listed(statement.get("Principal", {}).get("AWS"))
    wanted = statement.get("Condition", {}).get("StringEquals", {}).get("sts:ExternalId")
    return (
        statement["Effect"] == "Allow"
        and "sts:AssumeRole" in listed(statement["Action"])
        and bool({GENESYS_PRINCIPAL, GENESYS_PRINCIPAL.split(":")[4]} & set(principals))
        and (wanted is None or external_id in listed(wanted))
    )


def _policy(effect: str, **statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, **statement}]})


def _correct_moto() -> None:
    """The one seam where moto is made to answer as AWS does.

    - moto applies each Deny of a bucket policy whatever its Condition. A bucket that refuses plain HTTP
      would then refuse everything, so `aws:SecureTransport` is evaluated here, loopback counting as TLS.
    - IAM's simulation of a principal's policies, which moto does not have, is answered from its inline policies and
      their conditions.
    - The action that allows a bucket-level read, where moto asks for another: HeadBucket is allowed by
      s3:ListBucket, and these sub-resources by actions of their own (Service Authorization Reference).
    - Whether a bucket sends its events to EventBridge, which moto stores and does not tell.
    - The archive configurations of Intelligent-Tiering, which moto does not have, and takes for a question about
      objects: there are none.
    """
    S3Response.list_objects = _list_objects  # type: ignore[method-assign, assignment]
    FakeBucket.get_permission = _bucket_permission  # type: ignore[method-assign, assignment]
    S3Response.get_bucket_notification = _with_event_bridge  # type: ignore[method-assign, assignment]
    IamResponse.simulate_principal_policy = _simulate_principal_policy  # type: ignore[attr-defined]
    actions: dict[str, dict[str, str]] = s3_responses.ACTION_MAP["BUCKET"]
    actions["HEAD"]["DEFAULT"] = "ListBucket"
    actions["GET"].update(
        {
            "encryption": "GetEncryptionConfiguration",
            "publicAccessBlock": "GetBucketPublicAccessBlock",
            "ownershipControls": "GetBucketOwnershipControls",
            "object-lock": "GetBucketObjectLockConfiguration",
            "replication": "GetReplicationConfiguration",
            "intelligent-tiering": "GetIntelligentTieringConfiguration",
        }
    )


_get_bucket_notification = S3Response.get_bucket_notification


def _with_event_bridge(response: S3Response) -> Any:
    configuration = response.backend.get_bucket_notification_configuration(response.bucket_name)
    if configuration is None or configuration.event_bridge is None:
        return _get_bucket_notification(response)
    response.data["Action"] = "GetBucketNotificationConfiguration"
    return response.serialized(ActionResult({"EventBridgeConfiguration": {}}))


_moto_list_objects = S3Response.list_objects


def _list_objects(response: S3Response) -> Any:
    if "intelligent-tiering" not in response.querystring:
        return _moto_list_objects(response)
    root = "ListBucketIntelligentTieringConfigurationsOutput"
    return 200, {}, f"<{root}><IsTruncated>false</IsTruncated></{root}>"


def _simulate_principal_policy(response: IamResponse) -> ActionResult:
    params, iam = response._get_params(), response.backend
    kind, _, name = params["PolicySourceArn"].split(":")[5].partition("/")
    name = name.rsplit("/", 1)[-1]
    if kind == "role":
        if iam.get_role(name).arn != params["PolicySourceArn"]:
            raise NotFoundException(f"The requested entity {params['PolicySourceArn']} does not exist")
        documents = [iam.get_role_policy(name, policy)[1] for policy in iam.list_role_policies(name)]
    else:
        documents = [iam.get_user_policy(name, policy)["policy_document"] for policy in iam.list_user_policies(name)]
    entries = params.get("ContextEntries", [])
    context = {entry["ContextKeyName"].lower(): entry["ContextKeyValues"][0] for entry in entries}
    results = []
    for action in params["ActionNames"]:
        for resource in params.get("ResourceArns", ["*"]):
            decision, missing = decide(documents, action, resource, context)
            result = {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision}
            results.append({**result, "MissingContextValues": missing})
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _bucket_permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    document = json.loads(bucket.policy)
    document["Statement"] = [
        statement for statement in statements_of(bucket.policy) if not _denies_plain_http_only(statement)
    ]
    return IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)


def _denies_plain_http_only(statement: dict[str, Any]) -> bool:
    """Whether a Deny holds only when aws:SecureTransport is false (keys in any case, value in any form)."""
    if statement.get("Effect") != "Deny":
        return False
    for operator, keys in statement.get("Condition", {}).items():
        if operator.lower().removesuffix("ifexists") not in {"bool", "stringequals"}:
            continue
        for key, value in keys.items():
            if key.lower() == "aws:securetransport" and {str(item).lower() for item in listed(value)} == {"false"}:
                return True
    return False
