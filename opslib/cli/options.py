"""Arguments and options that several commands take. Each is a decorator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

onboarding_file = click.argument("file", type=click.Path(path_type=Path))
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
allow = click.option("--allow", multiple=True, metavar="NAME", help="Agree to an unsafe change, by its name.")
reason = click.option("--reason", default="", help="Why; needed with --allow failed-validation.")
anchor_region = click.option(
    "--region", default="us-east-1", envvar="AWS_DEFAULT_REGION", help="Where the anchors' bucket is."
)


def consent(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a command needs that changes an org."""
    yes = click.option("--yes", is_flag=True, help="Do it; without, only the plan is shown.")
    checksum = click.option("--checksum", help="Apply this plan only, as `opslib plan` printed it.")
    return yes(checksum(allow(reason(as_json(command)))))
