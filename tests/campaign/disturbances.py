"""What goes wrong on this machine: kinds by their names, each a function that says what does not hold afterwards."""

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from shutil import rmtree

from opslib.onboarding.models import Onboarding

from ..forks import FORKS
from ..router import org as storage_targets
from ..router.crash_program import Crasher, How
from ..world import SIGNING_KEY
from . import judge
from .program import walk_at_once
from .walks import Ended, Usual, World

Usuals = dict[str, Usual]
Disturb = Callable[[World, Usuals, random.Random], Iterator[str]]
_NOBODY = 65534
_DAY_S = 86400.0
# Many times what 200 walks take.
_CROWD_ENDS_WITHIN_S = 900.0
_BACKENDS = ("storage-targets", "platform")


def _any_change(usual: Usuals, dice: random.Random) -> Usual:
    return usual[dice.choice(sorted(name for name, one in usual.items() if one.walk.org))]


def _kill(here: World, usual: Usuals, dice: random.Random) -> Iterator[str]:
    """kill -9 before or after any request of an apply; then another process resumes or rolls back."""
    one = usual[f"{dice.choice(_BACKENDS)} change"]
    before = here.start_anew(one.walk)
    assert one.walk.org
    crasher = Crasher(here.sandbox, here.home, one.walk.org.changed(here.sandbox), api_url=here.proxy.urls["api"])
    number = dice.randint(1, sum(place.service == "api" for place in one.places))
    crasher.run("apply", number, dice.choice(("before", "after")))
    moved = here.state(one.walk) != before
    how: How = dice.choice(("resume", "rollback"))
    recovered = crasher.run(how)
    now, nothing = here.state(one.walk), "Nothing to" in recovered.said
    if recovered.exit_code != 0:
        yield f"{how} at request {number}: {recovered.said}"
    if now not in ((before, one.wanted) if nothing else (one.wanted,) if how == "resume" else (before,)):
        yield f"{how} after request {number}: the org is {now!r}"
    if nothing and moved and now != one.wanted:
        yield f"nothing to {how}, and the org is half-changed: {now!r}"
    yield from judge.kept(here, Ended(0, recovered.said, ""))


def _two_processes(here: World, usual: Usuals, dice: random.Random, *, workspaces: int) -> Iterator[str]:
    """The same change by two processes at once."""
    one = _any_change(usual, dice)
    before = here.start_anew(one.walk)
    homes = [here.home, here.folder / "other"][:workspaces] * (3 - workspaces)
    rmtree(here.folder / "other", ignore_errors=True)
    here.words(one.walk)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda home: here.run(one.walk, more={"OPSLIB_HOME": str(home)}), homes))
    for done in both:
        yield from judge.ended(done)
    for home in dict.fromkeys(homes):
        for words in (["resume"], ["rollback"]):
            last = here.command([*words, "--json"], more={"OPSLIB_HOME": str(home)})
        if last.code != 0:
            yield f"stuck in {home.name}: {last.out}"
    now = here.state(one.walk)
    if now not in (before, one.wanted) or (now != one.wanted and 0 in [done.code for done in both]):
        yield f"the org is {now!r} after {[(done.code, done.out[-600:]) for done in both]}"
    yield from judge.kept(here, both[0])


def _full_disk(here: World, usual: Usuals, dice: random.Random) -> Iterator[str]:
    """From any write to the ledger on, no file grows."""
    one = _any_change(usual, dice)
    before = here.start_anew(one.walk)
    done = here.run(one.walk, full_after=dice.randrange(1, 60))
    yield from judge.ended(done)
    yield from judge.settled(here, one.walk, done, before, one.wanted)
    yield from judge.kept(here, done)


