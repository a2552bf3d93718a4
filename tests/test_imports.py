"""Imports run one way: the layers are held by `make lint`, and that no modules import each other in a circle, here."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, or none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """An import that only a type checker reads counts, too: what knows each other cannot be read apart."""
    graph = grimp.build_graph("opslib")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 100
    assert circle(imports) == []


@pytest.mark.parametrize(
    ("imports", "length"),
    [({"a": {"b"}, "b": set()}, 0), ({"a": {"b"}, "b": {"a"}}, 3), ({"a": {"b"}, "b": {"c"}, "c": {"a"}}, 4)],
)
def test_a_circle_is_named(imports: dict[str, set[str]], length: int) -> None:
    """With its first module at both ends."""
    assert len(circle(imports)) == length
