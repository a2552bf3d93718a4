"""Lists a bucket in parallel, over the tree that Genesys's keys make.

1. Organizations, years and months are read by folder: each has few subfolders, and every one is a job.
2. A day is read flat. One with many pages goes on by hour.
3. Everything foreign is read flat too, since misnamed recordings may be anywhere. So is a folder with more subfolders
   than one page has: it is not of the layout.

What was read is kept in parts. A part that is there is not asked for again: a listing that was stopped goes on.
"""

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import pyarrow as pa

from opslib.archive.arrived import ArrivedParts, Gap, rows
from opslib.archive.keys import below
from opslib.archive.pages import Lister, Page
from opslib.credentials import AwsKeys
from opslib.errors import AwsCredentialsInvalid, BucketNotFound
from opslib.validator.aws import Unanswered
from opslib.validator.bucket_errors import bucket_error

# A page has up to 1000 objects. A day is split by hour once it has more pages than this: 24 calls cost more than few.
PAGES_OF_A_DAY = 4
# What is kept at once of a folder that has many pages: what is lost when a listing is stopped, and held in memory.
PAGES_OF_A_PART = 20
# With more, the threads wait for each other and no longer for S3: benchmarks/archive_listing.py.
_CALLS_AT_ONCE = 12
# How often the progress is told while no folder ends.
_TELL_EVERY_S = 0.5

_LAYOUT = re.compile(r"(year|month|day|hour|conversation_id)=.*")


@dataclass(frozen=True)
class Progress:
    """So far: objects read in this run, folders done, and folders known of."""

    objects: int
    done: int
    known: int

    @property
    def words(self) -> str:
        return f"{self.objects:,} objects; {self.done:,} of {self.known:,} folders known so far"


Job = Callable[[], "Iterable[Job]"]


