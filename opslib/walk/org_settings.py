"""The settings for the org that an onboarding names; without an `org:` block, those of the environment."""

import os

from pydantic import SecretStr

from opslib.errors import InvalidInput
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


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value.strip():
        raise InvalidInput(
            f"{name} is not set",
            cause="the onboarding's org block names this variable, and the environment does not have it",
            fix=f"set {name}, or correct the org block; nothing was sent",
        )
    return value
