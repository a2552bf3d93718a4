"""Patterns for a fault's `path_regex`, which no pattern can keep busy.

The syntax is that of Python's `re`, without what needs backtracking: characters, escapes such as `\\d` and `\\.`, `.`,
classes, `^`, `$`, groups, `|`, and the counts `*`, `+`, `?`, `{m,n}`. All ways through the pattern are followed at once
(Thompson's construction), so a search takes at most MAX_STEPS times MAX_PATH looks at a character.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

MAX_STEPS = 200
MAX_PATH = 2000
"""A path is searched up to here (characters)."""
_MAX_LENGTH, _MAX_DEPTH = 1000, 20

_TOKEN = re.compile(
    r"(?P<group>\((?:\?:)?)|(?P<close>\))|(?P<or>\|)|(?P<edge>[\^$])"
    r"|(?P<count>[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})"
    r"|(?P<char>\\[^0-9ABZb]|\[\^?\]?(?:\\.|[^\]\\])*\]|[^\\\[])",
    re.DOTALL,
)

Test = Callable[[str], object]
# Adds the steps of a part of the pattern, given the step that follows it; returns the part's first step.
_Part = Callable[[int], int]


@dataclass
class _Step:
    """A test of one character, an edge (`^` or `$`), or neither; and the steps that follow."""

    to: tuple[int, ...]
    test: Test | None = None
    edge: str = ""


class PathPattern:
    """A compiled pattern. Raises ValueError for one that has another syntax or is too large."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > _MAX_LENGTH:
            raise ValueError(f"it has more than {_MAX_LENGTH} characters")
        self._steps = [_Step(())]  # the end
        self._tokens = list(_tokens(pattern))
        part = self._alternatives(depth=0)
        if self._tokens:
            raise ValueError("a ) has no (")
        self._start = part(0)

    def found_in(self, path: str) -> bool:
        """Whether the path matches anywhere within its first MAX_PATH characters."""
        path, at = path[:MAX_PATH], set[int]()
        for place in range(len(path) + 1):
            at = self._reached({*at, self._start}, "^" * (place == 0) + "$" * (place == len(path)))
            if 0 in at:
                return True
            steps = [self._steps[number] for number in at]
            at = {step.to[0] for step in steps if step.test and place < len(path) and step.test(path[place])}
        return False

    def _reached(self, at: set[int], edges: str) -> set[int]:
        """The steps themselves, and those that follow without a character."""
        todo, reached = list(at), set(at)
        while todo:
            step = self._steps[todo.pop()]
            if step.test is None and step.edge in edges:
                todo += [number for number in step.to if number not in reached]
                reached.update(step.to)
        return reached

    def _alternatives(self, depth: int) -> _Part:
        if depth > _MAX_DEPTH:
            raise ValueError(f"its groups are more than {_MAX_DEPTH} deep")
        choices = [self._sequence(depth)]
        while self._next_is("or"):
            choices.append(self._sequence(depth))
        return lambda end: self._add(*(choice(end) for choice in choices))

    def _sequence(self, depth: int) -> _Part:
        parts = list[_Part]()
        while self._tokens and self._tokens[0][0] not in ("or", "close"):
            parts.append(self._counted(self._one(depth)))
        return partial(_in_turn, parts)

    def _one(self, depth: int) -> _Part:
        kind, text = self._tokens.pop(0)
        if kind == "count":
            raise ValueError(f"{text} has nothing to repeat")
        if kind == "edge":
            return lambda end: self._add(end, edge=text)
        if kind == "char":
            return partial(self._add, test=_test(text))
        part = self._alternatives(depth + 1)
        if not self._next_is("close"):
            raise ValueError("a ( has no )")
        return part

    def _counted(self, part: _Part) -> _Part:
        if not self._tokens or self._tokens[0][0] != "count":
            return part
        _, count = self._tokens.pop(0)
        if self._tokens and self._tokens[0] == ("count", "?"):  # as few as possible: the same paths match
            self._tokens.pop(0)
        least, most = _bounds(count)
        rest = partial(self._any_number, part) if most is None else partial(self._up_to, most - least, part)
        return lambda end: _in_turn([part] * least, rest(end))

    def _any_number(self, part: _Part, end: int) -> int:
        again = self._add(end)
        self._steps[again].to = (part(again), end)
        return again

    def _up_to(self, times: int, part: _Part, end: int) -> int:
        start = end
        for _ in range(times):
            start = self._add(part(start), end)
        return start

    def _add(self, *to: int, test: Test | None = None, edge: str = "") -> int:
        if len(self._steps) > MAX_STEPS:
            raise ValueError(f"it has more than {MAX_STEPS} steps")
        self._steps.append(_Step(to, test, edge))
        return len(self._steps) - 1

    def _next_is(self, kind: str) -> bool:
        if found := bool(self._tokens) and self._tokens[0][0] == kind:
            self._tokens.pop(0)
        return found


def _tokens(pattern: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            raise ValueError(f"“{pattern[at : at + 10]}” is not in the syntax of path_regex")
        yield str(token.lastgroup), token[0]
        at = token.end()


def _test(text: str) -> Test:
    """One character's pattern: `re` itself says what it matches."""
    try:
        return re.compile(text).fullmatch
    except re.error as error:
        raise ValueError(f"{text}: {error}") from None


def _bounds(count: str) -> tuple[int, int | None]:
    if count in "*+?":
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[count]
    least, comma, most = count[1:-1].partition(",")
    bounds = int(least or 0), int(most) if most else None if comma else int(least)
    if max(bounds[0], bounds[1] or 0) > MAX_STEPS or (bounds[1] is not None and bounds[0] > bounds[1]):
        raise ValueError(f"{count} is not a count up to {MAX_STEPS}")
    return bounds


def _in_turn(parts: list[_Part], end: int) -> int:
    for part in reversed(parts):
        end = part(end)
    return end
