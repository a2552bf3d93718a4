"""What docs/mutants.md says of the safety lines names what there is."""

import importlib
import re
from functools import reduce

import pytest

from .mutants import PAGE, ROOT, answers, functions


@pytest.mark.parametrize(("line", "module", "name"), list(functions()))
def test_each_safety_line_is_made_of_functions_that_exist(line: str, module: str, name: str) -> None:
    """Else nothing would be mutated there, and nobody would notice."""
    found = importlib.import_module(module)
    assert name == "*" or callable(reduce(getattr, name.split("."), found))


def test_each_answer_is_for_a_function_of_a_safety_line() -> None:
    """And says why."""
    known = {f"{module}.{name}".removesuffix("*") for _, module, name in functions()}
    for survivor, why in answers().items():
        assert any(survivor.function.startswith(name) for name in known), survivor
        assert len(why) > 10, survivor


def test_each_test_that_the_page_names_exists() -> None:
    """By file and name."""
    named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", PAGE.read_text("utf-8"))
    assert named
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), name
