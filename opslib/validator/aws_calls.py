"""A table of the AWS calls that checks and anchors make, with the IAM action that allows each.

The actions are those of the Service Authorization Reference.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Service = Literal["s3", "s3control", "kms", "iam", "sts", "events", "organizations"]


@dataclass(frozen=True)
class Call:
    """The service, boto3's method, and the IAM action."""

    service: Service
    method: str
    action: str


CALLS: dict[str, Call] = {
    "HeadBucket": Call("s3", "head_bucket", "s3:ListBucket"),
    "GetBucketEncryption": Call("s3", "get_bucket_encryption", "s3:GetEncryptionConfiguration"),
    "GetPublicAccessBlock": Call("s3", "get_public_access_block", "s3:GetBucketPublicAccessBlock"),
    "GetAccountPublicAccessBlock": Call("s3control", "get_public_access_block", "s3:GetAccountPublicAccessBlock"),
    "GetBucketPolicy": Call("s3", "get_bucket_policy", "s3:GetBucketPolicy"),
    "GetBucketPolicyStatus": Call("s3", "get_bucket_policy_status", "s3:GetBucketPolicyStatus"),
    "GetBucketOwnershipControls": Call("s3", "get_bucket_ownership_controls", "s3:GetBucketOwnershipControls"),
    "GetBucketAcl": Call("s3", "get_bucket_acl", "s3:GetBucketAcl"),
    "GetBucketVersioning": Call("s3", "get_bucket_versioning", "s3:GetBucketVersioning"),
    "GetObjectLockConfiguration": Call("s3", "get_object_lock_configuration", "s3:GetBucketObjectLockConfiguration"),
    "GetBucketLifecycleConfiguration": Call("s3", "get_bucket_lifecycle_configuration", "s3:GetLifecycleConfiguration"),
    "GetBucketLogging": Call("s3", "get_bucket_logging", "s3:GetBucketLogging"),
    "GetBucketReplication": Call("s3", "get_bucket_replication", "s3:GetReplicationConfiguration"),
    "GetBucketNotificationConfiguration": Call(
        "s3", "get_bucket_notification_configuration", "s3:GetBucketNotification"
    ),
    "GetBucketLocation": Call("s3", "get_bucket_location", "s3:GetBucketLocation"),
    "ListBuckets": Call("s3", "list_buckets", "s3:ListAllMyBuckets"),
    "ListBucketIntelligentTieringConfigurations": Call(
        "s3", "list_bucket_intelligent_tiering_configurations", "s3:GetIntelligentTieringConfiguration"
    ),
    "CreateMultipartUpload": Call("s3", "create_multipart_upload", "s3:PutObject"),
    "UploadPart": Call("s3", "upload_part", "s3:PutObject"),
    "AbortMultipartUpload": Call("s3", "abort_multipart_upload", "s3:AbortMultipartUpload"),
    "ListParts": Call("s3", "list_parts", "s3:ListMultipartUploadParts"),
    "ListMultipartUploads": Call("s3", "list_multipart_uploads", "s3:ListBucketMultipartUploads"),
    "PutObject": Call("s3", "put_object", "s3:PutObject"),
    "ListObjectVersions": Call("s3", "list_object_versions", "s3:ListBucketVersions"),
    "GetObject": Call("s3", "get_object", "s3:GetObjectVersion"),
    "DescribeKey": Call("kms", "describe_key", "kms:DescribeKey"),
    "GetKeyRotationStatus": Call("kms", "get_key_rotation_status", "kms:GetKeyRotationStatus"),
    "GetKeyPolicy": Call("kms", "get_key_policy", "kms:GetKeyPolicy"),
    "ListGrants": Call("kms", "list_grants", "kms:ListGrants"),
    "GetRole": Call("iam", "get_role", "iam:GetRole"),
    "SimulatePrincipalPolicy": Call("iam", "simulate_principal_policy", "iam:SimulatePrincipalPolicy"),
    "DescribeOrganization": Call("organizations", "describe_organization", "organizations:DescribeOrganization"),
    "DescribeEventSource": Call("events", "describe_event_source", "events:DescribeEventSource"),
    "DescribeEventBus": Call("events", "describe_event_bus", "events:DescribeEventBus"),
    "ListRules": Call("events", "list_rules", "events:ListRules"),
    "TestEventPattern": Call("events", "test_event_pattern", "events:TestEventPattern"),
    "ListTargetsByRule": Call("events", "list_targets_by_rule", "events:ListTargetsByRule"),
    "DescribeApiDestination": Call("events", "describe_api_destination", "events:DescribeApiDestination"),
    "DescribeConnection": Call("events", "describe_connection", "events:DescribeConnection"),
    # Needs no permission.
    "GetCallerIdentity": Call("sts", "get_caller_identity", ""),
}

FIELDS: dict[str, str] = {
    "HeadBucket": "BucketRegion",
    "GetBucketEncryption": "ServerSideEncryptionConfiguration.Rules",
    "GetPublicAccessBlock": "PublicAccessBlockConfiguration.BlockPublicAcls",
    "GetAccountPublicAccessBlock": "PublicAccessBlockConfiguration.BlockPublicAcls",
    "GetBucketPolicy": "Policy",
    "GetBucketPolicyStatus": "PolicyStatus.IsPublic",
    "GetBucketOwnershipControls": "OwnershipControls.Rules",
    "GetBucketAcl": "Grants",
    "GetObjectLockConfiguration": "ObjectLockConfiguration",
    "GetBucketLifecycleConfiguration": "Rules",
    "ListBuckets": "Buckets",
    "ListBucketIntelligentTieringConfigurations": "IsTruncated",
    "GetBucketReplication": "ReplicationConfiguration.Rules",
    "CreateMultipartUpload": "UploadId",
    "UploadPart": "ETag",
    "ListParts": "UploadId",
    "ListMultipartUploads": "Bucket",
    "PutObject": "VersionId",
    "ListObjectVersions": "IsTruncated",
    "GetObject": "ETag",
    "DescribeKey": "KeyMetadata.KeyId",
    "GetKeyRotationStatus": "KeyRotationEnabled",
    "GetKeyPolicy": "Policy",
    "ListGrants": "Grants",
    "DescribeOrganization": "Organization",
    "GetRole": "Role.AssumeRolePolicyDocument",
    "SimulatePrincipalPolicy": "EvaluationResults",
    "DescribeEventSource": "Name",
    "DescribeEventBus": "Name",
    "ListRules": "Rules",
    "TestEventPattern": "Result",
    "ListTargetsByRule": "Targets",
    "DescribeApiDestination": "InvocationEndpoint",
    "DescribeConnection": "ConnectionState",
    "GetCallerIdentity": "Account",
}
"""The path of a field that every answer to a call has (API reference, response elements)."""

ROOTS: dict[str, tuple[str, ...]] = {
    "GetBucketLocation": ("LocationConstraint",),
    "GetBucketLogging": ("BucketLoggingStatus",),
    "GetBucketNotificationConfiguration": ("NotificationConfiguration", "GetBucketNotificationResponse"),
    "GetBucketVersioning": ("VersioningConfiguration", "GetBucketVersioningResponse"),
}
"""The XML of an answer without any field, which here means that nothing is configured; a second name is moto's."""


def actions_of(calls: Iterable[str]) -> tuple[str, ...]:
    """The IAM actions that allow these calls, each once, sorted."""
    return tuple(sorted({CALLS[name].action for name in calls} - {""}))
