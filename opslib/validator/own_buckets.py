"""The buckets of an AWS account, for a form to choose from."""

from contextlib import closing
from dataclasses import dataclass
from functools import partial

from opslib.credentials import AwsKeys
from opslib.validator.aws import Aws

MOST_BUCKETS = 1000


@dataclass(frozen=True)
class Buckets:
    """Names in AWS's order; `more`: there are others than these first `MOST_BUCKETS`."""

    names: tuple[str, ...]
    more: bool


async def own_buckets(region: str, keys: AwsKeys | None) -> Buckets:
    """The account's buckets, in all regions. `keys` None: boto3's own chain. Raises Unanswered."""
    with closing(Aws(keys)) as aws:
        answer = await aws.in_thread(partial(aws.call, region, "ListBuckets", {"MaxBuckets": MOST_BUCKETS}))
    data = answer.data or {}
    names = tuple(bucket["Name"] for bucket in data["Buckets"] if bucket.get("Name"))
    return Buckets(names, more=bool(data.get("ContinuationToken")))
