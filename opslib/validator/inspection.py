"""What the checks see: one bucket, what is wanted of it, and AWS's answers, each asked for once.

Every call runs in a thread of one pool and is shared by all checks, and all buckets, that need it. An answer that says
“not configured” is an answer; a refusal, a timeout or a throttled call is none, and ends the check as UNKNOWN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opslib.credentials import AwsKeys, RoleReference
from opslib.onboarding.values import partition_of
from opslib.validator.answers import Answers
from opslib.validator.aws import Evidence, Unanswered

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """One bucket and what is wanted of it. None where nothing was said.

    Attributes:
        retention_days: how long recordings must be kept.
        policy_days: how long the retention policy keeps them, when it is known apart.
        playable_days: how long they must be playable at once, so not in an archive class.
        min_days, max_days: what the profile says about retention.
        owner: the id of the account that the bucket must belong to.
        writer: what Genesys writes with: the key pair that is checked with, a role, or None when it is not known.
        genesys_domain: the domain of the Genesys org that writes, as in the settings; it says from which account.
        kms_key: the ARN of the KMS key that the bucket is to use; only documents need it.
        wants_worm: whether the profile asks for storage that nobody can rewrite.
        calls: the calls that the profile's checks may make, by name.
    """

    bucket: str
    region: str
    prefix: str = ""
    encryption: str | None = None
    retention_days: int | None = None
    policy_days: int | None = None
    playable_days: int | None = None
    min_days: int | None = None
    max_days: int | None = None
    owner: str | None = None
    writer: AwsKeys | RoleReference | None = None
    genesys_domain: str | None = None
    kms_key: str | None = None
    wants_worm: bool = False
    calls: frozenset[str] = frozenset()

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in, as ARNs name it."""
        return partition_of(self.region)

    @property
    def arn(self) -> str:
        """The bucket's ARN."""
        return f"arn:{self.partition}:s3:::{self.bucket}"

    @property
    def folder(self) -> str:
        """What every recording's key begins with: the prefix and a slash, or nothing."""
        return f"{self.prefix}/" if self.prefix else ""


@dataclass
class Inspection:
    """One check's view: what is wanted, and the answers; those used are kept as evidence."""

    wanted: Wanted
    answers: Answers
    evidence: list[Evidence] = field(default_factory=list)

    async def bucket(self, name: str) -> Mapping[str, Any] | None:
        """A call about the bucket; None where nothing is configured. Raises Unanswered."""
        return await self.ask(name, **self.of_bucket())

    async def ask(self, name: str, **params: Any) -> Mapping[str, Any] | None:
        """Any call; None where nothing is configured. Raises Unanswered."""
        try:
            answer = await self.answers.ask(self.wanted.region, name, params)
        except Unanswered as refused:
            self._keep(refused.evidence)
            raise
        self._keep(answer.evidence)
        return answer.data

    async def in_one_go(self, work: Callable[[Callable[..., Mapping[str, Any] | None]], T]) -> T:
        """Calls that belong together, each made now. `work` runs in a thread to its end, whatever is cancelled here;
        what it calls is like `ask`, without waiting."""

        def ask(name: str, **params: Any) -> Mapping[str, Any] | None:
            try:
                answer = self.answers.aws.call(self.wanted.region, name, params)
            except Unanswered as refused:
                self._keep(refused.evidence)
                raise
            self._keep(answer.evidence)
            return answer.data

        return await self.answers.aws.in_thread(lambda: work(ask))

    def of_bucket(self) -> dict[str, str]:
        """The parameters of a call about the bucket. With the owner, S3 refuses calls about somebody else's bucket."""
        owner = {"ExpectedBucketOwner": self.wanted.owner} if self.wanted.owner else {}
        return {"Bucket": self.wanted.bucket, **owner}

    def _keep(self, evidence: Evidence) -> None:
        if evidence not in self.evidence:
            self.evidence.append(evidence)
