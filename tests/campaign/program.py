"""A process that is one command of opslib, and does not wait as long as a real org may take."""

import asyncio
import functools
import importlib
import os
import sys
from contextlib import redirect_stdout
from datetime import datetime, timedelta, tzinfo
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx_retries.retry

from opslib import Onboarding
from opslib.cli.app import main
from opslib.onboarding.models import Consent
from opslib.router.apply import Applier
from opslib.settings import Settings
from opslib.walk.walk import Walk

from .. import forks

# What waits for a real org; a sandbox needs no such time, and a fault would take all of it.
_SHORTER = {
    "opslib.auth._RATE_LIMIT_WAITS_S": (0.0,),
    "opslib.genesys.creations.SETTLES_WITHIN_S": 0.6,
    "opslib.genesys.datalake._ANSWERED_WITHIN_S": 2.0,
    "opslib.genesys.integration_credentials.SETTLES_WITHIN_S": 0.6,
    "opslib.genesys.integrations.SETTLES_WITHIN_S": 0.6,
    "opslib.genesys.retry._TRIES_AFTER_THE_FIRST": 1,
    "opslib.walk.context.Applier": functools.partial(Applier, settles_within_s=0.6),
    "opslib.walk.steps._EVENT_WITHIN_S": 1.0,
}
# For an answer that comes too late, or never ends.
_IMPATIENT = {"opslib.validator.aws._ANSWERED_WITHIN_S": 2.0, "opslib.validator.aws._READ_TIMEOUT_S": 1}
_IMPATIENT_SETTINGS = {"OPSLIB_TIMEOUT_S": "1", "OPSLIB_DEADLINE_S": "5"}


def run(
    command: list[str],
    env: dict[str, str],
    out: Path,
    err: Path,
    *,
    impatient: bool = False,
    clock_s: float = 0.0,
    full_after: int | None = None,
    user: int | None = None,
) -> None:
    """This process becomes the command. `impatient`: it has short timeouts; `clock_s`: its clock is that much ahead;
    `full_after`: see `forks.opslib`; `user`: whose process it is."""
    _set(_SHORTER | (_IMPATIENT if impatient else {}))
    if clock_s:
        _put_the_clock(clock_s)
    if user is not None:
        _become(user, env)
    forks._command(command, env | (_IMPATIENT_SETTINGS if impatient else {}), out, err, full_after)


def _become(user: int, env: dict[str, str]) -> None:
    """The user may not be allowed to read Python's own files: what a walk imports is imported before."""
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        os.environ.update(env | {"OPSLIB_HOME": folder})
        main(["doctor", "--json"])
    os.setuid(user)


def walk_at_once(wanted: list[str], homes: list[Path], env: dict[str, str], said: Connection) -> None:
    """All these onboardings (JSON) at once in this process, each in a workspace of its own; what became of each."""
    _set(_SHORTER)
    os.environ.clear()
    os.environ.update(env)
    said.send(asyncio.run(_gathered([Onboarding.model_validate_json(one) for one in wanted], homes)))


async def _gathered(wanted: list[Onboarding], homes: list[Path]) -> list[str]:
    ends = await asyncio.gather(*map(_one, wanted, homes), return_exceptions=True)
    return [f"{type(end).__name__}: {end}" if isinstance(end, BaseException) else "" for end in ends]


async def _one(wanted: Onboarding, home: Path) -> None:
    async with Walk(wanted, Settings.load(home=home)) as walk:
        async for _ in walk.in_order(Consent(confirm=wanted.target.name, reason="test"), until="apply"):
            pass


def _set(values: dict[str, Any]) -> None:
    for name, value in values.items():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
        setattr(sys.modules[module], attribute, value)
    httpx_retries.retry.Retry.backoff_strategy = lambda *_: 0.0  # type: ignore[method-assign]


def _put_the_clock(ahead_s: float) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=ahead_s)

    for name, module in list(sys.modules.items()):
        if name.startswith("opslib.") and getattr(module, "datetime", None) is datetime:
            module.datetime = Ahead  # type: ignore[attr-defined]
