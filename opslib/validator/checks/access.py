"""Whether the bucket is the one we mean, and who can reach it."""

from collections.abc import Mapping
from typing import Any

from opslib.credentials import RoleReference
from opslib.validator.aws import Unanswered
from opslib.validator.bucket_policy import plain_http
from opslib.validator.check import Check, asked_by
from opslib.validator.finding import ASK_AGAIN, Outcome, failed, not_checked, passed, unknown, warned
from opslib.validator.inspection import Inspection
from opslib.validator.parties import OWN, Party, open_grants, strangers
from opslib.validator.policy import covers
from opslib.validator.profile import Profile
from opslib.validator.wanted import Wanted

_FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_PUBLIC = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
# What the public may not do to recordings, by way of a service that acts for anybody.
_HARMFUL = ("s3:GetObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutBucketPolicy", "s3:PutObjectAcl")
_CLI_BLOCK = ",".join(f"{flag}=true" for flag in _FLAGS)
_TF_BLOCK = """\
  block_public_acls       = true
  ignore_public_acls      = true
  block_public_policy     = true
  restrict_public_buckets = true
}"""
# put-bucket-policy replaces the whole policy, so the fixes say what to merge.
_CLI_TLS = """\
aws s3api put-bucket-policy --bucket BUCKET --policy '{"Version":"2012-10-17","Statement":[{"Sid":"TlsOnly",\
"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["ARN","ARN/*"],\
"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}'"""
_TF_TLS = """\
data "aws_iam_policy_document" "recordings" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["ARN", "ARN/*"]
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
}

resource "aws_s3_bucket_policy" "recordings" {
  bucket = "BUCKET"
  policy = data.aws_iam_policy_document.recordings.json
}"""
_TF_ACLS_OFF = """\
resource "aws_s3_bucket_ownership_controls" "recordings" {
  bucket = "BUCKET"
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}"""

TF_PROVIDER_OF_ACCOUNT = 'provider "aws" {\n  region              = "REGION"\n  allowed_account_ids = ["ACCOUNT"]\n}'


def _tf_bucket(wanted: Wanted, profile: Profile) -> str:
    """S3 can lock recordings only in a bucket that was made for it."""
    lines = [f'  bucket              = "{wanted.bucket}"', "  object_lock_enabled = true"]
    lines = lines if profile.worm else [f'  bucket = "{wanted.bucket}"']
    return "\n".join(['resource "aws_s3_bucket" "recordings" {', *lines, "}"])


@Check(
    "reachable",
    "The bucket is there, in the stated region",
    "critical",
    control="storage",
    required=True,
    profiles=asked_by("Amazon S3 API, HeadBucket", baseline="FAIL", regulated="FAIL"),
    why="Genesys writes to the region that the target names. Elsewhere it gets nothing, or breaks residency rules.",
    calls=("HeadBucket",),
    fix="Correct the bucket's name or region in the target, or make the bucket.",
    cli="aws s3 mb s3://BUCKET --region REGION",
    terraform='resource "aws_s3_bucket" "recordings" {\n  bucket = "BUCKET"\n}',
    generated=_tf_bucket,
    source="Amazon S3 API, HeadBucket",
    proves="S3 answers for the bucket, from the region that the target names.",
    not_proven="That the bucket is yours: the check `owner` compares that.",
)
async def reachable(inspection: Inspection) -> Outcome:
    """botocore follows a redirect to another region without a word; only BucketRegion tells. A refusal may tell it,
    too, and a 404 is an answer."""
    try:
        head = await inspection.ask_bucket("HeadBucket")
    except Unanswered as refused:
        if refused.region in (None, inspection.wanted.region):
            raise
        return failed(f"the bucket is in {refused.region}, and the target says {inspection.wanted.region}")
    if head is None:
        return failed(f"there is no bucket {inspection.wanted.bucket}")
    actual = head.get("BucketRegion")
    if actual is None:
        return unknown("S3 answers, and does not say in which region the bucket is")
    if actual != inspection.wanted.region:
        return failed(f"the bucket is in {actual}, and the target says {inspection.wanted.region}")
    return passed(f"the bucket answers from {actual}")


