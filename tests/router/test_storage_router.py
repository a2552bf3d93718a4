"""The tutorial's names and arguments, against the real sandbox."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opslib import GenesysAuthManager, GenesysStorageRouter, OpslibError, StorageValidator, errors, samples_frame
from opslib.audit.verify import verify

from ..world import POLICIES, TARGETS, WEBHOOKS, Api, Sandbox, target

TARGET, POLICY, WEBHOOK = "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "policy-1", "webhook-1"
REPORT_KEYS = {"timestamp", "metrics", "compliance_status", "routing_state"}
METRIC_KEYS = {
    "total_operations",
    "success_count",
    "failure_count",
    "success_rate_percent",
    "average_latency_ms",
    "p95_latency_ms",
}


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sandbox: Sandbox) -> None:
    monkeypatch.setenv("OPSLIB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLIB_API_URL", sandbox["api_url"])
    monkeypatch.setenv("OPSLIB_LOGIN_URL", sandbox["login_url"])
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


@pytest.fixture
def router(sandbox: Sandbox) -> GenesysStorageRouter:
    return _router(sandbox)


def _router(sandbox: Sandbox, client: Any = None) -> GenesysStorageRouter:
    client = client or sandbox.facts
    return GenesysStorageRouter(GenesysAuthManager(client["client_id"], client["client_secret"], sandbox["org_id"]))


async def _upsert_target(router: GenesysStorageRouter, sandbox: Sandbox, **changes: Any) -> Any:
    values = {
        "target_id": TARGET,
        "name": "ProdVoiceArchive",
        "bucket": sandbox["bucket"],
        "region": sandbox["region"],
        "access_key": sandbox["aws_access_key_id"],
        "secret_key": sandbox["aws_secret_access_key"],
        "retention_days": 365,
    }
    return await router.upsert_storage_target(**values | changes)


def test_the_tutorial_s_script_runs_unchanged(sandbox: Sandbox, tmp_path: Path) -> None:
    """Three objects, five calls in order with just the tutorial's arguments, in a process of its own."""
    script = f"""
import asyncio, json
from opslib import GenesysAuthManager, GenesysStorageRouter, StorageValidator
auth = GenesysAuthManager({sandbox["client_id"]!r}, {sandbox["client_secret"]!r}, {sandbox["org_id"]!r})
validator = StorageValidator({sandbox["aws_access_key_id"]!r}, {sandbox["aws_secret_access_key"]!r}, "us-east-1")
router = GenesysStorageRouter(auth)
async def main():
    print(json.dumps(await validator.validate_bucket_and_encryption({sandbox["bucket"]!r})))
    await router.upsert_storage_target({TARGET!r}, "ProdVoiceArchive", {sandbox["bucket"]!r}, "us-east-1",
        {sandbox["aws_access_key_id"]!r}, {sandbox["aws_secret_access_key"]!r}, 365)
    await router.upsert_recording_policy({POLICY!r}, "ComplianceVoicePolicy", {TARGET!r}, ["voice"], 365)
    await router.register_datalake_webhook({WEBHOOK!r}, "https://datalake.example.com/ingest")
    print(json.dumps(router.generate_audit_report()))
asyncio.run(main())
"""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    bucket, report = map(json.loads, run.stdout.splitlines())
    assert bucket == {
        "bucket_exists": True, "encryption_enabled": True, "encryption_type": "AES256", "endpoint_reachable": True,
    }  # fmt: skip
    assert set(report) == REPORT_KEYS
    assert set(report["metrics"]) == METRIC_KEYS
    assert report["metrics"]["total_operations"] == report["metrics"]["success_count"] == 3
    assert (report["compliance_status"], report["routing_state"]) == ("PASS", "ACTIVE")
    assert [r["method"] for r in sandbox.requests()] == ["POST", "PUT", "PUT", "PUT"]
    assert run.stderr == ""


async def test_payloads_are_the_contract_s(router: GenesysStorageRouter, sandbox: Sandbox, api: Api) -> None:
    """The strict server took them; what it stored is what was meant."""
    async with router:
        await _upsert_target(router, sandbox, retention_days=400)
        await router.upsert_recording_policy(POLICY, "Voice", TARGET, ["voice", "screen"], 365)
        await router.register_datalake_webhook(WEBHOOK, sandbox["datalake_url"])
    stored = api("GET", f"{TARGETS}/{TARGET}").json()
    assert stored["configuration"]["pathPrefix"] == "recordings/voice"
    assert (stored["type"], stored["retentionPeriodDays"], stored["enabled"]) == ("aws-s3", 400, True)
    stored = api("GET", f"{POLICIES}/{POLICY}").json()
    assert (stored["storageTargetId"], stored["recordingTypes"]) == (TARGET, ["voice", "screen"])
    stored = api("GET", f"{WEBHOOKS}/{WEBHOOK}").json()
    assert stored["authentication"] == {"type": "none"}
    assert len(stored["events"]) == 2


