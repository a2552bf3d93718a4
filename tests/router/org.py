"""An org to change: onboardings, its state as bytes, and an Applier on the real backend."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opslib import GenesysAuthManager, GenesysStorageRouter, Onboarding, errors
from opslib.credentials import KeyReference
from opslib.genesys.backend import Backend
from opslib.genesys.platform_backend import PlatformBackend
from opslib.ledger.ledger import Ledger, Run
from opslib.router.apply import Applier
from opslib.router.journal import Progress, unfinished_apply
from opslib.router.plan import Plan, make_plan, make_removal

from ..world import POLICIES, TARGETS, WEBHOOKS, Api, Json, Sandbox, environment

NAME = "storage-targets"
# A write late in an apply, as method and part of the path.
REFUSED = ("PUT", "webhooks")
PATHS = (f"{TARGETS}/t-1", f"{POLICIES}/p-1", f"{WEBHOOKS}/w-1")
_UUID = "[0-9a-f-]{36}"
WRITES = ("PUT", "POST", "DELETE", "PATCH")


def onboarding(sandbox: Sandbox, **parts: Json) -> Onboarding:
    """An onboarding of the sandbox's bucket; `target`, `policy` and `webhook` change fields."""
    target = {"id": "t-1", "name": "T", "bucket": sandbox["bucket"], "region": "us-east-1", "retention_days": 365}
    return Onboarding.model_validate(
        {
            "target": target | parts.get("target", {}),
            "policy": {"id": "p-1", "name": "P", "retention_days": 365} | parts.get("policy", {}),
            "webhook": {"id": "w-1", "url": "https://datalake.example.com/in"} | parts.get("webhook", {}),
        }
    )


def changed(sandbox: Sandbox) -> Onboarding:
    """All three objects otherwise; the retention shrinks, so that the order matters."""
    return onboarding(
        sandbox,
        target={"name": "T2", "retention_days": 200},
        policy={"recording_types": ["screen", "voice"], "retention_days": 100},
        webhook={"name": "W2", "events": ["routing.recording.policy.updated"]},
    )


def seed(sandbox: Sandbox, api: Api) -> None:
    """The three objects as another program wrote them, lists in an order of its own."""
    configuration = {
        "bucket": sandbox["bucket"],
        "region": "us-east-1",
        "pathPrefix": "old/place",
        "serverSideEncryption": "AES256",
        "accessKeyId": sandbox["aws_access_key_id"],
        "secretAccessKey": sandbox["aws_secret_access_key"],
    }
    common: Json = {"enabled": True, "retentionPeriodDays": 365}
    bodies: list[Json] = [
        {"name": "T", "type": "aws-s3", "configuration": configuration, **common},
        {
            "name": "P",
            "description": "by hand",
            "recordingTypes": ["voice", "chat"],
            "storageTargetId": "t-1",
            **common,
        },
        {
            "name": "W",
            "targetUrl": "https://old.example.com/in",
            "events": ["routing.recording.storage.updated", "routing.recording.policy.updated"],
            "enabled": True,
            "authentication": {"type": "none"},
        },
    ]
    for path, body in zip(PATHS, bodies, strict=True):
        assert api("PUT", path, body).is_success


def clear(api: Api) -> None:
    """Nothing of ours is left."""
    for path in reversed(PATHS):
        api("DELETE", path)


def state(api: Api) -> bytes:
    """The three objects byte for byte, but for what each write moves: version and dates."""
    found = []
    for path in PATHS:
        answer = api("GET", path)
        body = answer.json() if answer.is_success else {}
        found.append({k: v for k, v in body.items() if k not in ("version", "dateModified", "dateCreated")})
    return json.dumps(found).encode()


# A client that asks nobody.
NO_CLIENT: Any = SimpleNamespace(base_url="https://api.example.com")


def api_requests(sandbox: Sandbox) -> list[tuple[str, str]]:
    """What the API received, in order."""
    return [(r["method"], r["path"]) for r in sandbox.requests("api")]


