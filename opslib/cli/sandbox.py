from typing import Any

import click

from opslib.cli import options


@click.command()
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
@click.option("--until-stdin-closes", is_flag=True, help="Also stop at the end of standard input.")
def sandbox(as_json: bool, **settings: Any) -> None:
    """Run Genesys, S3 and a data lake on this machine, until Ctrl-C."""
    from opslib.sandbox.server.serve import serve  # brings moto, which `--help` has no use for

    serve(json_output=as_json, **settings)
