"""The orgs of a fleet: one session for each, and how many onboardings are at work at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from opslib.genesys.gate import in_bulk
from opslib.genesys.recorder import Recorder
from opslib.settings import Settings
from opslib.walk.fleet_progress import Waiting
from opslib.walk.org_settings import org_key
from opslib.walk.session import Session

AT_ONCE, IN_ALL = 8, 32


class Org:
    """One org: its settings, and the session whose token and rate gate all its onboardings share."""

    def __init__(self, settings: Settings, recorder: Recorder, at_once: int) -> None:
        self.settings, self.session = settings, Session(settings, recorder)
        self.places = asyncio.Semaphore(at_once)

    @property
    def waiting(self) -> Waiting:
        state = self.session.auth.gate.state()
        return Waiting(urlsplit(self.settings.api_base).netloc, state.waiting, state.opens_in_s)


class Orgs:
    """Every org of a fleet, opened when its first onboarding comes. At most `at_once` onboardings of one org are at
    work, and `in_all` of all orgs."""

    def __init__(self, recorder: Recorder, at_once: int = AT_ONCE, in_all: int = IN_ALL) -> None:
        self._recorder, self._at_once = recorder, at_once
        self._places = asyncio.Semaphore(in_all)
        self._orgs: dict[str, Org] = {}

    def of(self, settings: Settings) -> Org:
        """The org that the settings name. Raises InvalidInput where they name no OAuth client."""
        key = org_key(settings)
        if key not in self._orgs:
            self._orgs[key] = Org(settings, self._recorder, self._at_once)
        return self._orgs[key]

    @asynccontextmanager
    async def place(self, org: Org) -> AsyncIterator[None]:
        """Wait for a place among the onboardings at work."""
        async with org.places, self._places:
            with in_bulk("fleet"):
                yield

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """The orgs whose rate limit some onboardings wait for."""
        return tuple(waits for org in self._orgs.values() if (waits := org.waiting).count)

    @property
    def attempts(self) -> int:
        """Calls of Genesys's API with every try, without those for a token."""
        return sum(org.session.auth.gate.attempts for org in self._orgs.values())

    @property
    def rate_limited(self) -> int:
        return sum(org.session.auth.gate.rate_limited for org in self._orgs.values())

    async def aclose(self) -> None:
        for org in self._orgs.values():
            await org.session.aclose()
