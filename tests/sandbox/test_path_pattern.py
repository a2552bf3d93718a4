import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.sandbox.server.path_pattern import MAX_PATH, MAX_STEPS, PathPattern

from ..world import TARGETS, Sandbox

# Each in the syntax that Python's `re` shares.
_ATOMS = st.sampled_from([*"ab/.", "[ab]", "[^/]", "\\d", "\\.", "^", "$", "x{", "[]a]"])
PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{,2}", "{1,}", "*?", "{1,3}?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)


@given(PATTERNS, st.text("ab/.1x{]", max_size=12))
def test_it_finds_what_re_finds(pattern: str, path: str) -> None:
    """`re.search` is the oracle."""
    assert PathPattern(pattern).found_in(path) == (re.search(pattern, path) is not None)


HOSTILE = ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*)*x", ".*.*.*.*.*.*.*.*=", "(a*)*(a*)*(a*)*b", "(a?){30}a{30}$"]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_keeps_it_busy(pattern: str) -> None:
    """Each look at a character is counted: never more than steps times characters, however long the path."""
    looks = 0

    def counted(test):
        def look(character):
            nonlocal looks
            looks += 1
            return test(character)

        return look

    compiled = PathPattern(pattern)
    for step in compiled._steps:
        step.test = counted(step.test) if step.test else None
    compiled.found_in("a" * 60_000 + "!")
    assert 0 < looks <= len(compiled._steps) * MAX_PATH <= (MAX_STEPS + 1) * MAX_PATH


OTHER_SYNTAX = ["(", "a)", "*a", "a**", "a++", "(?=x)", "(?!x)", "(a)\\1", "\\bx", "[a", "(?P<n>x)", "(?i)a", "a{3,2}"]
TOO_LARGE = ["((a{99}){99}){99}", "(((){200}){200}){200}", "(((|){200}){200}){200}", "(" * 30 + ")" * 30, "a" * 1001]


@pytest.mark.parametrize("pattern", [*OTHER_SYNTAX, *TOO_LARGE])
def test_other_syntax_and_size_is_refused_at_once(sandbox: Sandbox, pattern: str) -> None:
    """As 400, and the sandbox serves on."""
    with pytest.raises(ValueError, match=r"."):
        PathPattern(pattern)
    assert sandbox.control("POST", "/faults", {"path_regex": pattern, "status": 500}).status_code == 400
    assert sandbox.api()("GET", TARGETS).status_code == 200


def test_a_hostile_pattern_leaves_the_sandbox_serving(sandbox: Sandbox) -> None:
    """The API and S3 both search it in paths that a caller chose."""
    sandbox.control("POST", "/faults", {"path_regex": "(a|a)*b$", "status": 500}).raise_for_status()
    assert sandbox.api()("GET", "/api/v2/" + "a" * 5000).status_code == 404
    assert sandbox.http.get(sandbox["s3_url"] + "/" + "a" * 5000).status_code == 403
