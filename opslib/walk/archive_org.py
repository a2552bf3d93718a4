"""The org that an archive is of, as the settings name it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opslib.genesys.recorder import Recorder
from opslib.ledger.ledger import Run
from opslib.onboarding.example import wanted_onboarding
from opslib.onboarding.models import BackendName, Onboarding
from opslib.settings import Settings
from opslib.walk.identities import Identities
from opslib.walk.right_org import refuse_other_org, stated_orgs
from opslib.walk.session import Session


def names_an_org(settings: Settings) -> bool:
    """Whether the settings have what is needed to ask an org."""
    return bool(
        settings.client_id and settings.client_secret.get_secret_value() and (settings.api_url or settings.region)
    )


def wanted_backend(settings: Settings) -> BackendName:
    return wanted_onboarding(settings).backend


@asynccontextmanager
async def connected(
    settings: Settings, run: Run, recorder: Recorder | None = None, *, onboarding: Onboarding | None = None
) -> AsyncIterator[Session]:
    """A session whose requests are noted in the run. Raises InvalidInput where the settings name no org or client,
    WrongOrg for another org than they or the onboarding state, which is by default theirs."""
    async with Session(settings, recorder or Recorder(run.note)) as session:
        await refuse_other_org(session.client, stated_orgs(onboarding or wanted_onboarding(settings), settings))
        await Identities(run).ask_genesys(session.client, settings.client_id)
        yield session
