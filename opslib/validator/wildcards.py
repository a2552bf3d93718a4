"""Which texts IAM's wildcards match: `*` any characters, also none; `?` exactly one.

Decided exactly, by walking all patterns at once over every kind of text there is (the subset construction of automata
theory): for each set of patterns that some text matches, and no other pattern does, one shortest such text.
"""

import string
from collections.abc import Iterable, Iterator
from functools import lru_cache

_MAX_STATES = 20_000

_Place = tuple[str, int]  # a pattern, and how many of its characters are used up


class TooManyWays(Exception):
    """The patterns overlap in too many ways to look at each."""


def ways(patterns: Iterable[str], start: str) -> dict[frozenset[str], str]:
    """For texts that begin with `start` and go on: the sets of patterns that match one, each with a shortest example.

    Raises TooManyWays.
    """
    patterns = list(patterns)
    other = _no_character_of(patterns)
    state = _closed((pattern, 0) for pattern in patterns)
    for character in start:
        state = _after(state, character)
    examples: dict[frozenset[str], str] = {}
    seen, border = {state}, [(state, start)]
    while border:
        if len(seen) > _MAX_STATES:
            raise TooManyWays
        reached: list[tuple[frozenset[_Place], str]] = []
        for state, text in border:
            for character in [*sorted({p[i] for p, i in state if i < len(p)} - {"*", "?"}), other]:
                new = _after(state, character)
                examples.setdefault(_matched(new), text + character)
                if new not in seen:
                    seen.add(new)
                    reached.append((new, text + character))
        border = reached
    return examples


@lru_cache(maxsize=4096)  # a policy's patterns meet the same few texts again and again
def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches."""
    state = _closed([(pattern, 0)])
    for character in text:
        state = _after(state, character)
    return pattern in _matched(state)


def _no_character_of(patterns: Iterable[str]) -> str:
    """Where a text with it matches, a text with any other character that no pattern names matches, too."""
    used = set("".join(patterns))
    return next(letter for letter in string.ascii_lowercase + string.digits + "\N{WHITE SQUARE}" if letter not in used)


def _after(state: frozenset[_Place], character: str) -> frozenset[_Place]:
    return _closed(_steps(state, character))


def _steps(state: frozenset[_Place], character: str) -> Iterator[_Place]:
    for pattern, used in state:
        if used == len(pattern):
            continue
        if pattern[used] == "*":
            yield pattern, used
        elif pattern[used] in ("?", character):
            yield pattern, used + 1


def _closed(places: Iterable[_Place]) -> frozenset[_Place]:
    """With the places that are reached when a `*` matches nothing more."""
    reached = set[_Place]()
    for pattern, used in places:
        reached.add((pattern, used))
        while used < len(pattern) and pattern[used] == "*":
            used += 1
            reached.add((pattern, used))
    return frozenset(reached)


def _matched(state: frozenset[_Place]) -> frozenset[str]:
    return frozenset(pattern for pattern, used in state if used == len(pattern))
