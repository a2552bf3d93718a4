"""Commands that are imported when they are used, as click's "Lazily Loading Subcommands" has it."""

from collections import UserDict
from importlib import import_module
from typing import Any

import click


class LazyCommands(UserDict[str, Any]):
    """What `click.Group` takes as `commands`: names, each with the import path of its command ("module.function").

    A mapping instead of a group of its own, so that click still finds the names it suggests for a misspelt one.
    """

    def __getitem__(self, name: str) -> click.Command:
        module, _, function = super().__getitem__(name).rpartition(".")
        command: click.Command = getattr(import_module(module), function)
        return command