@Check(
    "owner",
    "The bucket belongs to the expected account",
    "high",
    control="storage",
    profiles=asked_by(
        "Amazon S3 User Guide, verifying bucket ownership; counts only where an account is named",
        baseline="FAIL",
        regulated="FAIL",
    ),
    why="A bucket of the same name in somebody else's account would receive the recordings.",
    calls=("HeadBucket",),
    fix="Use a bucket of your own account, or state the right account.",
    cli="aws s3api head-bucket --bucket BUCKET --expected-bucket-owner ACCOUNT",
    terraform=TF_PROVIDER_OF_ACCOUNT,
    generated=False,  # the provider is needed anyway, also where no account is named
    source="Amazon S3 User Guide, verifying bucket ownership",
    proves="S3 answers when it is told to refuse the buckets of every other account.",
    not_proven="Who in that account may change the bucket.",
)
async def owner(inspection: Inspection) -> Outcome:
    """With ExpectedBucketOwner, S3 refuses every call about a bucket of another account, as it refuses those that lack
    a permission; so ask again without."""
    if not inspection.wanted.owner:
        return not_checked("no account id was given to compare with")
    try:
        head = await inspection.ask_bucket("HeadBucket")
    except Unanswered as refused:
        if not refused.action or await inspection.ask("HeadBucket", Bucket=inspection.wanted.bucket) is None:
            raise
        return failed(f"S3 answers about it, but not as a bucket of account {inspection.wanted.owner}")
    if head is None:
        return unknown("there is no such bucket")
    return passed(f"S3 confirms account {inspection.wanted.owner}")


@Check(
    "public-access-block",
    "Public access is blocked for the bucket",
    "critical",
    control="access",
    required=True,
    profiles=asked_by("AWS Foundational Security Best Practices S3.8", baseline="FAIL", regulated="FAIL"),
    why="One careless policy or ACL would otherwise make recordings of customers public.",
    calls=("GetPublicAccessBlock",),
    fix="Switch on all four settings of Block Public Access.",
    cli=f"aws s3api put-public-access-block --bucket BUCKET --public-access-block-configuration {_CLI_BLOCK}",
    terraform='resource "aws_s3_bucket_public_access_block" "recordings" {\n'
    '  bucket                  = "BUCKET"\n' + _TF_BLOCK,
    source="AWS Foundational Security Best Practices S3.8; CIS AWS 3.1.4",
    proves="All four settings are on for the bucket.",
    not_proven="Who is let in by name.",
)
async def public_access_block(inspection: Inspection) -> Outcome:
    return _flags(await inspection.ask_bucket("GetPublicAccessBlock"))


@Check(
    "account-public-access-block",
    "Public access is blocked for the whole account",
    "high",
    control="access",
    profiles=asked_by("AWS Foundational Security Best Practices S3.1", regulated="FAIL"),
    why="The account's settings hold for every bucket, also for one whose own settings somebody removes.",
    calls=("GetCallerIdentity", "GetAccountPublicAccessBlock"),
    fix="Switch on Block Public Access for the account. It holds for all its buckets.",
    cli=f"aws s3control put-public-access-block --account-id ACCOUNT --public-access-block-configuration {_CLI_BLOCK}",
    terraform='resource "aws_s3_account_public_access_block" "account" {\n' + _TF_BLOCK,
    source="AWS Foundational Security Best Practices S3.1; CIS AWS 3.1.4",
    proves="All four settings are on for the account that asks.",
    not_proven="That the bucket is in this account.",
)
async def account_public_access_block(inspection: Inspection) -> Outcome:
    """Of the bucket's account where it is known, else of the account that asks."""
    account = inspection.wanted.owner or (await inspection.ask("GetCallerIdentity") or {}).get("Account", "")
    return _flags(await inspection.ask("GetAccountPublicAccessBlock", AccountId=account))


