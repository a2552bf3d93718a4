"""Did every recording arrive? Reads the expected list and the bucket, asks once, and notes the answer in the ledger.

The command line and notebook 03 call the same coroutine.
"""

import asyncio
import hashlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from opslib.archive.arrived import ArrivedParts
from opslib.archive.expected import ExpectedFile, read_expected
from opslib.archive.inventory import read_inventory
from opslib.archive.keys import below
from opslib.archive.listing import Progress, list_bucket
from opslib.archive.report import Verification, remove_lists, verify
from opslib.credentials import AwsKeys
from opslib.errors import Busy, InvalidInput
from opslib.ledger.archive import VERIFIED
from opslib.ledger.workspace import kind_of, workspace_ledger
from opslib.onboarding.bucket_name import bucket_name
from opslib.router.lock import file_lock
from opslib.settings import Settings
from opslib.walk.identities import Identities

FOLDER = "archive"
"""The folder in the workspace in which the expected list and what was read of the bucket are kept, as Parquet."""
_LOCK = "verify.lock"

# A listing that was stopped goes on within this time of its beginning. Recordings keep arriving, so later all is new.
_GOES_ON_WITHIN = timedelta(days=1)

T = TypeVar("T")


@dataclass(frozen=True)
class ArchiveQuestion:
    """What is asked. `expected` is CSV or Parquet; without `inventory` (a path or s3:// address of its manifest.json)
    the bucket is listed. Without `since` and `until`, the whole list is judged. `now` is by default the
    time at which the listing began, or that of the inventory: neither can tell what came later."""

    expected: Path
    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    inventory: str = ""
    since: datetime | None = None
    until: datetime | None = None
    within_hours: float = 24
    now: datetime | None = None

    def __post_init__(self) -> None:
        """Raises InvalidInput."""
        if not 0 < self.within_hours < math.inf:
            raise InvalidInput(
                "The archive cannot be verified",
                cause=f"{self.within_hours} hours are no time within which a recording can arrive",
                fix="name a number of hours above 0",
            )
        try:
            bucket_name(self.bucket)
        except ValueError as error:
            fix = "name the bucket as AWS lists it; nothing was sent"
            raise InvalidInput("The archive cannot be verified", cause=f"{self.bucket!r} is {error}", fix=fix) from None

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

    Raises InvalidInput for an expected list or an inventory that cannot be read, Busy while another one is at work in
    the workspace, BucketNotFound, AwsCredentialsInvalid, LedgerError, and OSError.
    """
    settings = settings or Settings.load()
    folder = settings.home / FOLDER
    for private in (settings.home, folder):
        private.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file_lock(folder / _LOCK, _another_verification):
        if out is not None:
            remove_lists(out)
        return await _verify(asked, keys, settings, folder, out, progress)


def _another_verification() -> Busy:
    return Busy(
        "Another verification is at work in this workspace",
        cause="both would keep what they read in the same files",
        fix="wait until it has finished, or set OPSLIB_HOME to another folder; nothing was read",
    )


async def _verify(
    asked: ArchiveQuestion,
    keys: AwsKeys | None,
    settings: Settings,
    folder: Path,
    out: Path | None,
    progress: Callable[[Progress], None],
) -> Verification:
    # The list first: nothing is asked of AWS for one that cannot be read.
    expected = await _in_a_thread(partial(read_expected, asked.expected, folder / "expected"))
    sha256 = await _in_a_thread(partial(_sha256, asked.expected))  # now: to read the bucket may take hours
    run = workspace_ledger(settings).start_run("archive", bucket=asked.bucket, **kind_of(settings))
    await Identities(run).ask_aws(asked.region, keys)
    arrived, now = await _read(asked, keys, folder, progress)
    compare = partial(verify, expected, arrived, folder, now=now, out=out, within_hours=asked.within_hours)
    found = await _in_a_thread(partial(compare, since=asked.since, until=asked.until))
    run.append(VERIFIED, _entry(asked, expected, sha256, found))
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
    arrived = ArrivedParts(folder / "arrived", asked.inventory or f"s3://{asked.bucket}/{below(asked.prefix)}")
    if arrived.complete or datetime.now(UTC) - arrived.begun_at > _GOES_ON_WITHIN:
        arrived.start_again()
    if not asked.inventory:
        list_bucket(asked.bucket, asked.prefix, keys, arrived, region=asked.region, progress=progress)
        return arrived, asked.now or arrived.begun_at
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


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _entry(asked: ArchiveQuestion, expected: ExpectedFile, sha256: str, found: Verification) -> dict[str, Any]:
    return {
        "bucket": asked.bucket,
        "prefix": asked.prefix,
        "source": asked.source,
        "expected": {"name": asked.expected.name, "sha256": sha256, "rows": expected.rows},
        "answer": found.as_json(),
    }
