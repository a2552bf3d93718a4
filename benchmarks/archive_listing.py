"""Listing a bucket of recordings: ours, beside boto3's own paginator, one page after another.

    .venv/bin/python benchmarks/archive_listing.py [--days 100] [--recordings-of-a-day 500] [--delay-s 0.04] [--runs 3]

The bucket is a small S3 in a process of its own, which answers 40 ms late, as from a nearby region. Each recording has
a sidecar, so by default there are 100,000 keys. Ours also keeps what it found as Parquet. Both list in turn; the ratio
is that of the medians. Processor time is shown too: on a busy machine it is what can be compared.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
from botocore.config import Config

from opslib.archive.arrived import ArrivedParts
from opslib.archive.listing import list_bucket

ROOT = Path(__file__).parent.parent
BUCKET = "recordings"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--recordings-of-a-day", type=int, default=500)
    parser.add_argument("--delay-s", type=float, default=0.04)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    keys = 2 * arguments.days * arguments.recordings_of_a_day
    with _stub(arguments) as url, tempfile.TemporaryDirectory() as folder:
        os.environ |= {"AWS_ENDPOINT_URL_S3": url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
        theirs, ours = [], []
        for run in range(arguments.runs):
            theirs.append(_timed("paginator", lambda: _paginate(url), keys))
            ours.append(_timed("opslib", lambda at=Path(folder) / str(run): _list(at), keys))
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"{keys:,} keys, {arguments.delay_s * 1000:.0f} ms per call: {ratio:.1f} times as fast")


@contextmanager
def _stub(arguments: argparse.Namespace) -> Iterator[str]:
    options = [
        f"--{name.replace('_', '-')}={getattr(arguments, name)}" for name in ("days", "recordings_of_a_day", "delay_s")
    ]
    command = [sys.executable, "-m", "tests.archive.s3_stub", *options]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.communicate()


def _timed(name: str, work: Callable[[], int], keys: int) -> float:
    start, processor = time.perf_counter(), time.process_time()
    found = work()
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    print(f"{name}: {seconds:.2f} s, of which {processor:.2f} s of processor time", flush=True)
    assert found == keys, f"{found} of {keys} keys"
    return seconds


def _paginate(url: str) -> int:
    client: Any = boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=Config(proxies={}))
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return len([(item["Key"], item["LastModified"], item["Size"]) for page in pages for item in page["Contents"]])


def _list(folder: Path) -> int:
    parts = ArrivedParts(folder, f"s3://{BUCKET}")
    list_bucket(BUCKET, "", None, parts)
    assert parts.complete
    return sum(pq.read_metadata(path).num_rows for path in parts.paths)


if __name__ == "__main__":
    main()
