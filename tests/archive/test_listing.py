"""Listing a bucket: everything once, in parts, whatever is denied, cut off or killed."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.archive import listing
from opslib.archive.arrived import ArrivedParts
from opslib.archive.listing import Progress, list_bucket
from opslib.archive.pages import read_page
from opslib.errors import AwsCredentialsInvalid, BucketNotFound
from opslib.validator.aws import Foreign

from ..children import started
from ..world import POLICIES, TARGETS, policy, running, target
from .s3_stub import CUT, DENIED, MODIFIED_MS, Answer, Query, Stub, archive_keys, serving

FOREIGN = ["reports/2025 ü+1.csv", "originalAudio/conversation_id1/a.opus", "loose & <odd>.txt", "x/y/z/", "voice2/a"]


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[str]], Stub]]:
    with serving(Stub([])) as stub:

        def start(keys: list[str], fault: Callable[[Query], Answer | None] = lambda _: None) -> Stub:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", stub.url)
            other = Stub(keys, fault=fault)
            stub.keys, stub._objects, stub.fault = other.keys, other._objects, fault
            return stub

        yield start


def parts_in(folder: Path) -> ArrivedParts:
    return ArrivedParts(folder, "s3://recordings")


def keys_in(parts: ArrivedParts) -> list[str]:
    return [key for path in parts.paths for key in pq.read_table(path)["key"].to_pylist()]


def read(folder: Path, prefix: str = "") -> ArrivedParts:
    parts = parts_in(folder)
    list_bucket("recordings", prefix, None, parts)
    return parts


@pytest.mark.parametrize("root", ["", "recordings/voice/"])
def test_every_object_is_read_once(tmp_path: Path, serve, root: str) -> None:
    """Recordings, sidecars and everything foreign, with time, size and storage class; below the prefix only."""
    keys = archive_keys(40, 5, root=root) + [root + key for key in FOREIGN]
    serve([*keys, "recordings/voice2/a.opus", "recordings/other"] if root else keys)
    parts = read(tmp_path, root.rstrip("/"))
    assert sorted(keys_in(parts)) == sorted(keys)
    assert parts.complete
    table = pq.read_table(parts.paths[0])
    assert set(table["last_modified_ms"].to_pylist()) == {MODIFIED_MS}
    assert table["size"].to_pylist() == [len(key) for key in table["key"].to_pylist()]
    assert set(table["storage_class"].to_pylist()) == {"STANDARD"}


def test_large_days_and_folders_are_read_in_parts(tmp_path: Path, serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of many pages goes on by hour, a foreign folder page by page, and both are whole."""
    monkeypatch.setattr(listing, "PAGES_OF_A_DAY", 1)
    monkeypatch.setattr(listing, "PAGES_OF_A_PART", 1)
    keys = archive_keys(2, 1500) + [f"copies/{number:05}.opus" for number in range(3500)]
    stub = serve(keys)
    parts = read(tmp_path)
    assert sorted(keys_in(parts)) == sorted(keys)
    assert sum("/hour=" in query["prefix"] for query in stub.requests) == 2 * 24
    assert len([query for query in stub.requests if query.get("start-after")]) == 0


def test_a_prefix_may_reach_into_the_layout(tmp_path: Path, serve) -> None:
    """A year, a day or an hour can be read alone; month=1 is not month=10."""
    keys = archive_keys(120, 2)
    serve(keys)
    organization = keys[0].partition("/")[0]
    for number, place in enumerate(("year=2026", "year=2026/month=1", "year=2025/month=10/day=1/hour=1")):
        found = keys_in(read(tmp_path / str(number), f"{organization}/{place}"))
        assert sorted(found) == sorted(key for key in keys if key.startswith(f"{organization}/{place}/"))
        assert found


