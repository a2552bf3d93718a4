"""What IAM says about the role that only Genesys can assume, and about ourselves."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from opslib.credentials import RoleReference
from opslib.validator.aws import Unanswered
from opslib.validator.bucket_policy import Statement, allowed_parties, listed, patterns_of, statements
from opslib.validator.check import Check, asked_by
from opslib.validator.checks.encryption import default_encryption, described
from opslib.validator.documents.iam import KMS_WRITE, for_checks, genesys_accounts
from opslib.validator.finding import Outcome, failed, not_checked, passed, unknown
from opslib.validator.inspection import Inspection
from opslib.validator.wildcards import matches

# Ways to assume a role; Genesys takes the first.
_ASSUMING = ("sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity")

# Of what the checks need, the statements whose resources are known: a simulation takes no wildcards.
_SIMULATED = ("Bucket", "Canary", "Account")


@Check(
    "writer-role-trust",
    "The role trusts Genesys, and only with your external id",
    "critical",
    control="storage",
    required=True,
    profiles=asked_by(
        "AWS IAM User Guide, the confused deputy; Genesys Cloud, AWS S3 recording integration",
        baseline="WARN",
        regulated="FAIL",
    ),
    why="Without the external id, another customer of Genesys could make it write with your role.",
    calls=("GetCallerIdentity", "GetRole"),
    fix="Let the role trust Genesys's account, with your organisation's id as external id; "
    "`opslib check-bucket BUCKET --print trust` prints the document.",
    cli="aws iam update-assume-role-policy --role-name ROLE --policy-document file://trust.json"
    "  # from: opslib check-bucket BUCKET --print trust > trust.json",
    terraform="""\
resource "aws_iam_role" "genesys" {
  name               = "ROLE"
  assume_role_policy = file("trust.json")
}""",
    generated=False,  # users and roles are documents of their own
    source="AWS IAM User Guide, the confused deputy; Genesys Cloud, AWS S3 recording integration",
    written_with="role",
)
async def writer_role_trust(inspection: Inspection) -> Outcome:
    """Read through IAM, since only Genesys can assume the role."""
    role = inspection.wanted.writer
    if not isinstance(role, RoleReference):
        return not_checked("Genesys does not write with a role")
    own = (await inspection.ask("GetCallerIdentity") or {}).get("Account")
    if own != role.role_arn.split(":")[4]:
        return not_checked(f"the role is in another account than {own}, which asks")
    try:
        answer = await inspection.ask("GetRole", RoleName=role.role_arn.rsplit("/", 1)[-1])
    except Unanswered as refused:
        if not refused.action:
            raise
        return not_checked(f"the role may not be read: {refused.why}")
    if answer is None:
        return failed("there is no such role")
    document = answer["Role"]["AssumeRolePolicyDocument"]
    trust = statements(document if isinstance(document, str) else json.dumps(document))
    return _trusts(trust, role.external_id, genesys_accounts(inspection.wanted.genesys_domain), own)


def _trusts(trust: Sequence[Statement], external_id: str, genesys: frozenset[str], own: str) -> Outcome:
    """Genesys, and besides at most the role's own account; whoever it is, only with the external id."""
    allow = [grant for grant in trust if grant.get("Effect") == "Allow" and _covers(grant, *_ASSUMING)]
    lets_in = [grant for grant in allow if _covers(grant, _ASSUMING[0]) and _parties(grant) & genesys]
    if not lets_in:
        return failed(f"the role does not let Genesys's account {' or '.join(sorted(genesys))} assume it")
    if others := {party for grant in allow for party in _parties(grant)} - genesys - {own}:
        return failed(f"the role can also be assumed by: {', '.join(sorted(others))}")
    if not all(_asks_for(grant, external_id) for grant in allow):
        return failed("the role can be assumed without your external id")
    deny = [denial for denial in trust if denial.get("Effect") == "Deny" and _covers(denial, _ASSUMING[0])]
    if any(_is_plain(denial, genesys, conditions=0) for denial in deny):
        return failed("a statement denies it to Genesys")
    if any({_account(name) for name in _names(denial)} & (genesys | {""}) for denial in deny):
        return unknown("a statement denies it to somebody, and may mean Genesys")
    if not any(_is_plain(grant, genesys, conditions=1) for grant in lets_in):
        return unknown("Genesys may assume it only as somebody in its account, or only on further conditions")
    return passed(f"Genesys may assume it, with external id {external_id} only")


def _covers(statement: Statement, *actions: str) -> bool:
    """Whether the statement is about one of the actions, also by leaving it out of NotAction."""
    patterns = [pattern.lower() for pattern in patterns_of(statement, "Action")]
    return any(any(matches(pattern, action) for pattern in patterns) is ("Action" in statement) for action in actions)


def _parties(statement: Statement) -> set[str]:
    return allowed_parties(json.dumps({"Statement": [statement]}))


def _names(statement: Statement) -> list[str]:
    """The AWS principals; everybody for NotPrincipal."""
    principal = statement.get("Principal", "*")
    return [str(name) for name in listed(principal.get("AWS", []) if isinstance(principal, Mapping) else principal)]


def _account(name: str) -> str:
    """Whose principal it is; empty when the name does not say, as that of everybody."""
    match = re.fullmatch(r"(?:arn:[^:]+:(?:iam|sts)::)?(\d{12})(?::.+)?", name)
    return match[1] if match else ""


