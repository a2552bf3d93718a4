"""A sandbox process and HTTP to its doors, for the tests that need a world."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config

from opslib.sandbox.launch import Sandbox as Launched
from opslib.sandbox.launch import start_sandbox

Json = dict[str, Any]

TARGET_ID = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
POLICY_ID = "b2c3d4e5-f6a7-8901-bcde-f12345678901"
WEBHOOK_ID = "c3d4e5f6-a7b8-9012-cdef-123456789012"
TARGETS = "/api/v2/recording/storage/targets"
POLICIES = "/api/v2/recording/policies"
WEBHOOKS = "/api/v2/webhooks"
# Tests never sign with the user's own key, nor make one for him.
SIGNING_KEY = "OPSLIB_SIGNING_KEY"
INTEGRATIONS = "/api/v2/integrations"
RETENTION_POLICIES = "/api/v2/recording/mediaretentionpolicies"


class Sandbox:
    """A running sandbox: its facts (`sandbox["api_url"]`), its process, and HTTP to its doors."""

    def __init__(self, launched: Launched) -> None:
        self.launched = launched
        self.facts, self.process = launched.info, launched.process
        self.http = httpx.Client(trust_env=False)

    def __getitem__(self, name: str) -> str:
        return self.facts[name]

    def token(self, client: Json | None = None) -> str:
        client = client or self.facts
        answer = self.http.post(
            self["login_url"] + "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(client["client_id"], client["client_secret"]),
        )
        return answer.raise_for_status().json()["access_token"]

    def api(self, client: Json | None = None) -> Api:
        return Api(self, self.token(client))

    def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.http.request(method, self["control_url"] + path, json=body)

    def requests(self, service: str | None = None) -> list[Json]:
        query = f"?service={service}" if service else ""
        return self.control("GET", "/requests" + query).json()

    def s3(
        self,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        service: str = "s3",
        region: str | None = None,
    ) -> Any:
        return boto3.client(
            service,
            endpoint_url=self["s3_url"],
            region_name=region or self["region"],
            aws_access_key_id=access_key_id or self["aws_access_key_id"],
            aws_secret_access_key=secret_access_key or self["aws_secret_access_key"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )


class Api:
    """The Genesys API as one token sees it."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.sandbox = sandbox
        self.token = token

    def __call__(self, method: str, path: str, body: Any = None, **kwargs: Any) -> httpx.Response:
        return self.sandbox.http.request(
            method,
            self.sandbox["api_url"] + path,
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            **kwargs,
        )


@contextmanager
def running(*arguments: str) -> Iterator[Sandbox]:
    with start_sandbox(options=arguments) as launched:
        sandbox = Sandbox(launched)
        with sandbox.http:
            yield sandbox


def target(**changes: Any) -> Json:
    configuration = {
        "bucket": "genesys-cloud-recordings-prod",
        "region": "us-east-1",
        "pathPrefix": "recordings/voice",
        "serverSideEncryption": "AES256",
        "accessKeyId": "AKIAEXAMPLE",
        "secretAccessKey": "not-for-any-reader",
        **changes.pop("configuration", {}),
    }
    return {
        "name": "ProdVoiceArchive",
        "type": "aws-s3",
        "configuration": {name: value for name, value in configuration.items() if value is not None},
        "retentionPeriodDays": 365,
        "enabled": True,
        **changes,
    }


def policy(**changes: Any) -> Json:
    return {
        "name": "ComplianceVoicePolicy",
        "description": "voice, one year",
        "recordingTypes": ["voice"],
        "storageTargetId": TARGET_ID,
        "retentionPeriodDays": 365,
        "enabled": True,
        **changes,
    }


def webhook(**changes: Any) -> Json:
    return {
        "name": "DataLakeCatalogSync",
        "targetUrl": "https://datalake.example.com/ingest",
        "events": ["routing.recording.storage.updated", "routing.recording.policy.updated"],
        "enabled": True,
        "authentication": {"type": "none"},
        **changes,
    }


def own_key() -> Path:
    """The session's signing key."""
    return Path(os.environ[SIGNING_KEY])


def environment(sandbox: Sandbox, home: Path) -> dict[str, str]:
    """The variables that point opslib and boto3 at a sandbox, with a workspace in `home`, and the session's key."""
    own = {"OPSLIB_HOME": str(home), SIGNING_KEY: os.environ[SIGNING_KEY]}
    return sandbox.launched.environment() | own


def without_settings() -> dict[str, str]:
    """This process's environment without what opslib and boto3 would read, but for the session's key."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPSLIB_", "AWS_"))}
    return kept | {SIGNING_KEY: os.environ[SIGNING_KEY]}


def write_onboarding(path: Path, sandbox: Sandbox) -> Path:
    """An onboarding file for the sandbox's bucket."""
    path.write_text(f"""\
version: 1
target: {{id: t-1, name: T, bucket: {sandbox["bucket"]}, region: us-east-1, retention_days: 365}}
policy: {{id: p-1, name: P, retention_days: 365}}
webhook: {{id: w-1, url: "{sandbox["datalake_url"]}"}}
""")
    return path


def eventually(read: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """The first truthy answer of `read`."""
    deadline = time.monotonic() + timeout_s
    while not (answer := read()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.02)
    return answer
