"""May the role that Genesys assumes write? Asks for everything that can forbid it, and combines what is said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opslib.validator.aws import Unanswered
from opslib.validator.checks.encryption import default_encryption, described
from opslib.validator.conditions import ABSENT, NO, YES, Context, Truth, either
from opslib.validator.documents.iam import KMS_WRITE
from opslib.validator.inspection import Inspection
from opslib.validator.policy import Decision, Request, decision, may, session_context

# What Genesys documents for the role (AWS S3 recording integration guide), by what it is done to.
_ON_OBJECTS = ("s3:PutObject", "s3:PutObjectAcl")
_ON_BUCKET = ("s3:GetBucketLocation", "s3:GetEncryptionConfiguration")
# A simulation takes no wildcards: one key as Genesys makes them, and one that nobody expects.
_KEYS = ("year=2026/month=1/day=1/hour=0/conversation_id=opslib/opslib.opus", "opslib-canary")
_HEADERS = ("acl", "server-side-encryption", "server-side-encryption-aws-kms-key-id", "storage-class")

Answers = list[tuple[str, Truth]]
_Said = Mapping[str, Any] | Unanswered | None


@dataclass
class RoleWriter:
    """The role, asked about by account `own`, to which the bucket belongs. `refused` is what AWS did not answer."""

    inspection: Inspection
    role: str
    own: str
    refused: list[Unanswered] = field(default_factory=list)

    @property
    def account(self) -> str:
        return self.role.split(":")[4]

    async def may_write(self) -> Answers:
        """Whether the role may do what Genesys documents, action by action. A missing answer is kept in `refused`."""
        wanted = self.inspection.wanted
        policy = await self._ask("GetBucketPolicy", **self.inspection.bucket_params())
        known = {"resourceaccount": self.own, "requestedregion": wanted.region, "viaawsservice": "false"}
        context = self._context(**known) | {"s3:resourceaccount": ((self.own,),)}
        # AWS's endpoints take no older version of TLS.
        objects: Context = {**context, "s3:tlsversion": (("1.2",), ("1.3",))}
        bucket: Context = {**objects, **{f"s3:x-amz-{header}": ABSENT for header in _HEADERS}}
        place = f"{wanted.arn}/{wanted.folder}"
        answers: Answers = []
        for actions, resource, below, about in (
            (_ON_BUCKET, wanted.arn, False, bucket),
            (_ON_OBJECTS, place, True, objects),
        ):
            examples = [resource + key for key in _KEYS] if below else [resource]
            identity = await self._simulated(actions, examples, about)
            for action in actions:
                request = Request(self.account, self.role, action, resource, about, below)
                said = _decided(policy, request, "the bucket policy")
                if self.account == self.own:
                    answer = may(identity[action], replace(said, account=YES), same_account=True)
                else:
                    other = f"the bucket policy does not allow {action} to the role, which is in account {self.account}"
                    answer = _because(may(identity[action], said, same_account=False), other)
                answers.append((action, answer))
        return answers

    async def may_use_key(self) -> Answers:
        """Whether the role may use the bucket's KMS key, action by action; empty where it needs no leave."""
        try:
            algorithm, key = await default_encryption(self.inspection)
            if algorithm in (None, "AES256"):
                return []
            description = await described(self.inspection, key) if key else {"KeyManager": "AWS"}
        except Unanswered as refused:
            self.refused.append(refused)
            return []
        if description is None:
            return [("kms", Truth(False, "the bucket's KMS key is not there"))]
        if description.get("KeyManager") == "AWS":  # its policy lets in whoever writes through S3, in one account
            other = "the AWS managed key aws/s3 cannot be used by a role of another account"
            return [] if self.account == self.own else [("kms", Truth(False, other))]
        return await self._may_use(description["Arn"])

    async def _may_use(self, key: str) -> Answers:
        wanted, account = self.inspection.wanted, key.split(":")[4]
        policy = await self._ask("GetKeyPolicy", KeyId=key, PolicyName="default")
        known = {"resourceaccount": account, "requestedregion": wanted.region, "viaawsservice": "true"}
        domains = ("amazonaws.com", "amazonaws.com.cn") if wanted.partition == "aws-cn" else ("amazonaws.com",)
        context: Context = {
            **self._context(**known),
            "kms:calleraccount": ((self.account,),),
            "kms:viaservice": tuple((f"s3.{wanted.region}.{domain}",) for domain in domains),
            # The bucket's with a bucket key, else the object's.
            "kms:encryptioncontext:aws:s3:arn": ((wanted.arn,), (f"{wanted.arn}/{wanted.folder}{_KEYS[0]}",)),
        }
        identity = await self._simulated(sorted(KMS_WRITE), [key], context)
        answers: Answers = []
        for action in sorted(KMS_WRITE):
            said = _decided(policy, Request(self.account, self.role, action, key, context), "the key policy")
            answer = may(identity[action], said, same_account=self.account == account)
            if not answer.holds and not said.denied.holds:
                said = replace(said, itself=either([said.itself, await self._granted(key, action)]))
                answer = may(identity[action], said, same_account=self.account == account)
            if said.account.holds is False:
                answer = _because(answer, f"the key policy allows {action} neither to the role nor to its account")
            answers.append((action, answer))
        return answers

    async def _granted(self, key: str, action: str) -> Truth:
        """Whether a grant of the key gives the role the action."""
        answer = await self._ask("ListGrants", KeyId=key, GranteePrincipal=self.role)
        if isinstance(answer, Unanswered):
            return Truth(None, answer.why)
        grants = [grant for grant in (answer or {}).get("Grants", []) if grant.get("GranteePrincipal") == self.role]
        grants = [grant for grant in grants if action.removeprefix("kms:") in grant["Operations"]]
        if any(not grant.get("Constraints") for grant in grants):
            return YES
        if grants or (answer or {}).get("Truncated"):
            return Truth(None, f"whether a grant of the key allows {action} depends on its constraints")
        return NO

    async def _simulated(
        self, actions: Sequence[str], resources: Sequence[str], context: Context
    ) -> dict[str, Decision]:
        """What the role's own policies say to each action on all of the resources, each asked for itself. Of a role in
        another account nothing is known, and they are taken to allow it."""
        if self.account != self.own:
            return dict.fromkeys(actions, Decision(NO, YES))
        said: dict[str, list[Decision]] = {action: [] for action in actions}
        for resource in resources:
            answer = await self._ask(
                "SimulatePrincipalPolicy",
                PolicySourceArn=self.role,
                ActionNames=list(actions),
                ResourceArns=[resource],
                ContextEntries=_entries(context),
            )
            for action in actions:
                said[action].append(self._simulation(answer, action, context))
        everywhere = len(resources) == 1 or self.inspection.wanted.place is not None
        return {action: _on_all(action, decisions, everywhere) for action, decisions in said.items()}

    def _simulation(self, answer: _Said, action: str, context: Context) -> Decision:
        if isinstance(answer, Unanswered):
            return _unsaid(answer.why)
        if answer is None:
            return Decision(Truth(True, f"IAM knows no {self.role}"), NO)
        results = [result for result in answer.get("EvaluationResults", []) if result["EvalActionName"] == action]
        return _simulated(results[0], action, context) if results else _unsaid("IAM's simulation answered nothing")

    async def _ask(self, name: str, **params: Any) -> _Said:
        try:
            return await self.inspection.ask(name, **params)
        except Unanswered as refused:
            self.refused.append(refused)
            return refused

    def _context(self, **known: str) -> dict[str, Sequence[tuple[str, ...]]]:
        more = {f"aws:{key}": ((value,),) for key, value in known.items()}
        return {**session_context(self.account, self.role), **more}


