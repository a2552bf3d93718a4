"""Whether the bucket is the one we mean, and who can reach it."""

from opslib.validator.bucket_policy import accounts_allowed, plain_http, public_grants
from opslib.validator.finding import Outcome, check, failed, not_checked, passed, unknown
from opslib.validator.look import Look

_FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_PUBLIC = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
_CLI_BLOCK = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
_TF_BLOCK = """\
  block_public_acls       = true
  ignore_public_acls      = true
  block_public_policy     = true
  restrict_public_buckets = true
}"""


@check(
    "reachable",
    "The bucket is there, in the stated region",
    "critical",
    why="Genesys writes to the region that the target names. Elsewhere it gets nothing, or breaks residency rules.",
    calls=("HeadBucket",),
    fix="Correct the bucket's name or region in the target.",
    cli="aws s3api head-bucket --bucket BUCKET --region REGION",
    source="Amazon S3 API, HeadBucket",
)
async def reachable(look: Look) -> Outcome:
    """botocore follows a redirect to another region without a word; only BucketRegion tells."""
    head = await look.bucket("HeadBucket") or {}
    actual = head.get("BucketRegion")
    if actual is None:
        return unknown("S3 answers, and does not say in which region the bucket is")
    if actual != look.wanted.region:
        return failed(f"the bucket is in {actual}, and the target says {look.wanted.region}")
    return passed(f"the bucket answers from {actual}")


@check(
    "owner",
    "The bucket belongs to the expected account",
    "high",
    why="A bucket of the same name in somebody else's account would receive the recordings.",
    calls=("HeadBucket",),
    fix="State the account's id, and make sure that the bucket is in it.",
    cli="aws s3api head-bucket --bucket BUCKET --expected-bucket-owner ACCOUNT",
    source="Amazon S3 User Guide, verifying bucket ownership",
)
async def owner(look: Look) -> Outcome:
    """With ExpectedBucketOwner, S3 refuses every call about a bucket of another account."""
    if not look.wanted.owner:
        return not_checked("no account id was given to compare with")
    await look.bucket("HeadBucket")
    return passed(f"S3 confirms account {look.wanted.owner}")


@check(
    "public-access-block",
    "Public access is blocked for the bucket",
    "critical",
    why="One careless policy or ACL would otherwise make recordings of customers public.",
    calls=("GetPublicAccessBlock",),
    fix="Switch on all four settings of Block Public Access.",
    cli=f"aws s3api put-public-access-block --bucket BUCKET --public-access-block-configuration {_CLI_BLOCK}",
    terraform='resource "aws_s3_bucket_public_access_block" "recordings" {\n  bucket = "BUCKET"\n' + _TF_BLOCK,
    source="AWS Foundational Security Best Practices S3.8; CIS AWS 3.1.4",
)
async def public_access_block(look: Look) -> Outcome:
    """All four flags."""
    return _flags(await look.bucket("GetPublicAccessBlock"))


@check(
    "account-public-access-block",
    "Public access is blocked for the whole account",
    "high",
    why="The account's settings hold for every bucket, also for one whose own settings somebody removes.",
    calls=("GetCallerIdentity", "GetAccountPublicAccessBlock"),
    fix="Switch on Block Public Access for the account.",
    cli=f"aws s3control put-public-access-block --account-id ACCOUNT --public-access-block-configuration {_CLI_BLOCK}",
    terraform='resource "aws_s3_account_public_access_block" "account" {\n' + _TF_BLOCK,
    source="AWS Foundational Security Best Practices S3.1",
)
async def account_public_access_block(look: Look) -> Outcome:
    """Of the bucket's account where it is known, else of the account that asks."""
    account = look.wanted.owner or (await look.ask("GetCallerIdentity") or {}).get("Account", "")
    return _flags(await look.ask("GetAccountPublicAccessBlock", AccountId=account))


@check(
    "policy-not-public",
    "The bucket policy lets nobody unknown in",
    "critical",
    why="A public policy gives recordings to anybody who knows the bucket's name.",
    calls=("GetBucketPolicy", "GetBucketPolicyStatus"),
    fix="Remove the statements named, or limit them to known accounts.",
    cli="aws s3api get-bucket-policy --bucket BUCKET --query Policy --output text",
    source="Amazon S3 User Guide, the meaning of public; FSBP S3.2",
)
async def policy_not_public(look: Look) -> Outcome:
    """Both S3's own judgement and ours must find nothing."""
    found = await look.bucket("GetBucketPolicy")
    if found is None:
        return passed("there is no bucket policy")
    if grants := public_grants(found["Policy"]):
        return failed(f"anybody is allowed something by {', '.join(grants)}")
    status = await look.bucket("GetBucketPolicyStatus") or {}
    if status.get("PolicyStatus", {}).get("IsPublic"):
        return failed("S3 says that the policy is public")
    return passed("no statement is open to everybody, and S3 says that the policy is not public")


