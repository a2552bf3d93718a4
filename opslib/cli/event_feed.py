"""`opslib check-feed`: the AWS side of an onboarding's change feed, printed or checked."""

import asyncio
import json
from pathlib import Path

import click

from opslib.errors import InvalidInput
from opslib.onboarding.file import load_onboarding
from opslib.onboarding.models import DataLakeWebhook, Onboarding
from opslib.validator.documents import event_feed as eventbridge
from opslib.validator.event_feed import ChangeFeed
from opslib.walk.walk import Walk


def check_feed(file: Path, org_id: str | None, *, as_json: bool) -> int:
    """Say of each link whether it holds; 0 when all do."""
    webhook, org = _feed(file, org_id)
    rows = ChangeFeed(webhook, org).check()
    if as_json:
        click.echo(json.dumps({"source": eventbridge.source(webhook, org), "links": [dict(vars(row)) for row in rows]}))
    else:
        for row in rows:
            click.echo(f"{row.word:8} {row.question}: {row.found}{f'. Fix: {row.fix}' if row.fix else ''}")
    return 0 if all(row.word == "PASS" for row in rows) else 1


def print_document(kind: str, file: Path, org_id: str | None) -> None:
    """Print the AWS CLI commands or the Terraform."""
    webhook, org = _feed(file, org_id)
    click.echo(eventbridge.terraform(webhook, org) if kind == "terraform" else eventbridge.commands(webhook, org))


def _feed(file: Path, org_id: str | None) -> tuple[DataLakeWebhook, str]:
    """The feed in the file, and the organisation's id: as given, or as the org says."""
    onboarding = load_onboarding(file)
    if onboarding.backend != "platform":
        raise InvalidInput(
            f"{file} has no change feed over EventBridge",
            cause=f"its backend is {onboarding.backend}, whose webhook goes to the data lake itself",
            fix="give an onboarding file for backend: platform",
        )
    return onboarding.webhook, org_id or asyncio.run(_ask(onboarding))


async def _ask(onboarding: Onboarding) -> str:
    async with Walk(onboarding, command="check-feed") as walk:
        found = (await walk.run("connect")).data["doctor"]["organization"]
    if found:
        return str(found["id"])
    raise InvalidInput("The organisation's id is not known", cause="the org does not say it", fix="give --org-id")
