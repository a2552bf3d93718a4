"""What the role that only Genesys can assume may do, and what we may."""

from collections.abc import Sequence

from opslib.credentials import RoleReference
from opslib.validator.aws import Unanswered
from opslib.validator.check import Check, asked_by
from opslib.validator.documents.iam import for_checks
from opslib.validator.finding import Outcome, failed, not_checked, passed, unknown
from opslib.validator.inspection import Inspection
from opslib.validator.role_writer import RoleWriter

# Of what the checks need, the statements whose resources are known: a simulation takes no wildcards.
_SIMULATED = ("Bucket", "Canary", "Account")


@Check(
    "writer-role-permissions",
    "The role may write recordings",
    "critical",
    control="storage",
    required=True,
    profiles=asked_by("Genesys Cloud, AWS S3 recording integration", baseline="FAIL", regulated="FAIL"),
    why="A target with a role that may not write loses every recording, and nobody hears of it.",
    calls=(
        "GetCallerIdentity",
        "GetBucketPolicy",
        "GetBucketEncryption",
        "DescribeKey",
        "GetKeyPolicy",
        "ListGrants",
        "SimulatePrincipalPolicy",
    ),
    fix="Allow the role what is named; `opslib check-bucket BUCKET --print writer` prints the policy. Change a "
    "statement that denies it, so that it spares the role.",
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
    proves="The role may do all four things that Genesys documents, and use the bucket's KMS key: IAM's simulation of "
    "its policies, permissions boundary and service control policies, the bucket policy, and the key's policy and "
    "grants allow it.",
    not_proven="Policies of VPC endpoints and resource control policies cannot be read, and Genesys's own policies may "
    "forbid the role. Of a role in another account, only the bucket policy and the key are checked.",
)
async def writer_role_permissions(inspection: Inspection) -> Outcome:
    """Everything that can forbid it is asked before the answer: an explicit Deny counts also where IAM is silent."""
    role = inspection.wanted.writer
    if not isinstance(role, RoleReference):
        return not_checked("Genesys does not write with a role")
    own = str((await inspection.ask("GetCallerIdentity") or {})["Account"])
    writer = RoleWriter(inspection, role.role_arn, own)
    answers = [*await writer.may_write(), *await writer.may_use_key()]
    forbidden = list(dict.fromkeys(may.why for _, may in answers if may.holds is False and may.why))
    if lacking := [action for action, may in answers if may.holds is False and not may.why]:
        forbidden.append(f"not allowed: {', '.join(lacking)}")
    if forbidden:
        return failed("; ".join(forbidden))
    if writer.refused:
        raise writer.refused[0]
    if unclear := list(dict.fromkeys(may.why for _, may in answers if may.holds is None)):
        return unknown("; ".join(unclear))
    if writer.account != own:
        theirs = f"the role's own policies cannot be read, as it is in account {writer.account}"
        return not_checked(f"the bucket policy and the key, if there is one, allow it all; {theirs}")
    return passed("the role's policies, the bucket policy and the key, if there is one, allow it all")


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
    proves="IAM's simulation allows the user who asks every action that the profile's checks need on the bucket.",
    not_proven="The bucket policy and the policies of KMS keys and of VPC endpoints are not part of the simulation.",
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