def _is_plain(statement: Statement, genesys: frozenset[str], *, conditions: int) -> bool:
    """Whether it means all of Genesys's account, on just so many conditions."""
    whole = {"*", *genesys}
    named = {re.sub(r"arn:[^:]+:iam::(\d{12}):root", r"\1", name) for name in _names(statement)}
    asked = sum(len(keys) for keys in (statement.get("Condition") or {}).values())
    return "Principal" in statement and bool(named & whole) and asked == conditions


def _asks_for(statement: Any, external_id: str) -> bool:
    keys = {
        key.lower(): value if isinstance(value, list) else [value]
        for operator, keys in (statement.get("Condition") or {}).items()
        if operator.lower() == "stringequals"
        for key, value in keys.items()
    }
    return keys.get("sts:externalid") == [external_id]


@Check(
    "writer-role-permissions",
    "The role may write recordings",
    "critical",
    control="storage",
    required=True,
    profiles=asked_by("Genesys Cloud, AWS S3 recording integration", baseline="WARN", regulated="FAIL"),
    why="A target with a role that may not write loses every recording, and nobody hears of it.",
    calls=("GetBucketEncryption", "DescribeKey", "SimulatePrincipalPolicy"),
    fix="Allow the role what is named; `opslib check-bucket BUCKET --print writer` prints the policy.",
    cli="aws iam put-role-policy --role-name ROLE --policy-name write-recordings --policy-document file://writer.json"
    "  # from: opslib check-bucket BUCKET --print writer > writer.json",
    terraform="""\
resource "aws_iam_role_policy" "genesys" {
  name   = "write-recordings"
  role   = "ROLE"
  policy = file("writer.json")
}""",
    generated=False,  # users and roles are documents of their own
    source="AWS IAM, SimulatePrincipalPolicy; Genesys Cloud, AWS S3 recording integration",
    written_with="role",
)
async def writer_role_permissions(inspection: Inspection) -> Outcome:
    """As IAM's simulation predicts; bucket and key policies are not part of it."""
    role = inspection.wanted.writer
    if not isinstance(role, RoleReference):
        return not_checked("Genesys does not write with a role")
    needs = [(["s3:PutObject"], f"{inspection.wanted.arn}/{inspection.wanted.folder}opslib-canary")]
    _, key = await default_encryption(inspection)
    if key:
        description = await described(inspection, key)
        if description is None:
            return failed("the bucket's KMS key is not there")
        if description.get("KeyManager") != "AWS":  # AWS's own key lets in whoever writes through S3
            needs.append((sorted(KMS_WRITE), description["Arn"]))
    return await _simulated(inspection, role.role_arn, needs)


@Check(
    "own-permissions",
    "We may ask everything that the checks need",
    "low",
    control="operation",
    profiles=asked_by("AWS IAM, SimulatePrincipalPolicy", regulated="WARN"),
    why="What we may not ask stays UNKNOWN.",
    calls=("GetCallerIdentity", "SimulatePrincipalPolicy"),
    fix="Allow the actions named; `opslib check-bucket BUCKET --print checks` prints the whole policy.",
    cli="aws iam put-user-policy --user-name USER --policy-name opslib-checks --policy-document file://checks.json"
    "  # from: opslib check-bucket BUCKET --print checks > checks.json",
    terraform="""\
resource "aws_iam_user_policy" "checks" {
  name   = "opslib-checks"
  user   = "USER"
  policy = file("checks.json")
}""",
    generated=False,  # users and roles are documents of their own
    source="AWS IAM, SimulatePrincipalPolicy",
)
async def own_permissions(inspection: Inspection) -> Outcome:
    """Predicted by IAM, where it lets us ask."""
    arn = str((await inspection.ask("GetCallerIdentity") or {}).get("Arn", ""))
    if arn.endswith(":root"):
        return passed("the account's root user may ask everything, and should not be used")
    policy = for_checks(inspection.wanted, inspection.profile)["Statement"]
    needs = [
        (statement["Action"], statement["Resource"].replace("canary-*", "canary-0"))
        for statement in policy
        if statement["Sid"] in _SIMULATED
    ]
    if not needs:
        return not_checked("the profile's checks ask for nothing that can be simulated")
    return await _simulated(inspection, _principal(arn), needs)


def _principal(arn: str) -> str:
    """Whose policies count: of a session, its role. A role's path is not in the session's ARN."""
    partition, account, name = arn.split(":")[1], arn.split(":")[4], arn.split("/")
    return f"arn:{partition}:iam::{account}:role/{name[1]}" if ":assumed-role/" in arn else arn


async def _simulated(inspection: Inspection, principal: str, needs: Sequence[tuple[list[str], str]]) -> Outcome:
    """Whether the principal may do these actions on these resources, each resource with a question of its own.

    Who may not ask IAM has not checked it; any other silence is UNKNOWN.
    """
    denied: list[str] = []
    for actions, resource in needs:
        try:
            answer = await inspection.ask(
                "SimulatePrincipalPolicy",
                PolicySourceArn=principal,
                ActionNames=actions,
                ResourceArns=[resource],
            )
        except Unanswered as refused:
            if not refused.action:
                raise
            return not_checked(f"IAM may not be asked to simulate it: {refused.why}")
        if answer is None:
            return not_checked(f"IAM knows no {principal}")
        results = answer.get("EvaluationResults", [])
        if not results:
            return unknown("IAM's simulation answered nothing")
        denied += [str(result["EvalActionName"]) for result in results if result["EvalDecision"] != "allowed"]
    return failed(f"not allowed: {', '.join(denied)}") if denied else passed("IAM's simulation allows it all")
