"""Puts the recordings of a seeded world into the bucket once routing there is on, on either API, and later what a job
exports.

S3 asks before each of its answers, so nobody sees the bucket without them.
"""

import asyncio
import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from opslib.sandbox.server.destinations import routed
from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.recordings import Recordings, exported_later
from opslib.sandbox.server.source import Source, SourceRecording


class Arrivals:
    """`expected_file` has a row for each recording, `truth_file` the ids with each defect, as JSON."""

    def __init__(self, org: Org, bucket: str, recordings: Recordings, source: Source, folder: Path) -> None:
        self.expected_file, self.truth_file = folder / "expected.csv", folder / "truth.json"
        self._org, self._bucket, self._recordings, self._source = org, bucket, recordings, source
        self._arrived = False
        self._write_expected()
        self._write_truth("")

    def facts(self) -> dict[str, str]:
        """What the sandbox says of them when it is ready."""
        return {"expected_file": str(self.expected_file), "truth_file": str(self.truth_file)}

    def from_thread(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """What S3's threads call before they answer: the org is the event loop's."""

        def look() -> None:
            if not self._arrived or self._source.exporting:
                asyncio.run_coroutine_threadsafe(self._look(), loop).result()

        return look

    async def _look(self) -> None:
        self._route()
        for one in self._source.arrivals():
            if one.destination and one.destination.bucket == self._bucket:
                self._store_later(one, one.destination.prefix)

    def _store_later(self, one: SourceRecording, prefix: str) -> None:
        at = one.exported_date or datetime.now(UTC)
        for item in exported_later(self._org.world.identity.org_id, one.recording, at):
            self._org.aws.put_object(self._bucket, prefix + item.key, item.body, item.last_modified)

    def _route(self) -> None:
        if self._arrived or (prefix := self._routed_to()) is None:
            return
        for item in self._recordings.objects:
            self._org.aws.put_object(self._bucket, prefix + item.key, item.body, item.last_modified)
        self._write_truth(prefix)
        self._arrived = True

    def _routed_to(self) -> str | None:
        """The folder that recordings go to, with its slash; None while they do not go to the sandbox's bucket."""
        return next((where.prefix for where in routed(self._org) if where.bucket == self._bucket), None)

    def _write_expected(self) -> None:
        with self.expected_file.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*self._recordings.rows[0]])
            writer.writeheader()
            writer.writerows(self._recordings.rows)

    def _write_truth(self, prefix: str) -> None:
        truth = dict(self._recordings.truth)
        if "malformed_keys" in truth:
            truth["malformed_keys"] = [prefix + key for key in truth["malformed_keys"]]
        self.truth_file.write_text(json.dumps(truth, indent=1, ensure_ascii=False), encoding="utf-8")