async def test_120_targets_are_listed_once_each(router: GenesysStorageRouter, api: Api, sandbox: Sandbox) -> None:
    """Pagination follows every page: 50, 50, 20."""
    for number in range(120):
        assert api("PUT", f"{TARGETS}/t-{number:03}", target(name=f"T{number}")).status_code == 201
    sandbox.control("DELETE", "/requests")
    async with router:
        listed = await router.list_storage_targets_with_pagination()
    assert sorted(item["id"] for item in listed) == [f"t-{number:03}" for number in range(120)]
    assert len([r for r in sandbox.requests() if r["method"] == "GET"]) == 3
    assert (router.success_count, len(router.latency_samples)) == (1, 3)


def test_one_router_serves_several_event_loops(router: GenesysStorageRouter, sandbox: Sandbox) -> None:
    """`asyncio.run` may be called again and again with the same objects."""

    async def close_after(work: Any) -> Any:
        async with router:
            return await work

    assert asyncio.run(close_after(_upsert_target(router, sandbox)))["version"] == 1
    assert asyncio.run(close_after(_upsert_target(router, sandbox)))["version"] == 2
    assert [r["path"] for r in sandbox.requests()].count("/oauth/token") == 1


async def test_faults_are_retried_and_each_attempt_is_a_sample(router: GenesysStorageRouter, sandbox: Sandbox) -> None:
    """429 with Retry-After, 503, a dropped connection and a revoked token: one operation, one success, six attempts."""
    async with router:
        await router.list_storage_targets_with_pagination()
        sandbox.control("POST", "/tokens/revoke")
        sandbox.control(
            "POST", "/faults", {"method": "PUT", "status": 429, "headers": {"Retry-After": "0"}, "times": 1}
        )
        sandbox.control("POST", "/faults", {"method": "PUT", "status": 503, "times": 1})
        sandbox.control("POST", "/faults", {"method": "PUT", "drop": True, "times": 1})
        await _upsert_target(router, sandbox)
    frame = samples_frame()
    puts = frame[frame["method"] == "PUT"]
    assert list(puts["outcome"]) == ["rate_limited", "server_error", "connection_error", "client_error", "success"]
    assert list(puts["attempt"]) == [1, 2, 3, 4, 5]
    assert puts["correlation_id"].notna().sum() == 4
    assert set(puts["operation"]) == {"upsert_storage_target"}
    assert (router.success_count, router.failure_count, len(router.latency_samples)) == (2, 0, 6)


