"""What a check sees: one bucket, what is wanted of it, the profile, and AWS's answers."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from opslib.validator.aws import GLOBAL, Answer, Aws, Evidence, Unanswered
from opslib.validator.aws_calls import CALLS
from opslib.validator.profile import Profile
from opslib.validator.wanted import Wanted

T = TypeVar("T")
Ask = Callable[..., Mapping[str, Any] | None]


@dataclass
class AnswerCache:
    """AWS's answers to one key pair, shared by all checks of all buckets: no call is made twice."""

    aws: Aws
    _asked: dict[tuple[str, str, str], "asyncio.Task[Answer]"] = field(default_factory=dict)

    async def ask(self, region: str, name: str, params: Mapping[str, Any]) -> Answer:
        """The answer to one call. Raises Unanswered."""
        place = "" if CALLS[name].service in GLOBAL else region
        key = place, name, repr(sorted(params.items()))
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self.aws.in_thread(lambda: self.aws.call(region, name, params)))
        return await asyncio.shield(self._asked[key])


@dataclass
class Inspection:
    """One check's view of one bucket; the answers that it used are kept as evidence."""

    wanted: Wanted
    profile: Profile
    answers: AnswerCache
    evidence: list[Evidence] = field(default_factory=list)

    @property
    def retention_days(self) -> int | None:
        """How long recordings must be kept: as stated, or else the profile's own minimum."""
        return self.profile.retention_days(self.wanted)

    @property
    def today(self) -> date:
        """The day in UTC, from which retention is counted."""
        return datetime.now(UTC).date()

    async def ask_bucket(self, name: str) -> Mapping[str, Any] | None:
        """A call about the bucket; None where nothing is configured. Raises Unanswered."""
        return await self.ask(name, **self.bucket_params())

    async def ask(self, name: str, **params: Any) -> Mapping[str, Any] | None:
        """Any call; None where nothing is configured. Raises Unanswered."""
        try:
            return self._keep(await self.answers.ask(self.wanted.region, name, params))
        except Unanswered as refused:
            self._add(refused.evidence)
            raise

    async def in_one_go(self, work: Callable[[Ask], T]) -> T:
        """Calls that belong together, each made now. `work` runs in a thread to its end, whatever is cancelled here;
        what it calls is like `ask`, without waiting."""

        def ask(name: str, **params: Any) -> Mapping[str, Any] | None:
            try:
                return self._keep(self.answers.aws.call(self.wanted.region, name, params))
            except Unanswered as refused:
                self._add(refused.evidence)
                raise

        return await self.answers.aws.in_thread(lambda: work(ask))

    def bucket_params(self) -> dict[str, str]:
        """The parameters of a call about the bucket. With the owner, S3 refuses calls about somebody else's bucket."""
        owner = {"ExpectedBucketOwner": self.wanted.owner} if self.wanted.owner else {}
        return {"Bucket": self.wanted.bucket, **owner}

    def _keep(self, answer: Answer) -> Mapping[str, Any] | None:
        self._add(answer.evidence)
        return answer.data

    def _add(self, evidence: Evidence) -> None:
        if evidence not in self.evidence:
            self.evidence.append(evidence)
