"""An AWS account that holds one role, one bucket and one key, in the place of `Aws`; its IAM is the evaluator's."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from opslib.credentials import RoleReference
from opslib.validator.aws import Answer, Evidence, Unanswered
from opslib.validator.checks.permissions import writer_role_permissions
from opslib.validator.finding import Outcome, unknown
from opslib.validator.inspection import AnswerCache, Inspection
from opslib.validator.profile_loader import load_profile
from opslib.validator.wanted import Wanted

from .iam_by_hand import conditions, says

OWN, OTHER = "123456789012", "210987654321"
ARN, PLACE = "arn:aws:s3:::recordings", "6513270e-269e-4d37-b2a7-4de452e6b438/"
KEY = f"arn:aws:kms:us-east-1:{OWN}:key/k"


@dataclass
class Combination:
    """A role, its policy, the bucket's, the key's (None: no KMS) with grants, and the calls that AWS refuses; `limits`
    is what IAM's simulation says of permissions boundary and organisation."""

    role: str
    identity: dict[str, Any]
    bucket: dict[str, Any]
    key_arn: str = KEY
    key: dict[str, Any] | None = None
    grants: list[dict[str, Any]] = field(default_factory=list)
    refused: frozenset[str] = frozenset()
    limits: dict[str, Any] = field(default_factory=dict)
    key_manager: str = "CUSTOMER"

    @property
    def account(self) -> str:
        return self.role.split(":")[4]


class Account:
    """AWS as the combination has it, in the place of `Aws`; its simulation is the evaluator's."""

    def __init__(self, found: Combination) -> None:
        self.found = found

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        return work()

    def call(self, region: str, name: str, params: Mapping[str, Any]) -> Answer:
        evidence = Evidence(name, "2026-11-27T00:00:00Z", 200, "r", None)
        if name in self.found.refused:
            error = ClientError({"Error": {"Code": "AccessDenied"}}, name)
            raise Unanswered("refused with AccessDenied", evidence, error, action="x:y")
        key, found = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.found.key_arn}, self.found
        rule = {"ApplyServerSideEncryptionByDefault": key if found.key else {"SSEAlgorithm": "AES256"}}
        data: Any = {
            "GetCallerIdentity": {"Account": OWN},
            "GetBucketPolicy": {"Policy": json.dumps(found.bucket)},
            "GetBucketEncryption": {"ServerSideEncryptionConfiguration": {"Rules": [rule]}},
            "DescribeKey": {"KeyMetadata": {"Arn": found.key_arn, "KeyManager": found.key_manager}},
            "GetKeyPolicy": {"Policy": json.dumps(found.key)},
            "ListGrants": {"Grants": found.grants},
        }.get(name) or self.simulated(**params)
        return Answer(data, evidence)

    def simulated(self, PolicySourceArn: str, ActionNames: Any, ResourceArns: Any, ContextEntries: Any) -> Any:
        world = {one["ContextKeyName"].lower(): tuple(one["ContextKeyValues"]) for one in ContextEntries}
        looked_at = sorted({key for _, key, _ in conditions([self.found.identity])} - world.keys())
        results = []
        for action in ActionNames:
            said = says(self.found.identity, PolicySourceArn, action, ResourceArns[0], {**world, "session": ("s",)})
            word = "explicitDeny" if "deny" in said else "allowed" if "allow" in said else "implicitDeny"
            results.append(
                {"EvalActionName": action, "EvalDecision": word, "MissingContextValues": looked_at} | self.found.limits
            )
        return {"EvaluationResults": results}


async def outcome(found: Combination, place: str | None = PLACE) -> Outcome:
    """What the check says of the role."""
    writer = RoleReference(role_arn=found.role, external_id="org-1")
    wanted = Wanted("recordings", "us-east-1", place=place, writer=writer)
    inspection = Inspection(wanted, load_profile("baseline"), AnswerCache(Account(found)))  # type: ignore[arg-type]
    try:
        return await writer_role_permissions(inspection)
    except Unanswered as refused:
        return unknown(refused.why)
