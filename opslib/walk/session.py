from collections.abc import Mapping
from typing import Self

from opslib.auth import GenesysAuthManager
from opslib.genesys.backend import Backend
from opslib.genesys.platform_backend import PlatformBackend
from opslib.genesys.recorder import Recorder
from opslib.onboarding.models import BackendName
from opslib.router.storage_router import GenesysStorageRouter
from opslib.settings import Settings


class Session:
    """One connection to the org that the settings name: token, rate gate, client and both backends.

    `recorder` keeps its attempts. Raises InvalidInput when the settings name no org, or no OAuth client.
    """

    def __init__(self, settings: Settings, recorder: Recorder, *, shared: GenesysAuthManager | None = None) -> None:
        self.settings = settings
        client = settings.client_id, settings.client_secret, settings.org_id
        self.auth = shared or GenesysAuthManager(*client, settings=settings)
        self._is_shared = shared is not None
        self.router = GenesysStorageRouter(self.auth, recorder=recorder)
        self.client = self.router.client
        self.backends: Mapping[BackendName, Backend] = {
            "storage-targets": self.router.backend,
            "platform": PlatformBackend(self.client),
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def share(self, recorder: Recorder) -> "Session":
        """Another session with the same token and gate, whose attempts `recorder` keeps."""
        return Session(self.settings, recorder, shared=self.auth)

    async def aclose(self) -> None:
        """Close the connections of the running event loop; those of a shared token stay open for the others."""
        await (self.client if self._is_shared else self.router).aclose()