@Check(
    "policy-not-public",
    "The bucket policy lets nobody unknown in",
    "critical",
    control="access",
    required=True,
    profiles=asked_by("AWS Foundational Security Best Practices S3.2 and S3.3", baseline="FAIL", regulated="FAIL"),
    why="A public policy gives recordings to anybody who knows the bucket's name.",
    calls=("GetBucketPolicy", "GetBucketPolicyStatus"),
    fix="Remove the statements named, or limit them to known accounts. The command replaces the whole policy: keep in "
    "it what you need.",
    cli=_CLI_TLS,
    terraform=_TF_TLS,
    source="Amazon S3 User Guide, the meaning of public; AWS Foundational Security Best Practices S3.2, S3.3",
    proves="Neither S3 nor a reading of each statement finds a grant to everybody, or to an AWS service for any of "
    "its customers.",
    not_proven="Whether those who are let in by name, account, organisation or network should be: the check "
    "`cross-account` names them.",
)
async def policy_not_public(inspection: Inspection) -> Outcome:
    """Both S3's own judgement and ours must find nothing. A service that acts for anybody is no grant to the public in
    S3's eyes; what it may read or delete, all of its customers may."""
    answer = await inspection.ask_bucket("GetBucketPolicy")
    if answer is None:
        return passed("there is no bucket policy")
    grants = list(open_grants(answer["Policy"]))
    if public := [label for label, service, _ in grants if not service]:
        return failed(f"anybody is allowed something by {', '.join(public)}")
    services = "; ".join(
        f"{label} lets {service} act for any AWS customer, without aws:SourceArn or aws:SourceAccount"
        for label, service, _ in grants
    )
    if any(covers(statement, *_HARMFUL) for _, _, statement in grants):
        return failed(services)
    status = await inspection.ask_bucket("GetBucketPolicyStatus") or {}
    public_to_s3 = status.get("PolicyStatus", {}).get("IsPublic")
    if public_to_s3 is None:
        return unknown("S3 does not say whether the policy is public")
    if public_to_s3:
        return failed("S3 says that the policy is public")
    return warned(services) if services else passed("S3 says so, and no statement is open")


@Check(
    "tls-only",
    "Plain HTTP is refused",
    "high",
    control="transport",
    required=True,
    profiles=asked_by("AWS Foundational Security Best Practices S3.5", baseline="FAIL", regulated="FAIL"),
    why="A recording sent without TLS can be read on the way. The policy must refuse it to everybody, for everything.",
    calls=("GetBucketPolicy",),
    fix="Add a statement that denies every action to everybody when aws:SecureTransport is false. The command replaces "
    "the whole policy: add the statements that you have.",
    cli=_CLI_TLS,
    terraform=_TF_TLS,
    source="AWS Foundational Security Best Practices S3.5; CIS AWS 3.1.1; Prowler maps HIPAA 164.312(e)(1), "
    "PCI DSS 4.2.1 and GDPR Article 32 to it",
    proves="The policy denies everybody every action on the bucket and its objects without TLS.",
    not_proven="Which version of TLS is used.",
)
async def tls_only(inspection: Inspection) -> Outcome:
    """All principals, all actions, the bucket and its objects, no further condition."""
    answer = await inspection.ask_bucket("GetBucketPolicy")
    if answer is None:
        return failed("there is no bucket policy, so plain HTTP is allowed")
    transport = plain_http(answer["Policy"], inspection.wanted.arn)
    if transport.denied is None:
        return unknown(transport.why)
    return passed(transport.why) if transport.denied else failed(transport.why)


@Check(
    "cross-account",
    "The bucket policy names no unexpected account",
    "medium",
    control="access",
    profiles=asked_by("AWS Foundational Security Best Practices S3.6", baseline="WARN", regulated="FAIL"),
    why="Another account could read or delete recordings under rules that are not yours.",
    calls=("GetBucketPolicy", "GetCallerIdentity", "DescribeOrganization", "GetBucketAcl"),
    fix="Remove those that do not belong there. The command replaces the whole policy: keep in it what you need.",
    cli=_CLI_TLS,
    terraform=_TF_TLS,
    source="AWS Foundational Security Best Practices S3.6; Prowler maps PCI DSS 7.2.1 to it",
    proves="The policy allows nobody outside your account, your organisation and the account of Genesys's role; a "
    "service only where it acts for these, or for a resource of your own.",
    not_proven="What your own users and roles may do by IAM policies, and what access points, ACLs and replication "
    "give away. Services without a condition: the check `policy-not-public` names them.",
)
async def cross_account(inspection: Inspection) -> Outcome:
    """Whoever is allowed something must be of the owner's account or organisation, or of the account of Genesys's
    role."""
    answer = await inspection.ask_bucket("GetBucketPolicy")
    policy = answer["Policy"] if answer else None
    if not strangers(policy, ()):
        return passed("the bucket policy allows no account anything")
    own = inspection.wanted.owner or (await inspection.ask("GetCallerIdentity") or {}).get("Account", "")
    role = inspection.wanted.writer
    genesys = {role.role_arn.split(":")[4]} if isinstance(role, RoleReference) else set()
    expected, unsure = {own, inspection.wanted.arn, *OWN, *genesys}, ""
    for is_one, ask in ((Party.is_organisation, _own_organisation), (Party.is_canonical, _own_canonical_id)):
        asked_about = {party.of for party in strangers(policy, expected) if is_one(party)}
        try:
            expected |= {await ask(inspection)} if asked_about else set()
        except Unanswered as refused:
            expected |= asked_about
            unsure = f"whether {', '.join(sorted(asked_about))} is your own is not known: {refused.why}"
    if others := sorted(party.words for party in strangers(policy, expected)):
        return failed(f"allowed: {', '.join(others)}")
    return unknown(unsure, ASK_AGAIN) if unsure else passed(f"only account {own} is allowed")


