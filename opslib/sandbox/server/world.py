"""The org's state, in memory: what exists, what it was a moment ago, and the rules between resources.

The platform API's own part of it is in `platform.org`.
"""

import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from opslib.sandbox.server.errors import ApiError, invalid_value
from opslib.sandbox.server.platform.shapes import ShapeName
from opslib.sandbox.server.resources import (
    KINDS,
    POLICY,
    TARGET,
    WEBHOOK,
    Kind,
    RecordingPolicy,
    Resource,
    StorageTarget,
    Webhook,
)

Item = TypeVar("Item")


class Settings(BaseModel):
    """What may be changed while the sandbox runs. Times in seconds.

    `backend`: which API the org serves; the other's paths are not found. `stage_s`: how long an
    integration, a query or a job stays in each state on its way. `integration_shape`: see `platform.shapes`; another
    active integration is there only if the sandbox began with one. `data_lag_s`: how far the data lake of conversations
    is behind, for analytics and export jobs alike. `export_lag_s`: from the export date that a job sets until the
    recording is in S3. `largest_query`: conversations that an analytics job may find; it fails beyond.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    token_ttl_s: int = Field(default=86400, ge=0)
    read_lag_s: float = Field(default=0.0, ge=0)
    rate_limit: int = Field(default=300, ge=1)
    rate_window_s: float = Field(default=60.0, gt=0)
    backend: Literal["both", "storage-targets", "platform"] = "both"
    stage_s: float = Field(default=0.2, ge=0)
    integration_shape: ShapeName = "role-in-properties"
    data_lag_s: float = Field(default=0.0, ge=0)
    export_lag_s: float = Field(default=0.0, ge=0)
    largest_query: int = Field(default=100_000, ge=1)


class Identity:
    """The names that follow the seed: the same seed, the same names. Never a secret."""

    def __init__(self, seed: int | None) -> None:
        self.seed = seed
        self._random = random.Random(seed)  # noqa: S311 (names, not secrets)
        self.org_id = self.new_id()
        self.client_id = self.new_id()
        self.suffix = f"{self._random.getrandbits(24):06x}"

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def choose(self, topic: str, options: Sequence[Item]) -> Item:
        """What the sandbox is free to choose about one topic, whatever else was chosen before."""
        return random.Random(None if self.seed is None else f"{topic} {self.seed}").choice(options)  # noqa: S311


def utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> str:
    return utc(datetime.now(UTC))


@dataclass(frozen=True)
class Record:
    """A resource as the org keeps it; `version` starts at 1 and grows by one with each write."""

    kind: Kind
    id: str
    body: Resource
    version: int
    created: str
    modified: str

    def public(self) -> dict[str, Any]:
        """The JSON a reader gets: the body without its secrets, and the server's own fields."""
        return {
            "id": self.id,
            **self.body.model_dump(mode="json", exclude_none=True),
            "version": self.version,
            "dateCreated": self.created,
            "dateModified": self.modified,
            "selfUri": f"{self.kind.path}/{quote(self.id, safe='')}",
        }


class VersionedStore(Generic[Item]):
    """Every state that the resources of one kind were ever in, so that a late reader can be served.

    What there is now is also kept by itself: a list that is not late takes no longer the more was ever deleted.
    """

    def __init__(self) -> None:
        self._history: dict[str, list[tuple[float, Item | None]]] = {}
        self._now: dict[str, Item] = {}

    def put(self, record_id: str, record: Item | None) -> None:
        self._history.setdefault(record_id, []).append((time.monotonic(), record))
        if record is None:
            self._now.pop(record_id, None)
        else:
            self._now[record_id] = record

    def get(self, record_id: str, lag_s: float = 0.0) -> Item | None:
        """The record as it was `lag_s` seconds ago."""
        if not lag_s:
            return self._now.get(record_id)
        moment = time.monotonic() - lag_s
        history = self._history.get(record_id, [])
        return next((record for at, record in reversed(history) if at <= moment), None)

    def all(self, lag_s: float = 0.0) -> list[Item]:
        """In the order of their ids, so that a page can begin after the last id of the one before."""
        records = (self.get(record_id, lag_s) for record_id in sorted(self._history if lag_s else self._now))
        return [record for record in records if record is not None]


class World:
    """The org. Only the event loop touches it, so it needs no lock."""

    def __init__(self, seed: int | None, settings: Settings) -> None:
        self.identity = Identity(seed)
        self.settings = settings
        self._stores: dict[Kind, VersionedStore[Record]] = {kind: VersionedStore() for kind in KINDS}

    def get(self, kind: Kind, record_id: str) -> Record | None:
        """As a reader sees it: as late as the read lag says."""
        return self._stores[kind].get(record_id, self.settings.read_lag_s)

    def all(self, kind: Kind) -> list[Record]:
        return self._stores[kind].all(self.settings.read_lag_s)

    def put(self, kind: Kind, record_id: str, body: Resource) -> Record:
        """Create (version 1) or replace, after checking the rules against the present state."""
        if isinstance(body, RecordingPolicy):
            self._check_policy(body)
        if isinstance(body, StorageTarget):
            self._check_target(record_id, body)
        store = self._stores[kind]
        before = store.get(record_id)
        now = utc_now()
        version = before.version + 1 if before else 1
        record = Record(kind, record_id, body, version, before.created if before else now, now)
        store.put(record_id, record)
        return record

    def delete(self, kind: Kind, record_id: str) -> Record | None:
        """The record that was deleted, None if there was none."""
        before = self._stores[kind].get(record_id)
        if before is None:
            return None
        if kind is TARGET and (policies := self._policies_of(record_id)):
            raise ApiError(
                409,
                "Storage target {target} is used by policy {policies}",
                params={"target": record_id, "policies": ", ".join(policy_id for policy_id, _ in policies)},
            )
        self._stores[kind].put(record_id, None)
        return before

    def webhooks_for(self, event: str) -> list[tuple[Record, Webhook]]:
        """The enabled webhooks subscribed to this event, at present."""
        hooks = ((record, record.body) for record in self._stores[WEBHOOK].all())
        return [
            (record, body)
            for record, body in hooks
            if isinstance(body, Webhook) and body.enabled and event in body.events
        ]

    def _policies_of(self, target_id: str) -> list[tuple[str, RecordingPolicy]]:
        return [
            (record.id, record.body)
            for record in self._stores[POLICY].all()
            if isinstance(record.body, RecordingPolicy) and record.body.storageTargetId == target_id
        ]

    def _check_policy(self, policy: RecordingPolicy) -> None:
        target = self._stores[TARGET].get(policy.storageTargetId)
        if target is None or not isinstance(target.body, StorageTarget):
            raise invalid_value(
                "storageTargetId: storage target {target} does not exist", target=policy.storageTargetId
            )
        if policy.retentionPeriodDays > target.body.retentionPeriodDays:
            raise invalid_value(
                "retentionPeriodDays: {days} is more than the {limit} of storage target {target}",
                days=policy.retentionPeriodDays,
                limit=target.body.retentionPeriodDays,
                target=policy.storageTargetId,
            )

    def _check_target(self, target_id: str, target: StorageTarget) -> None:
        for policy_id, policy in self._policies_of(target_id):
            if policy.retentionPeriodDays > target.retentionPeriodDays:
                raise invalid_value(
                    "retentionPeriodDays: {days} is less than the {limit} of policy {policy}",
                    days=target.retentionPeriodDays,
                    limit=policy.retentionPeriodDays,
                    policy=policy_id,
                )