def writes(sandbox: Sandbox) -> list[tuple[str, str]]:
    """The requests that could change something."""
    return [(method, path) for method, path in api_requests(sandbox) if method in WRITES]


def inject(sandbox: Sandbox, method: str, path: str, *, skip: int = 0, **fault: Any) -> None:
    """The fault for the requests after the first `skip` of that method and path; `{id}` in it is any id of Genesys."""
    pattern = re.escape(path).replace(re.escape("{id}"), _UUID)
    where = {"method": method, "path_regex": f"^{pattern}$"}
    if skip:
        sandbox.control("POST", "/faults", {**where, "times": skip})
    assert sandbox.control("POST", "/faults", {**where, **fault}).status_code == 201


def numbered(requests: list[tuple[str, str]]) -> list[tuple[str, str, int]]:
    """Each request with `{id}` for ids of Genesys, and how many like it came before: what `inject` takes."""
    like = [(method, re.sub(_UUID, "{id}", path)) for method, path in requests]
    return [(*request, like[:place].count(request)) for place, request in enumerate(like)]


class Operator:
    """One workspace with a connection to the org; `anew` forgets what was made before."""

    def __init__(self, router: GenesysStorageRouter, backend: str, run: Run) -> None:
        self.router, self._name, self.run = router, backend, run
        self.anew()

    def anew(self) -> None:
        self.backend: Backend = PlatformBackend(self.router.client) if self._name == "platform" else self.router.backend

    def give_up_early(self) -> None:
        """From its first request on, a try is given up after half a second."""
        self.router.client.timeout_s = 0.5

    def applier(self, settles_within_s: float = 0.6) -> Applier:
        return Applier(self.backend, self.run, settles_within_s=settles_within_s)

    async def plan(self, wanted: Onboarding, *, removal: bool = False) -> Plan:
        if removal:
            return await make_removal(self.backend, wanted)
        credentials = wanted.target.credentials
        known = credentials.resolve() if isinstance(credentials, KeyReference) else credentials
        return await make_plan(self.backend, wanted, known)

    def unfinished(self) -> Progress | None:
        return unfinished_apply(self.run.ledger, self.backend.where)

    async def apply(
        self, wanted: Onboarding, plan: Plan | None = None, *, removal: bool = False, settles_within_s: float = 0.6
    ) -> None:
        plan = plan or await self.plan(wanted, removal=removal)
        applier = self.applier(settles_within_s)
        await applier.apply(plan, wanted.target.credentials, lambda: self.plan(wanted, removal=removal))


async def stop_after_the_first(ops: Operator, wanted: Onboarding) -> None:
    """An apply that is left unfinished after its first change."""
    applier = ops.applier()
    applier.tell = lambda done, total, words: applier.stop() if done == 1 else None
    with pytest.raises(errors.HalfDone, match=r"stopped|half-done"):
        await applier.apply(await ops.plan(wanted), wanted.target.credentials, lambda: ops.plan(wanted))


@asynccontextmanager
async def operator(
    sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch, backend: str = NAME, *, api_url: str = ""
) -> AsyncIterator[Operator]:
    """An operator who does not wait between tries, and tries twice; `api_url` is another way to the sandbox."""
    through = {"OPSLIB_API_URL": api_url} if api_url else {}
    for name, value in (environment(sandbox, home) | through).items():
        monkeypatch.setenv(name, value)
    for late in ("creations", "integrations"):
        monkeypatch.setattr(f"opslib.genesys.{late}.SETTLES_WITHIN_S", 0.6)
    monkeypatch.setattr("opslib.genesys.retry._TRIES_AFTER_THE_FIRST", 1)
    monkeypatch.setattr("httpx_retries.retry.Retry.backoff_strategy", lambda *_: 0.0)
    run = Ledger(home).start_run("test")
    auth = GenesysAuthManager(sandbox["client_id"], sandbox["client_secret"], sandbox["org_id"])
    async with GenesysStorageRouter(auth) as router:
        yield Operator(router, backend, run)
    run.ledger.close()
