"""Chooses cases by a seed, tries each in a world, and makes a table of what was tried and what failed."""

import argparse
import os
import random
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ..router.late_kills import kills
from ..world import SIGNING_KEY
from . import judge
from .disturbances import CROWD, DISTURBANCES, Usuals
from .faults import FAULTS
from .proxy import Place
from .walks import WALKS, Walk, World, world

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- campaign -->\n", "<!-- end of campaign -->\n"
# How often a walk is tried that waits for the server, until it makes the request in question.
_UNTIL_MET = 3
# In an org of its own (tests/router/late_kills.py).
LATE_KILL = "kill -9 while lists are late"
KINDS = (*FAULTS, *DISTURBANCES, LATE_KILL)


@dataclass(frozen=True)
class Case:
    """A fault at a request of a walk, once or from there on; or a disturbance, with a seed."""

    kind: str
    walk: str = ""
    place: Place | None = None
    stays: bool = False
    seed: int = 0

    def __str__(self) -> str:
        if self.place is None:
            return f"{self.kind} | {self.seed}"
        return f"{self.kind} | {self.walk} | {self.place} | {'stays' if self.stays else 'once'}"


@dataclass(frozen=True)
class Tried:
    """A case, and what did not hold."""

    case: Case
    wrong: list[str]


def all_cases(usual: Usuals) -> Iterator[Case]:
    """Every fault at every request of every walk."""
    for name, one in usual.items():
        for place in one.places:
            for kind, fault in FAULTS.items():
                if fault.fits(place.service):
                    yield from (Case(kind, name, place, stays) for stays in (False, True))


def chosen(usual: Usuals, seed: int, faults: int, disturbances: int, *, by_walk: bool = False) -> list[Case]:
    """So many faults by the seed, each kind as often as any other, and so many times each disturbance, the crowd once.

    Each request comes as often as any other; or `by_walk`, each walk, of which the long ones cost most.
    """
    dice = random.Random(seed)
    by_kind: dict[str, list[Case]] = {kind: [] for kind in FAULTS}
    for case in all_cases(usual):
        by_kind[case.kind].append(case)
    for cases in by_kind.values():
        dice.shuffle(cases)
        if by_walk:
            walk = dice.choice(sorted({case.walk for case in cases}))
            cases.sort(key=lambda case: case.walk != walk)
    turns = zip_longest(*by_kind.values())
    taken = [case for turn in turns for case in turn if case][:faults]
    often = {kind: 1 if kind == CROWD else disturbances for kind in DISTURBANCES}
    return taken + [Case(kind, seed=dice.randrange(10**6)) for kind, times in often.items() for _ in range(times)]


def named(usual: Usuals, name: str) -> Case:
    """The case that a failure was reported with."""
    kind, _, seed = name.rpartition(" | ")
    if kind in DISTURBANCES:
        return Case(kind, seed=int(seed))
    return next(case for case in all_cases(usual) if str(case) == name)


def try_case(here: World, usual: Usuals, case: Case) -> Tried:
    if case.place is None:
        return Tried(case, list(DISTURBANCES[case.kind](here, usual, random.Random(case.seed))))
    one, fault = usual[case.walk], FAULTS[case.kind]
    for _ in range(_UNTIL_MET):
        before = here.start_anew(one.walk)
        here.proxy.begin(case.place, fault, stays=case.stays)
        done = here.run(one.walk, impatient=fault.sent in ("late", "slow"))
        if met := here.proxy.met:
            break
    here.proxy.place = None
    wrong = [] if met else ["the request was never made"]
    wrong += [*judge.ended(done), *judge.settled(here, one.walk, done, before, one.wanted)]
    wrong += judge.believed(done, one.ended, case.place if fault.unusable and case.stays else None)
    wrong += judge.kept(here, done)
    return Tried(case, wrong)


def campaign(
    folder: Path,
    choose: Callable[[Usuals], list[Case]],
    *,
    walks: Sequence[Walk] = tuple(WALKS),
    worlds: int = 1,
    crowd: int = 200,
) -> list[Tried]:
    """Try the chosen cases, shared by so many worlds; `crowd` walks at once."""

    def share(number: int) -> list[Tried]:
        (own := folder / str(number)).mkdir()
        with world(own, crowd) as here:
            usual = {walk.name: here.usual(walk) for walk in walks}
            return [_told(try_case(here, usual, case)) for case in choose(usual)[number::worlds]]

    with ThreadPoolExecutor(worlds) as pool:
        return [tried for some in pool.map(share, range(worlds)) for tried in some]


def killed_while_late(folder: Path, count: int, seed: int, worlds: int) -> list[Tried]:
    """So many processes killed around a write; then another one resumes or rolls back."""
    (own := folder / "late").mkdir()
    tried = kills(count, seed, own, at_once=worlds)
    return [Tried(Case(LATE_KILL, seed=seed), [kill.wrong] if kill.wrong else []) for kill in tried]


def _repeated(case: Case) -> str:
    """The command that tries it again."""
    if case.kind == LATE_KILL:
        return f"python -m tests.router.late_kills --seed {case.seed}"
    return f"python -m tests.campaign --only {shlex.quote(str(case))}"


def _told(tried: Tried) -> Tried:
    print(f"{'FAILED' if tried.wrong else 'ok'} {tried.case}", *tried.wrong, sep="\n  ", file=sys.stderr, flush=True)
    return tried


def table(tried: list[Tried]) -> str:
    """Kinds × tried × failed, in Markdown."""
    counts, failed = Counter(one.case.kind for one in tried), Counter(one.case.kind for one in tried if one.wrong)
    rows = [f"| {kind} | {counts[kind]} | {failed[kind]} |" for kind in KINDS if counts[kind]]
    return "\n".join(["| fault | tried | failed |", "|---|---:|---:|", *rows, ""])


def write_table(seed: int, tried: list[Tried], page: Path = PAGE) -> None:
    """Put the table between the page's marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    failed = sum(bool(one.wrong) for one in tried)
    said = f"Seed {seed}: {len(tried)} cases, {failed} failed.\n\n{table(tried)}"
    page.write_text(f"{before}{BEGIN}{said}{END}{rest.split(END)[1]}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=1200, help="how many faults")
    parser.add_argument("--disturbances", type=int, default=16, help="how often each disturbance of this machine")
    parser.add_argument("--kills", type=int, default=120, help="how many processes are killed while lists are late")
    parser.add_argument("--worlds", type=int, default=2, help="how many at once")
    parser.add_argument("--only", default="", help="one case, as a failure names it")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    given: Any = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # one of the disturbances is another user's
        os.environ[SIGNING_KEY] = str(Path(folder, "signing_key.pem"))

        def choose(usual: Usuals) -> list[Case]:
            if given.only:
                return [named(usual, given.only)]
            return chosen(usual, given.seed, given.sample, given.disturbances)

        walks = [walk for walk in WALKS if f" | {walk.name} | " in given.only] or WALKS
        tried = campaign(Path(folder), choose, walks=walks, worlds=1 if given.only else given.worlds)
        if not given.only:
            tried += killed_while_late(Path(folder), given.kills, given.seed, given.worlds)
    print(table(tried))
    failures = [one for one in tried if one.wrong]
    for one in failures:
        print(f"{_repeated(one.case)}\n  " + "\n  ".join(one.wrong)[:1000])
    print(f"Seed {given.seed}: {len(tried)} cases, {len(failures)} failed")
    if given.write:
        write_table(given.seed, tried)
    return bool(failures)
