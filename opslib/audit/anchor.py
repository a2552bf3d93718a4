"""Anchors: checkpoints kept where not even the key's owner can delete them, so that a replaced ledger shows.

An anchor is one checkpoint, as a line of an export, in an S3 bucket whose default Object Lock holds every new object.
Writing needs s3:GetBucketObjectLockConfiguration and s3:PutObject; reading s3:ListBucketVersions and
s3:GetObjectVersion. Every version of every object is read: a newer one, or a delete marker, hides nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from opslib.credentials import AwsKeys
from opslib.errors import BucketUnfit, BucketUnreachable
from opslib.genesys.together import together
from opslib.ledger.chain import Checkpoint, Verification
from opslib.ledger.export import from_line, to_line
from opslib.ledger.signing import verify_signature
from opslib.onboarding.values import AwsRegion, BucketName, checked_value
from opslib.validator.aws import Aws, Unanswered
from opslib.validator.bucket_errors import bucket_error
from opslib.validator.lifecycle import Lock, parse_lock

# Anything larger is not an anchor, and is not fetched.
_LONGEST_BYTES = 10_000


@dataclass(frozen=True)
class Anchor:
    """A checkpoint, and where and since when it is kept (`at`: by S3's clock, which the key's owner does not set)."""

    checkpoint: Checkpoint
    object: str
    version: str
    at: str

    def as_json(self) -> dict[str, Any]:
        """{seq, object, version, at}."""
        return {"seq": self.checkpoint.seq, "object": self.object, "version": self.version, "at": self.at}


@dataclass(frozen=True)
class AnchorBucket:
    """A bucket for anchors. Every method raises BucketError when S3 does not answer."""

    bucket: str
    region: str
    aws: Aws

    @classmethod
    @asynccontextmanager
    async def open(cls, bucket: str, region: str, keys: AwsKeys | None) -> AsyncIterator["AnchorBucket"]:
        """`keys` None: boto3's own chain. Raises InvalidInput for a name or region that cannot be."""
        name, place = checked_value(BucketName, bucket, "bucket"), checked_value(AwsRegion, region, "region")
        with closing(Aws(keys)) as aws:
            yield cls(name, place, aws)

    async def lock(self) -> Lock:
        """The default that holds new objects. Raises BucketUnfit when there is none."""
        lock = parse_lock(await self._call("GetObjectLockConfiguration"))
        if lock is None or not lock.days:
            raise BucketUnfit(
                f"Bucket {self.bucket} cannot keep anchors",
                cause="it has no Object Lock with a default retention, so an anchor could be deleted or replaced",
                fix="use one with Object Lock and a default retention, best in COMPLIANCE mode; nothing was written",
            )
        return lock

    async def write(self, first: str, checkpoint: Checkpoint) -> tuple[str, str]:
        """Keep a checkpoint of the ledger whose first entry has this hash; returns the object and its version."""
        name = f"{_folder(first)}{checkpoint.seq:010}-{checkpoint.digest()[:16]}.jsonl"
        answer = await self._call("PutObject", Key=name, Body=to_line(checkpoint), ContentType="application/json")
        return name, answer["VersionId"]

    async def read(self, ledger: Verification) -> tuple[list[Anchor], int]:
        """The anchors of a ledger, by its key, oldest first; and how many other objects stand in their place."""
        try:
            versions = [version async for version in self._versions(_folder(ledger.first))]
            read = await together(*(self._anchor(version, ledger.key) for version in versions))
        except (KeyError, TypeError) as error:
            raise BucketUnreachable(
                f"S3 gave no usable answer for bucket {self.bucket}",
                cause=f"the list of versions is not as AWS documents it ({type(error).__name__}: {error})",
                fix="check the proxy and AWS_ENDPOINT_URL_S3",
            ) from None
        anchors = [anchor for anchor in read if anchor]
        return sorted(anchors, key=lambda anchor: (anchor.at, anchor.checkpoint.id)), len(read) - len(anchors)

    async def _versions(self, prefix: str) -> AsyncIterator[dict[str, Any]]:
        page: dict[str, Any] = {}
        while True:
            answer = await self._call("ListObjectVersions", Prefix=prefix, **page)
            for version in answer.get("Versions", ()):
                yield version
            if not answer.get("IsTruncated"):
                return
            page = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}

    async def _anchor(self, version: dict[str, Any], key: str) -> Anchor | None:
        if version["Size"] > _LONGEST_BYTES:
            return None
        answer = await self._call("GetObject", Key=version["Key"], VersionId=version["VersionId"])
        try:
            row = from_line(answer["Body"].encode())
        except ValueError:
            return None
        if not isinstance(row, Checkpoint) or row.key != key or not verify_signature(key, row.text(), row.signature):
            return None
        return Anchor(row, version["Key"], version["VersionId"], version["LastModified"])

    async def _call(self, name: str, **params: Any) -> Any:
        call = partial(self.aws.call, self.region, name, {"Bucket": self.bucket, **params})
        try:
            return (await self.aws.in_thread(call)).data
        except Unanswered as refused:
            raise bucket_error(refused, self.bucket, self.region) from None


def _folder(first: str) -> str:
    return f"opslib-anchors/{first[:16]}/"
