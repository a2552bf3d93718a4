"""How recordings are encrypted at rest, and whether the key will still be there."""

from opslib.validator.finding import Outcome, check, failed, not_checked, passed, unknown, warned
from opslib.validator.look import Look

_ALGORITHMS = ("AES256", "aws:kms", "aws:kms:dsse")


@check(
    "encryption",
    "New objects are encrypted as the target says",
    "critical",
    why="Recordings hold personal data. The bucket's default decides how what Genesys writes is encrypted.",
    calls=("GetBucketEncryption",),
    fix="Set the bucket's default encryption.",
    cli="aws s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration "
    "'Rules=[{ApplyServerSideEncryptionByDefault={SSEAlgorithm=AES256}}]'",
    terraform="""\
resource "aws_s3_bucket_server_side_encryption_configuration" "recordings" {
  bucket = "BUCKET"
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}""",
    source="HIPAA 164.312(a)(2)(iv); PCI DSS 3.5.1; FSBP S3.17",
)
async def encryption(look: Look) -> Outcome:
    """Some algorithm; KMS where the target asks for it."""
    algorithm, _ = await default_encryption(look)
    if algorithm is None:
        return failed("S3 names no default encryption")
    if algorithm not in _ALGORITHMS:
        return unknown(f"the default is {algorithm}, which we do not know")
    if look.wanted.encryption == "aws:kms" and algorithm == "AES256":
        return failed("the target asks for KMS, and the bucket's default is AES256")
    return passed(f"the default is {algorithm}")


@check(
    "kms-key",
    "The KMS key is enabled and in the bucket's region",
    "high",
    why="Recordings under a disabled or deleted key cannot be read by anybody, ever.",
    calls=("GetBucketEncryption", "DescribeKey"),
    fix="Name a key that is enabled, in the bucket's region, and not about to be deleted.",
    cli="aws kms describe-key --key-id KEY --region REGION",
    source="AWS KMS Developer Guide, key states; FSBP KMS.3",
)
async def kms_key(look: Look) -> Outcome:
    """Not PendingDeletion, not Disabled."""
    algorithm, key = await default_encryption(look)
    if algorithm in (None, "AES256"):
        return not_checked("the bucket does not encrypt with KMS")
    if key is None:
        return warned("no key is named, so S3 uses the AWS managed key aws/s3, which no other account can be given")
    found = (await look.ask("DescribeKey", KeyId=key) or {}).get("KeyMetadata", {})
    if found.get("KeyState") != "Enabled":
        return failed(f"the key is {found.get('KeyState', 'not there')}")
    region = str(found.get("Arn", ":::")).split(":")[3]
    if region != look.wanted.region:
        return failed(f"the key is in {region}, and the bucket in {look.wanted.region}")
    return passed("the key is enabled, in the bucket's region")


@check(
    "kms-rotation",
    "The KMS key is rotated every year",
    "medium",
    why="Rotation limits what one leaked key can open.",
    calls=("GetBucketEncryption", "GetKeyRotationStatus"),
    fix="Switch on automatic rotation of the key.",
    cli="aws kms enable-key-rotation --key-id KEY --region REGION",
    source="CIS AWS 4.6; PCI DSS 3.7.4",
)
async def kms_rotation(look: Look) -> Outcome:
    """For customer keys; AWS rotates its own."""
    algorithm, key = await default_encryption(look)
    if algorithm in (None, "AES256") or key is None:
        return not_checked("no key of yours is used")
    found = await look.ask("GetKeyRotationStatus", KeyId=key) or {}
    return passed("rotation is on") if found.get("KeyRotationEnabled") else failed("rotation is off")


@check(
    "bucket-key",
    "The bucket key is on",
    "low",
    why="Without it every recording is a KMS request of its own: slower, dearer, and throttled in a busy hour.",
    calls=("GetBucketEncryption",),
    fix="Switch on the bucket key.",
    cli="aws s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration "
    "'Rules=[{ApplyServerSideEncryptionByDefault={SSEAlgorithm=aws:kms,KMSMasterKeyID=KEY},BucketKeyEnabled=true}]'",
    source="Amazon S3 User Guide, bucket keys",
)
async def bucket_key(look: Look) -> Outcome:
    """Only KMS has one."""
    found = await look.bucket("GetBucketEncryption")
    rules = (found or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    algorithm, _ = await default_encryption(look)
    if algorithm in (None, "AES256", "aws:kms:dsse"):
        return not_checked("the bucket does not encrypt with SSE-KMS")
    on = any(rule.get("BucketKeyEnabled") for rule in rules)
    return passed("the bucket key is on") if on else failed("the bucket key is off")


async def default_encryption(look: Look) -> tuple[str | None, str | None]:
    """The default's algorithm and KMS key; None where there is none."""
    found = await look.bucket("GetBucketEncryption")
    for rule in (found or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", []):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if algorithm := default.get("SSEAlgorithm"):
            return algorithm, default.get("KMSMasterKeyID")
    return None, None
