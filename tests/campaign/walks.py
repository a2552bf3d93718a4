"""The walks that are disturbed: commands of opslib, each in its own process, and the world they run in."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from opslib.router.unsafe_changes import UNSAFE

from ..forks import FORKS
from ..router import org as storage_targets
from ..router import platform_org as platform
from ..world import Sandbox, environment, running
from .program import run
from .proxy import DOORS, Place, Proxy, proxied

_NAMES = tuple(word for name in UNSAFE if name != "failed-validation" for word in ("--allow", name))
_CONSENT = (*_NAMES, "--reason", "the campaign")
# Many times what all operations of a walk may take; a process that needs longer hangs.
_HANGS_AFTER_S = 180.0
UNFIT = "unfit-for-recordings"


@dataclass(frozen=True)
class Walk:
    """A command of opslib, without `--json`; FILE stands for the onboarding file. `wants` is a function of `org`, which
    is None where nothing is changed."""

    name: str
    words: tuple[str, ...]
    org: ModuleType | None = None
    wants: str = "onboarding"
    seeded: bool = False


_ORGS = {storage_targets.NAME: storage_targets, platform.NAME: platform}
WALKS = [
    walk
    for name, org in _ORGS.items()
    for walk in (
        Walk(f"{name} onboard", ("onboard", "FILE", "--yes", *_CONSENT), org),
        Walk(f"{name} change", ("apply", "FILE", "--yes", *_CONSENT), org, "changed", seeded=True),
        Walk(f"{name} remove", ("offboard", "FILE", "--yes", *_CONSENT), org, seeded=True),
        Walk(f"{name} doctor", ("doctor",), None, name),
    )
] + [
    Walk(
        f"check-bucket {bucket}",
        ("check-bucket", bucket, "--retention-days", "365", "--role-arn", "ROLE", "--external-id", "ORG"),
    )
    for bucket in ("BUCKET", UNFIT)
]


@dataclass(frozen=True)
class Ended:
    """How a command ended; `code` is None where it did not."""

    code: int | None
    out: str
    err: str

    def document(self) -> Any:
        """What it said with --json; None where that is not one JSON document."""
        try:
            return json.loads(self.out)
        except ValueError:
            return None


class World:
    """A sandbox behind a proxy, and a folder with the workspaces of its walks."""

    def __init__(self, sandbox: Sandbox, proxy: Proxy, folder: Path, crowd: int) -> None:
        self.sandbox, self.proxy, self.folder, self.crowd = sandbox, proxy, folder, crowd
        self.home = folder / "home"
        sandbox.control("PUT", "/settings", {"rate_limit": 1_000_000, "stage_s": 0.0})
        self.api = sandbox.api()
        self._make_unfit_bucket()
        through = {"OPSLIB_API_URL": "api", "OPSLIB_LOGIN_URL": "login", "OPSLIB_CATALOGUE_URL": "datalake"}
        through |= {"AWS_ENDPOINT_URL_S3": "s3"}
        self.env = (
            environment(sandbox, self.home)
            | {name: proxy.urls[door] for name, door in through.items()}
            | {"AWS_MAX_ATTEMPTS": "2"}
        )

    def _make_unfit_bucket(self) -> None:
        s3 = self.sandbox.s3()
        s3.create_bucket(Bucket=UNFIT, ACL="public-read")
        rule = {"ID": "early", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 10}}
        s3.put_bucket_lifecycle_configuration(Bucket=UNFIT, LifecycleConfiguration={"Rules": [rule]})

    def start_anew(self, walk: Walk) -> bytes:
        """An empty workspace, and the org as it is before the walk; its state."""
        rmtree(self.home, ignore_errors=True)
        self.proxy.begin()
        if walk.org is None:
            return b""
        walk.org.clear(self.api)
        if walk.seeded:
            walk.org.seed(self.sandbox, self.api)
        return self.state(walk)

    def state(self, walk: Walk) -> bytes:
        return walk.org.state(self.api) if walk.org else b""

    def words(self, walk: Walk) -> list[str]:
        facts = {"ROLE": self.sandbox["role_arn"], "ORG": self.sandbox["org_id"], "BUCKET": self.sandbox["bucket"]}
        if walk.org:
            lake = {"url": self.sandbox["datalake_url"]}
            wanted = getattr(walk.org, walk.wants)(
                self.sandbox, **({} if walk.wants == "changed" else {"webhook": lake})
            )
            facts["FILE"] = str(self.folder / "onboarding.yaml")
            Path(facts["FILE"]).write_text(wanted.model_dump_json(exclude_unset=True))
        return [*(facts.get(word, word) for word in walk.words), "--json"]

    def run(self, walk: Walk, *, more: dict[str, str] | None = None, **how: Any) -> Ended:
        """The walk's command; see `command`."""
        more = more or {}
        if walk.words[0] != "check-bucket":
            more = more | {"OPSLIB_BACKEND": walk.org.NAME if walk.org else walk.wants}
        return self.command(self.words(walk), more=more, **how)

    def command(self, words: list[str], *, more: dict[str, str] | None = None, **how: Any) -> Ended:
        """A command in the workspace, to its end; `more` is set in its environment; `how` is as in `program.run`."""
        with TemporaryDirectory(dir=self.folder) as said:
            out, err = Path(said, "out"), Path(said, "err")
            os.chmod(said, 0o777)
            process = FORKS.Process(
                target=run, args=(["opslib", *words], self.env | (more or {}), out, err), kwargs=how
            )
            process.start()
            process.join(_HANGS_AFTER_S)
            if process.exitcode is None:
                process.kill()
                process.join()
                return Ended(None, "", "")
            return Ended(process.exitcode, *(path.read_text(encoding="utf-8") for path in (out, err)))

    def usual(self, walk: Walk) -> "Usual":
        """The walk where nothing is wrong."""
        self.start_anew(walk)
        ended = self.run(walk)
        asked = sorted(self.proxy.asked.items())
        # What is asked until something has come is asked twice at least.
        often = {one: 2 if one.startswith("datalake") else count for one, count in asked}
        places = [Place(one, number) for one, count in often.items() for number in range(1, count + 1)]
        return Usual(walk, places, ended, self.state(walk))


@dataclass(frozen=True)
class Usual:
    """A walk without a fault: its requests, how it ends, and the org after it."""

    walk: Walk
    places: list[Place]
    ended: Ended
    wanted: bytes


@contextmanager
def world(folder: Path, crowd: int) -> Iterator[World]:
    """A sandbox, a proxy before it, and an empty folder; `crowd` is how many walks are tried at once."""
    with running("--seed", "7") as sandbox, proxied({door: sandbox[f"{door}_url"] for door in DOORS}) as proxy:
        yield World(sandbox, proxy, folder, crowd)
