import json
import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

import click

from opslib.cli import options
from opslib.sandbox.launch import variables
from opslib.sandbox.server.platform.shapes import SHAPES
from opslib.settings import default_home

_HUMAN = """\
The sandbox is running; stop it with Ctrl+C.

  Genesys API    {api_url}
  Genesys login  {login_url}
  S3             {s3_url}   bucket {bucket} in {region}
  data lake      {datalake_url}
  control        {control_url}

To point opslib at it, paste these lines into another terminal:

unset OPSLIB_REGION OPSLIB_ONBOARDING AWS_PROFILE AWS_SESSION_TOKEN
"""


# \b: click keeps the lines as they are
_EXAMPLES = options.examples("opslib sandbox", "opslib sandbox --backend platform --seed 7", "opslib sandbox --json")
_SHAPES = (
    _EXAMPLES
    + "\n\n\b\nIntegration shapes:\n"
    + "\n".join(f"  {name}\n    {shape.words}" for name, shape in SHAPES.items())
)


@click.command(epilog=_SHAPES)
@options.as_json
@click.option("--seed", type=int, help="The same seed gives the same ids and names.")
@click.option("--read-lag-s", type=click.FloatRange(0), default=0.0, help="Reads are this many seconds old.")
@click.option("--rate-limit", type=click.IntRange(1), default=300, help="Requests per token and window.")
@click.option(
    "--rate-window-s", type=click.FloatRange(0, min_open=True), default=60.0, help="How long such a window is."
)
@click.option(
    "--backend",
    type=options.Choice(["both", "storage-targets", "platform"]),
    default="both",
    help="Which Genesys API the org serves.",
)
@click.option(
    "--integration-shape",
    type=options.Choice(list(SHAPES)),
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

    backend = settings["backend"] if settings["backend"] == "platform" else "storage-targets"
    announce = json.dumps if as_json else partial(_in_words, backend)
    serve(announce=announce, recordings=recordings or 0, planted=planted, **settings)


def _in_words(backend: str, facts: Mapping[str, str]) -> str:
    """All that opslib and boto3 read: what another terminal is set to must not count here."""
    own = {"OPSLIB_BACKEND": backend, "OPSLIB_HOME": str(default_home(sandbox=True))}
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in (variables(facts) | own).items())
    return f"{_HUMAN.format(**facts)}{exports}\n\nThen: opslib init, or see where you are: opslib where"
