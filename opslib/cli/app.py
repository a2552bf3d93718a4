"""`opslib …`: the same steps for a terminal.

Here are the commands' names, and what becomes of an error: cause and fix on stderr or, with --json, one JSON document
on stdout. A command is a function in the file of its topic, and a word in `_COMMANDS`.
"""

import ast
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.resources import files
from io import TextIOWrapper
from typing import Any

import click

from opslib.cli.exit_codes import ExitCode
from opslib.cli.output import say, say_document, say_json, say_text
from opslib.errors import Defect, HalfDone, InvalidInput, OpslibError

_ONBOARD, _EVIDENCE = "onboard", "evidence"
_COMMANDS = {
    "Try": {"lab": "lab", "sandbox": "sandbox", "where": "where"},
    "Change": {
        **dict.fromkeys(["init", "plan"], _ONBOARD),
        "approve": "approve",
        **dict.fromkeys(["apply", "onboard"], _ONBOARD),
        **dict.fromkeys(["resume", "rollback"], "recover"),
        **dict.fromkeys(["undo", "offboard", "export"], _ONBOARD),
        "fleet": "fleet",
    },
    "Check": {
        "doctor": "org",
        "check-bucket": "bucket",
        "check-feed": "event_feed",
        "drift": "fleet",
        "changes": "org",
        "archive": "archive",
    },
    "Prove": dict.fromkeys(["audit", "verify", "anchor", "export-ledger"], _EVIDENCE),
}
"""By group, each with its topic. What a topic's commands need is imported when one of them runs."""

_LEARN_MORE = """\b
Examples:
  opslib lab                        the notebooks, with a sandbox behind them
  opslib init onboarding.yaml       a commented file to start from
  opslib plan onboarding.yaml       what would change; writes nothing
  opslib apply onboarding.yaml      shows the plan, asks, and does it

\b
opslib COMMAND --help has an example of each command and the names that it takes.
"""


class _LazyCommand(click.Command):
    """Stands for a command in the group until it is used."""

    def __init__(self, topic: str, name: str) -> None:
        super().__init__(name)
        self._topic, self._function = topic, name.replace("-", "_")

    def load(self) -> click.Command:
        command: click.Command = getattr(import_module(f"opslib.cli.{self._topic}"), self._function)
        return command

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        return self.load().make_context(*arguments, **options)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Read from the file: to import all topics would take a second."""
        tree = ast.parse((files("opslib.cli") / f"{self._topic}.py").read_text("utf-8"))
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        return click.Command(None, help=ast.get_docstring(functions[self._function])).get_short_help_str(limit)


class _Grouped(click.Group):
    """Lists its commands in groups, in the order in which they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for group, names in _COMMANDS.items():
            rows = [(f"{name:{width}}", self.commands[name].get_short_help_str(_WHOLE_SENTENCE)) for name in names]
            with formatter.section(group):
                formatter.write_dl(rows)


_WHOLE_SENTENCE = 200


class _Help(click.HelpFormatter):
    """Breaks no name at its hyphens, such as those that an option takes: they are copied."""

    _KEPT = "\N{NON-BREAKING HYPHEN}"

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(name, text.replace("-", self._KEPT)) for name, text in rows], col_max, col_spacing)

    def write(self, string: str) -> None:
        super().write(string.replace(self._KEPT, "-"))


click.Context.formatter_class = _Help
_LAZY = [_LazyCommand(topic, name) for names in _COMMANDS.values() for name, topic in names.items()]


@click.group(cls=_Grouped, commands=_LAZY, epilog=_LEARN_MORE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="opslib")
def cli() -> None:
    """Route Genesys Cloud call recordings into an S3 bucket, safely, and keep the evidence."""


@cli.result_callback()
def _exit(code: int | None, **_: Any) -> None:
    if code:
        sys.exit(code)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error becomes cause and fix on stderr, or JSON on stdout.

    One that nobody foresaw is a defect, and says so.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file's name need not be text in the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    words = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    warnings.showwarning = _show_warning
    try:
        cli.main(words, prog_name="opslib", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say_document(error.format_message())
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        help = f"Try '{context.command_path if context else 'opslib'} --help'"
        _fail(InvalidInput("Usage error", cause=error.format_message(), fix=help), words)
    except click.Abort as error:
        _fail(OpslibError("Interrupted", cause=str(error) or "Ctrl-C", fix="run it again"), words)
    except OpslibError as error:  # before OSError: some of ours are both
        _fail(error, words)
    except OSError as error:
        _fail(_refused_by_the_system(error), words)
    except Exception as error:  # noqa: BLE001 (the last place that can still say what happened)
        _fail(Defect(f"“opslib {words[0]}”", error), words)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Of a file or folder that others can write, say."""
    _warn_once(str(message))


@cache
def _warn_once(words: str) -> None:
    """Python forgets what it has shown whenever a library changes its filters."""
    say(f"warning: {words}", err=True)


def _refused_by_the_system(error: OSError) -> OpslibError:
    return OpslibError(
        f"{error.filename} cannot be used" if error.filename else "The operating system refused",
        cause=error.strerror or str(error),
        fix="check the path, its permissions and the free space, then run it again",
    )


def _fail(error: OpslibError, words: list[str]) -> None:
    try:
        if "--json" in words:
            say_json(error.as_json())
        else:
            say_text(str(error), err=True)
    except OSError:  # stdout itself cannot be written: its disk is full, say
        with suppress(OSError):
            say_text(str(error), err=True)
    sys.exit(ExitCode.HALF_DONE if isinstance(error, HalfDone) else ExitCode.FAILED)