def list_bucket(
    bucket: str,
    prefix: str,
    keys: AwsKeys | None,
    into: ArrivedParts,
    *,
    region: str = "us-east-1",
    progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[Gap, ...]:
    """Reads every object below the prefix that `into` lacks, and returns what could not be read: denied, timed out.

    `progress` is told every half second or sooner; an exception that it raises ends the listing.

    Raises BucketNotFound and AwsCredentialsInvalid; then nothing else can be read either.
    """
    if into.complete:
        return ()
    listing = _Listing(bucket, region, Lister(bucket, region, keys), below(prefix), into)
    listing.run(progress)
    into.finish(sorted(listing.gaps, key=lambda gap: gap.where))
    return into.gaps


class _Listing:
    def __init__(self, bucket: str, region: str, lister: Lister, prefix: str, into: ArrivedParts) -> None:
        self._bucket, self._region, self._lister, self._prefix, self._into = bucket, region, lister, prefix, into
        self.gaps: list[Gap] = []
        self._objects = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def run(self, progress: Callable[[Progress], None]) -> None:
        pool = ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="listing")
        try:
            self._work(pool, progress)
        finally:
            self._ended.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, pool: ThreadPoolExecutor, progress: Callable[[Progress], None]) -> None:
        """Every job, and the jobs that come of it."""
        at_work: dict[Future[Iterable[Job]], None] = {pool.submit(self._job(self._look, self._prefix)): None}
        done = 0
        while at_work:
            for future in wait(at_work, _TELL_EVERY_S, FIRST_COMPLETED).done:
                del at_work[future]
                done += 1
                at_work |= dict.fromkeys(map(pool.submit, future.result()))
            progress(Progress(self._objects, done, done + len(at_work)))

    def _job(self, read: Callable[[str], Iterable[Job]], folder: str) -> Job:
        """The reading of one folder; a refusal is a gap."""

        def job() -> Iterable[Job]:
            try:
                return read(folder)
            except Unanswered as refused:
                self.gaps.append(self._gap(folder, refused))  # a list's append is safe in threads
                return ()

        return job

    def _gap(self, folder: str, refused: Unanswered) -> Gap:
        error = bucket_error(refused, self._bucket, self._region)
        if isinstance(error, BucketNotFound | AwsCredentialsInvalid):
            raise error from refused
        return Gap(f"s3://{self._bucket}/{folder}", error.cause, error.fix)

    def _look(self, folder: str) -> Iterable[Job]:
        """A folder of the layout: its own objects, and a job for each subfolder."""
        return self._divide(folder, self._lister.page(folder, by_folder=True))

    def _divide(self, folder: str, page: Page) -> Iterable[Job]:
        names = {subfolder: subfolder.removeprefix(folder).rstrip("/") for subfolder in page.folders}
        if page.token or any(name.startswith("conversation_id=") for name in names.values()):
            return [self._job(self._flat, folder)]
        self._keep_own(folder, page.objects)
        return [self._job(self._reader(folder, name), subfolder) for subfolder, name in names.items()]

    def _reader(self, folder: str, name: str) -> Callable[[str], Iterable[Job]]:
        match = _LAYOUT.fullmatch(name)
        kind = match[1] if match else ""
        if kind in ("year", "month"):
            return self._look
        if kind == "day":
            return self._day
        return self._organization if folder == self._prefix and not kind else self._flat

    def _organization(self, folder: str) -> Iterable[Job]:
        """A folder right below the prefix: an organization's if it has years."""
        page = self._lister.page(folder, by_folder=True)
        if page.folders and not any("/year=" in subfolder for subfolder in page.folders):
            return self._flat(folder)
        return self._divide(folder, page)

    def _day(self, folder: str) -> Iterable[Job]:
        if _by_hour(folder) in self._into or not self._read(folder, most_pages=PAGES_OF_A_DAY):
            return self._hours(folder)
        return ()

    def _hours(self, folder: str) -> Iterable[Job]:
        page = self._lister.page(folder, by_folder=True)
        if page.token:
            return self._flat(folder)
        self._keep_own(folder, page.objects)
        self._keep(_by_hour(folder), [])
        return [self._job(self._flat, subfolder) for subfolder in page.folders]

    def _flat(self, folder: str) -> Iterable[Job]:
        self._read(folder)
        return ()

    def _read(self, folder: str, most_pages: int | None = None) -> bool:
        """Keeps a folder page by page, and says whether that was all; False after `most_pages`, of which it keeps none.

        The last part is called the whole folder. Those before have the key after which they begin, so that the next run
        can go on there.
        """
        if _whole(folder) in self._into:
            return True
        after = self._end_of_parts(folder)
        pages = [self._lister.page(folder, after=after)]
        while token := pages[-1].token:
            if self._ended.is_set():
                return True  # nobody waits for it
            if len(pages) == most_pages:
                return False
            # S3 may answer with empty pages, where many objects were deleted: they end no part.
            if len(pages) >= PAGES_OF_A_PART and any(page.objects.num_rows for page in pages):
                self._keep(_part(folder, after), pages)
                after, pages = self._into.last_key(_part(folder, after)), []
            pages.append(self._lister.page(folder, token=token))
        self._keep(_whole(folder), pages)
        return True

    def _end_of_parts(self, folder: str) -> str:
        after = ""
        while _part(folder, after) in self._into:
            after = self._into.last_key(_part(folder, after))
        return after

    def _keep_own(self, folder: str, objects: pa.Table) -> None:
        name = f"{folder} itself"
        if objects or name in self._into:
            self._keep(name, [Page(objects)])

    def _keep(self, name: str, pages: Sequence[Page]) -> None:
        if pages:
            objects = pa.concat_tables([page.objects for page in pages]).combine_chunks()
            key, modified, size, storage_class = (column.combine_chunks() for column in objects.columns)
            table = rows(key, modified, size, prefix=self._prefix, storage_class=storage_class)
        else:
            table = rows([], [], [])
        self._into.add(name, table)
        with self._lock:
            self._objects += table.num_rows


def _whole(folder: str) -> str:
    return f"{folder} whole"


def _part(folder: str, after: str) -> str:
    return f"{folder} after {after}"


def _by_hour(folder: str) -> str:
    """The name of an empty part, which says that the day was too large to be read flat."""
    return f"{folder} by hour"