def _because(answer: Truth, why: str) -> Truth:
    """With a reason where nothing allows it."""
    return Truth(False, why) if answer.holds is False and not answer.why else answer


def _unsaid(why: str) -> Decision:
    return Decision(Truth(None, why), Truth(None, why), Truth(None, why))


def _decided(answer: _Said, request: Request, document: str) -> Decision:
    if isinstance(answer, Unanswered):
        return _unsaid(answer.why)
    return decision(answer["Policy"] if answer else None, request, document)


def _simulated(result: Mapping[str, Any], action: str, context: Context) -> Decision:
    """A result of IAM's simulation. Keys that a policy looks at and that nobody knows leave it open; those of another
    service are not part of the request."""
    parts = [result, *result.get("ResourceSpecificResults", [])]
    missing = {key for part in parts for key in part.get("MissingContextValues", [])}
    missing = {key for key in missing if key.split(":")[0].lower() in ("aws", action.split(":")[0])}
    missing -= {key for key in missing if len(context.get(key.lower(), ())) == 1}
    if missing:
        return _unsaid(f"whether the role's policies allow {action} depends on {', '.join(sorted(missing))}")
    for detail, answer, limit in (
        ("OrganizationsDecisionDetail", "AllowedByOrganizations", "no service control policy of the organisation"),
        ("PermissionsBoundaryDecisionDetail", "AllowedByPermissionsBoundary", "not the role's permissions boundary"),
    ):
        if any(part.get(detail, {}).get(answer) is False for part in parts):
            return Decision(Truth(True, f"{limit} allows {action}"), NO)
    if result["EvalDecision"] == "explicitDeny":
        return Decision(Truth(True, f"a policy of the role denies {action}"), NO)
    return Decision(NO, YES if result["EvalDecision"] == "allowed" else NO)


def _on_all(action: str, decisions: Sequence[Decision], everywhere: bool) -> Decision:
    """What holds of all resources that were tried; `everywhere`: whether these stand for all that matter."""
    first = decisions[0]
    if all(said == first for said in decisions) and (everywhere or first.itself.holds is not False):
        return first
    why = "" if everywhere else ", and where Genesys writes is not known"
    return _unsaid(f"the role's policies allow {action} for a part of the bucket at most{why}")


def _entries(context: Context) -> list[dict[str, Any]]:
    """What is known of a request, as a simulation takes it."""
    known = {key: ways[0] for key, ways in context.items() if len(ways) == 1 and ways[0]}
    return [
        {
            "ContextKeyName": key,
            "ContextKeyValues": list(values),
            "ContextKeyType": "boolean" if values[0] in ("true", "false") else "string",
        }
        for key, values in known.items()
    ]
