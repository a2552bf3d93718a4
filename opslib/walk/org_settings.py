"""The settings for the org that an onboarding names; without an `org:` block, those of the environment."""

import os

from pydantic import SecretStr

from opslib.errors import InvalidInput, WrongOrg
from opslib.onboarding.models import Onboarding
from opslib.settings import Settings


def settings_for(onboarding: Onboarding | None, settings: Settings | None = None) -> Settings:
    """The settings, by default the environment's, aimed at the onboarding's org. Its URLs are held to the same rules as
    OPSLIB_API_URL. Raises InvalidInput, also for a variable that is not set."""
    if onboarding is None or onboarding.org is None:
        return settings or Settings.load()
    org = onboarding.org
    given = dict(settings) if settings else {}
    return Settings.load(
        **{
            **given,
            "region": org.region or None,
            "api_url": org.api_url or None,
            "login_url": org.login_url or None,
            "org_id": onboarding.org_id,
            "client_id": _variable(org.client_id_env),
            "client_secret": SecretStr(_variable(org.client_secret_env)),
        }
    )


def org_key(settings: Settings) -> str:
    """An org as the address of its API and the OAuth client: two orgs of one region have the same address."""
    return f"{settings.api_base} as {settings.client_id}"


def refuse_other_settings(onboarding: Onboarding, settings: Settings) -> None:
    """Raises WrongOrg where the onboarding names an org, and the settings are for another one or another client."""
    named = settings_for(onboarding, settings)
    if onboarding.org and org_key(named) != org_key(settings):
        raise WrongOrg(
            "The onboarding is for another org",
            cause=f"its org block names {org_key(named)}, and the settings are for {org_key(settings)}",
            fix="connect to the org that it names, or remove the block. Nothing was sent",
        )


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value.strip():
        raise InvalidInput(
            f"{name} is not set",
            cause="the onboarding's org block names this variable, and the environment does not have it",
            fix=f"set {name}, or correct the org block; nothing was sent",
        )
    return value
