"""S3 and IAM as boto3 sees them."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError


def code(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Code"]


@pytest.fixture
def s3(sandbox):
    return sandbox.s3()


def test_the_bucket_is_compliant(sandbox, s3):
    """Encryption, public access block, versioning, ownership, TLS-only policy; no lifecycle rule."""
    bucket = {"Bucket": sandbox["bucket"]}
    assert s3.head_bucket(**bucket)["BucketRegion"] == sandbox["region"] == "us-east-1"
    (rule,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }
    assert s3.get_bucket_versioning(**bucket)["Status"] == "Enabled"
    (ownership,) = s3.get_bucket_ownership_controls(**bucket)["OwnershipControls"]["Rules"]
    assert ownership["ObjectOwnership"] == "BucketOwnerEnforced"
    (statement,) = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    arn = f"arn:aws:s3:::{sandbox['bucket']}"
    assert statement["Resource"] == [arn, f"{arn}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert s3.get_bucket_policy_status(**bucket)["PolicyStatus"]["IsPublic"] is False
    assert code(s3.get_bucket_lifecycle_configuration, **bucket) == "NoSuchLifecycleConfiguration"
    (grant,) = s3.get_bucket_acl(**bucket)["Grants"]
    assert (grant["Permission"], grant["Grantee"]["Type"]) == ("FULL_CONTROL", "CanonicalUser")


def test_objects_can_be_written_and_read_despite_the_tls_policy(sandbox, s3):
    """Put, get, head, copy, multipart and delete work, also under a key with awkward characters."""
    bucket, key = sandbox["bucket"], "recordings/voice/year=2026/a b+c/ü.opus"
    s3.put_object(Bucket=bucket, Key=key, Body=b"sound")
    answer = s3.get_object(Bucket=bucket, Key=key)
    with answer["Body"] as body:
        assert body.read() == b"sound"
    assert answer["ServerSideEncryption"] == "AES256"
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == 5
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, ServerSideEncryption="AES256")
    part = {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"]}
    s3.upload_part(**part, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(**part)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    for one in (key, "copy"):
        s3.delete_object(Bucket=bucket, Key=one)


@pytest.mark.parametrize(
    "condition",
    [
        {"Bool": {"aws:SecureTransport": False}},
        {"BoolIfExists": {"AWS:securetransport": ["false"]}},
        {"StringEquals": {"aws:SecureTransport": "false"}},
    ],
)
def test_only_denials_of_plain_http_are_set_aside(sandbox, s3, condition):
    """A TLS condition in any spelling does not match loopback; any other Deny does its work."""
    bucket = f"denied-{uuid.uuid4()}"
    s3.create_bucket(Bucket=bucket)
    arn = f"arn:aws:s3:::{bucket}"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": {**deny, "Condition": condition}})
    )
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert code(s3.put_object, Bucket=bucket, Key="b", Body=b"b") in {"403", "AccessDenied"}


def test_wrong_keys_are_refused(sandbox):
    """An unknown key id and a wrong secret get S3's own error codes."""
    unknown = sandbox.s3("AKIAAAAAAAAAAAAAAAAA", "x" * 40)
    wrong = sandbox.s3(secret_access_key="x" * 40)
    assert code(unknown.list_buckets) == "InvalidAccessKeyId"
    assert code(wrong.get_bucket_policy, Bucket=sandbox["bucket"]) == "SignatureDoesNotMatch"


def test_unsigned_requests_and_back_doors_are_refused(sandbox):
    """Without a signature S3 answers AccessDenied; moto's own endpoints cannot switch IAM off."""
    for method, path in (("GET", "/" + sandbox["bucket"]), ("POST", "/moto-api/reset-auth"), ("GET", "/moto-api/")):
        answer = sandbox.http.request(method, sandbox["s3_url"] + path, content=b"inf")
        assert (answer.status_code, "AccessDenied" in answer.text) == (403, True)


def test_a_limited_user_may_do_only_what_was_granted(sandbox):
    """s3:ListBucket allows HeadBucket and listing; the rest needs an action of its own."""
    user = sandbox.control("POST", "/aws-users", {"actions": ["s3:ListBucket"]}).json()
    limited, bucket = sandbox.s3(user["access_key_id"], user["secret_access_key"]), {"Bucket": sandbox["bucket"]}
    assert limited.head_bucket(**bucket)["BucketRegion"] == "us-east-1"
    limited.list_objects_v2(**bucket)
    for call in (
        limited.get_bucket_encryption,
        limited.get_public_access_block,
        limited.get_bucket_ownership_controls,
        limited.get_bucket_policy,
        limited.get_bucket_versioning,
        limited.get_object_lock_configuration,
        limited.get_bucket_replication,
    ):
        assert code(call, **bucket) == "AccessDenied", call
    assert code(limited.put_object, **bucket, Key="a", Body=b"a") == "AccessDenied"


def test_a_user_without_list_may_not_head_the_bucket(sandbox):
    """HeadBucket without s3:ListBucket is 403; s3:GetEncryptionConfiguration reads the encryption."""
    actions = ["s3:PutObject", "s3:GetEncryptionConfiguration"]
    user = sandbox.control("POST", "/aws-users", {"actions": actions}).json()
    writer = sandbox.s3(user["access_key_id"], user["secret_access_key"])
    assert code(writer.head_bucket, Bucket=sandbox["bucket"]) == "403"
    writer.put_object(Bucket=sandbox["bucket"], Key="written", Body=b"a")
    writer.get_bucket_encryption(Bucket=sandbox["bucket"])


def test_the_role_trusts_genesys_for_this_org(sandbox):
    """The role's trust names Genesys's account and, as external id, the organization."""
    iam = sandbox.s3(service="iam")
    name = sandbox["role_arn"].rpartition("/")[2]
    role = iam.get_role(RoleName=name)["Role"]
    assert role["Arn"] == sandbox["role_arn"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": "arn:aws:iam::765628985471:root"}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": sandbox["external_id"]}}
    (policy_name,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy_name)["PolicyDocument"]
    assert "s3:PutObject" in document["Statement"][0]["Action"]


def test_the_admin_may_use_sts_and_kms(sandbox):
    """The sandbox's key can ask who it is and make a KMS key, at the same URL."""
    assert sandbox.s3(service="sts").get_caller_identity()["Account"] == "123456789012"
    assert sandbox.s3(service="kms").create_key()["KeyMetadata"]["Enabled"]