async def _own_organisation(inspection: Inspection) -> str:
    answer = await inspection.ask("DescribeOrganization")
    return str(answer["Organization"]["Id"]) if answer else ""


async def _own_canonical_id(inspection: Inspection) -> str:
    answer = await inspection.ask_bucket("GetBucketAcl") or {}
    return str(answer["Owner"]["ID"])


@Check(
    "acls-off",
    "ACLs are switched off",
    "medium",
    control="access",
    profiles=asked_by("AWS Foundational Security Best Practices S3.12", baseline="WARN", regulated="FAIL"),
    why="With ACLs on, whoever writes an object can own it and give it to others.",
    calls=("GetBucketOwnershipControls",),
    fix="Set object ownership to BucketOwnerEnforced.",
    cli="aws s3api put-bucket-ownership-controls --bucket BUCKET --ownership-controls "
    "'Rules=[{ObjectOwnership=BucketOwnerEnforced}]'",
    terraform=_TF_ACLS_OFF,
    source="AWS Foundational Security Best Practices S3.12",
    proves="S3 ignores all ACLs, and the bucket's owner owns every object.",
    not_proven="What the policies allow.",
)
async def acls_off(inspection: Inspection) -> Outcome:
    answer = await inspection.ask_bucket("GetBucketOwnershipControls")
    rules = (answer or {}).get("OwnershipControls", {}).get("Rules", [])
    ownership = rules[0]["ObjectOwnership"] if rules else "not set"
    if ownership == "BucketOwnerEnforced":
        return passed("object ownership is BucketOwnerEnforced")
    return failed(f"object ownership is {ownership}, so ACLs count")


@Check(
    "no-public-acl",
    "No ACL lets the public in",
    "critical",
    control="access",
    required=True,
    profiles=asked_by("AWS Foundational Security Best Practices S3.2 and S3.3", baseline="FAIL", regulated="FAIL"),
    why="A grant to everybody in the bucket's ACL opens recordings to anybody.",
    calls=("GetBucketAcl",),
    fix="Remove the grants to AllUsers and AuthenticatedUsers; better still, switch ACLs off.",
    cli="aws s3api put-bucket-acl --bucket BUCKET --acl private",
    terraform=_TF_ACLS_OFF,
    source="AWS Foundational Security Best Practices S3.2, S3.3",
    proves="The bucket's own ACL names neither everybody nor everybody with an AWS account.",
    not_proven="The ACL of each object; with ACLs off, these do not count.",
)
async def no_public_acl(inspection: Inspection) -> Outcome:
    """Neither AllUsers nor AuthenticatedUsers (which is everybody with any AWS account)."""
    answer = await inspection.ask_bucket("GetBucketAcl")
    if answer is None or "Grants" not in answer:
        return unknown("S3 does not say whom the ACL names")
    public = [
        f"{grant['Permission']} for {grant['Grantee']['URI'].rsplit('/', 1)[1]}"
        for grant in answer["Grants"]
        if grant.get("Grantee", {}).get("URI") in _PUBLIC
    ]
    return failed(f"the ACL grants {', '.join(public)}") if public else passed("the ACL names nobody of the public")


def _flags(answer: Mapping[str, Any] | None) -> Outcome:
    configuration = (answer or {}).get("PublicAccessBlockConfiguration", {})
    off = [flag for flag in _FLAGS if configuration.get(flag) is not True]
    return failed(f"switched off: {', '.join(off)}") if off else passed("all four settings are on")
