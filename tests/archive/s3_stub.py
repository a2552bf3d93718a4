"""A small S3 that only lists, quickly: ListObjectsV2 with prefix, delimiter, start and pages, and faults.

    .venv/bin/python -m tests.archive.s3_stub --days 100 --recordings-of-a-day 500 --delay-s 0.04

serves a made-up archive until its standard input ends; the first line that it prints is its address.
"""

import argparse
import asyncio
import sys
import threading
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl, quote, quote_plus, unquote
from xml.sax.saxutils import escape

MODIFIED_MS = 1_764_576_000_123
_LAST = "\U0010ffff"

Query = dict[str, str]


@dataclass
class Answer:
    """What comes instead of a listing; status 0 cuts the connection."""

    status: int
    body: bytes = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


DENIED, CUT = Answer(403), Answer(0)


@dataclass
class Stub:
    """`fault` is asked about every request; `requests` are those that came."""

    keys: list[str]
    delay_s: float = 0.0
    fault: Callable[[Query], Answer | None] = lambda _: None
    requests: list[Query] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self.keys.sort()
        self._objects = [_object(key) for key in self.keys]

    def page(self, query: Query) -> bytes:
        """As S3 answers: keys and common prefixes in the order of their bytes, at most 1000 together."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        size = int(query.get("max-keys", 1000))
        token = query.get("continuation-token", "")
        after = unquote(token) if token else query.get("start-after", "")
        at = max(bisect_left(self.keys, prefix), bisect_right(self.keys, after) if after else 0)
        parts: list[bytes] = []
        while at < len(self.keys) and self.keys[at].startswith(prefix) and len(parts) < size:
            head, slash, _ = self.keys[at][len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if slash:
                folder = prefix + head + slash
                parts.append(
                    f"<CommonPrefixes><Prefix>{quote_plus(folder, safe='/')}</Prefix></CommonPrefixes>".encode()
                )
                after = folder + _LAST
                at = bisect_right(self.keys, after)
            else:
                parts.append(self._objects[at])
                after = self.keys[at]
                at += 1
        more = at < len(self.keys) and self.keys[at].startswith(prefix)
        following = f"<NextContinuationToken>{quote(after, safe='')}</NextContinuationToken>" if more else ""
        head = f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{following}"
        opening = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        )
        return b"".join([opening.encode(), head.encode(), *parts, b"</ListBucketResult>"])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                body = 0
                while header := (await reader.readline()).strip().lower():
                    if header.startswith(b"content-length:"):
                        body = int(header.partition(b":")[2])
                await reader.readexactly(body)  # of a call to STS, which is sent here too
                query = dict(parse_qsl(line.split()[1].decode().partition("?")[2], keep_blank_values=True))
                self.requests.append(query)
                await asyncio.sleep(self.delay_s)
                answer = self.fault(query) or Answer(200, self.page(query))
                if not answer.status:
                    return
                head = (
                    f"HTTP/1.1 {answer.status} .\r\nContent-Type: application/xml\r\nContent-Length: {len(answer.body)}"
                )
                writer.write(f"{head}\r\n\r\n".encode() + answer.body)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # the client is gone, or the test is over
        finally:
            writer.close()


@contextmanager
def serving(stub: Stub) -> Iterator[Stub]:
    """Serves it in a thread of this process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(stub.serve, "127.0.0.1", 0), loop).result()
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def archive_keys(
    days: int, recordings_of_a_day: int, *, first: date = date(2025, 10, 1), seed: int = 1, root: str = ""
) -> list[str]:
    """Recordings and sidecars of one organization, spread over the hours of each day."""
    chance = Random(seed)
    organization = _new_id(chance)
    keys = []
    for day in (first + timedelta(days=number) for number in range(days)):
        folder = f"{root}{organization}/year={day.year}/month={day.month}/day={day.day}"
        for number in range(recordings_of_a_day):
            where = f"{folder}/hour={number % 24}/conversation_id={_new_id(chance)}/{_new_id(chance)}.opus"
            keys += [where, f"{where}_metadata.json"]
    return keys


def _object(key: str) -> bytes:
    modified = datetime.fromtimestamp(MODIFIED_MS / 1000, UTC).isoformat(timespec="milliseconds")[:-6]
    return (
        f"<Contents><Key>{escape(quote_plus(key, safe='/'))}</Key><LastModified>{modified}Z</LastModified>"
        f"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
        f"<ChecksumType>FULL_OBJECT</ChecksumType><Size>{len(key)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    ).encode()


def _new_id(chance: Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--recordings-of-a-day", type=int, default=500)
    parser.add_argument("--delay-s", type=float, default=0.04)
    arguments = parser.parse_args()
    with serving(Stub(archive_keys(arguments.days, arguments.recordings_of_a_day), arguments.delay_s)) as stub:
        print(stub.url, flush=True)
        sys.stdin.read()


def verify_words(folder: Path, keys: Sequence[str]) -> list[str]:
    """A command that expects every fourth key's recording, and one that is not there."""
    recordings = [key.removesuffix(".opus").split("/")[-2:] for key in keys[::4]]
    modified = datetime.fromtimestamp(MODIFIED_MS / 1000, UTC)
    ended, now = (modified - timedelta(hours=1)).isoformat(), (modified + timedelta(days=3)).isoformat()
    rows = [f"{conversation.partition('=')[2]},{recording},{ended}" for conversation, recording in recordings]
    file = folder / "expected.csv"
    file.write_text("\n".join(["conversation_id,recording_id,ended_at", *rows, f"lost,lost,{ended}"]))
    return ["archive", "verify", "--expected", str(file), "--bucket", "recordings", "--now", now, "--json"]


if __name__ == "__main__":
    main()
