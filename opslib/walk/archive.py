"""Did every recording arrive? Reads the expected list and the bucket, asks once, and notes the answer in the ledger.

The command line and notebook 03 call the same coroutine.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from opslib.archive.arrived import ArrivedParts
from opslib.archive.database import DuckDB
from opslib.archive.engines import Engine
from opslib.archive.expected import read_expected
from opslib.archive.inventory import read_inventory
from opslib.archive.keys import below
from opslib.archive.listing import Progress, list_bucket
from opslib.archive.missing import FILE as MISSING
from opslib.archive.missing import file_sha256
from opslib.archive.report import Verification, remove_lists, verify
from opslib.archive.times import moment_of
from opslib.credentials import AwsKeys
from opslib.errors import InvalidInput
from opslib.ledger.archive import VERIFIED
from opslib.ledger.ledger import Run
from opslib.ledger.workspace import kind_of, workspace_ledger
from opslib.onboarding.bucket_name import bucket_name
from opslib.settings import Settings
from opslib.walk.archive_folder import Asking, archive_folder, in_a_thread
from opslib.walk.archive_org import names_an_org
from opslib.walk.expected_analytics import expected_from_analytics
from opslib.walk.identities import Identities
from opslib.walk.why import why_after

ANALYTICS: Final = "analytics"
"""Instead of a file of expected recordings: the org's own analytics is asked."""

# A listing that was stopped goes on within this time of its beginning. Recordings keep arriving, so later all is new.
_GOES_ON_WITHIN = timedelta(days=1)

Tell = Callable[[Progress | Asking], None]


@dataclass(frozen=True)
class ArchiveQuestion:
    """What is asked. `expected` is CSV or Parquet, or ANALYTICS, which needs `since`; without `inventory` (a path or
    s3:// address of its manifest.json) the bucket is listed. Without `since` and `until`, the whole list is judged.
    `now` is by default the time at which the listing began, or that of the inventory: neither can tell what came
    later."""

    expected: Path | Literal["analytics"]
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
        if self.expected == ANALYTICS and self.since is None:
            raise InvalidInput(
                "The archive cannot be verified",
                cause="an org's analytics is asked for an interval, and it has no beginning",
                fix="name the time from which on conversations are judged (--since); nothing was sent",
            )
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


@dataclass(frozen=True)
class _Listed:
    """The list of expected recordings: its file, what the ledger says of it, and until when anything is claimed."""

    path: Path
    about: dict[str, Any]
    until: datetime | None
    notes: tuple[str, ...] = ()


async def verify_archive(
    asked: ArchiveQuestion,
    keys: AwsKeys | None,
    settings: Settings | None = None,
    *,
    engine: Engine | None = None,
    out: Path | None = None,
    progress: Tell = lambda _: None,
) -> Verification:
    """Compare, by default with DuckDB, and note the answer in the ledger. With `out`, every list is written there as
    Parquet and CSV.

    Where recordings are missing and the settings name an org, it is asked why; that the bucket was read whole is needed
    for it. `progress` may be called in another thread. A cancellation stops the reading and keeps what was read: asked
    again, it goes on there.

    Raises InvalidInput for an expected list or an inventory that cannot be read, Busy while another one is at work in
    the workspace, BucketNotFound, AwsCredentialsInvalid, LedgerError, and OSError; for a list from analytics also what
    the org answers instead.
    """
    settings, engine = settings or Settings.load(), engine or DuckDB()
    await in_a_thread(engine.check)
    with archive_folder(settings) as folder:
        if out is not None:
            remove_lists(out)
        return await _verify(asked, keys, settings, engine, folder, out, progress)


async def _verify(
    asked: ArchiveQuestion,
    keys: AwsKeys | None,
    settings: Settings,
    engine: Engine,
    folder: Path,
    out: Path | None,
    progress: Tell,
) -> Verification:
    # The list first: nothing is asked of AWS for one that cannot be read.
    run = None if isinstance(asked.expected, Path) else _started(asked, settings)
    listed = await _listed(asked, settings, run, folder, progress)
    expected = await in_a_thread(partial(read_expected, listed.path, folder / "expected"))
    sha256 = await in_a_thread(partial(file_sha256, listed.path))  # now: to read the bucket may take hours
    run = run or _started(asked, settings)
    await Identities(run).ask_aws(asked.region, keys)
    arrived, now = await _read(asked, keys, folder, progress)
    missing = folder / MISSING
    compare = partial(verify, expected, arrived, folder, now=now, out=out, missing=missing, notes=listed.notes)
    compare = partial(compare, within_hours=asked.within_hours, since=asked.since, until=listed.until, engine=engine)
    found = await in_a_thread(compare, engine.stop)
    about = {**listed.about, "sha256": sha256, "rows": expected.rows}
    kept = {"sha256": await in_a_thread(partial(file_sha256, missing)), "rows": found.counts["missing"]}
    verified = run.append(VERIFIED, _entry(asked, about, kept, found))
    if found.complete and found.counts["missing"] and names_an_org(settings):
        return replace(found, why=await why_after(settings, run, folder, verified, progress))
    return found


def _started(asked: ArchiveQuestion, settings: Settings) -> Run:
    return workspace_ledger(settings).start_run("archive", bucket=asked.bucket, **kind_of(settings))


async def _listed(asked: ArchiveQuestion, settings: Settings, run: Run | None, folder: Path, progress: Tell) -> _Listed:
    if isinstance(asked.expected, Path):
        return _Listed(asked.expected, {"name": asked.expected.name}, asked.until)
    assert run is not None  # noqa: S101 (by the caller)
    assert asked.since is not None  # noqa: S101 (by the question)
    found = await expected_from_analytics(settings, run, folder, asked.since, asked.until, progress)
    return _Listed(found.path, {"name": ANALYTICS, **found.provenance()}, moment_of(found.until_ms), found.notes)


class _Stopped(Exception):
    """The reading was cancelled."""


async def _read(
    asked: ArchiveQuestion, keys: AwsKeys | None, folder: Path, progress: Tell
) -> tuple[ArrivedParts, datetime]:
    stopped = threading.Event()

    def tell(so_far: Progress | Asking) -> None:
        if stopped.is_set():
            raise _Stopped
        progress(so_far)

    return await in_a_thread(partial(_read_bucket, asked, keys, folder, tell), stopped.set)


def _read_bucket(
    asked: ArchiveQuestion, keys: AwsKeys | None, folder: Path, progress: Tell
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


def _entry(
    asked: ArchiveQuestion, expected: dict[str, Any], missing: dict[str, Any], found: Verification
) -> dict[str, Any]:
    return {
        "bucket": asked.bucket,
        "prefix": asked.prefix,
        "source": asked.source,
        "expected": expected,
        "missing": missing,
        "answer": found.as_json(),
    }
