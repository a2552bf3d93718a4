"""`opslib archive`: did every recording arrive, how late, and why not. What exports them is in `backfill`."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click

from opslib.archive.engines import NAMES, Engine, engine
from opslib.archive.render import as_text, why_as_text
from opslib.archive.why import WITHIN_DAYS
from opslib.cli import options
from opslib.cli.archive_progress import archive_teller
from opslib.cli.backfill import backfill
from opslib.cli.exit_codes import ExitCode
from opslib.cli.output import say, say_json, say_text
from opslib.credentials import usual_keys
from opslib.walk.archive import ANALYTICS, ArchiveQuestion, verify_archive
from opslib.walk.why import why_missing


class _Expected(options.PathType):
    """A file, or the word for the org's analytics."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == ANALYTICS else super().convert(value, param, ctx)


class _Engine(click.ParamType[Engine]):
    name = "engine"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Engine:
        try:
            return engine(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
def archive() -> None:
    """The recordings in the bucket: did they all arrive, and why not?"""


archive.add_command(backfill)


@archive.command(
    epilog=options.examples(
        "opslib archive verify --expected calls.csv --bucket my-recordings",
        "opslib archive verify --expected analytics --since 2026-11-01T00:00Z --bucket my-recordings",
    )
)
@click.option(
    "--expected",
    type=_Expected(dir_okay=False),
    required=True,
    help='CSV or Parquet: the recordings that should exist; "analytics" asks the org.',
)
@click.option("--bucket", required=True, help="The bucket that they should be in.")
@click.option("--prefix", default="", help="Only below this folder.")
@click.option(
    "--inventory",
    metavar="MANIFEST",
    default="",
    help="Read this S3 Inventory (manifest.json: path or s3://) instead of listing.",
)
@click.option("--region", default="us-east-1", envvar="AWS_DEFAULT_REGION", help="Where the bucket is.")
@click.option("--since", type=options.Moment(), help="Judge conversations that ended from then on; by default all.")
@click.option("--until", type=options.Moment(), help="Judge conversations that ended before this time.")
@click.option(
    "--within-hours",
    type=click.FloatRange(0, min_open=True),
    default=24.0,
    show_default=True,
    help="Later than this is late.",
)
@click.option("--now", type=options.Moment(), help="Judge as of this time; by default, when the reading began.")
@click.option(
    "--engine",
    type=_Engine(),
    metavar="NAME",
    default="duckdb",
    show_default=True,
    help=f"What compares: {NAMES}. Spark needs `pip install 'opslib[spark]'` and Java 17.",
)
@click.option("--out", type=options.PathType(file_okay=False), help="Write every list there, as Parquet and CSV.")
@options.as_json
def verify(
    expected: Path | Literal["analytics"],
    bucket: str,
    out: Path | None,
    engine: Engine,
    *,
    as_json: bool,
    now: datetime | None,
    **asked: Any,
) -> ExitCode:
    """Compare the recordings in BUCKET with those expected. Exit code 0: PASS.

    FAIL: recordings are missing or empty. WARN: late, several times, without a sidecar, or foreign keys. UNKNOWN: the
    bucket could not be read whole, or nothing was due. Where an org is configured, it is asked why they are missing.
    """
    question = ArchiveQuestion(expected, bucket, now=now, **asked)
    tell = archive_teller(as_json=as_json)
    found = asyncio.run(verify_archive(question, usual_keys(), engine=engine, out=out, progress=tell))
    if as_json:
        say_json(found.as_json())
    else:
        say_text(as_text(found))
    if out and not as_json:
        say("", f"lists written: {out}")
    return ExitCode.DONE if found.verdict == "PASS" else ExitCode.FAILED


@archive.command(epilog=options.examples("opslib archive why", "opslib archive why --within-days 7 --json"))
@click.option(
    "--within-days",
    type=click.FloatRange(0, min_open=True),
    default=WITHIN_DAYS,
    show_default=True,
    help="At risk is what Genesys deletes within so many days.",
)
@options.as_json
def why(within_days: float, *, as_json: bool) -> ExitCode:
    """Why is missing what the last verification found missing? Asks the org, and reads only.

    Each recording with its reason and what to do, and what Genesys deletes first. Exit code 0: nothing is missing.
    """
    found = asyncio.run(why_missing(within_days=within_days, progress=archive_teller(as_json=as_json)))
    if as_json:
        say_json(found.as_json())
    else:
        say_text(why_as_text(found))
    return ExitCode.FAILED if found.verification["missing"] else ExitCode.DONE
