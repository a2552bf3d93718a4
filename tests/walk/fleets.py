"""Folders of onboarding files for a sandbox, and what is in the org and in the ledger afterwards."""

from pathlib import Path
from typing import Any

import yaml

from opslib.ledger.database import select
from opslib.walk.fleet import Fleet
from opslib.walk.fleet_result import FleetResult

from ..world import POLICIES, TARGETS, WEBHOOKS, Api, Sandbox


def onboarding(sandbox: Sandbox, number: int, **changes: Any) -> dict[str, Any]:
    """The values of one file; its ids end with its number."""
    place = {"bucket": sandbox["bucket"], "region": "us-east-1", "retention_days": 365}
    values = {
        "version": 1,
        "target": {"id": f"t-{number}", "name": f"T{number}", **place},
        "policy": {"id": f"p-{number}", "name": f"P{number}", "retention_days": 365},
        "webhook": {"id": f"w-{number}", "url": sandbox["datalake_url"]},
    }
    for part, fields in changes.items():
        values[part] = values[part] | fields if isinstance(values.get(part), dict) else fields
    return values


def platform_onboarding(sandbox: Sandbox, number: int, target: str = "Archive") -> dict[str, Any]:
    """The same on platform; every file has the same target and event feed, and a policy of its own."""
    role = {"role_arn": sandbox["role_arn"], "external_id": sandbox["external_id"]}
    place = {"bucket": sandbox["bucket"], "region": "us-east-1", "retention_days": 365}
    queues = [f"9a1c2b3d-0000-4000-8000-00000000000{number}"]
    return {
        "version": 1,
        "backend": "platform",
        "target": {"name": target, **place, "credentials": role},
        "policy": {"name": f"P{number}", "retention_days": 365, "conditions": {"queues": queues}},
        "webhook": {
            "name": "Feed",
            "url": sandbox["datalake_url"],
            "account": "123456789012",
            "region": "us-east-1",
        },
    }


def write(folder: Path, *files: dict[str, Any]) -> Path:
    """A folder with these files: f1.yaml, f2.yaml …"""
    folder.mkdir(exist_ok=True)
    for number, values in enumerate(files, 1):
        (folder / f"f{number}.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return folder


def folder_of(sandbox: Sandbox, folder: Path, count: int) -> Path:
    return write(folder, *(onboarding(sandbox, number) for number in range(1, count + 1)))


async def applied(folder: Path, **options: Any) -> FleetResult:
    """Recover, plan and apply."""
    async with Fleet(folder, **options) as fleet:
        await fleet.recover()
        return await fleet.apply(await fleet.make_plan())


def outcomes(result: FleetResult) -> dict[str, str]:
    return {target.file.removesuffix(".yaml"): target.outcome for target in result.targets}


def writes(sandbox: Sandbox, method: str = "PUT") -> list[str]:
    asked = [one for one in sandbox.requests() if one["path"].startswith("/api/")]
    return [one["path"] for one in asked if one["method"] == method]


def there(api: Api, number: int) -> list[bool]:
    """Whether target, policy and webhook of a file are there."""
    paths = (f"{TARGETS}/t-{number}", f"{POLICIES}/p-{number}", f"{WEBHOOKS}/w-{number}")
    return [api("GET", path).status_code == 200 for path in paths]


def kinds(home: Path, kind: str) -> int:
    """How many entries of a kind the ledger has."""
    ((count,),) = select(home, "SELECT count(*) FROM entries WHERE kind = ?", (kind,))
    return int(count)