@check(
    "tls-only",
    "Plain HTTP is refused",
    "high",
    why="A recording sent without TLS can be read on the way. The policy must refuse it to everybody, for everything.",
    calls=("GetBucketPolicy",),
    fix="Add a statement that denies every action to everybody when aws:SecureTransport is false.",
    cli="aws s3api put-bucket-policy --bucket BUCKET --policy file://tls-only.json",
    terraform="""\
data "aws_iam_policy_document" "tls_only" {
  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["arn:aws:s3:::BUCKET", "arn:aws:s3:::BUCKET/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}""",
    source="FSBP S3.5; HIPAA 164.312(e)(1); CIS AWS 3.1.1",
)
async def tls_only(look: Look) -> Outcome:
    """All principals, all actions, the bucket and its objects, no further condition."""
    found = await look.bucket("GetBucketPolicy")
    if found is None:
        return failed("there is no bucket policy, so plain HTTP is allowed")
    transport = plain_http(found["Policy"], look.wanted.arn)
    if transport.denied is None:
        return unknown(transport.why)
    return passed(transport.why) if transport.denied else failed(transport.why)


@check(
    "cross-account",
    "The bucket policy names no unexpected account",
    "medium",
    why="Another account could read or delete recordings under rules that are not yours.",
    calls=("GetBucketPolicy", "GetCallerIdentity"),
    fix="Remove the accounts that do not belong there.",
    cli="aws s3api get-bucket-policy --bucket BUCKET --query Policy --output text",
    source="FSBP S3.6; PCI DSS 7.2.1",
)
async def cross_account(look: Look) -> Outcome:
    """Every account in an Allow statement must be the owner's."""
    found = await look.bucket("GetBucketPolicy")
    accounts = accounts_allowed(found["Policy"]) if found else set()
    if not accounts:
        return passed("the bucket policy allows no account anything")
    own = look.wanted.owner or (await look.ask("GetCallerIdentity") or {}).get("Account", "")
    others = sorted(accounts - {own})
    return failed(f"allowed: {', '.join(others)}") if others else passed(f"only the own account, {own}, is allowed")


@check(
    "acls-off",
    "ACLs are switched off",
    "medium",
    why="With ACLs on, whoever writes an object can own it and give it to others.",
    calls=("GetBucketOwnershipControls",),
    fix="Set object ownership to BucketOwnerEnforced.",
    cli="aws s3api put-bucket-ownership-controls --bucket BUCKET --ownership-controls "
    "'Rules=[{ObjectOwnership=BucketOwnerEnforced}]'",
    terraform="""\
resource "aws_s3_bucket_ownership_controls" "recordings" {
  bucket = "BUCKET"
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}""",
    source="FSBP S3.12",
)
async def acls_off(look: Look) -> Outcome:
    """BucketOwnerEnforced."""
    found = await look.bucket("GetBucketOwnershipControls")
    rules = (found or {}).get("OwnershipControls", {}).get("Rules", [])
    ownership = rules[0]["ObjectOwnership"] if rules else "not set"
    if ownership == "BucketOwnerEnforced":
        return passed("object ownership is BucketOwnerEnforced")
    return failed(f"object ownership is {ownership}, so ACLs count")


@check(
    "no-public-acl",
    "No ACL lets the public in",
    "critical",
    why="A grant to everybody in the bucket's ACL opens recordings to anybody.",
    calls=("GetBucketAcl",),
    fix="Remove the grants to AllUsers and AuthenticatedUsers.",
    cli="aws s3api put-bucket-acl --bucket BUCKET --acl private",
    source="FSBP S3.2, S3.3",
)
async def no_public_acl(look: Look) -> Outcome:
    """Neither AllUsers nor AuthenticatedUsers (which is everybody with any AWS account)."""
    found = await look.bucket("GetBucketAcl") or {}
    public = [
        f"{grant['Permission']} for {grant['Grantee']['URI'].rsplit('/', 1)[1]}"
        for grant in found.get("Grants", [])
        if grant.get("Grantee", {}).get("URI") in _PUBLIC
    ]
    return failed(f"the ACL grants {', '.join(public)}") if public else passed("the ACL names nobody of the public")


def _flags(found: "object") -> Outcome:
    configuration = found.get("PublicAccessBlockConfiguration", {}) if isinstance(found, dict) else {}
    off = [flag for flag in _FLAGS if configuration.get(flag) is not True]
    return failed(f"switched off: {', '.join(off)}") if off else passed("all four settings are on")
