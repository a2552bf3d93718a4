"""Who AWS says is asking."""

from contextlib import closing
from dataclasses import dataclass

from opslib.credentials import AwsKeys
from opslib.validator.aws import Aws, Unanswered


@dataclass(frozen=True)
class Caller:
    """The ARN of a user or role session; empty where AWS did not say it, and `why` says why."""

    arn: str
    why: str = ""


async def ask_caller(region: str, keys: AwsKeys | None) -> Caller:
    """Ask AWS whose keys these are. `keys` None: boto3's own chain. Never raises Unanswered."""
    with closing(Aws(keys)) as aws:
        try:
            answer = await aws.in_thread(lambda: aws.call(region, "GetCallerIdentity", {}))
        except Unanswered as refused:
            return Caller("", refused.why)
    arn = (answer.data or {}).get("Arn")
    return Caller(arn) if arn and isinstance(arn, str) else Caller("", "GetCallerIdentity: the answer names no ARN")
