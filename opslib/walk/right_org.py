"""Is this the org that the user means? Asked before anything is planned, resumed or rolled back."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opslib.errors import WrongOrg
from opslib.genesys.client import GenesysClient, answer
from opslib.genesys.token import TOKEN, Named, organization
from opslib.onboarding.models import Onboarding
from opslib.onboarding.values import is_guid
from opslib.settings import Settings

_ANSWERS_WITHIN_S = 20.0


@dataclass(frozen=True)
class Stated:
    """The id of the org that is meant, and where it stands. `confirm`: an org that does not say its id is refused."""

    where: str
    id: str
    confirm: bool = True


def stated_orgs(onboarding: Onboarding, settings: Settings) -> list[Stated]:
    """Where an org's id is stated. OPSLIB_ORG_ID may also be a short name, which no API tells."""
    stated = [Stated("org_id in the onboarding", onboarding.org_id)] if onboarding.org_id else []
    if is_guid(settings.org_id):
        # The contract of storage-targets has no question for it.
        stated.append(Stated("OPSLIB_ORG_ID", settings.org_id, confirm=onboarding.backend == "platform"))
    return stated


async def refuse_other_org(client: GenesysClient, stated: Sequence[Stated]) -> None:
    """Ask the org who it is, where an id is stated. Raises WrongOrg."""
    if not stated:
        return
    async with client.operation("confirm_org"):
        until = asyncio.get_running_loop().time() + _ANSWERS_WITHIN_S
        about = await answer(client, TOKEN, None, until)
    for error in wrong_orgs(stated, organization(about)):
        raise error


def wrong_orgs(stated: Sequence[Stated], org: Named | str) -> Iterator[WrongOrg]:
    """The error for each statement that the org contradicts, or should confirm and does not."""
    for one in stated:
        if isinstance(org, str):
            if one.confirm:
                yield WrongOrg(
                    "The org cannot be confirmed",
                    cause=f"{one.where} is {one.id}, and the org does not say which one it is: {org}",
                    fix=f"try again; or remove {one.where} to go on without this check. Nothing was written",
                )
        elif one.id.lower() != org.id.lower():
            yield WrongOrg(
                "This is not the org that is meant",
                cause=f"{one.where} is {one.id}, and the OAuth client belongs to {org.name} ({org.id})",
                fix=f"use an OAuth client of the org that is meant, or correct {one.where}. Nothing was written",
            )
