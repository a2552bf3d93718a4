"""Puts the recordings of a seeded world into the bucket once routing there is on, on either API.

S3 asks before each of its answers, so nobody sees the bucket without them.
"""

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.recordings import Recordings
from opslib.sandbox.server.resources import POLICY, TARGET, RecordingPolicy, StorageTarget
from opslib.sandbox.server.world import World


class Arrivals:
    """`expected_file` has a row for each recording, `truth_file` the ids with each defect, as JSON."""

    def __init__(self, org: Org, bucket: str, recordings: Recordings, folder: Path) -> None:
        self.expected_file, self.truth_file = folder / "expected.csv", folder / "truth.json"
        self._org, self._bucket, self._recordings = org, bucket, recordings
        self._arrived = False
        self._write_expected()
        self._write_truth("")

    def facts(self) -> dict[str, str]:
        """What the sandbox says of them when it is ready."""
        return {"expected_file": str(self.expected_file), "truth_file": str(self.truth_file)}

    def from_thread(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """What S3's threads call before they answer: the org is the event loop's."""

        def look() -> None:
            if not self._arrived:
                asyncio.run_coroutine_threadsafe(self._look(), loop).result()

        return look

    async def _look(self) -> None:
        if self._arrived or (prefix := self._routed_to()) is None:
            return
        for item in self._recordings.objects:
            self._org.aws.put_object(self._bucket, prefix + item.key, item.body, item.last_modified)
        self._write_truth(prefix)
        self._arrived = True

    def _routed_to(self) -> str | None:
        """The folder that recordings go to, with its slash; None while they do not go to the sandbox's bucket."""
        prefixes = [
            *_prefixes_of_targets(self._org.world, self._bucket),
            *_prefixes_of_exports(self._org, self._bucket),
        ]
        return next((f"{prefix}/" if prefix else "" for prefix in prefixes), None)

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


def _prefixes_of_targets(world: World, bucket: str) -> list[str]:
    """Of enabled targets in the bucket that an enabled policy sends recordings to."""
    policies = [cast(RecordingPolicy, record.body) for record in world.all(POLICY)]
    used = {policy.storageTargetId for policy in policies if policy.enabled}
    targets = {record.id: cast(StorageTarget, record.body) for record in world.all(TARGET)}
    return [
        target.configuration.pathPrefix.strip("/")
        for target_id, target in targets.items()
        if target_id in used and target.enabled and target.configuration.bucket == bucket
    ]


def _prefixes_of_exports(org: Org, bucket: str) -> list[str]:
    """The same of active integrations that an enabled policy exports through."""
    used = {name for policy in org.policies.all() if policy.body.enabled for name in policy.body.export_integrations()}
    active = [item for item in org.integrations.all() if item.id in used and item.state(0) == "ACTIVE"]
    return [
        str(item.properties.get(names.prefix or "", "")).strip("/")
        for item in active
        if (names := item.type.s3) and item.properties.get(names.bucket) == bucket
    ]
