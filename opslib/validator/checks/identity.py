"""What IAM says about the role that only Genesys can assume, and about ourselves."""

import json
from collections.abc import Sequence
from typing import Any

from opslib.models import RoleReference
from opslib.validator.aws import Unanswered
from opslib.validator.bucket_policy import Statement, allowed_parties, statements
from opslib.validator.checks.encryption import default_encryption
from opslib.validator.finding import Outcome, check, failed, not_checked, passed, unknown
from opslib.validator.look import Look
from opslib.validator.permissions import GENESYS_ACCOUNT, GENESYS_FEDRAMP_ACCOUNT, for_checks
from opslib.validator.wildcards import matches

# Of what the checks need, the statements whose resources are known: a simulation takes no wildcards.
_SIMULATED = ("Bucket", "Canary", "Account")


@check(
    "writer-role-trust",
    "The role trusts Genesys, and only with your external id",
    "critical",
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
    source="AWS IAM User Guide, the confused deputy; Genesys Cloud, AWS S3 recording integration",
)
async def writer_role_trust(look: Look) -> Outcome:
    """Read through IAM, since only Genesys can assume the role."""
    role = look.wanted.writer
    if not isinstance(role, RoleReference):
        return not_checked("Genesys does not write with a role")
    own = (await look.ask("GetCallerIdentity") or {}).get("Account")
    if own != role.role_arn.split(":")[4]:
        return not_checked(f"the role is in another account than {own}, which asks")
    try:
        found = await look.ask("GetRole", RoleName=role.role_arn.rsplit("/", 1)[-1])
    except Unanswered as refused:
        if not refused.action:
            raise
        return not_checked(f"the role may not be read: {refused.why}")
    if found is None:
        return failed("there is no such role")
    document = found["Role"]["AssumeRolePolicyDocument"]
    return _trusts(statements(document if isinstance(document, str) else json.dumps(document)), role.external_id)


def _trusts(document: Sequence[Statement], external_id: str) -> Outcome:
    allow = [one for one in document if one.get("Effect") == "Allow" and _assumes(one)]
    trusted = {party for one in allow for party in allowed_parties(json.dumps({"Statement": [one]}))}
    if not trusted & {GENESYS_ACCOUNT, GENESYS_FEDRAMP_ACCOUNT}:
        return failed(f"the role does not let Genesys's account {GENESYS_ACCOUNT} assume it")
    if not all(_asks_for(one, external_id) for one in allow):
        return failed("the role can be assumed without your external id")
    return passed(f"Genesys may assume it, with external id {external_id} only")


def _assumes(statement: Statement) -> bool:
    actions = statement.get("Action", [])
    return any(
        matches(one.lower(), "sts:assumerole") for one in ([actions] if isinstance(actions, str) else list(actions))
    )


def _asks_for(statement: Any, external_id: str) -> bool:
    keys = {
        key.lower(): value if isinstance(value, list) else [value]
        for operator, keys in (statement.get("Condition") or {}).items()
        if operator.lower() == "stringequals"
        for key, value in keys.items()
    }
    return keys.get("sts:externalid") == [external_id]


@check(
    "writer-role-permissions",
    "The role may write recordings",
    "critical",
    why="A target with a role that may not write loses every recording, and nobody hears of it.",
    calls=("GetBucketEncryption", "SimulatePrincipalPolicy"),
    fix="Allow the role what is named; `opslib check-bucket BUCKET --print writer` prints the policy.",
    cli="aws iam put-role-policy --role-name ROLE --policy-name write-recordings --policy-document file://writer.json"
    "  # from: opslib check-bucket BUCKET --print writer > writer.json",
    terraform="""\
resource "aws_iam_role_policy" "genesys" {
  name   = "write-recordings"
  role   = "ROLE"
  policy = file("writer.json")
}""",
    source="AWS IAM, SimulatePrincipalPolicy; Genesys Cloud, AWS S3 recording integration",
)
async def writer_role_permissions(look: Look) -> Outcome:
    """As IAM's simulation predicts; bucket and key policies are not part of it."""
    role = look.wanted.writer
    if not isinstance(role, RoleReference):
        return not_checked("Genesys does not write with a role")
    needs = [(["s3:PutObject"], f"{look.wanted.arn}/{look.wanted.folder}opslib-canary")]
    _, key = await default_encryption(look)
    if key and key.startswith("arn:"):
        needs.append((["kms:GenerateDataKey"], key))
    return await _simulated(look, role.role_arn, needs)


@check(
    "own-permissions",
    "We may ask everything that the checks need",
    "low",
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
    source="AWS IAM, SimulatePrincipalPolicy",
)
async def own_permissions(look: Look) -> Outcome:
    """Predicted by IAM, where it lets us ask."""
    arn = str((await look.ask("GetCallerIdentity") or {}).get("Arn", ""))
    if arn.endswith(":root"):
        return passed("the account's root user may ask everything, and should not be used")
    asked = (one for one in for_checks(look.wanted, look.wanted.calls)["Statement"] if one["Sid"] in _SIMULATED)
    needs = [(one["Action"], one["Resource"].replace("canary-*", "canary-0")) for one in asked]
    if not needs:
        return not_checked("the profile's checks ask for nothing that can be simulated")
    return await _simulated(look, _principal(arn), needs)


def _principal(arn: str) -> str:
    """Whose policies count: of a session, its role. A role's path is not in the session's ARN."""
    partition, account, name = arn.split(":")[1], arn.split(":")[4], arn.split("/")
    return f"arn:{partition}:iam::{account}:role/{name[1]}" if ":assumed-role/" in arn else arn


async def _simulated(look: Look, principal: str, needs: Sequence[tuple[list[str], str]]) -> Outcome:
    """Whether the principal may do these actions on these resources, each resource with a question of its own.

    Who may not ask IAM has not checked it; any other silence is UNKNOWN.
    """
    denied: list[str] = []
    for actions, resource in needs:
        try:
            found = await look.ask(
                "SimulatePrincipalPolicy",
                PolicySourceArn=principal,
                ActionNames=actions,
                ResourceArns=[resource],
            )
        except Unanswered as refused:
            if not refused.action:
                raise
            return not_checked(f"IAM may not be asked to simulate it: {refused.why}")
        if found is None:
            return not_checked(f"IAM knows no {principal}")
        results = found.get("EvaluationResults", [])
        if not results:
            return unknown("IAM's simulation answered nothing")
        denied += [str(one["EvalActionName"]) for one in results if one["EvalDecision"] != "allowed"]
    return failed(f"not allowed: {', '.join(denied)}") if denied else passed("IAM's simulation allows it all")
