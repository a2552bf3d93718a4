import json
import shlex
from collections.abc import Mapping
from typing import Any

import click

from opslib.cli import options
from opslib.sandbox.launch import variables
from opslib.sandbox.server.platform.shapes import SHAPES

_HUMAN = """\
The sandbox is running; stop it with Ctrl+C.

  Genesys API    {api_url}
  Genesys login  {login_url}
  S3             {s3_url}   bucket {bucket} in {region}
  data lake      {datalake_url}
  control        {control_url}

To point opslib at it, paste these lines into another terminal:

"""


# \b: click keeps the lines as they are
_SHAPES = "\b\nIntegration shapes:\n" + "\n".join(f"  {name}\n    {shape.words}" for name, shape in SHAPES.items())


@click.command(epilog=_SHAPES)
@options.as_json
@click.option("--seed", type=int, help="The same seed gives the same ids and names.")
@click.option("--read-lag-s", type=click.FloatRange(0), default=0.0, help="Reads are this many seconds old.")
@click.option("--rate-limit", type=click.IntRange(1), default=300, help="Requests per token and 60 s.")
@click.option(
    "--backend",
    type=click.Choice(["both", "storage-targets", "platform"]),
    default="both",
    help="Which Genesys API the org serves.",
)
@click.option(
    "--integration-shape",
    type=click.Choice(list(SHAPES)),
    default="role-in-properties",
    show_default=True,
    metavar="NAME",
    help="What the org's S3 integration looks like; see below.",
)
@options.recordings
@options.planted
@click.option("--until-stdin-closes", is_flag=True, help="Also stop at the end of standard input.")
def sandbox(as_json: bool, recordings: int | None, planted: bool, **settings: Any) -> None:
    """Run Genesys, S3 and a data lake on this machine, until Ctrl-C."""
    options.check_recordings(recordings, planted)
    from opslib.sandbox.server.serve import serve  # brings moto, which `--help` has no use for

    announce = json.dumps if as_json else _in_words
    serve(announce=announce, recordings=recordings or 0, planted=planted, **settings)


def _in_words(facts: Mapping[str, str]) -> str:
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(facts).items())
    return _HUMAN.format(**facts) + exports
