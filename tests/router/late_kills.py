"""kill -9 around each write of an apply in an org whose lists and reads are late; then resume, or rollback.

python -m tests.router.late_kills --kills 40 --seed 1
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opslib import Onboarding
from opslib.ledger.ledger import Ledger
from opslib.router.journal import all_applies

from ..world import SIGNING_KEY, Sandbox, running
from . import platform_org as platform
from .crash_program import Crasher, When
from .org import WRITES
from .platform_org import CREDENTIALS, INTEGRATIONS, RETENTION_POLICIES
from .platform_shapes import CREDENTIAL

LAGS_S = (0.3, 1.0, 2.5)
# What opslib is told that a list may be late.
SETTLES_WITHIN_S = 4.0
PATHS = (INTEGRATIONS, RETENTION_POLICIES, CREDENTIALS)
Recovery = Literal["resume", "rollback"]


@dataclass(frozen=True)
class Kill:
    """At which write a process died, and how another recovered: `found` is what the org has, by name."""

    number: int
    when: When
    recovery: Recovery
    said: str
    ended: bool
    found: dict[str, int]

    @property
    def wrong(self) -> str:
        """What is wrong with the end; empty if nothing is."""
        if not self.ended:
            return f"stuck: {self.said}"
        counts = sorted(self.found.values())
        whole, nothing = [1, 1, 1, 1], list[int]()
        wanted = [whole, nothing] if "Nothing to" in self.said else [whole if self.recovery == "resume" else nothing]
        return "" if counts in wanted else f"the org has {self.found}"


class LateOrg:
    """A sandbox whose reads are late. Every onboarding has names of its own, as what is deleted stays in sight."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.sandbox, self.home, self.api = sandbox, home, sandbox.api()
        self._settings(rate_limit=100_000, stage_s=0.0, integration_shape=CREDENTIAL.shape)

    def onboarding(self, name: str) -> Onboarding:
        parts = {part: {"name": f"{part} {name}"} for part in ("target", "policy", "webhook")}
        return platform.onboarding(self.sandbox, **parts)

    def crasher(self, name: str, workspace: str = "") -> Crasher:
        home = self.home / f"{name}{workspace}"
        home.mkdir()
        wanted = self.onboarding(name)
        return Crasher(self.sandbox, home, wanted, settles_within_s=SETTLES_WITHIN_S, counted=WRITES)

    def writes(self) -> int:
        """How many requests of an apply write."""
        applied = self.crasher("whole").run("apply")
        assert applied.exit_code == 0, applied.said
        assert sorted(self.take_all().values()) == [1, 1, 1, 1]
        return applied.requests

    def kill(self, round: int, lag_s: float, number: int, when: When, recovery: Recovery) -> Kill:
        self.late(lag_s)
        time.sleep(lag_s)  # until what the kill before this one left is out of sight
        crasher = self.crasher(f"{round} {number} {when} {recovery}")
        killed = crasher.run("apply", number, when)
        assert killed.exit_code == -9, killed.said
        recovered = crasher.run(recovery)
        unfinished = [apply for apply in all_applies(Ledger(crasher.home)) if not apply.ended]
        ended = recovered.exit_code == 0 and not unfinished
        return Kill(number, when, recovery, recovered.said, ended, self.take_all())

    def take_all(self) -> dict[str, int]:
        """How often the org has each name now, whatever a late list shows; nothing is left."""
        self.late(0.0)
        names = Counter(one["name"] for path in PATHS for one in self._entities(path))
        platform.clear(self.api)
        return dict(names)

    def late(self, lag_s: float) -> None:
        self._settings(read_lag_s=lag_s)

    def _entities(self, path: str) -> list[dict[str, str]]:
        entities: list[dict[str, str]] = self.api("GET", f"{path}?pageSize=100").json()["entities"]
        return entities

    def _settings(self, **settings: object) -> None:
        assert self.sandbox.control("PUT", "/settings", settings).is_success


def kills(count: int, seed: int, home: Path, *, at_once: int = 1) -> list[Kill]:
    """So many kills, in an order and with lags chosen by the seed, each place once before any comes twice; `at_once`
    sandboxes share them."""
    with running("--seed", "7") as sandbox:
        count_of_writes = LateOrg(sandbox, home).writes()
    ways: tuple[tuple[When, Recovery], ...] = (
        ("before", "resume"),
        ("after", "rollback"),
        ("after", "resume"),
        ("before", "rollback"),
    )
    places = [(number, when, recovery) for number in range(1, count_of_writes + 1) for when, recovery in ways]
    chance = random.Random(seed)
    rounds = [
        (round, place) for round in range(-(-count // len(places))) for place in chance.sample(places, len(places))
    ]
    chosen = [(round, chance.choice(LAGS_S), *place) for round, place in rounds[:count]]

    def some(worker: int) -> list[Kill]:
        with running("--seed", str(7 + worker)) as sandbox:
            (own := home / str(worker)).mkdir()
            org = LateOrg(sandbox, own)
            return [org.kill(*place) for place in chosen[worker::at_once]]

    with ThreadPoolExecutor(at_once) as pool:
        return [kill for done in pool.map(some, range(at_once)) for kill in done]


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault(SIGNING_KEY, str(Path(home, "signing_key.pem")))
        tried = kills(given.kills, given.seed, Path(home), at_once=given.at_once)
    wrong = [kill for kill in tried if kill.wrong]
    for kill in wrong:
        print(f"{kill.number} {kill.when} {kill.recovery}: {kill.wrong}", file=sys.stderr)
    stuck = sum(not kill.ended for kill in tried)
    print(json.dumps({"kills": len(tried), "read_lag_s": LAGS_S, "stuck": stuck, "wrong": len(wrong)}))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(_main())