async def test_every_kind_of_failure_is_counted(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, failed, lost and timed out: the success rate does not lie."""
    monkeypatch.setenv("OPSLIB_DEADLINE_S", "1.5")
    monkeypatch.setattr("httpx_retries.retry.Retry.backoff_strategy", lambda self: 0.0)
    monkeypatch.setattr("opslib.genesys.retry._TRIES_AFTER_THE_FIRST", 1)
    router = _router(sandbox)
    faults: list[tuple[dict[str, Any], type[OpslibError]]] = [
        ({"status": 400}, errors.InvalidRequest),
        ({"status": 500}, errors.ServerFailure),
        ({"status": 503}, errors.ServerFailure),
        ({"status": 429, "headers": {"Retry-After": "7200"}}, errors.RateLimited),
        ({"drop": True}, errors.ConnectionFailed),
        ({"delay_s": 5}, errors.DeadlineExceeded),
    ]
    async with router:
        for fault, error in faults:
            sandbox.control("POST", "/faults", {"method": "PUT", **fault})
            with pytest.raises(error) as caught:
                await _upsert_target(router, sandbox)
            assert caught.value.cause
            assert caught.value.fix
            sandbox.control("DELETE", "/faults")
        await router.list_storage_targets_with_pagination()
    assert (router.success_count, router.failure_count) == (1, len(faults))
    report = router.generate_audit_report()
    assert report["metrics"]["success_rate_percent"] == 14.29
    assert (report["compliance_status"], report["routing_state"]) == ("WARNING", "UNKNOWN")


def test_no_operations_have_no_rate(router: GenesysStorageRouter) -> None:
    """Nothing was done: no figure, and no PASS."""
    report = router.generate_audit_report()
    assert set(report) == REPORT_KEYS
    assert set(report["metrics"]) == METRIC_KEYS
    assert report["metrics"]["success_rate_percent"] is None
    assert report["metrics"]["p95_latency_ms"] is None
    assert report["compliance_status"] == "WARNING"


HOSTILE_IDS = ["../policies/1", "a/b", "x" * 300]
HOSTILE_URLS = ["javascript:alert(1)", "http://datalake.example.com/", "https://user:pw@datalake.example.com/"]


@pytest.mark.parametrize("bad", HOSTILE_IDS)
async def test_hostile_ids_send_nothing(router: GenesysStorageRouter, sandbox: Sandbox, bad: str) -> None:
    """Target, policy and webhook ids, and the target a policy names."""
    calls = [
        lambda: _upsert_target(router, sandbox, target_id=bad),
        lambda: router.upsert_recording_policy(bad, "P", TARGET, ["voice"], 1),
        lambda: router.upsert_recording_policy(POLICY, "P", bad, ["voice"], 1),
        lambda: router.register_datalake_webhook(bad, "https://datalake.example.com"),
    ]
    for call in calls:
        with pytest.raises(errors.InvalidInput, match="nothing was sent"):
            await call()
    assert sandbox.requests() == []
    assert router.failure_count == 0


@pytest.mark.parametrize("bad", HOSTILE_URLS)
async def test_hostile_webhook_urls_send_nothing(router: GenesysStorageRouter, sandbox: Sandbox, bad: str) -> None:
    """Script, clear text off loopback, credentials in the URL."""
    with pytest.raises(errors.InvalidInput, match="nothing was sent"):
        await router.register_datalake_webhook(WEBHOOK, bad)
    assert sandbox.requests() == []


async def test_bad_retention_sends_nothing(router: GenesysStorageRouter, sandbox: Sandbox) -> None:
    """-1 days, and a policy above its target's retention."""
    with pytest.raises(errors.InvalidInput, match="retention_days"):
        await _upsert_target(router, sandbox, retention_days=-1)
    with pytest.raises(errors.InvalidInput, match="retention_days"):
        await router.upsert_recording_policy(POLICY, "P", TARGET, ["voice"], -1)
    assert sandbox.requests() == []
    async with router:
        await _upsert_target(router, sandbox, retention_days=30)
        sent = len(sandbox.requests())
        with pytest.raises(ValueError, match="31 days"):
            await router.upsert_recording_policy(POLICY, "P", TARGET, ["voice"], 31)
    assert len(sandbox.requests()) == sent


async def test_policy_above_a_target_of_somebody_else_is_explained(
    router: GenesysStorageRouter, sandbox: Sandbox, api: Api
) -> None:
    """Where we cannot know, the server refuses, and its words are the cause."""
    api("PUT", f"{TARGETS}/{TARGET}", target(retentionPeriodDays=30))
    async with router:
        with pytest.raises(ValueError, match="30") as caught:
            await router.upsert_recording_policy(POLICY, "P", TARGET, ["voice"], 31)
    assert isinstance(caught.value, errors.InvalidRequest)
    assert caught.value.correlation_id
    assert api("GET", f"{POLICIES}/{POLICY}").status_code == 404


async def test_wrong_secret(sandbox: Sandbox) -> None:
    """Cause, fix, no secret; no API call was made."""
    canary = "router-canary-secret-0123456789abcdef"
    router = _router(sandbox, {"client_id": sandbox["client_id"], "client_secret": canary})
    async with router:
        with pytest.raises(errors.AuthenticationFailed) as caught:
            await _upsert_target(router, sandbox)
    assert "OPSLIB_CLIENT_SECRET" in caught.value.fix
    assert canary not in str(caught.value)
    assert {r["path"] for r in sandbox.requests()} == {"/oauth/token"}
    assert router.failure_count == 1


async def test_missing_scope(sandbox: Sandbox, api: Api) -> None:
    """The scope that is missing is named, and nothing is written."""
    client = sandbox.control("POST", "/clients", {"scopes": ["recording:read"]}).json()
    async with _router(sandbox, client) as router:
        with pytest.raises(PermissionError, match="recording:write"):
            await _upsert_target(router, sandbox)
    assert api("GET", f"{TARGETS}/{TARGET}").status_code == 404


async def test_a_policy_needs_its_target(router: GenesysStorageRouter, sandbox: Sandbox) -> None:
    """The server's refusal names the target."""
    async with router:
        with pytest.raises(errors.InvalidRequest, match=TARGET):
            await router.upsert_recording_policy(POLICY, "P", TARGET, ["voice"], 1)


async def test_no_secret_in_ledger_samples_or_errors(sandbox: Sandbox, tmp_path: Path, capfd: Any) -> None:
    """The AWS secret and the client's secret go to the wire and nowhere else."""
    secrets = [sandbox["client_secret"], sandbox["aws_secret_access_key"]]
    async with _router(sandbox) as router:
        await _upsert_target(router, sandbox)
        sandbox.control(
            "POST", "/faults", {"method": "PUT", "status": 400, "body": {"message": f"echo {secrets[1]}"}, "times": 1}
        )
        with pytest.raises(errors.InvalidRequest) as caught:
            await _upsert_target(router, sandbox)
    shown = f"{caught.value}{caught.value!r}{router!r}{samples_frame().to_string()}{capfd.readouterr()}"
    written = b"".join(path.read_bytes() for path in (tmp_path / "home").iterdir())
    for secret in [*secrets, sandbox.token()]:
        assert secret not in shown
        assert secret.encode() not in written
    assert "[hidden]" in str(caught.value)
    assert verify(tmp_path / "home").intact


def test_works_inside_a_running_loop_and_from_a_script(sandbox: Sandbox) -> None:
    """Jupyter has a running loop: nothing in the package starts one of its own."""
    validator = StorageValidator(sandbox["aws_access_key_id"], sandbox["aws_secret_access_key"], sandbox["region"])

    async def cell() -> bool:
        return (await validator.validate_bucket_and_encryption(sandbox["bucket"]))["bucket_exists"]

    assert asyncio.run(cell())