def _read_only(here: World, usual: Usuals, dice: random.Random) -> Iterator[str]:
    """The workspace, or one file of it, may only be read."""
    one = _any_change(usual, dice)
    before = here.start_anew(one.walk)
    key = {SIGNING_KEY: str(here.folder / "key.pem")}
    (here.folder / "key.pem").unlink(missing_ok=True)
    here.run(usual[f"{one.walk.org.NAME} doctor"].walk, more=key)  # type: ignore[union-attr]
    files = sorted(here.home.iterdir())
    if user := None if os.geteuid() else _NOBODY:  # whom no mode binds
        here.folder.chmod(0o755)
        for path in (here.home, Path(key[SIGNING_KEY]), *files):
            os.chown(path, user, -1)
    whole = dice.random() < 0.5
    for path in [*files, here.home] if whole else [here.home / "ledger.sqlite3"]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = here.run(one.walk, more=key, user=user)
    here.home.chmod(0o755)
    yield from judge.ended(done, codes=[1])
    if here.state(one.walk) != before:
        yield "the org was changed"
    yield from judge.kept(here, done)


def _clock(here: World, usual: Usuals, dice: random.Random) -> Iterator[str]:
    """This machine's clock is wrong for one command, and right again for the next."""
    one = _any_change(usual, dice)
    before = here.start_anew(one.walk)
    more = {"OPSLIB_BACKEND": one.walk.org.NAME} if one.walk.org else {}
    ahead_s = dice.choice((-55 * 365, -1, -0.01, 0.01, 1, 365, 70 * 365)) * _DAY_S
    for command in (["changes"], ["doctor"]):
        yield from judge.ended(here.command([*command, "--json"], more=more, clock_s=ahead_s))
    done = here.run(one.walk, clock_s=ahead_s)
    yield from judge.ended(done)
    yield from judge.settled(here, one.walk, done, before, one.wanted)
    looked = here.command(["changes", "--json"], more=more)
    yield from judge.ended(looked, codes=[0])
    yield from judge.kept(here, done)


def _crowd(here: World, usual: Usuals, dice: random.Random) -> Iterator[str]:
    """Many walks at once in one process, each with its own target in its own workspace. They share a webhook, which
    is there: the sandbox sends each event to each."""
    onboarded = usual["storage-targets onboard"].walk
    here.start_anew(onboarded)
    here.run(onboarded)
    numbers = range(here.crowd)
    wanted: list[Onboarding] = [
        storage_targets.onboarding(
            here.sandbox,
            target={"id": f"t-{number}", "name": f"T{number}"},
            policy={"id": f"p-{number}", "name": f"P{number}"},
            webhook={"url": here.sandbox["datalake_url"]},
        )
        for number in numbers
    ]
    homes = [here.home / str(number) for number in numbers]
    ours, its = FORKS.Pipe(duplex=False)
    files = [one.model_dump_json(exclude_unset=True) for one in wanted]
    # The org is what is crowded; S3, where each walk asks 17 times, does not answer at all.
    env = here.env | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    process = FORKS.Process(target=walk_at_once, args=(files, homes, env, its))
    process.start()
    its.close()
    with ours:
        ends: list[str] = ours.recv() if ours.poll(_CROWD_ENDS_WITHIN_S) else ["they hang"]
    process.kill()
    process.join()
    paths = [path.replace("-1", f"-{number}") for number in numbers for path in storage_targets.PATHS[:2]]
    there = sum(here.api("GET", path).is_success for path in paths)
    for path in reversed(paths):
        here.api("DELETE", path)
    yield from filter(None, ends)
    if there != len(paths):
        yield f"of {len(paths)} objects, {there} are there"
    yield from judge.kept(here, Ended(0, "", ""))


CROWD = "many walks at once"
DISTURBANCES: dict[str, Disturb] = {
    "kill -9": _kill,
    "two processes in one workspace": partial(_two_processes, workspaces=1),
    "two processes in two workspaces": partial(_two_processes, workspaces=2),
    "disk full": _full_disk,
    "read-only workspace": _read_only,
    "clock that is wrong": _clock,
    CROWD: _crowd,
}
