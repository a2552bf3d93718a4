"""A folder of onboardings to practise on: two orgs, one unsafe change, and one file that is refused."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from opslib.onboarding.example import wanted_onboarding
from opslib.sandbox.launch import Sandbox, start_sandbox
from opslib.settings import Settings
from opslib.walk.fleet import Fleet

_Values = dict[str, Any]

_HERE, _ELSEWHERE = ("berlin", "lisbon", "oslo", "paris"), ("sydney", "tokyo")
# What the second org's files name.
_CLIENT_ID, _CLIENT_SECRET = "SECOND_ORG_CLIENT_ID", "SECOND_ORG_CLIENT_SECRET"


@dataclass(frozen=True)
class ExampleFleet:
    """`folder` has the files: four for the environment's sandbox, two for a second one. Oslo is onboarded already, and
    its file shortens the retention; the policy of Paris would outlive its target. Nothing is made for a live org: then
    `folder` is empty.

    The second sandbox runs as long as this object is kept. On platform there is none: it would need an S3 of its own.
    """

    folder: str = ""
    files: int = 0
    second_org: Sandbox | None = None

    @classmethod
    async def make(cls) -> Self:
        """Write the files into the workspace, over those of the last time. Raises SandboxError."""
        settings = Settings.load()
        if not settings.on_sandbox:
            return cls()
        second, _ = await asyncio.gather(asyncio.to_thread(_second_org, settings), _onboard_oslo(settings))
        files, folder = dict(_files(settings, second)), settings.home / "example-fleet"
        _write(folder, files)
        return cls(str(folder), len(files), second)

    def __repr__(self) -> str:
        if not self.folder:
            return "A live org is configured: name the folder of your onboarding files on the card."
        return f"{self.files} onboarding files for {'two orgs' if self.second_org else 'one org'}"


def _second_org(settings: Settings) -> Sandbox | None:
    if settings.backend != "storage-targets":
        return None
    second = start_sandbox(seed=8)
    os.environ |= {_CLIENT_ID: second.info["client_id"], _CLIENT_SECRET: second.info["client_secret"]}
    return second


async def _onboard_oslo(settings: Settings) -> None:
    """So that there is a retention to shorten."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), {"oslo": _values(settings, "oslo")})
        async with Fleet(Path(folder), command="example") as fleet:
            await fleet.apply(await fleet.make_plan())


def _files(settings: Settings, second: Sandbox | None) -> Iterator[tuple[str, _Values]]:
    for name in _HERE:
        yield name, _values(settings, name, policy_days={"oslo": 180, "paris": 730}.get(name, 365))
    if second is None:
        return
    for name in _ELSEWHERE:
        client = {"client_id_env": _CLIENT_ID, "client_secret_env": _CLIENT_SECRET}
        org = {"api_url": second.info["api_url"], "login_url": second.info["login_url"], **client}
        yield name, _values(settings, name) | {"org": org, "org_id": second.info["org_id"]}


def _values(settings: Settings, name: str, policy_days: int = 365) -> _Values:
    """The example of notebook 01 with ids and names of its own. On platform an org has one integration and one event
    feed, so there only the policy is."""
    values = wanted_onboarding(settings.model_copy(update={"onboarding": None})).values()
    values["policy"] |= {"name": f"{name.title()}VoicePolicy", "retention_days": policy_days}
    if settings.backend == "storage-targets":
        values["target"] |= {"id": f"{name}-target", "name": f"{name.title()}Archive"}
        values["target"] |= {"path_prefix": f"recordings/{name}"}
        values["policy"] |= {"id": f"{name}-policy"}
    return values


def _write(folder: Path, files: dict[str, _Values]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
