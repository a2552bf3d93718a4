"""Whether what Genesys writes with can write, shown without leaving anything behind."""

import json
import secrets
from typing import Any

from opslib.models import AwsKeys, RoleReference
from opslib.validator.bucket_policy import accounts_allowed, statements
from opslib.validator.finding import Outcome, check, failed, not_checked, passed
from opslib.validator.look import CALLS, Look, Unanswered

# The account from which Genesys Cloud assumes its customers' roles (AWS S3 recording integration guide).
GENESYS_ACCOUNT = "765628985471"


@check(
    "writer",
    "The key can write recordings",
    "critical",
    why="A target with a key that may not write loses every recording, and nobody hears of it.",
    calls=("CreateMultipartUpload", "UploadPart", "AbortMultipartUpload", "ListParts"),
    fix="Allow s3:PutObject and s3:AbortMultipartUpload below the prefix, and with KMS GenerateDataKey and Decrypt.",
    cli="aws s3api create-multipart-upload --bucket BUCKET --key PREFIX/opslib-canary",
    source="Amazon S3 User Guide, multipart upload and permissions",
)
async def writer(look: Look) -> Outcome:
    """A multipart upload that is begun, gets one part and is aborted: unlike an object, it can always be taken back,
    also from a bucket with Object Lock."""
    if not isinstance(look.wanted.writer, AwsKeys):
        return not_checked("Genesys writes with a role that only Genesys can assume, or with a key that is not here")
    folder = f"{look.wanted.prefix}/" if look.wanted.prefix else ""
    place = {"Key": f"{folder}opslib-canary-{secrets.token_hex(8)}"}
    encryption = {"ServerSideEncryption": look.wanted.encryption} if look.wanted.encryption else {}
    try:
        begun = await look.bucket("CreateMultipartUpload", **place, **encryption) or {}
    except Unanswered as refused:
        if refused.action:
            return failed(f"{refused.why}")
        raise
    upload = place | {"UploadId": begun["UploadId"]}
    why = ""
    try:
        await look.bucket("UploadPart", **upload, PartNumber=1, Body=b"opslib")
    except Unanswered as refused:
        why = refused.why
    left = await _taken_back(look, upload)
    if left:
        return failed(f"the upload {upload['UploadId']} of {upload['Key']} could not be taken back: {left}")
    return failed(why) if why else passed("a multipart upload was begun, got a part, and was taken back")


async def _taken_back(look: Look, upload: dict[str, Any]) -> str:
    """Abort, and see that nothing is left; what is wrong in words."""
    try:
        await look.bucket("AbortMultipartUpload", **upload)
    except Unanswered as refused:
        return refused.why
    try:
        parts = await look.bucket("ListParts", **upload)
    except Unanswered:
        return ""  # the abort was confirmed; who may not list cannot look again
    return "" if parts is None else "it is still listed after the abort"


@check(
    "writer-role-trust",
    "The role trusts Genesys, and only with your external id",
    "critical",
    why="Without the external id, another customer of Genesys could make it write with your role.",
    calls=("GetRole",),
    fix="Let the role trust Genesys's account, with your organisation's id as external id.",
    cli="aws iam get-role --role-name ROLE",
    source="AWS IAM User Guide, the confused deputy; Genesys Cloud, AWS S3 recording integration",
)
async def writer_role_trust(look: Look) -> Outcome:
    """Read through IAM, since only Genesys can assume the role."""
    role = look.wanted.writer
    if not isinstance(role, RoleReference):
        return not_checked("Genesys does not write with a role")
    try:
        found = await look.ask("GetRole", RoleName=role.role_arn.rsplit("/", 1)[-1])
    except Unanswered as refused:
        return not_checked(f"the role could not be read: {refused.why}")
    if found is None:
        return failed("there is no such role")
    document = found["Role"]["AssumeRolePolicyDocument"]
    trust = document if isinstance(document, str) else json.dumps(document)
    if GENESYS_ACCOUNT not in accounts_allowed(trust):
        return failed(f"the role does not trust Genesys's account {GENESYS_ACCOUNT}")
    if not all(_asks_for(one, role.external_id) for one in statements(trust) if one.get("Effect") == "Allow"):
        return failed("the role can be assumed without your external id")
    return passed(f"account {GENESYS_ACCOUNT} may assume it, with external id {role.external_id}")


@check(
    "writer-role-permissions",
    "The role may write recordings",
    "critical",
    why="A target with a role that may not write loses every recording, and nobody hears of it.",
    calls=("SimulatePrincipalPolicy",),
    fix="Allow the role s3:PutObject below the prefix.",
    cli="aws iam simulate-principal-policy --policy-source-arn ROLE --action-names s3:PutObject",
    source="AWS IAM, SimulatePrincipalPolicy",
)
async def writer_role_permissions(look: Look) -> Outcome:
    """As IAM's simulation predicts; the bucket policy is not part of it."""
    role = look.wanted.writer
    if not isinstance(role, RoleReference):
        return not_checked("Genesys does not write with a role")
    folder = f"{look.wanted.prefix}/" if look.wanted.prefix else ""
    return await _simulated(look, role.role_arn, ["s3:PutObject"], f"{look.wanted.arn}/{folder}opslib-canary")


def _asks_for(statement: Any, external_id: str) -> bool:
    keys = {
        key.lower(): value if isinstance(value, list) else [value]
        for operator, keys in (statement.get("Condition") or {}).items()
        if operator.lower() == "stringequals"
        for key, value in keys.items()
    }
    return keys.get("sts:externalid") == [external_id]


@check(
    "own-permissions",
    "We may ask everything that the checks need",
    "low",
    why="What we may not ask stays UNKNOWN.",
    calls=("GetCallerIdentity", "SimulatePrincipalPolicy"),
    fix="Allow the actions named; `opslib check-bucket BUCKET --print checks` prints the whole policy.",
    source="AWS IAM, SimulatePrincipalPolicy",
)
async def own_permissions(look: Look) -> Outcome:
    """Predicted by IAM, where it lets us ask."""
    identity = await look.ask("GetCallerIdentity") or {}
    actions = sorted({call.action for call in CALLS.values() if call.service == "s3"})
    return await _simulated(look, str(identity.get("Arn", "")), actions, look.wanted.arn)


async def _simulated(look: Look, principal: str, actions: list[str], resource: str) -> Outcome:
    try:
        found = await look.ask(
            "SimulatePrincipalPolicy",
            PolicySourceArn=principal,
            ActionNames=actions,
            ResourceArns=[resource],
        )
    except Unanswered as refused:
        return not_checked(f"IAM did not simulate it: {refused.why}")
    results = (found or {}).get("EvaluationResults", [])
    denied = [one["EvalActionName"] for one in results if one["EvalDecision"] != "allowed"]
    if not results:
        return not_checked("IAM's simulation answered nothing")
    return failed(f"not allowed: {', '.join(denied)}") if denied else passed("IAM's simulation allows it all")
