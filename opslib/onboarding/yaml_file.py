"""Reads a small YAML file, with the line of each field; refuses what our files do not need."""

from pathlib import Path
from typing import Any

import yaml

from opslib.errors import InvalidInput
from opslib.files import read_regular

# Our files have some 30 lines; anything much larger is another file.
_MAX_BYTES = 64 * 1024
# They have three levels; PyYAML runs out of stack at some hundred.
_MAX_DEPTH = 20

Lines = dict[tuple[str | int, ...], int]


def read_text(path: Path) -> str:
    """The file's text. Raises InvalidInput."""
    try:
        return read_regular(path, _MAX_BYTES).decode().replace("\r\n", "\n")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a path with a null character
        why = error.strerror if isinstance(error, OSError) else None
        raise _unreadable(str(path), why or str(error)) from None


def read_yaml(text: str, name: str) -> tuple[Any, Lines]:
    """The text's values, and the line (from 1) on which each field stands. `name` is what errors call it.

    Raises InvalidInput, also for a field that stands twice, of which YAML takes the last without a word.
    """
    try:
        _check_shape(text, name)
        node = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = "; ".join(filter(None, (error.context, error.problem)))
        raise _unreadable(name, f"line {mark.line + 1}: {problem}" if mark else problem) from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise _unreadable(name, " ".join(str(error).split())) from None
    if not isinstance(values, dict):
        raise _unreadable(name, "it has no fields: “name: value”, one on a line")
    lines: Lines = {}
    if node is not None:
        _collect(name, node, (), lines)
    return values, lines


def _check_shape(text: str, name: str) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _unreadable(name, "it uses YAML aliases (*name); write the values out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _unreadable(name, f"it has more than {_MAX_DEPTH} levels of nesting")


def _collect(name: str, node: yaml.Node, at: tuple[str | int, ...], lines: Lines) -> None:
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            field = (*at, str(key.value))
            if field in lines:
                raise _unreadable(name, f"line {key.start_mark.line + 1}: {key.value} stands there twice")
            lines[field] = key.start_mark.line + 1
            _collect(name, value, field, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _collect(name, value, (*at, index), lines)


def _unreadable(name: str, why: str) -> InvalidInput:
    return InvalidInput(f"{name} cannot be read", cause=why, fix="give a YAML file in UTF-8; nothing was sent")
