"""Chooses cases by a seed, tries each in a world, and makes a table of what was tried and what failed."""

import argparse
import os
import random
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ..world import SIGNING_KEY
from . import judge
from .disturbances import DISTURBANCES, Usuals
from .faults import FAULTS
from .proxy import Place
from .walks import WALKS, World, world

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- campaign -->\n", "<!-- end of campaign -->\n"
KINDS = (*FAULTS, *DISTURBANCES)


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


def usual_walks(here: World) -> Usuals:
    return {walk.name: here.usual(walk) for walk in WALKS}


def all_cases(usual: Usuals) -> Iterator[Case]:
    """Every fault at every request of every walk."""
    for name, one in usual.items():
        for place in one.places:
            for kind, fault in FAULTS.items():
                if fault.fits(place.service):
                    yield from (Case(kind, name, place, stays) for stays in (False, True))


def chosen(usual: Usuals, seed: int, faults: int, disturbances: int) -> list[Case]:
    """So many faults by the seed, each kind as often as any other, and so many times each disturbance."""
    dice = random.Random(seed)
    by_kind: dict[str, list[Case]] = {kind: [] for kind in FAULTS}
    for case in all_cases(usual):
        by_kind[case.kind].append(case)
    for cases in by_kind.values():
        dice.shuffle(cases)
    turns = zip_longest(*by_kind.values())
    taken = [case for turn in turns for case in turn if case][:faults]
    return taken + [Case(kind, seed=dice.randrange(10**6)) for kind in DISTURBANCES for _ in range(disturbances)]


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
    before = here.start_anew(one.walk)
    here.proxy.begin(case.place, fault, stays=case.stays)
    done = here.run(one.walk)
    met = here.proxy.met
    here.proxy.place = None
    wrong = [] if met else ["the request was never made"]
    wrong += [*judge.ended(done), *judge.settled(here, one.walk, done, before, one.wanted)]
    wrong += judge.believed(done, one.ended, case.place if fault.unusable and case.stays else None)
    wrong += judge.kept(here, done)
    return Tried(case, wrong)


def campaign(folder: Path, seed: int, faults: int, disturbances: int, *, worlds: int, only: str = "") -> list[Tried]:
    """Try the chosen cases, shared by so many worlds."""

    def share(number: int) -> list[Tried]:
        (own := folder / str(number)).mkdir()
        with world(own) as here:
            usual = usual_walks(here)
            cases = [named(usual, only)] if only else chosen(usual, seed, faults, disturbances)[number::worlds]
            return [_told(try_case(here, usual, case)) for case in cases]

    with ThreadPoolExecutor(worlds) as pool:
        return [tried for some in pool.map(share, range(worlds)) for tried in some]


def _told(tried: Tried) -> Tried:
    for wrong in tried.wrong:
        print(f"{tried.case}: {wrong}", file=sys.stderr, flush=True)
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
    parser.add_argument("--sample", type=int, default=2000, help="how many faults")
    parser.add_argument("--disturbances", type=int, default=10, help="how often each disturbance of this machine")
    parser.add_argument("--worlds", type=int, default=2, help="how many at once")
    parser.add_argument("--only", default="", help="one case, as a failure names it")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    given: Any = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # one of the disturbances is another user's
        os.environ[SIGNING_KEY] = str(Path(folder, "signing_key.pem"))
        worlds = 1 if given.only else given.worlds
        tried = campaign(Path(folder), given.seed, given.sample, given.disturbances, worlds=worlds, only=given.only)
    print(table(tried))
    failures = [one for one in tried if one.wrong]
    for one in failures:
        print(f"python -m tests.campaign --only {shlex.quote(str(one.case))}\n  " + "\n  ".join(one.wrong)[:1000])
    print(f"Seed {given.seed}: {len(tried)} cases, {len(failures)} failed")
    if given.write:
        write_table(given.seed, tried)
    return bool(failures)
