"""Did every recording arrive? Reads the expected list and the bucket, asks once, and notes the answer in the ledger.

The command line and notebook 03 call the same coroutine.
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from opslib.archive.arrived import ArrivedParts
from opslib.archive.expected import ExpectedFile, read_expected
from opslib.archive.inventory import read_inventory
from opslib.archive.listing import Progress, list_bucket
from opslib.archive.report import Verification, verify
from opslib.credentials import AwsKeys
from opslib.ledger.archive import VERIFIED
from opslib.ledger.workspace import kind_of, workspace_ledger
from opslib.settings import Settings
from opslib.walk.identities import Identities

FOLDER = "archive"
"""The folder in the workspace in which the expected list and what was read of the bucket are kept, as Parquet."""


# A listing that was stopped goes on within this time. Recordings keep arriving, so after it, the bucket is read again.
_GOES_ON_WITHIN_S = 24 * 3600

T = TypeVar("T")


@dataclass(frozen=True)
class ArchiveQuestion:
    """What is asked. `expected` is CSV or Parquet; without `inventory` (a path or s3:// address of its manifest.json)
    the bucket is listed. Without `since` and `until`, the whole list is judged. `now` is by default the present, or the
    time of the inventory, which cannot tell what came later."""

    expected: Path
    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    inventory: str = ""
    since: datetime | None = None
    until: datetime | None = None
    within_hours: float = 24
    now: datetime | None = None

    @property
    def source(self) -> str:
        return f"inventory {self.inventory}" if self.inventory else "listing"


async def verify_archive(
    asked: ArchiveQuestion,
    keys: AwsKeys | None,
    settings: Settings | None = None,
    *,
    out: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Verification:
    """Compare, and note the answer in the ledger. With `out`, every list is written there as Parquet and CSV.

    `progress` is called in another thread. A cancellation stops the reading and keeps what was read: asked again, it
    goes on there.

    Raises InvalidInput for an expected list or an inventory that cannot be read, BucketNotFound,
    AwsCredentialsInvalid, and LedgerError.
    """
    settings = settings or Settings.load()
    folder = settings.home / FOLDER
    # The list first: nothing is asked of AWS for one that cannot be read.
    expected = await _in_a_thread(partial(read_expected, asked.expected, folder / "expected"))
    run = workspace_ledger(settings).start_run("archive", bucket=asked.bucket, **kind_of(settings))
    await Identities(run).ask_aws(asked.region, keys)
    arrived, now = await _read(asked, keys, folder, progress)
    compare = partial(verify, expected, arrived, folder, now=now, out=out, within_hours=asked.within_hours)
    found = await _in_a_thread(partial(compare, since=asked.since, until=asked.until))
    run.append(VERIFIED, _entry(asked, expected, found))
    return found


async def _in_a_thread(work: Callable[[], T], stop: Callable[[], None] = lambda: None) -> T:
    """The result of the work. A cancellation calls `stop`, and waits for the work to end: who asks again uses the same
    files."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([task])
        task.exception()  # of the work that was stopped
        raise


class _Stopped(Exception):
    """The reading was cancelled."""


async def _read(
    asked: ArchiveQuestion, keys: AwsKeys | None, folder: Path, progress: Callable[[Progress], None]
) -> tuple[ArrivedParts, datetime]:
    stopped = threading.Event()

    def tell(so_far: Progress) -> None:
        if stopped.is_set():
            raise _Stopped
        progress(so_far)

    return await _in_a_thread(partial(_read_bucket, asked, keys, folder, tell), stopped.set)


def _read_bucket(
    asked: ArchiveQuestion, keys: AwsKeys | None, folder: Path, progress: Callable[[Progress], None]
) -> tuple[ArrivedParts, datetime]:
    """What is in the bucket, and as of when. One that was read whole is read again."""
    arrived = ArrivedParts(folder / "arrived", asked.inventory or f"s3://{asked.bucket}/{asked.prefix}")
    if arrived.complete or _is_old(arrived):
        arrived.start_again()
    if not asked.inventory:
        now = asked.now or datetime.now(UTC)
        list_bucket(asked.bucket, asked.prefix, keys, arrived, region=asked.region, progress=progress)
        return arrived, now
    read = read_inventory(
        asked.inventory,
        arrived,
        bucket=asked.bucket,
        prefix=asked.prefix,
        keys=keys,
        region=asked.region,
        progress=lambda done, known: progress(Progress(0, done, known)),
    )
    return arrived, asked.now or read.created_at


def _is_old(arrived: ArrivedParts) -> bool:
    newest = max((path.stat().st_mtime for path in arrived.paths), default=0)
    return bool(newest) and time.time() - newest > _GOES_ON_WITHIN_S


def _entry(asked: ArchiveQuestion, expected: ExpectedFile, found: Verification) -> dict[str, Any]:
    with asked.expected.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "bucket": asked.bucket,
        "prefix": asked.prefix,
        "source": asked.source,
        "expected": {"name": asked.expected.name, "sha256": sha256, "rows": expected.rows},
        "answer": found.as_json(),
    }
