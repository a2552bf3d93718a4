import asyncio
from pathlib import Path

import click

from opslib.cli import options
from opslib.cli.exit_codes import ExitCode
from opslib.cli.output import say_document, say_json, say_rows
from opslib.errors import InvalidInput
from opslib.onboarding.file import load_onboarding
from opslib.onboarding.models import DataLakeWebhook, Onboarding
from opslib.settings import Settings
from opslib.validator.documents import event_feed
from opslib.validator.event_feed import EventFeed
from opslib.verdict import Readiness
from opslib.walk.walk import Walk


@click.command(
    epilog=options.examples(
        "opslib check-feed onboarding.yaml", "opslib check-feed onboarding.yaml --print terraform > feed.tf"
    )
)
@options.onboarding_file
@click.option("--org-id", help="The Genesys organisation's id; by default the org is asked.")
@click.option(
    "--print", "document", type=options.Choice(["terraform", "aws-cli"]), help="Print it, and ask AWS nothing."
)
@options.as_json
def check_feed(file: Path, org_id: str | None, document: str | None, as_json: bool) -> ExitCode:
    """Do Genesys's events reach FILE's data lake through AWS? Reads only.

    Exit code 0: every link is PASS. A sandbox has no such links, and says so.
    """
    webhook, org = _feed(file, org_id)
    if document:
        write = event_feed.terraform if document == "terraform" else event_feed.commands
        say_document(write(webhook, org))
        return ExitCode.DONE
    rows = [_ON_SANDBOX] if Settings.load().on_sandbox else EventFeed(webhook, org).check()
    if as_json:
        say_json({"source": event_feed.source(webhook, org), "links": [dict(vars(row)) for row in rows]})
    else:
        say_rows(rows)
    return ExitCode.DONE if all(row.word == "PASS" for row in rows) else ExitCode.FAILED


_ON_SANDBOX = Readiness(
    "Genesys's events reach the data lake through AWS",
    "not_checked",
    "the sandbox has no EventBridge (no event source, bus, rule, API destination or connection): it hands its events "
    "to its own data lake, and AWS was not asked",
    "see an event arrive with `opslib onboard FILE`; check the AWS side with a live org",
)


def _feed(file: Path, org_id: str | None) -> tuple[DataLakeWebhook, str]:
    """The feed in the file, and the organisation's id: as given, or as the org says."""
    onboarding = load_onboarding(file)
    if onboarding.backend != "platform":
        raise InvalidInput(
            f"{file} has no change feed over EventBridge",
            cause=f"its backend is {onboarding.backend}, whose webhook goes to the data lake itself",
            fix="give an onboarding file for backend: platform",
        )
    return onboarding.webhook, org_id or asyncio.run(_ask_org_id(onboarding))


async def _ask_org_id(onboarding: Onboarding) -> str:
    async with Walk(onboarding, command="check-feed") as walk:
        organization = (await walk.run("connect")).data["doctor"]["organization"]
    if organization:
        return str(organization["id"])
    raise InvalidInput("The organisation's id is not known", cause="the org does not say it", fix="give --org-id")
