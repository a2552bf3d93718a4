"""Whom the role trusts that only Genesys can assume."""

import json
from collections.abc import Sequence

from opslib.credentials import RoleReference
from opslib.validator.check import Check, asked_by
from opslib.validator.conditions import ABSENT, NO, YES, Truth, either, parts_of
from opslib.validator.documents.iam import genesys_accounts
from opslib.validator.finding import Outcome, failed, not_checked, passed, unknown, warned
from opslib.validator.inspection import Inspection
from opslib.validator.parties import parties, strangers
from opslib.validator.policy import Decision, Request, Statement, covers, decision, may, session_context, statements

# Ways to assume a role; Genesys takes the first.
_ASSUMING = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")
# The id of some other customer of Genesys.
_ANOTHER = "00000000-0000-4000-8000-000000000000"


@Check(
    "writer-role-trust",
    "The role trusts Genesys, and only with your external id",
    "critical",
    control="storage",
    required=True,
    profiles=asked_by(
        "AWS IAM User Guide, the confused deputy; Genesys Cloud, AWS S3 recording integration",
        baseline="FAIL",
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
    proves="The role has exactly the ARN that Genesys is given, its trust policy lets Genesys's account assume it with "
    "your external id and not without, and lets in no other account.",
    not_proven="That Genesys uses this role. A role in another account cannot be read. Who in your own account, and "
    "which AWS service, may assume the role is only a warning.",
)
async def writer_role_trust(inspection: Inspection) -> Outcome:
    """Read through IAM, since only Genesys can assume the role."""
    role = inspection.wanted.writer
    if not isinstance(role, RoleReference):
        return not_checked("Genesys does not write with a role")
    own = (await inspection.ask("GetCallerIdentity") or {}).get("Account")
    if own != role.role_arn.split(":")[4]:
        return not_checked(f"the role is in another account than {own}, which asks")
    answer = await inspection.ask("GetRole", RoleName=role.role_arn.rsplit("/", 1)[-1])
    if answer is None:
        return failed("there is no such role")
    if (arn := answer["Role"]["Arn"]) != role.role_arn:
        return failed(f"the role is {arn}, and Genesys is given {role.role_arn}")
    document = answer["Role"]["AssumeRolePolicyDocument"]
    policy = document if isinstance(document, str) else json.dumps(document)
    return _trusts(policy, role.external_id, genesys_accounts(inspection.wanted.genesys_domain), own)


def _trusts(policy: str, external_id: str, genesys: frozenset[str], own: str) -> Outcome:
    """Genesys with the external id only; besides, at most the role's own account and AWS's services."""

    def lets_in(*external_ids: tuple[str, ...], accounts: frozenset[str] = genesys) -> Truth:
        return either(_lets_in(policy, account, external_ids) for account in sorted(accounts))

    let_in = lets_in((external_id,))
    if let_in.holds is False:
        why = let_in.why and f": {let_in.why}"
        return failed(f"the role does not let Genesys's account {' or '.join(sorted(genesys))} assume it{why}")
    allow = [grant for grant in statements(policy) if grant.get("Effect") == "Allow" and covers(grant, *_ASSUMING)]
    others = strangers(json.dumps({"Statement": allow}), {*genesys, own})
    if alive := sorted(party.words for party in others if not party.gone):
        return failed(f"the role can also be assumed by: {', '.join(alive)}")
    without = lets_in(*ABSENT)
    if without.holds:
        return failed("the role can be assumed without your external id")
    more = [id for id in _other_ids(allow, external_id) if lets_in((_example(id),)).holds]
    if foreign := [id for id in more if id == _ANOTHER or id != _example(id)]:
        return failed(f"the role can be assumed with another external id than yours, such as {_example(foreign[0])}")
    if unsure := [truth.why for truth in (let_in, without, lets_in((_ANOTHER,))) if truth.holds is None]:
        return unknown(unsure[0])
    besides = [f"with the external id {id}, which must be that of another organisation of yours" for id in more]
    if lets_in(*ABSENT, accounts=frozenset({own})).holds is not False:
        besides.append(f"by somebody in your own account {own}, who need not give the external id")
    besides += [f"by {party.words}" for grant in allow for kind, party in parties(grant) if kind == "Service"]
    if besides:
        return warned(f"Genesys may assume it, and it can also be assumed {', '.join(besides)}")
    if others:
        return warned(f"Genesys may assume it; it also names {', '.join(sorted(party.words for party in others))}")
    return passed(f"Genesys may assume it, with external id {external_id} only")


def _lets_in(policy: str, account: str, external_ids: tuple[tuple[str, ...], ...]) -> Truth:
    """Whether somebody in another account may assume the role, when his own account allows it."""
    context = {**session_context(account), "sts:externalid": external_ids}
    request = Request(account, "", _ASSUMING[0], "", context)
    return may(Decision(NO, YES), decision(policy, request, "the trust policy"), same_account=False)


def _other_ids(allow: Sequence[Statement], external_id: str) -> list[str]:
    """The external ids, or patterns of such, that are named beside ours; and one that nobody names."""
    parts = [part for grant in allow for part in parts_of(grant.get("Condition"))]
    named = {value for _, key, values in parts if key.lower() == "sts:externalid" for value in values}
    return [_ANOTHER, *sorted(id for id in named if id.lower() != external_id.lower())]


def _example(pattern: str) -> str:
    return pattern.replace("*", "x").replace("?", "x")