@pytest.mark.parametrize("answer", [DENIED, CUT, Answer(503, b""), Answer(200, b"<html>login</html>")])
def test_a_prefix_without_an_answer_leaves_a_gap(tmp_path: Path, serve, answer: Answer) -> None:
    """Denied, cut off, busy or answered by something else: the rest is read, the whole is incomplete, and a second run
    asks only for what is missing."""
    keys = archive_keys(12, 3)
    place = "/day=7/"
    stub = serve(keys, lambda query: answer if place in query["prefix"] else None)
    parts = read(tmp_path)
    assert not parts.complete
    (gap,) = parts.gaps
    assert place in gap.where
    assert gap.cause
    assert gap.fix
    assert sorted(keys_in(parts)) == [key for key in keys if place not in key]

    stub.fault = lambda _: None
    stub.requests.clear()
    again = read(tmp_path)
    assert again.complete
    assert sorted(keys_in(again)) == keys
    assert [query["prefix"] for query in stub.requests if "delimiter" not in query] == [
        query["prefix"] for query in stub.requests if place in query["prefix"]
    ]

    stub.requests.clear()
    read(tmp_path)
    assert stub.requests == []


def test_a_page_in_the_middle_that_does_not_come_is_a_gap(
    tmp_path: Path, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept of the folder stays, and the next run begins after it."""
    monkeypatch.setattr(listing, "PAGES_OF_A_PART", 1)
    keys = [f"copies/{number:05}.opus" for number in range(3500)]
    stub = serve(keys, lambda query: CUT if "02999" in query.get("continuation-token", "") else None)
    assert len(keys_in(read(tmp_path))) == 3000
    stub.fault = lambda _: None
    stub.requests.clear()
    assert sorted(keys_in(read(tmp_path))) == keys
    assert [query["start-after"] for query in stub.requests if "start-after" in query] == ["copies/02999.opus"]


def test_empty_pages_lose_nothing(tmp_path: Path, serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 answers so where many objects were deleted. A listing that was cut off after them goes on where it was."""
    monkeypatch.setattr(listing, "PAGES_OF_A_PART", 2)
    keys = [f"0/{number:04}.opus" for number in range(2500)]
    empty = (
        "<ListBucketResult><IsTruncated>true</IsTruncated>"
        "<NextContinuationToken>{}</NextContinuationToken></ListBucketResult>"
    )
    tokens = [quote(f"0/{'.' * number}", safe="") for number in range(1, 6)]
    following = dict(zip(["", *tokens], tokens, strict=False))

    def fault(query: Query) -> Answer | None:
        token = query.get("continuation-token", "")
        if token == tokens[-1]:
            return CUT
        flat = "delimiter" not in query and "start-after" not in query
        return Answer(200, empty.format(following[token]).encode()) if flat and token in following else None

    stub = serve(keys, fault)
    assert not read(tmp_path / "key=x").complete
    stub.fault = lambda _: None
    assert sorted(keys_in(read(tmp_path / "key=x"))) == keys


@pytest.mark.parametrize(
    ("code", "error"), [("NoSuchBucket", BucketNotFound), ("InvalidAccessKeyId", AwsCredentialsInvalid)]
)
def test_what_stops_everything_is_an_error(tmp_path: Path, serve, code: str, error: type[Exception]) -> None:
    """No bucket, or a wrong key, is not a gap of one prefix."""
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    serve([], lambda _: Answer(404 if code == "NoSuchBucket" else 403, body))
    with pytest.raises(error):
        read(tmp_path)


def test_progress_ends_with_everything(tmp_path: Path, serve) -> None:
    """Folders done never exceed those known, and at the end both agree with what was read."""
    serve(archive_keys(10, 3))
    said: list[Progress] = []
    list_bucket("recordings", "", None, parts_in(tmp_path), progress=said.append)
    assert all(progress.done <= progress.known for progress in said)
    assert said[-1].done == said[-1].known
    assert said[-1].objects == 60


@pytest.mark.slow
def test_an_exception_of_the_progress_ends_it_within_a_folder(tmp_path: Path, serve) -> None:
    """Also while no folder ends; its threads ask for no further page, and what was read whole is kept."""
    held, keys = threading.Event(), [f"a/{number:04}.opus" for number in range(3000)]

    def hold(query: Query) -> None:
        if "continuation-token" in query:
            held.wait(60)

    class Enough(Exception):
        pass

    def enough(so_far: Progress) -> None:
        if stub.requests and "continuation-token" in stub.requests[-1]:
            raise Enough

    stub = serve(keys, hold)
    with pytest.raises(Enough):
        list_bucket("recordings", "", None, parts_in(tmp_path), progress=enough)
    held.set()
    for thread in threading.enumerate():
        if thread.name.startswith("listing"):
            thread.join()
    assert sum("continuation-token" in query for query in stub.requests) == 1
    assert not parts_in(tmp_path).complete
    assert sorted(keys_in(read(tmp_path))) == keys


def test_killed_at_any_moment_it_goes_on(tmp_path: Path, serve) -> None:
    """kill -9 after so many parts, again and again: at the end each object is there once, and no finished part was
    asked for twice."""
    keys = archive_keys(60, 3)
    stub = serve(keys)
    code = (
        "import sys; from pathlib import Path; from opslib.archive.arrived import ArrivedParts\n"
        "from opslib.archive.listing import list_bucket\n"
        "said = lambda progress: print(progress.done, flush=True)\n"
        f"list_bucket('recordings', '', None, ArrivedParts(Path({str(tmp_path)!r}), 's3://recordings'), progress=said)"
    )
    finished: set[Path] = set()
    for most in (5, 20, 40):
        with started([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            while (line := process.stdout.readline()) and int(line) < most:
                pass
            os.kill(process.pid, signal.SIGKILL)
        now = set(parts_in(tmp_path).paths)
        assert finished <= now
        finished = now
    asked = Counter(query["prefix"] for query in stub.requests if "delimiter" not in query)
    before = len(finished)
    stub.requests.clear()
    assert sorted(keys_in(read(tmp_path))) == keys
    later = {query["prefix"] for query in stub.requests if "delimiter" not in query}
    assert len(later) == 60 - before
    assert asked


def test_moto_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's S3 writes its pages otherwise; keys with awkward characters come as they are."""
    with running("--seed", "7", "--recordings", "60", "--planted") as sandbox:
        for name, value in sandbox.launched.environment().items():
            monkeypatch.setenv(name, value)
        api = sandbox.api()
        body = target(configuration={"bucket": sandbox["bucket"], "pathPrefix": "voice"})
        api("PUT", f"{TARGETS}/t-1", body).raise_for_status()
        api("PUT", f"{POLICIES}/p-1", policy(storageTargetId="t-1")).raise_for_status()
        parts = parts_in(tmp_path)
        list_bucket(sandbox["bucket"], "voice", None, parts)
        pages = sandbox.s3().get_paginator("list_objects_v2").paginate(Bucket=sandbox["bucket"], Prefix="voice/")
        expected = {item["Key"]: item["LastModified"].timestamp() for page in pages for item in page["Contents"]}
    tables = [pq.read_table(path, columns=["key", "last_modified_ms"]) for path in parts.paths]
    rows = [row for table in tables for row in table.to_pylist()]
    assert {row["key"]: row["last_modified_ms"] / 1000 for row in rows} == expected
    assert len(rows) == len(expected)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), max_size=5))
def test_both_readers_of_a_page_agree(keys: list[str]) -> None:
    """The quick pattern, and the XML reader for pages that are written otherwise, give the same objects."""
    body = Stub(list(keys)).page({})
    spaced = re.sub(rb"<(Key|Size)>", rb"\n  <\1>", body)
    assert spaced.count(b"\n  ") == 2 * len(keys)
    assert read_page(body) == read_page(spaced)
    assert read_page(body).objects["key"].to_pylist() == sorted(keys)


@pytest.mark.parametrize(
    "body", [b"", b"<ListBucketResult>", b"<Other/>", b"<ListBucketResult><Contents/></ListBucketResult>"]
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    """Cut off, of another root, or with an object that says nothing."""
    with pytest.raises(Foreign):
        read_page(body)
