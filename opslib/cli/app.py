"""`opslib …`: the same steps for a terminal.

Here are the commands' names, and what becomes of an error: cause and fix on stderr or, with --json, one JSON document
on stdout. A command is a function in the file of its topic, and a line in `_COMMANDS`.
"""

import json
import sys
from typing import Any

import click

from opslib.cli.exit_codes import ExitCode
from opslib.cli.lazy_commands import LazyCommands
from opslib.errors import HalfDone, InvalidInput, OpslibError

_COMMANDS = LazyCommands(
    {
        "init": "opslib.cli.onboard.init",
        "plan": "opslib.cli.onboard.plan",
        "apply": "opslib.cli.onboard.apply",
        "offboard": "opslib.cli.onboard.offboard",
        "onboard": "opslib.cli.onboard.onboard",
        "resume": "opslib.cli.onboard.resume",
        "rollback": "opslib.cli.onboard.rollback",
        "drift": "opslib.cli.onboard.drift",
        "export": "opslib.cli.onboard.export",
        "doctor": "opslib.cli.org.doctor",
        "changes": "opslib.cli.org.changes",
        "check-bucket": "opslib.cli.bucket.check_bucket",
        "check-feed": "opslib.cli.event_feed.check_feed",
        "audit": "opslib.cli.evidence.audit",
        "verify": "opslib.cli.evidence.verify",
        "anchor": "opslib.cli.evidence.anchor",
        "export-ledger": "opslib.cli.evidence.export_ledger",
        "lab": "opslib.cli.lab.lab",
        "sandbox": "opslib.cli.sandbox.sandbox",
    }
)


@click.group(commands=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="opslib")
def cli() -> None:
    """Route Genesys Cloud call recordings into an S3 bucket, safely, and keep the evidence."""


@cli.result_callback()
def _exit(code: int | None, **_: Any) -> None:
    if code:
        sys.exit(code)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error becomes cause and fix on stderr, or JSON on stdout."""
    words = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        cli.main(words, standalone_mode=False)
    except click.ClickException as error:
        _fail(InvalidInput("Usage error", cause=error.format_message(), fix="see opslib --help"), words)
    except click.Abort as error:
        _fail(OpslibError("Interrupted", cause=str(error) or "Ctrl-C", fix="run it again"), words)
    except OpslibError as error:  # before OSError: some of ours are both
        _fail(error, words)
    except OSError as error:
        _fail(_refused_by_the_system(error), words)


def _refused_by_the_system(error: OSError) -> OpslibError:
    return OpslibError(
        f"{error.filename} cannot be used" if error.filename else "The operating system refused",
        cause=error.strerror or str(error),
        fix="check the path, its permissions and the free space, then run it again",
    )


def _fail(error: OpslibError, words: list[str]) -> None:
    if "--json" in words:
        click.echo(json.dumps(error.as_json()))
    else:
        click.echo(str(error), err=True)
    sys.exit(ExitCode.HALF_DONE if isinstance(error, HalfDone) else ExitCode.FAILED)
