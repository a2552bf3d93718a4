"""Arguments and options that several commands take. Each is a decorator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class PathType(click.Path):
    """A path that is not empty. Of an empty one, as an unset variable leaves it, pathlib makes the current folder."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("the path is empty; write . for the current folder", param, ctx)
        return super().convert(value, param, ctx)


onboarding_file = click.argument("file", type=PathType())
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
allow = click.option("--allow", multiple=True, metavar="NAME", help="Agree to an unsafe change, by its name.")
reason = click.option("--reason", default="", help="Why; needed with --allow.")
until = click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    callback=lambda _, __, value: value.date() if value else None,
    help="The last day of what --allow agrees to; by default 90 days from now.",
)
anchor_region = click.option(
    "--region", default="us-east-1", envvar="AWS_DEFAULT_REGION", help="Where the anchors' bucket is."
)


def consent(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a command needs that changes an org."""
    yes = click.option("--yes", is_flag=True, help="Do it; without, only the plan is shown.")
    checksum = click.option("--checksum", help="Apply this plan only, as `opslib plan` printed it.")
    return yes(checksum(allow(reason(until(as_json(command))))))
