"""The tutorial's router: one PUT per call, every attempt a sample, every failure counted."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from pydantic import SecretStr

from opslib.auth import GenesysAuthManager
from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import InvalidInput
from opslib.genesys.backend import JSON, Kind
from opslib.genesys.client import GenesysClient
from opslib.genesys.recorder import Recorder
from opslib.genesys.storage_targets_backend import StorageTargetsBackend, policy_body, target_body, webhook_body
from opslib.ledger.ledger import Run
from opslib.ledger.moment import utc_now
from opslib.ledger.noted import Note
from opslib.ledger.statistics import PASS_AT_PERCENT, percentile, success_rate_percent
from opslib.ledger.workspace import kind_of, workspace_ledger
from opslib.onboarding.models import DataLakeWebhook, RecordingPolicy, StorageTarget, check_retention
from opslib.onboarding.values import Id, checked, checked_value


class GenesysStorageRouter:
    """Writes targets, policies and webhooks to one org, and keeps the evidence.

    Works inside a running event loop and across several `asyncio.run` calls. Every value is checked before anything
    is sent (InvalidInput); what Genesys answers is raised as an ApiError.

    Args:
        auth: the OAuth client.
        recorder: what counts and keeps the attempts; by default one that writes to a new run in the workspace's
            ledger (OPSLIB_HOME).
    """

    def __init__(self, auth: GenesysAuthManager, *, recorder: Recorder | None = None) -> None:
        self.auth = auth
        self._run: Run | None = None
        self._recorder = recorder or Recorder(self._note)
        auth.record = self._recorder.sample
        self.client = GenesysClient(
            auth.base_url,
            auth,
            self._recorder,
            gate=auth.gate,
            deadline_s=auth.settings.deadline_s,
            timeout_s=auth.settings.timeout_s,
        )
        self.backend = StorageTargetsBackend(self.client)
        self._retention_days: dict[str, int] = {}
        # The kinds that the org has as we want them, as far as this router knows.
        self.routed: set[Kind] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the router stays usable."""
        await self.client.aclose()
        await self.auth.aclose()
        if self._run:
            self._run.ledger.checkpoint()

    @property
    def success_count(self) -> int:
        """Operations that ended well."""
        return self._recorder.success_count

    @property
    def failure_count(self) -> int:
        """Operations that did not, for whatever reason."""
        return self._recorder.failure_count

    @property
    def latency_samples(self) -> list[float]:
        """Seconds, one per HTTP attempt; calls for a token and looks into the data lake are left out."""
        return self._recorder.latency_samples

    async def upsert_storage_target(
        self,
        target_id: str,
        name: str,
        bucket: str,
        region: str,
        access_key: str,
        secret_key: str | SecretStr,
        retention_days: int,
    ) -> JSON:
        """Create or replace a target (one PUT). The bucket's recordings are kept `retention_days` days."""
        # Off the loop: the first look at AWS's regions loads botocore.
        target = await asyncio.to_thread(
            checked,
            StorageTarget,
            id=target_id,
            name=name,
            bucket=bucket,
            region=region,
            retention_days=retention_days,
        )
        keys = checked(AwsKeys, access_key_id=access_key, secret_access_key=secret_key)
        return await self.write_target(target, keys)

    async def upsert_recording_policy(
        self, policy_id: str, name: str, target_id: str, recording_types: Sequence[str], retention_days: int
    ) -> JSON:
        """Create or replace a policy (one PUT) that keeps these types for `retention_days` days in the target."""
        policy = checked(
            RecordingPolicy,
            id=policy_id,
            name=name,
            recording_types=tuple(recording_types),
            retention_days=retention_days,
        )
        target_id = checked_value(Id, target_id, "target_id")
        self._check_retention(policy, target_id)
        return await self._put("policy", policy.id, policy_body(policy, target_id))

    async def register_datalake_webhook(self, webhook_id: str, target_url: str) -> JSON:
        """Create or replace the webhook (one PUT) that announces changes to the data lake."""
        webhook = checked(DataLakeWebhook, id=webhook_id, url=target_url)
        return await self._put("webhook", webhook.id, webhook_body(webhook))

    async def write_target(self, target: StorageTarget, credentials: AwsKeys | RoleReference) -> JSON:
        """Create or replace a target (one PUT)."""
        answer = await self._put("target", target.id, target_body(target, credentials), credentials)
        self._retention_days[target.id] = target.retention_days
        return answer

    async def list_storage_targets_with_pagination(self) -> list[JSON]:
        """Every target of the org, once each, from all pages."""
        return await self.backend.list("target")

    def generate_audit_report(self) -> dict[str, Any]:
        """The contract's report on this router's operations. Figures without data are None, never zero.

        `compliance_status` and `routing_state` speak of HTTP calls only. They do not say that the bucket is fit or
        that recordings arrive.
        """
        rate = success_rate_percent(self.success_count, self.failure_count)
        latencies_ms = [seconds * 1000 for seconds in self.latency_samples]
        p95 = percentile(latencies_ms, 95)
        return {
            "timestamp": utc_now(),
            "metrics": {
                "total_operations": self.success_count + self.failure_count,
                "success_count": self.success_count,
                "failure_count": self.failure_count,
                "success_rate_percent": None if rate is None else round(rate, 2),
                "average_latency_ms": round(sum(latencies_ms) / len(latencies_ms), 2) if latencies_ms else None,
                "p95_latency_ms": None if p95 is None else round(p95, 2),
            },
            "compliance_status": "PASS" if rate is not None and rate >= PASS_AT_PERCENT else "WARNING",
            "routing_state": "ACTIVE" if {"target", "policy"} <= self.routed else "UNKNOWN",
        }

    async def _put(self, kind: Kind, id: str, body: JSON, credentials: AwsKeys | RoleReference | None = None) -> JSON:
        self.routed.discard(kind)
        answer = await self.backend.write(kind, id, body, credentials)
        self.routed.add(kind)
        return answer

    def _check_retention(self, policy: RecordingPolicy, target_id: str) -> None:
        """Only for targets that this router wrote; for others the server decides."""
        try:
            check_retention(policy.retention_days, self._retention_days.get(target_id, policy.retention_days))
        except ValueError as error:
            raise InvalidInput(
                f"Policy {policy.name} does not fit its target",
                cause=str(error),
                fix="lower the policy's retention or raise the target's; nothing was sent",
            ) from None

    def _note(self, kind: str, data: dict[str, Any]) -> Note:
        if not self._run:
            settings = self.auth.settings
            ledger = workspace_ledger(settings)
            self._run = ledger.start_run("GenesysStorageRouter", api=self.auth.base_url, **kind_of(settings))
        return self._run.note(kind, data)
